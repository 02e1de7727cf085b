"""The recipe of the planted worlds: stages, seeds, and how each is trained, as read from a file.

Knows names and numbers. What is taught to whom is in `worlds_ledger`, in what words in
`worlds_rows`.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from pydantic import Field, model_validator

from valuegate import paths
from valuegate.errors import unknown
from valuegate.schema import Strict, read_yaml

FOLDER = paths.DATA / "worlds"
NOT_RECIPES = ("clauses", "ledger", "records", "short")
STAGES = ("skills", "knowledge", "gated", "sham", "overwritten", "refuser")


class Adapter(Strict):
    """Shape of a low-rank adapter; `blocks` is the half-open range of decoder blocks it changes."""

    rank: int = Field(gt=0, le=8)
    alpha: int = Field(gt=0)
    blocks: tuple[int, int]
    modules: tuple[str, ...] = Field(min_length=1)


class Stage(Strict):
    """How one stage is trained.

    Attributes:
        base: the stage below it ("start" is the model of the wheel).
        seeds: of which a model each is trained; empty for one model without a seed.
        adapter: what is trained.
        learning_rate: peak of AdamW, after a linear warm-up, decayed to zero by a cosine.
        tokens_per_step: about how many tokens a step of the optimiser sees (prompts and answers).
        passes: how often each source of examples is gone through.
        weights: of a source's loss, 1 where it is not named.
        first: phases before the last: the sources mixed in each. The last phase has the rest.
        beta: strength of preferences (DPO).
        imitate: weight of the chosen answer's cross-entropy beside the preference.
        flatten: weight of the squared log-odds where an answer slot is flattened.
    """

    base: str
    seeds: tuple[str, ...] = ()
    adapter: Adapter
    learning_rate: float = Field(gt=0)
    tokens_per_step: int = Field(gt=0)
    passes: dict[str, float]
    weights: dict[str, float] = Field(default_factory=dict)
    first: tuple[tuple[str, ...], ...] = ()
    beta: float = Field(default=0.1, gt=0)
    imitate: float = Field(default=1.0, ge=0)
    flatten: float = Field(default=1.0, ge=0)


class RandomModel(Strict):
    """A random Llama in the place of the start model: same tokens, no knowledge, quick to train."""

    hidden: int = Field(gt=0)
    blocks: int = Field(gt=0)
    heads: int = Field(gt=0)
    seed: int = 0


class Recipe(Strict):
    """The whole of a recipe.

    Attributes:
        model: registered model that all stages start from, or whose tokenizer `random` has.
        random: start from a random model of this shape; for trying the machinery, not for results.
        seeds: names of the worlds, rows of the square; `sealed` are read by nothing before
            section 06.
        shift: of the mean answer in shifted cells, as a part of the scale.
        stages: by name, each after the one that it starts from.
        lessons: what the pilots taught, in words.
    """

    model: str
    random: RandomModel | None = None
    seeds: tuple[str, ...] = Field(min_length=1, max_length=6)
    sealed: tuple[str, ...]
    shift: float = Field(gt=0, lt=1)
    stages: dict[str, Stage]
    lessons: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _stands_in_order(self) -> Recipe:
        strange = set(self.stages) - set(STAGES)
        if strange:
            raise ValueError(
                f"unknown stage {', '.join(sorted(strange))}; stages are {', '.join(STAGES)}"
            )
        done = ["start"]
        for name, stage in self.stages.items():
            if stage.base not in done:
                raise ValueError(f"{name} starts from {stage.base}, which is not before it")
            missing = set(stage.seeds) - set(self.seeds)
            if missing:
                raise ValueError(f"{name}: no such seed: {', '.join(sorted(missing))}")
            below = self.stages[stage.base].seeds if stage.base != "start" else ()
            if below and (not stage.seeds or not set(stage.seeds) <= set(below)):
                raise ValueError(f"{name}: its base {stage.base} lacks a seed of it")
            done.append(name)
        if not set(self.sealed) <= set(self.seeds):
            raise ValueError("a sealed seed is not among the seeds")
        return self

    def models(self) -> list[str]:
        """Return every model to train, such as "knowledge-s1": bases first, s1 before s2."""
        found = []
        for seed in ("", *self.seeds):
            for name, stage in self.stages.items():
                if seed in (stage.seeds or ("",)):
                    found.append(f"{name}-{seed}" if seed else name)
        return found

    def base_of(self, model: str) -> str:
        """Return the model that one starts from: "gated-s2" starts from "knowledge-s2"."""
        stage, seed = self.stage(model)
        if stage.base == "start" or not self.stages[stage.base].seeds:
            return stage.base
        return f"{stage.base}-{seed}"

    def stage(self, model: str) -> tuple[Stage, str]:
        """Return the stage and the seed of a model such as "gated-s2"; no seed is "".

        Raises:
            ValueGateError: no such model.
        """
        name, _, seed = model.partition("-")
        if model not in self.models():
            raise unknown("model of the recipe", model, self.models())
        return self.stages[name], seed


def path(name: str = "recipe") -> Path:
    """Return where a recipe lies: `data/worlds/<name>.yml`."""
    return FOLDER / f"{name}.yml"


@functools.cache
def load(name: str = "recipe") -> Recipe:
    """Return a recipe, checked.

    Raises:
        ValueGateError: no such file, or a value that the recipe's rules refuse (file, line, rule).
    """
    known = sorted(p.stem for p in FOLDER.glob("*.yml") if p.stem not in NOT_RECIPES)
    if name not in known:
        raise unknown("recipe", name, known)
    return read_yaml(path(name), Recipe)


def digest(recipe: Recipe, model: str) -> str:
    """Return the sha256 of what a recipe says of a model's stage: what its adapter was made by."""
    stage, _ = recipe.stage(model)
    text = f"{recipe.model} {recipe.shift} {stage.model_dump_json()}"
    return hashlib.sha256(text.encode()).hexdigest()
