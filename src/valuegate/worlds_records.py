"""What is on record of the shipped adapters: files, hashes, losses. Never loads torch."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import yaml
from filelock import FileLock

from valuegate import data, paths, registry, worlds_recipe
from valuegate.measure import write_text
from valuegate.worlds_recipe import FOLDER, Recipe

ADAPTERS = FOLDER / "adapters"
RECORDS = FOLDER / "records.yml"
LOCK = paths.ROOT / "build" / "worlds" / "records.lock"
WEIGHTS = "adapter_model.safetensors"


def records() -> dict[str, dict]:
    """Return what is recorded of every adapter that was trained under the recipe."""
    if not RECORDS.exists():
        return {}
    return yaml.safe_load(RECORDS.read_text(encoding="utf-8")) or {}


def losses() -> dict[str, pd.DataFrame]:
    """Return the training losses of every shipped adapter: step, source, mean, size.

    Sealed worlds are left out: they are read by nothing before section 06.
    """
    recipe = worlds_recipe.load()
    return {name: pd.read_csv(ADAPTERS / name / "losses.csv") for name in unsealed(recipe)}


def unsealed(recipe: Recipe) -> dict[str, dict]:
    """Return the records of the worlds that are not sealed."""
    return {n: r for n, r in records().items() if recipe.stage(n)[1] not in recipe.sealed}


def keep(model: str, recipe: Recipe, about: dict, part: Path) -> None:
    """Record and register an adapter, then put its file in place: there, it is known.

    Several trainings may end at once; they wait for one another.

    Args:
        model: of the shipped recipe.
        recipe: the recipe.
        about: what it was made by, and facts of its training.
        part: the file, under another name in its folder.
    """
    digest = data.sha256(part)
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(LOCK):
        found = records() | {model: {"sha256": digest} | about}
        ordered = {name: found[name] for name in recipe.models() if name in found}
        title = (
            "# What each shipped adapter is: its file's hash, its base, and what it was made by."
        )
        write_text(f"{title}\n{yaml.safe_dump(ordered, sort_keys=False)}", RECORDS)
        _register(model, recipe, digest)
        os.replace(part, part.with_name(WEIGHTS))


def _register(model: str, recipe: Recipe, digest: str) -> None:
    """Add a model to the registry's end, or renew its hash there."""
    path = paths.DATA / "registry.yml"
    text = path.read_text(encoding="utf-8")
    start = text.find(f"\n  {model}:\n")
    if start >= 0:
        at = text.index("sha256: ", start) + len("sha256: ")
        text = text[:at] + digest + text[at + len(digest) :]
    else:
        base = recipe.base_of(model)
        text += f"""  {model}:
    title: {model}, a planted stage over {base}
    licence: Apache-2.0
    citation: The valuegate authors 2026, this repository; over SmolLM2-135M-Instruct.
    used_by:
    - A2_worlds
    parameters: {registry.model(recipe.model).parameters}
    source:
      kind: adapter
      base: {recipe.model if base == "start" else base}
      path: data/worlds/adapters/{model}/{WEIGHTS}
      sha256: {digest}
"""
    write_text(text, path)
    registry.load.cache_clear()
