"""Section 03's diagnoses by probes: separability, values and dimensions, by layer.

Pure functions of the tables of `moral_run.values`. A layer is chosen on the fit items and numbers
are of the test items; clusters of near-copies are what is drawn. What needs no probe is in
`moral_geometry`. Source: arXiv 2603.15615, sec. 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from valuegate import stats
from valuegate.moral_items import POSITIONS, SLOT_STEP

BARE = 2  # places after the layers: words alone, an untrained model
CHOSEN = 2  # positions that a best place may have: not the published mean
Weighted = Callable[[np.ndarray], float]  # a statistic, given how often each row is drawn
Measure = Callable[[pd.DataFrame, np.ndarray], Weighted]


def layers(table: pd.DataFrame) -> int:
    """Return how many layers a table's places hold, the embedding included."""
    return (len(table["own"].iloc[0]) - BARE) // len(POSITIONS)


def at(table: pd.DataFrame, kind: str) -> Float[np.ndarray, "item place"]:
    """Return a column of arrays, items by places."""
    return np.stack(table[kind].to_list()).astype(float)


def by_split(table: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the items of a split whose value is taught; of both where `split` is empty."""
    kept = table["fitted"] & ((table["split"] == split) if split else True)
    return table[kept].reset_index(drop=True)


def interval(
    statistic: Weighted, table: pd.DataFrame, *, draws: int, level: float = 0.95
) -> stats.Interval:
    """Return a statistic with its bootstrap over a table's clusters."""
    return stats.cluster_bootstrap(
        lambda _, weights: statistic(weights), table, "cluster", draws=draws, level=level
    )


def best(found: Sequence[float]) -> int:
    """Return the number of the largest value; the middle one where none is known (few items)."""
    known = np.asarray(found, float)
    return len(known) // 2 if np.isnan(known).all() else int(np.nanargmax(known))


def area(table: pd.DataFrame, scores: Float[np.ndarray, " item"]) -> Weighted:
    """Return the AUROC of virtues against vices by a score, mean over foundations, by weights.

    nan where a foundation lacks a pole.
    """
    pole, names = table["pole"].to_numpy(str), table["foundation"].to_numpy(str)
    won = []
    for name in dict.fromkeys(names.tolist()):
        mine = (names == name) & ~np.isnan(scores)
        ones, zeros = (np.flatnonzero(mine & (pole == side)) for side in ("virtue", "vice"))
        if len(ones) or len(zeros):
            ahead = np.sign(scores[ones][:, None] - scores[zeros][None, :])
            won.append((ones, zeros, (ahead + 1) / 2))

    def statistic(weights: np.ndarray) -> float:
        found = []
        for ones, zeros, wins in won:
            one, zero = weights[ones].astype(float), weights[zeros].astype(float)
            pairs = one.sum() * zero.sum()
            found.append(one @ wins @ zero / pairs if pairs else np.nan)
        return float(np.mean(found)) if found else float("nan")

    return statistic


def explained(
    predicted: Float[np.ndarray, "item target"], truth: Float[np.ndarray, "item target"]
) -> Weighted:
    """Return R2 by weights: below 0 where a prediction is worse than the mean.

    Targets are pooled before the ratio is taken: a slot that few items fill would make a mean of
    ratios jump from draw to draw. (Published is the mean; slots are sampled alike, so these agree.)
    """

    def statistic(weights: np.ndarray) -> float:
        w = weights.astype(float)[:, None]
        middle = (w * truth).sum(0) / w.sum()
        spread = float((w * (truth - middle) ** 2).sum())
        missed = float((w * (truth - predicted) ** 2).sum())
        return 1 - missed / spread if spread > 0 else float("nan")

    return statistic


def value(table: pd.DataFrame, scores: Float[np.ndarray, " item"]) -> Weighted:
    """Return R2 of a prediction of items' values, by weights."""
    return explained(scores[:, None], table["value"].to_numpy(float)[:, None])


def curve(table: pd.DataFrame, kind: str, measure: Measure) -> Float[np.ndarray, " place"]:
    """Return a measure at every place, on all items whose value is taught; layers, then bare."""
    rows = by_split(table, "")
    ones = np.ones(len(rows))
    return np.array([measure(rows, own)(ones) for own in at(rows, kind).T])


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
    return _told(table, kind, "apart_base", area, draws)


def valued(table: pd.DataFrame, kind: str, *, draws: int) -> Told:
    """Return R2 of items' values, at the place that fit items chose.

    Args:
        table: from `moral_run.values`.
        kind: "signed" or "signed_alone".
        draws: of the bootstrap over clusters.
    """
    return _told(table, kind, "signed_base", value, draws)


def _told(table: pd.DataFrame, kind: str, base: str, measure: Measure, draws: int) -> Told:
    fit, test = (by_split(table, split) for split in ("fit", "test"))
    ones = np.ones(len(fit))
    found = [measure(fit, own)(ones) for own in at(fit, kind)[:, : CHOSEN * layers(table)].T]
    place = best(found)
    own = measure(test, at(test, kind)[:, place])
    without = measure(test, at(test, base)[:, 0])
    return Told(
        place, float(found[place]), interval(own, test, draws=draws),
        interval(without, test, draws=draws),
        interval(lambda w: own(w) - without(w), test, draws=draws),
    )  # fmt: skip


def bare(table: pd.DataFrame, kind: str, *, place: int = -2, draws: int) -> stats.Interval:
    """Return the AUROC of the test items' poles without a trained model.

    Args:
        table: from `moral_run.values`.
        kind: "apart_alone".
        place: -2 for words and letters, -1 for an untrained model.
        draws: of the bootstrap over clusters.
    """
    test = by_split(table, "test")
    return interval(area(test, at(test, kind)[:, place]), test, draws=draws)


# Dimensions ---------------------------------------------------------------------------------------


def _slots(
    table: pd.DataFrame, kind: str
) -> tuple[list[Float[np.ndarray, "item slot"]], Float[np.ndarray, "item slot"]]:
    """Return the predictions of ten slots by stored layer ("slots_base" has one), and the truth."""
    truth, predicted = at(table, "slots_true"), at(table, kind)
    width = truth.shape[1]
    return np.split(predicted, predicted.shape[1] // width, axis=1), truth


def _known(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the rows that are predicted: the published probe has a test part of its own."""
    kept = ~np.isnan(at(table, kind)).any(1)
    return table[kept].reset_index(drop=True)


def dimensions(table: pd.DataFrame, kind: str, *, draws: int) -> Told:
    """Return R2 of ten slots at the stored layer that fit items chose; `place` counts these.

    Args:
        table: from `moral_run.values`.
        kind: "slots", "slots_alone", "slots_published" or "slots_stepped".
        draws: of the bootstrap over clusters.
    """
    fit, test = (_known(by_split(table, split), kind) for split in ("fit", "test"))
    predicted, truth = _slots(fit, kind)
    ones = np.ones(len(fit))
    found = [explained(own, truth)(ones) for own in predicted]
    place = best(found)
    predicted, truth = _slots(test, kind)
    own, without = explained(predicted[place], truth), explained(*_first(test))
    return Told(
        place, float(found[place]), interval(own, test, draws=draws),
        interval(without, test, draws=draws),
        interval(lambda w: own(w) - without(w), test, draws=draws),
    )  # fmt: skip


def slots_curve(table: pd.DataFrame) -> Float[np.ndarray, " place"]:
    """Return R2 of ten slots by layer, nan where none is stored, then without it and nan.

    Args:
        table: from `moral_run.values`, with slots.
    """
    rows = by_split(table, "")
    ones, found = np.ones(len(rows)), np.full(layers(table) + BARE, np.nan)
    predicted, truth = _slots(rows, "slots_alone")
    own = [explained(one, truth)(ones) for one in predicted]
    found[: layers(table) : SLOT_STEP] = own
    found[layers(table)] = explained(*_first(rows))(ones)
    return found


def _first(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    predicted, truth = _slots(table, "slots_base")
    return predicted[0], truth


def probe_gap(table: pd.DataFrame, *, draws: int) -> stats.Interval:
    """Return R2 of ten slots by ridge less that by the published probe, at one layer and rows.

    At the layer where the ridge does best on fit items, on the same means (without first tokens)
    and the rows that the published probe was not trained on.

    Args:
        table: from `moral_run.values`.
        draws: of the bootstrap over clusters.
    """
    place = dimensions(table, "slots_alone", draws=1).place
    rows = _known(table, "slots_stepped")
    ridge, published = (
        explained(_slots(rows, kind)[0][place], at(rows, "slots_true"))
        for kind in ("slots_alone", "slots_stepped")
    )
    return interval(lambda w: ridge(w) - published(w), rows, draws=draws)
