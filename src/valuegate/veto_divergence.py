"""The published divergences between people's and models' answers, beside those of simple guesses.

Divergence is Kullback and Leibler's, of people from model, in nats. That this is its direction, and
that an option without probability was given 1e-8, follows from the published values themselves (see
`survey_scores.floor_divergence`); the paper's text was not at hand.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from valuegate import stats
from valuegate.survey_scores import FLOOR, floor_divergence
from valuegate.veto_scores import KEYS


def guesses(columns: pd.DataFrame, shares: pd.DataFrame) -> pd.DataFrame:
    """Return the divergence of two guesses by cell, in nats: columns uniform, others, floor.

    `uniform`: every number of the scale equally likely; nan where somebody's answer is off the
    scale. `others`: the mean of the other countries' shares, options that none of them used at
    1e-8; nan where there is no other country. `floor`: of a model that gives no option anything.
    """
    used = shares[shares["share"] > 0].merge(columns[["column", "low", "high"]], on="column")
    by_option = used.groupby(["column", "option"])["share"]
    countries = used.groupby("column")["country"].transform("nunique")
    neighbours = (by_option.transform("sum") - used["share"]) / (countries - 1).where(countries > 1)
    inside = used["option"].between(used["low"], used["high"])
    chance = (1 / (used["high"] - used["low"] + 1)).where(inside)
    keys = [used[key] for key in KEYS]

    def divergence(guess: pd.Series) -> pd.Series:
        terms = used["share"] * np.log(used["share"] / guess)
        return terms.groupby(keys).agg(lambda v: v.sum(skipna=False))

    return pd.DataFrame(
        {
            "uniform": divergence(chance),
            "others": divergence(neighbours.clip(lower=FLOOR)),
            "floor": floor_divergence(shares),
        }
    )


def against_guesses(
    divergences: pd.DataFrame, columns: pd.DataFrame, shares: pd.DataFrame, draws: int = 2000
) -> pd.DataFrame:
    """Return each file's mean divergence beside the guesses', on the same cells, by survey.

    One row a file and survey: value, low, high (nats, 95% over questions), uniform, others,
    `above_uniform` with its interval, `no_model` (percent of cells that hold the floor's
    divergence), n, questions.

    Args:
        divergences: column, country, and a column of nats a file, as published.
        columns: the workbook's columns.
        shares: the workbook's shares.
        draws: of the bootstrap.
    """
    guessed = guesses(columns, shares).reset_index()
    cells = divergences.merge(guessed, on=KEYS).merge(columns[["column", "source"]], on="column")
    rows = []
    for block, part in cells.dropna(subset=["uniform", "others"]).groupby("source", sort=False):
        for file in divergences.columns.drop(KEYS):
            value = stats.cluster_mean(part[file], part["column"], draws=draws)
            gap = stats.cluster_mean(part[file] - part["uniform"], part["column"], draws=draws)
            rows.append(
                {
                    "file": file, "block": block, "value": value.estimate, "low": value.low,
                    "high": value.high, "uniform": part["uniform"].mean(),
                    "others": part["others"].mean(), "above_uniform": gap.estimate,
                    "above_low": gap.low, "above_high": gap.high,
                    "no_model": 100 * float(((part[file] - part["floor"]).abs() < 0.01).mean()),
                    "n": len(part), "questions": value.clusters,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)
