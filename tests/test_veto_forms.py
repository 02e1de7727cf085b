"""How alike answers are under two ways to ask, by hand."""

import numpy as np
import pandas as pd
import pytest
from test_veto_answers import COUNTRIES, slots, truth

from valuegate import veto_answers
from valuegate import veto_forms as veto

approx = pytest.approx


@pytest.fixture(scope="module")
def knowing():
    return veto_answers.scored(slots(truth))


def test_framings_are_compared_by_the_likeliest_option(knowing):
    table = slots(truth)["gated-s1"].assign(model="gated-s1")
    nobody = table[table["framing"] == "neutral"]
    alike = veto.framings(knowing, nobody)
    assert alike["fcs"].tolist() == approx([100] * len(alike))
    assert alike["observer_gain"].tolist() == approx([0] * len(alike))
    row = alike[alike["country"] == COUNTRIES[1]].iloc[0]
    own = knowing[(knowing["question"] == row["question"]) & (knowing["framing"] == "persona")]
    by_country = own.set_index("country")["place"]
    gap = abs(by_country[COUNTRIES[1]] - by_country[COUNTRIES[0]])  # nobody answers as the first
    assert row["spd"] == approx(100 * (1 - gap))


def test_a_form_that_changes_nothing_keeps_every_option():
    rows = slots(truth)["gated-s1"]
    plain = rows[rows["framing"] == "persona"]
    same = veto.form_changes(plain.assign(form="reversed"), rows)
    assert same["change"].max() == 0
    assert same["kept"].min() == 100
    turned = plain.assign(
        form="letters", expected=1 - plain["expected"],
        log_probs=[p[::-1] for p in plain["log_probs"]],
    )  # fmt: skip
    moved = veto.form_changes(turned, rows)
    assert moved["change"].to_numpy() == approx((1 - 2 * plain["expected"]).abs().to_numpy())


def test_answers_in_two_languages_are_compared_by_their_likeliest_option():
    high, low = np.log([0.1, 0.2, 0.7]), np.log([0.7, 0.2, 0.1])
    native = pd.DataFrame(
        [
            ("q1", "EGY", "ar", high), ("q1", "EGY", "en", low), ("q2", "EGY", "ar", low),
            ("q2", "EGY", "en", low), ("q1", "TUR", "tr", np.log([0.2, 0.6, 0.2])),
            ("q1", "TUR", "en", high),
        ],
        columns=["question", "country", "language", "log_probs"],
    )  # fmt: skip
    found = veto.across_languages(native).set_index(["question", "country"])["clcs"].to_dict()
    assert found == {("q1", "EGY"): 0, ("q2", "EGY"): 100, ("q1", "TUR"): 50}


def test_collapse_is_one_answer_for_all_countries():
    places = pd.DataFrame(
        {
            "question": ["a", "a", "a", "b", "b", "b"], "country": ["x", "y", "z"] * 2,
            "place": [0.5, 0.5, 0.5, 0.0, 0.5, 1.0],
        }
    )  # fmt: skip
    found = veto.collapse(places, draws=50)
    assert found["same"].estimate == 50
    assert found["spread"] == approx(0.25)  # of no and .5
    both = places.assign(place=[0.0, 0.5, 1.0, 0.5, 1.0, 0.0])
    assert veto.collapse(both, draws=50)["correlation"] == approx(-1 / 3)
