"""Statements, prompts and answers of small random models: what is read, steered and taken apart."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny import ARCHITECTURES, hooks_left, tiny

from valuegate import hooks, mask_axis, mask_items, mask_run, mask_steer, sae
from valuegate.errors import ValueGateError
from valuegate.models import LanguageModel
from valuegate.residual import capture
from valuegate.scoring import option_log_probs

FITTED = {"world": "s1", "each": 1, "source": "own", "pairs": 10}


@pytest.fixture(params=ARCHITECTURES)
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return tiny(request.param)


def test_positions_are_the_last_token_and_the_mean(lm: LanguageModel) -> None:
    found = mask_run.read(lm, ["the sky", "a b c"])
    for text, own in zip(["the sky", "a b c"], found, strict=True):
        places = list(range(len(lm.encode(text))))
        alone = capture(lm, [text], [0, 1, 2], places)[0].numpy()
        np.testing.assert_allclose(own[0], alone[-1], atol=1e-4)
        np.testing.assert_allclose(own[1], alone.mean(0), atol=1e-4)


def test_a_statement_alone_lies_where_it_lies_among_all() -> None:
    lm = tiny("llama")
    rows = mask_items.statements(**FITTED)
    every = mask_run.statements(lm, rows, depth=0.5, hash="", **FITTED)
    some = [0, 40, len(rows) - 1]
    alone = mask_run.statements(lm, rows.iloc[some], depth=0.5, hash="", **FITTED)
    np.testing.assert_allclose(alone["along"], every["along"].iloc[some], atol=1e-4)
    for kind in ("lda", "means"):
        for one, other in zip(alone[kind], every[kind].iloc[some], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-3)
    assert len(every["means"].iloc[-1]) == 0  # a taste has no axis over all its issues
    fit = mask_run.fit_statements(lm, **FITTED)
    own = (rows["set"] == "left_right").to_numpy()
    places = mask_axis.held_out(
        fit.stream[own, 1, 2], rows["label"].to_numpy()[own], list(rows.loc[own, "issue"]),
        mask_axis.means,
    )  # fmt: skip
    stored = np.stack(every.loc[own, "means"].to_list())[:, 3 + 2]
    np.testing.assert_allclose(stored, places, atol=1e-4)


def test_continuations_are_scored_as_options(lm: LanguageModel) -> None:
    prompt, said = lm.chat("the sky"), [" yes no a", " no", " a b c d"]
    for layer in range(lm.n_layers):
        above = mask_steer.Continuations(lm, prompt, said, layer)
        means, apart, _ = above.steered()
        whole = option_log_probs(lm, [prompt], said)[0]
        lengths = [len(lm.option_ids(text)) for text in said]
        np.testing.assert_allclose(means, whole / lengths, atol=1e-4)
        assert np.isnan(apart)
        last = capture(lm, [prompt], [layer])[0, 0, 0]
        torch.testing.assert_close(above.at_prompt, last, atol=1e-4, rtol=1e-4)
    vector = torch.randn(lm.config.hidden_size, generator=torch.Generator().manual_seed(0))
    above = mask_steer.Continuations(lm, prompt, said, 1)
    _, _, plain = above.steered()
    pushed, apart, _ = above.steered(mask_steer.adding(vector), plain)
    with hooks.adding(lm, {1: vector}):
        np.testing.assert_allclose(
            pushed, option_log_probs(lm, [prompt], said)[0] / lengths, atol=1e-4
        )
    assert apart > 0
    assert above.steered(mask_steer.unchanged, plain)[1] == pytest.approx(0, abs=1e-6)
    assert not hooks_left(lm)


def test_nothing_runs_above_the_last_layer() -> None:
    lm = tiny("llama")
    with pytest.raises(ValueGateError, match="nothing runs above layer 2"):
        mask_steer.Continuations(lm, lm.chat("a"), [" b"], 2)
    with pytest.raises(ValueGateError, match="has no tokens"):
        mask_steer.Continuations(lm, lm.chat("a"), [" b", ""], 1)
    with pytest.raises(ValueGateError, match="layer"):
        mask_steer.Continuations(lm, lm.chat("a"), [" b"], 7)


@pytest.fixture
def coded(monkeypatch: pytest.MonkeyPatch) -> Iterator[LanguageModel]:
    """Return a small model whose autoencoder is a random one."""
    lm = tiny("qwen3")
    torch.manual_seed(0)
    made = sae.lens().TopKSAE(
        sae.lens().TopKSAEConfig(d_in=lm.config.hidden_size, d_sae=64, k=4, device="cpu")
    )
    made.W_enc.data = torch.randn_like(made.W_enc)
    made.W_dec.data = torch.randn_like(made.W_dec)
    made.b_dec.data = torch.randn_like(made.b_dec)
    made.requires_grad_(False)
    monkeypatch.setattr(sae, "load", lambda *_, **__: (made, SimpleNamespace(layer=1)))
    kept = (mask_run.encoder, mask_run.policy_features, mask_steer.feature_directions)
    for cached in kept:
        cached.cache_clear()
    yield lm
    for cached in kept:
        cached.cache_clear()


def test_parts_make_the_score(coded: LanguageModel) -> None:
    rows = mask_items.chat_prompts(4)
    found = mask_run.features(coded, rows, coder="any", hash="", **FITTED)
    parts = found[["bias", "plus", "minus", "error"]].sum(axis=1)
    np.testing.assert_allclose(parts, found["score"], rtol=1e-4, atol=1e-5)
    axis = mask_run.fit_statements(coded, **FITTED).axis("left_right", 1)
    last = capture(coded, [coded.chat(text) for text in rows["text"]], [1])[:, 0, 0].numpy()
    np.testing.assert_allclose(found["score"], last @ axis, atol=1e-4)
    for row in found.to_dict("records"):
        kept = row["pre"][row["active"]]
        assert len(kept) <= 4
        assert kept.min() == pytest.approx(row["least"], rel=1e-2)
        others = np.delete(row["pre"].astype(float), row["active"])
        assert others.max() <= row["least"] * 1.01
        assert (np.diff(row["words"]) > 0).all()


def test_doses_and_cues_are_what_the_model_says(
    coded: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mask_steer, "policy_features", lambda *_: ((3, 5), (3, 5, 7, 9)))
    settings = {"depth": 0.5, "hash": "", **FITTED}
    rows = mask_items.questions(1, 4)
    found = mask_steer.doses(coded, rows, strengths="0.5 1", coder="any", **settings)
    assert found["names"].iloc[0].split(";") == [
        "axis", "random 0", "random 1", "random 2", "random 3", "axis (features)", "feature 3",
        "feature 5", "other feature 7", "other feature 9",
    ]  # fmt: skip
    assert found["strengths"].iloc[0] == "-1.0 -0.5 0.5 1.0"
    assert {len(own) for own in found["stances"]} == {40}
    said = [*rows["left"].iloc[0], *rows["right"].iloc[0]]
    log_probs = option_log_probs(coded, [coded.chat(rows["text"].iloc[0])], said)[0]
    lengths = [len(coded.option_ids(text)) for text in said]
    assert found["stance"].iloc[0] == pytest.approx(np.diff(log_probs / lengths)[0], abs=1e-4)
    assert (np.stack(found["kl"]) > 0).all()

    cued = mask_steer.cues(coded, mask_items.cued(1, 1, 4), **settings)
    assert len(cued["random"].iloc[0]) == mask_steer.PROJECTED
    assert np.abs(cued["stance"] - cued["without"]).max() > 1e-6


def test_parties_are_asked_after_the(coded: LanguageModel) -> None:
    rows = mask_items.stances(6)
    found = mask_steer.parties(coded, rows, depth=0.5, strengths="1", hash="", **FITTED)
    names = [coded.option_ids(name)[0] for name in mask_steer.PARTIES]
    text = coded.chat(rows["text"].iloc[0])
    assert found["opens"].iloc[0] == pytest.approx(
        option_log_probs(coded, [text], ["The"])[0, 0], abs=1e-4
    )
    assert len(found["moved"].iloc[0]) == 2 * 5
    assert len(names) == 2
    assert (found["mass"] < 0).all()


def test_prompts_are_read_in_their_template() -> None:
    lm = tiny("llama")
    rows = mask_items.prompts(6)
    found = mask_run.prompts(lm, rows, depth=1.0)
    raw = rows["template"] == "raw"
    texts = [t if r else lm.chat(t) for t, r in zip(rows["text"], raw, strict=True)]
    last = capture(lm, texts, [2])[:, 0, 0].numpy()
    np.testing.assert_allclose(
        np.stack(found["residual"]).astype(float), last, rtol=2e-3, atol=1e-3
    )
