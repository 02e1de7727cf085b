"""Where answers are made: curves and effects on tables worked out by hand."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
from pytest import approx  # noqa: PT013 - one word in long tables

from valuegate import misfire_where as where


def own(pairs=8, controls=3, layers=4, seed=0):
    """Return prompts that the lens reads from layer 2 on, and a probe from layer 1 on."""
    draw = np.random.default_rng(seed)
    rows = []
    kinds = [(f"p{k}", "Age") for k in range(pairs)]
    kinds += [(f"c{k}", "Control") for k in range(controls)]
    for (pair, category), number in itertools.product(kinds, range(2)):
        for asked, gold in itertools.product(("stereotyped", "contrast"), (0, 1)):
            noise = draw.normal(0, 1, (2, layers))
            told = 8.0 * (gold - 0.5)
            late, early = np.arange(layers) >= 2, np.arange(layers) >= 1
            group = 0.0 if category == "Control" or asked == "contrast" else -6.0
            lens = (noise[0] + late * told + (np.arange(layers) == 3) * group) * early
            probe = noise[1] + early * told
            rows.append((pair, f"{pair}_{number}", category, asked, gold, lens, probe))
    columns = ["pair", "scenario", "category", "asked", "gold", "lens", "decoded"]
    return pd.DataFrame(rows, columns=columns)


def test_a_layer_that_knows_is_told_from_one_that_says():
    found = where.layer_reading(own(), draws=40).set_index(["instrument", "layer"])["auroc"]
    assert found["lens", 0] == approx(0.5)
    assert abs(found["lens", 1] - 0.5) < 0.2
    assert found["lens", 2] > 0.95
    assert abs(found["probe", 0] - 0.5) < 0.2
    assert found["probe", 1] > 0.95


def test_the_gap_is_in_units_of_what_controls_spread():
    found = where.gap_over_controls(own(), "stereotyped", draws=300).set_index("layer")
    assert found.loc[0, "gap"] == 0  # nothing varies there
    assert abs(found.loc[2, "gap"]) < found.loc[2, "band"]
    assert found.loc[3, "gap"] > found.loc[3, "band"]
    assert found.loc[3, "low"] > 0
    assert found["n"].tolist() == [8] * 4
    turned = where.gap_over_controls(own(), "contrast", draws=20).set_index("layer")
    assert turned.loc[3, "gap"] == approx(-found.loc[3, "gap"])
    # The same gap, where controls spread three times as far, is a third of it.
    wide = own()
    control = wide["category"] == "Control"
    wide.loc[control, "lens"] = wide.loc[control, "lens"].map(lambda lens: 3 * lens)
    again = where.gap_over_controls(wide, "stereotyped", draws=50).set_index("layer")
    assert again.loc[3, "gap"] == approx(found.loc[3, "gap"] / 3)


def test_cells_and_sides_are_the_ledgers():
    world = SimpleNamespace(gated_member="contrast", evidence={"p0": "criterion", "p1": "intact"})
    found = where.with_gates(own(2, 1), world)
    assert set(found["cell"]) == {"criterion", "intact", ""}
    assert (found["side"] == np.where(found["asked"] == "contrast", "gated", "open")).all()


def test_what_is_there_below_less_what_is_said():
    table = own()
    # From layer 2 on the lens reads what the probe does: nothing is lost.
    assert where.below_less_output(table, 2, draws=20).estimate == approx(0, abs=0.1)
    silent = table.assign(lens=[np.append(row[:-1], 0.0) for row in table["lens"]])
    found = where.below_less_output(silent, 2, draws=20)
    assert found.estimate == approx(0.5, abs=0.05)
    assert (found.n, found.clusters) == (len(table), table["pair"].nunique())


def test_what_a_gate_adds_to_the_gap_by_hand():
    before = own()
    after = before.assign(
        lens=[
            row - 2.0 * (asked == "stereotyped") * (category != "Control")
            for row, asked, category in zip(
                before["lens"], before["asked"], before["category"], strict=True
            )
        ]
    )
    found = where.gap_added(after, before, "stereotyped")
    assert (found.estimate, found.n) == (approx(2.0), 8)
    assert where.gap_added(after, before, "contrast").estimate == approx(-2.0)


def patched():
    return pd.DataFrame(
        {
            "scenario": ["a", "b", "c"], "log_odds": [2.0, 4.0, 1.0],
            "layers": [[0, 2, 4]] * 3,
            "patched_last": [[2.0, 3.0, 6.0], [4.0, 4.0, 6.0], [1.0, 3.0, 5.0]],
            "patched_before": [[2.0, 4.0, 6.0], [4.0, 4.0, 4.0], [1.0, 3.0, 5.0]],
        }
    )  # fmt: skip


def test_a_patched_curve_is_in_nats_by_hand():
    found = where.patched_curve(patched(), "last")
    assert found["layer"].tolist() == [0, 2, 4]
    assert found["moved"].tolist() == approx([0, 1, (4 + 2 + 4) / 3])
    assert found["n"].tolist() == [3, 3, 3]
    late = where.patched_at(patched(), "last", 4, 2)
    assert late.estimate == approx((3 + 2 + 2) / 3)
    assert where.patched_at(patched(), "before", 2).estimate == approx((2 + 0 + 2) / 3)


def heads():
    rows = [
        ("a", "gated", -2.0, 1.0, -2.0, [-2.0, -1.0]), ("b", "gated", -1.0, 3.0, -1.0, [-1.0, 0.0]),
        ("a", "foil", -4.0, -1.5, -4.0, [-4.0, -4.0]), ("b", "foil", -3.0, 1.0, -3.0, [-3.0, -3.0]),
        ("c", "control", 3.0, 3.0, 3.0, [3.0, 3.0]), ("d", "control", 2.0, 2.0, 2.0, [2.0, 2.0]),
    ]  # fmt: skip
    columns = ["scenario", "kind", "log_odds", "mean_ablated", "zero_ablated", "random"]
    return pd.DataFrame(rows, columns=columns)


def test_heads_change_each_kind_of_prompt_by_hand():
    found = where.head_effects(heads()).set_index(["kind", "ablation"])
    assert found.loc[("gated", "mean_ablated"), "value"] == approx((3 + 4) / 2)
    assert found.loc[("gated", "mean_ablated"), ["yes_before", "yes"]].tolist() == [0, 100]
    assert found.loc[("foil", "mean_ablated"), "yes"] == 50
    assert found.loc[("gated", "random"), "value"] == approx(0.5)
    assert found.loc[("control", "mean_ablated"), ["value", "low", "high"]].tolist() == [0, 0, 0]
    assert found.loc[("gated", "zero_ablated"), "n"] == 2


def test_chosen_heads_are_compared_with_random_ones():
    gap, null, p = where.beyond_random(heads(), "gated")
    assert gap.estimate == approx((2.5 + 3.5) / 2)
    assert null == approx((-0.475, 0.475))  # draws of 0 and 1, less their mean
    assert p == approx(1 / 3)  # two random draws, neither as high
    gap, _, p = where.beyond_random(heads(), "control")
    assert (gap.estimate, p) == (0, 1)


def test_an_answer_that_comes_back_is_compared_with_its_foil():
    assert where.recovered_reading(heads()).estimate == approx((3 - 2.5 + 4 - 4) / 2)
