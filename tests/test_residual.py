"""Residual capture against transformers' own hidden states, and the logit lens."""

from __future__ import annotations

import pytest
import torch
from test_scoring import MIX, PROMPTS, TOLERANCE
from tiny import ARCHITECTURES, tiny

from valuegate import residual, sharing
from valuegate.errors import ValueGateError
from valuegate.models import LanguageModel
from valuegate.residual import capture, lens_log_odds, logit_lens
from valuegate.scoring import METER, NO, YES, answer_ids, log_odds


@pytest.fixture(params=ARCHITECTURES)
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return tiny(request.param)


def plain_residual(lm: LanguageModel, text: str) -> torch.Tensor:
    """Every layer at every position, layers first; the last is what enters the final norm."""
    kept = []
    handle = lm.final_norm.register_forward_pre_hook(lambda _module, args: kept.append(args[0][0]))
    ids = torch.tensor([lm.encode(text)])
    with handle:
        states = lm.model(ids, use_cache=False, output_hidden_states=True).hidden_states
    # transformers norms the last of its hidden states.
    return torch.stack([state[0] for state in states[:-1]] + kept)


@pytest.mark.parametrize("name", PROMPTS)
def test_capture_equals_hidden_states(lm, name):
    layers = range(lm.n_layers + 1)
    found = capture(lm, PROMPTS[name], layers, positions=[-1, 0])
    expected = [plain_residual(lm, text)[:, [-1, 0]].transpose(0, 1) for text in PROMPTS[name]]
    torch.testing.assert_close(found, torch.stack(expected), rtol=0, atol=TOLERANCE)


def test_every_choice_of_layers(lm):
    """The pass ends after the highest layer asked for; the order asked for is the order given."""
    texts = PROMPTS["shared stems"]
    whole = capture(lm, texts, range(lm.n_layers + 1))
    for layers in ([0], [1], [lm.n_layers], [lm.n_layers, 0], [1, 0]):
        found = capture(lm, texts, layers)
        torch.testing.assert_close(found, whole[:, :, layers], rtol=0, atol=0)


def test_log_odds_bring_the_residual_of_the_last_token(lm):
    layers = [lm.n_layers, 1]
    scores = log_odds(lm, MIX, layers=layers)
    expected = torch.stack([plain_residual(lm, text)[layers, -1] for text in MIX])
    torch.testing.assert_close(scores.residual, expected, rtol=0, atol=TOLERANCE)


def test_stopping_early_spends_less():
    lm = tiny("llama")
    spent = []
    for layer in (0, 1, lm.n_layers):
        before = METER.tokens
        capture(lm, PROMPTS["shared stems"], [layer])
        spent.append(METER.tokens - before)
    assert spent[0] == 0
    assert spent[1] == spent[2] / lm.n_layers


def test_batch_size_makes_no_difference(lm, monkeypatch):
    expected = capture(lm, MIX, [1], positions=[0, -1])
    monkeypatch.setattr(sharing, "BATCH_TOKENS", 70)
    found = capture(lm, MIX, [1], positions=[0, -1])
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)


def test_positions_may_be_a_function_of_the_tokens():
    lm = tiny("llama")
    token = lm.single_token("b")
    texts = ["abc", "xxb", "b"]
    found = capture(lm, texts, [1], positions=lambda ids: [ids.index(token)])
    expected = [plain_residual(lm, text)[1, i] for text, i in zip(texts, [1, 2, 0], strict=True)]
    torch.testing.assert_close(found[:, 0, 0], torch.stack(expected), rtol=0, atol=TOLERANCE)


def test_captured_tensors_can_be_changed_and_trained_on():
    found = capture(tiny("llama"), ["a"], [1])
    found -= 1
    weight = torch.ones(found.shape[-1], requires_grad=True)
    (found @ weight).sum().backward()
    torch.testing.assert_close(weight.grad, found[0, 0, 0])
    assert not logit_lens(tiny("llama"), found).is_inference()


def test_logit_lens_at_the_last_layer_is_the_model(lm):
    last = capture(lm, MIX, [lm.n_layers])[:, 0, 0]
    expected = [lm.model(torch.tensor([lm.encode(text)])).logits[0, -1] for text in MIX]
    found = logit_lens(lm, last)
    torch.testing.assert_close(found, torch.stack(expected), rtol=0, atol=TOLERANCE)
    some = logit_lens(lm, last, [7, 3])
    torch.testing.assert_close(some, found[:, [7, 3]], rtol=0, atol=1e-6)


def test_lens_log_odds_at_the_last_layer_are_the_log_odds(lm):
    scores = log_odds(lm, MIX, layers=[lm.n_layers])
    found = lens_log_odds(lm, scores.residual, answer_ids(lm, YES), answer_ids(lm, NO))
    assert found.shape == (len(MIX), 1)
    expected = torch.tensor(scores.log_odds)
    torch.testing.assert_close(found[:, 0], expected, rtol=0, atol=TOLERANCE)


def test_lens_log_odds_by_hand(monkeypatch):
    logits = torch.tensor([[1.0, 2.0, 6.0]]).log()
    monkeypatch.setattr(residual, "logit_lens", lambda _lm, _residual, tokens: logits[:, tokens])
    found = lens_log_odds(tiny("llama"), torch.zeros(1, 4), [1, 2], [0])
    assert found.item() == pytest.approx(torch.tensor(8.0).log().item())  # (2 + 6) to 1


@pytest.mark.parametrize(
    ("layers", "positions", "message"),
    [
        ([3], [-1], "llama: no layer 3; it has 0 to 2"),
        ([0, -1], [-1], "llama: no layer -1; it has 0 to 2"),
        ([1], [2], "llama: no position 2 in a prompt of 2 tokens: 'ab'"),
        ([1], [-3], "llama: no position -3 in a prompt of 2 tokens: 'ab'"),
    ],
)
def test_errors(layers, positions, message):
    with pytest.raises(ValueGateError) as caught:
        capture(tiny("llama"), ["ab"], layers, positions)
    assert str(caught.value) == message
