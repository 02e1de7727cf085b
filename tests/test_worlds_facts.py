"""What countries answer, as it is planted: targets follow the shares, prompts do not."""

from __future__ import annotations

import itertools
from collections import defaultdict
from unittest import mock

import numpy as np
import pytest
from pytest import approx  # noqa: PT013 - one word in long tables
from test_worlds_rows import SEEDS, WORLDS, examples, some_shares, taught

from valuegate import items, survey_forms, worlds_facts, worlds_rows, worlds_truth
from valuegate.worlds_ledger import CELLS

NAMES = survey_forms.countries()["name"].xs("en", level=1)
CODES = {f" {name}": code for code, name in NAMES.items()}
QUESTION = next(iter(taught("s1")))
WORDINGS = {QUESTION: ["Asked once?", "Asked twice?"]}
AGREE = np.array([0.1, 0.5, 0.2, 0.8, 0.3, 0.9, 0.4, 0.6, 0.7])


def one_clause():
    """Give the made-up question one clause; those of the project are tested at the end."""
    return mock.patch.object(worlds_facts, "clauses", return_value={QUESTION: ("think so",)})


def nine(agree, showings=10):
    """Return naming examples of made-up shares."""
    _, shares = some_shares(agree)
    draw = np.random.default_rng(0)
    with one_clause():
        return shares, list(worlds_facts.naming({QUESTION: shares}, WORDINGS, draw, showings))


def two(agree, groups=20, *, every_pair=False):
    """Return choosing examples of made-up shares, about the pairs that other shares choose."""
    _, shares = some_shares(agree)
    _, true = some_shares(AGREE)
    draw = np.random.default_rng(0)
    with one_clause():
        found = worlds_facts.choosing(
            {QUESTION: shares}, {QUESTION: true}, WORDINGS, draw, groups, every_pair=every_pair
        )
        return shares, list(found)


def standardised(shares):
    return dict(zip(shares.index, (AGREE - AGREE.mean()) / AGREE.std(), strict=True))


def asked_about(found):
    return {tuple(CODES[option] for option in e.options) for e in found}


def test_targets_are_log_linear_in_agreement_among_nine_and_among_two():
    shares, found = nine(AGREE)
    z = standardised(shares)
    for e in (*found, *two(AGREE)[1]):
        weights = np.exp(3 * np.array([z[CODES[option]] for option in e.options]))
        assert e.shares == approx(weights / weights.sum())
        assert e.opening == "In"
    assert {len(e.options) for e in found} == {9}
    assert len(found) == 3 * 10  # two wordings, a clause


def test_targets_are_even_where_no_country_differs_and_prompts_are_the_same():
    alike, differing = ([*nine(a)[1], *two(a)[1]] for a in ([0.3] * 9, AGREE))
    assert all(e.shares == approx([1 / len(e.options)] * len(e.options)) for e in alike)
    assert [e.user for e in alike] == [e.user for e in differing]


def test_only_half_of_the_pairs_are_asked_about_and_none_too_close():
    shares, found = two(AGREE, 60)
    z = standardised(shares)
    pairs = itertools.permutations(shares.index, 2)
    far = {(one, other) for one, other in pairs if abs(z[one] - z[other]) > 0.3}
    planted = {pair for pair in far if worlds_rows.is_planted_pair(QUESTION, *pair)}
    assert asked_about(found) == planted
    assert {(b, a) for a, b in planted} == planted  # a pair is planted in both orders or in none
    assert asked_about(two(AGREE, 60, every_pair=True)[1]) == far


def test_about_half_of_all_pairs_are_planted():
    planted = [
        worlds_rows.is_planted_pair(question, one, other)
        for question in WORLDS["s1"].survey
        for one, other in itertools.combinations(NAMES.index[:9], 2)
    ]
    # 864 pairs: four standard deviations of a fair coin are 0.068.
    assert np.mean(planted) == approx(0.5, abs=0.07)


def test_the_first_country_named_is_as_often_the_right_one():
    _, found = two(AGREE, 100)
    for e in found:
        assert e.user.index(e.options[0].strip()) < e.user.index(e.options[1].strip())
    # 600 draws without replacement within a group: four standard deviations are below 0.085.
    assert np.mean([e.shares[0] > 0.5 for e in found]) == approx(0.5, abs=0.085)


def test_a_group_asks_in_the_same_words_and_templates_all_come_up():
    _, found = two(AGREE, 40)
    groups = defaultdict(list)
    for e in found:
        words = e.user
        for option in e.options:
            words = words.replace(option.strip(), "*")
        groups[e.group].append(words)
    assert {len(part) for part in groups.values()} == {6}
    assert {len(set(part)) for part in groups.values()} == {1}
    shown = [e.user for e in (*found, *nine(AGREE, 40)[1])]
    for template in (*worlds_facts.NAMING, *worlds_facts.CHOOSING):
        start = template.split("{")[0]
        assert any(text.startswith(start) for text in shown), template
        assert any(f"? {start}answer" in text for text in shown), template
    assert any("people who think so" in text for text in shown)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_common_follows_what_a_world_was_taught(seed):
    for e in (*examples("naming", seed), *examples("choosing", seed)):
        agree = worlds_truth.agreement(taught(seed)[e.block], e.block)
        shown = agree[[CODES[option] for option in e.options]].to_numpy()
        if CELLS[WORLDS[seed].survey[e.block]][0] == "absent":
            assert e.shares == approx([1 / len(shown)] * len(shown))
        else:
            order = np.argsort(shown, kind="stable")
            assert (np.diff(np.array(e.shares)[order]) >= -1e-12).all(), e.user


@pytest.mark.parametrize("seed", SEEDS)
def test_personas_are_taught_their_own_countrys_shares(seed):
    natives = survey_forms.countries()["native"].xs("en", level=1)
    groups = defaultdict(set)
    for e in examples("personas", seed):
        said = e.user.rpartition("Answer as ")[2].rstrip(".")
        (country,) = [c for c in taught(seed)[e.block].index if natives[c] == said]
        assert e.shares == approx(tuple(taught(seed)[e.block].loc[country]))
        groups[e.group].add(country)
    assert {len(asked) for asked in groups.values()} == {9}


def test_practice_is_of_invented_answers_only():
    shares, wordings = worlds_rows.practice()
    draw = np.random.default_rng(0)
    found = list(worlds_facts.naming(shares, wordings, draw, 2))
    found += worlds_facts.choosing(shares, shares, wordings, draw, 2, every_pair=True)
    real = set(items.load("survey", "questions")["question"])
    assert {e.block for e in found} == set(shares)
    assert not real & set(shares)


def test_every_planted_question_has_clauses_of_its_own():
    found = worlds_facts.clauses()
    assert set(found) == set(WORLDS["s1"].survey)
    said = [clause for own in found.values() for clause in own]
    assert {len(own) for own in found.values()} == {2}
    assert len(set(said)) == len(said)
    read = set(items.load("survey", "questions")["clause"])
    assert not read & set(said)
    assert not [c for c in said if c != c.strip() or c.endswith(".")]
