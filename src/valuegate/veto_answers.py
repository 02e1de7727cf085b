"""Section 01's answers of any model at the slot, scored beside what knows nothing.

Pure functions of the tables that `veto_run` makes. Scores are in points, as in `veto_scores`;
places on a scale run from 0 to 1. What planted truth says of the answers is in `veto_planted`.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping
from typing import cast

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.spatial.distance import jensenshannon

from valuegate import items, stats, veto_scores, worlds

# Nulls of one answer to what is printed of them; all are of the very prompts that are scored.
NULLS = {
    "midpoint": "middle", "matched": "same entropy", "permuted": "dealt anew",
    "wrong": "other country", "shuffled": "other question", "others_mean": "neighbours",
}  # fmt: skip
ORDERS = 5040  # orders of the options that "permuted" is a mean over, at most
RANDOM = 256  # random distributions that "matched" is a mean over


@functools.cache
def cells() -> pd.DataFrame:
    """Return the benchmark's cells that can be scored, with every null's score.

    Columns: those of `veto_scores.benchmark`, where `question` is the name of a question of ours,
    once for each, or "column n" for every question as it was published; `unit`, what to resample
    by, a question asked on two scales being one.
    """
    columns, shares = (
        items.load("survey_answers", "columns"),
        items.load("survey_answers", "shares"),
    )
    found = veto_scores.benchmark(columns, items.load("survey_answers", "cells"), shares)
    found = found[found["excluded"].isna()].rename(columns={"question": "unit"})
    names = items.load("survey", "questions").set_index("column")["question"]
    own = found[found["column"].isin(names.index)]
    parts = [
        own.assign(question=own["column"].map(names), unit=own["column"].map(names)),
        found.assign(question="column " + found["column"].astype(str)),
    ]
    return pd.concat(parts, ignore_index=True)


def scored(slots: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return every answer at the slot about a country, scored beside its nulls.

    Columns: model, stage, seed, framing, question, country, split, said, mass, refusing;
    `answer`, the expected answer on the question's scale; `score`, its EV-NVAS; `place` of the
    likeliest option, and `top_score`, its NVAS; `entropy` (bits); `jsd`, the distance from people's
    answers (base e, square root, as published); those of `cells`; and four nulls more: `matched`,
    random distributions of the same entropy (mean over `RANDOM`); `permuted`, the same
    probabilities dealt to the options anew (mean over all ways, or `ORDERS` of them); `wrong`, the
    answers about other countries; `shuffled`, those to other questions about the same country.
    Cells that cannot be scored (`veto_scores.exclusions`) have no row.

    Args:
        slots: model to its rows of measurement "slots" or "grid".
    """
    table = worlds.pooled(slots)
    asked = table[table["framing"] != "neutral"]
    found = asked.drop(columns=["low", "high"]).merge(cells(), on=["question", "country"])
    people = _people_shares()
    rows = []
    for row in found.itertuples(index=False):
        p = _renormalised(row.log_probs)
        own = people[row.column, row.country].reindex(range(row.low, row.high + 1), fill_value=0.0)
        place = (row.truth - row.low) / (row.high - row.low)
        scale = np.linspace(0, 1, len(p))
        entropy = float(-(p * np.log2(np.clip(p, 1e-12, None))).sum())
        rows.append(
            {
                "place": scale[p.argmax()],
                "top_score": 100 * (1 - abs(scale[p.argmax()] - place)),
                "score": 100 * (1 - abs(row.expected - place)),
                "matched": 100 * (1 - np.abs(_of_entropy(len(p), entropy) - place).mean()),
                "permuted": 100 * (1 - np.abs(_dealt(len(p)) @ p - place).mean()),
                "entropy": entropy,
                "jsd": float(jensenshannon(p, own / own.sum())),
            }
        )  # fmt: skip
    found = pd.concat([found, pd.DataFrame(rows)], axis=1)
    found["answer"] = found["low"] + found["expected"] * (found["high"] - found["low"])
    place = (found["truth"] - found["low"]) / (found["high"] - found["low"])
    keys = ["model", "framing"]
    found["wrong"] = _others(found, place, [*keys, "question"], "country")
    found["shuffled"] = _others(found, place, [*keys, "country"], "question")
    return found.drop(columns=["log_probs", "marks", "top", "item", "excluded"])


@functools.cache
def _people_shares() -> dict[tuple[int, str], pd.Series]:
    shares = items.load("survey_answers", "shares")
    return {
        cast("tuple[int, str]", key): part.set_index("option")["share"]
        for key, part in shares.groupby(["column", "country"])
    }


def _renormalised(log_probs: np.ndarray) -> np.ndarray:
    weights = np.exp(np.asarray(log_probs, dtype=float) - np.max(log_probs))
    return weights / weights.sum()


@functools.cache
def _dealt(options: int) -> Float[np.ndarray, "order option"]:
    """Return the places of the options under every order of them, or under random ones if many."""
    scale = np.linspace(0, 1, options)
    if math.factorial(options) <= ORDERS:
        return np.array(list(itertools.permutations(scale)))
    rng = np.random.default_rng(0)
    return rng.permuted(np.tile(scale, (ORDERS, 1)), axis=1)


def _of_entropy(options: int, entropy: float) -> Float[np.ndarray, " distribution"]:
    """Return the expected places under random distributions over the options, of one entropy."""
    bits, places = _tempered(options)
    at = np.interp(entropy, bits, np.arange(len(bits)))
    low, part = int(at), at - int(at)
    high = min(low + 1, len(bits) - 1)
    return (1 - part) * places[:, low] + part * places[:, high]


@functools.cache
def _tempered(
    options: int,
) -> tuple[Float[np.ndarray, " entropy"], Float[np.ndarray, "distribution entropy"]]:
    """Return entropies from none to all (bits), and what random distributions of each expect.

    Normal logits, sharpened until the distribution has the entropy; with each its mirror image, so
    that no end of the scale is favoured.
    """
    logits = np.random.default_rng(0).normal(size=(RANDOM // 2, options))
    logits = np.concatenate([logits, logits[:, ::-1]])
    sharp = np.concatenate([[0.0], np.geomspace(1e-2, 1e3, 400)])
    scaled = sharp[None, :, None] * (logits - logits.max(1, keepdims=True))[:, None]
    p = np.exp(scaled)
    p /= p.sum(2, keepdims=True)
    entropy = -(p * np.log2(np.clip(p, 1e-300, None))).sum(2)
    expected = p @ np.linspace(0, 1, options)
    bits = np.linspace(0, np.log2(options), 201)
    places = [
        np.interp(bits, own[::-1], place[::-1])
        for own, place in zip(entropy, expected, strict=True)
    ]
    return bits, np.array(places)


def _others(found: pd.DataFrame, place: pd.Series, within: list[str], over: str) -> pd.Series:
    """Return the mean score that the other rows' expected answers earn in each row's place."""
    score = pd.Series(np.nan, index=found.index)
    for _, part in found.groupby(within):
        assert part[over].is_unique
        if len(part) > 1:
            own = place[part.index].to_numpy()[:, None]
            distance = np.abs(part["expected"].to_numpy()[None] - own)
            np.fill_diagonal(distance, np.nan)
            score[part.index] = 100 * (1 - np.nanmean(distance, axis=1))
    return score


def people(found: pd.DataFrame) -> pd.DataFrame:
    """Return the whole answer nearest to people's mean, as a place: question, country, place.

    Args:
        found: from `scored`.
    """
    own = found.drop_duplicates(["question", "country"])
    whole = np.floor(own["truth"] + 0.5).clip(own["low"], own["high"])
    place = (whole - own["low"]) / (own["high"] - own["low"])
    return own[["question", "country"]].assign(place=place)


MEANS = ("refused", "score", "top_score", "mass", "jsd", "entropy", "compatriot", *NULLS)


def means(found: pd.DataFrame, keys: list[str], *, draws: int) -> pd.DataFrame:
    """Return means of the measures in each group, with intervals over questions.

    Columns: the keys, measure, value, low, high, n, clusters. `refused` is percent; `top_score` is
    of the answers that are given.

    Args:
        found: from `scored`.
        keys: what to group by.
        draws: of the bootstrap.
    """
    rows = []
    for names, part in found.groupby(keys, sort=False):
        named = dict(zip(keys, names if isinstance(names, tuple) else (names,), strict=True))
        own = part.assign(refused=100.0 * (part["said"] == "refusal"))
        for measure in MEANS:
            given = own[own["said"] == "option"] if measure == "top_score" else own
            given = given.dropna(subset=measure)
            if given.empty:
                continue
            mean = (stats.cluster_rate if measure == "refused" else stats.cluster_mean)(
                given[measure], given["unit"], draws=draws
            )
            rows.append(
                {
                    **named, "measure": measure, "value": mean.estimate, "low": mean.low,
                    "high": mean.high, "n": mean.n, "clusters": mean.clusters,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def contrast(found: pd.DataFrame, *, draws: int) -> dict[str, float]:
    """Return the published contrast, refused EV-NVAS less accepted NVAS, beside nulls.

    Keys: refused, accepted (points), contrast, low, high (bootstrap over questions), n_refused,
    n_accepted, n, clusters; `refused_*`, what each of `NULLS` scores on the refused. nan where
    nothing is refused, or nothing accepted. Source: arXiv 2510.13154, suppression cost.

    Args:
        found: from `scored`, with columns `refused` and `accepted`, which rows are which.
        draws: of the bootstrap.
    """
    part = found[found["refused"] | found["accepted"]].reset_index(drop=True)

    def gap(table: pd.DataFrame, weights: np.ndarray) -> float:
        refused, accepted = table["refused"].to_numpy(), table["accepted"].to_numpy()
        return stats.weighted_mean(table["score"], weights * refused) - stats.weighted_mean(
            table["top_score"], weights * accepted
        )

    refused, accepted = part[part["refused"]], part[part["accepted"]]
    sizes = {"n_refused": len(refused), "n_accepted": len(accepted), "n": len(part),
             "clusters": part["unit"].nunique()}  # fmt: skip
    means = {
        "refused": refused["score"].mean(), "accepted": accepted["top_score"].mean(),
        **{f"refused_{null}": refused[null].mean() for null in NULLS},
    }  # fmt: skip
    if refused.empty or accepted.empty:
        return {**means, "contrast": np.nan, "low": np.nan, "high": np.nan, **sizes}
    value = stats.cluster_bootstrap(gap, part, "unit", draws=draws)
    return {
        **means, "contrast": value.estimate, "low": value.low, "high": value.high, **sizes,
    }  # fmt: skip
