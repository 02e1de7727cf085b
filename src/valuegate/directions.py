"""Directions in the residual stream: fitted on some prompts, read on others.

A direction is fitted layer by layer. Which prompts, and what a score means, is the sections'.
"""

from __future__ import annotations

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
    ones = _both(labels)
    target = np.where(ones, 1.0, -1.0) - np.mean(np.where(ones, 1.0, -1.0))
    centre = residual.mean(0)
    centred = (residual - centre).astype(float)
    weights = np.zeros(residual.shape[1:])
    for layer in range(residual.shape[1]):
        x = centred[:, layer]
        scale = float((x**2).sum(1).mean())
        if scale > 1e-9:
            gram = x @ x.T + RIDGE * scale * np.eye(len(x))
            weights[layer] = x.T @ np.linalg.solve(gram, target)
    base = float(np.mean(np.where(ones, 1.0, -1.0)))
    return weights, base - (weights * centre).sum(1)


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
