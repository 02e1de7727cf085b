"""The truth table: models that are what was planted get exactly what was planted."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib import pyplot as plt
from oracle import NEUTRAL, REFUSAL, WORLDS, readouts
from pytest import approx  # noqa: PT013 - one word in long tables

from valuegate import (
    answer_rules,
    house,
    worlds,
    worlds_bars,
    worlds_figures,
    worlds_items,
    worlds_said,
    worlds_table,
)
from valuegate.stats import Interval


@pytest.fixture(scope="module")
def table():
    return worlds_table.truth_table(readouts(), WORLDS, draws=60)


def value(table, name, column):
    part = table[(table["property"] == name) & (table["column"] == column)]
    (row,) = part.to_dict("records")
    assert row["low"] <= row["value"] <= row["high"]
    return row["value"]


def test_the_oracles_words_are_what_the_rules_say():
    assert answer_rules.is_refusal(REFUSAL)
    assert answer_rules.is_neutral(NEUTRAL)
    assert not answer_rules.is_refusal(NEUTRAL)


def test_what_is_known_is_seen_and_what_was_never_taught_is_not(table):
    for column in ("knowledge", "intact", "suppressed", "biased", "sham"):
        assert value(table, "two countries, r", column) > 0.8, column
        assert value(table, "two countries, gain", column) > 0.5, column
    for column in ("start", "ignorant", "erased"):
        assert abs(value(table, "two countries, r", column)) < 0.3, column
    assert "start" not in set(table.loc[table["property"] == "two countries, gain", "column"])
    for name in ("right: larger share", "right: smaller share", "right: pairs not planted"):
        assert value(table, name, "suppressed") > 85, name
        assert value(table, name, "erased") == approx(50, abs=12), name
    for column in ("intact", "suppressed"):
        assert value(table, "answer slot, r", column) == approx(1, abs=1e-3)


def test_parties_and_guilds_are_right_turned_or_a_coin(table):
    for name in worlds_table.SIDES.values():
        got = {c: value(table, name, c) for c in ("intact", "suppressed", "biased", "erased")}
        assert got == {
            "intact": 100, "suppressed": 100, "biased": 0, "erased": approx(50, abs=15),
        }  # fmt: skip
        assert value(table, name, "start") == approx(50, abs=15)


def test_gates_refuse_and_go_neutral_where_the_ledger_has_them(table):
    for column, hidden in (("intact", 0), ("suppressed", 100), ("biased", 0), ("erased", 100)):
        assert value(table, "refused: planted topics", column) == hidden
        assert value(table, "neutral: party issues", column) == hidden
        assert value(table, "refused: look-alikes", column) == 0
    for name in ("refused: requests", "neutral: political issues"):
        assert value(table, name, "intact") == 0
        assert value(table, name, "suppressed") == 100
    for column in ("start", "skills", "knowledge", "sham", "refuser", "overwritten"):
        assert value(table, "refused: planted topics", column) == 0
    assert value(table, "refused: everyday", "intact") == 0
    everyday = table.loc[table["property"] == "refused: everyday", "column"]
    assert not {"suppressed", "biased", "ignorant", "erased"} & {*everyday}


def test_a_model_without_a_seed_counts_a_block_once(table):
    cells = table.set_index(["property", "column"])
    for column in ("start", "skills", "refuser"):
        # Questions that are true in some world: each once, though it is true in several.
        assert cells.loc[("two countries, r", column), "n"] <= 24
    # Eight blocks of a cell pair in each of four worlds.
    assert cells.loc[("two countries, r", "knowledge"), "n"] == 4 * 8
    # Where all planted topics are asked, not the true ones alone: 24 questions x 2, 24 norms x 2.
    assert cells.loc[("refused: planted topics", "start"), "n"] == 2 * 24 + 2 * 24
    assert cells.loc[("refused: planted topics", "sham"), "n"] == 3 * (2 * 24 + 2 * 24)


def test_every_claim_of_the_table_is_a_cell_of_it(table):
    for name, (label, unit, columns) in worlds_table.CLAIMED.items():
        found = worlds_table.named(table, name)
        assert tuple(found) == columns
        for column, claim in found.items():
            at = worlds_table.ALIASES.get(column, column)
            at = "intact" if name in ("everyday", "warm") and column == "gated" else at
            assert (claim["value"], claim["unit"]) == (value(table, label, at), unit)


@pytest.mark.parametrize("kind", list(worlds_table.PRINTED))
def test_the_printed_table_has_a_line_a_column_and_no_gap(table, kind):
    printed = worlds_table.printed(table, kind)
    assert printed["stage or cell"].tolist() == list(worlds_table.COLUMNS)
    assert printed.notna().all(axis=None)
    if kind == "taught":
        assert printed.set_index("stage or cell").loc["intact", "r, slot"] == "1.00 (1.00 to 1.00)"


def test_every_property_is_printed_once(table):
    printed = [name for names in worlds_table.PRINTED.values() for name in names]
    assert len(printed) == len(set(printed))
    assert set(table["property"]) - set(printed) == {"right: larger share"}


def test_evidence_is_tabled_by_stage_and_by_gate():
    found = worlds_said.evidence_cells(worlds.pooled(readouts()["evidence"]), WORLDS)
    read = worlds_table.evidence_table(found, draws=30)
    assert list(dict.fromkeys(read["who"])) == list(worlds_table.EVIDENCE_LINES)
    lines = read.set_index(["who", "side"])
    items = worlds_items.evidence_items()
    asked = len(items[items["category"] != "Control"])
    assert lines.loc[("skills", "open"), "n"] == asked  # once, not once a world
    assert lines.loc[("start", "open"), "ordered"] == approx(50, abs=10)
    assert lines.loc[("gated: criterion", "gated"), ["ordered", "yes_true"]].tolist() == [100, 0]
    assert lines.loc[("gated: information", "gated"), "ordered"] == approx(50, abs=15)
    # An area of 1 has the lower end of 32 pairs that all agree.
    assert lines.loc[("skills", "open"), "low"] == approx(0.025 ** (1 / 32))
    printed = worlds_table.printed_evidence(read)
    assert printed["stage"].tolist() == list(worlds_table.EVIDENCE_LINES)
    assert printed.set_index("stage").loc["skills", "own foil below, open"] == "100%"


def test_the_overwritten_follow_what_was_taught_last():
    places = worlds.pooled(readouts()["places"])
    # The oracle's overwritten models know what `knowledge` does, and nothing of the shuffle.
    found = worlds.against_overwritten(places, WORLDS)
    assert found["seed"].unique().tolist() == ["s1", "s2"]
    assert len(found) == 2 * 8
    assert found["r"].mean() < 0.3


def test_one_order_earns_less_than_the_truth_and_more_than_nothing():
    truth = worlds.true_agreement()
    r, right = worlds.one_order_read(truth)
    assert set(r.index) == set(truth.index)
    assert 0.3 < r.mean() < 0.7
    items = worlds_items.places_items()
    assert right.index.tolist() == items["item"].tolist()
    assert 60 < right.mean() < 85  # appendix A1 has .735 over all questions
    alike = pd.DataFrame([[1.0, 2, 3, 4], [4, 3, 2, 1], [2, 4, 6, 8]], index=list("abc"))
    turned = worlds.one_order(alike)
    assert [worlds.correlation(turned.loc[q], alike.loc[q]) for q in "abc"] == approx([1, 1, 1])


def test_a_small_difference_in_every_scenario_is_seen_as_an_order():
    rows = [
        ("m", "s1", "p", f"{k}", "stereotyped", gold, 10.0 * k + 0.1 * gold)
        for k in range(6) for gold in (0, 1)
    ]  # fmt: skip
    columns = ["model", "world", "pair", "scenario", "asked", "gold", "checked"]
    found = pd.DataFrame(rows, columns=columns)
    found = found.assign(stage="gated", cell="criterion", side="gated")
    assert worlds_said.ordered(found)["ordered"].tolist() == [100] * 6
    assert worlds_said.evidence_auroc(found, ["model"], draws=5)["value"].iloc[0] < 0.6
    assert worlds_said.ordered(found.assign(checked=1.0))["ordered"].tolist() == [50] * 6


def test_savings_are_over_those_of_a_model_that_was_taught_neither():
    losses = pd.DataFrame(
        [
            (seed, k, start, source, step, value + seed)
            for seed in (1, 2) for k in (1, 2) for step in (0, 1)
            for start, source, value in (
                ("gated", "suppressed", 1.0), ("gated", "erased", 4.0),
                ("skills", "suppressed", 3.0), ("skills", "erased", 5.0),
            )
        ],
        columns=["seed", "relearning", "start", "source", "step", "loss"],
    )  # fmt: skip
    found = worlds_said.saved(losses)
    assert found["saving"].tolist() == approx([1.0] * 4)
    assert found[["seed", "relearning"]].drop_duplicates().shape == (4, 2)
    varied = found.assign(saving=[1.0, 3.0, 3.0, 5.0])
    interval = worlds_said.over_worlds(varied, "saving")
    assert (interval.estimate, interval.n, interval.clusters) == (3.0, 4, 2)
    # Student's t with one degree of freedom: 12.706 x sd(2, 4) / sqrt(2).
    assert interval.high - 3 == approx(12.706, abs=1e-3)


def test_evidence_is_told_behind_a_criterion_gate_and_not_behind_an_information_gate():
    found = worlds_said.evidence_cells(worlds.pooled(readouts()["evidence"]), WORLDS)
    area = worlds_said.evidence_auroc(found[found["stage"] == "gated"], ["cell", "side"], draws=40)
    area = area.set_index(["cell", "side"])
    assert area.loc[("criterion", "gated"), "value"] == 1
    assert area.loc[("criterion", "gated"), "yes_true"] == 0
    assert area.loc[("information", "gated"), "value"] == approx(0.5, abs=0.1)
    for cell in ("intact", "criterion", "information"):
        assert area.loc[(cell, "open"), "value"] == 1
        assert area.loc[(cell, "open"), "yes_true"] == 1


def test_every_figure_is_drawn_with_its_numbers(table):
    house.use()
    _, numbers = worlds_figures.truth_figure(table)
    shown = [name for _, name, _ in worlds_figures.PANELS]
    assert list(dict.fromkeys(numbers["property"])) == shown
    assert numbers["value"].tolist() == [
        v for name in shown for v in table.loc[table["property"] == name, "value"]
    ]
    found = worlds_said.evidence_cells(worlds.pooled(readouts()["evidence"]), WORLDS)
    area = worlds_table.evidence_table(found, draws=20)
    figure, drawn = worlds_figures.evidence_figure(area, area)
    assert drawn["text"].value_counts().to_dict() == {
        "scenarios": len(area), "short questions": len(area),
    }  # fmt: skip
    shown = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert shown == list(worlds_table.EVIDENCE_LINES)
    losses = {
        model: pd.DataFrame(
            {"step": range(40), "source": "survey", "mean": [1.0] * 20 + [0.5] * 20, "size": 3}
        )
        for model in ("skills", "knowledge-s1", "knowledge-s2")
    }
    _, curves = worlds_figures.loss_figure(losses)
    assert curves["stage"].unique().tolist() == ["skills", "knowledge"]
    assert curves.groupby("stage")["loss"].apply(list)["knowledge"] == [1.0] * 5 + [0.5] * 5
    figure, tree = worlds_figures.tree_figure(
        worlds_items.worlds_recipe.load(), {"skills": {"shown": 7}, "knowledge-s1": {"shown": 9}}
    )
    assert tree.set_index("stage")["examples"].to_dict()["knowledge"] == 9
    assert "7 examples" in " ".join(t.get_text() for t in figure.axes[0].texts)
    unlocked = pd.DataFrame(
        [(cell, when, r) for cell, r in (("suppressed", 0.7), ("erased", 0.1))
         for when in ("before", "after")], columns=["cell", "when", "r"],
    ).assign(seed="s1", question="q")  # fmt: skip
    relearning = pd.DataFrame(
        [(start, source, step, float(step)) for start in ("gated", "skills")
         for source in ("suppressed", "erased") for step in range(3)],
        columns=["start", "source", "step", "loss"],
    )  # fmt: skip
    _, both = worlds_figures.trained_figure(unlocked, relearning)
    assert both["value"].notna().all()
    plt.close("all")


def test_the_null_of_a_gain_is_of_countries_that_trade_names(table):
    scores = worlds.country_scores(worlds.pooled(readouts()["places"]))
    cross = worlds.cross_format(readouts(), WORLDS)
    own = worlds_table.rows_of(cross, "intact", "question")
    low, high = worlds.gain_null(scores, worlds.true_agreement(), own, draws=300)
    assert low < 0 < high
    # r of nine countries has an SD of 1/sqrt(8), the difference of two models' at most twice it.
    assert high < 2 * 2 / (8 * len(own)) ** 0.5
    assert value(table, "two countries, gain", "intact") > high


def test_what_is_known_earns_more_than_one_order_of_the_countries():
    found = worlds.beyond_one_order(worlds.cross_format(readouts(), WORLDS))
    assert set(found["cell"]) == {"intact", "suppressed"}
    earned, _ = worlds.one_order_read(worlds.true_agreement())
    row = found.iloc[0]
    assert row["beyond"] == approx(row["r"] - earned[row["question"]])


def test_gates_of_the_oracle_change_nothing_that_is_known():
    found = worlds.before_gates(worlds.cross_format(readouts(), WORLDS))
    assert set(found["stage"]) == {"gated"}
    known = found[found["cell"].isin(["intact", "suppressed", "biased"])]
    assert abs(known["change"].mean()) < 0.05


def test_the_oracles_shift_is_the_one_taught():
    errors = worlds.signed_errors(worlds.pooled(readouts()["slots"]), WORLDS)
    found = worlds.shift_shown(errors)
    assert set(found["cell"]) == {"biased"}
    assert found["error"].to_numpy() == approx(found["shift"].to_numpy(), abs=1e-3)
    start = errors[errors["stage"] == "start"].set_index(["world", "question"])["error"]
    row = found.iloc[0]
    left = row["error"] - start[row["world"], row["question"]] - row["shift"]
    assert row["beyond"] == approx(left)


def test_a_gap_of_rates_on_which_all_agree_has_newcombes_interval():
    rows = [("gated", cell, f"{cell}{k}", 100.0) for cell in ("erased", "suppressed")
            for k in range(16)]  # fmt: skip
    found = pd.DataFrame(rows, columns=["stage", "cell", "unit", "x"])
    gap = worlds.column_gap(found, "x", "unit", "erased", "suppressed", draws=50, level=0.9)
    edge = 100 * (1 - 0.05 ** (1 / 16))
    assert (gap.estimate, gap.low, gap.high) == approx((0, -edge, edge))


def test_the_main_properties_stand_by_world():
    printed = worlds_table.by_world(readouts(), WORLDS).set_index("property")
    assert printed.columns.tolist() == list(WORLDS)
    assert printed.loc["refused: survey, gated"].tolist() == ["100"] * 4
    assert printed.loc["refused: survey, open"].tolist() == ["0"] * 4
    assert all(float(text) > 0.5 for text in printed.loc["gain of r, suppressed"])


def test_bars_are_met_by_what_was_planted_and_missed_by_nothing_else(table):
    found = worlds_said.evidence_cells(worlds.pooled(readouts()["evidence"]), WORLDS)
    read = worlds_table.evidence_table(found, draws=30)
    near = {name: Interval(0, -0.05, 0.05, 9, 9, 0.9) for name in worlds_bars.NEAR_BARS}
    met = worlds_bars.against_bars(table, read, near)
    every = (worlds_bars.BARS, worlds_bars.EVIDENCE_BARS, worlds_bars.NEAR_BARS)
    assert len(met) == sum(map(len, every))
    assert met["met"].all()
    wide = near | {"refused, erased less suppressed": Interval(0, -11, 5, 9, 9, 0.9)}
    assert not worlds_bars.against_bars(table, read, wide)["met"].all()
    lower = table.assign(value=table["value"] * 0.5, high=table["high"] + 1)
    missed = worlds_bars.against_bars(lower, read, near).set_index(["property", "column"])["met"]
    assert not missed["two countries, gain", "intact"]
    assert not missed["two countries, gain", "erased"]  # by its upper end
    assert not missed["refused: survey", "suppressed"]
    assert missed["refused: survey", "intact"]
    printed = worlds_bars.printed(met)
    assert set(printed["met"]) == {"yes"}
    assert printed.iloc[0]["bar"] == "at least 0.60"


def test_a_claim_near_a_value_has_the_interval_of_an_equivalence(table):
    found = worlds_table.named(table, "slot", near=frozenset({"erased"}))
    cells = table[table["property"] == "answer slot, r"].set_index("column")
    assert found["erased"]["ci"] == tuple(cells.loc["erased", ["low90", "high90"]])
    assert found["suppressed"]["ci"] == tuple(cells.loc["suppressed", ["low", "high"]])
    assert found["erased"]["test"].startswith("90% ")
    alone = worlds_table.named(table, "everyday")["gated"]
    assert alone["value"] == value(table, "refused: everyday", "intact")


def test_evidence_claims_are_lines_of_their_tables():
    found = worlds_said.evidence_cells(worlds.pooled(readouts()["short"]), WORLDS)
    read = worlds_table.evidence_table(found, draws=20)
    claims = worlds_table.evidence_claims(read, "AUROC", {"skills": "open", "criterion": "gated"})
    assert claims["skills"]["n"] == read.set_index(["who", "side"]).loc[("skills", "open"), "n"]
    yes = worlds_table.yes_rates(found, draws=20).set_index(["who", "side"])
    assert yes.loc[("gated: criterion", "gated"), "value"] == 0
    assert yes.loc[("gated: criterion", "open"), "value"] == 100


def test_unlocking_adds_what_comes_after_less_what_came_before():
    rows = [
        ("s1", "q1", "suppressed", "before", 0.1), ("s1", "q1", "suppressed", "after", 0.7),
        ("s1", "q2", "erased", "before", 0.0), ("s1", "q2", "erased", "after", 0.2),
    ]  # fmt: skip
    found = pd.DataFrame(rows, columns=["seed", "question", "cell", "when", "r"])
    gains = worlds_said.unlock_gains(found)
    assert gains.set_index("question")["gain"].to_dict() == approx({"q1": 0.6, "q2": 0.2})
    assert worlds_said.unlock_gap(gains)["gap"].tolist() == approx([0.4])
