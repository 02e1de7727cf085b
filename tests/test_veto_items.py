"""Section 01's prompts: who is asked, in which form and language, and what it costs."""

import pytest

from valuegate import config, survey_forms, veto_items, worlds_items


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
    planned = veto_items.plan(run)
    names = {"slots", "forms", "native", "answers", "edits", "mended"}
    assert {m.name for m in planned} == names
    asked = {*veto_items.stages(run), *veto_items.stages(run, "persona_stages")}
    assert {m.model for m in planned if m.name == "slots"} == asked
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
