"""Patching, attribution and ablation: exact where the answer is known, on models of every kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import ARCHITECTURES, hooks_left, tiny

from valuegate import circuits
from valuegate.errors import ValueGateError
from valuegate.scoring import log_odds

PROMPT, TWIN = "a yes b no small", "a no b yes small"  # both end with the same token


@pytest.fixture(params=ARCHITECTURES)
def lm(request):
    return tiny(request.param)


@pytest.fixture
def circuit():
    """A model in which one head of the last block is all that reads another position."""
    lm = tiny.__wrapped__("llama") if hasattr(tiny, "__wrapped__") else tiny("llama")
    d_head = lm.config.hidden_size // lm.n_heads
    kept = {}
    for block in range(lm.n_layers):
        weight = lm.output_projection(block).weight
        kept[block] = weight.detach().clone()
        with torch.no_grad():
            wanted = torch.zeros_like(weight)
            if block == lm.n_layers - 1:
                wanted[:, 2 * d_head : 3 * d_head] = 20 * weight[:, 2 * d_head : 3 * d_head]
            weight.copy_(wanted)
    yield lm, (lm.n_layers - 1, 2)
    for block, weight in kept.items():
        with torch.no_grad():
            lm.output_projection(block).weight.copy_(weight)


def own(lm, text):
    return log_odds(lm, [text]).log_odds[0]


def test_patching_the_last_layer_gives_the_twins_answer_and_its_own_changes_nothing(lm):
    found = circuits.patched_layers(lm, PROMPT, TWIN)
    assert found.shape == (lm.n_layers + 1,)
    assert found[-1] == pytest.approx(own(lm, TWIN), abs=1e-4)
    # All prompts end with the same token: its embedding is the twin's.
    assert found[0] == pytest.approx(own(lm, PROMPT), abs=1e-4)
    same = circuits.patched_layers(lm, PROMPT, PROMPT)
    assert same == pytest.approx([own(lm, PROMPT)] * len(same), abs=1e-4)
    assert hooks_left(lm) == 0


def test_a_sweep_is_one_layer_at_a_time(lm):
    from valuegate.hooks import patching
    from valuegate.residual import capture
    from valuegate.scoring import prompt_rows, readings

    found = circuits.patched_layers(lm, PROMPT, TWIN)
    for layer in range(lm.n_layers + 1):
        values = capture(lm, [TWIN], [layer])[:, 0, 0]
        row = prompt_rows(lm, [PROMPT])
        with patching(lm, layer, [len(row[0].ids) - 1], values):
            (reading,) = readings(lm, row, share=False)
        logits = reading.logits.double()
        assert found[layer] == pytest.approx(float(circuits._log_odds(lm, logits)[0]), abs=1e-4)


def test_twins_patched_where_they_differ_are_the_twin_from_the_start(lm):
    places = circuits.differences(lm, PROMPT, TWIN)
    ids, others = lm.encode(PROMPT), lm.encode(TWIN)
    assert [i for i in range(len(ids)) if ids[i] != others[i]] == places
    assert 0 < len(places) < len(ids)
    found = circuits.patched_layers(lm, PROMPT, TWIN, places)
    assert found[0] == pytest.approx(own(lm, TWIN), abs=1e-4)
    # The answer is read at another token: what is put in after the last block changes nothing.
    assert found[-1] == pytest.approx(own(lm, PROMPT), abs=1e-4)
    for other in (PROMPT, TWIN + " a"):
        with pytest.raises(ValueGateError, match="must have one length and differ"):
            circuits.differences(lm, PROMPT, other)


def test_attribution_is_the_slope_towards_the_twins_heads(lm):
    """Against a small step of one head's output towards what it gives in the twin."""
    assert np.abs(circuits.attribution(lm, PROMPT, PROMPT)).max() < 1e-9
    found = circuits.attribution(lm, PROMPT, TWIN)
    assert found.shape == (lm.n_layers, lm.n_heads)
    block, head, step = lm.n_layers - 1, 1, 1e-3
    ids, others = (torch.tensor([lm.encode(text)]) for text in (PROMPT, TWIN))
    with torch.no_grad(), circuits.reading_heads(lm) as given:
        lm.model(others, use_cache=False)
        theirs = given[block].clone()

    def towards(_module, args):
        d_head = args[0].shape[-1] // lm.n_heads
        columns = slice(head * d_head, (head + 1) * d_head)
        changed = args[0].clone()
        changed[..., columns] += step * (theirs - args[0])[..., columns]
        return (changed,)

    handle = lm.output_projection(block).register_forward_pre_hook(towards)
    with torch.no_grad():
        moved = float(circuits._log_odds(lm, lm.model(ids, use_cache=False).logits[:, -1])[0])
    handle.remove()
    slope = (moved - own(lm, PROMPT)) / step
    assert found[block, head] == pytest.approx(slope, abs=0.02 + 0.05 * abs(slope))
    assert hooks_left(lm) == 0


def test_twins_of_different_length_are_refused(lm):
    with pytest.raises(ValueGateError, match="attribution needs twins of one length"):
        circuits.attribution(lm, PROMPT, TWIN + " a")


def test_the_head_that_carries_the_answer_is_found_and_its_ablation_counts(circuit):
    lm, head = circuit
    scores = np.abs(circuits.attribution(lm, PROMPT, TWIN))
    assert np.unravel_index(scores.argmax(), scores.shape) == head
    assert np.delete(scores.ravel(), scores.argmax()).max() < 1e-9
    before = log_odds(lm, [PROMPT, TWIN]).log_odds
    others = [(b, h) for b in range(lm.n_layers) for h in range(lm.n_heads) if (b, h) != head]
    assert circuits.ablated(lm, [PROMPT, TWIN], others) == pytest.approx(before, abs=1e-5)
    without = circuits.ablated(lm, [PROMPT, TWIN], [head])
    assert np.abs(without - before).max() > 0.01
    # Nothing else tells the two prompts apart at their last token.
    assert without[0] == pytest.approx(without[1], abs=1e-4)


def test_means_are_of_what_heads_give(lm):
    means = circuits.head_means(lm, [PROMPT, TWIN])
    with torch.no_grad(), circuits.reading_heads(lm) as given:
        both = []
        for text in (PROMPT, TWIN):
            lm.model(torch.tensor([lm.encode(text)]), use_cache=False)
            both.append(given[0][0].clone())
    d_head = both[0].shape[-1] // lm.n_heads
    wanted = torch.cat(both).mean(0)[:d_head]
    torch.testing.assert_close(means[0, 0], wanted, rtol=0, atol=1e-5)
    assert set(means) == {(b, h) for b in range(lm.n_layers) for h in range(lm.n_heads)}
    before = log_odds(lm, [PROMPT]).log_odds
    with_means = circuits.ablated(lm, [PROMPT], list(means), means)
    zeroed = circuits.ablated(lm, [PROMPT], list(means))
    assert not np.allclose(with_means, zeroed)
    assert np.isfinite(with_means).all()
    assert before.shape == with_means.shape


def test_random_heads_are_of_the_same_blocks_and_not_the_chosen():
    chosen = [(0, 1), (0, 2), (3, 0)]
    found = circuits.matched_heads(chosen, 4, draws=20)
    for drawn in found:
        assert sorted(b for b, _ in drawn) == [0, 0, 3]
        assert not set(drawn) & set(chosen)
        assert len(set(drawn)) == 3
    assert len({tuple(d) for d in found}) > 3
    with pytest.raises(ValueGateError, match="block 0: 3 of 4 heads are chosen"):
        circuits.matched_heads([(0, h) for h in range(3)], 4, draws=1)
