"""Stored readouts: gathered, registered, read back, compared with rows scored again."""

from __future__ import annotations

import pandas as pd
import pytest
from oracle import items, readouts

from valuegate import data, measure, models, paths, registry, worlds_read, worlds_store
from valuegate.errors import ValueGateError
from valuegate.measure import Measurement

MODELS = ["smollm2-135m-instruct", "qwen3-8b"]  # any two that are registered


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A place for parts, tables and a copy of the registry; fingerprints are the models' names."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/items").symlink_to(paths.DATA / "items")
    (tmp_path / "data/registry.yml").write_bytes((paths.DATA / "registry.yml").read_bytes())
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    monkeypatch.setattr(worlds_store, "FOLDER", tmp_path / "data/worlds/readouts")
    monkeypatch.setattr(worlds_store, "PARTS", tmp_path / "parts")
    monkeypatch.setattr(registry, "fingerprint", lambda model: f"sha256:{model:->12}")
    registry.load.cache_clear()
    yield tmp_path
    registry.load.cache_clear()


def keep(model, tables):
    worlds_store.PARTS.mkdir(exist_ok=True)
    for name in worlds_store.READOUTS:
        measure.write_table(tables[name], worlds_store._part(name, model))


def two():
    """Return readout tables for two models, which the oracle's two stages stand for."""
    return {
        model: {name: readouts()[name][stage] for name in worlds_store.READOUTS}
        for model, stage in zip(MODELS, ("skills", "gated-s1"), strict=True)
    }


def test_what_is_gathered_comes_back_as_it_was(folder):
    for model, tables in two().items():
        keep(model, tables)
    files = worlds_store.gather(MODELS)
    assert [f.stem for f in files] == list(worlds_store.READOUTS)
    worlds_store.register(files)
    worlds_store.register(files)  # a second time changes nothing
    text = (folder / "data/registry.yml").read_text(encoding="utf-8")
    assert text.count("  worlds_readouts:\n") == 1
    assert set(data.files("worlds_readouts")) == set(worlds_store.READOUTS)
    found = worlds_store.load_all()
    for name in worlds_store.READOUTS:
        assert list(found[name]) == MODELS
        for model in MODELS:
            pd.testing.assert_frame_equal(found[name][model], two()[model][name])
    assert worlds_store.is_stored("qwen3-8b")


def test_other_entries_of_the_registry_stay(folder):
    before = registry.load()
    for model, tables in two().items():
        keep(model, tables)
    worlds_store.register(worlds_store.gather(MODELS))
    after = registry.load()
    assert after.models == before.models
    assert {n: d for n, d in after.datasets.items() if n != "worlds_readouts"} == {
        n: d for n, d in before.datasets.items() if n != "worlds_readouts"
    }


def test_a_readout_that_was_not_taken_is_named(folder):
    keep("qwen3-8b", two()["qwen3-8b"])
    with pytest.raises(ValueGateError, match="smollm2-135m-instruct: no readout places yet; run"):
        worlds_store.gather(MODELS)


def test_rows_of_a_model_with_other_weights_are_refused(folder, monkeypatch):
    for model, tables in two().items():
        keep(model, tables)
    worlds_store.register(worlds_store.gather(MODELS))
    monkeypatch.setattr(registry, "fingerprint", lambda model: "sha256:trained anew")
    with pytest.raises(
        ValueGateError, match="places of smollm2-135m-instruct was taken with other weights"
    ):
        worlds_store.load("places")
    assert not worlds_store.is_stored("qwen3-8b")


def test_only_what_is_missing_is_read(folder, monkeypatch):
    keep(MODELS[0], two()[MODELS[0]])
    monkeypatch.setattr(models, "load", lambda model: model)
    taken = []
    for name in worlds_store.READOUTS:
        monkeypatch.setattr(
            worlds_read, name,
            lambda lm, rows, name=name: taken.append((lm, name)) or two()[lm][name],
        )  # fmt: skip
    files = worlds_store.read(MODELS)
    assert taken == [(MODELS[1], name) for name in worlds_store.READOUTS]
    assert len(files) == len(taken)
    assert all(path.exists() for path in files)
    assert worlds_store.read(MODELS) == []
    # In a fresh clone there are no parts, but stored tables.
    tables = worlds_store.gather(MODELS)
    worlds_store.register(tables)
    before = [path.read_bytes() for path in tables]
    for part in worlds_store.PARTS.iterdir():
        part.unlink()
    assert worlds_store.read(MODELS) == []
    assert [path.read_bytes() for path in worlds_store.gather(MODELS)] == before
    assert len(taken) == len(worlds_store.READOUTS)


def test_differences_are_of_the_rows_that_were_drawn(folder):
    for model, tables in two().items():
        keep(model, tables)
    worlds_store.register(worlds_store.gather(MODELS))
    drawn = worlds_store.sample("places", 8)
    assert len(drawn) == 8
    whole = items()["places"]
    assert drawn["text"].tolist() == whole["text"].iloc[drawn["row"]].tolist()
    again = two()["qwen3-8b"]["places"].iloc[drawn["row"]].assign(row=drawn["row"].to_numpy())
    again = again.reset_index(drop=True)
    again.loc[3, "checked"] += 0.25
    measured = Measurement("A2_worlds", "places", "qwen3-8b", "f", "g")
    found = worlds_store.compared(lambda name, model: again, [measured])
    assert found["difference"].tolist() == pytest.approx([0, 0, 0, 0.25, 0, 0, 0, 0])
    assert found["row"].tolist() == drawn["row"].tolist()


def test_rows_of_other_items_are_refused(folder, monkeypatch):
    for model, tables in two().items():
        keep(model, tables)
    worlds_store.register(worlds_store.gather(MODELS))
    other = worlds_store.items("sides").iloc[::-1].reset_index(drop=True)
    monkeypatch.setattr(worlds_store, "items", lambda readout: other)
    with pytest.raises(ValueGateError, match="sides of smollm2-135m-instruct was taken with other"):
        worlds_store.load("sides")


def test_a_models_size_is_said_in_tokens():
    size = worlds_store.size()
    assert 50_000 < size < 200_000
