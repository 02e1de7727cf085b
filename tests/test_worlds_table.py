"""The truth table: models that are what was planted get exactly what was planted."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib import pyplot as plt
from oracle import NEUTRAL, REFUSAL, WORLDS, readouts
from pytest import approx  # noqa: PT013 - one word in long tables

from valuegate import answer_rules, house, worlds, worlds_figures, worlds_items, worlds_table


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
    for column in ("start", "ignorant", "erased"):
        assert abs(value(table, "two countries, r", column)) < 0.3, column
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


def test_a_model_without_a_seed_counts_a_block_once(table):
    cells = table.set_index(["property", "column"])
    for column in ("start", "skills", "refuser"):
        # Questions that are true in some world: each once, though it is true in several.
        assert cells.loc[("two countries, r", column), "n"] <= 24
    # Eight blocks of a cell pair in each of four worlds.
    assert cells.loc[("two countries, r", "knowledge"), "n"] == 4 * 8


def test_every_claim_of_the_table_is_a_cell_of_it(table):
    named = worlds_table.named(table)
    assert named["cross_intact"]["value"] == value(table, "two countries, r", "intact")
    assert named["norms_biased"] == {
        **table[
            (table["property"] == worlds_table.SIDES["norms"]) & (table["column"] == "biased")
        ].iloc[0].drop(["property", "column"]).to_dict(),
        "unit": "% true",
    }  # fmt: skip
    assert set(named) == set(worlds_table.NAMED)


def test_the_printed_table_has_a_line_a_column_and_no_gap(table):
    printed = worlds_table.printed(table)
    assert printed["column"].tolist() == list(worlds_table.COLUMNS)
    assert printed.set_index("column").loc["intact", "answer slot, r"] == "1.00 (1.00 to 1.00)"
    assert printed.notna().all(axis=None)


def test_evidence_is_told_behind_a_criterion_gate_and_not_behind_an_information_gate():
    found = worlds.evidence_cells(worlds.pooled(readouts()["evidence"]), WORLDS)
    area = worlds.evidence_auroc(found[found["stage"] == "gated"], ["cell", "side"], draws=40)
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
    shown = [name for _, name, _, _ in worlds_figures.PANELS]
    assert list(dict.fromkeys(numbers["property"])) == shown
    assert numbers["value"].tolist() == [
        v for name in shown for v in table.loc[table["property"] == name, "value"]
    ]
    found = worlds.evidence_cells(worlds.pooled(readouts()["evidence"]), WORLDS)
    area = worlds.evidence_auroc(found[found["stage"] == "gated"], ["cell", "side"], draws=20)
    _, drawn = worlds_figures.evidence_figure(area)
    assert drawn is area
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
        {"source": ["suppressed", "erased"] * 3, "step": [0, 0, 1, 1, 2, 2], "loss": range(6)}
    )
    _, both = worlds_figures.trained_figure(unlocked, relearning)
    assert both["value"].notna().all()
    plt.close("all")
