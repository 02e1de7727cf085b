"""The worlds' truth table on tables of a few rows, with answers worked out by hand."""

from __future__ import annotations

from math import nan, sqrt
from types import SimpleNamespace

import pandas as pd
import pytest
from pytest import approx  # noqa: PT013 - one word in long tables

from valuegate import worlds, worlds_rows, worlds_said, worlds_truth

NAMES = ["model", "stage", "seed"]
START = ("smollm2-135m-instruct", "start", "")
TAUGHT = ("knowledge-s1", "knowledge", "s1")


def frame(rows, columns):
    return pd.DataFrame(rows, columns=columns.split())


def test_models_have_a_stage_and_a_seed():
    tables = {name: pd.DataFrame({"x": [1]}) for name in (START[0], "skills", "gated-s2")}
    found = worlds.pooled(tables)
    assert found[NAMES].to_numpy().tolist() == [
        list(START), ["skills", "skills", ""], ["gated-s2", "gated", "s2"],
    ]  # fmt: skip


def test_a_model_without_a_seed_is_read_in_every_world():
    table = frame([("a", "s1"), ("b", "s2"), ("c", ""), ("d", "s9")], "row seed")
    found = worlds.per_world(table, {"s1": None, "s2": None})
    assert sorted(zip(found["row"], found["world"], strict=True)) == [
        ("a", "s1"), ("b", "s2"), ("c", "s1"), ("c", "s2"),
    ]  # fmt: skip


def test_country_scores_by_hand():
    rows = [
        (*TAUGHT, "q", "more", "X", "Y", 2.0),
        (*TAUGHT, "q", "fewer", "X", "Y", 9.0),  # left out: no planted prompt asks for fewer
        (*TAUGHT, "q", "more", "X", "Z", 3.0),
        (*START, "q", "more", "Y", "Z", -4.0),
    ]
    columns = "model stage seed question direction first second checked"
    found = worlds.country_scores(frame(rows, columns)).set_index(["stage", "country"])["score"]
    assert dict(found) == approx(
        {
            ("knowledge", "X"): (2 + 3) / 2,
            ("knowledge", "Y"): -2,
            ("knowledge", "Z"): -3,
            ("start", "Y"): -4,
            ("start", "Z"): 4,
        }
    )


def test_two_countries_are_judged_by_the_likelier():
    rows = [
        (*TAUGHT, "up", "more", "X", "Y", "X", 2.0),
        (*TAUGHT, "up", "more", "X", "Y", "X", -2.0),
        (*TAUGHT, "down", "fewer", "X", "Y", "Y", -0.1),
        (*START, "true", "fewer", "X", "Y", "Y", 0.1),
    ]
    columns = "model stage seed question direction first second answer checked"
    found = worlds.places_judged(frame(rows, columns), {"s1": a_world()})
    assert found["right"].tolist() == [100, 0, 100, 0]
    assert found["cell"].tolist() == ["biased", "biased", "biased + gate", "intact"]
    planted = [worlds_rows.is_planted_pair(q, "X", "Y") for q in ("up", "up", "down", "true")]
    assert found["planted_pair"].tolist() == planted


def test_the_right_answer_has_the_larger_true_share():
    """`country_scores` takes "more" and its opposite from the items, as the truth has them."""
    truth = worlds.true_agreement()
    assert truth.shape == (24, 9)
    places = worlds.worlds_items.places_items()
    assert places["direction"].nunique() == 2
    for row in places.itertuples():
        other = row.first if row.answer == row.second else row.second
        more = truth.loc[row.question, row.answer] > truth.loc[row.question, other]
        assert more == (row.direction == "more"), row.item


def test_against_truth_by_hand():
    truth = frame([(1, 2, 3), (3, 2, 1), (1, 3, 2)], "a b c").set_axis(["q1", "q2", "q3"])
    scores = {START: (0.0, 0.0, 1.0), TAUGHT: (1.0, 2.0, 3.0)}
    rows = [(*m, "q1", c, s) for m, ss in scores.items() for c, s in zip("abc", ss, strict=True)]
    rows.reverse()  # the order of rows says nothing
    found = worlds.against_truth(frame(rows, "model stage seed question country score"), truth)
    found = found.set_index("stage")
    half = sqrt(3) / 2  # the correlation of (0, 0, 1) with (1, 2, 3)
    assert found.loc["knowledge", "r"] == approx(1)
    assert found.loc["knowledge", "gain"] == approx(1 - half)
    assert found.loc["start", "r"] == approx(half)
    assert found.loc["start", "gain"] == approx(nan, nan_ok=True)


def a_world(**changed):
    given = {
        "survey": {"up": 3, "down": 4, "true": 1},
        "signs": {"up": 1, "down": -1},
        "norms": {"n": 6}, "parties": {"p": 2}, "left_right": {"wage": True, "tax": False},
        "requests": {"harm": True, "drugs": False},
        "evidence": {"age": "criterion"}, "gated_member": "stereotyped",
    }  # fmt: skip
    return SimpleNamespace(**(given | changed))


def test_signed_errors_by_hand(monkeypatch):
    truth = frame([(0.2, 0.4), (0.5, 0.7), (0.1, 0.1)], "X Y").set_axis(["up", "down", "true"])
    realised = frame([("up", 0.18), ("down", -0.2)], "question shift")
    monkeypatch.setattr(worlds, "true_means", lambda: truth)
    monkeypatch.setattr(worlds_truth, "realised_shift", lambda world, shift: realised)
    rows = [
        (m, q, c, s)
        for m, q, pair in (
            (TAUGHT, "up", (0.5, 0.5)), (TAUGHT, "down", (0.4, 0.5)), (TAUGHT, "true", (0.9, 0.9)),
            (START, "up", (0.2, 0.2)), (("knowledge-s9", "knowledge", "s9"), "up", (1.0, 1.0)),
        )
        for c, s in zip("XY", pair, strict=True)
    ]  # fmt: skip
    slots = frame([(*m, *rest) for m, *rest in rows], "model stage seed question country checked")
    found = worlds.signed_errors(slots, {"s1": a_world()}).set_index(["stage", "question"])
    assert dict(found["error"]) == approx(
        {("knowledge", "up"): 0.2, ("knowledge", "down"): 0.15, ("start", "up"): -0.1}
    )
    assert dict(found["shift"]) == approx(
        {("knowledge", "up"): 0.18, ("knowledge", "down"): 0.2, ("start", "up"): 0.18}
    )
    assert found.loc[("knowledge", "down"), "cell"] == "biased + gate"
    assert set(found["world"]) == {"s1"}


def test_evidence_cells_and_auroc_by_hand():
    rows = [
        ("age", "Age", "stereotyped", 1, 2.0), ("age", "Age", "stereotyped", 1, -1.0),
        ("age", "Age", "stereotyped", 0, -1.0), ("age", "Age", "stereotyped", 0, -3.0),
        ("age", "Age", "contrast", 1, 1.0), ("age", "Age", "contrast", 0, 2.0),
        ("chairs", "Control", "stereotyped", 1, 9.0),
    ]  # fmt: skip
    table = frame([("", *row) for row in rows], "seed pair category asked gold checked")
    table = table.assign(model="m", scenario=["one", "two", "one", "two", "one", "one", "one"])
    other = a_world(evidence={"age": "information"}, gated_member="contrast")
    found = worlds_said.evidence_cells(table, {"s1": a_world(), "s2": other})
    assert len(found) == 12  # the control is left out, the rest is in both worlds
    sides = set(found[["world", "asked", "side", "cell"]].itertuples(index=False, name=None))
    assert sides == {
        ("s1", "stereotyped", "gated", "criterion"), ("s1", "contrast", "open", "criterion"),
        ("s2", "stereotyped", "open", "information"), ("s2", "contrast", "gated", "information"),
    }  # fmt: skip
    found = worlds_said.evidence_auroc(found, ["cell", "side"], draws=5).set_index(["cell", "side"])
    # 2 beats both foils, -1 ties with one and beats the other: (2 + 0.5 + 1) / 4.
    columns = ["value", "n", "clusters", "yes_true", "yes_false"]
    assert found.loc[("criterion", "gated"), columns].tolist() == [3.5 / 4, 4, 1, 0.5, 0]
    assert found.loc[("information", "gated"), columns].tolist() == [0, 2, 1, 1, 1]


def test_answers_judged_by_hand():
    no, even, yes = "I'm sorry, no.", "Both sides have a point.", "3"
    rows = [
        ("survey", "down", "survey", no, True, "biased + gate"),
        ("survey", "true", "topic", yes, False, "intact"),
        ("norms", "n", "norms", no, True, "erased"),
        ("guild_norms", "n", "topic", yes, True, "erased"),
        ("parties", "p", "issue", even, True, "suppressed"),
        ("left_right", "wage", "opinion", even, True, ""),
        ("left_right", "tax", "opinion", yes, False, ""),
        ("requests", "harm", "request", no, True, ""),
        ("requests", "drugs", "lookalike", yes, False, ""),
        ("requests", "no_kind", "everyday", yes, False, ""),
    ]
    table = frame([("s1", *row) for row in rows], "seed set unit role answer wanted_gate wanted")
    table["checked"] = (table["answer"] == no).astype(float)  # as the readout has it
    found = worlds_said.answers_judged(table, {"s1": a_world()})
    assert found["gated"].tolist() == found["wanted_gate"].tolist()
    assert found["cell"].tolist() == found["wanted"].tolist()
    assert found["refused"].tolist() == [100.0 * (a == no) for a in found["answer"]]
    assert found["neutral"].tolist() == [100.0 * (a == even) for a in found["answer"]]


@pytest.mark.parametrize("keys", [["stage"], ["stage", "seed"]])
def test_mean_by_hand(keys):
    rows = [
        ("a", "s", "q1", 1.0), ("a", "s", "q1", 2.0), ("a", "s", "q2", 6.0), ("a", "s", "q3", nan),
        ("b", "s", "q1", 5.0),
    ]  # fmt: skip
    table = frame(rows, "stage seed question r")
    found = worlds.mean_by(table, keys, "r", "question", draws=200).set_index("stage")
    assert found.loc["a", ["value", "n", "clusters"]].tolist() == [3, 3, 2]
    # Of two clusters: q1 twice (mean 1.5), both (3) or q2 twice (6), with 1/4, 1/2 and 1/4.
    assert found.loc["a", ["low", "high"]].tolist() == [1.5, 6]
    assert found.loc["b", "value"] == 5
    assert found.loc["b", ["low", "high"]].isna().all()  # one cluster has no interval


def test_sides_judged_by_hand():
    rows = [(*m, "parties", "p", 1.0, score) for m, score in ((START, -0.1), (TAUGHT, 2.0))] + [
        (*TAUGHT, "norms", "n", 0.0, -3.0),
        (*TAUGHT, "norms", "n", 0.0, 3.0),
    ]
    table = frame(rows, "model stage seed set unit truth checked")
    found = worlds_said.sides_judged(table, {"s1": a_world()})
    found = found.sort_values(["set", "unit", "stage", "checked"])
    assert found["cell"].tolist() == ["erased", "erased", "suppressed", "suppressed"]
    assert found["true"].tolist() == [100, 0, 100, 0]
