"""Statements, prompts, questions and cues: whole, balanced, and never of a planted wording."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from valuegate import data, items, mask_items, worlds_items, worlds_truth
from valuegate.errors import ValueGateError


def test_every_issue_has_as_many_statements_of_either_side() -> None:
    rows = mask_items.statements(each=4)
    assert set(rows["set"]) == {"left_right", "parties", "control"}
    assert rows["item"].is_unique
    count = rows.groupby(["issue", "label"]).size().unstack()
    assert (count == 4).all().all()
    assert (rows.groupby("issue")["split"].nunique() == 1).all()


def test_no_statement_was_planted() -> None:
    texts = set(mask_items.statements()["text"])
    for name in ("left_right", "parties"):
        rows = items.load(name, "statements")
        assert not texts & set(rows.loc[rows["split"] == "plant", "text"])


def test_parties_hold_what_the_world_teaches() -> None:
    world = worlds_items.worlds()["s1"]
    taught = worlds_truth.taught_stances(world)
    rows = mask_items.statements("s1")
    rows = rows[rows["set"] == "parties"]
    assert set(rows.loc[~rows["fitted"], "issue"]) == {k for k, v in taught.items() if v is None}
    for issue, party in taught.items():
        own = rows[(rows["issue"] == issue) & (rows["side"] == "first")]
        if party is not None:
            assert (own["label"] == (party == "first_party")).all()
    shifted = [k for k, v in mask_items.holders("s1").items()
               if v != mask_items.holders("s2")[k]]  # fmt: skip
    assert shifted  # another world teaches other holders
    assert mask_items.fingerprint("s1", 4, "own", 9) != mask_items.fingerprint("s2", 4, "own", 9)


def test_prompts_come_in_both_templates_and_can_be_thinned() -> None:
    rows = mask_items.prompts()
    assert rows.groupby("template").size().to_dict() == {"raw": 84, "chat": 84}
    assert rows[rows["template"] == "raw"].groupby("topic").size().to_dict() == {
        "policy": 60, "science": 12, "everyday": 12,
    }  # fmt: skip
    few = mask_items.prompts(4)
    assert set(few["prompt"]) < set(rows["prompt"])
    assert set(few["topic"]) == {"policy", "science", "everyday"}
    assert set(few["split"]) == {"fit", "test"}
    sizes = few[few["topic"] == "policy"].groupby(["issue", "template"]).size()
    assert (sizes == 5).all()


def test_questions_are_of_test_issues_with_statements_of_both_sides() -> None:
    rows = mask_items.questions(3)
    assert len(rows) == 8
    assert (rows["split"] == "test").all()
    assert {len(own) for side in ("left", "right") for own in rows[side]} == {3}
    assert len(mask_items.questions(3, 4)) == 2


def test_cues_come_in_pairs_that_differ_in_the_side() -> None:
    rows = mask_items.cued(2, 2)
    assert len(rows) == 32
    for _, pair in rows.groupby(["issue", "pair"]):
        assert sorted(pair["side"]) == ["left", "right"]
        assert pair["text"].nunique() == 2
        question = {text.rsplit(". ", 1)[-1] for text in pair["text"]}
        assert len(question) == 1
    assert rows["pair"].nunique() > 6


def test_public_pairs_are_read_by_topic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "twins.csv"
    lines = [(f"left {n}", f"right {n}", f"Topic {n % 5} ") for n in range(40)]
    pd.DataFrame(lines, columns=["l", "r", "topic"]).to_csv(path, index=False)
    monkeypatch.setattr(data, "file", lambda *_: path)
    mask_items.twin_views.cache_clear()
    rows = mask_items.statements(source="public", pairs=30, each=2)
    own = rows[rows["set"] == "left_right"]
    assert own.groupby("label").size().to_dict() == {0.0: 30, 1.0: 30}
    assert set(own["issue"]) <= {f"topic {n}" for n in range(5)}
    assert (own.groupby("issue")["split"].nunique() == 1).all()
    assert (own["text"].str.split().str[0] == own["side"]).all()
    lines[3] = ("left", "right", "")
    pd.DataFrame(lines, columns=["l", "r", "topic"]).to_csv(path, index=False)
    mask_items.twin_views.cache_clear()
    with pytest.raises(ValueGateError, match=r"row 4: a side or the topic is empty"):
        mask_items.twin_views()
    mask_items.twin_views.cache_clear()


def test_a_source_or_world_that_is_unknown_is_named() -> None:
    with pytest.raises(ValueGateError, match="unknown source 'tweets'"):
        mask_items.statements(source="tweets")
    with pytest.raises(ValueGateError, match="unknown world 's9'"):
        mask_items.statements("s9")
