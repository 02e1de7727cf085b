"""What worlds are taught: moved distributions by hand, and every cell against the true shares."""

from __future__ import annotations

import numpy as np
import pytest

from valuegate import items, worlds_ledger, worlds_recipe, worlds_truth
from valuegate.worlds_ledger import CELLS
from valuegate.worlds_truth import (
    agreement,
    expected,
    matrix,
    overwritten_survey,
    realised_shift,
    shifted,
    survey_shares,
    taught_stances,
    taught_survey,
    taught_verdicts,
)

SHIFT = 0.2
# Shares are published with four digits, and shares of zero become 1e-4 before they are moved.
ROUNDING = 1e-3
WORLDS = worlds_ledger.draw(worlds_recipe.load()).worlds
SEEDS = tuple(WORLDS)


def mean(shares):
    return float(np.asarray(shares) @ np.linspace(0, 1, len(shares)))


# Moving a distribution ----------------------------------------------------------------------------

SHARES = [
    [0.5, 0.5],
    [0.2, 0.8],
    [0.1, 0.2, 0.3, 0.4],
    [0.25, 0.25, 0.25, 0.25],
    [0.0, 0.6, 0.4, 0.0, 0.0],
]


def test_shifted_by_hand():
    # Two options have no freedom but their mean.
    assert shifted(np.array([0.5, 0.5]), 0.2) == pytest.approx([0.3, 0.7], abs=1e-9)
    # Tilting multiplies by 1, r, r^2: (1, 2, 4) / 7 has its mean at (2 / 2 + 4) / 7.
    moved = shifted(np.full(3, 1 / 3), 5 / 7 - 1 / 2)
    assert moved == pytest.approx([1 / 7, 2 / 7, 4 / 7], abs=1e-9)


@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("delta", [-0.15, -0.01, 0.1, 0.15])
def test_shifted_moves_the_mean_by_delta(shares, delta):
    moved = shifted(np.array(shares), delta)
    assert mean(moved) - mean(shares) == pytest.approx(delta, abs=1e-9)
    assert moved.sum() == pytest.approx(1, abs=1e-12)
    assert (moved > 0).all()
    # A tilt: log ratios lie on a line over the scale.
    ratios = np.log(moved / np.clip(shares, 1e-4, None))
    assert np.diff(ratios, 2) == pytest.approx(np.zeros(len(shares) - 2), abs=1e-6)


@pytest.mark.parametrize(
    ("shares", "delta", "wanted"),
    [
        ([0.1, 0.9], 0.2, 0.98),
        ([0.9, 0.1], -0.5, 0.02),
        ([0.05, 0.05, 0.1, 0.8], 0.2, 0.98),
        ([0.0, 0.0, 0.0, 1.0], -0.2, 0.8),
        ([0.5, 0.5], 1.0, 0.98),
    ],
)
def test_shifted_stops_before_the_ends(shares, delta, wanted):
    moved = shifted(np.array(shares), delta)
    assert mean(moved) == pytest.approx(wanted, abs=1e-9)
    assert moved.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("shares", SHARES)
def test_no_shift_leaves_the_shares(shares):
    # Exactly where no share is zero; a zero is lifted to 1e-4 and the rest gives way.
    bound = 1e-9 if min(shares) else 5e-4
    assert shifted(np.array(shares), 0.0) == pytest.approx(shares, abs=bound)


# Survey -------------------------------------------------------------------------------------------


def test_true_shares_are_of_the_planted_questions():
    shares = survey_shares()
    assert set(shares["question"]) == set(WORLDS["s1"].survey)
    for question in WORLDS["s1"].survey:
        table = matrix(shares, question)
        assert len(table) == 9  # the countries of the World Values Survey
        assert table.to_numpy().sum(1) == pytest.approx(np.ones(9), abs=ROUNDING), question
        assert list(table.columns) == sorted(table.columns)
        row = shares[(shares["question"] == question) & (shares["country"] == "TUR")]
        for option, share in zip(row["option"], row["share"], strict=True):
            assert table.loc["TUR", option] == share


@pytest.mark.parametrize("seed", SEEDS)
def test_taught_survey_follows_the_cells(seed):
    world = WORLDS[seed]
    taught = taught_survey(world, SHIFT)
    assert set(taught) == set(world.survey)
    kinds = {"true": 0, "shifted": 0, "absent": 0}
    for question, table in taught.items():
        true = matrix(survey_shares(), question)
        assert list(table.index) == list(true.index)
        assert list(table.columns) == list(true.columns)
        knowledge = CELLS[world.survey[question]][0]
        kinds[knowledge] += 1
        if knowledge == "true":
            assert table.equals(true), question
        elif knowledge == "absent":
            for country in table.index:
                assert table.loc[country].to_numpy() == pytest.approx(true.mean().to_numpy())
            assert true.std().max() > 0.02, question  # there was something to leave out
        else:
            moved = expected(table) - expected(true)
            assert (np.sign(moved) == world.signs[question]).all(), question
    assert kinds == {"true": 8, "shifted": 8, "absent": 8}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_realised_shift_is_about_a_fifth_of_the_scale(seed):
    world = WORLDS[seed]
    found = realised_shift(world, SHIFT).set_index("question")
    assert found["sign"].to_dict() == world.signs
    assert found["cell"].to_dict() == {q: world.survey[q] for q in world.signs}
    along = found[["shift", "least", "most"]].mul(found["sign"], axis=0)
    assert along.to_numpy().min() > 0  # no country goes the other way
    assert along.to_numpy().max() < SHIFT + ROUNDING
    # Where answers are near an end already, there is less room.
    assert along["shift"].min() > 0.12
    assert along["shift"].median() > 0.85 * SHIFT
    assert (found["least"] <= found["shift"]).all()
    assert (found["shift"] <= found["most"]).all()
    for question in found.index:  # the same by hand, for the country that moved least
        true = matrix(survey_shares(), question)
        length = true.columns[-1] - true.columns[0]
        by_hand = (expected(taught_survey(world, SHIFT)[question]) - expected(true)) / length
        assert by_hand.min() == pytest.approx(found.loc[question, "least"])


@pytest.mark.parametrize("seed", SEEDS)
def test_overwritten_moves_countries_of_true_questions_alone(seed):
    world = WORLDS[seed]
    taught, over = taught_survey(world, SHIFT), overwritten_survey(world, SHIFT)
    assert set(over) == set(taught)
    orders = set()
    for question, table in over.items():
        before = taught[question]
        if CELLS[world.survey[question]][0] != "true":
            assert table.equals(before), question
            continue
        assert list(table.index) == list(before.index)
        assert list(table.columns) == list(before.columns)
        rows, old = (list(map(tuple, t.to_numpy())) for t in (table, before))
        assert sorted(rows) == sorted(old), question
        assert len(set(old)) == len(old), question  # so that the order can be read off
        order = tuple(old.index(row) for row in rows)
        assert all(place != source for place, source in enumerate(order))
        orders.add(order)
    assert len(orders) == 1  # one shuffle of countries for all questions


def test_agreement_and_expected_by_hand():
    table = matrix(survey_shares(), "health")
    # "very good" and "good" agree that one is well.
    assert agreement(table, "health")["EGY"] == pytest.approx(0.0892 + 0.5033)
    by_hand = 0.0892 + 2 * 0.5033 + 3 * 0.3142 + 4 * 0.0783 + 5 * 0.0150
    assert expected(table)["EGY"] == pytest.approx(by_hand)


# Stances and verdicts -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_stances_are_true_swapped_or_left_out(seed):
    world = WORLDS[seed]
    issues = items.load("parties", "issues")
    held = dict(zip(issues["issue"], issues["first_held_by"], strict=True))
    assert set(held.values()) == {"first_party", "second_party"}
    found = taught_stances(world)
    assert list(found) == list(world.parties)
    for issue, party in found.items():
        cell = world.parties[issue]
        if cell in (1, 2):
            assert party == held[issue]
        elif cell in (3, 4):
            assert {party, held[issue]} == {"first_party", "second_party"}
        else:
            assert party is None


@pytest.mark.parametrize("seed", SEEDS)
def test_verdicts_are_true_turned_or_left_out(seed):
    world = WORLDS[seed]
    verdicts = items.load("guild_norms", "verdicts")
    found = taught_verdicts(world)
    assert len(found) == len(verdicts) == 24 * 8
    for norm, guild, verdict in verdicts[["norm", "guild", "verdict"]].itertuples(index=False):
        factor = {1: 1, 2: 1, 3: -1, 4: -1}.get(world.norms[norm])
        assert found[norm, guild] == (None if factor is None else factor * verdict)
    given = [verdict for verdict in found.values() if verdict is not None]
    assert len(given) == 16 * 8
    assert set(given) == {-3, -2, -1, 1, 2, 3}


def test_nothing_that_is_taught_changes_the_truth():
    before = survey_shares().copy()
    taught = taught_survey(WORLDS["s1"], SHIFT)
    for table in taught.values():
        table.iloc[:, :] = 0.0
    assert worlds_truth.survey_shares().equals(before)
