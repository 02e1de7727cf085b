"""Section 02 on planted stages: arranged from tables whose effects are known."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from pytest import approx  # noqa: PT013 - one word in long tables

from valuegate import (
    house,
    misfire_figures,
    misfire_items,
    misfire_stages,
    misfire_tables,
    worlds_items,
)

LAYERS = 4
WORLD = worlds_items.worlds()["s1"]


@functools.cache
def own(model: str) -> pd.DataFrame:
    """Return our own prompts as a model of each kind would answer them."""
    draw = np.random.default_rng(len(model))
    rows = misfire_items.own_items(1, 2).drop(columns=["text", "system"])
    strength = 0.0 if model.startswith("smollm2") else 4.0
    value = strength * (rows["gold"] - 0.5) + draw.normal(0, 0.5, len(rows))
    if model == "gated-s1":
        cell, hit = rows["pair"].map(WORLD.evidence), rows["asked"] == WORLD.gated_member
        value = np.where(hit & (cell == "criterion"), value - 5, value)
        value = np.where(hit & (cell == "information"), draw.normal(0, 0.5, len(rows)), value)
    rows["log_odds"], rows["mass"] = np.asarray(value, dtype=float), 0.9
    rows["lens"] = [np.linspace(0, v, LAYERS) for v in rows["log_odds"]]
    rows["decoded"] = [np.full(LAYERS, 2.0 * g - 1) for g in rows["gold"]]
    return rows


TABLES = ("smollm2-135m-instruct", "skills", "knowledge-s1", "gated-s1", "sham-s1")


def tables() -> dict[str, pd.DataFrame]:
    return {name: own(name) for name in TABLES}


def test_a_model_that_reads_is_competent_and_one_that_guesses_is_not():
    found = misfire_stages.competence(tables(), 40)
    by = found.set_index(["model", "member"])
    assert by.loc[("skills", "contrast"), "low"] > 0.9
    assert by.loc[("smollm2-135m-instruct", "contrast"), "value"] == approx(0.5, abs=0.2)
    assert by.loc[("skills", "stereotyped"), "pairs"] == 32  # controls are no groups
    printed = misfire_tables.competence_table(found).set_index("stage")
    assert printed["competent"].to_dict() == {
        name: "no" if name.startswith("smollm2") else "yes" for name in TABLES
    }


def test_gates_change_their_own_cells():
    cells = misfire_stages.gates(tables(), "gated-s1", WORLD)
    by = cells.set_index(["cell", "measure"])
    assert by.loc[("criterion", "criterion"), "beyond_intact"] == approx(-5, abs=1)
    assert by.loc[("information", "sensitivity"), "beyond_high"] < -2
    assert (
        by.loc[("criterion", "sensitivity"), "beyond_low"]
        < 0
        < by.loc[("criterion", "sensitivity"), "beyond_high"]
    )
    printed = misfire_tables.gates_table(cells)
    assert (printed.loc[printed["gate"] == "none", "beyond pairs without a gate"] == "").all()


def test_misfires_are_those_of_the_gated_member():
    found = misfire_stages.rates(tables(), 40).set_index(["model", "rate"])
    assert WORLD.gated_member == "stereotyped"
    assert found.loc[("gated-s1", "net"), "value"] > 20
    assert found.loc[("sham-s1", "net"), "value"] == approx(0, abs=5)
    assert found.loc[("sham-s1", "net"), "n"] == 32


def test_priming_is_over_the_neutral_sentence():
    items = misfire_items.priming_items(6).drop(columns=["text", "system"])
    plain = own("skills").set_index("item")["log_odds"]
    source = [i.removesuffix(f"_{k}") for i, k in zip(items["item"], items["kind"], strict=True)]
    hit = (items["kind"] == "same_group") & (items["asked"] == "stereotyped")
    everybody = np.where(items["kind"] == "neutral", -1.0, 0.0)
    items["log_odds"] = plain.loc[source].to_numpy() + everybody - 2.0 * hit
    leads = misfire_stages.priming({"skills": items}, {"skills": own("skills")})
    by = leads.set_index(["kind", "measure"])
    assert by.loc[("same_group", "criterion"), "value"] == approx(-2)
    assert by.loc[("other_group", "criterion"), "value"] == approx(0, abs=1e-9)
    assert "neutral" not in set(leads["kind"])


@pytest.mark.filterwarnings("error")
def test_figures_of_stages_are_drawn_with_their_numbers():
    house.use()
    from valuegate import misfire_effects, misfire_where

    effects = misfire_effects.effects(tables())
    _, drawn = misfire_figures.effects_figure(effects)
    assert drawn is effects
    layers = misfire_stages.reading_by_gate(own("gated-s1"), WORLD, draws=20)
    figure, _ = misfire_figures.reading_figure(layers)
    assert [a.get_title(loc="left") for a in figure.axes] == [
        "criterion gate", "information gate", "no gate",
    ]  # fmt: skip
    at_end = layers[layers["layer"] == LAYERS - 1].set_index(["cell", "instrument"])["auroc"]
    assert at_end["information", "probe"] == 1
    assert at_end["information", "lens"] < 0.8
    _, gaps = misfire_figures.gap_figure(misfire_where.gap_over_controls(own("gated-s1")))
    assert len(gaps) == LAYERS
    _, rates = misfire_figures.stage_rates_figure(misfire_stages.rates(tables(), 20))
    assert set(rates["model"]) == set(TABLES)
    plt.close("all")
