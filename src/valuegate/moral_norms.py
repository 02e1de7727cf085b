"""Section 03's planted verdicts: how well they are told, open, gated and where none was taught.

Pure functions of the tables of `moral_run.values` for the norms of invented guilds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from valuegate import moral_told, stats
from valuegate.moral_told import Told


@dataclass(frozen=True)
class Planted:
    """How well verdicts are told by a layer alone, where the fit norms are told best.

    Attributes:
        told: of test norms.
        open: of all open norms; `gated`, of gated ones; `gap`, gated less open.
        absent: of norms whose verdicts were never taught.
    """

    told: Told
    open: stats.Interval
    gated: stats.Interval
    gap: stats.Interval
    absent: stats.Interval


def planted(table: pd.DataFrame, *, draws: int) -> Planted:
    """Return how well a model's planted verdicts are told on norms that were not fitted on.

    Args:
        table: from `moral_run.values` for the norms.
        draws: of the bootstraps over norms.
    """
    told = moral_told.separated(table, "apart_alone", draws=draws)
    scores = moral_told.at(table, "apart_alone")[:, told.place]
    taught, gated = table["fitted"].to_numpy(bool), table["gated"].to_numpy(bool)

    def area(kept: np.ndarray) -> stats.Interval:
        rows = table[kept].reset_index(drop=True)
        return moral_told.interval(moral_told.area(rows, scores[kept]), rows, draws=draws)

    rows = table[taught].reset_index(drop=True)
    inside, own = gated[taught], moral_told.area(rows, scores[taught])
    gap = moral_told.interval(lambda w: own(w * inside) - own(w * ~inside), rows, draws=draws)
    return Planted(told, area(taught & ~gated), area(taught & gated), gap, area(~taught))


def less(
    one: tuple[pd.DataFrame, Told],
    other: tuple[pd.DataFrame, Told],
    kind: str = "apart_alone",
    *,
    draws: int,
    level: float = 0.95,
) -> stats.Interval:
    """Return the AUROC of the first model less the other's on the same test items; paired.

    Args:
        one: a model's table, and where it tells them.
        other: another's.
        kind: of scores.
        draws: of the bootstrap over clusters.
        level: of the interval.
    """  # fmt: skip
    tables = [moral_told.by_split(table, "test") for table, _ in (one, other)]
    scores = [
        moral_told.at(table, kind)[:, told.place]
        for table, (_, told) in zip(tables, (one, other), strict=True)
    ]
    if list(tables[0]["item"]) != list(tables[1]["item"]):
        raise ValueError("two models are compared on the same items in one order")

    own, without = (
        moral_told.area(table, score) for table, score in zip(tables, scores, strict=True)
    )
    return moral_told.interval(lambda w: own(w) - without(w), tables[0], draws=draws, level=level)
