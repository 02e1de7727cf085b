"""Intervals, tests and effect sizes that respect clusters, shared by the five instruments.

Pure functions of arrays and tables: knows nothing of models, datasets or figures. Every draw
comes from a seeded numpy Generator and belongs to a cluster's key, not to its place in the table.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special, stats

from valuegate.errors import ValueGateError

MAX_UNDEFINED = 0.05  # share of undefined draws above which a bootstrap interval is not reported
FEW = 5  # clusters' worth of rows, below which a rate's interval is exact
RowStatistic = Callable[[pd.DataFrame, np.ndarray], float]  # of a table and one number per row


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval, in the statistic's own units; n is rows."""

    estimate: float
    low: float
    high: float
    n: int
    clusters: int
    level: float = 0.95


def _require(holds: bool, message: str) -> None:
    """Raise the one-line message unless the condition holds."""
    if not holds:
        raise ValueGateError(message)


def _vector(name: str, values: ArrayLike, length: int | None = None) -> np.ndarray:
    """Return values as a float vector without nan and of the wanted length, or raise."""
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueGateError(f"{name}: not numbers") from None
    _require(array.ndim == 1, f"{name}: expected a vector, got shape {array.shape}")
    _require(array.size > 0, f"{name}: no rows")
    _require(length in (None, array.size), f"{name}: length {array.size}, expected {length}")
    _require(not np.isnan(array).any(), f"{name}: holds nan; drop or fill those rows first")
    return array


def _weights(weights: ArrayLike | None, length: int) -> np.ndarray:
    """Return row weights as floats, ones by default."""
    array = np.ones(length) if weights is None else _vector("weights", weights, length)
    _require(array.min() >= 0, "weights: must not be negative")
    return array


def _clusters(name: str, keys: ArrayLike, length: int) -> tuple[np.ndarray, int]:
    """Return each row's cluster number, counted in the order of sorted keys, and their number."""
    codes, levels = pd.factorize(np.asarray(keys, dtype=object), sort=True)
    _require(codes.size > 0, f"{name}: no rows")
    _require(codes.size == length, f"{name}: length {codes.size}, expected {length}")
    _require(codes.min() >= 0, f"{name}: holds missing keys")
    return codes, len(levels)


def _cluster_column(frame: pd.DataFrame, name: str) -> tuple[np.ndarray, int]:
    """Return `_clusters` of a column, or raise naming the column."""
    _require(name in frame.columns, f"no column {name!r}; the table has {list(frame.columns)}")
    return _clusters(name, frame[name], len(frame))


def _percentiles(draws: np.ndarray, level: float) -> tuple[float, float]:
    """Return the percentile interval of draws, nan where too many of them are undefined."""
    _require(0 < level < 1, f"level: must lie between 0 and 1, got {level}")
    defined = draws[~np.isnan(draws)]
    if defined.size == 0 or defined.size < (1 - MAX_UNDEFINED) * draws.size:
        return np.nan, np.nan
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def weighted_ratio(top: ArrayLike, bottom: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return sum(w * top) / sum(w * bottom); nan where the denominator sums to 0.

    With 0/1 columns this is a conditional rate, such as c / (a + c) (arXiv 2606.18656, sec. 5).
    """
    numerator = _vector("top", top)
    denominator = _vector("bottom", bottom, numerator.size)
    w = _weights(weights, numerator.size)
    total = float(w @ denominator)
    return float(w @ numerator) / total if total else float("nan")


def weighted_mean(values: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the mean in the units of values; nan where the weights sum to 0."""
    array = _vector("values", values)
    return weighted_ratio(array, np.ones(array.size), weights)


def auroc(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return P(score of a 1 > score of a 0), ties counted half; nan where a class is missing.

    Labels are 0 or 1; a weight of k equals k copies of the row (Hanley and McNeil 1982).
    """
    s = _vector("scores", scores)
    y = _vector("labels", labels, s.size)
    w = _weights(weights, s.size)
    _require(bool(((y == 0) | (y == 1)).all()), "labels: must be 0 or 1")
    _, rank = np.unique(s, return_inverse=True)
    ones = np.bincount(rank, weights=w * y)
    zeros = np.bincount(rank, weights=w * (1 - y))
    pairs = ones.sum() * zeros.sum()
    return float(ones @ (np.cumsum(zeros) - zeros / 2) / pairs) if pairs else float("nan")


def d_prime(hits: int, n_signal: int, false_alarms: int, n_noise: int) -> tuple[float, float]:
    """Return sensitivity d' and criterion c, in standard deviations; c > 0 leans to "no".

    Log-linear correction: .5 is added to each count and 1 to each n (Hautus 1995), so rates of
    0 and 1 stay finite. (nan, nan) where there are no signal or no noise trials.
    """
    _require(0 <= hits <= n_signal, f"hits: {hits} of {n_signal} trials is not a count")
    _require(0 <= false_alarms <= n_noise, f"false_alarms: {false_alarms} of {n_noise} trials")
    sensitivity, criterion = d_primes(np.array([hits, n_signal, false_alarms, n_noise]))
    return float(sensitivity), float(criterion)


def d_primes(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `d_prime` of many counts at once: the last axis has its four arguments."""
    hits, n_signal, false_alarms, n_noise = np.moveaxis(np.asarray(counts, dtype=float), -1, 0)
    z_hit = special.ndtri((hits + 0.5) / (n_signal + 1))
    z_false = special.ndtri((false_alarms + 0.5) / (n_noise + 1))
    undefined = (n_signal == 0) | (n_noise == 0)
    return (
        np.where(undefined, np.nan, z_hit - z_false),
        np.where(undefined, np.nan, -(z_hit + z_false) / 2),
    )


def mcnemar_exact(b: int, c: int, alternative: str = "two-sided") -> float:
    """Return the exact p-value for discordant counts b and c; "greater" tests c > b.

    Binomial with n = b + c and rate 1/2; 1.0 where no pair is discordant (McNemar 1947).
    """
    known = ("two-sided", "greater")
    _require(alternative in known, f"alternative: one of {known}, got {alternative!r}")
    _require(b >= 0 and c >= 0 and b % 1 == c % 1 == 0, f"b, c: must be counts, got {b} and {c}")
    if alternative == "greater":
        return float(stats.binom.sf(c - 1, b + c, 0.5))
    return min(1.0, 2 * float(stats.binom.sf(max(b, c) - 1, b + c, 0.5)))


def benjamini_hochberg(p: ArrayLike) -> np.ndarray:
    """Return adjusted p-values in the order given (Benjamini and Hochberg 1995).

    A nan stays nan and does not count towards the size of the family.
    """
    from statsmodels.stats.multitest import multipletests  # slow to import

    adjusted = np.array(p, dtype=float)
    inside = np.array_equal(adjusted, adjusted.clip(0, 1), equal_nan=True)
    _require(adjusted.ndim == 1 and inside, "p: must be a vector within 0 and 1")
    known = ~np.isnan(adjusted)
    if known.any():
        adjusted[known] = multipletests(adjusted[known], method="fdr_bh")[1]
    return adjusted


def cluster_bootstrap(
    statistic: RowStatistic,
    frame: pd.DataFrame,
    cluster: str,
    *,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Return the estimate and its percentile interval over clusters (Davison and Hinkley 1997).

    Whole clusters are drawn with replacement. `statistic(frame, weights)` gets the same frame
    each time, with integer weights (rows,): how often each row's cluster was drawn. Undefined
    (nan) draws are dropped; the bounds are nan when over 5% are, or with a single cluster.
    """
    _require(draws >= 1, f"draws: must be at least 1, got {draws}")
    codes, count = _cluster_column(frame, cluster)
    rng = np.random.default_rng(seed)
    times = (np.bincount(rng.integers(count, size=count), minlength=count) for _ in range(draws))
    values = np.array([statistic(frame, drawn[codes]) for drawn in times], dtype=float)
    estimate = float(statistic(frame, np.ones(len(frame), dtype=int)))
    return drawn_interval(estimate, values, len(frame), count, level)


def cluster_mean(
    values: ArrayLike,
    clusters: ArrayLike,
    *,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Return `cluster_bootstrap` of a mean, all draws in one product: the same numbers, sooner."""
    _require(draws >= 1, f"draws: must be at least 1, got {draws}")
    v = _vector("values", values)
    codes, times = drawn_clusters(clusters, v.size, draws, seed)
    sums, sizes = np.bincount(codes, weights=v), np.bincount(codes)
    return drawn_interval(v.mean(), (times @ sums) / (times @ sizes), v.size, len(sums), level)


def drawn_clusters(
    clusters: ArrayLike, rows: int, draws: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the draws of `cluster_bootstrap`, for statistics that follow from clusters' totals.

    Each row's cluster number (rows,), and how often each cluster was drawn (draws, clusters).
    """
    _require(draws >= 1, f"draws: must be at least 1, got {draws}")
    codes, count = _clusters("clusters", clusters, rows)
    drawn = np.random.default_rng(seed).integers(count, size=(draws, count))
    times = np.zeros((draws, count))
    np.add.at(times, (np.arange(draws)[:, None], drawn), 1)
    return codes, times


def drawn_interval(
    estimate: float, values: np.ndarray, rows: int, clusters: int, level: float = 0.95
) -> Interval:
    """Return an estimate with the percentile interval of its draws, as `cluster_bootstrap` does."""
    low, high = _percentiles(values, level)
    if clusters < 2 or np.isnan(estimate):
        low = high = np.nan
    return Interval(float(estimate), low, high, rows, clusters, level)


def cluster_auroc(
    scores: ArrayLike,
    labels: ArrayLike,
    clusters: ArrayLike,
    *,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> list[Interval]:
    """Return `cluster_bootstrap` of `auroc` for every column of scores: the same numbers, sooner.

    What a 1 of one cluster wins over the 0s of another is counted once; a draw weighs the counts.

    Args:
        scores: (rows,) or (rows, columns).
        labels: 0 or 1, (rows,).
        clusters: keys, (rows,).
        draws: bootstrap draws, the same for every column.
        seed: of the draws.
        level: of the interval.
    """
    columns = np.asarray(scores, dtype=float)
    columns = columns[:, None] if columns.ndim == 1 else columns
    y = _vector("labels", labels, len(columns))
    codes, times = drawn_clusters(clusters, len(columns), draws, seed)
    count = times.shape[1]
    member = np.zeros((len(columns), count))
    member[np.arange(len(columns)), codes] = 1
    ones, zeros = member[y == 1], member[y == 0]
    pairs = (times @ ones.sum(0)) * (times @ zeros.sum(0))
    found = []
    for column in columns.T:
        above = column[y == 1][:, None] - column[y == 0][None, :]
        won = ones.T @ ((np.sign(above) + 1) / 2) @ zeros
        with np.errstate(invalid="ignore"):
            values = np.einsum("dc,ce,de->d", times, won, times, optimize=True) / pairs
        found.append(drawn_interval(auroc(column, y), values, len(columns), count, level))
    return found


def cluster_rate(
    percents: ArrayLike, clusters: ArrayLike, *, draws: int = 2000, level: float = 0.95
) -> Interval:
    """Return `cluster_mean` of rows that are 0 or 100 percent, exact where nearly all agree.

    Where fewer than `FEW` clusters' worth of rows differ from the rest a bootstrap has too little
    width, or none; there its ends give way to Clopper and Pearson's (1934), if those are wider,
    with each cluster counted once, at its own mean.
    """
    found = cluster_mean(percents, clusters, draws=draws, level=level)
    means = pd.Series(np.asarray(percents, dtype=float)).groupby(np.asarray(clusters)).mean()
    hits, count, tail = float(means.sum()) / 100, found.clusters, (1 - level) / 2
    if min(hits, count - hits) >= FEW:
        return found
    low = stats.beta.ppf(tail, hits, count - hits + 1) if hits > 0 else 0.0
    high = stats.beta.ppf(1 - tail, hits + 1, count - hits) if hits < count else 1.0
    ends = np.fmin(found.low, 100 * low), np.fmax(found.high, 100 * high)
    return replace(found, low=float(ends[0]), high=float(ends[1]))


def with_exact_end(found: Interval) -> Interval:
    """Return an interval whose width is not nothing where an area or a share is exactly 0 or 1.

    A bootstrap has no width there; the far end is that of as many clusters that all agree (Clopper
    and Pearson 1934). Other intervals are returned as they are.
    """
    if found.estimate not in (0.0, 1.0):
        return found
    edge = ((1 - found.level) / 2) ** (1 / found.clusters)
    return (
        replace(found, low=edge, high=1.0)
        if found.estimate
        else replace(found, low=0.0, high=1 - edge)
    )


def student_mean(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """Return the mean with Student's interval, for units too few for a bootstrap; units are rows.

    The bounds are nan with a single unit.
    """
    v = _vector("values", values)
    mean = float(v.mean())
    low = high = mean if v.size > 1 else np.nan
    if _varies(v):
        low, high = stats.ttest_1samp(v, 0).confidence_interval(level)
    return Interval(mean, float(low), float(high), v.size, v.size, level)


def welch_difference(one: ArrayLike, other: ArrayLike, *, level: float = 0.95) -> Interval:
    """Return mean(one) - mean(other) with Welch's interval (1947), for units too few to bootstrap.

    The bounds are nan where a side has a single unit.
    """
    a, b = _vector("one", one), _vector("other", other)
    gap = float(a.mean() - b.mean())
    low = high = gap if min(a.size, b.size) > 1 else np.nan
    if min(a.size, b.size) > 1 and (_varies(a) or _varies(b)):
        low, high = stats.ttest_ind(a, b, equal_var=False).confidence_interval(level)
    size = a.size + b.size
    return Interval(gap, float(low), float(high), size, size, level)


def _varies(values: np.ndarray) -> bool:
    """Return whether values differ by more than rounding."""
    return bool(np.ptp(values) > 1e-9 * max(1.0, float(np.abs(values).max())))


def permutation_p(observed: float, null: ArrayLike, *, centre: float = 0.0) -> float:
    """Return the two-sided p, (1 + draws as extreme) / (1 + draws) (Phipson and Smyth 2010).

    Extreme is distance from `centre`: 0 for differences, .5 for an AUROC. Undefined draws count
    as extreme; an undefined observation gives nan.
    """
    draws = np.asarray(null, dtype=float)
    _require(draws.ndim == 1 and draws.size > 0, f"null: expected draws, got shape {draws.shape}")
    if np.isnan(observed):
        return float("nan")
    below = np.abs(draws - centre) < abs(observed - centre) * (1 - 1e-9)  # equal up to rounding
    return float((1 + np.count_nonzero(~below)) / (1 + draws.size))


def sign_flip_null(
    values: ArrayLike, clusters: ArrayLike, *, draws: int = 5000, seed: int = 0
) -> tuple[float, np.ndarray]:
    """Return the two-sided p and the null draws of the mean, (draws,), in units of values.

    For paired differences: the sign of a whole cluster flips with probability 1/2, which is
    exact when clusters are independent and symmetric about 0 (Fisher 1935; Winkler et al. 2014).
    """
    _require(draws >= 1, f"draws: must be at least 1, got {draws}")
    v = _vector("values", values)
    codes, count = _clusters("clusters", clusters, v.size)
    sums = np.bincount(codes, weights=v, minlength=count)
    signs = np.random.default_rng(seed).integers(2, size=(draws, count), dtype=np.int8) * 2 - 1
    null = signs @ sums / v.size
    return permutation_p(float(sums.sum() / v.size), null), null


def swap_null(
    statistic: RowStatistic, frame: pd.DataFrame, cluster: str, *, draws: int = 5000, seed: int = 0
) -> np.ndarray:
    """Return null draws of a statistic, (draws,), under labels swapped by whole clusters.

    `statistic(frame, swapped)` gets a boolean mask (rows,) of the rows to read with their two
    labels exchanged, such as stereotype and contrast; all False gives the observed value, for
    `permutation_p`. Each cluster is swapped with probability 1/2 (Fisher 1935).
    """
    _require(draws >= 1, f"draws: must be at least 1, got {draws}")
    codes, count = _cluster_column(frame, cluster)
    masks = np.random.default_rng(seed).integers(2, size=(draws, count), dtype=bool)
    return np.array([statistic(frame, mask[codes]) for mask in masks], dtype=float)


def tost(interval_or_draws: Interval | ArrayLike, bound: float) -> bool:
    """Return whether the 90% interval lies inside +-bound: equivalence at the 5% level.

    Two one-sided tests (Schuirmann 1987). Takes an Interval of level .9, or bootstrap draws.
    False means "not shown", as it does for an undefined interval.
    """
    _require(bound > 0, f"bound: must be positive, got {bound}")
    if isinstance(interval_or_draws, Interval):
        low, high, level = interval_or_draws.low, interval_or_draws.high, interval_or_draws.level
        _require(abs(level - 0.9) < 1e-9, "tost: needs a 90% interval; compute it with level=0.9")
    else:
        low, high = _percentiles(np.asarray(interval_or_draws, dtype=float), 0.9)
    return bool(-bound < low and high < bound)


def tost_mean(
    differences: ArrayLike, bound: float, clusters: ArrayLike | None = None
) -> tuple[float, float]:
    """Return p for "the mean lies outside +-bound", and the mean, in units of differences.

    The larger p of two one-sided t tests (Schuirmann 1987), cluster-robust with clusters - 1
    degrees of freedom; by default each row is a cluster: the paired t test.
    """
    _require(bound > 0, f"bound: must be positive, got {bound}")
    d = _vector("differences", differences)
    codes, count = _clusters("clusters", range(d.size) if clusters is None else clusters, d.size)
    _require(count > 1, "clusters: a test needs two or more")
    mean = float(d.mean())
    residual_sums = np.bincount(codes, weights=d - mean)
    se = np.sqrt(count / (count - 1) * residual_sums @ residual_sums) / d.size
    margin = bound - abs(mean)  # the nearer bound gives the larger p
    p = float(stats.t.sf(margin / se, count - 1)) if se else float(margin <= 0)
    return p, mean


def mixed_model(formula: str, frame: pd.DataFrame, groups: str) -> pd.DataFrame:
    """Return one row a fixed effect: term, estimate, se, low, high (95% Wald), p, converged.

    Linear model with a random intercept by `groups`, by REML (Laird and Ware 1982). `converged`
    is False where statsmodels doubts the optimum; a group variance near 0 is no such doubt.
    Raises ValueGateError naming the formula where it cannot be fitted.
    """
    from statsmodels.formula.api import mixedlm  # slow to import

    codes, count = _cluster_column(frame, groups)
    where = f"mixed model {formula!r} by {groups!r}"
    _require(count > 1, f"{where}: needs two groups or more")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fit = mixedlm(formula, frame.reset_index(drop=True), groups=codes).fit()
            columns = [fit.fe_params, fit.bse_fe, fit.conf_int(), fit.pvalues]
            table = pd.concat(columns, axis=1, join="inner")  # fixed effects only
        except Exception as error:  # patsy, numpy and statsmodels each raise their own
            raise ValueGateError(f"{where}: {str(error).strip().partition(chr(10))[0]}") from error
    table.columns = ["estimate", "se", "low", "high", "p"]
    _require(fit.converged and np.isfinite(table["se"]).all(), f"{where}: did not converge")
    # "Retrying" was mended by the next optimiser; "boundary" and "singular" say that the group
    # variance is near 0, by a fixed .01 whatever the units of the outcome.
    benign = ("Retrying", "boundary", "singular")
    table["converged"] = all(any(word in str(w.message) for word in benign) for w in caught)
    return table.rename_axis("term").reset_index()


def random_slopes(
    x: ArrayLike, y: ArrayLike, groups: ArrayLike
) -> tuple[float, float, float, float]:
    """Return the mean slope of y on x through 0 with its 95% Wald interval, and the slopes' SD.

    Linear model with slopes random by group and no intercept, by REML (Laird and Ware 1982); for
    x and y that are centred within groups. All nan where it does not converge.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM  # slow to import

    first = _vector("x", x)
    second = _vector("y", y, first.size)
    codes, count = _clusters("groups", groups, first.size)
    _require(count > 1, "groups: slopes by group need two or more")
    if not _varies(second):
        return 0.0, 0.0, 0.0, 0.0
    column = first[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variance near 0 is a finding here, not a fault
        try:
            fit = MixedLM(second, column, groups=codes, exog_re=column).fit()
            (low, high), spread = fit.conf_int()[0], float(np.sqrt(fit.cov_re[0, 0]))
        except Exception:  # numpy and statsmodels each raise their own
            return np.nan, np.nan, np.nan, np.nan
    if not fit.converged:
        return np.nan, np.nan, np.nan, np.nan
    return float(fit.fe_params[0]), float(low), float(high), spread
