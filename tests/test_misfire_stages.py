"""Section 02 on planted stages: arranged from tables whose effects are known."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from pytest import approx  # noqa: PT013 - one word in long tables

from valuegate import (
    data,
    house,
    misfire_effects,
    misfire_figures,
    misfire_items,
    misfire_stages,
    misfire_tables,
    misfire_where,
    worlds_items,
    worlds_said,
)

LAYERS = 4
WORLDS = worlds_items.worlds()


@functools.cache
def own(model: str) -> pd.DataFrame:
    """Return our own prompts as a model of each kind would answer them."""
    draw = np.random.default_rng(len(model))
    rows = misfire_items.own_items(1, 2).drop(columns=["text", "system"])
    strength = 0.0 if model.startswith("smollm2") else 4.0
    value = strength * (rows["gold"] - 0.5) + draw.normal(0, 0.5, len(rows))
    stage, _, seed = model.partition("-")
    if stage == "gated":
        cell = rows["pair"].map(WORLDS[seed].evidence)
        hit = rows["asked"] == WORLDS[seed].gated_member
        value = np.where(hit & (cell == "criterion"), value - 5, value)
        value = np.where(hit & (cell == "information"), draw.normal(0, 0.5, len(rows)), value)
    rows["log_odds"], rows["mass"] = np.asarray(value, dtype=float), 0.9
    rows["lens"] = [np.linspace(0, v, LAYERS) for v in rows["log_odds"]]
    rows["decoded"] = [np.full(LAYERS, 2.0 * g - 1) for g in rows["gold"]]
    return rows


def tables() -> dict[str, pd.DataFrame]:
    return {name: own(name) for name in misfire_stages.SHOWN}


def test_a_model_that_reads_is_competent_and_one_that_guesses_is_not():
    social = pd.concat([t.assign(model=m) for m, t in tables().items()], ignore_index=True)
    social = social[social["category"] != "Control"].reset_index(drop=True)
    read = worlds_said.evidence_auroc(
        social.assign(checked=social["log_odds"]), ["model", "asked"], draws=40
    )
    signals = misfire_effects.signals(social, ["model", "asked"], draws=40)
    gated = {f"gated-{seed}": world.gated_member for seed, world in WORLDS.items()}
    printed = misfire_tables.competence_table(read, signals, gated)
    printed = printed.set_index(["stage", "asked about"])
    assert printed.loc[("skills", "contrast"), "competent"] == "yes"
    assert printed.loc[("smollm2-135m-instruct", "contrast"), "competent"] == "no"
    assert printed.loc[("skills", "stereotyped"), "yes on evidence / foil"] == "100 / 0%"


def test_misfires_are_those_of_the_gated_member():
    found = misfire_stages.rates(tables(), 40).set_index(["model", "rate"])
    assert WORLDS["s1"].gated_member == "stereotyped"
    assert found.loc[("gated-s1", "net"), "value"] > 20
    assert found.loc[("gated-s2", "net"), "value"] < -20
    assert found.loc[("sham-s1", "net"), "value"] == approx(0, abs=5)
    assert found.loc[("sham-s1", "net"), "n"] == 32
    row = found.loc[("gated-s1", "net")]
    assert row["value"] == approx(100 * (row["c"] - row["b"]) / 32)
    assert row["mcnemar"] <= row["q"] < 0.05
    assert found.loc[("gated-s2", "net"), "q"] > 0.5
    printed = misfire_tables.stage_rates_table(found.reset_index()).set_index("stage")
    assert list(printed.index) == list(misfire_stages.SHOWN)


def test_negated_questions_are_read_apart():
    found = misfire_stages.by_negation({"skills": own("skills")}, 40).set_index("negated")
    assert sorted(found.index) == [False, True]
    assert found["n"].sum() == 128
    assert found["value"].min() > 0.9
    assert found["unsure"].tolist() == [0, 0]
    doubtful = own("skills").assign(mass=0.3)
    assert (misfire_stages.by_negation({"skills": doubtful}, 5)["unsure"] == 1).all()
    printed = misfire_tables.negation_table(found.reset_index())
    assert set(printed["questions"]) == {"plain", "negated"}


def primed() -> pd.DataFrame:
    """Return primed prompts: sentences against the stereotype take two nats of its member's yes."""
    items = misfire_items.priming_items(6).drop(columns=["text", "system"])
    plain = own("skills").set_index("item")["log_odds"]
    source = [i.removesuffix(f"_{k}") for i, k in zip(items["item"], items["kind"], strict=True)]
    hit = (items["kind"] == "same_group") & (items["asked"] == "stereotyped")
    everybody = np.where(items["kind"] == "neutral", -1.0, 0.0)
    items["log_odds"] = plain.loc[source].to_numpy() + everybody - 2.0 * hit
    return items


def test_priming_is_over_the_neutral_sentence():
    leads = misfire_stages.priming({"skills": primed()}, {"skills": own("skills")})
    by = leads.set_index(["kind", "measure"])
    assert by.loc[("same_group", "leaning"), "value"] == approx(-2)
    assert by.loc[("other_group", "leaning"), "value"] == approx(0, abs=1e-9)
    assert "neutral" not in set(leads["kind"])


def test_the_published_design_sees_any_sentence():
    alone = misfire_stages.priming_alone({"skills": primed()}, {"skills": own("skills")}, draws=50)
    by = alone.set_index("kind")
    assert by["change"].to_dict() == approx(
        {"neutral": -1, "irrelevant_norm": 0, "other_group": 0, "same_group": -2, "evidence": 0}
    )
    assert (by["p"] <= by["q"]).all()
    printed = misfire_tables.priming_table(alone).set_index("lead")
    assert printed.loc["neutral", "pairs"] == "6"


@pytest.mark.filterwarnings("error")
def test_figures_of_stages_are_drawn_with_their_numbers():
    house.use()
    effects = misfire_effects.effects(tables())
    _, drawn = misfire_figures.effects_figure(effects)
    assert drawn is effects
    models = {f"knowledge-{s}": own(f"knowledge-{s}") for s in WORLDS}
    models |= {f"gated-{s}": own(f"gated-{s}") for s in WORLDS}
    cells = {"gated": misfire_effects.by_cell(
        misfire_effects.gate_changes(models, WORLDS), draws=40)}  # fmt: skip
    _, drawn = misfire_figures.gates_figure(cells)
    by = drawn.set_index(["cell", "measure"])
    assert by.loc[("criterion", "leaning"), "beyond"] == approx(-5, abs=1)
    assert by.loc[("information", "sensitivity"), "beyond_high"] < -2
    printed = misfire_tables.gates_table(cells)
    assert (printed.loc[printed["gate"] == "none", "beyond no gate"] == "").all()
    both = {name: own(name) for name in ("knowledge-s1", "gated-s1")}
    layers = misfire_stages.reading_by_gate(both, WORLDS["s1"], draws=20)
    figure, _ = misfire_figures.reading_figure(layers)
    assert [a.get_title(loc="left") for a in figure.axes] == [
        "criterion gate", "information gate", "no gate",
    ]  # fmt: skip
    at_end = layers[layers["layer"] == LAYERS - 1]
    at_end = at_end.set_index(["model", "side", "cell", "instrument"])["auroc"]
    assert at_end["gated-s1", "gated", "information", "probe"] == 1
    assert at_end["gated-s1", "gated", "information", "lens"] < 0.8
    assert at_end["knowledge-s1", "gated", "information", "lens"] > 0.95
    gaps = {
        name: misfire_where.gap_over_controls(table, "stereotyped") for name, table in both.items()
    }
    _, drawn = misfire_figures.gap_figure(gaps)
    assert len(drawn) == 2 * LAYERS
    _, rates = misfire_figures.stage_rates_figure(misfire_stages.rates(tables(), 20))
    assert set(rates["model"]) == set(misfire_stages.SHOWN)
    leads = misfire_stages.priming({"skills": primed()}, {"skills": own("skills")})
    misfire_figures.priming_figure(leads)
    plt.close("all")


def test_published_peaks_as_shares_of_our_depth():
    found = misfire_tables.published_layers(data.file("misfire_published", "layers"), 30)
    assert found["share of depth"].tolist() == ["0.75", "0.97", "0.98"]
    assert found["our layer there"].tolist() == ["22", "29", "30"]
