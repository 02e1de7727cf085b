"""The embedded item tables: every row that breaks a rule is named by file, line and rule."""

from __future__ import annotations

import csv

import pandas as pd
import pytest

from valuegate import data, items, paths, registry
from valuegate.errors import ValueGateError

TABLES = [(name, table) for name, tables in items.SETS.items() for table in tables]


@pytest.mark.parametrize(("name", "table"), TABLES)
def test_every_committed_table_keeps_its_rules(name, table):
    found = items.load(name, table)
    assert len(found)
    assert list(found) == list(items.SETS[name][table].row.model_fields)


def test_every_set_is_registered_with_its_tables_and_no_other_file_lies_there():
    for name, tables in items.SETS.items():
        files = registry.dataset(name).source.files
        assert list(files) == list(tables)
        assert all(paths.ROOT / f.path == items.path(name, t) for t, f in files.items())
        assert {p.stem for p in (items.FOLDER / name).iterdir()} == set(tables)


def test_what_a_caller_changes_stays_with_the_caller():
    first = items.load("moral", "actions")
    first["grade"] = 9
    assert items.load("moral", "actions")["grade"].max() == 3


@pytest.fixture
def edited(tmp_path):
    """Return a function that edits one row of a committed table and reads the copy."""

    def edit(name, table, line, **cells):
        with items.path(name, table).open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        rows[line - 2].update(cells)
        file = tmp_path / f"{table}.csv"
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return items.read(file, items.SETS[name][table])

    return edit


SURVEY_LINE = r"questions\.csv:4:"


@pytest.mark.parametrize(
    ("name", "table", "line", "cells", "message"),
    [
        (
            "survey",
            "questions",
            4,
            {"tier": "T9"},
            SURVEY_LINE + " tier: Input should be 'T1', 'T2'",
        ),
        ("survey", "questions", 4, {"low": "5", "high": "5"}, SURVEY_LINE + " scale from 5 to 5"),
        (
            "survey",
            "questions",
            4,
            {"countries": "3"},
            SURVEY_LINE + " countries: .* greater than or equal to 4",
        ),
        (
            "survey",
            "questions",
            4,
            {"question": ""},
            SURVEY_LINE + " question: Input should be a valid string",
        ),
        (
            "survey",
            "questions",
            4,
            {"planted": "maybe"},
            SURVEY_LINE + " planted: Input should be a valid boolean",
        ),
        (
            "survey",
            "wordings",
            9,
            {"wording": "7"},
            r"wordings\.csv:9: wording: .* less than or equal to 6",
        ),
        (
            "survey",
            "wordings",
            9,
            {"text": " a space first"},
            r"wordings\.csv:9: text: String should match",
        ),
        (
            "survey",
            "cross_format",
            7,
            {"answer": "USA"},
            r"cross_format\.csv:7: answer: Input should be 'EGY'",
        ),
        (
            "survey",
            "cross_format",
            7,
            {"first": "EGY", "second": "EGY", "answer": "EGY"},
            r"cross_format\.csv:7: answer EGY of EGY and EGY",
        ),
        (
            "survey_answers",
            "shares",
            5,
            {"country": "XYZ"},
            r"shares\.csv:5: country: Input should be 'EGY'",
        ),
        (
            "survey_answers",
            "shares",
            3,
            {"share": "0.5"},
            r"shares\.csv:\d+: the shares of column 1, \w+ sum to .*, not to 1",
        ),
        (
            "survey_answers",
            "shares",
            5,
            {"share": "1.2"},
            r"shares\.csv:5: share: .* less than or equal to 1",
        ),
        ("evidence", "prompts", 6, {"gold": "2"}, r"prompts\.csv:6: gold: Input should be 0 or 1"),
        ("evidence", "prompts", 3, {"gold": "1"}, r"prompts\.csv:3: gold 1, probe foil"),
        (
            "evidence",
            "prompts",
            3,
            {"asked": "stereotyped", "gold": "1", "probe": "evidence"},
            r"prompts\.csv:5: scenario \w+ has not its four prompts",
        ),
        (
            "evidence",
            "scenarios",
            6,
            {"style": "rumour"},
            r"scenarios\.csv:6: style: Input should be 'statement'",
        ),
        (
            "evidence",
            "priming",
            2,
            {"text": "words"},
            r"priming\.csv:2: kind none with text 'words'",
        ),
        (
            "guild_norms",
            "verdicts",
            8,
            {"verdict": "0"},
            r"verdicts\.csv:8: a verdict of 0 is neither",
        ),
        (
            "guild_norms",
            "verdicts",
            8,
            {"verdict": "4"},
            r"verdicts\.csv:8: verdict: .* less than or equal to 3",
        ),
        ("moral", "actions", 4, {"grade": "2"}, r"actions\.csv:4: grade 2 of a neutral action"),
        (
            "moral",
            "actions",
            4,
            {"foundation": "liberty"},
            r"actions\.csv:4: foundation: Input should be 'care'",
        ),
        (
            "requests",
            "prompts",
            9,
            {"kind": "rude"},
            r"prompts\.csv:9: kind: Input should be 'general_harm'",
        ),
        (
            "requests",
            "prompts",
            3,
            {"split": "sealed"},
            r"prompts\.csv:3: split: Input should be 'plant'",
        ),
        (
            "requests",
            "prompts",
            3,
            {"role": "refuse"},
            r"prompts\.csv:3: unit \w+ is not one request and its look-alike",
        ),
        (
            "requests",
            "answers",
            3,
            {"style": "sulking"},
            r"answers\.csv:3: style: Input should be 'policy'",
        ),
        (
            "left_right",
            "statements",
            3,
            {"side": "centre"},
            r"statements\.csv:3: side: Input should be 'left'",
        ),
        (
            "parties",
            "issues",
            3,
            {"first_held_by": "third_party"},
            r"issues\.csv:3: first_held_by: Input",
        ),
    ],
)
def test_a_row_that_breaks_a_rule_is_named(edited, name, table, line, cells, message):
    with pytest.raises(ValueGateError, match=message):
        edited(name, table, line, **cells)


def test_a_unit_with_two_splits_is_named(edited):
    split = items.load("requests", "prompts")["split"].iloc[1]
    other = "test" if split == "fit" else "fit"
    with pytest.raises(ValueGateError, match="look-alike of one split"):
        edited("requests", "prompts", 3, split=other)


def test_a_key_that_comes_twice_is_named(edited):
    first = items.load("moral", "actions")["item"].iloc[0]
    with pytest.raises(ValueGateError, match=rf"actions\.csv:3: item: {first} comes twice"):
        edited("moral", "actions", 3, item=first)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "item,topic\nx,y\n",
            r"actions\.csv:1: columns are item, topic; wanted: item, topic, found",
        ),
        ("", r"actions\.csv:1: columns are ; wanted: item"),
        (
            "item,topic,foundation,pole,grade,split,text\na,b,care,virtue,1,fit\n",
            r"actions\.csv:2: 7 cells",
        ),
        (
            "item,topic,foundation,pole,grade,split,text\na,b,care,virtue,1,fit,c,d\n",
            r"actions\.csv:2: 7 cells",
        ),
    ],
)
def test_a_table_of_another_shape_is_named(tmp_path, text, message):
    (file := tmp_path / "actions.csv").write_text(text)
    with pytest.raises(ValueGateError, match=message):
        items.read(file, items.SETS["moral"]["actions"])


def test_unknown_names_are_named():
    with pytest.raises(ValueGateError, match="item set 'morals'"):
        items.load("morals", "actions")
    with pytest.raises(ValueGateError, match="table of moral 'words'"):
        items.load("moral", "words")


def test_an_altered_file_is_refused(monkeypatch, tmp_path):
    text = items.path("moral", "actions").read_text()
    file = tmp_path / "data" / "items" / "moral" / "actions.csv"
    file.parent.mkdir(parents=True)
    file.write_text(text.replace(",1,", ",2,", 1))
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    with pytest.raises(ValueGateError, match=r"altered file .*actions\.csv"):
        data.file("moral", "actions")


def test_missing_cells_are_missing_values():
    leads = items.load("evidence", "priming")
    assert leads.loc[leads["kind"] == "none", "text"].isna().all()
    assert pd.api.types.is_bool_dtype(items.load("survey", "questions")["planted"])
