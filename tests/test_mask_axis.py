"""Axes of planted sides: found on issues that they were not fitted on, or told to be absent."""

import numpy as np
import pandas as pd
import pytest
from sklearn.covariance import LedoitWolf

from valuegate import mask_axis as axis
from valuegate.errors import ValueGateError


def planted(gap, issues=12, each=6, width=40, seed=0):
    """Return statements whose side lies along the first dimension and whose issue anywhere."""
    rng = np.random.default_rng(seed)
    names = np.repeat([f"issue {n}" for n in range(issues)], 2 * each)
    labels = np.tile(np.repeat([0.0, 1.0], each), issues)
    topic = np.repeat(3 * rng.normal(size=(issues, width)), 2 * each, axis=0)
    residual = topic + rng.normal(size=(len(names), width))
    residual[:, 0] += gap * labels
    return residual, labels, list(names)


@pytest.mark.parametrize("name", axis.AXES)
def test_a_side_is_read_on_other_issues(name):
    residual, labels, issues = planted(4.0)
    fit = axis.AXES[name]
    found = fit(residual, labels)
    assert np.linalg.norm(found) == pytest.approx(1)
    assert found[0] > 0.5  # towards label 1
    places = axis.held_out(residual, labels, issues, fit)
    assert axis.d_prime(places, labels, issues, draws=50).low > 0.9
    nothing = axis.held_out(*planted(0.0), fit)
    interval = axis.d_prime(nothing, labels, issues, draws=200)
    assert interval.low < 0 < interval.high or abs(interval.estimate) < 0.4


def test_shrinkage_does_better_than_means_where_issues_are_loud():
    residual, labels, _ = planted(2.0, issues=6, width=80)
    one, other = (axis.AXES[n](residual, labels)[0] for n in ("lda", "means"))
    assert one > 0.3
    assert other > 0.3


def test_words_tell_a_side_that_is_said_and_none_that_is_not():
    issues = [f"i{n}" for n in range(8) for _ in range(4)]
    labels = np.tile([0.0, 0.0, 1.0, 1.0], 8)
    said = [
        f"topic {i} {'more' if k else 'less'} of it" for i, k in zip(issues, labels, strict=True)
    ]
    places = axis.bag_of_words(said, labels, issues)
    assert (places[labels == 1] > 0).all()
    assert (places[labels == 0] < 0).all()
    same = axis.bag_of_words([f"topic {i} of it" for i in issues], labels, issues)
    assert np.ptp(same) == pytest.approx(0)


def test_axes_are_one_beyond_noise_or_two():
    residual, labels, issues = planted(3.0, issues=24, width=30)
    again = residual + np.random.default_rng(1).normal(size=residual.shape)
    same = axis.agreement(residual, again, labels, issues)
    assert 0.3 < same.selves[0] < 1
    assert same.corrected.low < 1 < same.corrected.high
    assert same.corrected.estimate == pytest.approx(1, abs=0.1)
    turned = residual.copy()
    turned[:, [0, 1]] = turned[:, [1, 0]]
    two = axis.agreement(residual, turned, labels, issues)
    assert abs(two.corrected.estimate) < 0.3
    # All of it is noise, and the same noise in both: axes look like one, issues share nothing.
    blind, _, _ = planted(0.0, issues=24, width=30, seed=5)
    found = axis.agreement(blind, blind, labels, issues)
    assert found.cosine == pytest.approx(1)
    assert found.selves[0] < 0.4


def test_agreement_is_over_pairs_of_unlike_issues():
    apart = np.array([[1.0, 0, 0], [1, 1, 0], [1, 0, 1]])
    residual = np.repeat(apart, 2, axis=0) * np.tile([0.0, 1.0], 3)[:, None]
    other = np.repeat(apart[:, [1, 0, 2]], 2, axis=0) * np.tile([0.0, 1.0], 3)[:, None]
    labels, issues = np.tile([0.0, 1.0], 3), list("aabbcc")
    np.testing.assert_array_equal(axis.issue_differences(residual, labels, issues), apart)
    found = axis.agreement(residual, other, labels, issues)
    unlike = [(i, j) for i in range(3) for j in range(3) if i != j]
    turned = apart[:, [1, 0, 2]]
    alike = sum(apart[i] @ apart[j] for i, j in unlike)
    assert found.corrected.estimate == pytest.approx(
        sum(apart[i] @ turned[j] for i, j in unlike) / alike
    )
    assert found.selves[0] == pytest.approx(alike / (apart.sum(0) @ apart.sum(0)))


def test_sides_that_are_missing_are_named():
    rows = pd.DataFrame({"issue": ["a", "a", "b"], "side": ["left", "right", "left"]})
    with pytest.raises(ValueGateError, match="one side alone: b; leave them out"):
        axis.check(rows, "side")
    axis.check(rows[rows["issue"] == "a"], "side")
    with pytest.raises(ValueGateError, match="needs two sides, found: left"):
        axis.check(rows[rows["side"] == "left"], "side")


def test_an_axis_is_fitted_only_where_it_may_be():
    residual, labels, issues = planted(8.0)
    upside_down = np.isin(issues, ["issue 1", "issue 2", "issue 6"])
    wrong = np.where(upside_down, 1 - labels, labels)
    places = axis.held_out(residual, wrong, issues, axis.means, fitted=~upside_down)
    area = axis.told(places[~upside_down][:, None], labels[~upside_down],
                     np.array(issues)[~upside_down], draws=50)[0]  # fmt: skip
    assert area.estimate > 0.9
    assert axis.told(places[upside_down][:, None], wrong[upside_down],
                     np.array(issues)[upside_down], draws=50)[0].estimate < 0.1  # fmt: skip


def test_swapping_issues_is_harder_to_pass_than_swapping_statements():
    # Each issue has its own direction by chance: all statements of an issue agree, issues do not.
    rng = np.random.default_rng(0)
    labels = np.tile(np.repeat([0.0, 1.0], 10), 6)
    issues = np.repeat([f"i{n}" for n in range(6)], 20)
    signs = np.repeat([1, 1, 1, 1, -1, 1], 20)
    places = signs * (labels - 0.5) + 0.1 * rng.normal(size=len(labels))
    p, null = axis.swapped_p(places, labels, list(issues), draws=400)
    assert p > 0.05
    assert null.std() > 0.2
    told, _ = axis.swapped_p(labels - 0.5, labels, list(issues), draws=400)
    assert told < 0.1  # two of 64 ways to swap six issues are as extreme


@pytest.mark.parametrize("issues", [5, 9])  # fewer statements than dimensions, and more
def test_the_discriminant_is_the_shrunk_covariance_solved(issues):
    residual, labels, _ = planted(2.0, issues=issues, width=80)
    residual *= np.linspace(0.1, 30, 80)
    inside = residual - np.stack([residual[labels == k].mean(0) for k in labels])
    scale = inside.std(0)
    precision = LedoitWolf(assume_centered=True).fit(inside / scale).precision_
    apart = (residual[labels == 1].mean(0) - residual[labels == 0].mean(0)) / scale
    expected = precision @ apart / scale
    np.testing.assert_allclose(axis.lda(residual, labels), expected / np.linalg.norm(expected),
                               atol=1e-9)  # fmt: skip
