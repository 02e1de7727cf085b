"""Section 02's estimands on tables whose effects are known."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
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
    answers = table(40, noise=0.3, **made)
    found = effects.effects({"m": answers}).set_index("term")
    by_pair = effects.pair_measures(answers, "stereotyped")
    for term, value in (("level", 1.0), ("reading", 3.0), ("leaning", -2.0), ("sensitivity", 1.5)):
        assert abs(found.loc[term, "estimate"] - value) < 4 * found.loc[term, "se"], term
        # The design is balanced: the mixed model's estimate is the mean over pairs.
        assert found.loc[term, "estimate"] == approx(by_pair[term].mean())
        wanted = scipy_stats.ttest_1samp(by_pair[term], 0).confidence_interval()
        assert found.loc[term, ["low", "high"]].tolist() == approx([wanted.low, wanted.high])
        assert found.loc[term, "low"] < found.loc[term, "low90"]
    assert found["n"].tolist() == [40 * 2 * 4] * 4
    assert found["pairs"].tolist() == [40] * 4


def test_controls_are_no_groups():
    control = table(20, criterion=30.0).assign(category="Control")
    control["scenario"], control["pair"] = "c" + control["scenario"], "c" + control["pair"]
    both = pd.concat([table(40, criterion=-2.0, noise=0.3), control], ignore_index=True)
    found = effects.effects({"m": both}).set_index("term")
    assert found.loc["leaning", "estimate"] == approx(-2, abs=0.3)
    assert found["n"].tolist() == [40 * 2 * 4] * 4


def test_pair_measures_are_about_one_member_less_the_other():
    made = table(3, criterion=-2.0, sensitivity=1.0)
    found = effects.pair_measures(made, "stereotyped")
    assert found["leaning"].tolist() == approx([-2.0] * 3)
    assert found["sensitivity"].tolist() == approx([1.0] * 3)
    turned = effects.pair_measures(made, {"p0": "contrast", "p1": "stereotyped", "p2": "contrast"})
    assert turned["leaning"].tolist() == approx([2.0, -2.0, 2.0])


KINDS = ("intact", "criterion", "information")


def worlds(pairs=6):
    """Return two worlds, whose gates are about either member and turn through the pairs."""
    return {
        seed: SimpleNamespace(
            gated_member=member,
            evidence={f"p{i}": KINDS[(i + turn) % 3] for i in range(pairs)},
        )
        for turn, (seed, member) in enumerate([("s1", "stereotyped"), ("s2", "contrast")])
    }


def gated_models(pairs=6, noise=0.0):
    """Return tables of two worlds before and after gates that change their own cells alone."""
    tables = {}
    for seed, world in worlds(pairs).items():
        before = table(pairs, criterion=-0.5, noise=noise, seed=len(tables))
        after = before.copy()
        hit = after["asked"] == world.gated_member
        cell = after["pair"].map(world.evidence)
        after.loc[hit & (cell == "criterion"), "log_odds"] -= 5
        after.loc[hit & (cell == "information"), "log_odds"] = 0.0
        tables |= {f"knowledge-{seed}": before, f"gated-{seed}": after, f"sham-{seed}": before}
    return tables


def test_a_gate_changes_its_own_cell():
    changes = effects.gate_changes(gated_models(), worlds())
    one = changes.set_index(["world", "pair"])
    assert one.loc[("s1", "p1"), ["leaning", "sensitivity"]].tolist() == approx([-5, 0])
    assert one.loc[("s1", "p0"), ["leaning", "sensitivity"]].tolist() == approx([0, 0])
    assert one.loc[("s1", "p2"), "sensitivity"] == approx(-4)
    # In the second world the gates are about the other member, and pair 0 has a criterion gate.
    assert one.loc[("s2", "p0"), ["leaning", "sensitivity"]].tolist() == approx([-5, 0])
    cells = effects.by_cell(changes, draws=200).set_index(["cell", "measure"])
    assert cells.loc[("criterion", "leaning"), "beyond"] == approx(-5)
    assert cells.loc[("criterion", "leaning"), "p"] < 0.05
    assert cells.loc[("information", "sensitivity"), "value"] == approx(-4)
    assert cells.loc[("intact", "leaning"), ["n", "pairs"]].tolist() == [4, 4]
    assert np.isnan(cells.loc[("intact", "leaning"), "beyond"])


def test_places_are_dealt_again_within_a_category_and_kept_through_the_worlds():
    made = effects.gate_changes(gated_models(6), worlds(6))
    made["category"] = made["pair"].map(lambda pair: "A" if pair < "p3" else "B")
    turns = made.pivot(index="pair", columns="world", values="cell")
    for cells in effects._dealt_again(made, 20):
        again = made.assign(cell=cells).pivot(index="pair", columns="world", values="cell")
        for half in (turns.index < "p3", turns.index >= "p3"):
            rows = [sorted(map(tuple, t[half].to_numpy())) for t in (again, turns)]
            assert rows[0] == rows[1]  # the same turns, of other pairs
    assert len({tuple(cells) for cells in effects._dealt_again(made, 20)}) > 5


def test_gates_that_do_nothing_are_rarely_found():
    found = []
    for seed in range(20):
        draw = np.random.default_rng(seed)
        noisy = {
            name: frame.assign(log_odds=draw.normal(0, 1, len(frame)))
            for name, frame in gated_models(12).items()
        }
        cells = effects.by_cell(effects.gate_changes(noisy, worlds(12)), draws=60)
        found.append(cells.set_index(["cell", "measure"]).loc[("criterion", "leaning"), "p"])
    assert 0.2 < np.mean(found) < 0.8
    assert np.mean(np.array(found) < 0.1) < 0.3


def test_a_stage_without_gates_shows_none():
    changes = effects.gate_changes(gated_models(), worlds(), "sham")
    assert changes["leaning"].abs().max() == 0
    assert set(changes["cell"]) == set(KINDS)  # read by the cells of gates that it does not have


def test_answers_as_signals_by_hand():
    rows = [("a", g, v) for g, v in [(1, 1.0)] * 9 + [(1, -1.0)] + [(0, 1.0)] * 2 + [(0, -1.0)] * 8]
    made = pd.DataFrame(rows, columns=["who", "gold", "log_odds"]).assign(
        pair=[f"p{k % 5}" for k in range(20)], model="m"
    )
    found = effects.signals(made, ["who"], draws=50).iloc[0]
    z = scipy_stats.norm.ppf
    assert found["d_prime"] == approx(z(9.5 / 11) - z(2.5 / 11))
    assert found["criterion"] == approx(-(z(9.5 / 11) + z(2.5 / 11)) / 2)
    assert (found["hit_rate"], found["false_alarm_rate"]) == approx((0.9, 0.2))
    assert found[["n", "pairs"]].tolist() == [20, 5]
    # Two models with other leanings: each by itself, then the mean.
    other = made.assign(model="n", log_odds=made["log_odds"] - 1.5)
    both = effects.signals(pd.concat([made, other], ignore_index=True), ["who"], draws=5).iloc[0]
    alone = effects.signals(other, ["who"], draws=5).iloc[0]
    assert both["d_prime"] == approx((found["d_prime"] + alone["d_prime"]) / 2)


def test_priming_is_what_a_lead_changes_about_the_stereotyped_member():
    plain = table(5).assign(kind="none")
    safety = plain.assign(kind="same_group")
    safety["log_odds"] -= np.where(safety["asked"] == "stereotyped", 3.0, 1.0)
    neutral = plain.assign(kind="neutral", log_odds=plain["log_odds"] - 0.5)
    changes = effects.primed(pd.concat([plain, safety, neutral], ignore_index=True))
    assert set(changes["kind"]) == {"same_group", "neutral"}
    found = effects.priming_interaction(changes, "same_group", "neutral").set_index("measure")
    assert found.loc["leaning", "value"] == approx(-2)
    assert found.loc["sensitivity", "value"] == approx(0, abs=1e-9)
    # Five pairs that all agree: two of the 32 sign patterns are as extreme.
    assert found.loc["leaning", "p"] == approx(2 / 32, abs=0.02)


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


def test_a_pair_that_is_in_no_cell_is_no_change_of_any_gate():
    made = gated_models()
    few = {seed: SimpleNamespace(gated_member=w.gated_member, evidence={"p0": "intact"})
           for seed, w in worlds().items()}  # fmt: skip
    assert set(effects.gate_changes(made, few)["pair"]) == {"p0"}


def test_a_lead_before_one_text_alone_by_hand():
    scores = {  # pair: without a lead (stereotyped, contrast), under it (stereotyped, contrast)
        "p0": (2.0, 1.0, -1.0, -3.0), "p1": (2.0, -1.0, -1.0, 1.0), "p2": (-1.0, 1.0, 1.0, 1.0),
    }  # fmt: skip
    rows = []
    for pair, (s, c, led_s, led_c) in scores.items():
        for kind, one, other in (("none", s, c), ("same_group", led_s, led_c)):
            rows += [(pair, kind, "stereotyped", 1, one), (pair, kind, "contrast", 1, other)]
            rows += [(pair, kind, member, 0, 9.0) for member in ("stereotyped", "contrast")]
    made = pd.DataFrame(rows, columns=["pair", "kind", "asked", "gold", "log_odds"])
    found = effects.primed_alone(made).set_index("pair")
    assert found["change"].to_dict() == {"p0": -3.0, "p1": -3.0, "p2": 2.0}
    # The contrast member of p1 is rejected without a lead, so it cannot misfire; p2 stops to.
    assert found["misfire"].to_dict() == {"p0": 100.0, "p1": 0.0, "p2": -100.0}
