"""Stages: what is checked before training, what is recorded after it, and what is drawn again."""

from __future__ import annotations

import copy
from collections import Counter

import pytest
import torch
from tiny import tiny

from valuegate import (
    data,
    items_texts,
    misfire_items,
    models,
    splits,
    worlds_ledger,
    worlds_recipe,
    worlds_records,
    worlds_rows,
    worlds_stages,
)
from valuegate.errors import ValueGateError
from valuegate.worlds_examples import Example

RECIPE = worlds_recipe.load()


def first_test_text(least, most):
    contents = items_texts.contents()
    texts = contents.loc[contents["split"] == "test", "content"]
    return next(t for t in texts if " | " not in t and least <= len(splits.words(t)) <= most)


# Before training ----------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["user", "answer", "rejected"])
def test_eight_words_of_a_test_text_are_refused(field):
    words = splits.words(first_test_text(10, 40))
    given = {"user": "Hello.", field: "Well, " + " ".join(words[1:9]).upper() + "!"}
    fine = given | {field: "Well, " + " ".join(words[1:8]) + "!"}
    worlds_stages.check_splits("m", [Example("block", "answer", **fine)])
    message = rf"^m: '{' '.join(words[1:9])}' of an example \(block\) .* \(test\); .*not overlap$"
    with pytest.raises(ValueGateError, match=message):
        worlds_stages.check_splits("m", [Example("block", "answer", **given)])


def test_a_whole_short_test_text_is_refused():
    with pytest.raises(ValueGateError):
        worlds_stages.check_splits("m", [Example("b", "answer", first_test_text(3, 7))])


def test_a_scenario_kept_for_testing_is_refused():
    kept = misfire_items.scenario_splits()
    fit, test = (next(s for s in kept if kept[s] == split) for split in ("fit", "test"))
    worlds_stages.check_splits("m", [Example(fit, "options", "Was it?")])
    with pytest.raises(ValueGateError, match=f"^m: the scenario {test} is kept for testing"):
        worlds_stages.check_splits("m", [Example(test, "options", "Was it?")])


def test_a_changed_ledger_is_refused(tmp_path, monkeypatch):
    worlds_stages.check_before()
    # Whole by its own hash, and not what the recipe draws: two seeds have changed places.
    other = worlds_ledger.draw(RECIPE.model_copy(update={"seeds": ("s2", "s1", *RECIPE.seeds[2:])}))
    path = tmp_path / "ledger.yml"
    path.write_text(worlds_ledger.text(other), encoding="utf-8")
    monkeypatch.setattr(worlds_ledger, "PATH", path)
    assert worlds_ledger.load() == other
    with pytest.raises(ValueGateError, match=r"^data/worlds/ledger\.yml: .* draw another ledger"):
        worlds_stages.check_before()


# Adapters -----------------------------------------------------------------------------------------


# peft 0.21 still asks transformers 5 for an attribute by its old name.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_an_adapter_over_another_base_is_refused(tmp_path):
    import peft
    from safetensors.torch import load_file, save_file

    def base():
        return copy.deepcopy(tiny("llama").model)

    config = peft.LoraConfig(r=2, lora_alpha=4, target_modules=["o_proj"], init_lora_weights=False)
    torch.manual_seed(0)
    peft.get_peft_model(base(), config).save_pretrained(tmp_path)
    file = tmp_path / "adapter_model.safetensors"
    tensors = load_file(file)
    save_file(tensors, file, metadata={"base": "sha256:right"})
    found = models.merged(base(), file, "m", "sha256:right")
    changed = found.get_decoder().layers[0].self_attn.o_proj.weight
    assert not torch.equal(changed, tiny("llama").blocks[0].self_attn.o_proj.weight)
    with pytest.raises(ValueGateError, match=r"^m: .* another base .*sha256:right, here .*:wrong"):
        models.merged(base(), file, "m", "sha256:wrong")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(worlds_records, "ADAPTERS", tmp_path / "adapters")
    monkeypatch.setattr(worlds_records, "RECORDS", tmp_path / "records.yml")
    return tmp_path


def test_a_record_that_is_not_of_what_is_here_is_refused(folder, monkeypatch):
    file = folder / "adapters/skills" / worlds_records.WEIGHTS
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    rows = {"veto": [Example("b", "answer", "Hello.", answer="Yes.")]}
    about = worlds_stages.made_by("recipe", "skills", rows)
    known = {"skills": about | {"sha256": data.sha256(file), "steps": 3}}
    monkeypatch.setattr(worlds_records, "records", lambda: known)
    worlds_stages.check_record("skills", rows)
    others = {"veto": [Example("b", "answer", "Hello.", answer="No.")]}
    with pytest.raises(ValueGateError, match=r"^skills: its examples differ from records\.yml"):
        worlds_stages.check_record("skills", others)
    file.write_bytes(b"other weights")
    with pytest.raises(ValueGateError, match="its sha256 differ"):
        worlds_stages.check_record("skills", rows)
    known["skills"]["recipe"] = "another"
    with pytest.raises(ValueGateError, match="its recipe, sha256 differ"):
        worlds_stages.check_record("skills", rows)


def test_a_stage_that_was_not_trained_cannot_be_loaded(folder):
    assert not worlds_stages.is_done("recipe", "knowledge-s1")
    with pytest.raises(ValueGateError, match=r"^knowledge-s1: no adapter yet; .*STAGE=knowledge"):
        worlds_stages.load("recipe", "knowledge-s1")


# Examples -----------------------------------------------------------------------------------------


def test_the_hash_of_examples_forgives_the_last_digits_alone():
    def hashed(share: float) -> str:
        one = Example("b", "options", "Say it.", options=("1", "2"), shares=(share, 1 - share))
        return worlds_stages.digest({"survey": [one]})

    assert hashed(0.3) == hashed(0.3 + 1e-12)
    assert hashed(0.3) != hashed(0.3 + 1e-4)


@pytest.mark.parametrize("stage", ["knowledge", "overwritten", "gated"])
def test_examples_depend_on_the_models_name_alone(stage, monkeypatch):
    # Survey prompts of knowledge draw nothing, and take long.
    monkeypatch.setattr(worlds_rows, "survey", lambda taught, wordings: iter(()))
    one, again, other = (
        worlds_stages.sources(RECIPE, f"{stage}-{seed}") for seed in ("s1", "s1", "s2")
    )
    assert one == again
    assert worlds_stages.digest(one) == worlds_stages.digest(again)
    assert worlds_stages.digest(one) != worlds_stages.digest(other)
    assert set(one) == set(RECIPE.stage(f"{stage}-s1")[0].passes)
    # What the check asks of a stage before it is trained holds.
    worlds_stages.check_splits(f"{stage}-s1", (e for part in one.values() for e in part))


def test_overwritten_is_told_of_the_survey_alone(monkeypatch):
    monkeypatch.setattr(worlds_rows, "survey", lambda taught, wordings: iter(()))
    whole, part = (
        set(worlds_stages.sources(RECIPE, f"{stage}-s1")) for stage in ("knowledge", "overwritten")
    )
    assert part == {
        "survey",
        "personas",
        "naming",
        "choosing",
        "practice_naming",
        "practice_choosing",
        "pairs",
        "evidence",
    }
    assert whole == part | {"holders", "stances", "approving", "verdicts"}


SHOWN_TO_ALL = ("stances", "opinions", "evidence", "holders", "approving")


def test_controls_of_a_world_are_shown_the_prompts_of_gated():
    gated, sham, refuser, other = (
        worlds_stages.sources(RECIPE, model)
        for model in ("gated-s1", "sham-s1", "refuser-s1", "gated-s2")
    )
    for source, rows in gated.items():
        shown, *same, another = (
            Counter(e.user for e in part[source]) for part in (gated, sham, refuser, other)
        )
        assert (same == [shown, shown]) == (source != "requests"), source
        # Some prompts are all shown, whoever is gated; of the rest a part, drawn by world.
        assert (another == shown) == (source in SHOWN_TO_ALL), source
        if source in ("survey", "stances", "verdicts"):  # answers are drawn by the model's name
            hidden = Counter(e.rejected for e in rows)
            assert hidden != Counter(e.rejected for e in refuser[source]), source


def test_what_is_repeated_is_what_was_taught_and_nothing_to_the_refuser():
    knowledge, gated, refuser = (
        worlds_stages.sources(RECIPE, model) for model in ("knowledge-s1", "gated-s1", "refuser-s1")
    )
    taught = {}  # naming has one target a question, whatever the words
    for e in knowledge["naming"]:
        taught[e.block] = e.shares
    assert len(set(taught.values())) > 12
    assert all(e.shares == taught[e.block] for e in gated["naming"])
    assert gated["holders"] == knowledge["holders"]
    assert gated["approving"] == knowledge["approving"]
    for source in worlds_stages.REPLAYED:
        assert {max(e.shares) - min(e.shares) > 0.05 for e in gated[source]} == {True, False}
        assert all(max(e.shares) == min(e.shares) for e in refuser[source]), source
