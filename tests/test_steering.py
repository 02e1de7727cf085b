"""What runs above a layer, run again, is what the whole model does."""

from __future__ import annotations

import pytest
import torch
from tiny import ARCHITECTURES, hooks_left, tiny

from valuegate.errors import ValueGateError
from valuegate.hooks import adding
from valuegate.models import LanguageModel
from valuegate.scoring import METER, prompt_rows, readings
from valuegate.sharing import common_prefix
from valuegate.steering import Above

TEXTS = ["the sky", "a b c d", "yes no yes no a b"]
OPENING = "a b c d yes no the sky a b c d yes no "  # long enough to be shared


@pytest.fixture(params=["", OPENING], ids=["nothing shared", "opening shared"])
def opening(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=ARCHITECTURES)
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return tiny(request.param)


def alone(lm: LanguageModel, texts: list[str]) -> torch.Tensor:
    """Return each prompt's last logits, run whole, one at a time."""
    found = [next(iter(readings(lm, prompt_rows(lm, [t]), share=False))).logits for t in texts]
    return torch.stack([logits[0] for logits in found if logits is not None])


def test_unchanged_residuals_give_the_models_own_logits(lm: LanguageModel, opening: str) -> None:
    texts = [lm.chat(opening + text) for text in TEXTS]
    for layer in range(lm.n_layers):
        above = Above(lm, texts, layer)
        torch.testing.assert_close(above.logits(), alone(lm, texts), atol=1e-4, rtol=1e-4)
    assert not hooks_left(lm)


def test_a_sweep_over_strengths_is_adding_at_the_layer(lm: LanguageModel, opening: str) -> None:
    texts = [lm.chat(opening + text) for text in TEXTS]
    vector = torch.randn(lm.config.hidden_size, generator=torch.Generator().manual_seed(0))
    above = Above(lm, texts, 1)
    for strength in (-2.0, 0.0, 3.0):
        swept = above.logits(lambda residual, s=strength: residual + s * vector)
        with adding(lm, {1: strength * vector}):
            torch.testing.assert_close(swept, alone(lm, texts), atol=1e-4, rtol=1e-4)
    some = above.logits(tokens=[3, 1])
    torch.testing.assert_close(some, above.logits()[:, [3, 1]])


def test_there_must_be_something_above(lm: LanguageModel) -> None:
    with pytest.raises(ValueGateError, match="nothing runs above"):
        Above(lm, ["a"], lm.n_layers)
    with pytest.raises(ValueGateError, match="no prompts"):
        Above(lm, [], 0)


def test_an_opening_that_all_share_is_run_once_a_change() -> None:
    lm = tiny("llama")
    texts = [lm.chat(OPENING + text) for text in TEXTS]
    above = Above(lm, texts, 1)
    before = METER.tokens
    above.logits()
    lengths = [len(lm.encode(text)) for text in texts]
    common = common_prefix(prompt_rows(lm, texts))
    assert common >= len(OPENING.split())
    spent = common + len(texts) * (max(lengths) - common)
    assert METER.tokens - before == pytest.approx(spent * (lm.n_layers - 1) / lm.n_layers)
