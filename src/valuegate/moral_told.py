"""Section 03's diagnoses by probes: separability, values and dimensions, by layer.

Pure functions of the tables of `moral_run.values`. A layer is chosen on the fit items and numbers
are of the test items; clusters of near-copies are what is drawn. What needs no probe is in
`moral_geometry`. Source: arXiv 2603.15615, sec. 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from valuegate import stats

BARE = 2  # places after the layers: words alone, an untrained model


def layers(table: pd.DataFrame) -> int:
    """Return how many layers a table's places hold, the embedding included."""
    return (len(table["own"].iloc[0]) - BARE) // 2


def at(table: pd.DataFrame, kind: str) -> Float[np.ndarray, "item place"]:
    """Return a column of arrays, items by places."""
    return np.stack(table[kind].to_list()).astype(float)


def by_split(table: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the items of a split whose value is taught; of both where `split` is empty."""
    kept = table["fitted"] & ((table["split"] == split) if split else True)
    return table[kept].reset_index(drop=True)


# Separability -------------------------------------------------------------------------------------


def areas(
    table: pd.DataFrame, scores: Float[np.ndarray, " item"], weights: np.ndarray | None = None
) -> float:
    """Return the AUROC of virtues against vices by a score, mean over foundations."""
    found = []
    for _, part in table.groupby("foundation", sort=False):
        own = table.index.get_indexer(part.index)
        polar = own[(part["pole"] != "neutral").to_numpy() & ~np.isnan(scores[own])]
        if not len(polar):
            continue
        drawn = None if weights is None else weights[polar]
        label = (table["pole"].to_numpy()[polar] == "virtue").astype(float)
        found.append(stats.auroc(scores[polar], label, drawn))
    return float(np.mean(found)) if found else float("nan")


@dataclass(frozen=True)
class Told:
    """How well something is told where fit items are told best.

    Attributes:
        place: the number of the place; `fit`, what fit items gave there.
        test: of the test items; `base`, without the layer; `more`, what the layer adds, paired.
    """

    place: int
    fit: float
    test: stats.Interval
    base: stats.Interval
    more: stats.Interval


def separated(table: pd.DataFrame, kind: str, *, draws: int) -> Told:
    """Return the AUROC of virtues against vices, at the place that fit items chose.

    Args:
        table: from `moral_run.values`.
        kind: "apart" (with words, static embeddings and an untrained model) or "apart_alone".
        draws: of the bootstrap over clusters.
    """
    return _told(table, kind, "apart_base", areas, draws)


def valued(table: pd.DataFrame, kind: str, *, draws: int) -> Told:
    """Return R2 of items' values, at the place that fit items chose.

    Args:
        table: from `moral_run.values`.
        kind: "signed" or "signed_alone".
        draws: of the bootstrap over clusters.
    """
    return _told(table, kind, "signed_base", explained, draws)


def explained(
    table: pd.DataFrame, scores: Float[np.ndarray, " item"], weights: np.ndarray | None = None
) -> float:
    """Return R2 of a prediction of items' values: below 0 where it is worse than their mean."""
    return _r2(scores, table["value"].to_numpy(float), weights)


def _r2(scores: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None) -> float:
    kept = ~np.isnan(scores)
    w = np.ones(len(truth)) if weights is None else np.asarray(weights, float)
    s, y, w = scores[kept], truth[kept], w[kept]
    if not w.sum():
        return float("nan")
    middle = (w * y).sum() / w.sum()
    spread = (w * (y - middle) ** 2).sum()
    return float(1 - (w * (y - s) ** 2).sum() / spread) if spread > 0 else float("nan")


def _told(
    table: pd.DataFrame, kind: str, base: str,
    measure: Callable[..., float], draws: int,
) -> Told:  # fmt: skip
    fit, test = (by_split(table, split) for split in ("fit", "test"))
    curve = [measure(fit, own) for own in at(fit, kind)[:, : 2 * layers(table)].T]
    place = int(np.nanargmax(curve))
    own, without = at(test, kind)[:, place], at(test, base)[:, 0]

    def interval(statistic: Callable[[np.ndarray], float]) -> stats.Interval:
        return stats.cluster_bootstrap(
            lambda _, weights: statistic(weights), test, "cluster", draws=draws
        )

    return Told(
        place, float(curve[place]), interval(lambda w: measure(test, own, w)),
        interval(lambda w: measure(test, without, w)),
        interval(lambda w: measure(test, own, w) - measure(test, without, w)),
    )  # fmt: skip


def curve(
    table: pd.DataFrame, kind: str, measure: Callable[..., float]
) -> Float[np.ndarray, " place"]:
    """Return a measure of every place, on all items whose value is taught; layers, then bare."""
    rows = by_split(table, "")
    return np.array([measure(rows, own) for own in at(rows, kind).T])


# Dimensions ---------------------------------------------------------------------------------------


def dimensions(
    table: pd.DataFrame, kind: str, weights: np.ndarray | None = None
) -> Float[np.ndarray, " layer"]:
    """Return R2 of ten slots, their uniform mean, by stored layer ("slots_base" has one).

    Args:
        table: from `moral_run.values`.
        kind: "slots", "slots_alone", "slots_base" or "slots_published".
        weights: of the items.
    """
    truth, predicted = at(table, "slots_true"), at(table, kind)
    width = truth.shape[1]
    found = []
    for first in range(0, predicted.shape[1], width):
        own = predicted[:, first : first + width]
        found.append(np.nanmean([_r2(own[:, n], truth[:, n], weights) for n in range(width)]))
    return np.array(found)


def best_dimensions(table: pd.DataFrame, kind: str, *, draws: int) -> Told:
    """Return R2 of ten slots at the stored layer that fit items chose; place counts these."""
    fit, test = (by_split(table, split) for split in ("fit", "test"))
    curve = dimensions(fit, kind)
    place, width = int(np.nanargmax(curve)), at(test, "slots_true").shape[1]
    chosen = test.assign(one=list(at(test, kind)[:, place * width : (place + 1) * width]))

    def interval(statistic: Callable[[np.ndarray], float]) -> stats.Interval:
        return stats.cluster_bootstrap(
            lambda _, weights: statistic(weights), test, "cluster", draws=draws
        )

    def own(weights: np.ndarray) -> float:
        return float(dimensions(chosen, "one", weights)[0])

    def base(weights: np.ndarray) -> float:
        return float(dimensions(chosen, "slots_base", weights)[0])

    return Told(
        place, float(curve[place]), interval(own), interval(base),
        interval(lambda w: own(w) - base(w)),
    )  # fmt: skip
