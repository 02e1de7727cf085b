"""Steered refusals of small random models: what is fitted, added and taken out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import ARCHITECTURES, hooks_left, tiny

from valuegate import (
    hooks,
    items,
    refusal_ablate,
    refusal_geometry,
    refusal_items,
    refusal_run,
    refusal_steer,
)
from valuegate.models import LanguageModel
from valuegate.residual import capture
from valuegate.scoring import METER, refusal_log_odds

PROMPTS, EVERYDAY = 16, 8


@pytest.fixture(params=ARCHITECTURES)
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return tiny(request.param)


def test_positions_are_the_last_token_and_the_end_of_the_users_words(lm: LanguageModel) -> None:
    ids = lm.encode(lm.chat("the sky"))
    tail = ids[refusal_run.place(lm, "end") :]
    assert lm.tokenizer.decode(tail) == "<|end|><|assistant|>"
    assert refusal_run.place(lm, "last") == -1


def test_residuals_are_kept_to_ten_bits() -> None:
    lm = tiny("llama")
    rows = refusal_items.curve_items(4)
    found = refusal_run.residuals(lm, rows, depth=0.5, position="end")
    own = capture(lm, [lm.chat(text) for text in rows["text"]], [1], [-2])[:, 0, 0].numpy()
    np.testing.assert_allclose(np.stack(found["residual"]), own, rtol=2e-3)
    np.testing.assert_allclose(found["length"], np.linalg.norm(own, axis=1), rtol=1e-6)


def test_directions_are_of_every_kind_and_controls_lie_where_they_should() -> None:
    along = refusal_steer.fitted(tiny("llama"), 1, "last", PROMPTS, EVERYDAY, "own")
    assert along.names[:11] == refusal_items.kinds()
    np.testing.assert_allclose(np.linalg.norm(along.directions, axis=1), 1, rtol=1e-6)
    own = along.directions[:11]
    basis = np.linalg.qr(own.T)[0]
    for name, direction in zip(along.names[11:], along.directions[11:], strict=True):
        inside = np.linalg.norm(basis.T @ direction)
        assert inside == pytest.approx(0 if name.startswith("outside") else 1, abs=1e-6)


def test_a_curve_is_adding_at_the_layer(lm: LanguageModel) -> None:
    rows = refusal_items.curve_items(3)
    settings = {"depth": 0.5, "position": "last", "prompts": PROMPTS, "everyday": EVERYDAY,
                "source": "own"}  # fmt: skip
    found = refusal_steer.curves(lm, rows, strengths="0.5 2", hash="", **settings)
    along = refusal_steer.fitted(lm, 1, "last", PROMPTS, EVERYDAY, "own")
    steered = np.stack(found["steered"]).reshape(len(rows), len(along.names), 2)
    vector = torch.tensor(2 * along.length * along.directions[3], dtype=torch.float32)
    with hooks.adding(lm, {1: vector}):
        alone = [refusal_steer.first_scores(lm, [lm.chat(text)])[0][0] for text in rows["text"]]
    np.testing.assert_allclose(steered[:, 3, 1], alone, atol=1e-3)
    plain = refusal_steer.first_scores(lm, [lm.chat(text) for text in rows["text"]])[0]
    np.testing.assert_allclose(found["refusing"], plain, atol=1e-3)
    assert not hooks_left(lm)
    assert {len(own) for own in found["answers"]} == {13}
    at, loss = np.stack(found["at"]), np.stack(found["loss"])
    assert (at[:, 0] == 0).all()
    said = np.array(found["answers"].to_list()) != ""
    to_answer = (found["role"] != "refuse").to_numpy()
    assert not said[to_answer, 1:].any()
    assert not said[:, 1:][~np.isfinite(at[:, 1:])].any()
    assert np.isnan(loss[~said]).all()
    scored, bank = np.stack(found["scored"]), found["bank"].to_numpy()
    np.testing.assert_allclose(scored[:, 0], found["refusing"], atol=1e-4)
    assert (np.isfinite(scored[:, 1:]) == (np.isfinite(at[:, 1:]) & ~to_answer[:, None])).all()
    assert (np.isfinite(bank) == np.isfinite(scored[:, -1])).all()
    assert (loss[np.isfinite(loss)] > 0).all()


def test_candidates_are_taken_out_everywhere_and_added_at_their_layer() -> None:
    lm = tiny("llama")
    rows = refusal_items.select_items(3)
    found = refusal_ablate.select(
        lm, rows, prompts=PROMPTS, everyday=EVERYDAY, source="own", hash=""
    )
    layers = found["layers"].iloc[0].split()
    assert (
        len(layers)
        == len(found["positions"].iloc[0].split())
        == 2 * len(refusal_ablate.candidates(lm))
    )
    bypassed, induced = (np.stack(found[c]) for c in ("bypassed", "induced"))
    assert bypassed.shape == induced.shape == (6, len(layers))
    assert np.abs(bypassed - found["refusing"].to_numpy()[:, None]).max() > 1e-3
    assert np.stack(found["kl"]).min() > -1e-6


def test_candidates_lie_in_the_first_four_fifths() -> None:
    class Deep:
        n_layers = 30

    assert refusal_ablate.candidates(Deep()) == list(range(2, 25, 2))  # type: ignore[arg-type]


def test_the_bank_is_scored_a_token_and_by_style(lm: LanguageModel) -> None:
    rows = refusal_items.curve_items(2)
    found = refusal_run.bank(lm, rows)
    answers = items.load("requests", "answers")
    refusals = answers[(answers["answer"] == "refusal") & (answers["split"] == "read")]["opening"]
    plain = answers[answers["answer"] == "compliance"]["opening"]
    texts = [lm.chat(text) for text in rows["text"]]
    whole = refusal_log_odds(lm, texts, refusals=list(refusals), compliances=list(plain))
    np.testing.assert_allclose(found["bank"], whole, atol=1e-4)
    parts = np.stack(found["styles"]).astype(float)
    np.testing.assert_allclose(np.logaddexp.reduce(parts, 1), whole, atol=1e-4)


def test_one_is_taken_out_and_another_added(lm: LanguageModel) -> None:
    rows = refusal_items.curve_items(3).query("role == 'refuse'")
    settings = {"depth": 0.5, "position": "last", "prompts": PROMPTS, "everyday": EVERYDAY,
                "source": "own"}  # fmt: skip
    found = refusal_ablate.ablated(lm, rows, strength=0.5, pairs=2, hash="", **settings)
    along = refusal_steer.fitted(lm, 1, "last", PROMPTS, EVERYDAY, "own")
    texts = [lm.chat(text) for text in rows["text"]]
    one, other = (torch.tensor(along.directions[n], dtype=torch.float32) for n in (0, 1))
    with hooks.ablating(lm, one, [1]):
        np.testing.assert_allclose(
            np.stack(found["single"])[:, 0], refusal_steer.first_scores(lm, texts)[0], atol=1e-3
        )
        with hooks.adding(lm, {1: 0.5 * along.length * other}):
            np.testing.assert_allclose(
                np.stack(found["crossed"])[:, 0],
                refusal_steer.first_scores(lm, texts)[0],
                atol=1e-3,
            )
    names = found["names"].iloc[0].split(",")
    assert np.stack(found["every"]).shape == (len(rows), len(names))
    assert not any(name.startswith("inside") for name in names)


def test_measurements_of_the_same_requests_run_them_once() -> None:
    lm = tiny("llama")
    refusal_run.stream.cache_clear()
    rows = refusal_items.request_items("fit", PROMPTS, EVERYDAY)
    refusal_run.residuals(lm, rows, depth=0.5, position="last")
    before = METER.tokens
    fit = refusal_run.fit_requests(lm, PROMPTS, EVERYDAY, "own")
    assert METER.tokens == before
    layer = capture(lm, [lm.chat(text) for text in rows["text"][:3]], [1], [-2])[:, 0, 0]
    np.testing.assert_allclose(fit.at("end", 1)[:3], layer.numpy(), rtol=1e-4, atol=1e-4)


def test_every_layer_is_fitted_and_told_apart_by_itself() -> None:
    lm = tiny("llama")
    rows = refusal_items.kind_items()
    settings = {"prompts": PROMPTS, "everyday": EVERYDAY, "test": 4, "source": "own", "hash": ""}
    found = refusal_run.layers(lm, rows, **settings)
    places = len(refusal_run.POSITIONS) * (lm.n_layers + 1)
    for column in ("cosine", "lookalike", "ceiling", "apart"):
        assert np.stack(found[column]).shape == (len(rows), places)
    one = refusal_run.layers(lm, rows.iloc[[3]], **settings)
    np.testing.assert_allclose(one["apart"].iloc[0], found["apart"].iloc[3], atol=1e-3)
    # By hand, at the end of the user's words and layer 2, for the fourth kind.
    fit = refusal_run.fit_requests(lm, PROMPTS, EVERYDAY, "own")
    kinds, plain = refusal_geometry.by_kind(fit.rows, fit.at("end", 2), refusal_items.kinds())
    own = refusal_geometry.directions(kinds, plain, "everyday")
    place = lm.n_layers + 1 + 2
    others = np.delete(refusal_geometry.cosines(own)[3], 3).mean()
    assert found["cosine"].iloc[3][place] == pytest.approx(others, abs=1e-5)
    tried = refusal_items.request_items("test", 4)
    part = tried[tried["kind"] == rows["kind"].iloc[3]]
    along = capture(lm, [lm.chat(t) for t in part["text"]], [2], [-2])[:, 0, 0].numpy() @ own[3]
    refuse = (part["role"] == "refuse").to_numpy()
    spread = np.sqrt((along[refuse].var() + along[~refuse].var()) / 2)
    gap = (along[refuse].mean() - along[~refuse].mean()) / spread
    assert found["apart"].iloc[3][place] == pytest.approx(gap, abs=1e-3)
