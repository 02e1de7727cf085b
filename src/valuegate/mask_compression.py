"""Section 04's compression: how much less prompts spread along an axis after training than before.

Pure functions of residuals of the same prompts in two models, at one layer and position. The
published ratio of two standard deviations falls whenever all directions shrink, or the end of a
template holds nothing of the prompt; here an axis is set against the prompts' whole spread, and
against other directions. Source of the claim: arXiv 2606.09735, sec. 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from valuegate import stats
from valuegate.errors import ValueGateError

Residual = Float[np.ndarray, "prompt d_model"]
Directions = Float[np.ndarray, "direction d_model"]


def check(before: Residual, after: Residual) -> None:
    """Raise a ValueGateError unless both models were read on the same number of prompts."""
    if before.shape != after.shape:
        raise ValueGateError(
            f"compression compares the same prompts in models of one width: {before.shape} before, "
            f"{after.shape} after"
        )


def log_ratios(
    before: Residual,
    after: Residual,
    directions: tuple[Directions, Directions],
    weights: Float[np.ndarray, " prompt"] | None = None,
) -> Float[np.ndarray, " direction"]:
    """Return log of the spread along each direction after training, over that before.

    A spread is the standard deviation over prompts as a share of the root mean square of all
    dimensions' standard deviations: 0 where an axis shrinks as all do, below 0 where it shrinks
    more.

    Args:
        before: residuals of prompts before training.
        after: of the same prompts after it.
        directions: read in the first and in the second; the same twice for one axis.
        weights: how often each prompt counts; once when None.
    """
    both = [
        _spread(stream, own, weights)
        for stream, own in zip((before, after), directions, strict=True)
    ]
    return np.log(both[1]) - np.log(both[0])


def published(
    before: Residual,
    after: Residual,
    axes: tuple[Float[np.ndarray, " d_model"], Float[np.ndarray, " d_model"]],
    clusters: list[str],
    *,
    draws: int,
) -> stats.Interval:
    """Return by how many percent the standard deviation along an axis falls, and nothing beside it.

    Source: arXiv 2606.09735, sec. 2.1 (there without an interval).

    Args:
        before: residuals of prompts before training.
        after: of the same prompts after it.
        axes: of length 1, read in the first and in the second.
        clusters: of prompts, for the bootstrap.
        draws: of the bootstrap.
    """
    check(before, after)
    places = [stream @ own for stream, own in zip((before, after), axes, strict=True)]

    def statistic(_: pd.DataFrame, weights: np.ndarray) -> float:
        w = weights / weights.sum()
        spreads = [np.sqrt(w @ (own - w @ own) ** 2) for own in places]
        return float(100 * (1 - spreads[1] / spreads[0]))

    frame = pd.DataFrame({"cluster": clusters})
    return stats.cluster_bootstrap(statistic, frame, "cluster", draws=draws)


def whole_ratio(before: Residual, after: Residual) -> float:
    """Return the log of the prompts' whole spread after training over that before."""
    spreads = [np.sqrt(((own - own.mean(0)) ** 2).mean()) for own in (before, after)]
    return float(np.log(spreads[1]) - np.log(spreads[0]))


def _spread(
    stream: Residual, directions: Directions, weights: Float[np.ndarray, " prompt"] | None
) -> Float[np.ndarray, " direction"]:
    w = np.ones(len(stream)) if weights is None else np.asarray(weights, dtype=float)
    w = w / w.sum()
    centred = stream - w @ stream
    along = w @ (centred @ directions.T) ** 2 / (directions**2).sum(1)
    whole = (w @ centred**2).mean()
    return np.sqrt(along / whole)


def compression(
    before: Residual,
    after: Residual,
    axes: tuple[Float[np.ndarray, " d_model"], Float[np.ndarray, " d_model"]],
    clusters: list[str],
    *,
    draws: int,
) -> stats.Interval:
    """Return `log_ratios` of one axis, with a paired bootstrap over clusters of prompts, 95%."""
    check(before, after)
    own = (axes[0][None], axes[1][None])

    def statistic(_: pd.DataFrame, weights: np.ndarray) -> float:
        return float(log_ratios(before, after, own, weights)[0])

    return stats.cluster_bootstrap(
        statistic, pd.DataFrame({"cluster": clusters}), "cluster", draws=draws
    )


@dataclass(frozen=True)
class Null:
    """`log_ratios` of directions that are no axis.

    `covariance`: drawn as residuals of both models spread; `isotropic`: drawn alike in all
    dimensions; `principal`: the first components of both models' residuals.
    """

    covariance: Float[np.ndarray, " direction"]
    isotropic: Float[np.ndarray, " direction"]
    principal: Float[np.ndarray, " direction"]


def null(before: Residual, after: Residual, *, draws: int, seed: int = 0) -> Null:
    """Return how much other directions are compressed.

    Args:
        before: residuals of prompts before training.
        after: of the same prompts after it.
        draws: directions of either random sort.
        seed: of the directions.
    """
    check(before, after)
    rng = np.random.default_rng(seed)
    pooled = np.concatenate([before - before.mean(0), after - after.mean(0)]).astype(float)
    drawn = rng.normal(size=(draws, len(pooled))) @ pooled
    flat = rng.normal(size=(draws, pooled.shape[1]))
    components = np.linalg.svd(pooled, full_matrices=False)[2][:PRINCIPAL]
    return Null(*(log_ratios(before, after, (own, own)) for own in (drawn, flat, components)))


PRINCIPAL = 10


def beyond(own: float, others: Float[np.ndarray, " direction"]) -> tuple[float, float]:
    """Return how far an axis lies below the mean of other directions, and its p (one-sided)."""
    return own - float(others.mean()), stats.permutation_p(-own, -others)


def gate_change(
    before: Residual,
    after: Residual,
    axes: tuple[Float[np.ndarray, " d_model"], Float[np.ndarray, " d_model"]],
    issues: list[str],
    gated: Bool[np.ndarray, " prompt"],
    *,
    draws: int,
) -> stats.Interval:
    """Return `log_ratios` over prompts on gated issues less those over prompts on open ones.

    A control within the model: what training does to all prompts falls out. Bootstrap over issues
    within either group.

    Args:
        before: residuals of prompts before training.
        after: of the same prompts after it.
        axes: read in the first and in the second.
        issues: of prompts.
        gated: whether the ledger gates a prompt's issue.
        draws: of the bootstrap.
    """
    check(before, after)
    own = (axes[0][None], axes[1][None])
    frame = pd.DataFrame({"issue": issues, "gated": gated})

    def gap(rows: pd.DataFrame, weights: np.ndarray) -> float:
        inside = rows["gated"].to_numpy()
        sides = [weights * kept for kept in (inside, ~inside)]
        if min(side.sum() for side in sides) < 2:
            return float("nan")
        found = [float(log_ratios(before, after, own, side)[0]) for side in sides]
        return found[0] - found[1]

    return stats.cluster_bootstrap(gap, frame, "issue", draws=draws)
