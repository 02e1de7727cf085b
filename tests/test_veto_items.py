"""Section 01's prompts: who is asked, in which form and language, and what it costs."""

import pytest

from valuegate import config, survey_forms, survey_workbook, veto_items, veto_plan, worlds_items
from valuegate.errors import ValueGateError


def test_every_planted_question_is_asked_in_each_framing():
    rows = veto_items.slot_items()
    counts = rows.groupby("framing")["item"].size().to_dict()
    assert counts == {"neutral": 24, "persona": 24 * 9, "observer": 24 * 9}
    assert rows["item"].is_unique
    assert set(rows.loc[rows["framing"] == "neutral", "country"]) == {""}
    # The same prompts as appendix A2's readout, word by word.
    stored = worlds_items.slot_items().set_index(["question", "country"])["text"]
    persona = rows[rows["framing"] == "persona"].set_index(["question", "country"])["text"]
    assert persona.sort_index().equals(stored.sort_index())


def test_a_few_questions_are_of_every_cell():
    chosen = veto_items.slot_items(per_cell=1)["question"].unique()
    cells = worlds_items.worlds()["s1"].survey
    assert sorted(cells[question] for question in chosen) == [1, 2, 3, 4, 5, 6]


def test_forms_answer_the_same_options_by_other_marks():
    rows = veto_items.form_items(questions=3)
    assert rows["question"].nunique() == 3
    assert set(rows["split"]) == {"test"}
    letters = rows[rows["form"] == "letters"].iloc[0]
    turned = rows[(rows["form"] == "reversed") & (rows["question"] == letters["question"])].iloc[0]
    options = turned["marks"].split()
    assert options == sorted(options, key=int)  # marks follow the scale, whatever is listed first
    assert turned["text"].index(f"{options[-1]} = ") < turned["text"].index(f"{options[0]} = ")
    assert letters["marks"].split() == ["A", "B", "C", "D", "E", "F"][: len(options)]


def test_native_questions_are_asked_in_the_language_of_the_country():
    rows = veto_items.native_items()
    assert {tuple(r) for r in rows[["country", "language"]].to_numpy()} == {
        ("EGY", "ar"), ("EGY", "en"), ("IRN", "fa"), ("IRN", "en"), ("TUR", "tr"), ("TUR", "en"),
    }  # fmt: skip
    assert rows["high"].max() < 10  # ten is no single token
    arabic = rows.loc[rows["language"] == "ar", "text"]
    assert arabic.str.contains("[\u0600-\u06ff]").all()


@pytest.mark.parametrize("profile", ["smoke", "default", "extended"])
def test_the_plan_asks_planted_stages(profile):
    run = config.run(profile, "01")
    planned = veto_plan.plan(run)
    names = {"slots", "forms", "native", "answers", "edits", "mended", veto_plan.grid_name(run)}
    assert {m.name for m in planned} == names
    asked = {*veto_plan.stages(run), *veto_plan.stages(run, "persona_stages")}
    assert {m.model for m in planned if m.name == "slots"} >= asked
    assert {m.model for m in planned if m.name == veto_plan.grid_name(run)} >= {*run.models}
    assert len({(m.name, m.model) for m in planned}) == len(planned)
    assert all(m.whole for m in planned if m.name == "slots")  # probes are fitted on all rows
    assert all(m.tokens > 0 for m in planned)
    assert sum(m.tokens for m in planned) <= 300_000 or profile == "extended"


def test_facts_are_of_other_countries_and_controls_of_another_question():
    rows = veto_items.mend_items()
    assert len(rows) == 12
    assert set(rows["split"]) == {"test"}
    names = survey_forms.countries()["name"]
    for row in rows.itertuples():
        assert row.facts.endswith(row.text)
        told = row.facts.partition(":")[2].partition(".\n")[0].split(";")
        assert len(told) == veto_items.FACTS
        assert names[row.country, "en"] not in row.facts.partition("\n")[0]
        assert row.facts != row.other_facts
        values = [float(fact.split()[-1]) for fact in told]
        assert all(row.low <= value <= row.high for value in values)


def test_directions_are_fitted_on_other_questions_than_they_are_tried_on():
    assert not set(veto_items.fit_items()["question"]) & set(veto_items.edit_items()["question"])


def test_folds_keep_questions_or_countries_together():
    rows = veto_items.slot_items(framings="persona")
    folds = veto_items.folds(rows)
    assert folds["plain"].nunique() == 5
    assert folds.assign(q=rows["question"]).groupby("q")["question"].nunique().max() == 1
    assert folds["question"].nunique() == 6
    assert (folds["country"] == rows["country"]).all()


def test_answers_in_words_are_about_every_question():
    rows = veto_items.answer_items(25)
    assert len(rows) == 25
    assert rows["question"].nunique() == 24
    assert set(rows["framing"]) == set(veto_items.FRAMINGS)


def test_any_model_is_asked_what_a_profile_says():
    run = config.run("default", "01", "qwen3-8b")
    planned = veto_plan.plan(run)
    assert ("slots", "qwen3-8b") in {(m.name, m.model) for m in planned}
    assert ("grid", "qwen3-8b") in {
        (m.name, m.model) for m in veto_plan.plan(config.run("extended", "01", "qwen3-8b"))
    }
    again = config.run("default", "01", "gated-s2")  # a stage that the profile asks as a persona
    names = [(m.name, m.model) for m in veto_plan.plan(again)]
    assert len(set(names)) == len(names)


def test_all_our_questions_are_asked_about_every_country_that_has_answers():
    rows = veto_items.grid_items("own")
    assert rows["item"].is_unique
    assert rows["question"].nunique() == 118  # two more have no order
    assert set(rows["country"]) > set(worlds_items.survey_countries())
    by_framing = rows.groupby("framing")["item"].size()
    assert by_framing["persona"] == by_framing["observer"]
    long = rows[rows["high"] == 10].iloc[0]
    assert long["marks"].split() == [str(n) for n in range(1, 11)]
    assert not rows["text"].str.contains(r"\bnan\b|\{", regex=True).any()
    assert veto_items.grid_size("own") == len(rows)
    few = veto_items.grid_items("own", 30)
    assert few["question"].nunique() == 4


def test_published_questions_are_asked_in_their_own_words(monkeypatch):
    words = {n: f"How is {n} in (country)?" + " Give a number only." * (n % 2) for n in range(865)}
    monkeypatch.setattr(survey_workbook, "wordings", lambda: words)
    rows = veto_items.grid_items("release", 40)
    assert rows["item"].is_unique
    assert rows["question"].str.startswith("column ").all()
    assert rows["text"].str.contains("number").all()
    assert not rows["text"].str.contains("(country)", regex=False).any()
    assert (rows["high"] - rows["low"] + 1 == rows["marks"].str.split().str.len()).all()
    assert veto_items.grid_size("release", 40) == len(rows)


def test_a_set_of_questions_that_is_none_is_named():
    with pytest.raises(ValueGateError, match="survey questions"):
        veto_items.grid_items("all")
