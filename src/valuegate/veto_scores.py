"""Section 01's scores: how near an answer comes to a country's, and to know-nothing answers.

Pure functions over benchmark cells (a question in a country). Scores are in points, 100 at the
country's own central value (arXiv 2510.13154: NVAS x 100). What countries have to do with an answer
is left to `veto_countries`.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from valuegate import stats
from valuegate.survey_scores import candidates
from valuegate.veto_tiers import tiers

KEYS = ["column", "country"]
# Null to its name in words. The first know no country; the second know other countries; the third
# are made of the country's own answers, so they are no nulls but rulers.
BLIND = {
    "midpoint": "middle of the scale",
    "middle_whole": "whole answers at the middle",
    "uniform": "any answer at random",
}
NEIGHBOURS = {
    "others_mean": "other countries' mean",
    "others_whole": "other countries' mean, rounded",
}
RULERS = {
    "compatriot": "a random compatriot",
    "mode": "the most frequent answer",
    "best": "the best whole answer",
}
NULLS = {**BLIND, **NEIGHBOURS, **RULERS}


def nvas(answers: ArrayLike, truths: ArrayLike, low: ArrayLike, high: ArrayLike) -> np.ndarray:
    """Return the value alignment score in points: 100 (1 - |answer - truth| / (high - low)).

    nan where the scale has no width. It is negative where an answer is further from the truth than
    the scale is wide. Source: arXiv 2510.13154, NVAS.
    """
    y, h, a, b = (np.asarray(v, dtype=float) for v in (answers, truths, low, high))
    width = np.where(b > a, b - a, np.nan)
    return 100 * (1 - np.abs(y - h) / width)


def benchmark(columns: pd.DataFrame, cells: pd.DataFrame, shares: pd.DataFrame) -> pd.DataFrame:
    """Return the benchmark's cells with scale, truth, tier, and the score of every null.

    Columns: column, country, source, low, high, truth, tier, question (the unit to resample by: a
    question asked twice, on two scales, is one), excluded (why the cell is not scored, or None) and
    one column a name of `NULLS`. Excluded are questions without order, whose central value is a
    mode, truths off the scale, and questions asked in one country alone.
    """
    found = cells.merge(columns, on="column").rename(columns={"central": "truth"})
    found["tier"] = tiers(found)
    stem = found["code"].str.extract(r"^(Q\d+)(?:_3)?$")[0]
    found["question"] = stem.fillna("column " + found["column"].astype(str))
    others = found.groupby("column")["truth"].transform("size") - 1
    found["excluded"] = None
    for reason, where in (
        ("one country", others < 1),
        ("truth off the scale", ~found["truth"].between(found["low"], found["high"])),
        ("nominal", found["scale"] == "n"),
    ):  # the last that holds is said
        found.loc[where, "excluded"] = reason
    kept = [*KEYS, "source", "low", "high", "truth", "tier", "question", "excluded"]
    return pd.concat([found[kept], _nulls(found, shares, others)], axis=1)


def _nulls(cells: pd.DataFrame, shares: pd.DataFrame, others: pd.Series) -> pd.DataFrame:
    """Return the score of every null in every cell."""
    low, high, truth = (cells[name].to_numpy(float) for name in ("low", "high", "truth"))

    def score(answer: ArrayLike) -> np.ndarray:
        return nvas(answer, truth, low, high)

    middle = (low + high) / 2
    whole = low[:, None] + np.arange((high - low).max() + 1)  # cells x options of the longest scale
    distance = np.where(whole <= high[:, None], np.abs(whole - truth[:, None]), np.nan)
    sums = cells.groupby("column")["truth"].transform("sum").to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        neighbours = (sums - truth) / np.where(others > 0, others, np.nan)
    answers = cells[[*KEYS, "truth", "low", "high"]].merge(shares, on=KEYS)
    answers["score"] = nvas(answers["option"], answers["truth"], answers["low"], answers["high"])
    answers["weighted"] = answers["score"] * answers["share"]
    by_cell = answers.groupby(KEYS)
    top = answers[answers["share"] == by_cell["share"].transform("max")]
    keys = pd.MultiIndex.from_frame(cells[KEYS])
    return pd.DataFrame(
        {
            "midpoint": score(middle),
            "middle_whole": (score(np.floor(middle)) + score(np.ceil(middle))) / 2,
            "uniform": 100 * (1 - np.nanmean(distance, axis=1) / (high - low)),
            "others_mean": score(neighbours),
            "others_whole": score(np.clip(np.floor(neighbours + 0.5), low, high)),
            "compatriot": (by_cell["weighted"].sum() / by_cell["share"].sum())
            .reindex(keys)
            .to_numpy(),
            "mode": top.groupby(KEYS)["score"].mean().reindex(keys).to_numpy(),
            "best": 100 * (1 - np.nanmin(distance, axis=1) / (high - low)),
        },
        index=cells.index,
    )


def scored(cells: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scored cells of every file: file, score, answer, and the columns of `cells`.

    Cells that are excluded, and those that a file leaves empty, have no row. `answer` is the whole
    answer that a score belongs to; nan where it could be either of two, or none.

    Args:
        cells: from `benchmark`.
        scores: column, country, and a column of points a file, as published.
    """
    long = scores.melt(KEYS, var_name="file", value_name="score").dropna(subset="score")
    found = long.merge(cells[cells["excluded"].isna()].drop(columns="excluded"), on=KEYS)
    either = candidates(found)
    found["answer"] = either["below"].fillna(either["above"]).where(either.isna().any(axis=1))
    return found


def without(table: pd.DataFrame, faults: pd.DataFrame, rules: tuple[str, ...]) -> pd.DataFrame:
    """Return a table without the cells that break one of the rules of `survey_workbook.faults`."""
    broken = pd.MultiIndex.from_frame(faults.loc[faults["rule"].isin(rules), KEYS])
    return table[~pd.MultiIndex.from_frame(table[KEYS]).isin(broken)]


def exclusions(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the number of benchmark cells and questions by why they are not scored."""
    reason = cells["excluded"].fillna("scored")
    found = cells.groupby(reason)["column"].agg(cells="size", questions="nunique")
    return found.rename_axis("reason").reset_index()


def against_nulls(
    table: pd.DataFrame, cells: pd.DataFrame, draws: int = 2000, by: str | None = None
) -> pd.DataFrame:
    """Return each file's mean score beside every null's, on exactly the cells that the file fills.

    One row a file (and a value of `by`) and a `null`, `score` standing for the file itself: value,
    low, high (95%, bootstrapped over questions); `beyond`, `beyond_low`, `beyond_high`, what the
    file scores above the null, cell by cell; n, questions; `coverage`, n over the scorable cells.

    Args:
        table: from `scored`.
        cells: from `benchmark`, for the coverage.
        draws: of the bootstrap.
        by: a column to divide by, such as tier or country.
    """
    keys = ["file"] if by is None else ["file", by]
    scorable = cells[cells["excluded"].isna()]
    rows = []
    for key, part in table.groupby(keys, sort=False):
        named = dict(zip(keys, cast("tuple[str, ...]", key), strict=True))
        size = len(scorable) if by is None else int((scorable[by] == named[by]).sum())
        for null in ("score", *NULLS):
            value = stats.cluster_mean(part[null], part["question"], draws=draws)
            gap = stats.cluster_mean(part["score"] - part[null], part["question"], draws=draws)
            rows.append(
                {
                    **named, "null": null, "value": value.estimate, "low": value.low,
                    "high": value.high, "beyond": gap.estimate, "beyond_low": gap.low,
                    "beyond_high": gap.high, "n": len(part), "questions": value.clusters,
                    "coverage": len(part) / size,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)
