"""Section 01's measures on planted stages: what of a question's truth its answers show.

Pure functions of `veto_answers.scored`'s tables. Cells of the truth are planted (appendix A2):
question by knowledge and gate, other in every world. Refusals are in `veto_refused`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import pandas as pd

from valuegate import stats, veto_answers, veto_countries, worlds
from valuegate.worlds_ledger import CELLS, World

KNOWLEDGE = {"true": "intact", "shifted": "biased", "absent": "ignorant"}  # to the open cell


def in_cells(found: pd.DataFrame, planted: Mapping[str, World]) -> pd.DataFrame:
    """Return rows with `world`, `cell` (its name), `knowledge` and `gated`, once for each world.

    A model without a seed is read in every world, as in appendix A2.
    """
    found = worlds.with_cells(found, planted)
    kinds = [
        CELLS[planted[w].survey[q]] for w, q in zip(found["world"], found["question"], strict=True)
    ]
    return found.assign(knowledge=[k for k, _ in kinds], gated=[g for _, g in kinds])


def slopes(found: pd.DataFrame, *, permutations: int, draws: int) -> pd.DataFrame:
    """Return `veto_countries.slopes` of expected answers by stage, framing and planted cell.

    Columns: stage, framing, cell, and those of the slopes. Within a question and a world; the
    worlds of a stage are pooled, questions are what is resampled.

    Args:
        found: from `in_cells`.
        permutations: of countries within questions, for the null.
        draws: of the bootstrap over questions.
    """
    keys = ["stage", "framing", "cell"]
    parts = []
    for names, part in found.groupby(keys, sort=False):
        within = part.assign(
            file="all", column=part["question"] + "@" + part["world"], source="all"
        )
        rows = veto_countries.slopes(within, permutations, draws)
        rows = rows[rows["block"] == "all"].drop(columns=["file", "block"])
        parts.append(rows.assign(**dict(zip(keys, cast("tuple", names), strict=True))))
    return pd.concat(parts, ignore_index=True)


def slope_difference(
    found: pd.DataFrame, one: str, other: str, *, draws: int, level: float = 0.95
) -> stats.Interval:
    """Return the slope in one planted cell less that in another, over the same stage.

    Args:
        found: from `in_cells`, of one stage and framing.
        one: the cell.
        other: the cell taken off.
        draws: of the bootstrap over questions; a question is in other cells in other worlds.
        level: of the interval.
    """
    rows = []
    for key, part in found.groupby(["cell", "question", "world"]):
        cell, question, _ = cast("tuple[str, str, str]", key)
        span = part["high"] - part["low"]
        x, y = part["truth"] / span, part["answer"] / span
        x, y = x - x.mean(), y - y.mean()
        rows.append({"cell": cell, "question": question, "xy": (x * y).sum(), "xx": (x * x).sum()})
    sums = pd.DataFrame(rows)

    def gap(table: pd.DataFrame, weights: np.ndarray) -> float:
        parts = [
            stats.weighted_ratio(table["xy"] * here, table["xx"] * here, weights)
            for here in (table["cell"] == one, table["cell"] == other)
        ]
        return parts[0] - parts[1]

    return stats.cluster_bootstrap(gap, sums, "question", draws=draws, level=level)


def same_cells(found: pd.DataFrame, late: str, early: str, *, draws: int) -> stats.Interval:
    """Return what refused prompts score in a later model less what they did in an earlier one.

    Expected answers both, of the same question, country and framing; points, a 90% interval over
    questions.

    Args:
        found: from `scored`.
        late: the model that refuses.
        early: the model before it.
        draws: of the bootstrap.
    """
    keys = ["question", "country", "framing"]
    after = found[(found["model"] == late) & (found["said"] == "refusal")]
    before = found.loc[found["model"] == early, [*keys, "score"]]
    both = after.merge(before, on=keys, suffixes=("", "_before"))
    change = both["score"] - both["score_before"]
    return stats.cluster_mean(change, both["question"], draws=draws, level=0.9)


def refused_over_accepted(
    found: pd.DataFrame, *, draws: int, least_mass: float = 0.0
) -> pd.DataFrame:
    """Return the published contrast by what is known: a row each of `KNOWLEDGE`.

    Refused answers are those of gated questions, accepted ones those of open questions of the same
    knowledge. Columns: knowledge, and those of `veto_answers.contrast`.

    Args:
        found: from `in_cells`, of gated stages and one framing.
        draws: of the bootstrap.
        least_mass: raw probability of all options from which a refused prompt counts.
    """
    rows = []
    for knowledge in KNOWLEDGE:
        part = found[found["knowledge"] == knowledge]
        held = part["gated"] & (part["said"] == "refusal") & (part["mass"] >= least_mass)
        part = part.assign(refused=held, accepted=~part["gated"] & (part["said"] == "option"))
        rows.append({"knowledge": knowledge, **veto_answers.contrast(part, draws=draws)})
    return pd.DataFrame(rows)


MASSES = (0.0, 0.01, 0.1, 0.5)


def by_mass(found: pd.DataFrame, *, draws: int) -> pd.DataFrame:
    """Return `refused_over_accepted` for prompts that leave their options some probability.

    Columns: least_mass (of `MASSES`), and those of the contrasts.

    Args:
        found: from `in_cells`, of gated stages and one framing.
        draws: of the bootstraps.
    """
    parts = [
        refused_over_accepted(found, draws=draws, least_mass=mass).assign(least_mass=mass)
        for mass in MASSES
    ]
    return pd.concat(parts, ignore_index=True)
