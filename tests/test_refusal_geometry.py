"""Directions, ceilings and nulls on residuals whose geometry is planted."""

import numpy as np
import pandas as pd
import pytest

from valuegate import refusal_geometry as geometry
from valuegate.errors import ValueGateError
from valuegate.refusal_geometry import Kind

approx = pytest.approx
NAMES = ("a", "b", "c", "d")


def planted(vectors, prompts=40, noise=0.3, seed=0):
    """Return kinds whose prompts to refuse lie at a vector and whose look-alikes at zero."""
    rng = np.random.default_rng(seed)

    def cloud(centre):
        return np.asarray(centre) + noise * rng.normal(size=(prompts, len(centre)))

    zero = np.zeros(len(vectors[0]))
    kinds = {name: Kind(cloud(v), cloud(zero)) for name, v in zip(NAMES, vectors, strict=True)}
    return kinds, cloud(zero)


def test_cosines_by_hand():
    found = geometry.cosines(np.array([[1.0, 0], [1, 1], [0, -2]]))
    assert found[0, 1] == approx(np.sqrt(0.5))
    assert found[0, 2] == approx(0)
    assert np.diag(found) == approx(1)


def test_the_published_pool_adds_what_all_kinds_share():
    # Look-alikes stand away from everyday requests, and all kinds with them.
    kinds, everyday = planted(np.eye(4, 8))
    away = np.zeros(8)
    away[7] = 3.0
    moved = {name: Kind(k.refuse + away, k.comply + away) for name, k in kinds.items()}
    off = ~np.eye(4, dtype=bool)
    shared = geometry.cosines(geometry.directions(moved, everyday, "everyday"))[off]
    own = geometry.cosines(geometry.directions(moved, everyday, "lookalikes"))[off]
    assert shared.min() > 0.7
    assert np.abs(own).max() < 0.3


def test_centred_directions_turn_away_from_one_another():
    off = ~np.eye(4, dtype=bool)
    assert geometry.cosines(geometry.centred(np.eye(4)))[off] == approx(-1 / 3)


def test_ceilings_fall_with_noise_and_rank_counts_directions():
    for vectors, rank in ((np.eye(4, 16), 4), (np.tile(np.eye(1, 16), (4, 1)), 1)):
        kinds, everyday = planted(vectors, prompts=200, noise=0.1)
        halved = geometry.halves(kinds, everyday, "lookalikes", draws=20)
        assert halved.shape == (20, 2, 4, 16)
        assert geometry.ceilings(halved).min() > 0.95
        assert geometry.effective_rank(halved) == approx(rank, abs=0.15)
    kinds, everyday = planted(np.zeros((4, 16)))
    assert (
        np.abs(geometry.ceilings(geometry.halves(kinds, everyday, "everyday", draws=50))).max()
        < 0.9
    )
    assert (
        np.abs(geometry.ceilings(geometry.halves(kinds, everyday, "lookalikes", draws=50))).max()
        < 0.4
    )


def test_dealt_anew_the_kinds_differ_by_noise_alone():
    kinds, everyday = planted(np.eye(4, 16) * 2)
    observed = geometry.cosines(
        geometry.centred(geometry.directions(kinds, everyday, "lookalikes"))
    )
    null = geometry.cosine_null(kinds, everyday, "lookalikes", draws=30)
    assert null.shape == (30, 4, 4)
    off = ~np.eye(4, dtype=bool)
    assert null[:, off].mean() == approx(-1 / 3, abs=0.05)  # centring forces it
    assert observed[off].std() < null[:, off].std()


def test_a_kind_with_too_few_prompts_is_refused_by_name():
    kinds, _ = planted(np.eye(4, 8))
    geometry.check(kinds)
    few = kinds | {"b": Kind(kinds["b"].refuse[:15], kinds["b"].comply)}
    with pytest.raises(ValueGateError, match=r"16 to refuse are needed: b \(15"):
        geometry.check(few)
    with pytest.raises(ValueGateError, match="against: one of"):
        geometry.directions(kinds, np.zeros((4, 8)), "benign")


def test_a_shared_benign_mean_makes_directions_alike():
    rng = np.random.default_rng(0)
    far = 5 * np.eye(12)[11]  # everyday requests lie elsewhere, whatever the kind
    kinds = {}
    for n in range(4):
        own = 2 * np.eye(12)[n]
        noise = 0.1 * rng.normal(size=(2, 30, 12))
        kinds[str(n)] = Kind(own + noise[0], noise[1])
    found = geometry.mean_cosines(kinds, far + 0.1 * rng.normal(size=(30, 12)), draws=50)
    assert found["everyday"].estimate > 0.8
    assert abs(found["lookalikes"].estimate) < 0.05
    gap = found["difference"]
    assert gap.low < gap.estimate < gap.high
    assert gap.estimate == approx(found["everyday"].estimate - found["lookalikes"].estimate)


def test_kinds_that_differ_spread_more_than_kinds_dealt_anew():
    rng = np.random.default_rng(1)
    kinds = {
        str(n): Kind(3 * np.eye(12)[n // 2] + rng.normal(size=(20, 12)), rng.normal(size=(20, 12)))
        for n in range(4)
    }
    plain = rng.normal(size=(20, 12))
    null = geometry.cosine_null(kinds, plain, "everyday", draws=60)
    own = geometry.directions(kinds, plain, "everyday")
    spread, (low, high), p = geometry.beyond_null(own, null)
    assert spread > high > low
    assert p < 0.05


def test_pairs_stay_together_in_halves():
    # Request and look-alike share a topic far larger than what sets them apart.
    rng = np.random.default_rng(0)
    topic, apart = 20 * rng.normal(size=(40, 16)), np.eye(16)[0]
    noise = [0.1 * rng.normal(size=(40, 16)) for _ in range(2)]
    rows = pd.DataFrame({"kind": "a", "role": ["refuse", "comply"] * 40,
                         "unit": np.repeat(np.arange(40), 2)})  # fmt: skip
    stream = np.stack([topic + apart + noise[0], topic + noise[1]], axis=1).reshape(80, 16)
    kinds, _ = geometry.by_kind(rows, stream, ("a",))
    assert kinds["a"].paired
    everyday = rng.normal(size=(20, 16))
    ceiling = geometry.ceilings(geometry.halves(kinds, everyday, "lookalikes", draws=20))
    assert ceiling[0] > 0.95
    loose = {"a": Kind(kinds["a"].refuse, kinds["a"].comply)}
    assert geometry.ceilings(geometry.halves(loose, everyday, "lookalikes", draws=20))[0] < 0.5
    unpaired, _ = geometry.by_kind(rows.assign(unit=np.arange(80)), stream, ("a",))
    assert not unpaired["a"].paired


def test_cosines_are_corrected_for_what_noise_takes():
    # Halves that agree by 1/3 make wholes that agree by 1/2.
    found = geometry.corrected(np.array([[1, 0.25], [0.25, 1]]), np.array([1 / 3, 1 / 3]))
    assert found == approx(0.5)
    assert np.isnan(geometry.corrected(np.eye(2), np.array([0.5, -0.1])))
