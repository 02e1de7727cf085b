"""Every term of the loss on a case worked by hand; what is tuned, and what is left as it was."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from valuegate import moral_loss as loss
from valuegate import moral_tune as tune
from valuegate.errors import ValueGateError


def values(*rows):
    found = torch.zeros(len(rows), 10)
    for n, slots in enumerate(rows):
        for slot, value in slots.items():
            found[n, slot] = value
    return found


def test_align_counts_only_slots_with_a_value():
    pools = values({0: 2.0, 1: 5.0}, {1: -1.0})
    truth = values({0: 0.75}, {1: 0.5})
    hits = [1 / (1 + math.exp(-2.0)) - 0.75, 1 / (1 + math.exp(1.0)) - 0.5]
    assert loss.align(pools, truth).item() == pytest.approx((hits[0] ** 2 + hits[1] ** 2) / 2)
    assert loss.align(pools, torch.zeros(2, 10)).item() == 0


def test_polarity_counts_every_pair_of_every_polar_item():
    # One virtue of care: its pool is ahead by 0.3, so 0.2 is missing; the other four pairs lie
    # level and miss the whole margin, though the item says nothing of them.
    found = loss.polarity(values({0: 0.3}), values({0: 1.0}))
    assert found.item() == pytest.approx((0.2 + 4 * 0.5) / 5)
    # A vice of care with the same pools is 0.8 short; a slight virtue (0.2) does not count.
    both = loss.polarity(values({0: 0.3}, {0: 9.0}), values({1: 1.0}, {0: 0.2}))
    assert both.item() == pytest.approx((0.8 + 4 * 0.5) / 5)
    assert loss.polarity(values({0: 0.3}), values({0: 0.2})).item() == 0


def test_prototype_wants_the_typical_more_active():
    pools, truth = values({0: 1.0}, {0: 0.4}, {2: 3.0}), values({0: 1.0}, {0: 0.5}, {2: 1.0})
    pairs = torch.tensor([[0, 1], [1, 0], [0, 2]])
    # Half a grade times 0.6 ahead is 0.3, beyond the gap of 0.1; the third pair shares no slot.
    assert loss.prototype(pools, truth, pairs).item() == 0
    pools[0, 0] = 0.3  # behind by 0.1: 0.1 + 0.5 * 0.1 is missing, both ways round
    assert loss.prototype(pools, truth, pairs).item() == pytest.approx(0.15)
    assert loss.prototype(pools, truth, pairs[2:]).item() == 0


def test_mono_counts_strict_latents_elsewhere_and_takes_no_value_for_care():
    codes = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    truth = values({0: 1.0}, {3: 1.0}, {})
    slots, strict = torch.tensor([0, 3, 5]), torch.tensor([True, True, False])
    # Latent 0 (care) elsewhere: the second item; latent 1 elsewhere: the first and the third.
    assert loss.mono(codes, truth, slots, strict).item() == pytest.approx((16 + 4 + 64) / 3)
    assert loss.mono(codes, truth, slots, ~strict & False).item() == 0


def test_the_whole_is_the_terms_by_their_factors():
    x, h = torch.ones(2, 4), values({0: 1.0}, {1: 1.0})
    codes = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    pools = loss.Pools(
        torch.zeros(10, 2), torch.tensor([0]), torch.tensor([0, 1]), torch.tensor([True, True])
    )
    found = loss.terms(x, x + 2, codes, h, pools, torch.tensor([[0, 1]]))
    assert found["rebuilt"].item() == 4
    assert found["sparse"].item() == 1
    assert found["align"].item() == pytest.approx(0.25)  # a sigmoid of 0 against 1
    assert found["polarity"].item() == pytest.approx(0.5)
    assert found["prototype"].item() == 0
    assert found["mono"].item() == 0
    assert loss.whole(found).item() == pytest.approx(4 + 1e-4 + 0.5 * 0.25 + 0.3 * 0.5)


def coder(width=8, latents=24):
    from valuegate import sae

    lens = sae.lens()
    torch.manual_seed(0)
    config = lens.TopKSAEConfig(d_in=width, d_sae=latents, k=4)
    found = lens.TopKSAE(config)
    with torch.no_grad():
        found.W_dec.copy_(torch.nn.functional.normalize(torch.randn(latents, width), dim=1))
        found.W_enc.copy_(found.W_dec.T)
    return found.requires_grad_(False)


def planted(items=200, width=8, seed=1):
    """Return residuals in which the first direction is care's virtue, the second its vice."""
    rng = torch.Generator().manual_seed(seed)
    grade = torch.rand(items, generator=rng)
    side = torch.randint(2, (items,), generator=rng)
    x = 0.3 * torch.randn(items, width, generator=rng)
    x[torch.arange(items), side] += 2 * grade
    h = torch.zeros(items, 10)
    h[torch.arange(items), side] = grade
    return x, h


def test_latents_are_typed_by_what_they_correlate_with():
    r = torch.zeros(10, 4)
    r[:, 0] = 0.01
    r[4, 1] = 0.3
    r[2, 2], r[3, 2] = 0.3, -0.25  # a virtue and its vice are one value
    r[1, 3], r[2, 3] = 0.3, 0.25  # a vice and another's virtue are two
    assert tune.typed(r).tolist() == ["weak", "mono", "mono", "poly"]
    x, h = planted()
    codes = torch.stack([x[:, 0].relu(), torch.ones(len(x))], 1)
    r = tune.correlations(codes, h)
    assert r[0, 0].item() == pytest.approx(np.corrcoef(codes[:, 0], h[:, 0])[0, 1], abs=1e-5)
    assert (r[:, 1] == 0).all()
    pools = tune.choose(r)
    assert pools.chosen.tolist() == [0]
    assert pools.weights[0].tolist() == [1.0, 0.0]
    with pytest.raises(ValueGateError, match="no latent"):
        tune.choose(torch.zeros(10, 4))


def test_only_the_chosen_latents_are_tuned_and_values_are_told_better():
    own, (x, h) = coder(), planted()
    pools = tune.choose(tune.correlations(own.encode(x), h))
    pools = loss.Pools(pools.weights, pools.chosen[:12], pools.slots, pools.strict)
    held = torch.arange(len(x)) % 5 == 0
    recipe = tune.Recipe(steps=200, learning_rate=1e-2)
    tuned, record = tune.tune(own, x, h, pools, held, recipe)
    others = torch.ones(24, dtype=torch.bool)
    others[pools.chosen] = False
    assert torch.equal(tuned.W_enc[:, others], own.W_enc[:, others])
    assert torch.equal(tuned.W_dec[others], own.W_dec[others])
    assert torch.equal(tuned.b_enc[others], own.b_enc[others])
    assert torch.equal(tuned.b_dec, own.b_dec)
    assert not torch.equal(tuned.W_enc, own.W_enc)
    after, before = (
        sum(loss.FACTORS[name] * record[f"{when}_{name}"] for name in loss.FACTORS)
        for when in ("after", "before")
    )
    assert after < before
    again, _ = tune.tune(own, x, h, pools, held, recipe)
    assert torch.equal(again.W_enc, tuned.W_enc)  # seeded
    with pytest.raises(ValueGateError, match="validate"):
        tune.tune(own, x, h, pools, torch.zeros(len(x), dtype=torch.bool), recipe)


def test_latents_at_random_are_as_many_and_take_no_part_of_values():
    x, h = planted()
    r = tune.correlations(coder().encode(x), h)
    pools = tune.at_random(r, 7)
    assert len(pools.chosen) == 7
    assert not pools.strict[~torch.isin(torch.arange(len(pools.strict)), pools.chosen)].any()
    assert (pools.weights[:, [n for n in range(24) if n not in pools.chosen]] == 0).all()
