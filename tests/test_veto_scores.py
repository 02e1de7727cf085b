"""Section 01's scores and nulls on a benchmark of a few cells, worked out by hand."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from pytest import approx  # noqa: PT013 - one word in long tables

from valuegate import items, survey_scores, veto_scores
from valuegate.veto_scores import NULLS, against_nulls, benchmark, nvas, scored
from valuegate.veto_tiers import BENIGN, SENSITIVE, SENSITIVE_COLUMNS, tiers

COLUMNS = pd.DataFrame(
    [
        (1, "WVS7", "Q1", 1, 4, "y"),  # a scale without a middle answer
        (2, "WVS7", "Q182", 1, 5, "y"),  # with one
        (3, "AOI2022", None, 1, 2, "n"),  # no order
        (4, "WVS7", "Q33", 1, 5, "y"),  # the same question twice
        (5, "WVS7", "Q33_3", 1, 3, "y"),
        (6, "AOI2022", None, 1, 3, "y"),  # one country
        (7, "AOI2022", None, 1, 5, "y"),  # a truth off the scale
    ],
    columns=["column", "source", "code", "low", "high", "scale"],
)
CELLS = pd.DataFrame(
    [
        (1, "EGY", 1.6), (1, "TUN", 3.0), (1, "IRQ", 2.2),
        (2, "EGY", 4.5), (2, "TUN", 2.5),
        (3, "EGY", 1.0), (3, "TUN", 2.0),
        (4, "EGY", 3.0), (4, "TUN", 3.0), (5, "EGY", 2.0), (5, "TUN", 2.0),
        (6, "TUN", 2.0),
        (7, "EGY", 0.4), (7, "TUN", 2.0),
    ],
    columns=["column", "country", "central"],
)  # fmt: skip
SHARES = pd.DataFrame(
    [
        (1, "EGY", 1, 0.6), (1, "EGY", 2, 0.2), (1, "EGY", 3, 0.2),
        (1, "TUN", 2, 0.5), (1, "TUN", 4, 0.5), (1, "IRQ", 2, 0.8), (1, "IRQ", 3, 0.2),
        (2, "EGY", 4, 0.5), (2, "EGY", 5, 0.5), (2, "TUN", 2, 0.5), (2, "TUN", 3, 0.5),
    ],
    columns=["column", "country", "option", "share"],
)  # fmt: skip


@pytest.fixture(scope="module")
def cells():
    return benchmark(COLUMNS, CELLS, SHARES)


def test_the_score_by_hand():
    # 100 (1 - |y - h| / (b - a))
    assert nvas([2, 1, 5, 3], [2, 5, 0.3, 2.5], [1, 1, 1, 1], [4, 5, 5, 5]) == approx(
        [100, 0, -17.5, 87.5]
    )
    assert np.isnan(nvas([1], [1], [1], [1]))


@pytest.mark.parametrize(
    ("column", "country", "expected"),
    [
        (
            1, "EGY",  # truth 1.6 on 1 to 4, so a point off costs 33.3
            {
                "midpoint": 0.9,  # 2.5
                "middle_whole": (0.4 + 1.4) / 2,  # 2 or 3
                "uniform": (0.6 + 0.4 + 1.4 + 2.4) / 4,
                "others_mean": 1.0,  # (3.0 + 2.2) / 2 = 2.6
                "others_whole": 1.4,  # 3
                "compatriot": 0.6 * 0.6 + 0.2 * 0.4 + 0.2 * 1.4,
                "mode": 0.6,  # 1
                "best": 0.4,  # 2
            },
        ),
        (
            2, "TUN",  # truth 2.5 on 1 to 5
            {
                "midpoint": 0.5, "middle_whole": 0.5,  # 3, an answer itself
                "uniform": (1.5 + 0.5 + 0.5 + 1.5 + 2.5) / 5,
                "others_mean": 2.0, "others_whole": 2.5,  # 4.5, rounded up
                "compatriot": 0.5, "mode": 0.5, "best": 0.5,  # 2 and 3 are equally frequent
            },
        ),
    ],
)  # fmt: skip
def test_nulls_by_hand(cells, column, country, expected):
    """Given are distances from the truth, of which the scores are made."""
    row = cells[(cells["column"] == column) & (cells["country"] == country)].iloc[0]
    for null in NULLS:
        distance = (1 - row[null] / 100) * (row["high"] - row["low"])
        assert distance == approx(expected[null]), null


def test_cells_that_cannot_be_scored_are_counted_by_reason(cells):
    found = veto_scores.exclusions(cells).set_index("reason")
    assert found["cells"].to_dict() == {
        "nominal": 2, "one country": 1, "scored": 10, "truth off the scale": 1,
    }  # fmt: skip


def test_a_question_asked_on_two_scales_is_one(cells):
    assert cells["question"].unique().tolist() == ["Q1", "Q182", "column 3", "Q33", "column 6",
                                                   "column 7"]  # fmt: skip


def test_a_file_is_scored_on_the_cells_that_it_fills(cells):
    scores = pd.DataFrame(
        [
            (1, "EGY", 80.0, None),  # 0.6 off: 1
            (1, "TUN", 66.67, None),  # 1 off: 2 or 4, so the answer is not known
            (1, "IRQ", None, 73.33),  # 0.8 off: 3
            (3, "EGY", 100.0, 100.0),  # excluded
        ],
        columns=["column", "country", "one", "two"],
    )
    table = scored(cells, scores)
    assert table[["file", "country"]].to_numpy().tolist() == [
        ["one", "EGY"], ["one", "TUN"], ["two", "IRQ"]
    ]  # fmt: skip
    assert table["answer"].fillna(0).tolist() == [1, 0, 3]
    found = against_nulls(table, cells, draws=20).set_index(["file", "null"])
    assert found.loc[("one", "score"), "value"] == approx((80 + 66.67) / 2)
    # The middle, 2.5, is .9 from Egypt and .5 from Tunisia; Iraq takes no part.
    middle = 100 * (1 - (0.9 + 0.5) / 2 / 3)
    assert found.loc[("one", "midpoint"), "value"] == approx(middle)
    assert found.loc[("one", "midpoint"), "beyond"] == approx((80 + 66.67) / 2 - middle)
    assert found.loc[("one", "midpoint"), "n"] == 2
    assert found.loc[("one", "midpoint"), "coverage"] == approx(0.2)  # of ten scorable cells
    assert np.isnan(found.loc[("one", "score"), "low"])  # one question has no interval
    by_country = against_nulls(table, cells, draws=20, by="country")
    egypt = by_country.query("country == 'EGY' and null == 'score'").iloc[0]
    assert (egypt["value"], egypt["coverage"]) == (80, 0.25)  # of Egypt's four


def test_the_interval_is_over_questions_and_not_over_cells():
    # Two questions of 50 equal cells each, scores 0 and 100: their mean may be anything between.
    column = np.repeat([1, 2], 50)
    table = pd.DataFrame({"file": "one", "question": column, "score": 100.0 * (column == 2)})
    table = table.assign(**dict.fromkeys(NULLS, 50.0))
    cells = pd.DataFrame({"excluded": [None] * 100})
    found = against_nulls(table, cells, draws=200).set_index("null")
    gap = found.loc["midpoint"]
    assert (gap["beyond"], gap["beyond_low"], gap["beyond_high"]) == (0, -50, 50)
    row = found.loc["score"]
    assert (row["value"], row["low"], row["high"], row["questions"]) == (50, 0, 100, 2)
    assert row["coverage"] == 1


def test_faulty_cells_can_be_left_out(cells):
    faults = pd.DataFrame(
        [("stands_alone", 1, "EGY"), ("small_sample", 1, "TUN"), ("nominal", 3, None)],
        columns=["rule", "column", "country"],
    )
    left = veto_scores.without(cells, faults, ("stands_alone", "nominal"))
    gone = set(zip(cells["column"], cells["country"], strict=True)) - set(
        zip(left["column"], left["country"], strict=True)
    )
    assert gone == {(1, "EGY")}


# Tiers --------------------------------------------------------------------------------------------


def test_tiers_of_the_workbook_agree_with_those_of_our_own_questions():
    columns = items.load("survey_answers", "columns")
    found = tiers(columns)
    assert found.value_counts().to_dict() == {"T2": 811, "T1": 28, "T3": 25}
    ours = items.load("survey", "questions").set_index("column")["tier"]
    proxy = columns.assign(tier=found).set_index("column")["tier"].reindex(ours.index)
    assert set(ours[proxy == "T3"]) == {"T3"}  # the proxy is the narrower of the two
    assert set(ours[proxy == "T1"]) == {"T1"}


def test_every_code_of_the_proxy_is_in_the_workbook():
    columns = items.load("survey_answers", "columns")
    assert set(SENSITIVE) | set(BENIGN) <= set(columns["code"].dropna())
    assert not set(SENSITIVE) & set(BENIGN)
    arab = columns.set_index("column").loc[list(SENSITIVE_COLUMNS)]
    assert arab["source"].eq("AOI2022").all()
    assert len(arab) == 6


# The published scores -----------------------------------------------------------------------------


def test_all_cells_take_under_five_seconds():
    tables = [items.load("survey_answers", t) for t in ("columns", "cells", "shares")]
    scores = survey_scores.load("scores")
    start = time.process_time()
    cells = benchmark(*tables)
    table = scored(cells, scores)
    against_nulls(table, cells, draws=500)
    assert time.process_time() - start < 5
    assert cells["excluded"].isna().sum() == 7610
    # A score is at most 100, and no whole answer beats the best one.
    kept = cells[cells["excluded"].isna()]
    assert kept[list(NULLS)].notna().to_numpy().all()
    assert kept[list(NULLS)].to_numpy().max() <= 100
    for null in ("middle_whole", "uniform", "others_whole", "mode"):
        assert (kept[null] <= kept["best"] + 1e-9).all(), null
    assert table["score"].max() <= 100
    assert (table["score"] <= table["best"] + 0.006).all()  # of two decimals
