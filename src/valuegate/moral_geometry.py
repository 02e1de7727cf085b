"""Section 03's diagnoses without a probe: centres, gradients and clusters, by layer.

Pure functions of the tables of `moral_run.values`. Source: arXiv 2603.15615, sec. 4.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy import stats as scipy_stats
from sklearn.metrics import adjusted_rand_score

from valuegate import stats
from valuegate.moral_items import FOUNDATIONS, POLES, SLOT_STEP, TYPICAL
from valuegate.moral_told import CHOSEN, Weighted, at, best, by_split, interval, layers


def half_depth(table: pd.DataFrame, *, published: bool = False) -> int:
    """Return the place of the mean residual at half depth, at a layer whose ten slots are told.

    Args:
        table: from `moral_run.values`.
        published: whether the mean is of all tokens, the first among them.
    """
    count = layers(table)
    return (1 + published) * count + SLOT_STEP * round((count - 1) / 2 / SLOT_STEP)


# Centres ------------------------------------------------------------------------------------------


def centre_cosine(table: pd.DataFrame, place: int, *, corrected: bool = True) -> stats.Interval:
    """Return the cosine of virtues' and vices' centres, mean over foundations.

    A centre of a few items is long by chance, which draws the cosine towards 0; corrected, lengths
    and products are of pairs of items of unlike clusters: 1 where poles are one population.
    Student's interval from influences, summed within clusters; as published, cut at -1 and 1.

    Args:
        table: from `moral_run.values`.
        place: its number.
        corrected: False for the cosine as published.
    """
    rows = table[table["fitted"] & (table["grade"] >= TYPICAL)].reset_index(drop=True)
    kinds = ("own_away", "other_away") if corrected else ("own", "other")
    own, other = (at(rows, kind)[:, place] for kind in kinds)
    influence, cosines = np.zeros(len(rows)), []
    for _, part in rows.groupby("foundation", sort=False):
        sides = [part.index[part["pole"] == pole].to_numpy() for pole in POLES]
        if min(map(len, sides)) < 2:
            continue
        lengths = [own[side].mean() for side in sides]
        product = float(np.mean([other[side].mean() for side in sides]))
        if min(lengths) <= 0:
            return stats.Interval(float("nan"), float("nan"), float("nan"), len(rows), 0)
        root = np.sqrt(lengths[0] * lengths[1])
        cosines.append(product / root)
        for side, length in zip(sides, lengths, strict=True):
            moved = (other[side] - other[side].mean()) / len(side) / root
            shrunk = 2 * (own[side] - own[side].mean()) / len(side) / length
            influence[side] += moved - cosines[-1] / 2 * shrunk
    if not cosines:
        return stats.Interval(float("nan"), float("nan"), float("nan"), len(rows), 0)
    summed = pd.Series(influence / len(cosines)).groupby(rows["cluster"].to_numpy()).sum()
    count, middle = len(summed), float(np.mean(cosines))
    half = float(
        scipy_stats.t.ppf(0.975, count - 1) * np.sqrt(count / (count - 1) * (summed**2).sum())
    )
    low, high = middle - half, middle + half
    if not corrected:
        low, high = max(low, -1.0), min(high, 1.0)
    return stats.Interval(middle, low, high, len(rows), count)


def across(table: pd.DataFrame, place: int) -> tuple[float, float]:
    """Return cosines of centres of one pole and unlike foundations, and of unlike poles there.

    Means over pairs of foundations, of centres as published.

    Args:
        table: from `moral_run.values`.
        place: its number; of its layer ten slots must be stored (every fourth).
    """
    layer = place % layers(table) // SLOT_STEP
    rows = table[table["fitted"] & (table["grade"] >= TYPICAL)].reset_index(drop=True)
    products = at(rows, "centres")[:, 10 * layer : 10 * layer + 10]
    named = zip(rows["foundation"], rows["pole"], strict=True)
    slot = [2 * FOUNDATIONS.index(f) + POLES.index(p) for f, p in named]
    every = np.array(slot)
    gram = np.full((10, 10), np.nan)  # nan where a slot has no typical item
    for n in set(slot):
        gram[n] = products[every == n].mean(0)
    lengths = np.sqrt(np.diag(gram))
    cosines = gram / np.outer(lengths, lengths)
    alike, unlike = [], []
    for one in range(10):
        for other in range(10):
            if one // 2 != other // 2:
                (alike if one % 2 == other % 2 else unlike).append(cosines[one, other])
    return float(np.nanmean(alike)), float(np.nanmean(unlike))


# Gradients ----------------------------------------------------------------------------------------


def gradient(
    table: pd.DataFrame, place: int, *, published: bool = False, neutral: bool = True
) -> Weighted:
    """Return Spearman's correlation of nearness to a pole's centre and grade, by weights.

    Mean over ten slots. Neutral items count in both poles. An item is held against the centre of
    other clusters' items; as published against the whole, itself within. Weights are whole numbers.

    Args:
        table: from `moral_run.values`.
        place: its number.
        published: whether a typical item is part of the centre that it is held against.
        neutral: whether neutral items count.
    """
    near, far = at(table, "near")[:, place], at(table, "far")[:, place]
    if published:
        lengths = np.sqrt(at(table, "square")[:, place])
        near = at(table, "own")[:, place] / lengths
        far = at(table, "other")[:, place] / lengths
    grade, pole = table["grade"].to_numpy(float), table["pole"].to_numpy(str)
    names, slots = table["foundation"].to_numpy(str), []
    for foundation in dict.fromkeys(names.tolist()):
        for name in POLES:
            mine = (names == foundation) & (pole == name)
            blank = (names == foundation) & (pole == "neutral") & neutral
            nearness = np.where(blank & (name == "vice"), far, near)
            own = np.flatnonzero((mine | blank) & ~np.isnan(nearness))
            slots.append((own, nearness[own], np.where(blank[own], 0.0, grade[own])))

    def statistic(weights: np.ndarray) -> float:
        found = []
        for own, nearness, label in slots:
            drawn = np.repeat(np.arange(len(own)), weights[own].astype(int))
            x, y = nearness[drawn], label[drawn]
            if len(drawn) > 2 and y.std() > 0 and x.std() > 0:
                ranks = [scipy_stats.rankdata(v) for v in (x, y)]
                found.append(np.corrcoef(*ranks)[0, 1])
        return float(np.mean(found)) if found else float("nan")

    return statistic


def steepness(table: pd.DataFrame, place: int, *, published: bool = False) -> float:
    """Return `gradient` of all items, each once."""
    return gradient(table, place, published=published)(np.ones(len(table)))


def best_gradient(
    table: pd.DataFrame, *, published: bool = False, neutral: bool = True, draws: int
) -> tuple[int, stats.Interval]:
    """Return the place where fit items' gradient is steepest, and the test items' there."""
    fit, test = (by_split(table, split) for split in ("fit", "test"))

    def steep(rows: pd.DataFrame, place: int) -> Weighted:
        return gradient(rows, place, published=published, neutral=neutral)

    ones = np.ones(len(fit))
    place = best([steep(fit, n)(ones) for n in range(CHOSEN * layers(table))])
    return place, interval(steep(test, place), test, draws=draws)


def gradient_gap(table: pd.DataFrame, place: int, *, draws: int) -> stats.Interval:
    """Return how much steeper the gradient is where items are part of the centre, on test items.

    Args:
        table: from `moral_run.values`.
        place: its number.
        draws: of the bootstrap over clusters.
    """
    test = by_split(table, "test")
    itself, away = (gradient(test, place, published=own) for own in (True, False))
    return interval(lambda w: itself(w) - away(w), test, draws=draws)


# Clusters -----------------------------------------------------------------------------------------


def agreement(table: pd.DataFrame, method: str, name: str) -> Float[np.ndarray, " place"]:
    """Return the adjusted Rand index of clusters and labels, by layer; then of `moral_run.BARE`.

    Items that HDBSCAN calls noise do not count, as published.

    Args:
        table: from `moral_run.values`.
        method: a column of cluster numbers.
        name: a column of labels: three poles, or five foundations.
    """
    truth, found = pd.factorize(table[name])[0], at(table, method).astype(int)
    return np.array([_rand(own, truth) for own in found.T])


def _rand(own: np.ndarray, truth: np.ndarray) -> float:
    kept = own >= 0
    return float(adjusted_rand_score(truth[kept], own[kept])) if kept.sum() > 1 else float("nan")


def best_agreement(
    table: pd.DataFrame, method: str, name: str, *, draws: int
) -> tuple[int, float, np.ndarray]:
    """Return the layer where clusters agree best, how far, and the same with labels shuffled.

    The null takes the best layer, too. Near-copies stay together: `exchanged`.
    """
    rng, truth = np.random.default_rng(0), pd.factorize(table[name])[0]
    clusters = pd.factorize(table["cluster"])[0]
    found = at(table, method).astype(int)[:, : layers(table)]
    curve = agreement(table, method, name)[: layers(table)]
    null = [
        max(_rand(own, shuffled) for own in found.T)
        for shuffled in (exchanged(truth, clusters, rng) for _ in range(draws))
    ]
    layer = best(list(curve))
    return layer, float(curve[layer]), np.array(null)


def exchanged(
    truth: Int[np.ndarray, " item"], clusters: Int[np.ndarray, " item"], rng: np.random.Generator
) -> Int[np.ndarray, " item"]:
    """Return labels exchanged between clusters of one size, and shuffled within each.

    What near-copies have in common (a foundation) or share out (a pole each) stays theirs.
    """
    found = truth.copy()
    members = [np.flatnonzero(clusters == n) for n in np.unique(clusters)]
    for size in {len(own) for own in members}:
        alike = np.stack([own for own in members if len(own) == size])
        found[alike] = rng.permuted(truth[alike[rng.permutation(len(alike))]], axis=1)
    return found


def noise_share(table: pd.DataFrame) -> Float[np.ndarray, " layer"]:
    """Return the share of items that HDBSCAN calls noise, by layer."""
    return (at(table, "hdbscan")[:, : layers(table)] < 0).mean(0)


# Raters -------------------------------------------------------------------------------------------


def rater_ceiling(variance: float, spread: float, raters: int) -> float:
    """Return the share of the variance of mean ratings that is no rater noise: R2 at the most.

    Only means are published, so that both figures are assumed.

    Args:
        variance: of the mean ratings over words.
        spread: assumed standard deviation of raters about a word's mean, on the ratings' scale.
        raters: assumed number of raters a word.
    """
    return max(0.0, 1 - spread**2 / raters / variance)
