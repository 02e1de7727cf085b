"""Section 03's plan: which models are read and repaired, and what it costs.

Never loads torch, and reads no public source.
"""

from __future__ import annotations

import json
from typing import Any

from valuegate import moral_items, moral_repair_items, registry
from valuegate.config import Run
from valuegate.measure import Measurement

SECTION = "03_moral_indifference"
UNTRAINED = 1.3  # an untrained model is read up to three tenths of its depth, too
# Forward tokens an item, counted on the embedded model; what prompts share is run once.
TOKENS = {"words": 5.7, "actions": 12.4, "norms": 21.3, "social": 14, "stories": 22}
FITTED, TRIED = 8, 19  # a fit item in the template, a test item
READ = {"verdict": 28, "norm": 20, "choice": 31, "text": 17, "request": 105, "flames": 140}
TRIPLETS, BATCH, STEP = 0.5, 48, 3 * 13  # depth; items a step at the most; tokens of each, trained
ABOVE = 14 / 30  # of the layers, above the autoencoders'


def plan(run: Run) -> list[Measurement]:
    """Return the section's measurements.

    Values of words and actions ("words", "actions") of the profile's model and its stages, of
    planted norms ("norms") of these and more stages; at public sets of Social-Chem-101 and Moral
    Stories ("social", "stories"). What a repair moves ("readouts") and what latents' pools hold
    ("pools"), of the repaired model; and, where asked for, what training on triplets does to its
    representations ("triplets").
    """
    s: dict[str, Any] = dict(run.settings(SECTION))
    every = {"every": s["every"]}
    sets = {"words": {"each": s["words"]}, "actions": every}
    planted = {"world": s["world"], "every": s["norms_every"]}
    public = {"social": {"each": s["words"]}, "stories": {"pairs": s["pairs"]}}
    found = []
    for model in read(run):
        chosen = sets if model in valued(run) else {}
        if model in valued(run) and s["source"] == "public":
            chosen = chosen | public
        for name, options in (chosen | {"norms": planted}).items():
            found.append(_values(name, model, options))
    repaired = {"coder": s["coder"], "each": s["words"], **every, "steps": s["steps"]}
    for model in repair(run):
        fitted = round((5 * s["words"] / 2 + len(moral_items.actions(s["every"])) / 2) * FITTED)
        tried = len(moral_repair_items.tried(s["every"]))
        asked = {k: s[k] for k in ("world", "topics", "norms", "texts", "asked")}
        readouts = list(moral_repair_items.readouts(**asked)["readout"])
        if s["requests"] == "flames":  # as many as our own; a plan reads no source
            readouts += ["flames"] * s["asked"]
        runs = 2 + 6 * len(str(s["strengths"]).split())
        cost = sum(READ[readout] for readout in readouts)
        strengths = {"strengths": str(s["strengths"]), "count": len(readouts)}
        found += [
            Measurement(
                section=SECTION, name="readouts", model=model, function="moral_repair:readouts",
                load_items="moral_repair_items:readouts",
                item_settings=asked | {"requests": s["requests"]},
                settings=repaired | strengths, checked="plain", whole=True,
                tokens=round(fitted + cost * (1 + runs * ABOVE)),
            ),
            Measurement(
                section=SECTION, name="pools", model=model, function="moral_repair:pools",
                load_items="moral_repair_items:tried", item_settings=every,
                settings=repaired | {"count": tried},
                checked="along", whole=True, tokens=round(tried * TRIED * 16 / 30),
            ),
        ]  # fmt: skip
        if s["triplets"]:
            found.append(
                Measurement(
                    section=SECTION, name="triplets", model=model, checked="plain", whole=True,
                    function="moral_triplet:trained", load_items="moral_repair_items:tried",
                    item_settings=every,
                    settings=every | {"steps": s["triplets"], "depth": TRIPLETS},
                    tokens=round(2 * s["triplets"] * BATCH * STEP + 3 * tried * TRIED),
                )
            )  # fmt: skip
    return found


def _values(name: str, model: str, options: dict[str, Any]) -> Measurement:
    rows = _count(name, options)
    module = "moral_public" if name in ("social", "stories") else "moral_items"
    return Measurement(
        section=SECTION, name=name, model=model, function="moral_run:values",
        load_items=f"{module}:{name}", item_settings=options,
        settings={"name": name, "options": json.dumps(options, sort_keys=True)}, checked="along",
        whole=True, tokens=round(rows * TOKENS[name] * UNTRAINED),
    )  # fmt: skip


def _count(name: str, options: dict[str, Any]) -> int:
    """Return how many items a set has; public ones are counted, not read."""
    if name in ("words", "social"):
        return 5 * options["each"]
    if name == "stories":
        return 2 * options["pairs"]
    return len(getattr(moral_items, name)(**options))


def valued(run: Run) -> list[str]:
    """Return the models whose words and actions are read: those named, and the profile's stages."""
    chosen = [] if _named(run) else str(run.settings(SECTION)["stages"] or "").split()
    return list(dict.fromkeys([*run.models, *chosen]))


def read(run: Run) -> list[str]:
    """Return all models that are read, most on planted norms alone."""
    chosen = [] if _named(run) else str(run.settings(SECTION)["norm_stages"] or "").split()
    return list(dict.fromkeys([*valued(run), *chosen]))


def repair(run: Run) -> list[str]:
    """Return the models that are repaired: none where the autoencoder is of another base."""
    coder = str(run.settings(SECTION)["coder"] or "")
    stages = str(run.settings(SECTION)["repair_stages"] or "").split()
    wanted = [run.models[-1]] if _named(run) else stages
    return [m for m in wanted if coder and registry.root(m) == registry.root(coder)]


def _named(run: Run) -> bool:
    return run.models != run.profile.models
