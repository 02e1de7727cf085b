"""Section 04's plan: which models are read and steered, and what it costs.

The items are in `mask_items`. Never loads torch.
"""

from __future__ import annotations

from typing import Any

from valuegate import mask_items, registry
from valuegate.config import Run
from valuegate.measure import Measurement

SECTION = "04_neutral_mask"
# Forward tokens an item, counted on the embedded model, with what prompts share run once.
TOKENS = {"statements": 15.5, "prompts": 17, "features": 11.6, "doses": 250, "parties": 30,
          "cues": 131}  # fmt: skip
PUBLIC = 26  # a public statement
FEATURES = 16 / 30  # depth of the layer that autoencoders read


def plan(run: Run) -> list[Measurement]:
    """Return the section's measurements, of the models of `lineage`.

    Statements of two sides ("statements"), prompts in both templates ("prompts"), what their
    places along the axis are made of ("features"), statements after a question while a direction is
    added ("doses"), which party is named ("parties"), and statements after a cue ("cues"). Of
    `others` the statements alone.
    """
    s = run.settings(SECTION)
    fitted: dict[str, Any] = {k: s[k] for k in ("world", "each", "source", "pairs")}
    axis = fitted | {"hash": mask_items.fingerprint(**fitted)}
    every = {"every": s["every"]}
    depth, push = {"depth": s["depth"]}, {"strengths": str(s["strengths"])}
    runs, above = 2 * len(push["strengths"].split()), 1 - float(str(s["depth"]))
    pushed = runs * 5 * above  # the axis, and random directions
    found = []
    read, coder = lineage(run), coder_of(run)
    for model in [*read, *others(run)]:
        found.append(_measurement("statements", model, "run:statements", "statements", fitted,
                                  depth | axis))  # fmt: skip
        if model not in read:
            continue
        written = runs * 5 * (1 - FEATURES) if coder else 0  # the axis again, and features
        found += [
            _measurement("prompts", model, "run:prompts", "prompts", every, depth),
            _measurement("doses", model, "steer:doses", "questions", {"each": s["said"], **every},
                         depth | push | {"coder": coder} | axis, 1 + (pushed + written) / 2),
            _measurement("parties", model, "steer:parties", "stances", every, depth | push | axis,
                         2 + pushed),
            _measurement("cues", model, "steer:cues", "cued",
                         {"each": 2, "pairs": s["cues"], **every}, depth | axis, 1 + 6 * above),
        ]  # fmt: skip
        if coder:
            found.append(_measurement("features", model, "run:features", "chat_prompts", every,
                                      {"coder": coder} | axis))  # fmt: skip
    return found


def lineage(run: Run) -> list[str]:
    """Return the models that are compared: before, after, then controls.

    Models that are named, two or more, in their order; else the profile's model and its stages.
    """
    if run.models != run.profile.models and len(run.models) > 1:
        return list(run.models)
    chosen = str(run.settings(SECTION)["stages"] or "").split()
    return list(dict.fromkeys([run.profile.models[0], *chosen]))


def others(run: Run) -> list[str]:
    """Return the models whose statements alone are read: one that is named has no pair."""
    return [model for model in run.models if model not in lineage(run)]


def coder_of(run: Run) -> str:
    """Return whose autoencoder is read, or "" where it is of another base than the models are."""
    coder = str(run.settings(SECTION)["coder"] or "")
    roots = {registry.root(model) for model in (*lineage(run), coder) if model}
    return coder if len(roots) == 1 else ""


def _measurement(
    name: str,
    model: str,
    function: str,
    load: str,
    options: dict[str, Any],
    settings: dict[str, Any],
    times: float = 1.0,
) -> Measurement:
    # Public statements are counted, not read: a plan reads no source.
    public = 2 * options["pairs"] if options.get("source") == "public" else 0
    own = options | {"source": "own"} if public else options
    rows = len(getattr(mask_items, load)(**own))
    return Measurement(
        section=SECTION, name=name, model=model, function=f"mask_{function}",
        load_items=f"mask_items:{load}", item_settings=options, settings=settings,
        checked=CHECKED[name], whole=name == "statements",
        tokens=round(rows * TOKENS[name] * times + public * PUBLIC),
    )  # fmt: skip


CHECKED = {"statements": "along", "prompts": "length", "features": "along", "doses": "stance",
           "parties": "log_odds", "cues": "stance"}  # fmt: skip
