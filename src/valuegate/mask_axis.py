"""Section 04's axis: which side a statement takes, on issues that it was not fitted on.

Pure functions of residuals of statements at one layer and position. Sources: arXiv 2606.09735 (a
probe for party); statements are matched by issue here, so that a side is no topic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy import stats as scipy_stats
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from valuegate import stats
from valuegate.errors import ValueGateError

Residual = Float[np.ndarray, "statement d_model"]
Labels = Float[np.ndarray, " statement"]
Fit = Callable[[Residual, Labels], Float[np.ndarray, " d_model"]]


def check(rows: pd.DataFrame, side: str) -> None:
    """Raise a ValueGateError where a side is missing, or an issue has one alone; it names them.

    Args:
        rows: issue, and the side of every statement.
        side: its column.
    """
    sides = sorted(rows[side].unique())
    if len(sides) != 2:
        raise ValueGateError(f"an axis needs two sides, found: {', '.join(map(str, sides))}")
    count = rows.groupby("issue")[side].nunique()
    if (count < 2).any():
        names = ", ".join(map(str, count[count < 2].index))
        raise ValueGateError(f"issues with statements of one side alone: {names}; leave them out")


def lda(residual: Residual, labels: Labels) -> Float[np.ndarray, " d_model"]:
    """Return the unit axis of linear discriminant analysis with shrinkage (Ledoit and Wolf 2004).

    From label 0 towards label 1. The covariance within sides is shrunk in standard units.
    """
    sides = [residual[labels == k].astype(float) for k in (0, 1)]
    inside = np.concatenate([own - own.mean(0) for own in sides])
    scale = inside.std(0)
    scale[scale < 1e-9] = 1.0
    units = inside / scale
    apart = (sides[1].mean(0) - sides[0].mean(0)) / scale
    shrunk = ledoit_wolf_shrinkage(units, assume_centered=True)
    floor = shrunk * (units**2).mean()
    if shrunk >= 1 or floor < 1e-12:
        return _unit(apart / scale)
    # The inverse of (1 - shrunk) units'units / n + floor, times `apart`; in as many dimensions as
    # there are statements where these are fewer (Woodbury).
    count, width = units.shape
    ridge = floor * count / (1 - shrunk)
    if count > width:
        return _unit(np.linalg.solve(units.T @ units + ridge * np.eye(width), apart) / scale)
    inner = np.linalg.solve(units @ units.T + ridge * np.eye(count), units @ apart)
    return _unit((apart - units.T @ inner) / scale)


def means(residual: Residual, labels: Labels) -> Float[np.ndarray, " d_model"]:
    """Return the unit axis from the mean of label 0 to that of label 1."""
    return _unit(residual[labels == 1].mean(0) - residual[labels == 0].mean(0))


def logistic(residual: Residual, labels: Labels) -> Float[np.ndarray, " d_model"]:
    """Return the unit axis of a logistic regression on standardised residuals, as published."""
    spread = residual.std(0)
    spread[spread < 1e-9] = 1.0
    probe = LogisticRegression(C=0.01, max_iter=2000).fit((residual - residual.mean(0)) / spread,
                                                          labels)  # fmt: skip
    return _unit(probe.coef_[0] / spread)


AXES: dict[str, Fit] = {"lda": lda, "means": means, "logistic": logistic}


def _unit(vector: np.ndarray) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-12 else np.zeros_like(vector)


def fold_of(issues: Sequence[str]) -> dict[str, int]:
    """Return issue to its fold: whole issues, in turn by name."""
    return {issue: number % FOLDS for number, issue in enumerate(sorted(set(issues)))}


FOLDS = 4


def held_out(
    residual: Residual,
    labels: Labels,
    issues: Sequence[str],
    fit: Fit,
    fitted: Bool[np.ndarray, " statement"] | None = None,
) -> Float[np.ndarray, " statement"]:
    """Return each statement's place along an axis that was fitted on other issues.

    Within a fold places are centred on its mean, so that folds can be pooled.

    Args:
        residual: of statements.
        labels: 0 or 1.
        issues: of each statement; whole issues are held out.
        fit: of `AXES`.
        fitted: which statements an axis may be fitted on; all when None.
    """
    numbers = fold_of(issues)
    own = np.array([numbers[issue] for issue in issues])
    usable = np.ones(len(own), bool) if fitted is None else fitted
    found = np.empty(len(labels))
    for fold in set(own.tolist()):
        out = own == fold
        train = ~out & usable
        along = residual[out] @ fit(residual[train], labels[train])
        found[out] = along - along.mean()
    return found


def bag_of_words(
    texts: Sequence[str],
    labels: Labels,
    issues: Sequence[str],
    fitted: Bool[np.ndarray, " statement"] | None = None,
) -> Float[np.ndarray, " statement"]:
    """Return the score of each statement by its words alone, in the same folds: no model."""
    words = CountVectorizer(binary=True, ngram_range=(1, 2)).fit_transform(texts).toarray()

    def fit(rows: Residual, sides: Labels) -> np.ndarray:
        return LogisticRegression(max_iter=2000).fit(rows, sides).coef_[0]

    return held_out(words.astype(float), labels, issues, fit, fitted)


def told(
    places: Float[np.ndarray, "statement column"],
    labels: Labels,
    issues: Sequence[str],
    *,
    draws: int,
) -> list[stats.Interval]:
    """Return the AUROC of every column of places, with a bootstrap over issues."""
    found = stats.cluster_auroc(places, labels, list(issues), draws=draws)
    return [stats.with_exact_end(area) for area in found]


def swapped_p(places: Float[np.ndarray, " statement"], labels: Labels, issues: Sequence[str],
              *, draws: int) -> tuple[float, np.ndarray]:  # fmt: skip
    """Return p of an AUROC, and its draws, where the sides of whole issues are swapped by a coin.

    What an axis says of one issue by chance it says of all its statements, so issues are swapped,
    not statements.
    """
    frame = pd.DataFrame({"place": places, "label": labels, "issue": list(issues)})

    def area(rows: pd.DataFrame, swapped: np.ndarray) -> float:
        own = rows["label"].to_numpy(float)
        return stats.auroc(rows["place"], np.where(swapped, 1 - own, own))

    null = stats.swap_null(area, frame, "issue", draws=draws)
    return stats.permutation_p(stats.auroc(places, labels), null, centre=0.5), null


def d_prime(
    places: Float[np.ndarray, " statement"], labels: Labels, issues: Sequence[str], *, draws: int
) -> stats.Interval:
    """Return how far the sides lie apart, in pooled standard deviations; bootstrap over issues."""

    def apart(frame: pd.DataFrame, weights: np.ndarray) -> float:
        one, other = (weights * (frame["label"] == k).to_numpy() for k in (1, 0))
        middle = [stats.weighted_mean(frame["place"], w) for w in (one, other)]
        spread = [
            stats.weighted_mean((frame["place"] - m) ** 2, w)
            for m, w in zip(middle, (one, other), strict=True)
        ]
        return (middle[0] - middle[1]) / np.sqrt(np.mean(spread))

    frame = pd.DataFrame({"place": places, "label": labels, "issue": list(issues)})
    return stats.cluster_bootstrap(apart, frame, "issue", draws=draws)


@dataclass(frozen=True)
class Agreement:
    """How far two models' axes agree, beyond the noise of the issues that they are fitted on.

    Attributes:
        cosine: of the axes as they are. What statements of an issue happen to share makes it high,
            whatever the axes.
        selves: reliability of each model's axis: how far it would agree with one fitted on as many
            other issues; below 0 where issues do not agree at all.
        corrected: the cosine of what issues share (Spearman 1904), with Student's interval by
            leaving each issue out; nan where issues do not agree in either model.
    """

    cosine: float
    selves: tuple[float, float]
    corrected: stats.Interval


def agreement(one: Residual, other: Residual, labels: Labels, issues: Sequence[str]) -> Agreement:
    """Return how far the differences of means agree in two models, over pairs of unlike issues.

    Args:
        one: residuals of statements in a model.
        other: of the same statements in another.
        labels: 0 or 1.
        issues: of each statement.
    """
    apart = [issue_differences(stream, labels, issues) for stream in (one, other)]
    sums, count = [own.sum(0) for own in apart], len(apart[0])

    def between(kept: np.ndarray) -> tuple[float, float, float]:
        a, b = (own[kept] for own in apart)
        sa, sb = a.sum(0), b.sum(0)
        return (
            float(sa @ sb - (a * b).sum()), float(sa @ sa - (a * a).sum()),
            float(sb @ sb - (b * b).sum()),
        )  # fmt: skip

    def corrected(kept: np.ndarray) -> float:
        cross, a, b = between(kept)
        return cross / np.sqrt(a * b) if min(a, b) > 0 else float("nan")

    every = np.arange(count)
    left_out = np.array([corrected(np.delete(every, n)) for n in every])
    half = scipy_stats.t.ppf(0.975, count - 1) * np.sqrt(
        (count - 1) / count * ((left_out - left_out.mean()) ** 2).sum()
    )
    middle = corrected(every)
    _, *alike = between(every)
    return Agreement(
        float(_unit(sums[0]) @ _unit(sums[1])),
        (alike[0] / float(sums[0] @ sums[0]), alike[1] / float(sums[1] @ sums[1])),
        stats.Interval(middle, middle - half, middle + half, len(labels), count),
    )


def issue_differences(
    residual: Residual, labels: Labels, issues: Sequence[str]
) -> Float[np.ndarray, "issue d_model"]:
    """Return the mean of label 1 less that of label 0 on every issue."""
    own = np.asarray(issues)
    return np.stack(
        [
            residual[(own == issue) & (labels == 1)].mean(0)
            - residual[(own == issue) & (labels == 0)].mean(0)
            for issue in dict.fromkeys(issues)
        ]
    )
