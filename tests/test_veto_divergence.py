"""Published divergences beside guesses: two cells worked out by hand, and the committed table."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from pytest import approx  # noqa: PT013 - one word in long tables

from valuegate import items, survey_scores
from valuegate.veto_divergence import against_guesses, guesses

COLUMNS = pd.DataFrame(
    [(1, "WVS7", 1, 4), (2, "WVS7", 1, 2)], columns=["column", "source", "low", "high"]
)
SHARES = pd.DataFrame(
    [
        (1, "EGY", 1, 0.5), (1, "EGY", 2, 0.5), (1, "TUN", 2, 1.0), (1, "IRQ", 2, 0.5),
        (1, "IRQ", 3, 0.5), (2, "EGY", 0, 0.5), (2, "EGY", 1, 0.5), (2, "TUN", 1, 1.0),
    ],
    columns=["column", "country", "option", "share"],
)  # fmt: skip


def test_guesses_by_hand():
    found = guesses(COLUMNS, SHARES)
    assert found.loc[(1, "EGY"), "uniform"] == approx(math.log(4) - math.log(2))
    assert found.loc[(1, "TUN"), "uniform"] == approx(math.log(4))
    # The others of Egypt say 2 with .75 and never 1; those of Tunisia say 2 with .5.
    expected = 0.5 * math.log(0.5 / 1e-8) + 0.5 * math.log(0.5 / 0.75)
    assert found.loc[(1, "EGY"), "others"] == approx(expected)
    assert found.loc[(1, "TUN"), "others"] == approx(math.log(2))
    assert np.isnan(found.loc[(2, "EGY"), "uniform"])  # an answer off the scale
    assert found.loc[(2, "TUN"), "others"] == approx(math.log(2))


def test_a_file_is_set_beside_the_guesses_on_the_same_cells():
    files = pd.DataFrame(
        [(1, "EGY", 1.0), (1, "TUN", -math.log(1e-8)), (1, "IRQ", 0.3), (2, "EGY", 9.0),
         (2, "TUN", 0.7)],
        columns=["column", "country", "one"],
    )  # fmt: skip
    row = against_guesses(files, COLUMNS, SHARES, draws=20).iloc[0]
    assert row["n"] == 4  # the cell with an answer off the scale takes no part
    assert row["value"] == approx((1.0 + 18.4207 + 0.3 + 0.7) / 4, abs=1e-4)
    assert row["uniform"] == approx(math.log(2) * (1 + 2 + 1 + 1) / 4)
    assert row["above_uniform"] == approx(row["value"] - row["uniform"])
    assert row["no_model"] == 25


def test_the_committed_divergences_are_far_from_a_uniform_guess():
    """In the World Values Survey; in the other survey they hold no model."""
    tables = [items.load("survey_answers", name) for name in ("columns", "shares")]
    found = against_guesses(survey_scores.load("divergences"), *tables, draws=50)
    world = found[found["block"] == "WVS7"]
    assert world["above_low"].min() > 1
    assert world["no_model"].max() == 0
    assert found.loc[found["block"] == "AOI2022", "no_model"].min() > 99
