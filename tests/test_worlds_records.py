"""Records of the shipped adapters: kept in order, registered, read without the sealed world."""

from __future__ import annotations

import re

import pytest

from valuegate import data, paths, registry, worlds_recipe, worlds_records, worlds_stages

RECIPE = worlds_recipe.load()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a place where adapters, records and a copy of the registry may be written."""
    (tmp_path / "registry.yml").write_bytes((paths.DATA / "registry.yml").read_bytes())
    monkeypatch.setattr(paths, "DATA", tmp_path)
    monkeypatch.setattr(worlds_records, "ADAPTERS", tmp_path / "adapters")
    monkeypatch.setattr(worlds_records, "RECORDS", tmp_path / "records.yml")
    monkeypatch.setattr(worlds_records, "LOCK", tmp_path / "lock")
    registry.load.cache_clear()
    yield tmp_path
    registry.load.cache_clear()


def kept(folder, model, content, **about):
    part = folder / "adapters" / model / f"{worlds_records.WEIGHTS}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(content)
    worlds_records.keep(model, RECIPE, about, part)
    assert not part.exists()
    return data.sha256(part.with_name(worlds_records.WEIGHTS))


def test_adapters_are_registered_and_renewed(folder):
    before = {n: m for n, m in registry.load().models.items() if n not in RECIPE.models()}
    hashes = {}
    chain = ("skills", "knowledge-s1", "gated-s1")
    for number, models_now in enumerate((chain, chain[:2])):  # the second time renews two
        for model in models_now:
            hashes[model] = kept(folder, model, f"{model} {number}".encode())
        found = registry.load()
        for model in chain:
            source = found.models[model].source
            assert source.sha256 == hashes[model]
            base = RECIPE.base_of(model)
            assert source.base == (RECIPE.model if base == "start" else base)
            assert source.path == f"data/worlds/adapters/{model}/{worlds_records.WEIGHTS}"
            # The registry knows a stage by what the stages know it by.
            assert registry.fingerprint(model) == worlds_stages.fingerprint("recipe", model)
        assert {n: m for n, m in found.models.items() if n not in RECIPE.models()} == before
        text = (folder / "registry.yml").read_text(encoding="utf-8")
        assert all(len(re.findall(f"^  {m}:$", text, re.MULTILINE)) == 1 for m in chain)


def test_records_keep_the_recipes_order_and_are_renewed(folder):
    assert worlds_records.records() == {}
    for model in ("gated-s1", "skills"):
        digest = kept(folder, model, model.encode(), base="b", steps=3)
        assert worlds_records.records()[model] == {"sha256": digest, "base": "b", "steps": 3}
    assert list(worlds_records.records()) == ["skills", "gated-s1"]
    digest = kept(folder, "skills", b"anew", base="b", steps=4)
    assert worlds_records.records()["skills"] == {"sha256": digest, "base": "b", "steps": 4}
    assert worlds_records.records()["gated-s1"]["steps"] == 3


def test_losses_of_a_sealed_world_are_not_read(folder):
    (sealed,) = RECIPE.sealed
    for model in ("skills", "knowledge-s1", f"knowledge-{sealed}", f"gated-{sealed}"):
        kept(folder, model, model.encode())
    for model in ("skills", "knowledge-s1"):
        path = folder / "adapters" / model / "losses.csv"
        path.write_text("step,source,mean,size\n0,survey,1.5,3\n", encoding="utf-8")
    found = worlds_records.losses()  # the sealed world has no such file: reading it would fail
    assert list(found) == ["skills", "knowledge-s1"]
    assert found["skills"]["mean"].tolist() == [1.5]
    assert list(worlds_records.unsealed(RECIPE)) == ["skills", "knowledge-s1"]
