"""One knob, by hand: what refusal costs on curves that are known."""

import numpy as np
import pandas as pd
import pytest

from valuegate import refusal_curves as refusal

approx = pytest.approx


def table(shift, prompts=20):
    """Return a table of "curves" in which direction d adds `shift[d]` nats to what is to answer.

    Requests to refuse are at -1 and move by 2 a strength; requests to answer are at -4.
    """
    refuse = np.arange(2 * prompts) < prompts
    plain = np.where(refuse, -1.0, -4.0)
    strengths = np.array([1.0, 2.0, 3.0])
    move = np.where(refuse[:, None, None], 2.0, np.array(shift)[None, :, None]) * strengths
    spread = np.linspace(-0.4, 0.4, prompts)
    plain = plain + np.concatenate([spread, spread])
    return pd.DataFrame(
        {
            "role": np.where(refuse, "refuse", "comply"), "refusing": plain,
            "names": ",".join("abcdef"[: len(shift)]), "strengths": "1 2 3",
            "steered": list((plain[:, None, None] + move).reshape(2 * prompts, -1)),
        }
    )  # fmt: skip


def test_nothing_done_is_the_first_strength():
    found = refusal.steered(table([0.0, 4.1]))
    assert found.names == ("a", "b")
    assert found.strengths.tolist() == [0, 1, 2, 3]
    refused, over = refusal.rates(found)
    assert refused.tolist() == [[0, 1, 1, 1]] * 2
    assert over[0].tolist() == [0, 0, 0, 0]
    assert over[1, 0] == 0
    assert over[1, 2:].tolist() == [1, 1]


def test_the_cost_lies_between_two_strengths():
    refused, over = np.array([0.0, 0.8, 1.0]), np.array([0.0, 0.2, 0.6])
    assert refusal.cost(refused, over) == approx(0.4)  # half way from .8 to 1
    assert refusal.strength_at(refused, np.array([0.0, 1.0, 2.0])) == approx(1.5)
    assert np.isnan(refusal.cost(refused * 0.5, over))
    assert refusal.cost(np.array([0.95, 1]), np.array([0.3, 0.9])) == approx(0.3)


def test_the_area_is_one_for_what_costs_nothing():
    assert refusal.partial_area(np.array([0.0, 1.0]), np.array([0.0, 0.0])) == approx(1)
    half = refusal.partial_area(np.array([0.5, 1.0]), np.array([0.0, 0.25]))
    assert half == approx(0.75, abs=0.01)


def test_directions_that_cost_the_same_are_equal_and_others_are_not():
    same = refusal.knob(refusal.steered(table([0.5, 0.5, 0.5])), ("a", "b", "c"), draws=60)
    assert same.equal
    assert same.power == 1
    assert same.widest.estimate == same.null_high == 0
    other = refusal.knob(refusal.steered(table([0.5, 0.5, 4.1])), ("a", "b", "c"), draws=60)
    assert not other.equal
    assert 0 < other.null_high < other.widest.estimate
    assert "c" in other.pair
    rows = other.table.set_index("direction")
    assert rows.loc["a", "cost"] == 0
    assert other.widest.estimate == approx(rows.loc["c", "cost"])
    assert rows.loc["a", "area"] > rows.loc["c", "area"]


def test_a_direction_that_never_makes_refusals_has_no_cost():
    still = table([0.0, 0.0])
    still["steered"] = [np.full(6, -1.0)] * len(still)
    found = refusal.knob(refusal.steered(still), ("a", "b"), draws=10)
    assert found.table["cost"].isna().all()
    assert found.table["reached"].tolist() == [0, 0]
    assert not found.equal
    assert np.isnan(found.widest.estimate)


def test_a_gate_that_knows_costs_nothing():
    found = refusal.steered(table([4.1, 0.0]))
    told = np.where(found.refuse == 1, 1.0, -1.0)
    gain = refusal.gate_gain(found, told, "a", draws=20)
    plain = refusal.cost(*(rate[0] for rate in refusal.rates(found)))
    assert plain > 0
    assert gain.cost.estimate == approx(-plain)
    assert gain.area.estimate > 0
    always = refusal.gate_gain(found, np.ones(len(told)), "a", draws=20)
    assert always.cost.estimate == always.area.estimate == 0
    never = refusal.gate_gain(found, -np.ones(len(told)), "a", draws=20)
    assert np.isnan(never.cost.estimate)


def test_controls_reach_what_they_reach():
    found = refusal.steered(table([0.0, 0.0]).assign(names="a,outside 0"))
    assert refusal.reach(found, "outside", draws=10).estimate == 100
    still = table([0.0, 0.0]).assign(names="a,outside 0")
    still["steered"] = [np.full(6, -1.0)] * len(still)
    assert refusal.reach(refusal.steered(still), "outside", draws=10).estimate == 0
