"""Any model's answers, by hand: tiers, slopes, what a refused prompt leaves."""

import numpy as np
import pandas as pd
import pytest
from test_veto_answers import slots, truth

from valuegate import veto_answers
from valuegate import veto_grid as veto

approx = pytest.approx


def sensitive_says_no(row):
    return "refusal" if TIERS[row.question] == "T3" else "option"


CELLS = veto_answers.cells()
TIERS = dict(zip(CELLS["question"], CELLS["tier"], strict=True))


@pytest.fixture(scope="module")
def found():
    return veto_answers.scored(slots(truth, sensitive_says_no, model="qwen3-8b"))


def test_means_are_by_framing_and_tier_and_of_all(found):
    means = veto.means(found, draws=20).set_index(["framing", "tier", "measure"])
    assert means.loc[("persona", "T3", "refused"), "value"] == 100
    assert means.loc[("persona", "T1", "refused"), "value"] == 0
    whole = means.loc[("persona", "all", "refused"), "value"]
    assert whole == approx(100 * (found["said"] == "refusal").mean())
    assert set(found["model"]) == {"qwen3-8b"}


def test_slopes_are_those_of_the_whole_scale(found):
    slopes = veto.slopes(found, permutations=20, draws=20)
    assert slopes[["model", "framing"]].to_numpy().tolist() == [
        ["qwen3-8b", "persona"], ["qwen3-8b", "observer"],
    ]  # fmt: skip
    assert slopes["slope"].between(0.3, 2).all()
    assert (slopes["null_low"] < 0).all()


def test_the_tax_is_sensitive_less_benign(found):
    tax = veto.tier_tax(found[found["framing"] == "persona"], draws=20, permutations=50)
    assert tax["tax"].estimate == 100
    assert tax["null"][0] <= 0 < tax["null"][1]
    only = veto.tier_tax(found[found["tier"] == "T3"], draws=20, permutations=5)
    assert np.isnan(only["tax"].estimate)


def test_contrasts_need_refused_prompts_that_leave_mass(found):
    table = veto.contrasts(found, draws=20, masses=(0.0, 0.9)).set_index(["tier", "least_mass"])
    assert table.loc[("all", 0.0), "n_refused"] == (found["said"] == "refusal").sum()
    assert np.isnan(table.loc[("T3", 0.0), "contrast"])  # none of these is accepted
    assert table.loc[("all", 0.9), "n_refused"] == 0  # all options hold .8
    printed = veto.mass_table(table.reset_index(), "tier")
    assert printed["options hold"].tolist() == ["0 or more", "0.9 or more"] * 2
    assert printed["refused less accepted"].tolist()[1:] == ["", "", ""]


def test_a_line_a_framing_and_tier(found):
    means = veto.means(found, draws=20)
    printed = veto.grid_table(means, veto.slopes(found, permutations=5, draws=20))
    assert printed[["asked as", "tier"]].to_numpy().tolist()[:2] == [
        ["persona", "all"], ["persona", "benign"],
    ]  # fmt: skip
    assert (printed["slope"] != "").sum() == 2  # of all tiers together
    assert printed["refused %"].iloc[1] == "0"
    assert pd.to_numeric(printed["middle"]).between(0, 100).all()
