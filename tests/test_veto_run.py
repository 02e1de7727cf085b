"""Answers at the slot of small random models: options of several tokens, refusals, layers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import ARCHITECTURES, tiny

from valuegate import veto_run
from valuegate.models import LanguageModel
from valuegate.scoring import option_log_probs


def rows(marks: str, *texts: str) -> pd.DataFrame:
    return pd.DataFrame({"question": "q", "marks": marks, "text": texts})


@pytest.fixture(params=ARCHITECTURES)
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return tiny(request.param)


def test_options_of_one_token_and_of_several_are_scored_alike(lm: LanguageModel) -> None:
    texts = ("the sky", "a small model that answers")
    marks = ["1", "2", "10", "12"]
    found, residual = veto_run.answered(lm, rows(" ".join(marks), *texts), [0, lm.n_layers])
    whole = option_log_probs(lm, [lm.chat(text) for text in texts], marks)
    apart = np.exp(whole)
    apart[:, 0] -= apart[:, 2] + apart[:, 3]  # what begins with 1 and does not end there
    np.testing.assert_allclose(np.exp(np.stack(found["log_probs"])), apart, atol=1e-6)
    np.testing.assert_allclose(found["mass"], apart.sum(1), atol=1e-6)
    share = apart / apart.sum(1, keepdims=True)
    np.testing.assert_allclose(found["expected"], share @ [0, 1 / 3, 2 / 3, 1], atol=1e-5)
    assert residual.shape == (2, 2, lm.config.hidden_size)
    assert residual.abs().sum((1, 2)).min() > 0


def test_the_last_layer_is_read_whatever_the_depth() -> None:
    lm = tiny("llama")
    assert veto_run.layers(lm) == [0, 2]

    class Odd:
        n_layers = 5

    assert veto_run.layers(Odd()) == [0, 2, 4, 5]  # type: ignore[arg-type]


def test_a_likeliest_token_that_begins_a_refusal_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lm = tiny("llama")
    table = rows("1 2", "the sky")
    top = int(torch.tensor(next(iter(_last(lm, table)))).argmax())
    monkeypatch.setattr(veto_run, "first_tokens", lambda lm: [top])
    found, _ = veto_run.answered(lm, table)
    assert found["said"].tolist() == ["refusal"]
    log_probs = torch.tensor(next(iter(_last(lm, table)))).log_softmax(-1)
    ids = [lm.single_token("1"), lm.single_token("2")]
    expected = float(log_probs[top] - log_probs[ids].logsumexp(0))
    assert found["refusing"].iloc[0] == pytest.approx(expected, abs=1e-4)
    monkeypatch.setattr(veto_run, "first_tokens", lambda lm: [ids[0]])
    assert veto_run.answered(lm, table)[0]["said"].tolist() == ["other"]


def _last(lm: LanguageModel, table: pd.DataFrame) -> list[list[float]]:
    found = []
    for text in table["text"]:
        ids = torch.tensor([lm.encode(lm.chat(text))])
        with torch.no_grad():
            found.append(lm.model(ids).logits[0, -1].tolist())
    return found
