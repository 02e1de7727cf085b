"""Which models are compared, and that a plan reads no source."""

from __future__ import annotations

import pytest

from valuegate import config, data, mask_plan
from valuegate.errors import ValueGateError


def test_a_run_compares_its_own_model_with_planted_stages() -> None:
    run = config.run("default", "04")
    assert mask_plan.lineage(run) == ["smollm2-135m-instruct", "gated-s1", "sham-s1"]
    assert mask_plan.others(run) == []
    assert mask_plan.coder_of(run) == "gated-s1"


def test_models_that_are_named_are_a_lineage_and_one_alone_is_read_beside() -> None:
    pair = config.run("default", "04", "skills knowledge-s1")
    assert mask_plan.lineage(pair) == ["skills", "knowledge-s1"]
    assert {m.model for m in mask_plan.plan(pair)} == {"skills", "knowledge-s1"}
    one = config.run("default", "04", "skills")
    assert mask_plan.others(one) == ["skills"]
    assert [m.name for m in mask_plan.plan(one) if m.model == "skills"] == ["statements"]


def test_an_autoencoder_of_another_base_is_not_read() -> None:
    others = config.run("default", "04", "qwen3-8b gated-s1")
    assert mask_plan.coder_of(others) == ""
    assert "features" not in {m.name for m in mask_plan.plan(others)}


def test_a_plan_of_public_pairs_reads_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("read a source")

    monkeypatch.setattr(data, "file", refuse)
    planned = mask_plan.plan(config.run("public", "04"))
    own = mask_plan.plan(config.run("default", "04"))
    assert sum(m.tokens for m in planned) > sum(m.tokens for m in own) + 100_000
    assert {m.settings["source"] for m in planned if "source" in m.settings} == {"public"}


def test_a_layer_out_of_range_is_named() -> None:
    from tiny import tiny

    from valuegate import mask_items, mask_run

    rows = mask_items.prompts(6)
    with pytest.raises(ValueGateError, match="layer"):
        mask_run.prompts(tiny("llama"), rows, depth=4.0)
