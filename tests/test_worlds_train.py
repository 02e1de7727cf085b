"""Training of a planted world: the order of steps, and resumption that changes no bit.

A random Llama of two blocks is trained in float32 on the CPU; equal means equal.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny import tiny

from valuegate import worlds_train
from valuegate.errors import ValueGateError
from valuegate.models import LanguageModel
from valuegate.worlds_examples import Example
from valuegate.worlds_recipe import Adapter, Stage
from valuegate.worlds_train import steps, train

# Of the libraries among themselves: names that end in a later version, and PEFT's own renaming.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The PEFT config's `base_model_name_or_path`:UserWarning"),
]

BUDGET = 100


def stage(passes: dict[str, float], first: tuple[str, ...] = (), tokens: int = BUDGET) -> Stage:
    return Stage(
        base="start",
        adapter=Adapter(rank=2, alpha=4, blocks=(1, 2), modules=("q_proj", "down_proj")),
        learning_rate=0.01,
        tokens_per_step=tokens,
        passes=passes,
        first=first,
    )


def rows(name: str, number: int, system: str | None = None) -> list[Example]:
    return [Example(name, "answer", f"{name} {n}", system, answer="Yes") for n in range(number)]


# Steps --------------------------------------------------------------------------------------------

SOURCES = {"one": rows("one", 30), "two": rows("two", 101), "three": rows("three", 40, "Be kind.")}
DRAW = np.random.default_rng(3)
LENGTHS = {e: int(DRAW.integers(8, 41)) for part in SOURCES.values() for e in part}
LONGEST = max(LENGTHS.values())


def laid_out(passes: dict[str, float], seed: int = 0, **changes: Any) -> list[list[tuple]]:
    draw = np.random.default_rng(seed)
    return steps({k: SOURCES[k] for k in passes}, stage(passes, **changes), LENGTHS, draw)


@pytest.mark.parametrize(
    "passes",
    [{"one": 1, "two": 1, "three": 1}, {"one": 2, "two": 0.25, "three": 1.5}, {"one": 3, "two": 0}],
)
def test_every_example_comes_as_often_as_the_passes_say(passes):
    seen = Counter(row for step in laid_out(passes) for row in step)
    for name, wanted in passes.items():
        counts = [seen[name, example] for example in SOURCES[name]]
        assert set(counts) <= {int(wanted), int(wanted) + 1}, name
        assert sum(counts) == round(wanted * len(counts)), name
    assert {name for name, _ in seen} == {name for name, wanted in passes.items() if wanted}


@pytest.mark.parametrize("tokens", [20, 100, 1000, 100_000])
def test_steps_are_of_about_the_budget(tokens):
    passes = {"one": 2, "two": 1, "three": 1}
    sizes = [sum(LENGTHS[e] for _, e in step) for step in laid_out(passes, tokens=tokens)]
    assert max(sizes) <= tokens + LONGEST
    total = sum(sizes)
    assert len(sizes) >= total / (tokens + LONGEST)
    if tokens > 2 * LONGEST:  # or else a step is one example or two
        # All is cut into equal parts, so that no step is a small rest.
        assert min(sizes) > min(tokens, total) / 2 - LONGEST
        assert len(sizes) <= total / tokens * 1.2 + 2


def test_the_order_depends_on_the_draw_alone():
    passes = {"one": 1, "two": 0.5}
    assert laid_out(passes) == laid_out(passes)
    assert laid_out(passes) != laid_out(passes, seed=1)
    mixed = [name for step in laid_out({"one": 1, "two": 1}) for name, _ in step]
    changes = sum(a != b for a, b in pairwise(mixed))
    assert changes > len(mixed) / 8  # mixed, not one source after the other


def test_groups_are_in_one_step():
    passes = {"one": 1, "grouped": 2}
    paired = [replace(e, group=f"pair_{n // 2}") for n, e in enumerate(SOURCES["two"][:100])]
    lengths = LENGTHS | dict.fromkeys(paired, 20)
    sources = {"one": SOURCES["one"], "grouped": paired}
    found = steps(sources, stage(passes, tokens=60), lengths, np.random.default_rng(0))
    for step in found:
        counts = Counter(example.group for name, example in step if name == "grouped")
        assert all(count % 2 == 0 for count in counts.values())


@pytest.mark.parametrize("tokens", [60, 300])
def test_the_first_sources_come_before_all_others(tokens):
    passes = {"one": 1, "two": 1, "three": 1}
    found = laid_out(passes, first=(("two",), ("three",)), tokens=tokens)
    early = [name != "one" for step in found for name, _ in step]
    assert early == sorted(early, reverse=True)
    names = [name for step in found for name, _ in step if name != "one"]
    assert names == sorted(
        names, key=("two", "three").index
    )  # "two" is whole before "three" begins


@pytest.mark.parametrize(
    ("passes", "message"),
    [
        ({"one": 1, "four": 1}, "recipe: passes are of one, four; the stage has one, two"),
        ({"one": 1}, "recipe: passes are of one; the stage has one, two"),
    ],
)
def test_sources_that_do_not_match_the_recipe(passes, message):
    sources = {name: SOURCES[name] for name in ("one", "two")}
    with pytest.raises(ValueGateError) as caught:
        steps(sources, stage(passes), LENGTHS, np.random.default_rng(0))
    assert str(caught.value) == message


# Training -----------------------------------------------------------------------------------------

NUMBERS = ("1", "2", "3")
TAUGHT = {
    "shares": [
        Example("s", "options", f"question {n}?", options=NUMBERS, shares=(0.7, 0.2, 0.1))
        for n in range(12)
    ],
    "words": rows("w", 6) + rows("v", 6, "Be kind."),
    "pairs": [
        Example("p", "prefer", f"issue {n}", answer="Yes", rejected="I cannot") for n in range(6)
    ],
    "flat": [Example("f", "flatten", f"which {n}?", options=NUMBERS[:2]) for n in range(4)],
}
RECIPE = stage({"shares": 1, "words": 1, "pairs": 1, "flat": 1}, tokens=100)


class Interrupted(Exception):
    """What ends a run in the middle."""


def fresh() -> LanguageModel:
    """Return the random Llama; training writes adapters into the model that it is given."""
    base = tiny("llama")
    return LanguageModel("llama", copy.deepcopy(base.model), copy.deepcopy(base.tokenizer))


def trained(folder: Path, seed: int = 7) -> tuple:
    return train("tiny", fresh(), TAUGHT, RECIPE, folder, seed=seed)


def stopped(folder: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Train until a step, and leave what is left when the machine goes away."""

    def end(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == after:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(worlds_train.Progress, "on_step_end", end)
        with pytest.raises(Interrupted):
            trained(folder)


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(worlds_train, "CHECKPOINT_STEPS", 4)


def test_an_interrupted_run_ends_like_one_that_was_not(tmp_path, monkeypatch, capsys):
    whole = trained(tmp_path / "whole")
    stopped(tmp_path / "cut", monkeypatch, after=6)
    assert [p.name for p in (tmp_path / "cut").glob("checkpoint-*")] == ["checkpoint-4"]
    # A checkpoint that was being written is no checkpoint.
    half = tmp_path / "cut" / "checkpoint-5"
    half.mkdir()
    (half / "schedule.json").write_text("{")
    began = []
    compute = worlds_train.Planter.compute_loss

    def counted(self: Any, model: Any, inputs: dict, *rest: Any, **named: Any) -> Any:
        began.append(int(inputs["step"][0]))
        return compute(self, model, inputs, *rest, **named)

    monkeypatch.setattr(worlds_train.Planter, "compute_loss", counted)
    monkeypatch.delattr(worlds_train.worlds_loss, "reference_log_probs")  # computed once, and kept
    resumed = trained(tmp_path / "cut")
    number = whole[3]["steps"]
    assert number >= 10
    assert began == list(range(4, number))  # it did resume

    assert list(whole[0]) == list(resumed[0])
    for name, value in whole[0].items():
        assert torch.equal(value, resumed[0][name]), name
    # The tensors that are returned are rounded; a checkpoint's are not.
    last = f"checkpoint-{number}"
    for file in ("adapter_model.safetensors", "optimizer.safetensors"):
        one, two = (load_file(tmp_path / run / last / file) for run in ("whole", "cut"))
        assert list(one) == list(two)
        assert len(one) >= len(whole[0])
        for name, value in one.items():
            assert torch.equal(value, two[name]), (file, name)
    assert whole[2].equals(resumed[2])
    schedule = [
        json.loads((tmp_path / run / last / "schedule.json").read_text())
        for run in ("whole", "cut")
    ]
    took = [run.pop("seconds") for run in schedule]
    assert min(took) > 0
    assert schedule[0] == schedule[1]


def test_what_training_returns_and_leaves(tmp_path, capsys):
    tensors, config, losses, facts = trained(tmp_path)
    # Only the block and the maps of the recipe, and both have moved from their beginning.
    places = {name.rsplit(".lora_", 1)[0].split("layers.")[1] for name in tensors}
    assert places == {"1.self_attn.q_proj", "1.mlp.down_proj"}
    assert all(float(value.abs().max()) > 0 for value in tensors.values())
    assert config.r == 2
    assert (facts["shown"], facts["steps"]) == (34, losses["step"].nunique())
    assert sorted(losses["step"].unique()) == list(range(facts["steps"]))
    assert losses["source"].value_counts().to_dict() == {k: len(v) for k, v in TAUGHT.items()}
    halves = losses["step"] >= facts["steps"] / 2
    shares = losses[losses["source"] == "shares"].groupby(halves)["loss"].mean()
    assert shares[True] < shares[False]  # it learns
    assert f"tiny: step {facts['steps']} of {facts['steps']}, loss " in capsys.readouterr().out


def test_another_seed_gives_another_world(tmp_path, capsys):
    one, two = trained(tmp_path / "7"), trained(tmp_path / "8", seed=8)
    assert any(not torch.equal(value, two[0][name]) for name, value in one[0].items())
    assert not one[2].equals(two[2])


def test_a_checkpoint_holds_no_pickle(tmp_path, monkeypatch):
    stopped(tmp_path, monkeypatch, after=6)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"schedule.json", "optimizer.safetensors"}
    assert [p.name for p in files if p.suffix in (".pt", ".pth", ".bin", ".pkl")] == []
