"""Statistics against answers worked out by hand, properties, and small seeded simulations."""

from __future__ import annotations

from math import isnan, nan, sqrt

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from valuegate.errors import ValueGateError
from valuegate.stats import (
    Interval,
    auroc,
    benjamini_hochberg,
    cluster_auroc,
    cluster_bootstrap,
    cluster_mean,
    cluster_rate,
    d_prime,
    d_primes,
    mcnemar_exact,
    mixed_model,
    permutation_p,
    random_slopes,
    sign_flip_null,
    swap_null,
    tost,
    tost_mean,
    weighted_mean,
    weighted_ratio,
)


def mean_x(frame: pd.DataFrame, weights: np.ndarray) -> float:
    return weighted_mean(frame["x"], weights)


def correlated(rng: np.random.Generator, clusters: int = 30, rows: int = 5) -> pd.DataFrame:
    """Mean 0; cluster effects of variance 1 and row noise of variance 1/4."""
    key = np.repeat(np.arange(clusters), rows)
    x = rng.normal(size=clusters)[key] + rng.normal(size=key.size) / 2
    return pd.DataFrame({"x": x, "scenario": key, "row": np.arange(key.size)})


# Rates -------------------------------------------------------------------------------------------


def test_weighted_ratio_and_mean_by_hand():
    # (1*1 + 0*2 + 1*3) / (1*1 + 1*2 + 1*3) = 4/6; unweighted c/(a+c) with c = 2, a = 1 is 2/3.
    assert weighted_ratio([1, 0, 1], [1, 1, 1], [1, 2, 3]) == pytest.approx(4 / 6)
    assert weighted_ratio([1, 0, 1, 0], [1, 1, 1, 0]) == pytest.approx(2 / 3)
    assert weighted_mean([1, 2, 6], [1, 0, 1]) == pytest.approx(3.5)
    assert isnan(weighted_ratio([1, 1], [0, 0]))
    assert isnan(weighted_mean([1, 2], [0, 0]))


# AUROC -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "labels", "weights", "expected"),
    [
        ([1, 2, 3, 4], [0, 1, 0, 1], None, 3 / 4),  # 2 beats 1 only; 4 beats both
        ([1, 2, 3], [0, 1, 1], None, 1),
        ([3, 2, 1], [0, 1, 1], None, 0),
        ([1, 1, 2], [0, 1, 1], None, 3 / 4),  # a tie and a win: (1/2 + 1) / 2
        ([5, 5, 5], [0, 1, 1], None, 1 / 2),
        ([1, 2, 3], [1, 0, 1], [3, 1, 1], 1 / 4),  # three losses and a win
        ([1, 2, 3], [True, False, True], [0, 2, 1], 1),  # a weight of 0 removes the row
        ([-np.inf, np.inf], [0, 1], None, 1),
    ],
)
def test_auroc_by_hand(scores, labels, weights, expected):
    assert auroc(scores, labels, weights) == pytest.approx(expected)


def test_auroc_is_nan_where_a_class_is_missing():
    assert isnan(auroc([1, 2], [1, 1]))
    assert isnan(auroc([1, 2], [0, 1], [1, 0]))


@pytest.mark.parametrize("seed", range(5))
def test_auroc_properties(seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(6, size=60)  # few levels, so many ties
    labels = rng.integers(2, size=60)
    weights = rng.integers(4, size=60)
    value = auroc(scores, labels, weights)

    ones, zeros = (np.repeat(scores, weights * (labels == k)) for k in (1, 0))
    gaps = ones[:, None] - zeros[None, :]
    assert value == pytest.approx(np.mean((gaps > 0) + (gaps == 0) / 2))
    assert value == pytest.approx(auroc(np.repeat(scores, weights), np.repeat(labels, weights)))
    assert auroc(-scores, labels, weights) == pytest.approx(1 - value)
    assert auroc(scores, 1 - labels, weights) == pytest.approx(1 - value)
    assert auroc(np.exp(scores), labels, weights) == pytest.approx(value)
    order = rng.permutation(60)
    assert auroc(scores[order], labels[order], weights[order]) == pytest.approx(value)


# Signal detection, paired counts, families ------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "sensitivity", "criterion"),
    [
        # (9 + .5) / 10 = .95 and (0 + .5) / 10 = .05; z(.95) = 1.644854 in a normal table
        ((9, 9, 0, 9), 3.289707, 0.0),
        # always "yes": both rates 4.5 / 5 = .9, z = 1.281552
        ((4, 4, 4, 4), 0.0, -1.281552),
        # 20.5 / 25 = .82, z = .915365; 5.5 / 25 = .22, z = -.772193
        ((20, 24, 5, 24), 1.687558, -0.071586),
    ],
)
def test_d_prime_by_hand(counts, sensitivity, criterion):
    assert d_prime(*counts) == pytest.approx((sensitivity, criterion), abs=2e-6)


def test_d_prime_is_nan_without_trials():
    assert all(map(isnan, d_prime(3, 4, 0, 0)))


@pytest.mark.parametrize(
    ("b", "c", "two_sided", "greater"),
    [
        (0, 5, 2 / 32, 1 / 32),
        (5, 0, 2 / 32, 1),
        (1, 3, 10 / 16, 5 / 16),  # P(3 or 4 of 4) = (4 + 1) / 16
        (3, 1, 10 / 16, 15 / 16),
        (2, 2, 1, 11 / 16),  # P(2, 3 or 4 of 4) = (6 + 4 + 1) / 16
        (1, 9, 22 / 1024, 11 / 1024),
        (0, 0, 1, 1),
    ],
)
def test_mcnemar_by_hand(b, c, two_sided, greater):
    assert mcnemar_exact(b, c) == pytest.approx(two_sided)
    assert mcnemar_exact(b, c, "greater") == pytest.approx(greater)


@pytest.mark.parametrize(
    ("raw", "adjusted"),
    [
        # ranks 2, 4, 3, 1 of 4: .01*4/2, .04*4/4, .03*4/3, .005*4/1
        ([0.01, 0.04, 0.03, 0.005], [0.02, 0.04, 0.04, 0.02]),
        # .5*2/1 = 1 is pulled down to the next rank's .9
        ([0.5, 0.9], [0.9, 0.9]),
        # nan is no member of the family: .01*2/1, .2*2/2
        ([nan, 0.2, 0.01], [nan, 0.2, 0.02]),
        ([nan], [nan]),
        ([], []),
    ],
)
def test_benjamini_hochberg_by_hand(raw, adjusted):
    given = np.array(raw, dtype=float)
    np.testing.assert_allclose(benjamini_hochberg(given), adjusted, rtol=1e-12)
    np.testing.assert_array_equal(given, raw)  # the caller's array is left alone


# Cluster bootstrap ------------------------------------------------------------------------------


def test_bootstrap_draws_whole_clusters():
    frame = pd.DataFrame({"x": [0, 0, 0, 1], "scenario": ["a", "a", "a", "b"]})
    seen = []

    def recorded(table, weights):
        seen.append(tuple(weights))
        return mean_x(table, weights)

    interval = cluster_bootstrap(recorded, frame, "scenario", draws=400)
    # aa, ab or ba, bb with chances 1/4, 1/2, 1/4: means 0, 1/4, 1
    assert interval == Interval(0.25, 0.0, 1.0, n=4, clusters=2, level=0.95)
    assert set(seen) == {(2, 2, 2, 0), (1, 1, 1, 1), (0, 0, 0, 2)}
    # 400 draws of chance 1/2: 200 +- 10, and one call for the estimate; four deviations
    assert abs(seen.count((1, 1, 1, 1)) - 201) < 40


def test_bootstrap_depends_on_seed_and_not_on_row_order():
    frame = correlated(np.random.default_rng(1))
    shuffled = frame.sample(frac=1, random_state=2)
    here, there, other = (
        cluster_bootstrap(mean_x, table, "scenario", draws=200, seed=seed)
        for table, seed in ((frame, 0), (shuffled, 0), (frame, 1))
    )
    assert (here.low, here.high) == pytest.approx((there.low, there.high), rel=1e-9)
    assert here.low != other.low


def test_bootstrap_is_nan_where_the_statistic_is_often_undefined():
    def ranked(table, weights):
        return auroc(table["x"], table["y"], weights)

    frame = pd.DataFrame({"x": [1, 2], "y": [0, 1], "scenario": [0, 1]})
    interval = cluster_bootstrap(ranked, frame, "scenario", draws=200)  # half are of one class
    assert interval.estimate == 1
    assert isnan(interval.low)
    assert isnan(interval.high)

    # one zero among six clusters is never drawn with chance (5/6)^6 = .33; three zeros: 1/32
    wide = pd.DataFrame({"x": [1, 2, 3, 4, 5, 6], "scenario": range(6)})
    for zeros, undefined in ((1, True), (3, False)):
        table = wide.assign(y=[0] * zeros + [1] * (6 - zeros))
        low = cluster_bootstrap(ranked, table, "scenario", draws=1000).low
        assert isnan(low) is undefined


def test_bootstrap_of_one_cluster_has_no_interval():
    interval = cluster_bootstrap(mean_x, pd.DataFrame({"x": [1, 3], "scenario": 0}), "scenario")
    assert interval.estimate == 2
    assert isnan(interval.low)
    assert isnan(interval.high)


def test_bootstrap_is_wider_by_cluster_than_by_row():
    frame = correlated(np.random.default_rng(3), clusters=40)
    clustered, iid = (cluster_bootstrap(mean_x, frame, key) for key in ("scenario", "row"))
    # variance of the mean (1 + .25/5)/40 against (1 + .25)/200: widths differ by sqrt(4.2) = 2.05
    ratio = (clustered.high - clustered.low) / (iid.high - iid.low)
    assert 1.7 < ratio < 2.4
    assert clustered.estimate == pytest.approx(iid.estimate)


def test_bootstrap_covers_the_truth_by_cluster_and_not_by_row():
    covered = {"scenario": 0, "row": 0}
    for seed in range(150):
        frame = correlated(np.random.default_rng(seed))
        for key in covered:
            interval = cluster_bootstrap(mean_x, frame, key, draws=150, seed=seed)
            covered[key] += interval.low < 0 < interval.high
    # nominal .95, some .93 for the percentile interval of 30 clusters; deviation .02
    assert 0.87 <= covered["scenario"] / 150 <= 0.99
    # by row the interval is half as wide: P(|z| < 1.96 / 2.05) = .66
    assert covered["row"] / 150 < 0.8


def test_the_mean_in_one_product_is_the_bootstrap_of_the_mean():
    frame = pd.DataFrame({"scenario": list("aabbbcddee"), "x": np.arange(10.0) ** 2})
    for level in (0.9, 0.95):
        slow = cluster_bootstrap(mean_x, frame, "scenario", draws=300, seed=4, level=level)
        fast = cluster_mean(frame["x"], frame["scenario"], draws=300, seed=4, level=level)
        assert fast == slow
    alone = cluster_mean([1.0, 3.0], ["a", "a"])
    assert (alone.estimate, np.isnan(alone.low), alone.clusters) == (2.0, True, 1)


def test_auroc_by_clusters_is_the_bootstrap_of_auroc():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({
        "x": rng.integers(6, size=60).astype(float), "y": rng.integers(2, size=60),
        "scenario": [f"s{k}" for k in rng.integers(9, size=60)],
    })  # fmt: skip
    columns = np.stack([frame["x"], -frame["x"], rng.normal(size=60)], axis=1)
    fast = cluster_auroc(columns, frame["y"], frame["scenario"], draws=200, seed=4, level=0.9)
    for column, found in zip(columns.T, fast, strict=True):
        slow = cluster_bootstrap(
            lambda f, w, s=column: auroc(s, f["y"], w), frame, "scenario", draws=200, seed=4,
            level=0.9,
        )  # fmt: skip
        assert (found.estimate, found.n, found.clusters) == (slow.estimate, 60, slow.clusters)
        assert (found.low, found.high) == pytest.approx((slow.low, slow.high), abs=1e-12)
    # Clusters of one label each: a draw without the other label is undefined, and left out.
    lone = cluster_auroc([1.0, 2.0, 3.0], [0, 1, 1], ["a", "b", "c"], draws=50)[0]
    assert lone.estimate == 1
    assert np.isnan(lone.low)


def test_signal_detection_of_many_counts_at_once():
    counts = np.array([[[9, 10, 2, 10]], [[0, 0, 1, 2]]])
    sensitivity, criterion = d_primes(counts)
    assert sensitivity.shape == (2, 1)
    assert (sensitivity[0, 0], criterion[0, 0]) == d_prime(9, 10, 2, 10)
    assert np.isnan(sensitivity[1, 0])
    assert np.isnan(criterion[1, 0])


def test_a_rate_on_which_all_agree_has_the_exact_interval():
    groups = np.repeat(range(16), 2)
    assert cluster_rate(np.full(32, 100.0), groups).low == pytest.approx(100 * 0.025 ** (1 / 16))
    never = cluster_rate(np.zeros(32), groups, level=0.9)
    assert (never.low, never.high) == (0, pytest.approx(100 * (1 - 0.05 ** (1 / 16))))
    assert (never.n, never.clusters) == (32, 16)


def test_a_rate_on_which_nearly_all_agree_is_no_narrower_than_the_exact_interval():
    nearly = np.zeros(16)
    nearly[3] = 100.0
    exact = binomtest(1, 16).proportion_ci(method="exact")
    found = cluster_rate(nearly, range(16))
    assert (found.low, found.high) == pytest.approx((0, 100 * exact.high), abs=0.2)
    assert cluster_mean(nearly, range(16)).high < found.high
    # Five clusters of sixteen: the bootstrap has width enough.
    five = np.repeat([100.0, 0.0], [5, 11])
    assert cluster_rate(five, range(16)) == cluster_mean(five, range(16))


def test_bootstrap_of_auroc():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"scenario": np.repeat(range(100), 4), "y": np.tile([0, 1], 200)})
    frame["x"] = rng.normal(size=400) + frame["y"]
    interval = cluster_bootstrap(lambda t, w: auroc(t["x"], t["y"], w), frame, "scenario")
    # P(N(1, 1) > N(0, 1)) is the normal distribution function at 1/sqrt(2): .760
    assert interval.low < 0.760 < interval.high


# Permutation nulls ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("observed", "null", "centre", "expected"),
    [
        (2, [-3, 2, 1, 0], 0, 3 / 5),  # -3 and 2 are as extreme
        (-2, [-3, 2, 1, 0], 0, 3 / 5),
        (0.9, [0.1, 0.5, 0.6], 0.5, 2 / 4),  # .1 lies as far from .5
        (1, [nan, 0], 0, 2 / 3),  # the undefined draw counts against
        (0, [1, 2, 3], 0, 1),
        (9, [0] * 99, 0, 1 / 100),  # never 0
    ],
)
def test_permutation_p_by_hand(observed, null, centre, expected):
    assert permutation_p(observed, null, centre=centre) == pytest.approx(expected)


def test_permutation_p_of_undefined_is_undefined():
    assert isnan(permutation_p(nan, [0, 1]))


def test_sign_flip_by_hand():
    # sums 3 and 1 over four rows: means +-1 and +-1/2, each with chance 1/4, so p = 1/2
    p, null = sign_flip_null([1, 2, 1, 0], ["a", "a", "b", "b"])
    assert set(null) == {-1.0, -0.5, 0.5, 1.0}
    assert p == pytest.approx(0.5, abs=0.03)  # four deviations of 5000 draws
    # one cluster: the flip changes nothing but the sign
    assert sign_flip_null([1, 2, 3], ["a"] * 3)[0] == 1


def test_sign_flip_is_not_fooled_by_clones():
    rng = np.random.default_rng(5)
    values = rng.normal(0.3, 1, size=12)
    p, null = sign_flip_null(values, np.arange(12))
    cloned, same = sign_flip_null(np.repeat(values, 20), np.repeat(np.arange(12), 20))
    assert cloned == pytest.approx(p)
    np.testing.assert_allclose(same, null, atol=1e-12)
    by_row, _ = sign_flip_null(np.repeat(values, 20), np.arange(240))
    assert by_row < p / 5


def test_sign_flip_is_uniform_under_the_null_and_finds_an_effect():
    def p_values(shift):
        for seed in range(300):
            frame = correlated(np.random.default_rng(seed), clusters=15, rows=3)
            yield sign_flip_null(frame["x"] + shift, frame["scenario"], draws=400, seed=seed)[0]

    null = np.array(list(p_values(0.0)))
    assert null.mean() == pytest.approx(0.5, abs=0.07)  # deviation .29/sqrt(300) = .017
    assert (null < 0.05).mean() <= 0.09  # deviation .013
    assert (null < 0.5).mean() == pytest.approx(0.5, abs=0.12)
    assert (np.array(list(p_values(1.5))) < 0.05).mean() > 0.95


def test_swap_null_swaps_whole_clusters_half_of_the_time():
    frame = correlated(np.random.default_rng(0), clusters=8, rows=3)
    masks = []

    def recorded(table, swapped):
        masks.append(swapped)
        return float(np.where(swapped, -table["x"], table["x"]).mean())

    null = swap_null(recorded, frame, "scenario", draws=2000)
    stacked = np.array(masks).reshape(2000, 8, 3)
    assert (stacked == stacked[:, :, :1]).all()
    assert stacked.mean() == pytest.approx(0.5, abs=0.02)  # deviation .5/sqrt(16000) = .004
    # exchanging the two labels of a difference flips its sign, so the two nulls must agree
    p, flipped = sign_flip_null(frame["x"], frame["scenario"], draws=2000)
    assert null.shape == flipped.shape
    assert null.std() == pytest.approx(flipped.std(), rel=0.1)
    assert permutation_p(frame["x"].mean(), null) == pytest.approx(p, abs=0.07)


def test_swap_null_serves_an_auroc():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"scenario": np.repeat(range(40), 2), "y": np.tile([0, 1], 40)})

    def ranked(table, swapped):
        return auroc(table["x"], np.where(swapped, 1 - table["y"], table["y"]))

    for effect, low, high in ((0.0, 0.05, 1.0), (1.5, 0.0, 0.01)):
        frame["x"] = rng.normal(size=80) + effect * frame["y"]
        null = swap_null(ranked, frame, "scenario", draws=500)
        assert null.mean() == pytest.approx(0.5, abs=0.02)
        observed = ranked(frame, np.zeros(80, dtype=bool))
        assert low < permutation_p(observed, null, centre=0.5) < high


# Equivalence ------------------------------------------------------------------------------------


def test_tost_reads_the_interval():
    interval = Interval(0.0, -0.1, 0.15, n=10, clusters=5, level=0.9)
    assert tost(interval, 0.2) is True
    assert tost(interval, 0.12) is False
    assert tost(Interval(0.0, -0.15, 0.1, n=10, clusters=5, level=0.9), 0.12) is False
    assert tost(Interval(nan, nan, nan, 10, 5, 0.9), 1.0) is False
    draws = np.linspace(-1, 1, 101)  # 5% and 95% are -.9 and .9
    assert tost(draws, 0.91) is True
    assert tost(draws, 0.89) is False
    assert tost([nan] * 10 + [0.0] * 90, 1.0) is False


def test_tost_mean_by_hand():
    # sd 1, se 1/sqrt(3); a bound of sqrt(2/3) gives t = sqrt(2) with 2 degrees of freedom, where
    # the upper tail is 1/2 - t / (2 sqrt(2 + t^2)) = 1/2 - sqrt(2)/4
    tail = 0.5 - sqrt(2) / 4
    bound = sqrt(2 / 3)
    assert tost_mean([-1, 0, 1], bound) == pytest.approx((tail, 0))
    assert tost_mean([0, 1, 2], 1 + bound) == pytest.approx((tail, 1))
    assert tost_mean([0, -1, -2], 1 + bound) == pytest.approx((tail, -1))
    # outside the bound the evidence is against: t = -sqrt(2)
    assert tost_mean([1, 2, 3], 2 - bound) == pytest.approx((1 - tail, 2))
    # clones of a row within its cluster add nothing
    clones = np.repeat([-1, 0, 1], 7)
    assert tost_mean(clones, bound, clusters=np.repeat([0, 1, 2], 7))[0] == pytest.approx(tail)
    assert tost_mean(clones, bound)[0] < tail / 10
    assert tost_mean([0.0, 0.0], 0.1) == (0, 0)
    assert tost_mean([1.0, 1.0], 0.5) == (1, 1)


# Mixed model ------------------------------------------------------------------------------------


def paired_rows() -> pd.DataFrame:
    rows = zip([0, 10, 20, 30], [1, 2, 3, 2], strict=True)
    return pd.DataFrame(
        [(f"s{base}", primed, base + primed * d) for base, d in rows for primed in (0, 1)],
        columns=["scenario", "primed", "y"],
    )


def test_mixed_model_of_pairs_by_hand():
    table = mixed_model("y ~ primed", paired_rows(), "scenario")
    assert list(table.columns) == ["term", "estimate", "se", "low", "high", "p", "converged"]
    assert list(table["term"]) == ["Intercept", "primed"]
    # differences 1, 2, 3, 2: mean 2, variance 2/3, se sqrt(2/3 / 4); in a balanced paired design
    # the mixed model is the paired test. Tolerance: the optimiser's.
    row = table.set_index("term").loc["primed"]
    se = sqrt(1 / 6)
    assert row["estimate"] == pytest.approx(2, abs=1e-6)
    assert row["se"] == pytest.approx(se, rel=1e-3)
    assert row["low"] == pytest.approx(2 - 1.959964 * se, abs=1e-3)
    assert row["high"] == pytest.approx(2 + 1.959964 * se, abs=1e-3)
    assert row["p"] < 1e-5  # z = 4.9
    assert table["converged"].all()
    # intercept: mean of the four bases
    assert table.set_index("term").loc["Intercept", "estimate"] == pytest.approx(15, abs=1e-6)


def test_mixed_model_keeps_doubts_in_the_table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"y": rng.normal(size=60), "x": np.tile([0, 1], 30), "row": range(60)})
    frame["group"] = frame["row"] // 6
    # no group variance: statsmodels warns of the boundary, and the fit is sound
    assert mixed_model("y ~ x", frame.assign(y=frame["y"] / 100), "group")["converged"].all()
    # one row a group: group and residual variance cannot be told apart
    assert not mixed_model("y ~ x", frame, "row")["converged"].any()


@pytest.mark.parametrize(
    ("formula", "change"),
    [
        ("y ~ absent", {}),
        ("y ~ primed + I(2 * primed)", {}),  # collinear
        ("y ~ primed", {"y": 1.0}),  # nothing to explain
        ("y ~ primed", {"primed": [nan, 1, 0, 1, 0, 1, 0, 1]}),
        ("y ~ ~", {}),
        ("y ~ primed", {"scenario": "s"}),  # one group
    ],
)
def test_mixed_model_failure_names_the_formula(formula, change):
    with pytest.raises(ValueGateError) as caught:
        mixed_model(formula, paired_rows().assign(**change), "scenario")
    assert repr(formula) in str(caught.value)
    assert "\n" not in str(caught.value)


# Bad input --------------------------------------------------------------------------------------

FRAME = pd.DataFrame({"x": [1.0, 2.0], "scenario": ["a", "b"], "gap": ["a", None]})
BAD = [
    (lambda: cluster_bootstrap(mean_x, FRAME, "item"), "no column 'item'"),
    (lambda: cluster_bootstrap(mean_x, FRAME.iloc[:0], "scenario"), "scenario: no rows"),
    (lambda: cluster_bootstrap(mean_x, FRAME, "gap"), "gap: holds missing keys"),
    (lambda: cluster_bootstrap(mean_x, FRAME, "scenario", level=95), "level"),
    (lambda: cluster_bootstrap(mean_x, FRAME, "scenario", draws=0), "draws"),
    (lambda: swap_null(mean_x, FRAME, "item"), "no column 'item'"),
    (lambda: swap_null(mean_x, FRAME, "scenario", draws=0), "draws"),
    (lambda: mixed_model("x ~ 1", FRAME, "item"), "no column 'item'"),
    (lambda: auroc([], []), "scores: no rows"),
    (lambda: auroc([1, 2], [0]), "labels: length 1, expected 2"),
    (lambda: auroc([1, 2], [0, 2]), "labels: must be 0 or 1"),
    (lambda: auroc([1, nan], [0, 1]), "scores: holds nan"),
    (lambda: auroc(["a", "b"], [0, 1]), "scores: not numbers"),
    (lambda: auroc([[1, 2]], [0, 1]), "scores: expected a vector"),
    (lambda: auroc([1, 2], [0, 1], [1, -1]), "weights: must not be negative"),
    (lambda: auroc([1, 2], [0, 1], [1]), "weights: length 1, expected 2"),
    (lambda: d_prime(5, 4, 0, 4), "hits: 5 of 4"),
    (lambda: d_prime(1, 4, nan, 4), "false_alarms: nan of 4"),
    (lambda: mcnemar_exact(-1, 2), "b, c: must be counts"),
    (lambda: mcnemar_exact(1.5, 2), "b, c: must be counts"),
    (lambda: mcnemar_exact(1, 2, "less"), "alternative"),
    (lambda: benjamini_hochberg([0.5, 1.5]), "p: must be"),
    (lambda: benjamini_hochberg([[0.5]]), "p: must be"),
    (lambda: sign_flip_null([1, 2], ["a"]), "clusters: length 1, expected 2"),
    (lambda: sign_flip_null([1, 2], ["a", nan]), "clusters: holds missing keys"),
    (lambda: sign_flip_null([1, nan], ["a", "b"]), "values: holds nan"),
    (lambda: sign_flip_null([1, 2], ["a", "b"], draws=-1), "draws"),
    (lambda: permutation_p(1, []), "null: expected draws"),
    (lambda: tost(Interval(0, -1, 1, 9, 3), 2), "needs a 90% interval"),
    (lambda: tost([0.0], 0), "bound: must be positive"),
    (lambda: tost_mean([0, 1], nan), "bound: must be positive"),
    (lambda: tost_mean([0, 1], 1, ["a", "a"]), "clusters: a test needs two or more"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_named_in_one_line(call, message):
    with pytest.raises(ValueGateError) as caught:
        call()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_random_slopes_find_the_mean_and_the_spread():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 8)
    slopes = rng.normal(0.5, 0.3, 60)
    x = rng.normal(size=480)
    y = slopes[groups] * x + 0.1 * rng.normal(size=480)
    mean, low, high, spread = random_slopes(x, y, groups)
    assert low < slopes.mean() < high
    assert mean == pytest.approx(slopes.mean(), abs=0.02)
    assert spread == pytest.approx(slopes.std(), abs=0.05)
    assert random_slopes(x, np.zeros(480), groups) == (0, 0, 0, 0)
