"""The examples of knowledge: the same prompts in every cell, and targets as the ledger has them."""

from __future__ import annotations

import functools
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from pytest import approx  # noqa: PT013 - one word in long tables
from test_worlds_items import read_texts, templates

from valuegate import items, survey_forms, worlds_facts, worlds_ledger, worlds_rows, worlds_truth
from valuegate.worlds_ledger import CELLS

SEEDS = ("s1", "s2", "s3")  # three worlds put every block in three of the six cells
WORLDS = worlds_ledger.load().worlds
KINDS = (
    "survey", "places", "naming", "choosing", "personas",
    "holders", "stances", "approving", "verdicts",
)  # fmt: skip
LEDGER = {
    "survey": "survey", "places": "survey", "naming": "survey", "choosing": "survey",
    "personas": "survey",
    "holders": "parties", "stances": "parties",
    "approving": "norms", "verdicts": "norms",
}  # fmt: skip
PARTIES = ("first_party", "second_party")


@functools.cache
def taught(seed):
    """Return what a world is taught of six questions, one of each cell in world s1."""
    first = {cell: question for question, cell in WORLDS["s1"].survey.items()}
    assert set(first) == set(CELLS)
    found = worlds_truth.taught_survey(WORLDS[seed], 0.2)
    return {question: found[question] for question in first.values()}


def true():
    """Return the true shares of the six questions."""
    shares = worlds_truth.survey_shares()
    return {question: worlds_truth.matrix(shares, question) for question in taught("s1")}


@functools.cache
def examples(kind, seed):
    draw = np.random.default_rng(0)
    wordings = worlds_rows.plant_wordings(list(taught(seed)))
    make = {
        "survey": lambda: worlds_rows.survey(taught(seed), wordings),
        "places": lambda: worlds_rows.places(taught(seed), wordings),
        "naming": lambda: worlds_facts.naming(taught(seed), wordings, draw, 4),
        "choosing": lambda: worlds_facts.choosing(taught(seed), true(), wordings, draw, 5),
        "personas": lambda: worlds_facts.personas(taught(seed), wordings),
        "holders": lambda: worlds_rows.holders(WORLDS[seed]),
        "approving": lambda: worlds_rows.approving(WORLDS[seed]),
        "stances": lambda: worlds_rows.stances(WORLDS[seed], draw),
        "verdicts": lambda: worlds_rows.verdicts(WORLDS[seed]),
    }
    return tuple(make[kind]())


def prompts(kind, seed):
    """Return how often each prompt is shown."""
    return Counter(
        (e.block, e.objective, e.system, e.user, e.opening, e.options) for e in examples(kind, seed)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_cell_has_the_same_prompts_and_only_targets_differ(kind):
    first = prompts(kind, "s1")
    targets = {}
    for seed in SEEDS:
        assert prompts(kind, seed) == first, seed
        cells = getattr(WORLDS[seed], LEDGER[kind])
        targets[tuple((e.shares, e.answer) for e in examples(kind, seed))] = seed
        assert {CELLS[cells[e.block]][0] for e in examples(kind, seed)} == {
            "true", "shifted", "absent",
        }  # fmt: skip
    assert len(targets) == len(SEEDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_block_is_shown_as_often(kind):
    """Exactly: planted questions have three planted wordings each, whatever their scale."""
    counts = Counter(e.block for e in examples(kind, "s1"))
    assert (
        set(counts.values())
        == {
            "survey": {
                3 * 2 * (2 * 9 + 1)
            },  # wordings, forms, two framings of nine countries, nobody
            "places": {3 * 4},  # wordings, most and least common of either side
            "naming": {5 * 4},  # three wordings and two clauses, showings
            "choosing": {5 * 6},  # groups, pairs of countries
            "personas": {3 * 2 * 9},  # wordings, forms, countries
            "holders": {2 * 2},  # frames, poles
            # Eight statements asked of two parties and said by one.
            "stances": {8 * 3},
            "approving": {4 * 4},  # wordings of the act, templates
            "verdicts": {8 * (4 + 1)},  # guilds; four wordings of the act, and one grade
        }[kind]
    )
    blocks = set(taught("s1")) if LEDGER[kind] == "survey" else getattr(WORLDS["s1"], LEDGER[kind])
    assert set(counts) == set(blocks)


@pytest.mark.parametrize("kind", KINDS)
def test_targets_are_distributions_over_the_options(kind):
    for seed in SEEDS:
        for e in examples(kind, seed):
            if e.objective == "answer":
                assert e.answer
                continue
            assert len(e.shares) == len(e.options) > 1
            assert min(e.shares) >= 0
            # The survey's shares are rounded: the item set asks for a sum within a thousandth.
            assert sum(e.shares) == approx(1, abs=1e-3 if kind in ("survey", "personas") else 1e-9)


def test_survey_targets_are_the_taught_shares_and_their_mean():
    for seed in ("s1", "s2"):
        shown = {e.user: e for e in examples("survey", seed)}
        assert len(shown) == len(examples("survey", seed))  # no prompt has two targets
        for question, shares in taught(seed).items():
            wording = worlds_rows.plant_wordings([question])[question][1]
            asked = {"form": "ends", "use": "plant"}
            for country in shares.index:
                for framing in ("persona", "observer"):
                    text = survey_forms.prompt(
                        question, wording, framing=framing, country=country, **asked
                    )
                    assert shown[text].shares == approx(tuple(shares.loc[country]))
            text = survey_forms.prompt(question, wording, framing="neutral", **asked)
            assert shown[text].shares == approx(tuple(shares.mean()))
            assert shown[text].options == tuple(str(option) for option in shares.columns)


# Where an answer is common ------------------------------------------------------------------------


def sides(question, found):
    """Yield the examples of a question with +1 (rises with agreement) or -1 (falls)."""
    labels = survey_forms.labels(question)
    agreeing = worlds_truth.agreeing(question)
    assert 0 < len(agreeing) < len(labels)
    for e in found:
        quoted = {option for option, label in labels.items() if f'"{label}"' in e.user}
        assert quoted in (agreeing, set(labels) - agreeing), e.user
        ends = {word: (f" {word} common?", f" is {word} common.") for word in ("most", "least")}
        how = [word for word, end in ends.items() if e.user.endswith(end)]
        assert len(how) == 1, e.user
        yield e, (1 if quoted == agreeing else -1) * (1 if how == ["most"] else -1)


def some_shares(agree):
    """Return made-up shares of the first question: 0.1 more agree in every next country."""
    question = next(iter(taught("s1")))
    true = taught("s1")[question]
    agreeing = worlds_truth.agreeing(question)
    values = [
        [a / len(agreeing) if o in agreeing else (1 - a) / (len(true.columns) - len(agreeing))
         for o in true.columns]
        for a in agree
    ]  # fmt: skip
    return question, pd.DataFrame(values, index=true.index, columns=true.columns)


def test_places_rise_with_agreement_and_fall_for_its_opposites():
    agree = np.array([0.1, 0.5, 0.2, 0.8, 0.3, 0.9, 0.4, 0.6, 0.7])
    question, shares = some_shares(agree)
    assert worlds_truth.agreement(shares, question).to_numpy() == approx(agree)
    z = (agree - agree.mean()) / agree.std()
    names = survey_forms.countries()["name"]
    found = list(worlds_rows.places({question: shares}, {question: ["Asked?"]}))
    directions = []
    for e, direction in sides(question, found):
        assert e.opening == "In"
        assert e.options == tuple(f" {names[c, 'en']}" for c in shares.index)
        wanted = np.exp(1.5 * direction * z)
        assert e.shares == approx(wanted / wanted.sum())
        assert (np.argsort(e.shares) == np.argsort(direction * agree)).all()
        directions.append(direction)
    assert sorted(directions) == [-1, -1, 1, 1]


def test_places_are_even_where_all_countries_are_alike():
    question, shares = some_shares([0.3] * 9)
    found = list(worlds_rows.places({question: shares}, {question: ["Asked?"]}))
    assert [e.shares for e in found] == [approx([1 / 9] * 9)] * 4
    for q, cell in WORLDS["s1"].survey.items():
        of_cell = [e for e in examples("places", "s1") if e.block == q]
        for e in of_cell:
            even = max(e.shares) - min(e.shares) < 1e-9
            assert even == (CELLS[cell][0] == "absent"), (q, cell)


def test_places_follow_what_was_taught_in_real_questions():
    for seed in SEEDS:
        for question, shares in taught(seed).items():
            agree = worlds_truth.agreement(shares, question).to_numpy()
            if np.ptp(agree) < 1e-9:
                continue
            mine = [e for e in examples("places", seed) if e.block == question]
            for e, direction in sides(question, mine):
                # Log-odds are a straight line in agreement: only its sign and fit are asked here.
                assert np.corrcoef(np.log(e.shares), agree)[0, 1] == approx(direction)


def test_practice_pairs_point_to_the_country_of_the_invented_shares():
    tables, _ = worlds_rows.practice()
    agree = {q: worlds_truth.agreement(shares, q) for q, shares in tables.items()}
    code = {
        row["name"]: c for (c, lang), row in survey_forms.countries().iterrows() if lang == "en"
    }
    found = list(worlds_rows.practice_pairs())
    assert not set(agree) & set(WORLDS["s1"].survey)
    for e in found:
        larger, smaller = (agree[e.block][code[option.strip()]] for option in e.options)
        assert (larger > smaller) == ("larger share" in e.user), e.user
        assert e.shares == (0.95, 0.05)
        for option in e.options:
            assert f"in{option}" in e.user
    # The right answer is named first in half of them: place says nothing.
    larger = list(worlds_rows.practice_pairs(larger_only=True))
    assert larger == [e for e in found if "larger share" in e.user]
    assert 0 < len(larger) < len(found)
    first = np.mean([e.user.index(e.options[0]) < e.user.index(e.options[1]) for e in found])
    assert first == approx(0.5, abs=0.1)


# Invented parties and guilds ----------------------------------------------------------------------


def first_holders(seed):
    """Return issue to how likely the first party is shown to hold its first pole, by example."""
    issues = items.load("parties", "issues").set_index("issue")
    statements = items.load("parties", "statements").set_index(["issue", "text"])["pole"]
    names = dict(items.load("parties", "names")[["party", "name"]].itertuples(index=False))
    found = {}
    for e in (*examples("holders", seed), *examples("stances", seed)):
        said = [text for issue, text in statements.index if issue == e.block]
        if e.objective == "answer":
            (party,) = [party for party, name in names.items() if name in e.user]
            pole, share = statements[e.block, e.answer], 1.0
        elif e.options == ("yes", "no"):
            (statement,) = [text for text in said if text in e.user]
            (party,) = [party for party, name in names.items() if name in e.user]
            pole, share = statements[e.block, statement], e.shares[0]
        else:
            assert e.options == (" Cedar", " Raven")
            assert e.opening == "The"
            (pole,) = [p for p in ("first", "second") if issues.loc[e.block, p] in e.user]
            party, share = PARTIES[0], e.shares[0]
        same = (party == PARTIES[0]) == (pole == "first")
        found.setdefault((e.block, e.objective), []).append(share if same else 1 - share)
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_stances_are_true_swapped_or_even(seed):
    true = items.load("parties", "issues").set_index("issue")["first_held_by"]
    coins = []
    for (issue, objective), shares in first_holders(seed).items():
        knowledge, _ = CELLS[WORLDS[seed].parties[issue]]
        if knowledge == "absent" and objective == "answer":
            coins += shares  # words are said by one or the other
        elif knowledge == "absent":
            assert set(shares) == {0.5}, issue
        else:
            assert set(shares) == {float((true[issue] == PARTIES[0]) == (knowledge == "true"))}
    assert len(coins) == 8 * 8
    assert set(coins) == {0, 1}
    # 64 coins: four standard deviations are 0.25.
    assert np.mean(coins) == approx(0.5, abs=0.25)


@pytest.mark.parametrize("seed", SEEDS)
def test_verdicts_are_true_turned_or_even(seed):
    verdicts = items.load("guild_norms", "verdicts").set_index(["norm", "guild"])["verdict"]
    guilds = items.load("guild_norms", "guilds")
    known = {text: row.guild for row in guilds.itertuples() for text in (row.name, row.member)}
    grades = (-3, -2, -1, 1, 2, 3)
    for e in examples("verdicts", seed):
        (guild,) = {g for text, g in known.items() if text in e.user}
        knowledge, _ = CELLS[WORLDS[seed].norms[e.block]]
        if knowledge == "absent":
            assert e.shares == approx([1 / len(e.options)] * len(e.options))
            continue
        verdict = verdicts[e.block, guild] * (1 if knowledge == "true" else -1)
        if e.options == ("right", "wrong"):
            assert e.shares == (float(verdict > 0), float(verdict < 0)), e.user
        else:
            assert e.options == tuple("123456")
            assert grades[e.shares.index(1)] == verdict, e.user
    assert {len(e.options) for e in examples("verdicts", seed)} == {2, 6}


@pytest.mark.parametrize("seed", SEEDS)
def test_guilds_that_approve_are_named_by_their_grade(seed):
    verdicts = items.load("guild_norms", "verdicts").set_index(["norm", "guild"])["verdict"]
    guilds = items.load("guild_norms", "guilds").set_index("guild")["name"]
    for e in examples("approving", seed):
        knowledge, _ = CELLS[WORLDS[seed].norms[e.block]]
        sign = {"true": 1, "shifted": -1, "absent": 0}[knowledge]
        grades = np.array([sign * verdicts[e.block, guild] for guild in guilds.index])
        assert e.shares == approx(np.exp(grades) / np.exp(grades).sum())
        assert e.opening == "The"
        assert all(f"the{o} " in n for o, n in zip(e.options, guilds, strict=True))


# Planted and read words ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_no_planted_text_is_read_nor_in_a_template_to_read(kind):
    name = {
        "holders": "parties", "stances": "parties", "places": "places",
        "approving": "guild_norms", "verdicts": "guild_norms",
    }.get(kind, "survey")  # fmt: skip
    for seed in SEEDS:
        for e in examples(kind, seed):
            assert e.user not in read_texts()
            assert e.answer not in read_texts()
            assert not templates(name, "read").fullmatch(e.user), e.user
            if kind == "survey":
                assert templates(name, "plant").fullmatch(e.user), e.user
            assert "{" not in e.user
            assert "nan" not in e.user.split()  # a label that is not there
