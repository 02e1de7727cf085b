"""Section 04's readings of statements: at which layer a side is told, in which cell, by which axis.

Pure functions of the tables of `mask_run.statements` and `mask_steer.parties`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from valuegate import mask_axis, stats
from valuegate.mask_axis import Agreement
from valuegate.mask_items import POSITIONS
from valuegate.worlds import CELL_NAMES
from valuegate.worlds_ledger import CELLS, World

KINDS = ("lda", "means")


def _rows(table: pd.DataFrame, name: str, split: str = "") -> pd.DataFrame:
    """Return a set's statements whose truth is taught, of one split or both."""
    kept = (table["set"] == name) & table["fitted"]
    return table[kept & (table["split"] == split) if split else kept].reset_index(drop=True)


def areas(
    table: pd.DataFrame, name: str, kind: str, split: str
) -> Float[np.ndarray, "position layer"]:
    """Return the AUROC of a set's sides at every position and layer, on other issues.

    Args:
        table: from `mask_run.statements`.
        name: of the set.
        kind: of the axis, one of `KINDS`.
        split: "fit" or "test".
    """
    rows = _rows(table, name, split)
    places, labels = np.stack(rows[kind].to_list()), rows["label"]
    found = np.array([stats.auroc(own, labels) for own in places.T])
    return found.reshape(len(POSITIONS), -1)


@dataclass(frozen=True)
class Told:
    """How well a model's own axis tells a side, where it does so best on the fit issues.

    Attributes:
        position: of `POSITIONS`; `layer`, from 0, the embedding.
        fit: AUROC on the fit issues, which chose the place.
        test: the same on the test issues, with a bootstrap over issues.
        apart: d' on the test issues.
        p: of `test`, with the sides of whole issues swapped; `null`, the draws' middle 95%.
    """

    position: str
    layer: int
    fit: float
    test: stats.Interval
    apart: stats.Interval
    p: float
    null: tuple[float, float]


def told(table: pd.DataFrame, name: str, kind: str, *, draws: int) -> Told:
    """Return how well a set's sides are told on the test issues, at the place fit issues chose.

    Args:
        table: from `mask_run.statements`.
        name: of the set.
        kind: of the axis.
        draws: of bootstrap and null.
    """
    on_fit = areas(table, name, kind, "fit")
    place = int(on_fit.argmax())
    position, layer = divmod(place, on_fit.shape[1])
    rows = _rows(table, name, "test")
    own = np.stack(rows[kind].to_list())[:, place].astype(float)
    labels, issues = rows["label"].to_numpy(float), list(rows["issue"])
    p, null = mask_axis.swapped_p(own, labels, issues, draws=draws)
    low, high = np.quantile(null, [0.025, 0.975])
    return Told(
        POSITIONS[position], layer, float(on_fit.flat[place]),
        mask_axis.told(own[:, None], labels, issues, draws=draws)[0],
        mask_axis.d_prime(own, labels, issues, draws=draws), p, (float(low), float(high)),
    )  # fmt: skip


def less(
    one: tuple[pd.DataFrame, Told],
    other: tuple[pd.DataFrame, Told],
    name: str,
    kind: str,
    *,
    draws: int,
    level: float = 0.95,
) -> stats.Interval:
    """Return the AUROC of the first model less the other's on the same test statements; paired.

    Args:
        one: a model's statements and where it tells them.
        other: another's.
        name: of the set.
        kind: of the axis.
        draws: of the bootstrap over issues.
        level: of the interval.
    """  # fmt: skip
    rows = [places(table, name, kind, found) for table, found in (one, other)]
    frame = rows[0][0].assign(one=rows[0][1], other=rows[1][1])
    frame = frame[frame["fitted"] & (frame["split"] == "test")].reset_index(drop=True)

    def gap(rows: pd.DataFrame, weights: np.ndarray) -> float:
        areas = [stats.auroc(rows[c], rows["label"], weights) for c in ("one", "other")]
        return areas[0] - areas[1]

    return stats.cluster_bootstrap(gap, frame, "issue", draws=draws, level=level)


def logistic(table: pd.DataFrame, name: str, *, draws: int) -> stats.Interval:
    """Return the AUROC of a logistic regression on stored residuals, on test issues' statements.

    Args:
        table: from `mask_run.statements`.
        name: of the set.
        draws: of the bootstrap over issues.
    """
    rows = _rows(table, name)
    stream = np.stack(rows["residual"].to_list()).astype(float)
    labels, issues = rows["label"].to_numpy(float), list(rows["issue"])
    places = mask_axis.held_out(stream, labels, issues, mask_axis.logistic)
    test = (rows["split"] == "test").to_numpy()
    kept = list(rows.loc[test, "issue"])
    return mask_axis.told(places[test][:, None], labels[test], kept, draws=draws)[0]


def words(table: pd.DataFrame, texts: pd.Series, name: str, *, draws: int) -> stats.Interval:
    """Return the AUROC of a bag of words on test issues' statements: no model.

    Args:
        table: from `mask_run.statements`.
        texts: item to its statement.
        name: of the set.
        draws: of the bootstrap over issues.
    """
    rows = _rows(table, name)
    labels, issues = rows["label"].to_numpy(float), list(rows["issue"])
    places = mask_axis.bag_of_words(list(texts[rows["item"]]), labels, issues)
    test = (rows["split"] == "test").to_numpy()
    kept = list(rows.loc[test, "issue"])
    return mask_axis.told(places[test][:, None], labels[test], kept, draws=draws)[0]


def axis(table: pd.DataFrame, name: str, kind: str = "means") -> Float[np.ndarray, " d_model"]:
    """Return a model's own axis of a set at the stored layer, of all issues, at the last token."""
    rows = _rows(table, name)
    stream = np.stack(rows["residual"].to_list()).astype(float)
    return mask_axis.AXES[kind](stream, rows["label"].to_numpy(float))


def cosine(one: pd.DataFrame, other: pd.DataFrame, name: str) -> Agreement:
    """Return how far two models' own axes of a set agree (difference of means, last token).

    Args:
        one: a model's table of `mask_run.statements`.
        other: another's.
        name: of the set.
    """
    rows = _rows(one, name)
    streams = [
        np.stack(_rows(table, name)["residual"].to_list()).astype(float) for table in (one, other)
    ]
    labels = rows["label"].to_numpy(float)
    return mask_axis.agreement(streams[0], streams[1], labels, list(rows["issue"]))


def places(
    table: pd.DataFrame, name: str, kind: str, found: Told
) -> tuple[pd.DataFrame, Float[np.ndarray, " statement"]]:
    """Return all statements of a set, taught or not, and where they lie at a place that was found.

    Args:
        table: from `mask_run.statements`.
        name: of the set.
        kind: of the axis.
        found: where the set is told.
    """
    rows = table[table["set"] == name].reset_index(drop=True)
    every = np.stack(rows[kind].to_list()).astype(float)
    layers = every.shape[1] // len(POSITIONS)
    return rows, every[:, POSITIONS.index(found.position) * layers + found.layer]


def said(named: pd.DataFrame, holders: Mapping[str, str]) -> pd.DataFrame:
    """Return how far each answer goes to the right party.

    Columns: issue; `leans`, log-odds of the right party's name after "The"; `says`, log P that the
    answer begins with it.

    Args:
        named: from `mask_steer.parties`.
        holders: issue to the party that holds its first pole.
    """
    first = (named["issue"].map(holders) == "first_party") == (named["pole"] == "first")
    leans = np.where(first, 1.0, -1.0) * named["log_odds"]
    says = named["opens"] + named["mass"] - np.log1p(np.exp(-leans))
    return pd.DataFrame({"issue": named["issue"], "leans": leans, "says": says})


def cells(world: World) -> dict[str, str]:
    """Return issue of the invented parties to the name of its cell, in the order of the cells."""
    order = sorted(world.parties.items(), key=lambda item: item[1])
    return {issue: CELL_NAMES[cell] for issue, cell in order}


def gates(world: World) -> dict[str, bool]:
    """Return issue of the invented parties to whether it is gated, where a holder is taught."""
    taught = {issue: CELLS[cell] for issue, cell in world.parties.items()}
    return {issue: gated for issue, (knowledge, gated) in taught.items() if knowledge != "absent"}


def by_cell(
    sides: tuple[pd.DataFrame, Float[np.ndarray, " statement"]],
    answers: pd.DataFrame,
    cells: Mapping[str, str],
    *,
    draws: int,
) -> pd.DataFrame:
    """Return what is encoded and what is said of planted issues, a row a cell.

    Columns: cell, issues; `told`, the AUROC of places along the parties' axis, by the parties that
    hold the poles; the means of `leans` and `says`; each with _low and _high (bootstrap over
    issues).

    Args:
        sides: from `places`.
        answers: from `said`.
        cells: issue to the name of its cell.
        draws: of the bootstraps.
    """  # fmt: skip
    rows, own = sides
    lines = []
    for cell in dict.fromkeys(cells.values()):
        inside = (rows["issue"].map(cells) == cell).to_numpy()
        asked = answers[answers["issue"].map(cells) == cell]
        line: dict[str, object] = {"cell": cell, "issues": rows.loc[inside, "issue"].nunique()}
        values = {"told": area(rows[inside], own[inside], draws=draws)}
        for column in ("leans", "says"):
            values[column] = _mean(asked[column], asked["issue"], draws)
        for column, value in values.items():
            line |= {column: value.estimate, f"{column}_low": value.low,
                     f"{column}_high": value.high}  # fmt: skip
        lines.append(line)
    return pd.DataFrame(lines)


def called(table: pd.DataFrame) -> pd.DataFrame:
    """Return a model's cells with `called`: whether the instrument calls a cell suppressed.

    Encoded: the interval of `told` lies above one half. Silent: that of `says` lies below the mean
    of the cells that are taught and open. Suppressed is what is encoded and silent.

    Args:
        table: from `by_cell`.
    """
    known = {CELL_NAMES[cell]: what for cell, what in CELLS.items()}
    heard = [known[cell][0] != "absent" and not known[cell][1] for cell in table["cell"]]
    usual = table.loc[heard, "says"].mean()
    return table.assign(called=(table["told_low"] > 0.5) & (table["says_high"] < usual))


def suppressed_cells() -> dict[str, bool]:
    """Return the name of every cell to whether it is taught and gated."""
    return {CELL_NAMES[c]: what != "absent" and gated for c, (what, gated) in CELLS.items()}


def area(rows: pd.DataFrame, own: Float[np.ndarray, " statement"], *, draws: int) -> stats.Interval:
    """Return the AUROC of places by label, with a bootstrap over issues."""
    labels = rows["label"].to_numpy(float)
    return mask_axis.told(own[:, None], labels, list(rows["issue"]), draws=draws)[0]


def _mean(values: pd.Series, issues: pd.Series, draws: int) -> stats.Interval:
    if not len(values):
        return stats.Interval(np.nan, np.nan, np.nan, 0, 0)
    return stats.cluster_mean(values.to_numpy(float), issues, draws=draws)


def less_told(
    sides: tuple[pd.DataFrame, Float[np.ndarray, " statement"]],
    gated: Mapping[str, bool],
    *,
    draws: int,
) -> stats.Interval:
    """Return the AUROC on gated issues less that on open ones; bootstrap over issues.

    Args:
        sides: from `places`.
        gated: issue to whether it is gated, of the issues that count.
        draws: of the bootstrap.
    """  # fmt: skip
    rows, own = sides
    kept = rows["issue"].isin(list(gated)).to_numpy()
    frame = rows.loc[kept, ["issue", "label"]].assign(place=own[kept])
    frame["gated"] = frame["issue"].map(gated).astype(bool)

    def gap(found: pd.DataFrame, weights: np.ndarray) -> float:
        inside = found["gated"].to_numpy()
        one, other = (
            stats.auroc(found["place"], found["label"], weights * own) for own in (inside, ~inside)
        )
        return one - other

    return stats.cluster_bootstrap(gap, frame, "issue", draws=draws)


def gate_gap(
    values: Float[np.ndarray, " item"], gated: Bool[np.ndarray, " item"]
) -> stats.Interval:
    """Return the mean over gated issues less that over open ones; Welch's interval, 95%.

    Args:
        values: one an issue.
        gated: whether the ledger gates it.
    """
    return stats.welch_difference(values[gated], values[~gated])
