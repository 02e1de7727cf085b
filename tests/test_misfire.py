"""Section 02's metrics on tables of a few pairs, with answers worked out by hand."""

from __future__ import annotations

import math
from itertools import pairwise
from math import isnan, nan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pytest import approx  # noqa: PT013 - one word in long tables

from valuegate import misfire, paths
from valuegate.errors import ValueGateError
from valuegate.misfire import (
    best_lens_layer,
    by_category,
    check,
    evidence_reading,
    group_differences,
    lens_curves,
    misfire_rates,
    outcomes,
    stage_readings,
)
from valuegate.misfire_tables import (
    category_table,
    differences_table,
    published,
    published_table,
    summary_rows,
)

DRAWS = 60  # enough where the interval is not the point
PROBES = ("evidence", "foil")


def table(pairs: list[tuple[float, float, float, float]], lens: bool = False) -> pd.DataFrame:
    """Return a per-item table; a pair is the log-odds of stereotyped evidence and foil, then of
    contrast evidence and foil. Each pair is a scenario, every second one is in category B."""
    rows = []
    for i, (s_evidence, s_foil, c_evidence, c_foil) in enumerate(pairs):
        scores = {
            ("stereotyped", "evidence"): s_evidence,
            ("stereotyped", "foil"): s_foil,
            ("contrast", "evidence"): c_evidence,
            ("contrast", "foil"): c_foil,
        }
        for (member, probe), score in scores.items():
            rows.append(
                {
                    "pair": f"p{i:03d}",
                    "scenario": f"s{i:03d}",
                    "category": "A_b" if i % 2 == 0 else "B",
                    "negated": False,
                    "member": member,
                    "probe": probe,
                    "gold": int(probe == "evidence"),
                    "log_odds": float(score),
                }
            )
    found = pd.DataFrame(rows)
    if lens:  # the embedding says nothing, layer 1 half of the output
        found["lens"] = [np.array([0.5, v / 2, v], "float32") for v in found["log_odds"]]
    return found


def outcome_table(a: int, b: int, c: int, d: int) -> pd.DataFrame:
    """Return `outcomes` of a pairs both right, b only stereotyped, c only contrast, d neither."""
    right = [(True, True)] * a + [(True, False)] * b + [(False, True)] * c + [(False, False)] * d
    return pd.DataFrame(
        {
            "pair": [f"p{i}" for i in range(len(right))],
            "scenario": [f"s{i}" for i in range(len(right))],
            "category": "A",
            "negated": False,
            "stereotyped": [s for s, _ in right],
            "contrast": [c for _, c in right],
        }
    )


def simulated(
    seed: int, scenarios: int = 60, signal: float = 1.0, shift: float = 0.0, lost: float = 0.0
) -> pd.DataFrame:
    """Return a table of normal log-odds. `shift` lowers both answers about the stereotyped member
    (criterion); `lost` takes that much signal from its evidence (sensitivity)."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(scenarios, 4))
    means = [signal / 2 - lost - shift, -signal / 2 - shift, signal / 2, -signal / 2]
    return table([tuple(row) for row in noise + means], lens=True)


# The 2 x 2 ---------------------------------------------------------------------------------------


def test_outcomes_by_hand():
    # Right is yes (above 0) on evidence; foils are not asked here. 0 itself is no yes.
    found = outcomes(
        table([(1, -9, 1, -9), (2, 9, -1, 9), (-1, 0, 0.5, 0), (-1, 0, -2, 0), (0, 0, 1, 0)])
    )
    assert list(found["stereotyped"]) == [True, True, False, False, False]
    assert list(found["contrast"]) == [True, False, True, False, True]
    assert list(found["pair"]) == ["p000", "p001", "p002", "p003", "p004"]
    assert list(found["scenario"]) == ["s000", "s001", "s002", "s003", "s004"]


@pytest.mark.parametrize(
    ("a", "b", "c", "d", "mar", "mar_all", "bias_rate", "reverse_all", "right_s", "right_c"),
    [
        (6, 1, 2, 1, 25, 20, 100 / 7, 10, 70, 80),
        (3, 3, 1, 3, 25, 10, 50, 30, 60, 40),
        (1, 0, 0, 1, 0, 0, 0, 0, 50, 50),
        (0, 2, 2, 0, 100, 50, 100, 50, 50, 50),  # whim at its most
        (4, 0, 0, 0, 0, 0, 0, 0, 100, 100),  # always yes: no misfire, whatever it knows
        (0, 0, 0, 4, nan, 0, nan, 0, 0, 0),  # always no: no pair in the denominator
        (0, 4, 0, 0, nan, 0, 100, 100, 100, 0),
        (0, 0, 4, 0, 100, 100, nan, 0, 0, 100),
    ],
)
def test_rates_by_hand(a, b, c, d, mar, mar_all, bias_rate, reverse_all, right_s, right_c):
    found = misfire_rates(outcome_table(a, b, c, d), DRAWS)
    value = dict(found["value"])
    assert value["mar"] == approx(mar, nan_ok=True)
    assert value["mar_all"] == approx(mar_all)
    assert value["bias_rate"] == approx(bias_rate, nan_ok=True)
    assert value["reverse_all"] == approx(reverse_all)
    assert value["net"] == approx(mar_all - reverse_all)
    assert value["accuracy_stereotyped"] == approx(right_s)
    assert value["accuracy_contrast"] == approx(right_c)
    assert list(found["n"]) == [a + c, a + b + c + d, a + b, *[a + b + c + d] * 4]
    assert set(found["scenarios"]) == {a + b + c + d}
    for name, row in found.iterrows():
        if isnan(value[name]):
            assert isnan(row["low"]), name
            assert isnan(row["high"]), name
            assert isnan(row["p"]), name


def test_the_published_rate_of_llama_by_hand():
    # arXiv 2606.18656, main results: 34.2% and 31.3% right, MAR 11.8 and bias rate 19.3.
    # Of 1,000 pairs a + b = 342, a + c = 313, c = 11.8% of 313 = 37, so a = 276 and b = 66.
    value = misfire_rates(outcome_table(276, 66, 37, 621), 2)["value"]
    assert value["mar"] == approx(11.8, abs=0.05)
    assert value["bias_rate"] == approx(19.3, abs=0.05)


def test_exchanging_the_members_exchanges_the_rates():
    found, mirrored = (
        misfire_rates(outcome_table(a, b, c, d), DRAWS)["value"]
        for a, b, c, d in ((6, 1, 2, 1), (6, 2, 1, 1))
    )
    assert found["mar"] == approx(mirrored["bias_rate"])
    assert found["net"] == approx(-mirrored["net"])


def test_a_null_of_whole_exchanges_by_hand():
    # Two pairs, c and c: exchanged or not, MAR over all is 100, 50, 50 or 0 percent; p of 100 is
    # the share of draws as far from the centre of the null, 0 and 100: about a half.
    found = misfire_rates(outcome_table(0, 0, 2, 0), 400)
    row = found.loc["mar_all"]
    assert (row["value"], row["null_low"], row["null_high"]) == (100, 0, 100)
    assert row["p"] == approx(0.5, abs=0.1)
    # With every pair right nothing can be exchanged.
    row = misfire_rates(outcome_table(5, 0, 0, 0), DRAWS).loc["net"]
    assert (row["value"], row["null_low"], row["null_high"], row["p"]) == (0, 0, 0, 1)


def test_the_balanced_criterion_gives_rates_to_a_model_that_always_says_no():
    # All log-odds are below 0; their median is -5, between 4 higher and 4 lower ones.
    no = table([(-1, -9, -2, -8), (-6, -7, -3, -4)])
    assert not outcomes(no)[["stereotyped", "contrast"]].to_numpy().any()
    assert isnan(misfire_rates(outcomes(no), DRAWS).loc["mar", "value"])
    balanced = outcomes(no, balanced=True)
    assert list(balanced["stereotyped"]) == [True, False]
    assert list(balanced["contrast"]) == [True, True]
    value = misfire_rates(balanced, DRAWS)["value"]
    assert (value["mar"], value["bias_rate"], value["net"]) == (50, 0, 50)
    # Adding a constant to every answer changes nothing there.
    moved = no.assign(log_odds=no["log_odds"] + 100)
    assert outcomes(moved)[["stereotyped", "contrast"]].to_numpy().all()
    pd.testing.assert_frame_equal(outcomes(moved, balanced=True), balanced)


@pytest.mark.parametrize("seed", range(6))
def test_the_null_covers_a_model_whose_groups_are_exchangeable(seed):
    found = misfire_rates(outcomes(simulated(seed)), 200)
    # A 95% band; over these seeds net is inside it (5 in 100 seeds are not, by chance).
    assert (
        found.loc["net", "null_low"] <= found.loc["net", "value"] <= found.loc["net", "null_high"]
    )
    assert found.loc["net", "p"] > 0.05
    assert found.loc["net", "low"] < 0 < found.loc["net", "high"]


@pytest.mark.parametrize("seed", range(3))
def test_the_null_excludes_a_planted_misfire(seed):
    found = misfire_rates(outcomes(simulated(seed, signal=2, shift=1.5)), 200)
    for name in ("mar", "mar_all", "net"):
        assert found.loc[name, "value"] > found.loc[name, "null_high"]
        assert found.loc[name, "p"] < 0.01
    assert found.loc["net", "low"] > 0
    assert found.loc["bias_rate", "value"] < found.loc["bias_rate", "null_low"]


# Reading the evidence ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pairs", "stereotyped", "contrast"),
    [
        ([(1, 0, 0, 1), (2, 0, 0, 2)], 1, 0),
        ([(3, 3, 1, 0), (3, 3, 1, 2)], 0.5, 0.5),  # ties count half; 1 beats 0, loses to 2
        ([(1, 1, 5, 4), (2, 0, 3, 2)], 0.875, 0.75),  # 1 ties with 1: 3.5 of 4; 3 loses to 4
    ],
)
def test_evidence_auroc_by_hand(pairs, stereotyped, contrast):
    found = evidence_reading(table(pairs), DRAWS)
    assert found.loc["stereotyped", "auroc"] == approx(stereotyped)
    assert found.loc["contrast", "auroc"] == approx(contrast)
    assert list(found["n"]) == [4, 4]
    assert list(found["scenarios"]) == [2, 2]


def test_rates_and_criterion_by_hand():
    # Stereotyped: 1 of 4 evidence and 0 of 4 foils are yes; contrast: 4 of 4 and 3 of 4.
    found = evidence_reading(
        table([(1, -1, 1, 1), (-1, -1, 1, 1), (-1, -1, 1, 1), (-1, -1, 1, -1)]), DRAWS
    )
    assert list(found["hit_rate"]) == [0.25, 1]
    assert list(found["false_alarm_rate"]) == [0, 0.75]
    # Log-linear: hits (1 + .5) / 5 = .3, false alarms .5 / 5 = .1; z are -0.5244 and -1.2816.
    assert found.loc["stereotyped", "d_prime"] == approx(0.7572, abs=1e-4)
    assert found.loc["stereotyped", "criterion"] == approx(0.9030, abs=1e-4)  # leans to no
    # Mirrored: .9 and .7 have z 1.2816 and 0.5244.
    assert found.loc["contrast", "d_prime"] == approx(0.7572, abs=1e-4)
    assert found.loc["contrast", "criterion"] == approx(-0.9030, abs=1e-4)  # leans to yes


def test_the_null_of_reading_is_chance():
    found = evidence_reading(simulated(1, signal=3), 200)
    assert (found["null_low"] < 0.5).all()
    assert (found["null_high"] > 0.5).all()
    assert (found["low"] > found["null_high"]).all()  # read, and seen to be
    blind = evidence_reading(simulated(2, signal=0), 200)
    assert (blind["auroc"].between(blind["null_low"], blind["null_high"])).all()


@pytest.mark.parametrize(
    ("planted", "criterion", "area"),
    [
        ({"shift": 1.0}, 1, 0),  # leans to no about the stereotyped member, and reads as well
        ({"shift": -1.0}, -1, 0),
        ({"lost": 2.0}, 1, -1),  # reads it less, and denies it more
        ({}, 0, 0),
    ],
)
def test_signs_of_group_differences(planted, criterion, area):
    found = group_differences(simulated(4, scenarios=150, signal=2, **planted), 200)
    for name, sign in (("criterion", criterion), ("auroc", area), ("d_prime", area)):
        row = found.loc[name]
        if sign:
            assert math.copysign(1, row["value"]) == sign
            assert row["low"] > 0 or row["high"] < 0
            assert row["value"] < row["null_low"] or row["value"] > row["null_high"]
            assert row["p"] < 0.01
        else:
            # By chance, 5 to 8 of 100 seeds exclude 0 or leave the null (counted); 4 is none.
            assert row["low"] < 0 < row["high"]
            assert row["null_low"] < row["value"] < row["null_high"]
    # The 90% interval of the equivalence test lies inside the 95% one.
    row = found.loc["auroc"]
    assert row["low"] <= row["low90"] <= row["value"] <= row["high90"] <= row["high"]
    assert (found["n"] == 600).all()
    assert (found["scenarios"] == 150).all()


def test_group_differences_by_hand():
    # AUROC 1 against 0; the stereotyped member's answers are 1 yes of 1 and 0 of 1.
    found = group_differences(table([(1, -1, -1, 1)]), 10)["value"]
    assert found["auroc"] == 1
    # Log-linear rates .75 and .25: z are +-0.6745; d' is 1.349 against -1.349, criterion 0 in both.
    assert found["d_prime"] == approx(2.698, abs=1e-3)
    assert found["criterion"] == approx(0)


# Categories --------------------------------------------------------------------------------------


def test_by_category_by_hand():
    no, yes = (-1, 0, -1, 0), (1, 0, 1, 0)
    only_s, only_c = (1, 0, -1, 0), (-1, 0, 1, 0)
    even = [only_c, only_c, only_c, only_c, only_s]  # A_b: b = 1, c = 4
    odd = [only_s, only_s, yes, no, no]  # B: b = 2, c = 0
    found = by_category(outcomes(table([pair for two in zip(even, odd) for pair in two])))  # noqa: B905
    assert list(found["category"]) == ["A b", "B"]
    counts = found[["pairs", "both", "b", "c", "neither"]].to_numpy().tolist()
    assert counts == [[5, 0, 1, 4, 0], [5, 1, 2, 0, 2]]
    # P(at least 4 of 5 fair coins) = 6/32; at least 0 of 2 = 1.
    assert list(found["p"]) == [6 / 32, 1]
    # Benjamini and Hochberg: the smaller one doubled.
    assert list(found["q"]) == [approx(12 / 32), 1]
    printed = category_table(found)
    assert list(printed["p (c > b)"]) == ["0.188", "1.000"]
    assert list(printed["q"]) == ["0.375", "1.000"]
    assert list(printed["only contrast right (c)"]) == [4, 0]


# The lens ----------------------------------------------------------------------------------------


def test_lens_curves_by_hand():
    # Contrast minus stereotyped evidence at the output: 1, 1 and 4, on average 2.
    found = lens_curves(table([(0, 0, 1, 0), (2, 0, 3, 0), (0, 0, 4, 0)], lens=True), 200)
    assert list(found["layer"]) == [0, 1, 2]
    assert list(found["gap"]) == [0, 1, 2]
    assert list(found["n"]) == [3, 3, 3]
    # Evidence log-odds at the output are 0, 1, 2, 3, 0, 4: mean 10/6, sample variance 40/15.
    spread = math.sqrt((30 - 100 / 6) / 5)
    assert list(found["spread"]) == [0, approx(spread / 2), approx(spread)]
    # Over its spread the gap is the same in both layers; no spread in the embedding, and no gap.
    assert list(found["gap_sd"]) == [0, approx(2 / spread), approx(2 / spread)]
    assert list(found["low"]) == [0, approx(found["low"][2] / 2), found["low"][2]]
    assert 1 <= found["low"][2] <= 2 <= found["high"][2] <= 4
    # Signs flipped by scenario: |1 + 1 + 4| / 3 is the largest of the null, and 2 of 8 have it.
    assert found["band"].nunique() == 1
    assert found["band"][0] == approx(2 / spread)
    assert found["p_any_layer"][2] == approx(0.25, abs=0.08)
    assert found["p_any_layer"][0] == 1
    # Evidence against foils of 0: contrast evidence wins all; stereotyped ties twice of three.
    assert list(found["auroc_contrast"]) == [0.5, 1, 1]
    assert list(found["auroc_stereotyped"]) == [0.5, approx(2 / 3), approx(2 / 3)]


def test_lens_gap_has_the_sign_of_a_misfire():
    rising = lens_curves(simulated(5, signal=2, shift=1.5), 200)
    assert rising["gap"].iloc[-1] > 0
    assert rising["gap_sd"].iloc[-1] > rising["band"].iloc[-1]
    assert rising["low_sd"].iloc[-1] > 0
    mirrored = lens_curves(simulated(5, signal=2, shift=-1.5), 200)
    assert mirrored["gap"].iloc[-1] < 0


@pytest.mark.parametrize("seed", range(4))
def test_the_band_covers_the_whole_curve_of_exchangeable_groups(seed):
    found = lens_curves(simulated(seed + 20), 300)
    assert (found["gap_sd"].abs() < found["band"]).all()


def test_the_band_is_wider_for_more_layers():
    # The largest of many independent layers is further out than one layer's own 95% point.
    one = simulated(7, scenarios=80)
    rng = np.random.default_rng(0)
    layers = [1, 4, 16]
    bands = []
    for count in layers:
        one["lens"] = list(rng.normal(size=(len(one), count)))
        bands.append(lens_curves(one, 400)["band"][0])
    assert all(narrow < wide for narrow, wide in pairwise(bands))


def test_best_lens_layer_chooses_on_one_half_and_reads_on_the_other():
    pairs = [(1.0, -1.0, 1.0, -1.0)] * 8
    half = table(pairs)
    chosen_half = half["scenario"].isin(sorted(half["scenario"].unique())[::2])
    right, wrong = half["log_odds"], -half["log_odds"]
    # Layer 0 reads perfectly in the half that chooses and backwards in the other; layer 1 is the
    # other way round. Taking the best of both halves would say 1; an honest choice says 0.
    layer0 = np.where(chosen_half, right, wrong)
    half["lens"] = list(np.stack([layer0, -layer0], axis=1))
    found = best_lens_layer(half, DRAWS)
    assert found.estimate == 0
    assert (found.n, found.clusters) == (16, 4)
    # A layer that reads everywhere is found.
    half["lens"] = list(np.stack([wrong, right, wrong], axis=1))
    assert best_lens_layer(half, DRAWS).estimate == 1


# Tables ------------------------------------------------------------------------------------------


def test_check_wants_four_rows_a_pair():
    whole = table([(1, 0, 1, 0), (1, 0, 1, 0)])
    assert check(whole) is whole
    for broken in (
        whole.iloc[1:],
        pd.concat([whole, whole.iloc[:1]]),
        whole.assign(probe="evidence"),
        whole.assign(member="contrast"),
        whole.replace({"pair": {"p001": "p000"}}),
    ):
        with pytest.raises(ValueGateError, match=f"{misfire.SECTION}: .* rows for . pairs; each"):
            check(broken)


def test_what_the_paper_published_is_what_we_store():
    theirs = published(paths.DATA / "items/misfire_published.csv")
    assert len(theirs) == 25
    assert theirs["model"].is_unique
    assert dict(theirs["starred"].value_counts()) == {"": 10, "mar": 9, "bias": 6}
    assert (theirs["mar"].min(), theirs["mar"].max()) == (4.7, 18.9)
    assert (theirs["priming_delta"].min(), theirs["priming_delta"].max()) == (2.6, 64.3)
    # A star is on the larger of the two rates.
    assert (theirs["mar"] > theirs["bias_rate"])[theirs["starred"] == "mar"].all()
    assert (theirs["mar"] < theirs["bias_rate"])[theirs["starred"] == "bias"].all()
    # a = (a + b) - b = (a + c) - c, so the four columns hold each other to their rounding.
    both_s = theirs["accuracy_stereotyped"] * (1 - theirs["bias_rate"] / 100)
    both_c = theirs["accuracy_contrast"] * (1 - theirs["mar"] / 100)
    assert (both_s - both_c).abs().max() < 0.7


def test_published_table_by_hand():
    theirs = pd.DataFrame(
        [
            {"model": "M", "mar": 17.6, "bias_rate": 6.4, "accuracy_stereotyped": 60.5,
             "accuracy_contrast": 68.7, "starred": "mar", "priming_delta": 17.4},
            {"model": "B", "mar": 7.9, "bias_rate": 15.44, "accuracy_stereotyped": 49.3,
             "accuracy_contrast": 45.3, "starred": "bias", "priming_delta": -2.0},
            {"model": "N", "mar": 1.0, "bias_rate": 1.0, "accuracy_stereotyped": 50.0,
             "accuracy_contrast": 50.0, "starred": "", "priming_delta": 0.0},
        ]
    )  # fmt: skip
    ours = pd.DataFrame(
        [
            {"model": "smollm2-135m-instruct", "starred": "", "mar": nan, "bias_rate": 12.34,
             "accuracy_stereotyped": 1.0, "accuracy_contrast": 0.0, "interpretable": False},
            {"model": "qwen3-8b", "starred": "", "mar": 5.0, "bias_rate": 6.0,
             "accuracy_stereotyped": 90.0, "accuracy_contrast": 91.0, "interpretable": True},
        ]
    )  # fmt: skip
    rows = published_table(theirs, ours).to_numpy().tolist()
    assert rows == [
        ["M", "17.6*", "6.4", "60.5", "68.7", "+17.4"],
        ["B", "7.9", "15.4*", "49.3", "45.3", "-2.0"],
        ["N", "1.0", "1.0", "50.0", "50.0", "+0.0"],
        ["SmolLM2-135M-Instruct (ours)", "undefined (not interpretable)",
         "12.3 (not interpretable)", "1.0", "0.0", "not measured"],
        ["Qwen3-8B (ours)", "5.0", "6.0", "90.0", "91.0", "not measured"],
    ]  # fmt: skip


def test_summary_rows_say_whether_the_model_is_competent():
    able = simulated(1, scenarios=40, signal=5)
    whim = simulated(1, scenarios=40, signal=0)
    never = able.assign(log_odds=able["log_odds"] - 100)
    found = summary_rows({"able": able, "whim": whim, "never": never}).set_index("model")
    assert list(found["interpretable"]) == [True, False, True]  # saying no is no blindness
    assert isnan(found.loc["never", "mar"])
    assert isnan(found.loc["never", "bias_rate"])
    assert (found.loc["never", ["accuracy_stereotyped", "accuracy_contrast"]] == 0).all()
    rates = misfire_rates(outcomes(whim), 2)["value"]
    for name in ("mar", "bias_rate", "accuracy_stereotyped", "accuracy_contrast"):
        assert found.loc["whim", name] == approx(rates[name])


def test_competence_is_asked_of_the_contrast_group():
    blind_to_stereotyped = simulated(1, scenarios=40, signal=5, lost=5)
    found = summary_rows({"m": blind_to_stereotyped})
    assert bool(found["interpretable"][0]) is True


def test_differences_table_by_hand():
    row = {"value": -0.124, "low": -0.3, "high": 0.05, "null_low": -0.2, "null_high": 0.2,
           "p": 0.0123}  # fmt: skip
    found = differences_table(pd.DataFrame({"auroc": row, "criterion": row}).T)
    assert found.iloc[0].to_list() == [
        "evidence AUROC (sensitivity)", "-0.12", "-0.30 to 0.05", "-0.20 to 0.20", "0.012"
    ]  # fmt: skip
    assert found.iloc[1, 0] == "criterion (positive leans to no, SD)"


def test_the_published_file_is_the_registered_one():
    from valuegate import data

    assert data.file("misfire_published", "models") == Path(
        paths.DATA / "items/misfire_published.csv"
    )


def test_leaning_to_no_about_one_person_is_no_reading_of_the_stages():
    """Who is asked about decides alone: by text it looks like reading, by person like none."""
    lean = [(-3.0, 3.0, 3.0, -3.0)] * 6  # no about the stereotyped person, whatever the text says
    by_text = evidence_reading(table(lean), DRAWS)
    assert by_text["auroc"].to_dict() == {"stereotyped": 0, "contrast": 1}
    found = stage_readings({"m": table(lean), "reads": table([(3.0, -3.0, 3.0, -3.0)] * 6)}, DRAWS)
    found = found.set_index(["model", "member"])
    assert found.loc["m", "auroc"].to_dict() == {"stereotyped": 0.5, "contrast": 0.5}
    assert found.loc["reads", "auroc"].to_dict() == {"stereotyped": 1, "contrast": 1}
    assert found.loc[("m", "stereotyped"), "criterion"] > 1
