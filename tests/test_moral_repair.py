"""What is read, tuned and blended in small random models; each arm against a rerun by hooks."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import ARCHITECTURES, hooks_left, tiny

from valuegate import hooks, moral_items, moral_repair, moral_repair_items, moral_run, sae
from valuegate.models import LanguageModel
from valuegate.residual import capture
from valuegate.scoring import log_odds

FITTED = {"coder": "own", "each": 0, "every": 8, "steps": 20}


@pytest.fixture(params=ARCHITECTURES)
def lm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> LanguageModel:
    found = tiny(request.param)
    torch.manual_seed(0)
    lens = sae.lens()
    coder = lens.TopKSAE(lens.TopKSAEConfig(d_in=found.config.hidden_size, d_sae=48, k=6))
    with torch.no_grad():
        coder.W_dec.copy_(torch.nn.functional.normalize(torch.randn_like(coder.W_dec), dim=1))
        coder.W_enc.copy_(coder.W_dec.T)
    coder = coder.requires_grad_(False)
    monkeypatch.setattr(moral_repair, "encoder", lambda *_: coder)
    monkeypatch.setattr(moral_repair, "sae_layer", lambda *_: 1)
    monkeypatch.setattr(moral_repair, "RIGHT", ("yes",))  # words that these models know
    monkeypatch.setattr(moral_repair, "WRONG", ("no",))
    moral_repair.repaired.cache_clear()
    return found


def test_residuals_of_a_text_do_not_depend_on_others(lm: LanguageModel) -> None:
    texts = ["the sky is morally", "a b c d e f is morally"]
    found = moral_run.read(lm, texts, range(lm.n_layers + 1))
    for text, own in zip(texts, found, strict=True):
        places = list(range(len(lm.encode(text))))
        alone = capture(lm, [text], list(range(lm.n_layers + 1)), places)[0].numpy()
        np.testing.assert_allclose(own[0], alone[-1], atol=1e-4)
        np.testing.assert_allclose(own[1], alone[1:].mean(0), atol=1e-4)
        np.testing.assert_allclose(own[2], alone.mean(0), atol=1e-4)
    drawn = moral_run.untrained(lm)
    assert drawn.n_layers == lm.n_layers
    other = moral_run.read(drawn, texts, [lm.n_layers])
    assert not np.allclose(other[:, :, 0], found[:, :, -1], atol=1e-2)
    again = moral_run.untrained.__wrapped__(lm)
    np.testing.assert_allclose(moral_run.read(again, texts, [lm.n_layers]), other, atol=1e-5)


def test_an_item_alone_lies_where_it_lies_among_all() -> None:
    lm = tiny("llama")
    options = json.dumps({"every": 8})
    rows = moral_items.actions(8)
    every = moral_run.values(lm, rows, name="actions", options=options)
    some = [3, 0, len(rows) - 1]
    alone = moral_run.values(lm, rows.iloc[some], name="actions", options=options)
    np.testing.assert_allclose(alone["along"], every["along"].iloc[some], atol=1e-4)
    assert list(alone["item"]) == list(rows["item"].iloc[some])
    assert "signed" not in alone  # what is fitted on all items is not found of some
    assert len(every["signed"].iloc[0]) == len(moral_run.places_of(lm.n_layers + 1))


def test_arms_are_what_hooks_would_do_to_the_words(lm: LanguageModel) -> None:
    asked = moral_repair_items.readouts(topics=5, norms=2, texts=2, asked=2)
    how = {"strengths": "0.5 1.0", "count": len(asked), **FITTED}
    found = moral_repair.readouts(lm, asked, **how)
    some = [0, 3, len(asked) - 1]
    alone = moral_repair.readouts(lm, asked.iloc[some], **how)
    np.testing.assert_allclose(alone["plain"], found["plain"].iloc[some], atol=1e-3)
    assert alone["arms"].tolist() == ["plain"] * 3
    own = moral_repair.repaired(lm, *FITTED.values())
    names = found["arms"].iloc[0].split(";")
    verdicts = asked[asked["readout"] == "verdict"]
    start = sae.opening_length(lm)
    for n, text in enumerate(verdicts["text"].iloc[:2]):
        scores = found["scores"].iloc[verdicts.index[n]]
        for arm, coder, s in (("plain", "tuned", 0.0), ("tuned 0.5", "tuned", 0.5),
                              ("pretrained 1.0", "pretrained", 1.0)):  # fmt: skip
            made = own.coders[coder]

            def edit(x: torch.Tensor, made=made, s=s) -> torch.Tensor:
                return x + s * (made.decode(made.encode(x)) - x)

            with hooks.editing(lm, 1, edit, start):
                slow = log_odds(lm, [lm.chat(text)], positive=["yes"], negative=["no"])
            assert scores[names.index(arm)] == pytest.approx(slow.log_odds[0], abs=1e-3)
    assert not hooks_left(lm)
    assert not np.isnan(np.stack(found["scores"].to_list())).any()
    texts = found[found["readout"] == "text"]
    assert (texts["spread"] > 0).all()
    assert all(len(missed) == 4 for missed in texts["missed"])


def test_controls_push_as_far_as_the_tuned_autoencoder(lm: LanguageModel) -> None:
    own = moral_repair.repaired(lm, *FITTED.values())
    pushes = moral_repair.pushes(own, [1.0])
    x = torch.randn(3, 5, lm.config.hidden_size, generator=torch.Generator().manual_seed(1))
    lengths = (pushes["tuned 1.0"](x, 7) - x).norm(dim=-1)
    for arm in ("noise", "direction"):
        torch.testing.assert_close((pushes[f"{arm} 1.0"](x, 7) - x).norm(dim=-1), lengths)
    # Noise is a place's own, whatever else is run with it.
    later = pushes["noise 1.0"](x[:1, 2:], 9)
    torch.testing.assert_close(later, pushes["noise 1.0"](x, 7)[:1, 2:])
    assert (pushes["zero"](x, 0) == 0).all()
    assert torch.equal(pushes["plain"](x, 0), x)


def test_pools_are_read_on_other_items(lm: LanguageModel) -> None:
    rows = moral_repair_items.tried(8)
    found = moral_repair.pools(lm, rows, count=len(rows), **FITTED)
    assert len(found) == len(rows)
    assert all(len(pool) == 10 for pool in found["tuned"])
    assert found["latents"].iloc[0].sum() == 2 * 48
    alone = moral_repair.pools(lm, rows.iloc[[4]], count=len(rows), **FITTED)
    np.testing.assert_allclose(alone["along"].iloc[0], found["along"].iloc[4], atol=1e-4)
    assert isinstance(found, pd.DataFrame)
