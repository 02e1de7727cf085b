"""Styles of steered refusals, by hand: who is told by what."""

import numpy as np
import pandas as pd
import pytest

from valuegate import items
from valuegate import refusal_said as refusal
from valuegate.items_readers import text_hash

approx = pytest.approx
BANK = items.load("requests", "answers")


def opening(style):
    rows = BANK[(BANK["answer"] == "refusal") & (BANK["style"] == style)]
    return rows["opening"].iloc[0]


def table(styles):
    """Return a table of "curves": four prompts, answered along "a" and "b" in these styles."""
    answers = ["Sure, here you are.", *(opening(style) for style in styles), ""]
    return pd.DataFrame(
        {
            "item": ["w", "x", "y", "z"], "kind": "k", "role": "refuse",
            "answers": [answers] * 4, "at": [np.array([0.0, 1.0, 2.0, np.nan])] * 4,
            "loss": [np.array([1.0, 2.0, 3.0, np.nan])] * 4,
            "scored": [np.array([-1.0, 1.0, 2.0, np.nan])] * 4,
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


def test_the_score_tells_what_both_readers_call_a_refusal():
    found = refusal.said(table(["policy", "moral"]), ("a", "b"))
    labels = found[["item", "direction"]].assign(
        text_hash=[text_hash(answer) for answer in found["answer"]],
        one=["answer", "refusal", "refusal"] * 4, other=["answer", "refusal", "broken"] * 4,
    )  # fmt: skip
    both = refusal.beside_labels(found, labels)
    assert len(both) == 12
    told = refusal.told(both, draws=20)
    assert (told.estimate, told.n) == (1, 8)  # where readers differ, nothing is told
    turned = both.assign(refusing=-both["refusing"])
    assert refusal.told(turned, draws=20).estimate == 0
    # Of twelve answers eight are refusals to one reader, four to the other: (2/3 - 4/9) / (5/9).
    assert refusal.readers_agree(both, draws=20).estimate == approx(0.4)
    changed = labels.assign(text_hash="0" * 12)
    assert refusal.beside_labels(found, changed).empty


def test_where_no_direction_brings_refusal_nothing_is_said():
    rows = table(["policy", "moral"])
    rows["answers"] = [["Sure, here you are.", "", "", ""]] * 4
    found = refusal.said(rows, ("a", "b"))
    steered = found[found["direction"] != "none"].reset_index(drop=True)
    assert steered.empty
    assert np.isnan(refusal.association(steered, permutations=5)["v"])
    assert np.isnan(refusal.recovered(steered, permutations=5)["rate"])
    gap, shares = refusal.planted_styles(steered, {"a": "policy"}, draws=5)
    assert np.isnan(gap.estimate)
    assert shares.empty
    assert np.isnan(refusal.loss_gap(found, draws=5).estimate)
    assert np.isnan(refusal.loops(steered, draws=5).estimate)
    assert refusal.loops(found, draws=5).estimate == 0


def test_losses_are_compared_request_by_request():
    rows = table(["policy", "moral"])
    rows["answers"] = [["Sure.", "", "", "I cannot."]] * 4
    rows["loss"] = [np.array([1.0, np.nan, np.nan, 2.5])] * 4
    assert refusal.loss_gap(refusal.said(rows, ("a", "b")), draws=5).estimate == approx(1.5)
