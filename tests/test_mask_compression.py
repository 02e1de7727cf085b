"""Compression by hand: of one axis, of all, and of none."""

import numpy as np
import pytest

from valuegate import mask_compression as mask
from valuegate.errors import ValueGateError

WIDTH = 30


def streams(along=1.0, all_of_it=1.0, prompts=400, seed=0):
    """Return prompts before, and the same after one axis, or all, have shrunk."""
    before = np.random.default_rng(seed).normal(size=(prompts, WIDTH))
    after = all_of_it * before
    after[:, 0] *= along
    return before, after + 5.0  # where all prompts lie is no spread


AXIS = np.eye(WIDTH)[0]


def test_an_axis_that_shrinks_as_all_do_is_not_compressed():
    before, after = streams(all_of_it=0.3)
    units = [str(n) for n in range(400)]
    fallen = mask.published(before, after, (AXIS, AXIS), units, draws=20)
    assert fallen.estimate == pytest.approx(70)
    assert mask.whole_ratio(before, after) == pytest.approx(np.log(0.3))
    found = mask.compression(before, after, (AXIS, AXIS), [str(n) for n in range(400)], draws=50)
    assert found.estimate == pytest.approx(0, abs=1e-9)


def test_an_axis_that_shrinks_alone_is():
    before, after = streams(along=0.3)
    found = mask.compression(
        before, after, (AXIS, 2 * AXIS), [str(n) for n in range(400)], draws=50
    )
    assert found.estimate == pytest.approx(np.log(0.3), abs=0.05)
    assert found.high < -1
    null = mask.null(before, after, draws=200)
    for others in (null.covariance, null.isotropic):
        gap, p = mask.beyond(found.estimate, others)
        assert gap < -1
        assert p < 0.01
    assert len(null.principal) == mask.PRINCIPAL


def test_each_model_may_have_an_axis_of_its_own():
    before, _ = streams()
    turned = before[:, ::-1]
    own = mask.log_ratios(before, turned, (AXIS[None], AXIS[::-1][None]))
    assert own[0] == pytest.approx(0, abs=1e-9)


def test_weights_are_prompts_that_count_again():
    before, after = streams(along=0.5, prompts=20)
    weights = np.array([2.0, 0.0] * 10)
    twice = np.repeat(np.arange(0, 20, 2), 2)
    both = (AXIS[None], AXIS[None])
    assert mask.log_ratios(before, after, both, weights) == pytest.approx(
        mask.log_ratios(before[twice], after[twice], both)
    )


def test_other_prompts_are_refused():
    before, after = streams()
    with pytest.raises(ValueGateError, match="the same prompts in models of one width"):
        mask.null(before, after[:-1], draws=5)


def test_a_gate_that_compresses_is_told_from_training_that_does():
    rng = np.random.default_rng(0)
    before = rng.normal(size=(240, WIDTH))
    issues = [f"issue {n % 12}" for n in range(240)]
    gated = np.array([n % 12 < 6 for n in range(240)])
    after = 0.5 * before
    none = mask.gate_change(before, after, (AXIS, AXIS), issues, gated, draws=50)
    assert none.estimate == pytest.approx(0, abs=1e-9)
    after[gated, 0] *= 0.2
    some = mask.gate_change(before, after, (AXIS, AXIS), issues, gated, draws=50)
    assert some.high < -0.5
