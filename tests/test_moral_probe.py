"""Probes that find what was planted on other clusters, and nothing where nothing was."""

from __future__ import annotations

import numpy as np
import pytest

from valuegate import moral_probe as probe
from valuegate.errors import ValueGateError


def planted(clusters=60, each=4, width=12, seed=0):
    rng = np.random.default_rng(seed)
    names = [f"c{n // each}" for n in range(clusters * each)]
    x = rng.normal(size=(len(names), width))
    return x, x[:, 0] + 0.5 * rng.normal(size=len(names)), names


def test_a_planted_value_is_told_and_noise_is_not():
    x, y, names = planted()
    folds = probe.fold_of(names)
    noise = np.random.default_rng(1).normal(size=len(y))
    every = np.ones(len(y), bool)
    found = probe.held_out([probe.kernel(x)], np.stack([y, noise], 1), folds, every).found
    told = [1 - ((found[:, n] - t) ** 2).sum() / ((t - t.mean()) ** 2).sum()
            for n, t in enumerate((y, noise))]  # fmt: skip
    assert 0.6 < told[0] < 0.85  # 1 / 1.25 is the most
    assert abs(told[1]) < 0.1


def test_whole_clusters_are_held_out():
    x, _, names = planted(clusters=40, each=6)
    # Members of a cluster share a value that no feature tells but by knowing the cluster.
    rng = np.random.default_rng(2)
    own = {name: rng.normal() for name in set(names)}
    y = np.array([own[name] for name in names])
    rich = np.concatenate([x, 3 * np.eye(40)[[int(n[1:]) for n in names]]], axis=1)
    folds = probe.fold_of(names)
    assert all(len({f for f, n in zip(folds, names, strict=True) if n == c}) == 1 for c in own)
    every = np.ones(len(y), bool)
    held = probe.held_out([probe.kernel(rich)], y[:, None], folds, every).found[:, 0]
    leaky = probe.held_out([probe.kernel(rich)], y[:, None], np.arange(len(y)) % 5, every).found[
        :, 0
    ]
    assert np.corrcoef(held, y)[0, 1] < 0.3
    assert np.corrcoef(leaky, y)[0, 1] > 0.8


def test_the_penalty_is_chosen_as_by_fitting_without_each_fold():
    x, y, names = planted(clusters=30, each=2)
    folds = probe.fold_of(names)
    own = probe.kernel(x)
    roots, vectors = np.linalg.eigh(own)
    shrunk = roots / (roots + 0.7)
    centred = y[:, None] - y.mean()
    fit = vectors @ (shrunk[:, None] * (vectors.T @ centred))
    quick = probe._missed(vectors, shrunk, centred - fit, folds)
    slow = 0.0
    for fold in set(folds.tolist()):
        train, out = folds != fold, folds == fold
        inner = own[np.ix_(train, train)] + 0.7 * np.eye(train.sum())
        weights = np.linalg.solve(inner, centred[train])
        slow += ((centred[out] - own[np.ix_(out, train)] @ weights) ** 2).sum()
    assert quick[0] == pytest.approx(slow)


def test_a_layer_counts_as_far_as_it_helps_and_noise_dilutes_nothing():
    x, y, names = planted()
    noise = np.random.default_rng(3).normal(size=(len(y), 200))
    folds, every = probe.fold_of(names), np.ones(len(y), bool)
    good, bad = probe.kernel(x), probe.kernel(noise)

    def missed(found):
        return ((found[:, 0] - y) ** 2).mean()

    alone = probe.held_out([good], y[:, None], folds, every)
    chosen = probe.held_out([bad, (good + bad) / 2, good], y[:, None], folds, every)
    assert set(chosen.picks.values()) == {2}
    np.testing.assert_allclose(chosen.found, alone.found)
    # A layer of noise changes nothing; a good one beside noise is all that is used.
    useless = probe.held_out([bad, good], y[:, None], folds, every, layer=bad,
                             picks=dict.fromkeys(chosen.picks, 1))  # fmt: skip
    np.testing.assert_allclose(useless.found, alone.found)
    useful = probe.held_out([bad], y[:, None], folds, every, layer=good)
    np.testing.assert_allclose(useful.found, alone.found)
    diluted = probe.held_out([(good + bad) / 2], y[:, None], folds, every)
    assert missed(alone.found) < missed(diluted.found)


def test_what_is_not_fitted_on_is_predicted_all_the_same():
    x, y, names = planted()
    fitted = np.arange(len(y)) % 4 != 0
    wrong = np.where(fitted, y, -5 * y)  # what is not fitted on may say what it will
    one, other = (
        probe.held_out([probe.kernel(x)], t[:, None], probe.fold_of(names), fitted).found
        for t in (y, wrong)
    )
    np.testing.assert_allclose(one, other)
    with pytest.raises(ValueGateError, match="three folds"):
        probe.held_out([probe.kernel(x)], y[:, None], np.zeros(len(y)), fitted)


def test_poles_are_told_apart_within_foundations():
    x, _, names = planted(clusters=80, each=2)
    poles = ["virtue" if v > 0.3 else "vice" if v < -0.3 else "neutral" for v in x[:, 1]]
    homes = [("care", "loyalty", "none")[n % 3] for n in range(len(poles))]
    poles = [p if h != "none" else "virtue" for p, h in zip(poles, homes, strict=True)]
    found = probe.separated(
        [probe.kernel(x)], poles, homes, probe.fold_of(names), np.ones(len(poles), bool)
    )
    polar = np.array([p != "neutral" and h != "none" for p, h in zip(poles, homes, strict=True)])
    assert np.isnan(found[~polar]).all()  # no pole, or one alone
    told = found[polar] * np.where(np.array(poles)[polar] == "virtue", 1, -1)
    assert (told > 0).mean() > 0.85


def test_texts_are_alike_by_words_and_letters():
    found = probe.text_kernel(["kindness", "unkindness", "a large boat", "the large boat"])
    assert found[0, 1] > found[0, 2]
    assert found[2, 3] > found[1, 2]
    assert np.trace(found) / 4 == pytest.approx(1)
    assert (probe.kernel(np.ones((4, 3))) == 0).all()  # nothing varies


def test_the_published_probe_is_read_on_a_fifth_of_rows():
    x, y, _ = planted(clusters=200, each=2, width=4)
    found = probe.published_probe(x, np.stack([y, -y], 1), epochs=100)
    test = ~np.isnan(found[:, 0])
    assert test.sum() == len(y) - int(0.8 * len(y))
    assert np.corrcoef(found[test, 0], y[test])[0, 1] > 0.3
    again = probe.published_probe(x, np.stack([y, -y], 1), epochs=100)
    np.testing.assert_array_equal(found, again)


def test_clusters_are_found_where_there_are_some():
    rng = np.random.default_rng(0)
    truth = np.arange(120) % 2
    x = rng.normal(size=(120, 5)) + 12 * truth[:, None]
    found = probe.clusters(x, ["hdbscan", "kmeans-2", "gmm-2"])
    for own in found.values():
        assert len(set(own[truth == 1]) & set(own[truth == 0]) - {-1}) == 0
    assert (probe.clusters(np.ones((20, 3)), ["kmeans-2"])["kmeans-2"] == 0).all()
