"""What countries have to do with section 01's answers and scores, question by question.

Two measures within questions, each against countries permuted within questions: how far answers
follow the countries (`slopes`) and how far some countries are scored better than others (`equity`).
Pure functions of the table that `veto_scores.scored` makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
import pandas as pd

from valuegate import splits, stats

BLOCKS = {"all": None, "WVS7": "World Values Survey", "AOI2022": "Arab Opinion Index"}


def slopes(
    table: pd.DataFrame, permutations: int = 500, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Return how answers follow the countries' own values within questions: a row a file and block.

    `slope`: of answers on truths, both as places on the scale (0 to 1) and less their question's
    mean over the file's countries; 1 is perfect, 0 knows no country. low, high: 95%, bootstrapped
    over questions (low90, high90: 90%, for a slope that is to be near a value). null_low,
    null_high, p: answers permuted among a question's countries. `r`: the correlation. `constant`:
    percent of questions where all countries get one answer. n, questions: only those with known
    answers for two countries or more. nan where truths do not differ.

    The other countries' mean has no place here: less its question's mean it is the country's own
    value turned round, -1 / (countries - 1) times, whatever the survey says.
    """
    rows = []
    for file, part in table.dropna(subset="answer").groupby("file", sort=False):
        part = part[part.groupby("column")["answer"].transform("size") > 1]
        if part.empty:
            continue
        span = part["high"] - part["low"]
        codes, columns = pd.factorize(part["column"])
        truth = _centred(((part["truth"] - part["low"]) / span).to_numpy(), codes)
        answer = _centred(((part["answer"] - part["low"]) / span).to_numpy(), codes)
        question = part.groupby("column", sort=False)[["source", "question"]].first()
        sums = pd.DataFrame(
            {
                "xy": np.bincount(codes, truth * answer), "xx": np.bincount(codes, truth**2),
                "yy": np.bincount(codes, answer**2), "size": np.bincount(codes),
            },
            index=columns,
        ).join(question)  # fmt: skip
        permuted = np.array(
            [
                np.bincount(codes, truth * moved)
                for moved in _permuted(answer, codes, permutations, seed)
            ]
        )
        for block in BLOCKS:
            chosen = (
                np.ones(len(sums), bool) if block == "all" else (sums["source"] == block).to_numpy()
            )
            some = sums[chosen].reset_index(drop=True)
            if some["xx"].sum() == 0:
                continue
            found = stats.cluster_bootstrap(
                lambda f, w: stats.weighted_ratio(f["xy"], f["xx"], w),
                some, "question", draws=draws,
            )  # fmt: skip
            narrow = stats.cluster_bootstrap(
                lambda f, w: stats.weighted_ratio(f["xy"], f["xx"], w),
                some, "question", draws=draws, level=0.9,
            )  # fmt: skip
            null = permuted[:, chosen].sum(1) / some["xx"].sum()
            spread = some["xx"].sum() * some["yy"].sum()
            rows.append(
                {
                    "file": file, "block": block, "slope": found.estimate, "low": found.low,
                    "high": found.high, "low90": narrow.low, "high90": narrow.high,
                    "null_low": np.quantile(null, 0.025),
                    "null_high": np.quantile(null, 0.975),
                    "p": stats.permutation_p(found.estimate, null),
                    "r": some["xy"].sum() / np.sqrt(spread) if spread else np.nan,
                    "constant": 100 * float((some["yy"] < 1e-12).mean()),
                    "n": int(some["size"].sum()), "questions": found.clusters,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def held_out_slopes(
    table: pd.DataFrame, *, permutations: int = 500, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Return slopes on countries that centring did not see, and how slopes differ by question.

    In every question answers and truths are taken less their mean over the fit countries, half of
    them drawn by hash, and read on the others. `slope`, low, high (95%), low90, high90: over
    questions; null_low, null_high, p: answers permuted among a question's countries and centred
    again. `fixed`, fixed_low, fixed_high, `spread`: mean slope and standard deviation of slopes in
    a mixed model of the same rows, slopes random by question (95% Wald; nan where it does not
    converge). n, questions. One row a file and survey.

    Args:
        table: file, source, column, question, country, low, high, truth, answer.
        permutations: of the null.
        draws: of the bootstrap.
        seed: of the null.
    """
    rows = []
    for key, part in table.dropna(subset="answer").groupby(["file", "source"], sort=False):
        file, source = cast("tuple[str, str]", key)
        names = splits.shuffled(sorted(part["country"].unique()), "veto:countries")
        fit = part["country"].isin(names[: len(names) // 2]).to_numpy()
        sides = part.assign(fit=fit).groupby("column")["fit"].transform("nunique")
        part, fit = part[sides == 2], fit[(sides == 2).to_numpy()]
        if part.empty:
            continue
        span = part["high"] - part["low"]
        codes, _ = pd.factorize(part["column"])
        truth, answer = (
            ((part[name] - part["low"]) / span).to_numpy(float) for name in ("truth", "answer")
        )
        x = _less_fit(truth, codes, fit)[~fit]
        y = _less_fit(answer, codes, fit)[~fit]
        held = pd.DataFrame({"xy": x * y, "xx": x * x})
        held["question"] = part["question"].to_numpy()[~fit]
        if not held["xx"].sum():
            continue
        wide, narrow = (
            stats.cluster_bootstrap(
                lambda f, w: stats.weighted_ratio(f["xy"], f["xx"], w),
                held, "question", draws=draws, level=level,
            )
            for level in (0.95, 0.9)
        )  # fmt: skip
        null = np.array(
            [
                x @ _less_fit(moved, codes, fit)[~fit] / (x @ x)
                for moved in _permuted(answer, codes, permutations, seed)
            ]
        )
        mixed = stats.random_slopes(x, y, codes[~fit])
        rows.append(
            {
                "file": file, "block": source, "slope": wide.estimate, "low": wide.low,
                "high": wide.high, "low90": narrow.low, "high90": narrow.high,
                "null_low": np.quantile(null, 0.025), "null_high": np.quantile(null, 0.975),
                "p": stats.permutation_p(wide.estimate, null), "fixed": mixed[0],
                "fixed_low": mixed[1], "fixed_high": mixed[2], "spread": mixed[3],
                "n": wide.n, "questions": wide.clusters,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _less_fit(values: np.ndarray, codes: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """Return values less the mean of their group's fit rows."""
    return values - (np.bincount(codes[fit], values[fit]) / np.bincount(codes[fit]))[codes]


def country_effects(scores: pd.Series, cells: pd.DataFrame) -> pd.DataFrame:
    """Return each country's raw mean score, and the two parts it is the sum of, in points.

    `effect`: of the country, in the least-squares fit of score = question + country, effects
    summing to 0. `items`: the mean of the question effects over the country's own questions, which
    is what the choice of questions alone gives it. Parts are nan where questions do not link all
    countries.

    Args:
        scores: points.
        cells: column and country, in the same order.
    """
    fit = _Additive(cells)
    effect = fit.effects(scores.to_numpy(float))
    raw = np.bincount(fit.country, scores.to_numpy(float)) / np.bincount(fit.country)
    return pd.DataFrame({"country": fit.names, "raw": raw, "effect": effect, "items": raw - effect})


def equity(
    table: pd.DataFrame, of: tuple[str, ...] = ("score", "midpoint", "others_whole"),
    permutations: int = 500, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Return how unevenly countries are scored within questions: a row a file, block and score.

    `gap`: max - min of the countries' raw means, as published. `sd`: of the country effects, with
    the questions' own levels taken out. `null_sd`, `p`: the same with scores permuted among a
    question's countries (mean, and share of permutations that reach it). `noise_free`: the SD less
    what the permutations give, sqrt(sd^2 - null^2), 0 where that is negative. n, countries.

    The score of a null such as the midpoint shows how much of it is in the survey, not the model.
    """
    rows = []
    for key, part in table.groupby(["file", "source"], sort=False):
        file, block = cast("tuple[str, str]", key)
        fit = _Additive(part)
        for name in of:
            score = part[name].to_numpy(float)
            sd = float(fit.effects(score).std(ddof=1))
            moved = _permuted(score, fit.question, permutations, seed)
            null = np.array([fit.effects(values).std(ddof=1) for values in moved])
            raw = np.bincount(fit.country, score) / np.bincount(fit.country)
            rows.append(
                {
                    "file": file, "block": block, "of": name, "gap": float(np.ptp(raw)), "sd": sd,
                    "null_sd": float(null.mean()), "p": stats.permutation_p(sd, null),
                    "noise_free": float(np.sqrt(max(0.0, sd**2 - np.mean(null**2)))),
                    "n": len(part), "countries": len(fit.names),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def spread_beyond(
    table: pd.DataFrame, of: str, *, permutations: int = 500, seed: int = 0
) -> tuple[float, float, float]:
    """Return the SD of country effects less its mean under permuted countries, and a 90% band.

    The band is that of the difference if no country differed, about the difference: what is
    observed less the null's middle 90%. Points.

    Args:
        table: column, country and scores.
        of: the column of scores.
        permutations: of scores among a question's countries.
        seed: of the permutations.
    """
    fit = _Additive(table)
    score = table[of].to_numpy(float)
    sd = float(fit.effects(score).std(ddof=1))
    moved = _permuted(score, fit.question, permutations, seed)
    null = np.array([fit.effects(values).std(ddof=1) for values in moved])
    low, high = np.quantile(null, [0.05, 0.95])
    return sd - float(null.mean()), sd - float(high), sd - float(low)


def item_mix(table: pd.DataFrame, fewest: int = 1) -> pd.DataFrame:
    """Return how much of the published equity gap is the choice of questions: a row a file.

    `gap`: max - min over all countries of the raw means. `gap_items`, `gap_effects`: of the two
    parts in `country_effects`. `share`: cov(raw, items) / var(raw), the share of the variance
    between countries that goes with their questions. n, countries, `fewest`: cells of a country.

    Args:
        table: from `veto_scores.scored`.
        fewest: countries with fewer cells stay in the fit and out of gaps and share.
    """
    rows = []
    for file, part in table.groupby("file", sort=False):
        found = country_effects(part["score"], part)
        sizes = part["country"].value_counts()
        found = found[found["country"].map(sizes) >= fewest]
        if len(found) < 3:  # no spread to speak of
            continue
        parts = found[["raw", "items"]].cov()
        rows.append(
            {
                "file": file, "gap": np.ptp(found["raw"]), "gap_items": np.ptp(found["items"]),
                "gap_effects": np.ptp(found["effect"]),
                "share": parts.loc["raw", "items"] / parts.loc["raw", "raw"],
                "n": len(part), "countries": len(found),
                "fewest": int(sizes[found["country"]].min()),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def gap(table: pd.DataFrame, of: str, draws: int = 2000, seed: int = 0) -> stats.Interval:
    """Return max - min over countries of the raw mean of a score, as published, in points.

    Bootstrapped over questions. Max - min only grows with noise, so the interval lies high.
    """
    codes, names = pd.factorize(table["country"])

    def statistic(frame: pd.DataFrame, weights: np.ndarray) -> float:
        sums = np.bincount(codes, weights * frame[of], len(names))
        sizes = np.bincount(codes, weights, len(names))
        return float(np.ptp(sums[sizes > 0] / sizes[sizes > 0]))

    return stats.cluster_bootstrap(statistic, table, "question", draws=draws, seed=seed)


def shared_order(
    table: pd.DataFrame, one: str, other: str, draws: int = 500, seed: int = 0
) -> stats.Interval:
    """Return the correlation over countries of the effects of two scores on the same cells.

    Effects as in `country_effects`. Bootstrapped over questions; a draw in which questions no
    longer link all countries is undefined.
    """

    def statistic(frame: pd.DataFrame, weights: np.ndarray) -> float:
        drawn = frame.iloc[np.repeat(np.arange(len(frame)), weights)]
        fit = _Additive(drawn)
        first, second = (fit.effects(drawn[name].to_numpy(float)) for name in (one, other))
        return float(np.corrcoef(first, second)[0, 1])

    return stats.cluster_bootstrap(statistic, table, "question", draws=draws, seed=seed)


class _Additive:
    """The least-squares fit of score = question + country on fixed cells, solved for countries."""

    def __init__(self, cells: pd.DataFrame) -> None:
        self.question, _ = pd.factorize(cells["column"])
        self.country, names = pd.factorize(cells["country"], sort=True)
        self.names = list(names)
        there = np.zeros((self.question.max() + 1, len(names)))
        np.add.at(there, (self.question, self.country), 1)  # a bootstrap draw repeats cells
        normal = np.diag(there.sum(0)) - there.T @ (there / there.sum(1, keepdims=True))
        # A constant for all countries cannot be told from the questions' level; this sets it to 0.
        normal += 1 / len(names)
        linked = np.linalg.matrix_rank(normal, tol=1e-6) == len(names)
        self._solve = np.linalg.inv(normal) if linked else np.full_like(normal, np.nan)

    def effects(self, scores: np.ndarray) -> np.ndarray:
        """Return the country effects, (countries,), summing to 0."""
        centred = _centred(scores, self.question)
        return self._solve @ np.bincount(self.country, centred, minlength=len(self.names))


def _centred(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return values less the mean of their group."""
    return values - (np.bincount(codes, values) / np.bincount(codes))[codes]


def _permuted(
    values: np.ndarray, codes: np.ndarray, permutations: int, seed: int
) -> Iterator[np.ndarray]:
    """Yield the values, permuted within groups."""
    generator = np.random.default_rng(seed)
    places = np.argsort(codes, kind="stable")
    for _ in range(permutations):
        moved = np.empty_like(values)
        # Codes are whole and the random part is below one: groups keep their places.
        moved[places] = values[np.argsort(codes + generator.random(len(codes)))]
        yield moved
