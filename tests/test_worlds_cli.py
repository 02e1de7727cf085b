"""The commands of the planted worlds: what they print, and what they refuse in one line."""

from __future__ import annotations

import pandas as pd
import pytest
from oracle import WORLDS, readouts
from typer.testing import CliRunner

from valuegate import (
    sae_records,
    sae_train,
    worlds_cli,
    worlds_items,
    worlds_recipe,
    worlds_records,
    worlds_stages,
    worlds_store,
    worlds_unlock,
)
from valuegate.errors import ValueGateError

RECIPE = worlds_recipe.load()


def run(*arguments: str) -> str:
    found = CliRunner().invoke(worlds_cli.app, arguments, catch_exceptions=False)
    assert found.exit_code == 0
    return found.output


@pytest.mark.parametrize(
    ("stage", "models"),
    [
        ("", RECIPE.models()),
        ("gated-s1", ["gated-s1"]),
        ("sham", ["sham-s1", "sham-s2", "sham-s3"]),
    ],
)
def test_a_stage_is_all_its_models_bases_first(stage, models):
    assert worlds_cli.chosen(RECIPE, stage) == models


def test_an_unknown_stage_is_named_with_those_there_are():
    with pytest.raises(ValueGateError, match=r"unknown stage 'gate'; nearest: gated"):
        worlds_cli.chosen(RECIPE, "gate")


def test_the_plan_says_what_is_done_and_what_is_ahead(monkeypatch):
    monkeypatch.setattr(worlds_stages, "is_done", lambda recipe, model: model == "skills")
    monkeypatch.setattr(worlds_stages, "size", lambda recipe, model: 240_000)
    monkeypatch.setattr(worlds_store, "size", lambda: 36_000)
    monkeypatch.setattr(worlds_store, "is_stored", lambda model: model == "skills")
    monkeypatch.setattr(worlds_unlock, "is_stored", lambda name: name == "unlock-s1")
    lines = run("plan").splitlines()
    assert lines[0].split() == ["skills", "about", "240,000", "tokens", "done"]
    assert lines[1].split() == ["knowledge-s1", "about", "240,000", "tokens", "10.0", "min"]
    count = len(RECIPE.models())
    assert lines[count] == f"about {10 * (count - 1)} minutes of training ahead on two cores"
    stages = len(worlds_items.read_stages())
    assert f"{stages - 1} of {stages} stages to read, about 36,000 tokens each" in lines[-1]
    assert "truth tests: 15 of 16 to train" in lines[-1]


def test_the_ledger_stays_once_something_was_trained_by_it(monkeypatch):
    monkeypatch.setattr(worlds_records, "records", lambda: {"skills": {}})
    with pytest.raises(ValueGateError, match="adapters were trained by it; it stays"):
        run("ledger", "--write")
    assert "as the items draw it" in run("ledger")


@pytest.mark.parametrize("command", ["truth", "check", "saes"])
def test_what_needs_all_stages_says_which_is_missing(command, monkeypatch):
    monkeypatch.setattr(worlds_stages, "is_done", lambda recipe, model: model != "gated-s1")
    with pytest.raises(ValueGateError, match="stages are not trained, the first is gated-s1; run"):
        run(command)


def test_the_check_prints_the_table_and_fails_on_a_row_that_differs(monkeypatch):
    monkeypatch.setattr(worlds_stages, "is_done", lambda recipe, model: True)
    monkeypatch.setattr(worlds_store, "load_all", readouts)
    monkeypatch.setattr(worlds_stages, "check_record", lambda model: None)
    apart = {"skills": 5e-5}
    monkeypatch.setattr(
        worlds_store, "again",
        lambda model, rows: pd.DataFrame({"difference": [0.0] * rows + [apart.get(model, 0.0)]}),
    )  # fmt: skip
    text = run("check", "--rows", "2")
    assert "skills: 3 rows, largest difference 5.0e-05" in text
    assert "two countries, r" in text
    apart["gated-s2"] = 0.01
    with pytest.raises(ValueGateError, match=r"a row differs by 1\.0e-02 from what is stored"):
        run("check", "--rows", "2")
    apart["gated-s2"] = float("nan")
    with pytest.raises(ValueGateError, match="a row differs by nan"):
        run("check", "--rows", "2")
    assert set(WORLDS) == set(RECIPE.seeds) - set(RECIPE.sealed)


def test_saes_says_how_good_each_is(monkeypatch):
    monkeypatch.setattr(worlds_stages, "is_done", lambda recipe, model: True)
    record = sae_records.Record(
        files={}, fingerprint="f", layer=18, d_model=576,
        quality={"fvu": 0.21, "recovered": 0.95, "l0": 31.9}, training={},
    )  # fmt: skip
    monkeypatch.setattr(sae_train, "run_all", lambda: {"gated-s1": record})
    assert run("saes").strip() == (
        "gated-s1: layer 18, variance unexplained 0.210, cross-entropy recovered 0.950, "
        "latents a token 31.9"
    )
