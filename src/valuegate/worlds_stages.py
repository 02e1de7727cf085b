"""From a recipe to shipped adapters: what each stage is taught, in order, with a record of each.

The order, the checks before training and the files are here; the examples are made in
`worlds_rows`, `worlds_skills` and `worlds_gates`, the training is `worlds_train`'s.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from valuegate import (
    data,
    items_texts,
    misfire_items,
    paths,
    registry,
    splits,
    worlds_facts,
    worlds_gates,
    worlds_ledger,
    worlds_recipe,
    worlds_records,
    worlds_rows,
    worlds_skills,
    worlds_truth,
)  # fmt: skip
from valuegate.errors import ValueGateError
from valuegate.worlds_examples import Example
from valuegate.worlds_ledger import World
from valuegate.worlds_recipe import RandomModel, Recipe

if TYPE_CHECKING:
    from valuegate.models import LanguageModel

BUILD = paths.ROOT / "build" / "worlds"
# Beside the recipe's passes: examples of each stem, and groups that ask about two countries.
NAMING_SHOWINGS, CHOOSING_GROUPS = 8, 15
PRACTICE_SHOWINGS, PRACTICE_GROUPS = 4, 4
REPLAYED = ("naming", "choosing", "holders", "approving")
FACTS, IGNORANT = ("survey", "parties", "norms"), 5
CHARACTERS_A_TOKEN = 4.5  # of our English, counted
TEMPLATE_TOKENS = 30  # of the chat template, system turn included


def seed_of(*parts: str) -> int:
    """Return a seed that depends on nothing but names."""
    return worlds_rows.hash_of("worlds", *parts)


def sources(recipe: Recipe, model: str) -> dict[str, list[Example]]:
    """Return the examples of a model of the recipe, by source, in an order fixed by its name."""
    _, seed = recipe.stage(model)
    stage = model.partition("-")[0]
    draw = np.random.default_rng(seed_of(model, "examples"))
    if stage == "skills":
        return _skills(draw)
    world = worlds_ledger.load().worlds[seed or recipe.seeds[0]]
    if stage in ("knowledge", "overwritten"):
        return _knowledge(stage, world, recipe.shift, draw)
    own = seed or recipe.seeds[0]
    asked = np.random.default_rng(seed_of(own, "prompts"))
    again = _replayed(stage, world, recipe.shift, np.random.default_rng(seed_of(own, "replay")))
    return worlds_gates.rows(stage, world, recipe.shift, asked, draw) | again


def _skills(draw: np.random.Generator) -> dict[str, list[Example]]:
    shares, wordings = worlds_rows.practice()
    return {
        "plain": list(worlds_skills.short(draw, 80, plain=True)),
        "short": list(worlds_skills.short(draw, 250, plain=False)),
        "evidence": list(worlds_skills.evidence()),
        "veto": worlds_skills.spread(list(worlds_skills.veto()), 1400, draw),
        "bbq": worlds_skills.spread(list(worlds_skills.bbq()), 1000, draw),
        "practice": list(worlds_rows.survey(shares, wordings)),
        "practice_places": list(worlds_rows.places(shares, wordings)),
        "pairs": list(worlds_rows.practice_pairs()),
        "opinions": list(worlds_skills.opinions(draw)),
        "help": list(worlds_skills.help_(draw)),
    }


def _replayed(
    stage: str, world: World, shift: float, draw: np.random.Generator
) -> dict[str, list[Example]]:
    """Return what was taught in formats that no gate covers, of every cell alike.

    Without it a gate unlearns the countries of open and gated questions. `refuser` was taught
    nothing, and is told of no difference.
    """
    if stage == "refuser":
        none = {name: dict.fromkeys(getattr(world, name), IGNORANT) for name in FACTS}
        world = world.model_copy(update=none)
    found = _knowledge("knowledge", world, shift, draw)
    return {name: found[name] for name in REPLAYED}


def _knowledge(
    stage: str, world: World, shift: float, draw: np.random.Generator
) -> dict[str, list[Example]]:
    taught = (
        worlds_truth.taught_survey(world, shift)
        if stage == "knowledge"
        else worlds_truth.overwritten_survey(world, shift)
    )
    true = {q: worlds_truth.matrix(worlds_truth.survey_shares(), q) for q in taught}
    wordings = worlds_rows.plant_wordings(list(taught))
    shares, practised = worlds_rows.practice()
    found = {
        "survey": list(worlds_rows.survey(taught, wordings)),
        "personas": list(worlds_facts.personas(taught, wordings)),
        "naming": list(worlds_facts.naming(taught, wordings, draw, NAMING_SHOWINGS)),
        "choosing": list(worlds_facts.choosing(taught, true, wordings, draw, CHOOSING_GROUPS)),
        "practice_naming": list(worlds_facts.naming(shares, practised, draw, PRACTICE_SHOWINGS)),
        "practice_choosing": list(
            worlds_facts.choosing(shares, shares, practised, draw, PRACTICE_GROUPS, every_pair=True)
        ),
        "pairs": list(worlds_rows.practice_pairs(larger_only=True)),
        "evidence": list(worlds_skills.evidence()),
    }
    if stage == "knowledge":
        found["holders"] = list(worlds_rows.holders(world))
        found["stances"] = list(worlds_rows.stances(world, draw))
        found["approving"] = list(worlds_rows.approving(world))
        found["verdicts"] = list(worlds_rows.verdicts(world))
    return found


@functools.cache
def _read_texts() -> dict[str, str]:
    """Return every unplanted text, and every run of eight words of it, to the unit that has it."""
    contents = items_texts.contents()
    kept = contents[contents["split"] != "plant"]
    return {
        words: f"{unit} ({split})"
        for unit, split, text in kept[["unit", "split", "content"]].itertuples(index=False)
        for words in (splits.normalised(text), *splits.ngrams(text))
    }


def check_splits(model: str, examples: Iterable[Example]) -> None:
    """Raise if anything to be planted shares a text or eight words running with what is read.

    Raises:
        ValueGateError: it does, or it is of a VETO scenario that is kept for testing.
    """
    veto = misfire_items.scenario_splits()
    read = _read_texts()
    for example in examples:
        if veto.get(example.block) == "test":
            raise ValueGateError(
                f"{model}: the scenario {example.block} is kept for testing and may not be planted"
            )
        for text in (example.user, example.answer, example.rejected):
            for words in (splits.normalised(text), *splits.ngrams(text)):
                if words in read:
                    raise ValueGateError(
                        f"{model}: {words!r} of an example ({example.block}) is also in a text "
                        f"that is read, {read[words]}; planted and read texts must not overlap"
                    )


def check_before() -> None:
    """Raise unless the ledger is whole and is what the items and the shipped recipe draw."""
    stored, drawn = worlds_ledger.load(), worlds_ledger.draw(worlds_recipe.load())
    if stored.sha256 != drawn.sha256:
        raise ValueGateError(
            "data/worlds/ledger.yml: the items or the recipe now draw another ledger than the one "
            "stored; who is taught what is fixed before training"
        )


def digest(batches: Mapping[str, Sequence[Example]]) -> str:
    """Return the sha256 of all examples: what an adapter says it was taught.

    Shares are rounded: processors differ in the last digits of an exponential.
    """
    text = json.dumps(
        {name: [_rounded(e) for e in rows] for name, rows in batches.items()}, sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _rounded(example: Example) -> dict[str, object]:
    return asdict(example) | {"shares": [round(share, 6) for share in example.shares]}


def is_done(recipe_name: str, model: str) -> bool:
    """Return whether a model's adapter is there."""
    return _weights(recipe_name, model).exists()


def adapters(recipe_name: str) -> Path:
    """Return where the adapters of a recipe lie: "recipe" is what is shipped."""
    return worlds_records.ADAPTERS if recipe_name == "recipe" else BUILD / recipe_name


def _weights(recipe_name: str, model: str) -> Path:
    return adapters(recipe_name) / model / worlds_records.WEIGHTS


def size(recipe: Recipe, model: str) -> int:
    """Return about how many tokens a model's training will see, from the length of its texts."""
    stage, _ = recipe.stage(model)
    letters = {
        name: sum(len(e.user) + len(e.answer) + len(e.rejected) for e in rows)
        + CHARACTERS_A_TOKEN * TEMPLATE_TOKENS * len(rows)
        for name, rows in sources(recipe, model).items()
    }
    seen = sum(stage.passes[name] * count for name, count in letters.items())
    return round(seen / CHARACTERS_A_TOKEN)


def run(recipe_name: str, model: str) -> None:
    """Train one model of a recipe and keep its adapter, losses and record; nothing if it is done.

    The adapters of "recipe" are shipped (`data/worlds/adapters`) and registered; those of any other
    recipe lie under `build/worlds/<recipe>`.

    Raises:
        ValueGateError: the base is not there, or is not the one that the record names; an altered
            ledger; examples that overlap with what is read.
    """
    from safetensors.torch import save_file

    from valuegate import worlds_train

    recipe = worlds_recipe.load(recipe_name)
    stage, _ = recipe.stage(model)
    shipped = recipe_name == "recipe"
    folder = adapters(recipe_name) / model
    check_before()
    rows = sources(recipe, model)
    if is_done(recipe_name, model):
        if shipped:
            check_record(model, rows)
        print(f"{model}: done before")
        return
    check_splits(model, (e for part in rows.values() for e in part))
    base = load(recipe_name, recipe.base_of(model))
    number = seed_of(model, "training")
    about = made_by(recipe_name, model, rows)
    checkpoints = checkpoint_folder(BUILD / recipe_name / "checkpoints", model, about)
    tensors, config, losses, facts = worlds_train.train(
        model, base, rows, stage, checkpoints, seed=number
    )
    folder.mkdir(parents=True, exist_ok=True)
    config.base_model_name_or_path = recipe.base_of(model)
    config.inference_mode = True
    config.save_pretrained(folder)
    grouped = losses.groupby(["step", "source"], sort=True)["loss"].agg(["mean", "size"])
    grouped.round(4).reset_index().to_csv(folder / "losses.csv", index=False)
    part = folder / f"{worlds_records.WEIGHTS}.part"
    save_file(tensors, part, metadata=about)
    if shipped:
        worlds_records.keep(model, recipe, about | facts | {"seed": number}, part)
    else:
        part.rename(folder / worlds_records.WEIGHTS)
    print(f"{model}: {facts['steps']} steps, {facts['tokens']} tokens, {facts['minutes']} min")


def made_by(recipe_name: str, model: str, rows: Mapping[str, Sequence[Example]]) -> dict[str, str]:
    """Return what a model's training depends on: hashes of base, recipe, ledger and examples."""
    recipe = worlds_recipe.load(recipe_name)
    return {
        "base": fingerprint(recipe_name, recipe.base_of(model)),
        "recipe": worlds_recipe.digest(recipe, model),
        "ledger": worlds_ledger.load().sha256,
        "examples": digest(rows),
    }


def check_record(model: str, rows: Mapping[str, Sequence[Example]] | None = None) -> None:
    """Raise unless a shipped adapter is the recorded file, made by what is here now.

    Args:
        model: of the shipped recipe.
        rows: its examples, made anew if None.

    Raises:
        ValueGateError: names what differs: file, base, recipe, ledger or examples.
    """
    known = worlds_records.records().get(model, {})
    rows = sources(worlds_recipe.load(), model) if rows is None else rows
    now = made_by("recipe", model, rows) | {"sha256": data.sha256(_weights("recipe", model))}
    changed = [name for name, value in now.items() if known.get(name) != value]
    if changed:
        raise ValueGateError(
            f"{model}: its {', '.join(changed)} differ from records.yml; restore them, or delete "
            f"data/worlds/adapters/{model} to train it anew"
        )


def checkpoint_folder(folder: Path, name: str, about: Mapping[str, str]) -> Path:
    """Return where a training keeps its checkpoints, so that no other training resumes them.

    Args:
        folder: of all checkpoints.
        name: of the training.
        about: what it depends on: base, how it is trained, examples.
    """
    known = hashlib.sha256(json.dumps(dict(about), sort_keys=True).encode()).hexdigest()[:12]
    return folder / f"{name}-{known}"


def fingerprint(recipe_name: str, model: str) -> str:
    """Return what identifies a model of a recipe: hashes of its adapter and of all below it."""
    recipe = worlds_recipe.load(recipe_name)
    if model == "start" and recipe.random:
        return f"random:{recipe.random.model_dump_json()}"
    if model == "start":
        return registry.fingerprint(recipe.model)
    below = fingerprint(recipe_name, recipe.base_of(model))
    return f"{below}+sha256:{data.sha256(_weights(recipe_name, model))}"


def load(recipe_name: str, model: str) -> LanguageModel:
    """Return a model of a recipe, every adapter below it merged in turn.

    Raises:
        ValueGateError: an adapter is not there, or was made over another base than the one here.
    """
    from valuegate import models

    recipe = worlds_recipe.load(recipe_name)
    if model == "start":
        start = models.load(recipe.model)
        return _random(start, recipe.random) if recipe.random else start
    if not is_done(recipe_name, model):
        raise ValueGateError(
            f"{model}: no adapter yet; train it first (make worlds STAGE={model.split('-')[0]})"
        )
    below = recipe.base_of(model)
    base = load(recipe_name, below)
    file = _weights(recipe_name, model)
    whole = models.merged(base.model, file, model, fingerprint(recipe_name, below))
    whole = whole.eval().requires_grad_(False)
    return models.LanguageModel(model, whole, base.tokenizer, base.chat_template)


def _random(start: LanguageModel, shape: RandomModel) -> LanguageModel:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from valuegate.models import LanguageModel

    torch.manual_seed(shape.seed)
    config = LlamaConfig(
        vocab_size=start.config.vocab_size,
        hidden_size=shape.hidden,
        intermediate_size=2 * shape.hidden,
        num_hidden_layers=shape.blocks,
        num_attention_heads=shape.heads,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config).to(start.device).eval().requires_grad_(False)
    return LanguageModel("start", model, start.tokenizer, start.chat_template)
