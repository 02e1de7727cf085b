"""Section 02's estimands on tables whose effects are known."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pytest import approx  # noqa: PT013 - one word in long tables
from scipy import stats as scipy_stats

from valuegate import misfire_effects as effects
from valuegate import stats


def table(pairs=6, *, lean=0.0, reading=4.0, criterion=0.0, sensitivity=0.0, noise=0.0, seed=0):
    """Return log-odds made of the four parts, two scenarios a pair."""
    draw = np.random.default_rng(seed)
    rows = []
    for pair, scenario in itertools.product(range(pairs), range(2)):
        own = draw.normal(0, 0.5)  # a scenario's own level
        for asked, gold in itertools.product(("stereotyped", "contrast"), (0, 1)):
            group = 0.5 if asked == "stereotyped" else -0.5
            evidence = gold - 0.5
            value = lean + own + reading * evidence + criterion * group
            value += sensitivity * evidence * group + draw.normal(0, noise)
            rows.append((f"p{pair}", f"p{pair}_{scenario}", asked, gold, value))
    found = pd.DataFrame(rows, columns=["pair", "scenario", "asked", "gold", "log_odds"])
    return found.assign(category="Age")


def test_the_mixed_model_finds_what_the_log_odds_are_made_of():
    made = {"lean": 1.0, "reading": 3.0, "criterion": -2.0, "sensitivity": 1.5}
    found = effects.effects({"m": table(40, noise=0.3, **made)}).set_index("term")
    for term, value in made.items():
        assert abs(found.loc[term, "estimate"] - value) < 4 * found.loc[term, "se"], term
        assert found.loc[term, "se"] < 0.1
    assert found["n"].tolist() == [40 * 2 * 4] * 4
    assert found["scenarios"].tolist() == [80] * 4


def test_controls_are_no_groups():
    control = table(20, criterion=30.0).assign(category="Control")
    control["scenario"] = "c" + control["scenario"]
    both = pd.concat([table(40, criterion=-2.0, noise=0.3), control], ignore_index=True)
    found = effects.effects({"m": both}).set_index("term")
    assert found.loc["criterion", "estimate"] == approx(-2, abs=0.3)
    assert found["n"].tolist() == [40 * 2 * 4] * 4


def test_pair_measures_are_about_one_member_less_the_other():
    made = table(3, criterion=-2.0, sensitivity=1.0)
    found = effects.pair_measures(made, "stereotyped")
    assert found["criterion"].tolist() == approx([-2.0] * 3)
    assert found["sensitivity"].tolist() == approx([1.0] * 3)
    turned = effects.pair_measures(made, {"p0": "contrast", "p1": "stereotyped", "p2": "contrast"})
    assert turned["criterion"].tolist() == approx([2.0, -2.0, 2.0])


def test_a_gate_changes_its_own_cell():
    world = SimpleNamespace(
        gated_member="stereotyped",
        evidence={f"p{i}": ("intact", "criterion", "information")[i % 3] for i in range(6)},
    )
    before = table(6, criterion=-0.5)
    after = before.copy()
    hit = after["asked"] == "stereotyped"
    cell = after["pair"].map(world.evidence)
    after.loc[hit & (cell == "criterion"), "log_odds"] -= 5
    after.loc[hit & (cell == "information"), "log_odds"] = 0.0
    changes = effects.gate_changes(after, before, world).set_index("pair")
    assert changes.loc["p1", ["criterion", "sensitivity"]].tolist() == approx([-5, 0])
    assert changes.loc["p0", ["criterion", "sensitivity"]].tolist() == approx([0, 0])
    assert changes.loc["p2", "sensitivity"] == approx(-4)
    cells = effects.by_cell(changes.reset_index()).set_index(["cell", "measure"])
    assert cells.loc[("criterion", "criterion"), "beyond_intact"] == approx(-5)
    assert cells.loc[("information", "sensitivity"), "value"] == approx(-4)
    assert cells.loc[("intact", "criterion"), "n"] == 2


def test_priming_is_what_a_lead_changes_about_the_stereotyped_member():
    plain = table(5).assign(kind="none")
    safety = plain.assign(kind="same_group")
    safety["log_odds"] -= np.where(safety["asked"] == "stereotyped", 3.0, 1.0)
    neutral = plain.assign(kind="neutral", log_odds=plain["log_odds"] - 0.5)
    changes = effects.primed(pd.concat([plain, safety, neutral], ignore_index=True))
    assert set(changes["kind"]) == {"same_group", "neutral"}
    found = effects.priming_interaction(changes, "same_group", "neutral").set_index("measure")
    assert found.loc["criterion", "value"] == approx(-2)
    assert found.loc["sensitivity", "value"] == approx(0, abs=1e-9)
    # Five pairs that all agree: two of the 32 sign patterns are as extreme.
    assert found.loc["criterion", "p"] == approx(2 / 32, abs=0.02)


def test_students_and_welchs_intervals_are_scipys():
    one, other = [1.0, 2.0, 4.0, 7.0], [0.0, 0.5, 3.0]
    mean = stats.student_mean(one)
    wanted = scipy_stats.ttest_1samp(one, 0).confidence_interval()
    assert (mean.low, mean.high) == approx((wanted.low, wanted.high))
    gap = stats.welch_difference(one, other, level=0.9)
    wanted = scipy_stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.9)
    assert (gap.low, gap.high) == approx((wanted.low, wanted.high))
    assert np.isnan(stats.student_mean([1.0]).low)
    assert np.isnan(stats.welch_difference([1.0], other).low)


def test_a_pair_without_a_gate_of_its_own_is_no_change_of_any_gate():
    world = SimpleNamespace(gated_member="contrast", evidence={"p0": "intact", "p1": "criterion"})
    found = effects.gate_changes(table(3), table(3), world)
    assert found["pair"].tolist() == ["p0", "p1"]
    with pytest.raises(KeyError):
        effects.by_cell(found[found["cell"] == "criterion"])
