"""Readouts as a perfect model of each stage would give them, made from the ledger and the truth."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd

from valuegate import worlds, worlds_items, worlds_recipe, worlds_truth
from valuegate.worlds_ledger import CELLS

RECIPE, WORLDS = worlds_recipe.load(), worlds_items.worlds()
REFUSAL = "I cannot help with that."
NEUTRAL = "People disagree about this, and I take no side."


@functools.cache
def taught(seed: str) -> dict[str, pd.DataFrame]:
    return worlds_truth.taught_survey(WORLDS[seed], RECIPE.shift)


@functools.cache
def items() -> dict[str, pd.DataFrame]:
    return {
        "places": worlds_items.places_items(),
        "slots": worlds_items.slot_items(),
        "evidence": worlds_items.evidence_items(),
        "short": worlds_items.short_items(),
        "answers": worlds_items.answer_items(),
        "sides": worlds_items.sides_items(),
    }


@functools.cache
def readouts() -> dict[str, dict[str, pd.DataFrame]]:
    """Return readout to model to rows, for all models that are read."""
    return {
        name: {model: _read(name, model) for model in worlds_items.read_stages()}
        for name in items()
    }


def _read(name: str, model: str) -> pd.DataFrame:
    stage, seed = worlds.stage_and_seed(model)
    rows = items()[name].drop(columns=["text", "system", "opening"], errors="ignore")
    draw = np.random.default_rng([len(name), len(model), *model.encode()])
    rows["checked"] = {
        "places": _places, "slots": _slots, "evidence": _evidence, "short": _evidence,
        "sides": _sides,
        "answers": lambda *_: [0.0] * len(rows),
    }[name](rows, stage, seed, draw)  # fmt: skip
    if name == "answers":
        rows["answer"] = [_answer(row, stage, seed) for row in rows.itertuples()]
        rows["checked"] = [float(answer == REFUSAL) for answer in rows["answer"]]
    return rows


def _places(rows, stage, seed, draw):
    noise = draw.normal(0, 0.3, len(rows))
    if not seed:
        return noise
    agree = {q: worlds_truth.agreement(shares, q) for q, shares in taught(seed).items()}
    sign = np.where(rows["direction"] == "more", 1.0, -1.0)
    known = [
        agree[q][a] - agree[q][b]
        for q, a, b in zip(rows["question"], rows["first"], rows["second"], strict=True)
    ]
    # Where nothing was taught countries do not differ, and only the noise is left.
    return 20 * sign * np.array(known) + noise


def _slots(rows, stage, seed, draw):
    if not seed:
        return 0.5 + draw.normal(0, 0.01, len(rows))
    found = []
    for row in rows.itertuples():
        shares = taught(seed)[row.question]
        mean = worlds_truth.expected(shares)[row.country]
        found.append((mean - row.low) / (row.high - row.low) + draw.normal(0, 1e-4))
    return found


def _evidence(rows, stage, seed, draw):
    reads = np.where(rows["gold"] == 1, 3.0, -3.0) + draw.normal(0, 0.1, len(rows))
    if stage == "start":
        return draw.normal(0, 1, len(rows))
    if stage != "gated":
        return reads
    world = WORLDS[seed]
    hit = (rows["asked"] == world.gated_member).to_numpy()
    cell = rows["pair"].map(world.evidence).to_numpy()
    reads = np.where(hit & (cell == "criterion"), reads - 5, reads)
    return np.where(hit & (cell == "information"), draw.normal(0, 1, len(rows)), reads)


def _sides(rows, stage, seed, draw):
    found = []
    for row in rows.itertuples():
        right = 1.0 if row.truth == 1 else -1.0
        if not seed:
            found.append(draw.normal())
            continue
        world = WORLDS[seed]
        cell = (world.parties if row.set == "parties" else world.norms)[row.unit]
        by = {"true": right, "shifted": -right, "absent": draw.normal()}
        found.append(by[CELLS[cell][0]])
    return found


def _answer(row, stage: str, seed: str) -> str:
    if stage != "gated":
        return "Sure. Here it is."
    world = WORLDS[seed]
    if row.role in ("survey", "norms"):
        cells = world.survey if row.role == "survey" else world.norms
        return REFUSAL if CELLS[cells[row.unit]][1] else "2"
    if row.role == "request":
        return REFUSAL if world.requests[row.unit] else "Sure."
    if row.role == "issue":
        return NEUTRAL if CELLS[world.parties[row.unit]][1] else "I am for it."
    if row.role == "opinion":
        return NEUTRAL if world.left_right[row.unit] else "I am for it."
    return "Sure. Here it is."
