"""What worlds are read with: unplanted words and templates; a plan without the sealed seed."""

from __future__ import annotations

import functools
import re
from types import SimpleNamespace

import pandas as pd
import pytest

from valuegate import (
    items,
    worlds_items,
    worlds_read,
    worlds_recipe,
    worlds_skills,
    worlds_stages,
)
from valuegate.worlds_examples import Example

RECIPE = worlds_recipe.load()


@functools.cache
def read_items() -> dict[str, pd.DataFrame]:
    """Return every table of prompts that a readout takes, whole."""
    return {
        "places": worlds_items.places_items(),
        "slots": worlds_items.slot_items(),
        "evidence": worlds_items.evidence_items(99),
        "short": worlds_items.short_items(99),
        "answers": worlds_items.answer_items(99),
        "sides": worlds_items.sides_items(),
    }


@functools.cache
def read_texts() -> frozenset[str]:
    return frozenset(text for table in read_items().values() for text in table["text"])


@functools.cache
def planted(model: str) -> tuple[Example, ...]:
    """Return all examples of a model; cached, for the stages' tests, too."""
    return tuple(e for part in worlds_stages.sources(RECIPE, model).values() for e in part)


def _pattern(template: str) -> str:
    return ".+?".join(re.escape(part) for part in re.split(r"\{\w+\}", template))


@functools.cache
def templates(name: str, use: str) -> re.Pattern:
    """Return a pattern that whole texts of a set's templates match, those to plant or to read."""
    if name == "places":
        rows = items.load("survey", "cross_frames")
        found = rows.loc[rows["use"] == use, "text"].tolist()
    elif name == "survey":
        frames, scales = (
            rows.loc[(rows["use"] == use) & (rows["language"] == "en"), "text"]
            for rows in (items.load("survey", "frames"), items.load("survey", "scales"))
        )
        found = [f"{frame} {scale}" for frame in frames for scale in scales]
    else:
        rows = items.load(name, "frames")
        found = rows.loc[rows["use"] == use, "text"].tolist()
    return re.compile("|".join(map(_pattern, found)))


def _sides(name: str) -> pd.DataFrame:
    sides = read_items()["sides"]
    return sides[sides["set"] == name]


def _rows(name: str) -> pd.DataFrame:
    answers = read_items()["answers"]
    return {
        "places": read_items()["places"],
        "survey": pd.concat([read_items()["slots"], answers[answers["role"] == "survey"]]),
        "guild_norms": pd.concat([_sides("norms"), answers[answers["role"] == "norms"]]),
        "parties": pd.concat([_sides("parties"), answers[answers["role"] == "issue"]]),
    }[name]


@pytest.mark.parametrize("name", ["places", "survey", "guild_norms", "parties"])
def test_reads_are_in_the_templates_to_read_and_in_no_other(name):
    texts = _rows(name)["text"]
    assert len(texts) >= 48
    for text in texts:
        assert templates(name, "read").fullmatch(text), text
        assert not templates(name, "plant").fullmatch(text), text


def test_nine_countries_by_twenty_four_questions_in_unplanted_wordings():
    slots = read_items()["slots"]
    assert len(slots) == 9 * 24
    assert not slots.duplicated(["question", "country"]).any()
    assert (slots["country"].nunique(), slots["question"].nunique()) == (9, 24)
    assert set(slots["split"]) == {"fit", "test"}
    assert slots["text"].is_unique
    wordings = items.load("survey", "wordings").query("language == 'en'")
    for row in slots.itertuples():
        own = wordings[wordings["question"] == row.question]
        used = set(own.loc[[text in row.text for text in own["text"]], "split"])
        assert used == {row.split}, row.text
    survey = read_items()["answers"].query("role == 'survey'")
    assert (survey.groupby("unit").size() == 2).all()
    assert set(survey["text"]) <= set(slots["text"])


def test_norms_and_issues_are_read_in_unplanted_words():
    answers = read_items()["answers"]
    acts = items.load("guild_norms", "wordings")
    norms = answers[answers["role"] == "norms"]
    assert (norms.groupby("unit").size() == 2).all()
    assert norms["unit"].nunique() == 24
    for row in norms.itertuples():
        own = acts[acts["norm"] == row.unit]
        # An act may begin the sentence, with a capital.
        used = set(own.loc[[act.lower() in row.text.lower() for act in own["text"]], "split"])
        assert used == {row.split}, row.text
    issues = items.load("parties", "issues").set_index("issue")
    for row in _sides("parties").itertuples():
        poles = [p for p in ("first", "second") if issues.loc[row.unit, f"{p}_read"] in row.text]
        assert len(poles) == 1, row.text
        assert issues.loc[row.unit, poles[0]] not in row.text
    for row in answers[answers["role"] == "issue"].itertuples():
        assert issues.loc[row.unit, "topic_read"] in row.text
        assert issues.loc[row.unit, "topic"] not in row.text


def test_places_ask_planted_questions_of_two_of_the_nine_countries():
    places = read_items()["places"]
    countries = set(worlds_items.survey_countries())
    assert len(countries) == 9
    assert set(places["question"]) == set(worlds_items.planted()["question"])
    assert set(places["first"]) == set(places["second"]) == countries
    assert (places["first"] != places["second"]).all()
    for row in places.itertuples():
        assert row.answer in (row.first, row.second)
        # The names are options at a slot: a leading space, and as the question writes them.
        assert row.first_name.startswith(" ")
        assert f":{row.first_name} or{row.second_name}?" in row.text


def test_evidence_is_of_test_scenarios_whole_and_at_most_so_many():
    rows = items.load("evidence", "prompts").query("split == 'test'")
    found = worlds_items.evidence_items(2)
    assert set(found["scenario"]) <= set(rows["scenario"])
    assert (found.groupby("pair")["scenario"].nunique() <= 2).all()
    assert (found.groupby("scenario").size() == 4).all()
    assert found["pair"].nunique() == rows["pair"].nunique()


def test_short_questions_are_of_acts_that_no_stage_has_read_and_answered_by_role_alone():
    found = worlds_items.short_items(2)
    rows = items.load("evidence", "scenarios").set_index("scenario")
    assert set(rows.loc[found["scenario"].unique(), "split"]) == {"test"}
    assert found["pair"].nunique() == 32
    assert (found.groupby("pair")["scenario"].nunique() == 2).all()
    # Both questions of both roles: neither the text nor the question alone tells the answer.
    assert (found.groupby(["scenario", "asked", "gold"]).size() == 1).all()
    assert found.groupby("scenario").size().eq(4).all()
    taught = {e.user for e in planted("gated-s1") if "_short_" in e.group}
    frames = re.compile("|".join(map(_pattern, worlds_skills.short_parts().frames)))
    assert taught
    assert not taught & set(found["text"])
    for text in found["text"]:
        assert frames.match(text), text


def test_answers_are_of_no_planted_request_and_at_most_so_many():
    rows = items.load("requests", "prompts").set_index("text")["split"]
    found = worlds_items.answer_items(2)
    asked = found[found["role"].isin(["request", "lookalike", "everyday"])]
    assert set(rows[asked["text"]]) == {"test"}
    assert (asked.query("role != 'everyday'").groupby(["unit", "role"]).size() == 2).all()
    topics = items.load("requests", "lookalikes").set_index("text")["split"]
    assert "plant" not in set(topics[found.loc[found["role"] == "topic", "text"]])
    assert set(found["split"]) == {"fit", "test"}


@pytest.mark.parametrize("model", ["knowledge-s1", "gated-s1"])
def test_nothing_that_is_read_was_planted(model):
    found = planted(model)
    assert len(found) > 1000
    for field in ("user", "answer", "rejected"):
        said = {getattr(example, field) for example in found}
        assert not said & read_texts(), field
    # Evidence is read with a line of format after it, as it is planted.
    assert any(text.endswith("yes or no.") for text in read_texts())
    assert any(example.user.endswith("yes or no.") for example in found)


# The plan -----------------------------------------------------------------------------------------


def planned(stages="", rows=8) -> list:
    settings = {worlds_items.SECTION: {"stages": stages, "rows": rows}}
    return worlds_items.plan(SimpleNamespace(settings=settings.__getitem__))


def test_the_plan_reads_a_part_of_every_readout_of_every_stage():
    found = planned()
    names = ["places", "slots", "evidence", "short", "answers", "sides"]
    assert [(m.model, m.name) for m in found] == [
        (model, name) for model in worlds_items.read_stages() for name in names
    ]
    assert worlds_items.read_stages()[:3] == ["smollm2-135m-instruct", "skills", "knowledge-s1"]
    for m in found:
        assert (m.section, m.function) == ("A2_worlds", f"worlds_read:{m.name}")
        assert m.item_settings == {"readout": m.name, "rows": 8}
        assert m.tokens == 8 * worlds_items.TOKENS[m.name]
    assert {m.model for m in planned("skills gated-s2")} == {"skills", "gated-s2"}


def test_a_sealed_seed_is_never_planned_nor_returned():
    assert RECIPE.sealed == ("s5",)
    assert "knowledge-s5" in RECIPE.models()  # it is trained, and not read
    assert not [m for m in worlds_items.read_stages() if m.endswith("s5")]
    assert not [m.model for m in planned() if m.model.endswith("s5")]
    assert planned("knowledge-s5 gated-s5") == []
    assert list(worlds_items.worlds()) == ["s1", "s2", "s3", "s4"]


def test_the_checked_column_of_answers_is_there(monkeypatch):
    """The same is true of the other readouts, which need a model's logits to show it."""
    rows = worlds_items.answer_items(1).head(3)
    monkeypatch.setattr(worlds_read, "generate", lambda lm, texts, most: ["yes"] * len(texts))
    found = worlds_read.answers(SimpleNamespace(chat=str), rows)
    assert list(found["answer"]) == ["yes"] * 3
    assert next(m for m in planned() if m.name == "answers").checked in found


def test_sides_ask_every_stance_and_norm_with_about_as_many_true_firsts_as_seconds():
    stances, verdicts = _sides("parties"), _sides("norms")
    assert (len(stances), len(verdicts)) == (24 * 2 * 2, 24 * 8)
    assert stances["truth"].mean() == 0.5
    issues = items.load("parties", "issues").set_index("issue")
    for row in stances.itertuples():
        asked = "first" if issues.loc[row.unit, "first_read"] in row.text else "second"
        cedar = (issues.loc[row.unit, "first_held_by"] == "first_party") == (asked == "first")
        assert {1.0: row.first_name, 0.0: row.second_name}[row.truth] == (" Raven", " Cedar")[cedar]
    known = items.load("guild_norms", "verdicts").set_index(["norm", "guild"])["verdict"]
    names = items.load("guild_norms", "guilds").set_index("guild")["name"]
    guild_of = {" " + name.split()[1]: guild for guild, name in names.items()}
    for row in verdicts.itertuples():
        one, other = guild_of[row.first_name], guild_of[row.second_name]
        assert row.text.index(names[one]) < row.text.index(names[other])
        apart = known[row.unit, one] - known[row.unit, other]
        assert abs(apart) >= 2
        assert row.truth == float(apart > 0)
    assert 0.4 < verdicts["truth"].mean() < 0.6
