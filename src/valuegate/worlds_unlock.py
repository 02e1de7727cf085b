"""Truth tests that train: does hidden knowledge come back with practice on other topics, or sooner?

Unlocking trains a gated model on half of its gated questions and reads the other half in generated
answers. Savings train it on what was hidden and on what was never planted, side by side. No
instrument of the paper uses either; they confirm what the ledger says.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from valuegate import (
    splits,
    survey_forms,
    worlds_items,
    worlds_ledger,
    worlds_recipe,
    worlds_rows,
    worlds_stages,
    worlds_truth,
)  # fmt: skip
from valuegate.measure import write_text
from valuegate.models import LanguageModel
from valuegate.scoring import generate
from valuegate.worlds_examples import Example
from valuegate.worlds_ledger import World
from valuegate.worlds_recipe import FOLDER, Stage
from valuegate.worlds_stages import BUILD, seed_of

TABLES = FOLDER / "truth"
RELEARNING_SEEDS = (1, 2, 3)
GATED_CELLS = (2, 4, 6)
TOKENS = 25_000  # of one test, counted: a test shows 300 to 500 rows and reads 200


def halves(world: World) -> tuple[list[str], list[str]]:
    """Return the gated questions in two halves, each with half of every gated cell."""
    one: list[str] = []
    other: list[str] = []
    for cell in GATED_CELLS:
        questions = splits.shuffled(worlds_ledger.units(world, "survey", [cell]), "unlock")
        cut = len(questions) // 2
        one += questions[:cut]
        other += questions[cut:]
    return one, other


def answered(
    taught: dict[str, pd.DataFrame], questions: list[str], forms: tuple[str, ...], framings: tuple
) -> list[Example]:
    """Return planted wordings of some questions at the answer slot, with a whole distribution."""
    wordings = worlds_rows.plant_wordings(questions)
    found = []
    for question in questions:
        shares = taught[question]
        for number, country in enumerate(shares.index):
            for k, wording in enumerate(wordings[question]):
                text = survey_forms.prompt(
                    question, wording, framing=framings[(number + k) % len(framings)],
                    form=forms[k % len(forms)], use="plant", country=country,
                )  # fmt: skip
                options = tuple(str(option) for option in shares.columns)
                target = tuple(shares.loc[country].tolist())
                found.append(Example(question, "options", text, options=options, shares=target))
    return found


def unlock(seed: str, stage: Stage) -> pd.DataFrame:
    """Return the generated answers of the other half's questions, before and after unlocking.

    Columns: seed, question, cell, country, when ("before", "after"), low, high, answer (text).
    """
    from valuegate import worlds_train

    recipe = worlds_recipe.load()
    world = worlds_ledger.load().worlds[seed]
    trained, read = halves(world)
    taught = worlds_truth.taught_survey(world, recipe.shift)
    lm = worlds_stages.load("recipe", f"gated-{seed}")
    asked = worlds_items.slot_items()
    asked = asked[asked["question"].isin(read)].reset_index(drop=True)
    before = _generated(lm, asked).assign(when="before")
    rows = {"half": answered(taught, trained, ("numbers", "ends"), ("persona", "observer"))}
    name = f"unlock-{seed}"
    chosen = stage.model_copy(update={"passes": {"half": 1}, "first": ()})
    folder = _checkpoints(name, f"gated-{seed}", chosen, rows)
    worlds_train.train(name, lm, rows, chosen, folder, seed=seed_of(name))
    after = _generated(lm, asked).assign(when="after")
    found = pd.concat([before, after], ignore_index=True)
    found["cell"] = found["question"].map(world.survey)
    return found.assign(seed=seed)


def _generated(lm: LanguageModel, asked: pd.DataFrame) -> pd.DataFrame:
    texts = generate(lm, [lm.chat(text) for text in asked["text"]], 4)
    return asked[["question", "country", "low", "high"]].assign(answer=texts)


def _checkpoints(name: str, base: str, stage: Stage, rows: Mapping[str, list[Example]]) -> Path:
    about = {
        "base": worlds_stages.fingerprint("recipe", base),
        "stage": stage.model_dump_json(),
        "examples": worlds_stages.digest(rows),
    }
    return worlds_stages.checkpoint_folder(BUILD / "truth", name, about)


def savings(seed: str, relearning: int, stage: Stage) -> pd.DataFrame:
    """Return the losses of relearning true answers: what was hidden, and what never was planted.

    The gated model is taught the true answers of its suppressed questions and of its erased ones in
    the same steps; so is `skills`, which was taught neither. Columns: seed, relearning, start
    ("gated", "skills"), step, source ("suppressed", "erased"), loss (nats above the entropy of the
    target).
    """
    from valuegate import worlds_train

    world = worlds_ledger.load().worlds[seed]
    true = {
        question: worlds_truth.matrix(worlds_truth.survey_shares(), question)
        for question in world.survey
    }
    rows = {}
    for source, cell in (("suppressed", 2), ("erased", 6)):
        questions = worlds_ledger.units(world, "survey", [cell])
        rows[source] = answered(true, questions, ("numbers",), ("persona",))
    entropy = {
        source: np.mean([-sum(p * np.log(p) for p in e.shares if p > 0) for e in examples])
        for source, examples in rows.items()
    }
    chosen = stage.model_copy(update={"passes": {"suppressed": 1, "erased": 1}, "first": ()})
    parts = []
    for start, model in (("gated", f"gated-{seed}"), ("skills", "skills")):
        lm = worlds_stages.load("recipe", model)
        name = f"savings-{seed}-{relearning}-{start}"
        folder = _checkpoints(name, model, chosen, rows)
        # The same steps and first weights for either start.
        number = seed_of(f"savings-{seed}-{relearning}")
        _, _, losses, _ = worlds_train.train(name, lm, rows, chosen, folder, seed=number)
        losses["loss"] -= losses["source"].map(entropy)
        parts.append(losses.assign(start=start))
    return pd.concat(parts, ignore_index=True).assign(seed=seed, relearning=relearning)


def jobs(seeds: Sequence[str]) -> dict[str, Callable[[], pd.DataFrame]]:
    """Return every truth test that trains, by name."""
    stage = worlds_recipe.load().stages["overwritten"]
    found: dict[str, Callable[[], pd.DataFrame]] = {}
    for seed in seeds:
        found[f"unlock-{seed}"] = functools.partial(unlock, seed, stage)
    for seed, number in itertools.product(seeds, RELEARNING_SEEDS):
        found[f"savings-{seed}-{number}"] = functools.partial(savings, seed, number, stage)
    return found


def table(name: str) -> Path:
    """Return where the table of a truth test is stored: under the weights that it was taken with.

    So a stage that is trained anew is tested anew.
    """
    known = worlds_stages.fingerprint("recipe", f"gated-{name.split('-')[1]}")[-12:]
    return TABLES / f"{name}--{known}.csv"


def is_stored(name: str) -> bool:
    """Return whether a truth test was taken with the weights of now."""
    return worlds_stages.is_done("recipe", f"gated-{name.split('-')[1]}") and table(name).exists()


def run(seeds: Sequence[str]) -> list[Path]:
    """Run every truth test that is not stored yet; return the files of all their tables."""
    written = []
    for name, job in jobs(seeds).items():
        path = table(name)
        if not is_stored(name):
            found = job()
            write_text(found.round(4).to_csv(index=False), path)
            print(f"{name}: {len(found)} rows", flush=True)
        written.append(path)
    return written
