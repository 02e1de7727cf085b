"""What the survey figures are good for: spread of the planted questions, priors, faulty cells."""

from __future__ import annotations

import numpy as np
import pandas as pd

from valuegate import items, stats
from valuegate.items_survey import agree_shares

PERMUTATIONS = 500
CELL_FAULTS = (
    "no_values", "option_off_scale", "sum_not_one", "central_not_mean", "narrow_support",
    "small_sample", "stands_alone",
)  # fmt: skip
FAULTS = {
    "no_values": "a text in place of answers",
    "option_off_scale": "an answer off the scale",
    "sum_not_one": "shares that do not sum to one",
    "central_not_mean": "central value is not the mean (ordinal)",
    "narrow_support": "a third of a long scale used, or less",
    "small_sample": "shares are whole counts of under 30 people",
    "stands_alone": "a quarter of the scale from any other country",
    "few_countries": "fewer than four countries",
    "no_answers": "no country has answers",
    "nominal": "nominal: no order, central value is the mode",
    "central_is_mode": "of a nominal question; central value is not the mean",
    "long_scale": "ten numbers or more: not one digit",
}


def country_prior(draws: int) -> stats.Interval:
    """Return how often the country that is usually higher is right, on questions held out.

    For every two-country question the two are ranked by how often each had the larger share in the
    other questions; ties count half. Bootstrapped over questions.
    """
    rows = items.load("survey", "cross_format")
    wrong = rows["first"].where(rows["answer"] == rows["second"], rows["second"])
    higher = rows["answer"].where(rows["direction"] == "more", wrong)
    lower = wrong.where(rows["direction"] == "more", rows["answer"])
    correct = []
    for question, high, low in zip(rows["question"], higher, lower, strict=True):
        elsewhere = rows["question"] != question
        rates = []
        for country in (high, low):
            asked = elsewhere & ((higher == country) | (lower == country))
            rates.append((higher[asked] == country).mean())
        above, below = rates
        # Not asked elsewhere is nothing known, as a tie is.
        correct.append(float(above > below) if above != below and above == above else 0.5)
    return stats.cluster_bootstrap(
        lambda f, w: stats.weighted_mean(f["correct"], w),
        rows.assign(correct=correct), "question", draws=draws,
    )  # fmt: skip


def country_order(draws: int) -> tuple[stats.Interval, tuple[float, float]]:
    """Return how far one order of countries gets that may be turned for every question, and a null.

    The order is the first principal component of the other questions' standardised shares (World
    Values Survey, nine countries); it is turned over where that answers more of a question's
    two-country items. So it is what somebody knows who can tell which side a country that is high
    on this order takes, and nothing about the question's own answers. The null, a 95% band, does
    the same with the countries of the held-out question permuted. Bootstrapped over questions.
    """
    questions = items.load("survey", "questions").query("source == 'WVS7' and countries == 9")
    options = items.load("survey", "options")
    shares = agree_shares(items.load("survey_answers", "shares"), questions, options)
    wide = shares.pivot(index="question", columns="country", values="share")
    place = wide.sub(wide.mean(axis=1), axis=0).div(wide.std(axis=1), axis=0)
    asked = items.load("survey", "cross_format")
    generator = np.random.default_rng(0)
    rows, null = [], []
    for name, pairs in asked[asked["question"].isin(place.index)].groupby("question"):
        others = place.drop(index=name).to_numpy()
        order = np.linalg.svd(others, full_matrices=False)[2][0]
        wrong = pairs["first"].where(pairs["answer"] == pairs["second"], pairs["second"])
        larger = pairs["direction"] == "more"
        high = place.columns.get_indexer(pairs["answer"].where(larger, wrong))
        low = place.columns.get_indexer(wrong.where(larger, pairs["answer"]))
        orders = [order, *(generator.permutation(order) for _ in range(PERMUTATIONS))]
        hits = [_turned(o[high] > o[low]) for o in orders]
        rows.append((name, hits[0], len(pairs)))
        null.append(hits[1:])
    table = pd.DataFrame(rows, columns=["question", "hits", "pairs"])
    found = stats.cluster_bootstrap(
        lambda f, w: stats.weighted_ratio(f["hits"], f["pairs"], w), table, "question", draws=draws
    )
    permuted = np.sum(null, axis=0) / table["pairs"].sum()
    low, high = np.quantile(permuted, [0.025, 0.975])
    return found, (float(low), float(high))


def _turned(right: np.ndarray) -> int:
    """Return how many are right, of an order that may be turned over."""
    return int(max(right.sum(), (~right).sum()))


def planted_answers() -> pd.DataFrame:
    """Return the share on the agreeing side of the planted questions: question, country, share."""
    questions = items.load("survey", "questions").query("planted")
    found = agree_shares(
        items.load("survey_answers", "shares"), questions, items.load("survey", "options")
    )
    return found.merge(questions[["question", "tier", "split"]], on="question")


def planted_spread(draws: int) -> stats.Interval:
    """Return the mean over planted questions of the SD of country means, over the scale."""
    questions = items.load("survey", "questions").query("planted")
    cells = items.load("survey_answers", "cells").merge(questions, on="column")
    cells["place"] = (cells["central"] - cells["low"]) / (cells["high"] - cells["low"])
    spread = cells.groupby("question")["place"].std(ddof=0).reset_index()
    return stats.cluster_bootstrap(
        lambda f, w: stats.weighted_mean(f["place"], w), spread, "question", draws=draws
    )


def fault_counts() -> pd.DataFrame:
    """Return how many cells and questions of the workbook break each rule, and of our questions."""
    faults = items.load("survey_answers", "faults")
    ours = set(items.load("survey", "questions")["column"])
    rows = []
    for rule, words in FAULTS.items():
        found = faults[faults["rule"] == rule]
        rows.append(
            {
                "rule": words,
                "of": "cells"
                if found["country"].notna().any() or rule in CELL_FAULTS
                else "questions",
                "workbook": len(found),
                "our questions": int(found["column"].isin(ours).sum()),
            }
        )
    return pd.DataFrame(rows)


def faulty_cells(draws: int) -> stats.Interval:
    """Return the percentage of filled cells that break a rule, bootstrapped over questions."""
    faults = items.load("survey_answers", "faults").query("rule in @CELL_FAULTS")
    broken = set(zip(faults["column"], faults["country"], strict=True))
    cells = items.load("survey_answers", "cells")
    keys = zip(cells["column"], cells["country"], strict=True)
    cells["broken"] = [100.0 * (key in broken) for key in keys]
    return stats.cluster_bootstrap(
        lambda f, w: stats.weighted_mean(f["broken"], w), cells, "column", draws=draws
    )
