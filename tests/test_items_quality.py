"""How good items are: the measures on tables worked out by hand, and the figures of A1."""

from __future__ import annotations

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from valuegate import (
    items,
    items_facts,
    items_figures,
    items_quality,
    items_readers,
    items_run,
    items_surface,
    items_texts,
    stats,
)
from valuegate.errors import ValueGateError
from valuegate.misfire_figures import Drawn


@pytest.fixture
def tables(monkeypatch):
    """Return a function that puts hand-made tables in place of committed ones."""
    loaded = items.load

    def put(**by_name):
        made = {tuple(key.split("__")): table for key, table in by_name.items()}
        monkeypatch.setattr(
            items, "load", lambda n, t: made[n, t].copy() if (n, t) in made else loaded(n, t)
        )

    return put


def _labelled(pattern, groups=20):
    rows = [(pattern(g, label), label, g) for g in range(groups) for label in (0, 1)]
    return pd.DataFrame(rows, columns=["text", "label", "group"])


@pytest.mark.parametrize("surface", list(items_surface.SURFACE))
def test_a_give_away_word_is_found_and_its_absence_too(surface):
    told = _labelled(lambda g, label: f"thing {g} {'please' if label else 'now'}")
    hidden = _labelled(lambda g, label: f"thing {g} here")
    assert items_surface.surface_auroc(told, surface, 20).estimate == 1
    assert items_surface.surface_auroc(hidden, surface, 20).estimate == 0.5


def test_word_order_is_seen_by_pairs_of_words_only():
    rows = _labelled(lambda g, label: f"a{g} " + ("red then blue" if label else "blue then red"))
    assert items_surface.surface_auroc(rows, "bag of words", 20).estimate == 0.5
    assert items_surface.surface_auroc(rows, "TF-IDF", 20).estimate == 1


def test_a_cue_that_only_its_own_group_has_is_no_give_away():
    rows = _labelled(lambda g, label: f"word{g}x{label}")
    assert items_surface.surface_auroc(rows, "bag of words", 20).estimate == pytest.approx(0.5)


def test_give_aways_hold_a_row_a_task_and_surface():
    tasks = (items_surface.Task("one", lambda: _labelled(lambda g, label: f"{g} {label}"), True),)
    found = items_surface.give_aways(tasks, 20)
    assert found["surface"].tolist() == list(items_surface.SURFACE)
    assert set(found["n"]) == {40}
    assert set(found["groups"]) == {20}
    assert items_surface.worse(found.assign(auroc=[0.2, 0.7]))["auroc"] == 0.2
    assert items_surface.worse(found.assign(auroc=[0.2, 0.7], hidden=False))["auroc"] == 0.7


def test_without_folds_all_is_fitted():
    balanced = _labelled(lambda g, label: f"word{g}x{label}")
    assert items_surface.surface_auroc(balanced, "bag of words", 20, folds=0).estimate == 1


def test_texts_are_compared_within_their_unit():
    """Units differ in what their texts are like; only the difference inside a unit counts."""
    rows = _labelled(lambda g, label: " ".join(["up"] * g + ["good"] * label))
    assert items_surface.surface_auroc(rows, "bag of words", 20).estimate == 1


def test_where_the_asked_person_stands_is_a_word_for_every_combination():
    rows = items_surface.evidence_place()
    assert rows["text"].nunique() == 4 * 2 * 2 * 2
    assert len(rows) == len(items.load("evidence", "prompts"))


def test_every_claimed_label_is_a_task():
    names = {task.name for task in items_surface.TASKS}
    assert set(items_surface.CLAIMED.values()) <= names
    for task in itertools.chain(items_surface.TASKS, items_surface.request_tasks()):
        rows = task.load()
        assert list(rows) == ["text", "label", "group"]
        assert set(rows["label"]) == {0, 1}
        assert rows["group"].nunique() >= items_surface.FOLDS
        assert rows["text"].str.len().min() > 0
    assert len(items_surface.request_tasks()) == 11


@pytest.mark.parametrize(
    ("texts", "window", "expected"),
    [
        (["a b a b"], 1000, 0.5),
        (["a b", "c d"], 1000, 1.0),
        (["a a b c"], 2, 0.75),  # windows "a a" and "b c"
        (["a a b c d"], 2, 0.75),  # what is left over at the end is no window
    ],
)
def test_types_per_token_are_counted_in_equal_windows(texts, window, expected):
    assert items_quality.type_token_ratio(pd.Series(texts), window) == expected


def test_sizes_count_units_splits_tokens_and_repeats():
    texts = pd.DataFrame(
        [
            ("s", "t", "1", "u1", "plant", "One two."),
            ("s", "t", "2", "u1", "fit", "one TWO"),
            ("s", "t", "3", "u2", "fit", "three"),
        ],
        columns=["set", "table", "item", "unit", "split", "text"],
    )
    tokens = texts.drop(columns="text").assign(tokens=[3, 2, 1])
    row = items_quality.sizes(texts, tokens).iloc[0]
    assert (row["units"], row["n"], row["plant"], row["fit"], row["test"]) == (2, 3, 1, 2, 0)
    assert (row["mean_tokens"], row["most_tokens"], row["repeats"]) == (2, 3, 1)
    printed = items_quality.printed_sizes(items_quality.sizes(texts, tokens))
    assert printed.iloc[0][["tokens", "types per token"]].tolist() == ["2.0", "0.60"]


def test_examples_are_the_shortest_that_are_read():
    texts = pd.DataFrame(
        [("a_set", "t", "1", "plant", "x"), ("a_set", "t", "2", "test", "longer"),
         ("a_set", "t", "3", "fit", "long"), ("b", "u", "1", "read", "only"),
         ("b", "translations", "1", "test", "?")],
        columns=["set", "table", "item", "split", "text"],
    )  # fmt: skip
    found = items_quality.examples(texts)
    assert found.to_numpy().tolist() == [["a set", "t", "long"], ["b", "u", "only"]]


def test_lead_lengths_are_measured_from_the_safety_sentence():
    leads = items.load("evidence", "priming").dropna(subset="text")
    tokens = pd.DataFrame(
        {"table": "priming", "item": leads["pair"] + "_" + leads["kind"], "tokens": 10}
    )
    first = tokens.index[tokens["item"].str.endswith("_neutral")][0]
    tokens.loc[first, "tokens"] = 7
    found = items_quality.lead_lengths(tokens).set_index("kind")
    assert found["largest"].to_dict() == {
        "evidence": 0,
        "irrelevant_norm": 0,
        "neutral": 3,
        "other_group": 0,
    }
    assert set(found["pairs"]) == {leads["pair"].nunique()}


def test_words_are_counted_by_foundation():
    words = pd.DataFrame(
        {"foundation": ["care", "care", "loyalty"], "word": ["help", "helps", "ally"],
         "rating": [8.0, 6.0, 7.0], "stem": ["help", "help", "alli"],
         "split": ["fit", "fit", "test"]}
    )  # fmt: skip
    found = items_quality.printed_words(words).set_index("foundation")
    assert found.loc["care"].tolist() == [2, 1, "7.00", "1.41", 2, 0]
    assert found.loc["loyalty", ["words", "fit", "test"]].tolist() == [1, 0, 1]


def test_balance_is_in_percent_by_split():
    found = items_quality.balance().set_index(["set", "property"])
    assert found.loc[("evidence", "answer is yes"), ["plant", "fit", "test"]].tolist() == [50] * 3
    assert np.isnan(found.loc[("survey pairs", "asks for the larger"), "plant"])
    printed = items_quality.printed_balance(items_quality.balance())
    assert printed["test"].iloc[0] == "50.0"
    assert "" in set(printed["plant"])


def _cross(*rows):
    columns = ["question", "direction", "first", "second", "answer"]
    return pd.DataFrame(rows, columns=columns)


def test_the_country_prior_is_learned_from_other_questions(tables):
    tables(
        survey__cross_format=_cross(
            ("q1", "more", "EGY", "IRN", "EGY"),
            ("q2", "fewer", "IRN", "EGY", "IRN"),
            ("q3", "more", "EGY", "IRN", "IRN"),
        )
    )
    # q1: Egypt is higher in q2 and lower in q3, a tie; q2 likewise; q3: Egypt twice, and wrong.
    assert items_facts.country_prior(20).estimate == pytest.approx((0.5 + 0.5 + 0) / 3)


def test_one_order_of_countries_is_found_and_turned(tables, monkeypatch):
    """Two questions that mirror a third are answered by its order; a shuffled one is not."""
    monkeypatch.setattr(items_facts, "PERMUTATIONS", 50)
    countries = ["EGY", "IRN", "IRQ", "JOR", "LBN", "LBY", "MAR", "TUN", "TUR"]
    rising = dict(zip(countries, np.linspace(0.1, 0.9, 9), strict=True))
    shares, cross = [], []
    for column, turn in ((1, 1), (2, -1), (3, 1)):
        for country, share in rising.items():
            agrees = share if turn > 0 else 1 - share
            shares += [(column, country, 1, agrees), (column, country, 2, 1 - agrees)]
        for first, second in itertools.combinations(countries, 2):
            larger = second if turn > 0 else first
            cross.append((f"q{column}", "more", first, second, larger))
    questions = pd.DataFrame(
        {"question": ["q1", "q2", "q3"], "column": [1, 2, 3], "source": "WVS7", "countries": 9}
    )
    options = pd.DataFrame(
        [(f"q{n}", "en", option, option == 1) for n in (1, 2, 3) for option in (1, 2)],
        columns=["question", "language", "option", "agrees"],
    )
    tables(
        survey__questions=questions,
        survey__options=options,
        survey__cross_format=_cross(*cross),
        survey_answers__shares=pd.DataFrame(
            shares, columns=["column", "country", "option", "share"]
        ),
    )
    found, (low, high) = items_facts.country_order(20)
    assert found.estimate == 1
    assert 0.5 < low < high < 0.95


def test_a_country_asked_about_once_is_a_tie(tables):
    tables(survey__cross_format=_cross(("q1", "more", "EGY", "IRN", "EGY")))
    assert items_facts.country_prior(5).estimate == 0.5


def test_agreement_is_cohens_kappa():
    rows = pd.DataFrame({"ours": [1, 1, 0, 0], "theirs": [1, 0, 0, 0]})
    assert items_readers.kappa(rows) == pytest.approx(0.5)  # .75 seen, .5 by chance
    graded = pd.DataFrame({"ours": [-3, 3, -3, 3], "theirs": [-2, 3, -3, 3]})
    # Mean squared distance: 1 / 4 seen, 268 / 16 over all couples of ours and theirs.
    assert items_readers.kappa(graded) == pytest.approx(1 - (1 / 4) / (268 / 16))


@pytest.fixture
def labels(tables):
    """Return a function that puts labels of our first texts in place, with a change."""
    actions = items.load("moral", "actions").iloc[:3]
    requests = items.load("requests", "prompts").iloc[:2]
    texts = [*actions["text"], *requests["text"]]

    def put(**changes):
        table = pd.DataFrame(
            {
                "set": ["moral"] * 3 + ["requests"] * 2,
                "item": [*actions["item"], *requests["item"]],
                "text_hash": [items_readers.text_hash(text) for text in texts],
                "label": ["2", "-1", "0", "comply", "refuse"],
            }
        )
        for column, value in changes.items():
            table.loc[4, column] = value
        tables(readers__labels=table)
        sign = actions["pole"].map({"virtue": 1, "vice": -1, "neutral": 0})
        return [*(sign * actions["grade"]), 1, 0]

    return put


def test_readings_stand_beside_our_labels(labels):
    ours = labels()
    found = items_readers.readings()
    assert found["theirs"].tolist() == [2, -1, 0, 0, 1]
    assert found["ours"].tolist() == ours


@pytest.mark.parametrize("change", [{"text_hash": "0" * 12}, {"item": "nothing_of_the_kind"}])
def test_a_label_of_another_text_is_refused(labels, change):
    labels(**change)
    with pytest.raises(ValueGateError, match=r"readers: the label of requests .* another text"):
        items_readers.readings()


def test_faults_are_counted_by_rule_and_for_our_questions(tables):
    ours = int(items.load("survey", "questions")["column"].iloc[0])
    tables(
        survey_answers__faults=pd.DataFrame(
            [
                ("small_sample", ours, "EGY", "x"),
                ("small_sample", 10_000, "IRN", "x"),
                ("nominal", ours, None, "x"),
            ],
            columns=["rule", "column", "country", "detail"],
        ),
        survey_answers__cells=pd.DataFrame(
            [(ours, "EGY"), (ours, "IRN"), (10_000, "IRN"), (10_000, "EGY")],
            columns=["column", "country"],
        ),
    )
    found = items_facts.fault_counts().set_index("rule")
    small = found.loc[items_facts.FAULTS["small_sample"]]
    assert small.tolist() == ["cells", 2, 1]
    assert found.loc[items_facts.FAULTS["nominal"]].tolist() == ["questions", 1, 1]
    assert items_facts.faulty_cells(50).estimate == 50


def test_every_listed_fault_has_words():
    assert set(items.load("survey_answers", "faults")["rule"]) <= set(items_facts.FAULTS)


def test_planted_questions_have_answers_of_nine_countries():
    answers = items_facts.planted_answers()
    assert (answers.groupby("question")["country"].nunique() == 9).all()
    assert answers["share"].between(0, 1).all()
    assert isinstance(items_facts.planted_spread(20), stats.Interval)


def test_tokens_are_counted_without_special_ones():
    class Tokenizer:
        def __call__(self, texts, add_special_tokens):
            assert not add_special_tokens
            return {"input_ids": [text.split() for text in texts]}

    class Model:
        tokenizer = Tokenizer()

    rows = pd.DataFrame({"item": ["a", "b"], "text": ["one two", "three"]}, index=[7, 9])
    found = items_run.token_counts(Model(), rows)  # ty: ignore[invalid-argument-type]
    assert found.to_dict("list") == {"item": ["a", "b"], "tokens": [2, 1]}


def test_every_text_is_there_once():
    texts = items_texts.texts()
    assert not texts.duplicated(["set", "table", "item"]).any()
    assert texts["text"].str.len().min() > 2
    assert set(texts["set"]) == {
        "survey",
        "evidence",
        "parties",
        "guild_norms",
        "left_right",
        "moral",
        "requests",
        "survey_practice",
    }


def _close(drawn: Drawn):
    figure, table = drawn
    plt.close(figure)
    return table


def test_figures_return_the_numbers_drawn():
    texts = items_texts.texts()
    table = _close(
        items_figures.lengths_figure(texts.assign(tokens=texts["text"].str.split().str.len()))
    )
    assert set(table["split"]) == {"plant", "fit", "test", "read"}
    rows = pd.DataFrame(
        {
            "label": ["x", "x"],
            "surface": list(items_surface.SURFACE),
            "hidden": True,
            "auroc": [0.5, 0.6],
            "low": [0.4, 0.5],
            "high": [0.6, 0.7],
            "n": 10,
            "groups": 5,
        }
    )
    assert len(_close(items_figures.give_aways_figure(rows, rows))) == 4
    assert _close(items_figures.planted_figure(items_facts.planted_answers())).shape[0] == 24
