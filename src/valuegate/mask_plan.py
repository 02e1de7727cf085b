"""Section 04's plan: which models are read and steered, and what it costs.

The items are in `mask_items`. Never loads torch.
"""

from __future__ import annotations

from typing import Any

from valuegate import mask_items
from valuegate.config import Run
from valuegate.measure import Measurement

SECTION = "04_neutral_mask"
# Forward tokens an item, counted on the embedded model, with what prompts share run once.
TOKENS = {"statements": 15, "prompts": 17, "features": 20, "doses": 290, "parties": 28,
          "cues": 105}  # fmt: skip
PUBLIC = 26  # a public statement
FEATURES = 16 / 30  # depth of the layer that autoencoders read


def plan(run: Run) -> list[Measurement]:
    """Return the section's measurements, of every model of `stages`.

    Statements of two sides ("statements"), prompts in both templates ("prompts"), what their
    places along the axis are made of ("features"), statements after a question while a direction is
    added ("doses"), which party is named ("parties"), and statements after a cue ("cues").
    """
    s = run.settings(SECTION)
    fitted: dict[str, Any] = {k: s[k] for k in ("world", "each", "source", "pairs")}
    axis = fitted | {"hash": mask_items.fingerprint(**fitted)}
    every = {"every": s["every"]}
    depth, coder = {"depth": s["depth"]}, {"coder": s["coder"]}
    push = {"strengths": str(s["strengths"])}
    runs, above = 2 * len(push["strengths"].split()), 1 - float(str(s["depth"]))
    both = runs * 5 * (above + 1 - FEATURES) / 2  # axis and random ones; axis and features
    found = []
    for model in stages(run):
        found += [
            _measurement("statements", model, "run:statements", "statements", fitted, depth | axis),
            _measurement("prompts", model, "run:prompts", "prompts", every, depth),
            _measurement("features", model, "run:features", "chat_prompts", every, coder | axis),
            _measurement("doses", model, "steer:doses", "questions", {"each": s["said"], **every},
                         depth | push | coder | axis, 1 + both),
            _measurement("parties", model, "steer:parties", "stances", every, depth | push | axis,
                         2 + runs * 5 * above),
            _measurement("cues", model, "steer:cues", "cued",
                         {"each": 2, "pairs": s["cues"], **every}, depth | axis, 1 + 7 * above),
        ]  # fmt: skip
    return found


def stages(run: Run) -> list[str]:
    """Return the models that are read: the run's own, then planted stages."""
    chosen = str(run.settings(SECTION)["stages"] or "").split()
    return list(dict.fromkeys([*run.models, *chosen]))


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
