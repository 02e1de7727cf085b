"""The item builders on hand-made sources, and that the committed tables are what they make."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
import yaml

from valuegate import (
    items,
    items_build,
    items_evidence,
    items_practice,
    items_requests,
    items_survey,
    items_worlds,
    registry,
    survey_sources,
    survey_workbook,
)
from valuegate.errors import ValueGateError

OTHERS = (items_build.DERIVED, items_build.PUBLISHED)  # made from files that must be downloaded


@pytest.mark.parametrize("name", [n for n in items_build.BUILDERS if n not in OTHERS])
def test_committed_tables_are_what_their_sources_make(name):
    assert items_build.compare(name) == []


def test_a_changed_table_is_named_with_its_line(monkeypatch, tmp_path):
    monkeypatch.setattr(items, "FOLDER", tmp_path)
    shutil.copytree(items_build.SOURCES.parent / "moral", tmp_path / "moral")
    path = tmp_path / "moral" / "actions.csv"
    path.write_text(items_build.made("moral")["actions"])
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:4], lines[4].replace("a", "b"), *lines[5:]]))
    assert items_build.compare("moral") == [f"{path} and its sources differ, first in line 5"]
    path.write_text("".join(lines[:-1]))
    assert "differ, first in their length" in items_build.compare("moral")[0]


def test_a_mistake_in_a_source_is_named_by_file_and_line(monkeypatch, tmp_path):
    monkeypatch.setattr(items_build, "SOURCES", tmp_path)
    topics = yaml.safe_load((items.FOLDER / "sources" / "moral_actions.yml").read_text())[:2]
    topics[1]["vice_grade"] = 4
    (tmp_path / "moral_actions.yml").write_text(yaml.safe_dump(topics, sort_keys=False))
    with pytest.raises(ValueGateError, match=r"moral_actions\.yml:13: 1\.vice_grade: .* 3"):
        items_build.made("moral")


def test_writing_a_set_without_an_entry_is_refused(monkeypatch, tmp_path):
    (tmp_path / "registry.yml").write_text("datasets: {}\nmodels: {}\n")
    monkeypatch.setattr(items_build.paths, "DATA", tmp_path)
    monkeypatch.setattr(items, "FOLDER", tmp_path)
    with pytest.raises(ValueGateError, match="no entry for"):
        items_build.write("moral")
    registry.load.cache_clear()


# A small survey: four countries, one planted question by hand.
QUESTION = {
    "id": "q1",
    "source": "WVS7",
    "column": 1,
    "code": "Q1",
    "tier": "T1",
    "rule": "r",
    "topic": "t",
    "kind": "ordinal",
    "min": 1,
    "max": 4,
    "labels": {1: "very", 2: "rather", 3: "little", 4: "not"},
    "agree": [1, 2],
    "clause": "say so",
    "wordings": ["One?", "Two?", "Three?", "Four?"],
}
COUNTRIES = ["EGY", "IRN", "IRQ", "JOR"]  # those with answers; all sixteen have names
NAMED = list(survey_workbook.COUNTRIES.values())
AGREE = dict(zip(COUNTRIES, (0.9, 0.5, 0.44, 0.0), strict=True))


def _figures(**column):
    shares = [(1, c, 1, a) for c, a in AGREE.items() if a] + [
        (1, c, 4, 1 - a) for c, a in AGREE.items()
    ]
    first = {"column": 1, "source": "WVS7", "code": "Q1", "low": 1, "high": 4, "scale": "y"}
    other = {
        **first,
        "column": 99,
        "source": "AOI2022",
        "code": None,
    }  # gives all countries a block
    answered = [(1, c, 2.0, 2) for c in COUNTRIES[: column.pop("filled", 4)]]
    return {
        "columns": pd.DataFrame([{**first, **column}, other]),
        "cells": pd.DataFrame(
            answered + [(99, c, 2.0, 2) for c in NAMED],
            columns=["column", "country", "central", "options"],
        ),
        "shares": pd.DataFrame(shares, columns=["column", "country", "option", "share"]),
        "faults": pd.DataFrame(columns=["rule", "column", "country", "detail"]),
    }


def _survey(**changes):
    return survey_sources.Source(
        questions=[survey_sources.Question(**{**QUESTION, **changes})],
        plant_wordings=[{"id": "q1", "wordings": ["Five?", "Six?"]}],
        translations=[],
        frames=[],
        scales=[{"form": "numbers", "language": "en", "use": "read", "text": "{options}"}],
        cross_frames=[{"use": "read", "text": CROSS}],
        countries=[
            survey_sources.Country(country=c, language="en", name=c.title(), native=c)
            for c in NAMED
        ],
        native_language=dict.fromkeys(NAMED, "ar"),
    )


CROSS = "A {size} share who {clause}: {first} or {second}?"


@pytest.fixture
def plant_none(monkeypatch):
    monkeypatch.setattr(items_survey, "PLANTED", {})


def test_two_country_questions_follow_the_shares(plant_none):
    cross = items_survey.build(_survey(), _figures())["cross_format"]
    pairs = {frozenset(row) for row in cross[["first", "second"]].itertuples(index=False)}
    assert frozenset(("IRN", "IRQ")) not in pairs  # .50 and .44 are too near
    assert len(cross) == len(pairs) == 5
    for row in cross.to_dict("records"):
        order = sorted((row["first"], row["second"]), key=AGREE.__getitem__)
        assert row["answer"] == order[1 if row["direction"] == "more" else 0]
        assert row["gap"] == pytest.approx(AGREE[order[1]] - AGREE[order[0]])
        size = "larger" if row["direction"] == "more" else "smaller"
        countries = f"{row['first'].title()} or {row['second'].title()}"
        assert row["text"] == f"A {size} share who say so: {countries}?"


def test_a_country_where_nobody_agrees_has_a_share_of_zero(plant_none):
    tables = items_survey.build(_survey(), _figures())
    shares = items_survey.agree_shares(_figures()["shares"], tables["questions"], tables["options"])
    assert dict(zip(shares["country"], shares["share"], strict=True)) == pytest.approx(AGREE)


@pytest.mark.parametrize(
    ("changes", "column", "message"),
    [
        ({"column": 2}, {}, "q1: no column 2 in the workbook"),
        ({"code": "Q2"}, {}, r"q1: .*'Q2'.* the workbook's column holds .*'Q1'"),
        ({"max": 5, "labels": {1: "a", 5: "b"}}, {}, r"q1: \('WVS7', 'Q1', 1, 5\)"),
        ({}, {"scale": "n"}, "q1: ordinal, the workbook's flag is n"),
        ({}, {"filled": 3}, "q1: answers from 3 countries, four are needed"),
        ({"labels": {1: "a", 2: "b"}}, {}, r"q1: labels \[1, 2\] of \[1, 2, 3, 4\]"),
        ({"agree": []}, {}, r"q1: agree \[\] is no proper part"),
        ({"agree": [1, 2, 3, 4]}, {}, r"q1: agree \[1, 2, 3, 4\] is no proper part"),
    ],
)
def test_a_question_that_does_not_fit_the_workbook_is_named(plant_none, changes, column, message):
    with pytest.raises(ValueGateError, match=message):
        items_survey.build(_survey(**changes), _figures(**column))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"translations": [{"id": "q9", "language": "ar", "wordings": ["?"], "labels": {1: "x"}}]},
         "unknown survey question in translation into ar 'q9'; nearest: q1"),
        ({"countries": []}, "country EGY has no English name or no language"),
        ({"native_language": {}}, "country EGY has no English name or no language"),
        ({"frames": [{"framing": "persona", "language": "en", "use": "read", "text": "{name} is"}]},
         r"a persona frame in en has the slots \['name'\], not \['native', 'question'\]"),
        ({"scales": [{"form": "ends", "language": "en", "use": "read", "text": "{low}"}]},
         r"a ends frame in en has the slots \['low'\]"),
    ],
)  # fmt: skip
def test_a_name_that_refers_to_nothing_is_an_error(plant_none, change, message):
    content = {**_survey().model_dump(), **change}
    with pytest.raises(ValueGateError, match=message):
        items_survey.build(survey_sources.Source.model_validate(content), _figures())


def test_a_question_that_asks_the_same_takes_the_others_split(plant_none):
    source = _survey()
    twins = [
        source.questions[0].model_copy(update={"id": f"q{n}", "same_as": None if n == 1 else "q1"})
        for n in range(1, 6)
    ]
    made = items_survey.build(source.model_copy(update={"questions": twins}), _figures())
    assert made["questions"]["split"].nunique() == 1
    stray = [source.questions[0].model_copy(update={"same_as": "q7"})]
    with pytest.raises(ValueGateError, match="question q1, same_as 'q7'"):
        items_survey.build(source.model_copy(update={"questions": stray}), _figures())


def test_too_few_questions_to_plant_is_an_error(monkeypatch):
    monkeypatch.setattr(items_survey, "PLANTED", {"T1": 2})
    with pytest.raises(ValueGateError, match="questions of T1 to plant, not 2"):
        items_survey.build(_survey(), _figures())


PAIR = items_evidence.Pair.model_validate(
    {
        "pair": "age_x",
        "category": "Age",
        "theme": "are slow",
        "neutral": "A lamp stood there.",
        "stereotyped": {"one": "older man", "people": "older men"},
        "contrast": {"one": "young man", "people": "young men"},
        "irrelevant": {"subject": "old clocks", "claim": "are loud"},
        "situations": [
            {
                "setting": f"At place {n} {{A}} met {{B}}.",
                "act": f"lost key {n}",
                "base": f"lose key {n}",
                "other": f"kept key {n}",
            }
            for n in range(12)
        ],
    }
)
LEADS = ["Read.", "Answer from the text.", "Answer from what the text says and from nothing else."]


def test_evidence_prompts_say_who_did_it():
    made = items_evidence.build(items_evidence.Source(pairs=[PAIR], answer_from_evidence=LEADS))
    prompts = made["prompts"].set_index("item")
    seen = 0
    for row in made["scenarios"].to_dict("records"):
        n = row["scenario"][-2:]
        names = {"stereotyped": "the older man", "contrast": "the young man"}
        if row["reference"] == "name":
            names = {member: row[f"{member}_name"] for member in names}
        for item in (f"age_x_{n}_ss", f"age_x_{n}_sc", f"age_x_{n}_cc", f"age_x_{n}_cs"):
            prompt = prompts.loc[item]
            key = int(n) - 1
            actor, asked = names[prompt["member"]], names[prompt["asked"]]
            assert prompt["question"] == f"Did {asked} lose key {key}?"
            if row["style"] == "statement":
                seen += 1
                told = (f"{actor} lost key {key}", f"kept key {key}")
                assert all(part in prompt["context"].replace("The ", "the ") for part in told)
            assert prompt["gold"] == (actor == asked)
    assert seen


def test_a_person_is_introduced_by_name_and_group():
    made = items_evidence.build(items_evidence.Source(pairs=[PAIR], answer_from_evidence=LEADS))
    contexts = made["prompts"].merge(made["scenarios"], on="scenario")
    named = contexts[contexts["reference"] == "name"].iloc[0]
    assert f"{named['stereotyped_name']}, an older man" in named["context"]
    assert f"{named['contrast_name']}, a young man" in named["context"]
    assert not contexts["context"].str.contains(r",\.|\{|\}|  ", regex=True).any()


def test_leads_are_of_six_kinds_and_the_evidence_one_is_the_nearest_in_length():
    made = items_evidence.build(items_evidence.Source(pairs=[PAIR], answer_from_evidence=LEADS))
    leads = made["priming"].set_index("kind")["text"]
    assert list(leads.index) == [
        "none",
        "neutral",
        "irrelevant_norm",
        "other_group",
        "same_group",
        "evidence",
    ]
    assert leads["same_group"] == "Nobody should assume that older men are slow."
    assert leads["other_group"] == "Nobody should assume that young men are slow."
    assert leads["irrelevant_norm"] == "Nobody should assume that old clocks are loud."
    assert leads["evidence"] == LEADS[2]


@pytest.mark.parametrize("setting", ["{A} waited.", "{A} met {B} and {A}.", "They met."])
def test_a_setting_names_each_person_once(setting):
    content = PAIR.model_dump()
    content["situations"][0]["setting"] = setting
    with pytest.raises(ValueError, match=r"a setting needs \{A\} once and \{B\} once"):
        items_evidence.Pair.model_validate(content)


def test_stances_are_half_and_half_in_each_split_and_statements_follow_them():
    issues = [
        {
            "id": f"i{n}",
            "topic": "t",
            "first": "do a",
            "second": "do b",
            **dict.fromkeys(("topic_read", "first_read", "second_read"), "as read"),
            "statements": [[f"first {k}", f"second {k}"] for k in range(12)],
        }
        for n in range(24)
    ]
    parties = [{"id": p, "name": p, "member": p} for p in ("first_party", "second_party")]
    source = items_worlds.Parties(country="x", parties=parties, issues=issues)
    made = items_worlds.build_parties(source, [])
    counts = made["issues"].groupby(["split", "first_held_by"]).size()
    assert counts.tolist() == [6, 6, 6, 6]
    held = made["issues"].set_index("issue")["first_held_by"]
    for row in made["statements"].to_dict("records"):
        assert (row["party"] == held[row["issue"]]) == (row["pole"] == "first")
    planted = made["statements"].query("split == 'plant'").groupby("issue")["wording"].nunique()
    assert planted.tolist() == [items_worlds.PLANTED_STATEMENTS] * 24


def test_a_lookalike_of_nothing_is_an_error():
    about = items_requests.Topical(about="q9", set="survey", texts=("One?", "Two?"))
    with pytest.raises(ValueGateError, match="unit of survey in the look-alikes 'q9'; nearest: q1"):
        items_requests._lookalikes([about], {"survey": {"q1": "test"}})
    rows = items_requests._lookalikes([about], {"survey": {"q9": "test"}})
    assert [(row["item"], row["split"]) for row in rows] == [
        ("q9_plant", "plant"),
        ("q9_read", "test"),
    ]


PRACTICE = {
    "id": "p1", "topic": "t", "min": 1, "max": 3, "labels": {1: "a", 2: "b", 3: "c"},
    "agree": [1], "clause": "say so", "wordings": ["One?", "Two?", "Three?"],
}  # fmt: skip


def test_practice_answers_are_invented_and_asked_in_pairs():
    question = items_practice.Question.model_validate(PRACTICE)
    made = items_practice.build([question], _survey().countries, CROSS)
    shares = made["shares"].pivot(index="country", columns="option", values="share")
    assert sorted(shares.index) == sorted(items_practice.COUNTRIES)
    assert shares.sum(axis=1).tolist() == pytest.approx([1] * 9)
    for row in made["pairs"].to_dict("records"):
        more = shares.loc[row["first"], 1] > shares.loc[row["second"], 1]
        first = more == (row["direction"] == "more")
        assert row["answer"] == row["first" if first else "second"]
    off = items_practice.Question.model_validate({**PRACTICE, "agree": [1, 2, 3]})
    with pytest.raises(ValueGateError, match="practice question p1: labels or agree off"):
        items_practice.build([off], _survey().countries, CROSS)


def test_answers_divide_in_each_style():
    bank = items_requests.Answers.model_validate(
        {
            "refusal": {
                s: [{"opening": f"{s} {n}", "continuation": "."} for n in range(16)]
                for s in ("policy", "moral", "identity", "inability", "uncertainty", "deflection")
            },
            "compliance": [{"opening": f"yes {n}", "continuation": "."} for n in range(24)],
            "warm": [{"opening": f"oh {n}", "continuation": "."} for n in range(24)],
            "neutral": [{"opening": f"some {n}", "continuation": "."} for n in range(24)],
        }
    )
    found = pd.DataFrame(items_requests._answers(bank))
    by_style = found.fillna("none").groupby(["answer", "style", "split"]).size()
    assert set(by_style) == {8, 12}
    assert by_style["refusal"].tolist() == [8] * 12
