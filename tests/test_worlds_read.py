"""The readouts on models whose answers are known, and the rules for what an answer is."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from pytest import approx  # noqa: PT013 - one word in long tables
from tiny import tiny

from valuegate import worlds_read


@pytest.fixture(scope="module")
def lm():
    return tiny("llama")


def log_probs(lm, text, system=None, opening=""):
    """Return the next token's log-probabilities, run alone and whole."""
    ids = lm.encode(lm.chat(text, system=system, opening=opening))
    with torch.no_grad():
        return lm.model(torch.tensor([ids])).logits[0, -1].double().log_softmax(-1)


def test_sides_are_log_odds_of_the_two_options(lm):
    rows = pd.DataFrame(
        [("a", "small", "yes", "no"), ("b", "a model", "no", "yes")],
        columns=["item", "text", "first_name", "second_name"],
    ).assign(opening=["", "Here"])
    found = worlds_read.sides(lm, rows)
    assert "text" not in found
    for row, asked in zip(found.itertuples(), rows.itertuples(), strict=True):
        expected = log_probs(lm, asked.text, opening=asked.opening)
        one, other = (expected[lm.single_token(n)] for n in (asked.first_name, asked.second_name))
        assert row.checked == approx(float(one - other), abs=1e-4)
        assert row.mass == approx(float(one.exp() + other.exp()), abs=1e-4)


def test_slots_are_expected_answers_between_the_scales_ends(lm):
    rows = pd.DataFrame(
        [("q", "small", 1, 3), ("r", "a model", 1, 4), ("q", "Here", 1, 3)],
        columns=["question", "text", "low", "high"],
    )
    found = worlds_read.slots(lm, rows)
    assert found["question"].tolist() == ["q", "r", "q"]
    for row, asked in zip(found.itertuples(), rows.itertuples(), strict=True):
        scale = range(asked.low, asked.high + 1)
        expected = log_probs(lm, asked.text)[[lm.single_token(str(o)) for o in scale]].exp()
        mean = sum(p * (o - asked.low) for p, o in zip(expected.tolist(), scale, strict=True))
        assert row.checked == approx(mean / float(expected.sum()) / (len(scale) - 1), abs=1e-4)
        assert row.mass == approx(float(expected.sum()), abs=1e-4)


def test_evidence_is_asked_under_its_system_turn(lm):
    rows = pd.DataFrame(
        [("a", "yes"), ("a small model", "no")], columns=["text", "system"]
    ).assign(gold=[1, 0])  # fmt: skip
    found = worlds_read.evidence(lm, rows)
    assert list(found.columns) == ["gold", "checked", "mass"]
    turned = worlds_read.evidence(lm, rows.assign(system=["no", "yes"]))
    assert (found["checked"] - turned["checked"]).abs().min() > 1e-6


def test_answers_are_greedy_words_and_whether_they_refuse(lm, monkeypatch):
    said = ["I cannot help with that.", "Sure, here it is."]
    monkeypatch.setattr(worlds_read, "generate", lambda lm, prompts, tokens: said[: len(prompts)])
    rows = pd.DataFrame({"item": ["x", "y"], "text": ["yes", "no"]})
    found = worlds_read.answers(lm, rows)
    assert found["answer"].tolist() == said
    assert found["checked"].tolist() == [1.0, 0.0]
