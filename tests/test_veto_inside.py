"""Mechanism, by hand: where a gate is read, and what probes add."""

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
            "layers": [[0, 3]] * 12,
        }
    )  # fmt: skip
    gates = veto.gate_by_layer(found, draws=40)
    assert gates["layer"].tolist() == [0, 3]
    assert gates["value"].tolist() == [1, 3]
    assert (gates["low"] <= gates["low90"]).all()


def personas(read, **columns):
    rows = veto_items.slot_items(framings="persona").drop(columns="text")
    means = worlds.true_means()
    truth = np.array([means.loc[q, c] for q, c in rows[["question", "country"]].to_numpy()])
    reads = {f"read_{way}": [np.array([x, 0.5]) for x in read(rows, truth)] for way in veto.WAYS}
    return rows.assign(**reads, layers=[[0, 2]] * len(rows), **columns)


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
    late = rows.assign(
        lens=[np.array([0.2, 0.9 if g else 0.4]) for g in gated], layers=[[0, 2]] * len(rows)
    )
    moved = veto.moved_by_layer(late, early, WORLD).set_index(["layer", "gated"])["change"]
    assert moved[0, True] == moved[0, False] == 0
    assert moved[2, True] == approx(0.4)
    assert moved[2, False] == approx(0.1)
