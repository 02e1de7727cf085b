"""Directions in the residual stream: fitted on some prompts, read on others.

A direction is fitted layer by layer. Which prompts, and what a score means, is the sections'.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from valuegate.errors import ValueGateError

RIDGE = 0.1  # of the mean squared length of a centred residual


def mean_difference(
    residual: Float[np.ndarray, "prompt layer d_model"], labels: Float[np.ndarray, " prompt"]
) -> Float[np.ndarray, "layer d_model"]:
    """Return the unit vector from the mean of label 0 to the mean of label 1, layer by layer.

    Zero where the means are equal, as they are where all prompts end with one token.
    """
    ones = _both(labels)
    apart = residual[ones].mean(0) - residual[~ones].mean(0)
    length = np.linalg.norm(apart, axis=1, keepdims=True)
    return np.divide(apart, length, out=np.zeros_like(apart), where=length > 1e-9)


def ridge(
    residual: Float[np.ndarray, "prompt layer d_model"], labels: Float[np.ndarray, " prompt"]
) -> tuple[Float[np.ndarray, "layer d_model"], Float[np.ndarray, " layer"]]:
    """Return a linear probe of each layer: weights and offset; its score is above 0 for label 1.

    Ridge regression on labels of -1 and 1, in its dual form: prompts are fewer than dimensions.
    """
    return regression(residual, np.where(_both(labels), 1.0, -1.0))


def regression(
    residual: Float[np.ndarray, "prompt layer d_model"], target: Float[np.ndarray, " prompt"]
) -> tuple[Float[np.ndarray, "layer d_model"], Float[np.ndarray, " layer"]]:
    """Return a ridge regression of numbers on each layer: weights and offset.

    In its dual form: prompts are fewer than dimensions.
    """
    base = float(np.mean(target))
    centre = residual.mean(0)
    centred = (residual - centre).astype(float)
    weights = np.zeros(residual.shape[1:])
    for layer in range(residual.shape[1]):
        x = centred[:, layer]
        scale = float((x**2).sum(1).mean())
        if scale > 1e-9:
            gram = x @ x.T + RIDGE * scale * np.eye(len(x))
            weights[layer] = x.T @ np.linalg.solve(gram, target - base)
    return weights, base - (weights * centre).sum(1)


def held_out(
    residual: Float[np.ndarray, "prompt layer d_model"],
    target: Float[np.ndarray, " prompt"],
    folds: Sequence[object],
) -> Float[np.ndarray, "prompt layer"]:
    """Return `regression`'s prediction of every prompt, fitted on the prompts of other folds.

    nan where there is a single fold, and so nothing to fit on.
    """
    found = np.full(residual.shape[:2], np.nan)
    own = np.asarray(folds)
    for fold in dict.fromkeys(folds):
        out = own == fold
        if not out.all():
            probe = regression(residual[~out], target[~out])
            found[out] = probe_scores(residual[out], probe)
    return found


def probe_scores(
    residual: Float[np.ndarray, "prompt layer d_model"],
    probe: tuple[Float[np.ndarray, "layer d_model"], Float[np.ndarray, " layer"]],
) -> Float[np.ndarray, "prompt layer"]:
    """Return the score of every prompt at every layer under a probe from `ridge`."""
    weights, offset = probe
    return np.einsum("pld,ld->pl", residual.astype(float), weights) + offset


def _both(labels: Float[np.ndarray, " prompt"]) -> np.ndarray:
    ones = np.asarray(labels) == 1
    if not 0 < ones.sum() < len(ones):
        raise ValueGateError("a direction needs prompts of both labels")
    return ones
