"""Directions and probes on residuals whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from pytest import approx  # noqa: PT013 - one word in long tables

from valuegate import directions, stats
from valuegate.errors import ValueGateError


def made(prompts=80, width=120, strength=3.0, seed=0):
    """Return residuals of three layers: nothing, one direction, and all prompts alike."""
    draw = np.random.default_rng(seed)
    labels = np.tile([0.0, 1.0], prompts // 2)
    truth = np.random.default_rng(99).normal(size=width)
    truth /= np.linalg.norm(truth)
    noise = draw.normal(size=(prompts, width))
    told = noise + strength * np.outer(labels, truth)
    return np.stack([noise, told, np.ones((prompts, width))], axis=1), labels, truth


def test_the_difference_of_means_finds_the_direction():
    residual, labels, truth = made(4000, 40)
    found = directions.mean_difference(residual, labels)
    assert float(found[1] @ truth) > 0.99
    assert np.linalg.norm(found[1]) == approx(1)
    assert np.linalg.norm(found[2]) == 0


def test_a_probe_reads_new_prompts_where_there_is_something_to_read():
    residual, labels, _ = made(seed=1, strength=6.0)
    probe = directions.ridge(residual, labels)
    scores = directions.probe_scores(residual, probe)
    assert scores.shape == (80, 3)
    new, wanted, _ = made(400, seed=2, strength=6.0)
    scores = directions.probe_scores(new, probe)
    assert stats.auroc(scores[:, 1], wanted) > 0.9
    assert stats.auroc(scores[:, 0], wanted) == approx(0.5, abs=0.1)
    assert np.ptp(scores[:, 2]) < 1e-9
    assert np.mean((scores[:, 1] > 0) == (wanted == 1)) > 0.8


def test_the_dual_form_is_ridge_regression():
    residual, labels, _ = made(60, 10)
    weights, offset = directions.ridge(residual, labels)
    x = residual[:, 1]
    centred = x - x.mean(0)
    penalty = directions.RIDGE * (centred**2).sum(1).mean()
    target = 2 * labels - 1
    plain = np.linalg.solve(
        centred.T @ centred + penalty * np.eye(10), centred.T @ (target - target.mean())
    )
    assert weights[1] == approx(plain)
    assert offset[1] == approx(target.mean() - x.mean(0) @ plain)


def test_one_label_has_no_direction():
    residual, labels, _ = made(10)
    with pytest.raises(ValueGateError, match="both labels"):
        directions.ridge(residual, np.zeros_like(labels))


def test_held_out_prompts_are_read_by_the_other_folds():
    rng = np.random.default_rng(0)
    residual = rng.normal(size=(40, 2, 6))
    target = residual[:, 0] @ np.arange(6.0)
    folds = [n % 4 for n in range(40)]
    read = directions.held_out(residual, target, folds)
    first = np.array(folds) == 0
    probe = directions.regression(residual[~first], target[~first])
    assert read[first] == pytest.approx(directions.probe_scores(residual[first], probe))
    assert np.corrcoef(read[:, 0], target)[0, 1] > 0.9
    assert abs(np.corrcoef(read[:, 1], target)[0, 1]) < 0.5
    assert np.isnan(directions.held_out(residual, target, [0] * 40)).all()
