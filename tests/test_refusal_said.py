"""Styles of steered refusals, by hand: who is told by what."""

import numpy as np
import pandas as pd
import pytest

from valuegate import items
from valuegate import refusal_said as refusal

approx = pytest.approx
BANK = items.load("requests", "answers")


def opening(style):
    rows = BANK[(BANK["answer"] == "refusal") & (BANK["style"] == style)]
    return rows["opening"].iloc[0]


def table(styles):
    """Return a table of "curves": four prompts, answered along "a" and "b" in these styles."""
    answers = ["Sure, here you are.", *(opening(style) for style in styles)]
    return pd.DataFrame(
        {
            "item": ["w", "x", "y", "z"], "kind": "k", "role": "refuse",
            "answers": [answers] * 4, "at": [np.array([0.0, 1.0, 2.0])] * 4,
            "loss": [np.array([1.0, 2.0, 3.0])] * 4,
        }
    )  # fmt: skip


def test_answers_are_told_by_their_first_words():
    found = refusal.said(table(["policy", "moral"]), ("a", "b"))
    assert len(found) == 12
    assert found["style"].tolist()[:3] == ["", "policy", "moral"]
    assert found["refused"].sum() == 8
    assert refusal.style_of("I'm sorry, but that is not on.") == refusal.STOCK
    counts = refusal.counts(found)
    assert counts.loc["a", "policy"] == counts.loc["b", "moral"] == 4
    assert counts.to_numpy().sum() == 8


def test_what_repeats_is_counted():
    assert refusal.repeats("one two three") == 0
    assert refusal.repeats("no no no no") == approx(2 / 3)
    assert refusal.repeats("no") == 0


def test_styles_that_follow_directions_are_associated_and_others_are_not():
    told = refusal.said(table(["policy", "moral"]), ("a", "b"))
    steered = told[told["direction"] != "none"]
    found = refusal.association(steered, permutations=200)
    assert found["v"] == approx(1)
    assert found["p"] < 0.2  # four prompts of two directions can be dealt in few ways
    assert found["null_mean"] < 0.8
    same = refusal.said(table(["policy", "policy"]), ("a", "b"))
    assert refusal.association(same[same["direction"] != "none"], permutations=5)["v"] == 0


def test_planted_styles_are_looked_for_along_their_own_direction():
    told = refusal.said(table(["policy", "moral"]), ("a", "b"))
    steered = told[told["direction"] != "none"]
    gap, shares = refusal.planted_styles(steered, {"a": "policy", "b": "identity"}, draws=20)
    assert shares[["own", "others"]].to_numpy().tolist() == [[100, 0], [0, 0]]
    assert gap.estimate == approx(50)


def test_a_direction_is_told_from_words_that_it_alone_brings():
    told = refusal.said(table(["policy", "moral"]), ("a", "b"))
    steered = told[told["direction"] != "none"].reset_index(drop=True)
    assert refusal.recovered(steered, permutations=20)["rate"] == 100
    alike = refusal.said(table(["policy", "policy"]), ("a", "b"))
    alike = alike[alike["direction"] != "none"].reset_index(drop=True)
    assert refusal.recovered(alike, permutations=20)["rate"] == 50


def test_coherence_is_by_direction():
    found = refusal.coherence(refusal.said(table(["policy", "moral"]), ("a", "b")), draws=20)
    assert found["direction"].tolist() == ["none", "a", "b"]
    assert found["loss"].tolist() == [1, 2, 3]
    assert found["loops"].tolist() == [0, 0, 0]
