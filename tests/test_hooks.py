"""Interventions: what each changes, exactly, and that nothing of it stays behind."""

from __future__ import annotations

import contextlib

import pytest
import torch
from test_scoring import PROMPTS, TOLERANCE
from tiny import ARCHITECTURES, hooks_left, tiny

from valuegate.errors import ValueGateError
from valuegate.hooks import ablating, ablating_heads, adding, capturing, editing, patching
from valuegate.models import LanguageModel
from valuegate.residual import capture
from valuegate.scoring import Row, log_odds, prompt_rows, readings

TEXTS = ["the sky", "a b c d", "yes no yes"]
IDS = torch.tensor([[11, 40, 41, 42, 43, 44], [12, 50, 51, 52, 53, 54]])


@pytest.fixture(params=ARCHITECTURES)
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return tiny(request.param)


def vector(lm: LanguageModel, seed: int = 0) -> torch.Tensor:
    return torch.randn(lm.config.hidden_size, generator=torch.Generator().manual_seed(seed))


def logits(lm: LanguageModel, ids: torch.Tensor = IDS) -> torch.Tensor:
    return lm.model(ids, use_cache=False).logits


def residual(lm: LanguageModel, layer: int, ids: torch.Tensor = IDS) -> torch.Tensor:
    with capturing(lm, [layer]) as captured:
        captured.run(lambda: lm.model(ids, use_cache=False), range(ids.shape[1]))
        return captured.stacked()[:, :, 0]


def same(one: torch.Tensor, other: torch.Tensor, tolerance: float = TOLERANCE) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=tolerance)


# Adding -------------------------------------------------------------------------------------------


def test_adding_nothing_changes_nothing(lm):
    expected = logits(lm)
    with adding(
        lm, {layer: torch.zeros(lm.config.hidden_size) for layer in range(lm.n_layers + 1)}
    ):
        assert torch.equal(logits(lm), expected)


def test_adding_changes_a_layer_by_the_vector(lm):
    for layer in range(lm.n_layers + 1):
        before, output = [residual(lm, i) for i in range(lm.n_layers + 1)], logits(lm)
        with adding(lm, {layer: vector(lm)}):
            after = [residual(lm, i) for i in range(lm.n_layers + 1)]
            assert (logits(lm) - output).abs().max() > 0.01
        same(after[layer], before[layer] + vector(lm), 1e-6)
        for earlier in range(layer):
            assert torch.equal(after[earlier], before[earlier])


def test_adding_on_the_shared_path_is_adding_on_the_plain_one(lm):
    """Cached prefixes and stems are computed with the intervention in force."""
    texts = PROMPTS["shared stems"]
    with adding(lm, {1: vector(lm)}):
        found = log_odds(lm, texts, layers=[lm.n_layers])
        alone = [log_odds(lm, [text]).log_odds[0] for text in texts]
        rows = prompt_rows(lm, texts)
        plain = [r.residual[0] for r in readings(lm, rows, layers=[lm.n_layers], share=False)]
    assert found.log_odds == pytest.approx(alone, abs=TOLERANCE)
    same(found.residual, torch.stack(plain))
    assert found.log_odds != pytest.approx(log_odds(lm, texts).log_odds, abs=0.01)


# Ablating -----------------------------------------------------------------------------------------


def test_ablating_leaves_no_component_and_the_rest_as_it_was(lm):
    direction = 3 * vector(lm)
    unit = direction / direction.norm()
    for layer in range(lm.n_layers + 1):
        before = residual(lm, layer)
        with ablating(lm, direction, [layer]):
            after = residual(lm, layer)
        same(after @ unit, torch.zeros(IDS.shape), 1e-5)
        same(after, before - (before @ unit).unsqueeze(-1) * unit, 1e-5)


def test_ablating_every_layer(lm):
    direction = vector(lm)
    layers = range(lm.n_layers + 1)
    with ablating(lm, direction, layers):
        found = capture(lm, PROMPTS["shared stems"], layers)
    assert (found @ (direction / direction.norm())).abs().max() < 1e-5


# Patching -----------------------------------------------------------------------------------------


def test_patching_its_own_value_changes_nothing(lm):
    expected = logits(lm)
    for layer in range(lm.n_layers + 1):
        own = residual(lm, layer)[[0, 1], [2, 4]]
        with patching(lm, layer, [2, 4], own):
            same(logits(lm), expected, 1e-6)


def test_patching_moves_the_row_from_its_position_on(lm):
    expected = logits(lm)
    for layer in range(lm.n_layers):
        values = residual(lm, layer)[[0, 1], [2, 4]]
        values[0] += vector(lm)
        with patching(lm, layer, [2, 4], values):
            moved = (logits(lm) - expected).abs().amax(-1)
        assert moved[0, :2].max() == 0
        assert moved[0, 2:].min() > 0
        assert moved[1].max() < 1e-5


def test_patching_the_last_layer_brings_the_donors_logits(lm):
    donors = residual(lm, lm.n_layers)[[1, 0], [3, 5]]
    expected = logits(lm)
    with patching(lm, lm.n_layers, [5, 2], donors):
        found = logits(lm)
    same(found[0, 5], expected[1, 3])
    same(found[1, 2], expected[0, 5])


def test_patching_rows_of_unequal_length_through_readings(lm):
    """The rows of an unshared run keep their order, so that each gets its own value."""
    rows = prompt_rows(lm, sorted(TEXTS, key=len, reverse=True))
    assert len({len(row.ids) for row in rows}) == 3
    last = [row.reads[0] for row in rows]
    donors = torch.stack([vector(lm, seed) for seed in range(3)])
    with patching(lm, 1, last, donors):
        found = list(readings(lm, rows, layers=[1], share=False))
    assert [reading.index for reading in found] == [0, 1, 2]
    same(torch.stack([reading.residual[0, 0] for reading in found]), donors, 0)


@pytest.mark.parametrize(
    ("layer", "positions", "message"),
    [
        (1, [0, 0, 0], "patching 3 rows in a batch of 2 rows"),
        (1, [0, -1], "llama: positions to patch count from 0, got -1"),
        (3, [0, 0], "llama: no layer 3; it has 0 to 2"),
    ],
)
def test_patching_errors(layer, positions, message):
    lm = tiny("llama")
    values = torch.zeros(len(positions), lm.config.hidden_size)

    def patched_logits() -> None:
        with patching(lm, layer, positions, values):
            logits(lm)

    with pytest.raises(ValueGateError) as caught:
        patched_logits()
    assert str(caught.value) == message
    assert hooks_left(lm) == 0


# Heads --------------------------------------------------------------------------------------------


def head_columns(lm: LanguageModel, head: int) -> slice:
    """Columns of the output projection that a head feeds, from its shape alone."""
    d_head = lm.output_projection(0).weight.shape[1] // lm.config.num_attention_heads
    return slice(head * d_head, (head + 1) * d_head)


@contextlib.contextmanager
def weights_zeroed(lm: LanguageModel, heads: list[tuple[int, int]]):
    kept = {block: lm.output_projection(block).weight.clone() for block, _ in heads}
    try:
        for block, head in heads:
            lm.output_projection(block).weight[:, head_columns(lm, head)] = 0
        yield
    finally:
        for block, weight in kept.items():
            lm.output_projection(block).weight.copy_(weight)


def projected(lm: LanguageModel, block: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What enters a block's output projection and what leaves it."""
    kept: list[torch.Tensor] = []
    hook = lm.output_projection(block).register_forward_hook(
        lambda _module, args, output: kept.extend([args[0], output])
    )
    with hook:
        logits(lm)
    return kept[0], kept[1]


@pytest.mark.parametrize("heads", [[(0, 0)], [(1, 3)], [(0, 1), (0, 2), (1, 0)]])
def test_ablating_heads_is_zeroing_their_columns(lm, heads):
    with weights_zeroed(lm, heads):
        expected = logits(lm)
    with ablating_heads(lm, heads):
        found = logits(lm)
    same(found, expected)
    assert (found - logits(lm)).abs().max() > 1e-3


def test_ablating_all_heads_leaves_the_bias(lm):
    with ablating_heads(lm, [(0, head) for head in range(lm.n_heads)]):
        out = projected(lm, 0)[1]
    bias = lm.output_projection(0).bias
    if lm.name in ("llama", "gpt-neox"):
        assert bias.abs().max() > 0.01
    expected = torch.zeros(out.shape) if bias is None else bias.expand_as(out)
    assert torch.equal(out, expected)


def test_mean_ablation_puts_the_mean_in_place(lm):
    inputs, before = projected(lm, 0)
    columns = head_columns(lm, 2)
    mean = inputs[..., columns].mean((0, 1))
    with ablating_heads(lm, [(0, 2)], {(0, 2): mean}):
        after = projected(lm, 0)[1]
    weight = lm.output_projection(0).weight[:, columns]
    same(after, before + (mean - inputs[..., columns]) @ weight.T, 1e-5)


def test_a_mean_for_another_head_is_not_used():
    lm = tiny("llama")
    d_head = head_columns(lm, 0).stop
    with ablating_heads(lm, [(0, 2)]):
        expected = logits(lm)
    with ablating_heads(lm, [(0, 2)], {(0, 1): torch.ones(d_head)}):
        assert torch.equal(logits(lm), expected)


def test_head_width_need_not_be_hidden_size_over_heads():
    """The models of these tests hold the cases: wide heads, and fewer key than query heads."""
    for name, width in {"qwen3": 16, "gemma3": 12, "llama": 8}.items():
        assert head_columns(tiny(name), 0).stop == width
        assert tiny(name).config.num_key_value_heads < tiny(name).n_heads


@pytest.mark.parametrize("head", [(2, 0), (0, 4), (-1, 0), (0, -1)])
def test_no_such_head(head):
    lm = tiny("llama")
    with pytest.raises(ValueGateError) as caught, ablating_heads(lm, [(0, 0), head]):
        pass
    block, number = head
    assert str(caught.value) == f"llama: no head {number} in block {block} (2 blocks of 4 heads)"
    assert hooks_left(lm) == 0


# Leaving ------------------------------------------------------------------------------------------


def test_nothing_stays_after_an_exception(lm):
    expected = logits(lm)
    contexts = [
        lambda: adding(lm, {0: vector(lm), 1: vector(lm)}),
        lambda: ablating(lm, vector(lm), [1, 2]),
        lambda: patching(lm, 1, [0, 0], torch.zeros(2, lm.config.hidden_size)),
        lambda: ablating_heads(lm, [(0, 0), (1, 1)]),
        lambda: capturing(lm, [0, 1], stop=True),
    ]
    for context in contexts:
        with contextlib.suppress(ZeroDivisionError), context():
            assert hooks_left(lm) > 0
            _ = 1 / 0
        assert hooks_left(lm) == 0
        assert torch.equal(logits(lm), expected)


def test_interventions_nest():
    """The last one entered sees what the ones before it left; capture sees all of them."""
    lm = tiny("llama")
    direction = vector(lm)
    with adding(lm, {1: direction}), ablating(lm, direction, [1]):
        found = capture(lm, TEXTS, [1])
    assert (found @ (direction / direction.norm())).abs().max() < 1e-5
    with ablating(lm, direction, [1]), adding(lm, {1: direction}):
        found = capture(lm, TEXTS, [1])
    product = found @ (direction / direction.norm())
    same(product, torch.full_like(product, float(direction.norm())), 1e-4)


def test_the_first_and_last_layers_can_be_read_in_one_pass(lm):
    rows = [Row((11, 40, 41), (0, 2))]
    reading = next(iter(readings(lm, rows, layers=[0, lm.n_layers])))
    assert reading.residual.shape == (2, 2, lm.config.hidden_size)
    assert reading.logits.shape == (2, lm.config.vocab_size)


def test_an_edit_begins_at_its_position_and_leaves_earlier_ones(lm: LanguageModel) -> None:
    push = 3 * vector(lm)
    plain = residual(lm, 1)
    with editing(lm, 1, lambda r: r + push, start=4):
        edited = residual(lm, 1)
    torch.testing.assert_close(edited[:, :4], plain[:, :4])
    torch.testing.assert_close(edited[:, 4:], plain[:, 4:] + push)
    assert not hooks_left(lm)


def test_an_edit_is_the_same_after_a_shared_beginning(lm: LanguageModel) -> None:
    texts = [lm.chat(text) for text in TEXTS]
    rows = prompt_rows(lm, texts)
    push = 3 * vector(lm)
    start = 2
    with editing(lm, 1, lambda r: r + push, start=start):
        shared = {r.index: r.logits for r in readings(lm, rows)}
        whole = {r.index: r.logits for r in readings(lm, rows, share=False)}
    for index, logits in whole.items():
        assert logits is not None
        torch.testing.assert_close(shared[index], logits, atol=1e-3, rtol=1e-3)


def test_the_embedding_is_not_edited_by_position(lm: LanguageModel) -> None:
    with pytest.raises(ValueGateError, match="layer 0"), editing(lm, 0, lambda r: r):
        pass
