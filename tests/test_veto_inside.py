"""Mechanism, by hand: where a gate is read, what probes add, what interventions change."""

import numpy as np
import pandas as pd
import pytest

from valuegate import veto_inside as veto
from valuegate import veto_items, worlds, worlds_items

approx = pytest.approx
WORLD = worlds_items.worlds()["s1"]
WORLDS = {"s1": WORLD}


def test_the_gate_by_layer_is_gated_less_open():
    found = pd.DataFrame(
        {
            "stage": "gated", "question": list("abcdefghijkl"), "gated": [True, False] * 6,
            "lens_refusing": [
                np.array(x) for x in ([1.0, 4], [1.0, 1], [3.0, 6], [1.0, 3]) for _ in (0, 1, 2)
            ][::3] * 3,
        }
    )  # fmt: skip
    gates = veto.gate_by_layer(found, draws=40)
    assert gates["layer"].tolist() == [0, 2]
    assert gates["value"].tolist() == [1, 3]
    assert (gates["low"] <= gates["low90"]).all()


def personas(read, **columns):
    rows = veto_items.slot_items(framings="persona").drop(columns="text")
    means = worlds.true_means()
    truth = np.array([means.loc[q, c] for q, c in rows[["question", "country"]].to_numpy()])
    reads = {f"read_{way}": [np.array([x, 0.5]) for x in read(rows, truth)] for way in veto.WAYS}
    return rows.assign(**reads, **columns)


def test_a_probe_that_knows_all_explains_all():
    slots = personas(lambda rows, truth: truth)
    found = veto.reads(slots).set_index(["way", "layer"])
    assert found.loc[("plain", 0), "r2"] == approx(1)
    assert found.loc[("plain", 0), "within"] == approx(1)
    assert found.loc[("question", 0), "question_r2"] < 0.05  # new questions have no mean of theirs
    assert 0.3 < found.loc[("plain", 0), "question_r2"] < 1
    gain = veto.read_over_question(slots, "plain", draws=40)
    assert gain.estimate == approx(1 - found.loc[("plain", 0), "question_r2"])
    assert veto.explained(slots, "plain", draws=40).estimate == approx(1)


def test_a_probe_that_knows_the_question_adds_nothing():
    def others_mean(rows, truth):
        fold, question = veto_items.folds(rows)["plain"].to_numpy(), rows["question"].to_numpy()
        return [
            truth[(question == question[n]) & (fold != fold[n])].mean() for n in range(len(rows))
        ]

    slots = personas(others_mean)
    assert veto.read_over_question(slots, "plain", draws=40).estimate == approx(0)
    flat = veto.reads(personas(lambda rows, truth: np.full(len(rows), 0.3)))
    assert flat["within"].isna().all()  # alike for all countries


def test_a_stage_moves_the_same_prompt():
    rows = veto_items.slot_items(framings="persona").drop(columns="text")
    gated = rows["question"].map(WORLD.survey).isin((2, 4, 6))
    early = rows.assign(lens=[np.array([0.2, 0.5])] * len(rows))
    late = rows.assign(lens=[np.array([0.2, 0.9 if g else 0.4]) for g in gated])
    moved = veto.moved_by_layer(late, early, WORLD).set_index(["layer", "gated"])["change"]
    assert moved[0, True] == moved[0, False] == 0
    assert moved[2, True] == approx(0.4)
    assert moved[2, False] == approx(0.1)


def edited():
    rows = veto_items.edit_items(1).drop(columns="text")
    names = ("none", "features", "random 0", "random 1", "nudge 1", "nudge 2")
    shift = np.array([0.0, -2.0, -0.5, 0.5, 0.1, 0.3])
    table = rows.assign(
        conditions=",".join(names),
        edited_expected=[np.full(6, 0.5)] * len(rows),
        edited_refusing=[1.0 + shift] * len(rows),
        edited_mass=[np.full(6, 0.3)] * len(rows),
        edited_refused=[(1.0 + shift > 0).astype(float)] * len(rows),
        kl=[np.array([0.0, 0.2, 0.1, 0.1, 0.1, 0.3])] * len(rows),
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
    equal = veto.equal_divergence(edited(), "refusing_change")
    assert equal["kl"] == approx(0.2)
    assert equal["open"] == approx(0.2)  # half way between .1 and .3
    assert equal["gated"] == approx(2)


def test_differences_of_conditions_and_of_cells():
    found = edited()
    gap = veto.difference(found, "refusing", "features", "random 0", draws=20)
    assert gap.estimate == approx(-1.5)
    one = found[found["condition"] == "features"].copy()
    one.loc[one["cell"] == "suppressed", "score_change"] = 8.0
    between = veto.between_cells(one, "score_change", "suppressed", "erased", draws=20)
    assert between.estimate == approx(8)
