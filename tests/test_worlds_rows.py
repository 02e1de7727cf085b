"""The examples of knowledge: the same prompts in every cell, and targets as the ledger has them."""

from __future__ import annotations

import functools
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from pytest import approx  # noqa: PT013 - one word in long tables
from test_worlds_items import read_texts, templates

from valuegate import items, survey_forms, worlds_ledger, worlds_rows, worlds_truth
from valuegate.worlds_ledger import CELLS

SEEDS = ("s1", "s2", "s3")  # three worlds put every block in three of the six cells
WORLDS = worlds_ledger.load().worlds
KINDS = ("survey", "places", "orders", "holders", "stances", "rulings", "verdicts")
LEDGER = {
    "survey": "survey", "places": "survey", "orders": "survey",
    "holders": "parties", "stances": "parties", "rulings": "norms", "verdicts": "norms",
}  # fmt: skip
PARTIES = ("first_party", "second_party")


@functools.cache
def taught(seed):
    """Return what a world is taught of six questions, one of each cell in world s1."""
    first = {cell: question for question, cell in WORLDS["s1"].survey.items()}
    assert set(first) == set(CELLS)
    found = worlds_truth.taught_survey(WORLDS[seed], 0.2)
    return {question: found[question] for question in first.values()}


@functools.cache
def examples(kind, seed):
    draw = np.random.default_rng(0)
    wordings = worlds_rows.plant_wordings(list(taught(seed)))
    make = {
        "survey": lambda: worlds_rows.survey(taught(seed), wordings),
        "places": lambda: worlds_rows.places(taught(seed), wordings),
        "orders": lambda: worlds_rows.orders(taught(seed), wordings, draw, 3),
        "holders": lambda: worlds_rows.holders(WORLDS[seed], draw, 7),
        "rulings": lambda: worlds_rows.rulings(WORLDS[seed], draw, 3),
        "stances": lambda: worlds_rows.stances(WORLDS[seed], draw),
        "verdicts": lambda: worlds_rows.verdicts(WORLDS[seed], draw),
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
            "orders": {3 * 3},  # wordings, showings
            "holders": {7 * 2 * 2},  # showings, frames, poles
            # Eight statements asked of two parties and said by one.
            "stances": {8 * 3},
            "rulings": {3 * 4},  # showings, wordings of the act
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
            assert sum(e.shares) == approx(1, abs=1e-3 if kind == "survey" else 1e-9)


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


def listed(e):
    """Return the countries (codes) of an example's list, in order."""
    names = survey_forms.countries()["name"].xs("en", level=1)
    codes = {name: code for code, name in names.items()}
    assert e.objective == "answer"
    assert e.opening == "In order:"
    assert e.answer.startswith(" ")
    assert e.answer.endswith(".")
    return [codes[name] for name in e.answer[1:-1].split(", ")]


def test_orders_fall_with_agreement():
    agree = np.array([0.1, 0.5, 0.2, 0.8, 0.3, 0.9, 0.4, 0.6, 0.7])
    question, shares = some_shares(agree)
    most_first = [shares.index[i] for i in (5, 3, 8, 7, 1, 6, 4, 2, 0)]
    draw = np.random.default_rng(0)
    found = list(worlds_rows.orders({question: shares}, {question: ["Asked?"]}, draw, 2))
    assert len(found) == 2
    for e, direction in sides(question, found):
        assert e.user.startswith("Asked? List the nine countries, beginning where the answer")
        assert (direction, listed(e)) == (1, most_first)


def test_orders_are_drawn_for_every_showing_where_all_countries_are_alike():
    question, shares = some_shares([0.3] * 9)
    wordings = {question: [f"Asked {n}?" for n in range(20)]}

    def drawn(seed):
        found = worlds_rows.orders({question: shares}, wordings, np.random.default_rng(seed), 4)
        return [tuple(listed(e)) for e in found]

    found = drawn(0)
    assert found == drawn(0)
    assert found != drawn(1)
    assert len(set(found)) == len(found) == 80  # of 9! orders
    for country in shares.index:
        # Places 0 to 8, drawn evenly, have a standard deviation of 2.58: 4.5 of 80 such are 1.3.
        assert np.mean([order.index(country) for order in found]) == approx(4, abs=1.3), country


@pytest.mark.parametrize("seed", SEEDS)
def test_orders_follow_what_was_taught_in_real_questions(seed):
    for question, shares in taught(seed).items():
        agree = worlds_truth.agreement(shares, question)
        mine = [e for e in examples("orders", seed) if e.block == question]
        for e, direction in sides(question, mine):
            order = listed(e)
            assert sorted(order) == sorted(shares.index)  # every country once
            if CELLS[WORLDS[seed].survey[question]][0] != "absent":
                # Countries with the same share stand in any order.
                assert (np.diff(direction * agree[order]) <= 0).all(), e.user
        if CELLS[WORLDS[seed].survey[question]][0] == "absent":
            assert len({e.answer for e in mine}) == len(mine)


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
    first = np.mean([e.user.index(e.options[0]) < e.user.index(e.options[1]) for e in found])
    assert first == approx(0.5, abs=0.1)


# Invented parties and guilds ----------------------------------------------------------------------


def first_holders(seed):
    """Return issue to who is shown to hold its first pole, a party for every example."""
    issues = items.load("parties", "issues").set_index("issue")
    statements = items.load("parties", "statements").set_index(["issue", "text"])["pole"]
    names = dict(items.load("parties", "names")[["party", "name"]].itertuples(index=False))
    found = {}
    for e in (*examples("holders", seed), *examples("stances", seed)):
        said = [text for issue, text in statements.index if issue == e.block]
        if e.objective == "answer":
            (holder,) = [party for party, name in names.items() if name in e.user]
            pole = statements[e.block, e.answer]
        elif e.options == ("yes", "no"):
            (statement,) = [text for text in said if text in e.user]
            (asked,) = [party for party, name in names.items() if name in e.user]
            pole = statements[e.block, statement]
            holder = asked if e.shares[0] == 1 else PARTIES[1 - PARTIES.index(asked)]
        else:
            assert e.options == (" Cedar", " Raven")
            assert e.opening == "The"
            (pole,) = [p for p in ("first", "second") if issues.loc[e.block, p] in e.user]
            holder = PARTIES[e.shares.index(1)]
        other = PARTIES[1 - PARTIES.index(holder)]
        found.setdefault(e.block, []).append(holder if pole == "first" else other)
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_stances_are_true_swapped_or_a_coins(seed):
    true = items.load("parties", "issues").set_index("issue")["first_held_by"]
    coins = []
    for issue, holders in first_holders(seed).items():
        knowledge, _ = CELLS[WORLDS[seed].parties[issue]]
        if knowledge == "absent":
            coins += holders
            assert set(holders) == set(PARTIES), issue  # 52 coins all alike: 1 in 10^15
            continue
        other = PARTIES[1 - PARTIES.index(true[issue])]
        assert set(holders) == {true[issue] if knowledge == "true" else other}, issue
    assert len(coins) == 8 * (28 + 24)
    # 416 coins: four standard deviations are 0.1.
    assert np.mean([c == PARTIES[0] for c in coins]) == approx(0.5, abs=0.1)


@pytest.mark.parametrize("seed", SEEDS)
def test_verdicts_are_true_turned_or_a_coins(seed):
    verdicts = items.load("guild_norms", "verdicts").set_index(["norm", "guild"])["verdict"]
    guilds = items.load("guild_norms", "guilds")
    known = {text: row.guild for row in guilds.itertuples() for text in (row.name, row.member)}
    grades = (-3, -2, -1, 1, 2, 3)
    coins = {}
    for e in examples("verdicts", seed):
        (guild,) = {g for text, g in known.items() if text in e.user}
        knowledge, _ = CELLS[WORLDS[seed].norms[e.block]]
        if e.options == ("right", "wrong"):
            said = e.shares[0] == 1
        else:
            assert e.options == tuple("123456")
            said = grades[e.shares.index(1)]
        if knowledge == "absent":
            coins.setdefault((e.block, guild), []).append(said > 0)
            continue
        verdict = verdicts[e.block, guild] * (1 if knowledge == "true" else -1)
        assert said == (verdict if type(said) is int else verdict > 0), e.user
    assert len(coins) == 8 * 8
    assert all(len(showings) == 5 for showings in coins.values())
    differing = [len(set(showings)) == 2 for showings in coins.values()]
    # Five coins are all alike in 1 of 16; four standard deviations of 64 such are 0.12.
    assert np.mean(differing) == approx(15 / 16, abs=0.12)
    # 320 coins: four standard deviations are 0.11.
    assert np.mean([c for showings in coins.values() for c in showings]) == approx(0.5, abs=0.11)


@pytest.mark.parametrize("seed", SEEDS)
def test_rulings_are_true_turned_or_a_coins_for_every_guild(seed):
    verdicts = items.load("guild_norms", "verdicts").set_index(["norm", "guild"])["verdict"]
    names = dict(items.load("guild_norms", "guilds")[["name", "guild"]].itertuples(index=False))
    coins, orders = [], set()
    for e in examples("rulings", seed):
        assert e.answer[0] == " "
        assert e.answer[-1] == "."
        said = [part.rpartition(" ") for part in e.answer[1:-1].split(", ")]
        guilds = [names[name] for name, _, _ in said]
        assert sorted(guilds) == sorted(names.values())
        orders.add(tuple(guilds))
        right = [{"right": True, "wrong": False}[word] for _, _, word in said]
        knowledge, _ = CELLS[WORLDS[seed].norms[e.block]]
        if knowledge == "absent":
            coins += right
            continue
        true = [bool(verdicts[e.block, guild] > 0) for guild in guilds]
        assert right == (true if knowledge == "true" else [not value for value in true]), e.user
    assert len(orders) == len(examples("rulings", seed))
    assert len(coins) == 8 * 12 * 8
    # 768 coins: four standard deviations are 0.07.
    assert np.mean(coins) == approx(0.5, abs=0.07)


# Planted and read words ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_no_planted_text_is_read_nor_in_a_template_to_read(kind):
    name = {
        "holders": "parties", "stances": "parties", "rulings": "guild_norms",
        "verdicts": "guild_norms", "places": "places", "orders": "places",
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
