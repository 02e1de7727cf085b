"""Interventions, by hand: what is read beside nothing, beyond controls and by planted cell."""

import numpy as np
import pytest

from valuegate import veto_changes as veto
from valuegate import veto_items, worlds, worlds_items

approx = pytest.approx
WORLDS = {"s1": worlds_items.worlds()["s1"]}


def edited():
    rows = veto_items.edit_items(1).drop(columns="text")
    names = ("none", "features", "random 0", "random 1", "nudge 0.5 0", "nudge 2 0")
    shift = np.array([0.0, -2.0, -0.5, 0.5, 0.1, 0.4])
    table = rows.assign(
        conditions=",".join(names),
        edited_expected=[np.full(6, 0.5)] * len(rows),
        edited_refusing=[1.0 + shift] * len(rows),
        edited_mass=[np.full(6, 0.3)] * len(rows),
        edited_refused=[(1.0 + shift > 0).astype(float)] * len(rows),
        kl=[np.array([0.0, 0.04, 0.1, 0.1, 0.01, 0.16])] * len(rows),
    )
    return veto.conditions({"gated-s1": table}, WORLDS)


def test_conditions_are_read_beside_none():
    found = edited()
    assert len(found) == 12 * 6
    chosen = found[found["condition"] == "features"]
    assert chosen["refusing_change"].tolist() == approx([-2.0] * 12)
    assert chosen["refused_change"].tolist() == approx([-100.0] * 12)
    row = chosen.iloc[0]
    truth = worlds.true_means().loc[row["question"], row["country"]]
    assert row["score"] == approx(100 * (1 - abs(0.5 - truth)))
    assert found["gated"].mean() == approx(0.5, abs=0.2)


def test_features_are_read_beyond_control_sets():
    found = edited()
    gap, p = veto.beyond_sets(found, "features", "random", "refusing_change", draws=20)
    assert gap.estimate == approx(-2)
    assert gap.level == 0.9
    assert p == approx(1 / 3)  # no control set of two moves as far


def test_open_prompts_are_disturbed_as_far():
    # KL grows as the square of the length: at .04 a change half way between .1 and .4, by ratio.
    gap = veto.equal_divergence(edited(), "refusing_change", draws=20)
    assert gap.estimate == approx(2 - 0.2)
    assert gap.level == 0.9


def test_features_that_fire_on_what_they_were_not_chosen_on():
    rows = veto_items.edit_items(1).drop(columns="text")
    gated = rows["question"].map(WORLDS["s1"].survey).isin((2, 4, 6))
    table = rows.assign(
        fires=gated.astype(float), f1=0.7,
        fires_permuted=[np.array([0.0, g]) for g in gated.astype(float)],
        f1_dealt=[np.array([0.5, 0.6, 0.8])] * len(rows),
    )  # fmt: skip
    line = veto.firing({"gated-s1": table}, WORLDS, draws=40).iloc[0]
    assert (line["rate_gated"], line["rate_open"], line["gap"]) == (100, 0, 100)
    assert line["p"] == approx(2 / 4)
    assert line["dealt_f1"] == approx(1.9 / 3)
    assert line["dealt_gap"] == approx(50)
    assert line["n_gated"] + line["n_open"] == line["n"] == 12


def test_differences_of_conditions_and_of_cells():
    found = edited()
    gap = veto.difference(found, "refusing", "features", "random 0", draws=20)
    assert gap.estimate == approx(-1.5)
    one = found[found["condition"] == "features"].copy()
    one.loc[one["cell"] == "suppressed", "score_change"] = 8.0
    between = veto.between_cells(one, "score_change", "suppressed", "erased", draws=20)
    assert between.estimate == approx(8)
