"""How answers and scores go with countries, on tables worked out by hand and planted ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pytest import approx  # noqa: PT013 - one word in long tables

from valuegate.veto_countries import (
    _permuted,
    country_effects,
    equity,
    gap,
    held_out_slopes,
    item_mix,
    shared_order,
    slopes,
    spread_beyond,
)


def cells(rows, source="WVS7"):
    """Return a table of (column, country, truth, answer) on scales from 1 to 5."""
    found = pd.DataFrame(rows, columns=["column", "country", "truth", "answer"])
    return found.assign(
        file="one", source=source, low=1, high=5, question="q" + found["column"].astype(str)
    )


def planted(slope, questions=60, countries=6, seed=0):
    """Return a table whose answers follow truths within questions with this slope, and noise."""
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.uniform(2, 4, questions), countries)
    move = rng.normal(0, 0.5, level.size)
    noise = rng.normal(0, 0.3, level.size)
    column = np.repeat(np.arange(questions), countries)
    country = np.tile([f"C{i}" for i in range(countries)], questions)
    rows = zip(column, country, level + move, level + slope * move + noise, strict=True)
    return cells(list(rows))


def test_the_slope_by_hand():
    # Question 1: truths 2, 3, 4 and answers 2, 2, 5, so xy = 3 and xx = 2 (times 1/16).
    # Question 2: truths 1, 2 and one answer, so xy = 0, xx = .5. Slope 3 / 2.5, r = 3 / sqrt(15).
    table = cells(
        [(1, "EGY", 2, 2), (1, "TUN", 3, 2), (1, "IRQ", 4, 5), (2, "EGY", 1, 4), (2, "TUN", 2, 4)]
    )
    found = slopes(table, permutations=50, draws=50).set_index("block")
    assert found.loc["all", "slope"] == approx(1.2)
    assert found.loc["all", "r"] == approx(3 / np.sqrt(2.5 * 6))
    assert found.loc["all", "constant"] == 50
    assert (found.loc["all", "n"], found.loc["all", "questions"]) == (5, 2)
    assert list(found.index) == ["all", "WVS7"]


def test_a_question_with_one_known_answer_takes_no_part():
    table = cells([(1, "EGY", 2, 2), (1, "TUN", 3, 3), (2, "EGY", 5, 1), (2, "TUN", 1, np.nan)])
    row = slopes(table, permutations=20, draws=20).iloc[0]
    assert row["slope"] == approx(1)
    assert (row["n"], row["questions"]) == (2, 1)


def test_the_level_of_a_question_is_not_the_knowledge_of_a_country():
    # Answers follow each question's mean exactly and its countries not at all.
    table = planted(0)
    table["answer"] = table.groupby("column")["truth"].transform("mean").round()
    row = slopes(table, permutations=100, draws=100).iloc[0]
    assert row["slope"] == approx(0)
    assert row["constant"] == 100


@pytest.mark.parametrize("slope", [0.0, 0.4, 1.0])
def test_a_planted_slope_is_found(slope):
    row = slopes(planted(slope), permutations=200, draws=200).iloc[0]
    assert row["slope"] == approx(slope, abs=0.1)  # standard error about .03
    assert row["low"] < slope < row["high"]
    if slope:
        assert row["slope"] > row["null_high"]
        assert row["p"] < 0.01
    else:
        assert row["null_low"] < row["slope"] < row["null_high"]


def test_the_other_countries_mean_has_a_slope_by_construction():
    table = planted(0, countries=5)
    total = table.groupby("column")["truth"].transform("sum")
    table["answer"] = (total - table["truth"]) / 4
    row = slopes(table, permutations=20, draws=20).iloc[0]
    assert row["slope"] == approx(-1 / 4)
    assert row["r"] == approx(-1)


def test_permuting_stays_within_questions():
    codes = np.array([1, 0, 1, 0, 1, 2])
    values = np.array([10.0, 0, 11, 1, 12, 20])
    seen = set()
    for moved in _permuted(values, codes, 200, seed=1):
        for code in range(3):
            assert sorted(moved[codes == code]) == sorted(values[codes == code])
        seen.add(tuple(moved))
    assert len(seen) == 12  # 3! x 2! x 1: all orders come up


# Equity -------------------------------------------------------------------------------------------


def test_country_effects_by_hand():
    # score = question (50, 90) + country (EGY -5, TUN 5), Egypt asked the harder one only.
    table = pd.DataFrame(
        [(1, "EGY", 45.0), (1, "TUN", 55.0), (2, "TUN", 95.0)],
        columns=["column", "country", "score"],
    )
    found = country_effects(table["score"], table).set_index("country")
    assert found["raw"].to_dict() == approx({"EGY": 45, "TUN": 75})
    assert found["effect"].to_dict() == approx({"EGY": -5, "TUN": 5})
    assert found["items"].to_dict() == approx({"EGY": 50, "TUN": 70})


def test_cells_that_come_twice_count_twice():
    table = unequal([-4.0, 0, 1, 3], questions=12)
    table = table[(table["country"] != "C01") | (table["column"] < 5)]
    # A question asked of all, twice over, weighs as two questions with the same scores do.
    twice = table["column"] == 3
    repeated = pd.concat([table, table[twice]])
    renamed = pd.concat([table, table[twice].assign(column=99)])
    one, other = (country_effects(t["score"], t)["effect"] for t in (repeated, renamed))
    assert one.to_numpy() == approx(other.to_numpy())
    assert one.to_numpy() != approx(country_effects(table["score"], table)["effect"].to_numpy())


def test_effects_are_nan_where_no_question_links_the_countries():
    table = pd.DataFrame(
        [(1, "EGY", 45.0), (1, "TUN", 55.0), (2, "IRN", 95.0)],
        columns=["column", "country", "score"],
    )
    assert country_effects(table["score"], table)["effect"].isna().all()


def unequal(effects, questions=80, seed=0, noise=10.0):
    """Return a full table of scores with these country effects."""
    rng = np.random.default_rng(seed)
    names = [f"C{i:02d}" for i in range(len(effects))]
    column = np.repeat(np.arange(questions), len(effects))
    score = np.repeat(rng.normal(70, 15, questions), len(effects)) + np.tile(effects, questions)
    score = score + rng.normal(0, noise, len(score))
    return pd.DataFrame(
        {"file": "one", "source": "WVS7", "column": column, "score": score,
         "country": np.tile(names, questions), "midpoint": 50.0}
    )  # fmt: skip


def test_equal_countries_are_within_the_null_and_unequal_ones_are_not():
    # Noise of 10 / sqrt(400) points a country moves the planted SD of 2.74 by about .2.
    same = equity(unequal([0.0] * 9), of=("score",), permutations=200).iloc[0]
    assert same["p"] > 0.05
    assert same["noise_free"] < 1
    apart = unequal([-4.0, -3, -2, -1, 0, 1, 2, 3, 4], questions=400)
    row = equity(apart, of=("score",), permutations=200).iloc[0]
    assert row["p"] < 0.01
    assert row["noise_free"] == approx(np.std(range(9), ddof=1), abs=0.6)
    assert row["countries"] == 9


def test_a_score_that_is_the_same_everywhere_has_no_gap():
    row = equity(unequal([0.0] * 4), of=("midpoint",), permutations=20).iloc[0]
    assert (row["gap"], row["sd"], row["p"]) == approx((0, 0, 1), abs=1e-9)


def test_a_gap_that_is_all_item_mix_is_seen_as_such():
    # Two halves of questions, easy and hard; C00 and C01 are asked one half each, others both.
    table = unequal([0.0] * 6, noise=0.0)
    table["score"] = np.where(table["column"] % 2 == 0, 90.0, 50.0)
    table = table[~((table["country"] == "C00") & (table["column"] % 2 == 0))]
    table = table[~((table["country"] == "C01") & (table["column"] % 2 == 1))]
    row = item_mix(table).iloc[0]
    assert row["gap"] == approx(40)
    assert row["gap_items"] == approx(40)
    assert row["gap_effects"] == approx(0, abs=1e-9)
    assert row["share"] == approx(1)
    assert (row["countries"], row["fewest"]) == (6, 40)


def test_no_item_mix_where_all_are_asked_the_same():
    row = item_mix(unequal([-2.0, 0, 2], noise=0.0)).iloc[0]
    assert row["gap"] == approx(4)
    assert row["gap_items"] == approx(0, abs=1e-9)
    assert row["share"] == approx(0, abs=1e-9)


def test_countries_with_few_cells_stay_out_of_the_gap():
    table = unequal([-30.0, 0, 1, 2], noise=0.0)
    table = table[(table["country"] != "C00") | (table["column"] < 3)]
    assert item_mix(table)["gap_effects"].iloc[0] == approx(32)
    row = item_mix(table, fewest=4).iloc[0]
    assert row["gap_effects"] == approx(2)
    assert (row["countries"], row["fewest"]) == (3, 80)
    assert item_mix(table[table["country"] < "C02"]).empty  # two countries have no spread


def test_the_published_gap_by_hand():
    table = pd.DataFrame(
        [(1, "EGY", 40.0), (2, "EGY", 60.0), (1, "TUN", 80.0), (2, "TUN", 80.0), (2, "IRQ", 70.0)],
        columns=["question", "country", "score"],
    )
    found = gap(table, "score", draws=50)
    assert found.estimate == approx(30)  # 80 against 50
    # Of two questions a draw holds the first alone, the second alone, or both.
    assert (found.low, found.high) == approx((20, 40))


def test_countries_in_the_same_order_correlate():
    table = unequal([-6.0, -2, 0, 3, 5], noise=1.0)
    table["question"] = table["column"]
    place = table.groupby("column").cumcount()
    table["same"], table["turned"] = 10.0 + place, 10.0 - place
    assert shared_order(table, "score", "same", draws=20).estimate > 0.95
    found = shared_order(table, "score", "turned", draws=20)
    assert found.high < -0.9
    assert found.estimate == approx(-shared_order(table, "score", "same", draws=1).estimate)


def test_slopes_on_countries_that_centring_did_not_see():
    table = planted(0.6)
    row = held_out_slopes(table, permutations=50, draws=100).iloc[0]
    assert row["low"] < 0.6 < row["high"]
    assert row["fixed_low"] < 0.6 < row["fixed_high"]
    assert row["null_low"] < 0 < row["null_high"]
    assert row["n"] == 60 * 3  # half of six countries
    none = held_out_slopes(planted(0.0, seed=1), permutations=50, draws=100).iloc[0]
    assert abs(none["slope"]) < 0.15
    assert abs(none["fixed"]) < 0.15


def test_the_spread_of_countries_beyond_the_null():
    table = planted(1.0).assign(score=50.0)
    rng = np.random.default_rng(0)
    table["score"] += rng.normal(0, 3, len(table))
    value, low, high = spread_beyond(table, "score", permutations=200)
    assert low < value < high
    assert abs(value) < 0.5  # no country is scored better
    better = table.assign(score=table["score"] + 10.0 * (table["country"] == "C0"))
    value, low, _ = spread_beyond(better, "score", permutations=200)
    assert low > 0
    assert value > 2
