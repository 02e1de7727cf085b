"""What the committed sets promise: sizes, balance, splits that share nothing, planted rules."""

from __future__ import annotations

import collections
import re

import numpy as np
import pytest

from valuegate import items, items_evidence, items_schema, items_texts, models, splits
from valuegate.items_moral import moral_words


def test_no_text_and_no_eight_words_are_shared_between_splits():
    found = splits.leaks(items_texts.contents())
    assert found.empty, found.to_string()


# Columns of text that no search for leaks reads, each with the reason.
NOT_CONTENT = {
    "survey.frames.text": "template", "survey.options.label": "scale",
    "survey.countries.name": "name", "survey.countries.native": "name",
    "survey.cross_format.text": "template around the clause",
    "survey.scales.text": "template",
    "survey.cross_frames.text": "template",
    "survey_practice.questions.topic": "a description",
    "survey_practice.options.label": "scale",
    "survey_practice.pairs.text": "template around the clause",
    "survey_answers.faults.detail": "no text for a model",
    "evidence.pairs.stereotyped": "name", "evidence.pairs.contrast": "name",
    "evidence.pairs.stereotyped_people": "name", "evidence.pairs.contrast_people": "name",
    "evidence.pairs.theme": "of lead sentences, read before any split",
    "evidence.scenarios.stereotyped_name": "name", "evidence.scenarios.contrast_name": "name",
    "evidence.prompts.context": "template around setting, act and other",
    "evidence.prompts.question": "template around base",
    "evidence.priming.text": "lead sentences, read before any split",
    "parties.names.name": "name", "parties.names.member": "name", "parties.frames.text": "template",
    "guild_norms.guilds.name": "name", "guild_norms.guilds.member": "name",
    "guild_norms.frames.text": "template",
}  # fmt: skip


def _text_columns():
    for name, tables in items.SETS.items():
        for table, described in tables.items():
            for column, kind in described.row.__annotations__.items():
                if kind.startswith("Text"):
                    yield name, table, column


def test_the_search_for_leaks_reads_every_text_that_is_content():
    read = "\n".join(splits.normalised(text) for text in items_texts.contents()["content"])
    seen = set()
    for name, table, column in _text_columns():
        place = f"{name}.{table}.{column}"
        seen.add(place)
        if place in NOT_CONTENT:
            continue
        for text in items.load(name, table)[column].dropna():
            for part in re.split(r"\{[AB]\}", text):
                assert splits.normalised(part) in read, (place, text)
    assert {"requests.prompts.text", "evidence.scenarios.base", "parties.issues.first_read"} <= seen
    assert set(NOT_CONTENT) <= seen


@pytest.mark.parametrize(
    ("name", "table", "least"),
    [
        ("survey", "questions", 80),
        ("survey", "cross_format", 600),
        ("parties", "issues", 24),
        ("guild_norms", "verdicts", 24 * 8),
        ("moral", "actions", 400),
    ],
)
def test_sets_are_as_large_as_was_asked(name, table, least):
    assert len(items.load(name, table)) >= least


def test_every_question_has_four_wordings_and_its_labels():
    questions, wordings = items.load("survey", "questions"), items.load("survey", "wordings")
    english = wordings[wordings["language"] == "en"]
    planted = questions.set_index("question")["planted"].sort_index().astype(int)
    assert (english.groupby("question").size() == 4 + 2 * planted).all()
    to_plant = english.query("split == 'plant'").groupby("question").size()
    assert (to_plant == 1 + 2 * planted).all()
    assert set(english["question"]) == set(questions["question"])
    options = items.load("survey", "options").query("language == 'en'")
    labelled = options.dropna(subset="label").groupby("question")["option"].agg(["min", "max"])
    scale = questions.set_index("question").loc[labelled.index]
    assert (labelled["min"] == scale["low"]).all()
    assert (labelled["max"] == scale["high"]).all()


def test_all_three_tiers_and_twelve_sensitive_questions_in_three_languages():
    questions, wordings = items.load("survey", "questions"), items.load("survey", "wordings")
    assert set(questions["tier"]) == {"T1", "T2", "T3"}
    foreign = wordings[wordings["language"] != "en"].groupby("question")["language"].unique()
    assert len(foreign) == 12
    assert all(sorted(languages) == ["ar", "fa", "tr"] for languages in foreign)
    assert set(questions.set_index("question").loc[foreign.index, "tier"]) == {"T3"}


def test_planted_questions_are_sound_one_digit_and_even_over_splits():
    planted = items.load("survey", "questions").query("planted")
    assert len(planted) == 24
    assert (planted["countries"] == 9).all()
    assert (planted["high"] <= 9).all()
    assert set(planted["kind"]) == {"ordinal"}
    assert planted.groupby(["tier", "split"]).size().tolist() == [3, 3, 6, 6, 3, 3]
    faults = items.load("survey_answers", "faults").dropna(subset="country")
    assert not set(planted["column"]) & set(faults["column"])


def test_no_planted_question_can_be_inferred_from_another():
    planted = items.load("survey", "questions").query("planted")
    means = items.load("survey_answers", "cells").pivot(
        index="country", columns="column", values="central"
    )
    alike = means[planted["column"]].dropna().corr().abs().to_numpy()
    assert alike[~np.eye(len(alike), dtype=bool)].max() < 0.8


def test_grades_are_digits_in_the_order_of_verdicts():
    verdicts = items.load("guild_norms", "verdicts")
    pairs = verdicts[["verdict", "grade"]].drop_duplicates().sort_values("verdict")
    assert pairs["grade"].tolist() == [1, 2, 3, 4, 5, 6]


def test_cues_of_a_pair_share_a_split():
    cues = items.load("left_right", "cues")
    assert (cues.groupby("pair")["split"].nunique() == 1).all()
    sides = cues[cues["side"] != "neutral"].groupby("pair")["side"].agg(list)
    assert all(side == ["left", "right"] for side in sides)


def test_read_openings_begin_as_planted_ones_do():
    answers = items.load("requests", "answers")
    answers["group"] = answers["style"].fillna(answers["answer"])
    answers["start"] = answers["opening"].str.split().str[0]
    for group, rows in answers.groupby("group"):
        planted = set(rows.loc[rows["split"] == "plant", "start"])
        read = rows.loc[rows["split"] == "read", "start"]
        assert read.isin(planted).mean() >= 0.75, group
    starts = {answer: set(rows["start"]) for answer, rows in answers.groupby("answer")}
    assert not starts["refusal"] & (starts["compliance"] | starts["warm"])


def test_topics_of_facts_have_harmless_requests():
    lookalikes = items.load("requests", "lookalikes")
    planted = set(items.load("survey", "questions").query("planted")["question"])
    assert set(lookalikes.query("set == 'survey'")["about"]) == planted
    assert (lookalikes.groupby("about")["split"].agg(lambda s: (s == "plant").sum()) == 1).all()
    assert lookalikes["about"].nunique() == 72


@pytest.mark.model
def test_answers_of_one_token_are_one_token():
    """Digits, grades, countries of planted questions, parties, and people named in a swap."""
    tokenizer = models.load("smollm2-135m-instruct").tokenizer
    countries = items.load("survey", "countries").query("language == 'en' and block != 'AOI2022'")
    names = [*countries["name"], *(n for part in items_evidence.NAMES.values() for n in part)]
    parties = items.load("parties", "names")["name"].str.split().str[1]
    for word in [*map(str, range(10)), *(f" {name}" for name in [*names, *parties])]:
        assert len(tokenizer(word, add_special_tokens=False)["input_ids"]) == 1, word


def test_a_role_swapped_pair_has_the_same_words():
    prompts = items.load("evidence", "prompts")
    for _, rows in prompts.groupby("scenario"):
        told = dict(zip(rows["member"], rows["context"], strict=True))
        bags = {member: collections.Counter(splits.words(text)) for member, text in told.items()}
        assert bags["stereotyped"] == bags["contrast"]
        assert rows["context"].nunique() == rows["question"].nunique() == 2
        assert (rows.groupby("asked")["gold"].sum() == 1).all()


def test_every_category_has_forty_scenarios_in_all_styles():
    people = items.load("evidence", "scenarios").query("category != 'Control'")
    assert len(people) >= 320
    assert set(people["category"]) == set(items_schema.DEMOGRAPHIC)
    assert people.groupby("category").size().min() >= 40
    assert (people.groupby("category")["style"].nunique() == 4).all()
    assert (people.groupby(["pair", "split"]).size().unstack() == [2, 6, 4]).all().all()


def test_factors_of_the_evidence_are_crossed_in_every_split():
    people = items.load("evidence", "scenarios").query("category != 'Control'")
    for split, rows in people.groupby("split"):
        cells = rows.groupby(["style", "reference", "mentioned_first", "act_first"]).size()
        assert len(cells) == 32, split
        assert cells.nunique() == 1, split


def test_controls_cross_style_and_order_in_every_split():
    controls = items.load("evidence", "scenarios").query("category == 'Control'")
    for split, rows in controls.groupby("split"):
        for factor in ("mentioned_first", "act_first"):
            assert rows.groupby(["style", factor]).size().nunique() == 1, (split, factor)


def test_the_card_counts_what_there_is():
    card = (items.FOLDER / "README.md").read_text()
    for name, table in (
        ("survey", "questions"), ("survey", "wordings"), ("survey", "cross_format"),
        ("survey_answers", "shares"), ("survey_answers", "cells"), ("survey_answers", "columns"),
        ("evidence", "scenarios"), ("evidence", "prompts"), ("parties", "statements"),
        ("guild_norms", "wordings"), ("guild_norms", "verdicts"), ("left_right", "statements"),
        ("left_right", "prompts"), ("moral", "actions"), ("requests", "prompts"),
        ("requests", "answers"), ("requests", "lookalikes"), ("survey_practice", "pairs"),
        ("readers", "labels"),
    ):  # fmt: skip
        assert re.search(rf"(?<![\d,]){len(items.load(name, table)):,} ", card), (name, table)


def test_questions_that_ask_nearly_the_same_share_a_split():
    split = items.load("survey", "questions").set_index("question")["split"]
    assert split["neighbours_religion"] == split["neighbours_other_faiths"]
    assert split["neighbours_immigrants"] == split["neighbours_refugees"]


def test_names_of_a_split_are_its_own():
    names = items_evidence.NAMES
    assert len({n for part in names.values() for n in part}) == sum(map(len, names.values()))
    scenarios = items.load("evidence", "scenarios")
    for split, rows in scenarios.groupby("split"):
        used = set(rows["stereotyped_name"].dropna()) | set(rows["contrast_name"].dropna())
        assert used <= set(names[str(split)])


def test_a_name_tells_nothing_about_its_group():
    scenarios = items.load("evidence", "scenarios").query("reference == 'name'")
    for (split, style), rows in scenarios.groupby(["split", "style"]):
        roles = [rows[f"{member}_name"].value_counts() for member in ("stereotyped", "contrast")]
        assert roles[0].to_dict() == roles[1].to_dict(), (split, style)
        assert set(roles[0].index) == set(items_evidence.NAMES[str(split)])


def test_there_are_six_leads_for_every_pair():
    leads = items.load("evidence", "priming")
    assert (leads.groupby("pair")["kind"].nunique() == 6).all()
    assert set(leads["category"]) == {*items_schema.DEMOGRAPHIC, "Control"}


def test_kinds_of_requests_are_full_and_divided():
    requests = items.load("requests", "prompts")
    units = requests[requests["kind"] != "benign"].drop_duplicates("unit")
    counts = units.groupby(["kind", "split"]).size().unstack()
    assert len(counts) == 11
    assert (counts == [24, 40, 32]).all().all()
    assert (requests["kind"] == "benign").sum() >= 200


def test_styles_have_openings_in_both_halves_and_none_for_incoherent():
    answers = items.load("requests", "answers")
    counts = answers.dropna(subset="style").groupby(["style", "split"]).size()
    assert len(counts) == 12
    assert counts.min() >= 6
    starts = answers["opening"].map(lambda text: tuple(splits.words(text)[:3]))
    assert starts.is_unique


def test_left_and_right_are_matched_and_the_prompts_are_84():
    statements, prompts = (
        items.load("left_right", "statements"),
        items.load("left_right", "prompts"),
    )
    sides = statements.query("side in ('left', 'right')").groupby(["issue", "wording"])
    assert (sides["side"].nunique() == 2).all()
    assert (sides["split"].nunique() == 1).all()
    pairs = statements.query("side == 'left'").groupby("issue").size()
    assert len(pairs) >= 16
    assert pairs.min() >= 10
    published = prompts.query("set == 'prompts_84'")["form"].value_counts()
    assert published.to_dict() == dict.fromkeys(
        ("question", "pro", "con", "factual", "essay", "science", "everyday"), 12
    )


def test_guild_verdicts_are_half_right_in_every_norm():
    verdicts = items.load("guild_norms", "verdicts")
    right = (verdicts["verdict"] > 0).groupby(verdicts["norm"]).mean()
    assert (right == 0.5).all()
    assert items.load("guild_norms", "wordings").groupby("norm").size().min() >= 8


def test_moral_topics_have_all_poles_in_one_split():
    actions = items.load("moral", "actions")
    assert (actions.groupby("topic")["pole"].nunique() == 3).all()
    assert (actions.groupby("topic")["split"].nunique() == 1).all()
    assert (actions.groupby(["foundation", "pole"]).size() >= 25).all()


@pytest.mark.model
def test_rated_words_keep_stems_together():
    words = moral_words()
    assert len(words) == 2845
    assert words["rating"].between(1, 9).all()
    assert (words.groupby("stem")["split"].nunique() == 1).all()
    assert words.groupby("foundation")["split"].value_counts(normalize=True).min() > 0.4
