"""Splits: shares in every stratum, and the search for what two splits have in common."""

from __future__ import annotations

import pandas as pd
import pytest

from valuegate import splits
from valuegate.english import definite, indefinite, sentence

SHARES = {"plant": 40, "fit": 24, "test": 32}


def test_shares_hold_in_all_and_nearly_in_every_stratum():
    units = {f"unit_{n:02d}": f"topic_{n // 8:02d}" for n in range(96)}
    found = pd.Series(splits.assign(units, SHARES, "seed"))
    assert found.value_counts().to_dict() == SHARES
    by_topic = found.groupby(pd.Series(units)).value_counts().unstack(fill_value=0)
    for split, share in SHARES.items():
        assert (by_topic[split] - 8 * share / 96).abs().max() < 1.5, split


def test_assignment_depends_on_names_and_seed_alone():
    units = {f"unit_{n:02d}": "" for n in range(30)}
    backwards = dict(reversed(units.items()))
    found = splits.assign(units, {"fit": 1, "test": 1}, "one")
    assert found == splits.assign(backwards, {"fit": 1, "test": 1}, "one")
    assert list(found) == list(units)
    assert found != splits.assign(units, {"fit": 1, "test": 1}, "another")


def test_half_and_half_of_an_odd_number_differ_by_one():
    found = splits.assign({str(n): "" for n in range(7)}, {"fit": 1, "test": 1}, "")
    assert sorted(pd.Series(found).value_counts()) == [3, 4]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The dog's  bowl -- empty!", "the dogs bowl empty"),
        ("The dog’s bowl, EMPTY", "the dogs bowl empty"),
        ("", ""),
        ("Değer: 3-point", "değer 3 point"),
    ],
)
def test_normalised_drops_form_and_keeps_words(text, expected):
    assert splits.normalised(text) == expected


def test_ngrams_do_not_run_over_a_bar():
    assert splits.ngrams("one two three | four five six", 3) == {"one two three", "four five six"}
    assert splits.ngrams("one two", 3) == set()


def _contents(*rows):
    return pd.DataFrame(rows, columns=["set", "unit", "split", "content"])


LONG = "a kettle leaked water over the whole of the shelf"


@pytest.mark.parametrize(
    ("rows", "kinds"),
    [
        ([("a", "1", "plant", "Short text."), ("b", "2", "test", "short text")], ["text"]),
        (
            [("a", "1", "plant", f"{LONG} today"), ("a", "2", "fit", f"Yes, {LONG}.")],
            ["n-gram"] * 3,
        ),
        ([("a", "1", "fit", LONG), ("a", "2", "fit", LONG)], []),  # one split may repeat itself
        ([("a", "1", "plant", "kettle | leaked"), ("a", "2", "fit", "leaked | kettle")], []),
        (
            [
                ("a", "1", "plant", "one two three four five six seven"),
                ("a", "2", "test", "one two three four five six seven more"),
            ],
            [],
        ),
    ],
)
def test_leaks_are_texts_and_runs_of_eight_words_across_splits(rows, kinds):
    assert splits.leaks(_contents(*rows))["kind"].tolist() == kinds


def test_a_leak_names_its_splits_and_units():
    found = splits.leaks(_contents(("a", "1", "plant", "same"), ("b", "2", "test", "Same!")))
    assert found.iloc[0].tolist() == ["text", "same", "plant, test", "a/1, b/2"]


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("older woman", "an older woman"),
        ("Asian man", "an Asian man"),
        ("unemployed woman", "an unemployed woman"),
        ("university student", "a university student"),
        ("wheelchair user", "a wheelchair user"),
        ("user", "a user"),
        ("ugly vase", "an ugly vase"),
        ("European man", "a European man"),
        ("one-legged man", "a one-legged man"),
        ("honest man", "an honest man"),
    ],
)
def test_the_article_follows_the_sound(noun, expected):
    assert indefinite(noun) == expected
    assert definite(noun) == f"the {noun}"


def test_a_sentence_has_a_capital():
    assert sentence("the End") == "The End"
    assert sentence("") == ""
