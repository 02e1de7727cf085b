"""What directions tell, on hand-made residuals."""

import numpy as np
import pandas as pd
import pytest
from test_refusal_geometry import planted

from valuegate import refusal_geometry as geometry
from valuegate import refusal_tells as tells

approx = pytest.approx


def test_transfer_is_full_within_and_half_between_unrelated_kinds():
    kinds, everyday = planted(np.eye(4, 16) * 3)
    test, _ = planted(np.eye(4, 16) * 3, seed=1)
    fitted = geometry.directions(kinds, everyday, "lookalikes")
    found = tells.transfer(fitted, test, draws=50).set_index(["direction", "kind"])["value"]
    assert found["a", "a"] == approx(1)
    assert abs(found["a", "b"] - 0.5) < 0.25


def test_the_layer_that_bypasses_most_is_chosen_of_those_that_induce_and_spare():
    table = pd.DataFrame(
        {
            "role": ["refuse", "comply"], "layers": "2 2 4", "positions": "last end last",
            "bypassed": [np.array([-5.0, -3, -4]), np.zeros(3)],
            "induced": [np.zeros(3), np.array([-1.0, 2, 2])],
            "kl": [np.zeros(3), np.array([0.0, 0.05, 0.3])],
        }
    )  # fmt: skip
    found = tells.selection(table)
    assert found["admitted"].tolist() == [False, True, False]
    assert found["chosen"].tolist() == [False, True, False]
    induced = [np.zeros(3), np.array([-3.0, -2, -1])]
    never = tells.selection(table.assign(induced=induced))
    assert not never["admitted"].any()
    assert never.loc[never["chosen"], "layer"].tolist() == [4]


def test_behaviour_and_label_may_part():
    rows = pd.DataFrame(
        {
            "kind": ["a"] * 4 + ["b"] * 4, "role": ["refuse", "refuse", "comply", "comply"] * 2,
            "refusing": [1.0, -1, 1, -1, -1, -1, -1, -1],
        }
    )  # fmt: skip
    stream = np.array([[1.0, 1], [1, 0], [0, 1], [0, 0]] * 2)
    found = tells.behaviour(rows, stream, ("a", "b"), fewest=2)
    assert found["refused"].tolist() == [2, 0]
    assert found["answered"].tolist() == [2, 4]
    assert found["cosine"].iloc[0] == pytest.approx(0)  # by behaviour (0, 1), by label (1, 0)
    assert np.isnan(found["cosine"].iloc[1])
    assert tells.mean_cosine(found).estimate == pytest.approx(0)
    assert np.isnan(tells.mean_cosine(found.iloc[1:]).estimate)


def test_what_is_taken_out_and_what_needs_another():
    rows = pd.DataFrame(
        {
            "refusing": [1.0, 1.0, -1.0, 1.0], "names": "a,b,pooled", "pairs": "a,b",
            "single": [np.array([-1.0, 1, 1])] * 4, "every": [np.array([-1.0, -1, -1])] * 4,
            "alone": [np.array([3.0, 3.0])] * 4, "crossed": [np.array([1.0, 3.0])] * 4,
        }
    )  # fmt: skip
    assert tells.taken_out(rows, "a", "single", draws=10).estimate == -75
    assert tells.taken_out(rows, "pooled", "single", draws=10).estimate == 25
    change = tells.crossed(rows, draws=10)
    # a out, b added: from -1 to 1; b out, a added: from 1 to 3; alone from .5 to 3, twice.
    assert change.estimate == approx(100 * (4 / 5 - 1))
    assert change.level == 0.9
