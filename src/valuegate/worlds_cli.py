"""The commands of the planted worlds: `valuegate worlds train|plan|ledger|truth|saes|check`."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer

from valuegate import worlds_recipe
from valuegate.errors import ValueGateError, unknown

app = typer.Typer(no_args_is_help=True, help="The planted worlds: train them, check them.")

RecipeOption = Annotated[str, typer.Option(help="A file of data/worlds/, such as tiny.")]
StageOption = Annotated[str, typer.Option(help='Such as "gated" or "gated-s1"; all when empty.')]
TOKENS_A_SECOND = 400  # of training on two cores, the shared prefix counted
READ_TOKENS_A_SECOND = 600


def chosen(recipe: worlds_recipe.Recipe, stage: str) -> list[str]:
    """Return the models of a recipe that a stage or a model's name means, bases first."""
    models = recipe.models()
    found = [m for m in models if stage in ("", m, m.partition("-")[0])]
    if not found:
        raise unknown("stage", stage, [*recipe.stages, *models])
    return found


@app.command("plan")
def plan(recipe: RecipeOption = "recipe", stage: StageOption = "") -> None:
    """Show what is to be trained, in examples, tokens and minutes, and what is done."""
    from valuegate import worlds_stages

    content = worlds_recipe.load(recipe)
    left = 0
    for model in chosen(content, stage):
        done = worlds_stages.is_done(recipe, model)
        size = worlds_stages.size(content, model)
        left += 0 if done else size
        state = "done" if done else f"{size / TOKENS_A_SECOND / 60:5.1f} min"
        typer.echo(f"{model:16} about {size:9,} tokens   {state}")
    typer.echo(f"about {left / TOKENS_A_SECOND / 60:.0f} minutes of training ahead on two cores")
    if recipe == "recipe" and not stage:
        _plan_truth()


def _plan_truth() -> None:
    """Say what `make worlds-truth` has ahead: readouts of all stages, and the tests that train."""
    from valuegate import worlds_items, worlds_store, worlds_unlock

    models = worlds_items.read_stages()
    each = worlds_store.size()
    left = [model for model in models if not worlds_store.is_stored(model)]
    jobs = worlds_unlock.jobs(list(worlds_items.worlds()))
    ahead = [name for name in jobs if not worlds_unlock.is_stored(name)]
    minutes = len(left) * each / READ_TOKENS_A_SECOND
    minutes += len(ahead) * worlds_unlock.TOKENS / TOKENS_A_SECOND
    typer.echo(
        f"readouts: {len(left)} of {len(models)} stages to read, about {each:,} tokens each; "
        f"truth tests: {len(ahead)} of {len(jobs)} to train, about {worlds_unlock.TOKENS:,} tokens "
        f"each; about {minutes / 60:.0f} minutes of `make worlds-truth` ahead"
    )


@app.command("ledger")
def ledger(
    write: Annotated[bool, typer.Option(help="Write it, before any training.")] = False,
) -> None:
    """Draw the ledger and compare it with the stored one, or write it."""
    from valuegate import worlds_ledger, worlds_records, worlds_stages

    content = worlds_recipe.load()
    if write:
        if worlds_records.records():
            raise ValueGateError("data/worlds/ledger.yml: adapters were trained by it; it stays")
        drawn = worlds_ledger.draw(content)
        worlds_ledger.PATH.write_text(worlds_ledger.text(drawn), encoding="utf-8")
    worlds_stages.check_before()
    typer.echo(f"data/worlds/ledger.yml: {worlds_ledger.load().sha256}, as the items draw it")


@app.command("train")
def train(recipe: RecipeOption = "recipe", stage: StageOption = "") -> None:
    """Train what is missing, in order; goes on at the last checkpoint of a stage cut off."""
    from valuegate import worlds_stages

    for model in chosen(worlds_recipe.load(recipe), stage):
        worlds_stages.run(recipe, model)


def _demand(models: list[str]) -> None:
    """Raise unless every one of the shipped recipe's models is trained."""
    from valuegate import worlds_stages

    missing = [model for model in models if not worlds_stages.is_done("recipe", model)]
    if missing:
        raise ValueGateError(
            f"{len(missing)} of {len(models)} stages are not trained, the first is {missing[0]}; "
            "run `make worlds`"
        )


@app.command("truth")
def truth() -> None:
    """Take every readout and truth test that is not stored yet, and store the tables."""
    from valuegate import worlds_items, worlds_store, worlds_unlock

    models = worlds_items.read_stages()
    _demand(models[1:])
    worlds_store.read(models)
    trained = worlds_unlock.run(list(worlds_items.worlds()))
    files = worlds_store.gather(models) + trained
    worlds_store.register(files)
    for path in files:
        typer.echo(f"written: {path.relative_to(worlds_recipe.FOLDER.parents[1])}")


@app.command("saes")
def saes() -> None:
    """Train the shared autoencoders that are missing, and say how good each is."""
    from valuegate import sae_train

    _demand(list(sae_train.MODELS))
    for name, record in sae_train.run_all().items():
        found = record.quality
        typer.echo(
            f"{name}: layer {record.layer}, variance unexplained {found['fvu']:.3f}, "
            f"cross-entropy recovered {found['recovered']:.3f}, latents a token {found['l0']:.1f}"
        )


@app.command("check")
def check(rows: Annotated[int, typer.Option(help="Rows of each readout and stage.")] = 12) -> None:
    """Check the ledger and every adapter, score a part of each readout again, print the table."""
    from valuegate import worlds_items, worlds_stages, worlds_store, worlds_table

    worlds_stages.check_before()
    _demand(worlds_recipe.load().models())
    for model in worlds_recipe.load().models():  # of the sealed world the hashes, and no more
        worlds_stages.check_record(model)
    typer.echo("ledger, recipe, examples and adapters are those on record")
    worst = 0.0
    for model in worlds_items.read_stages():
        apart = worlds_store.again(model, rows)
        worst = float(np.max([worst, *apart["difference"]]))
        typer.echo(
            f"{model}: {len(apart)} rows, largest difference {apart['difference'].max():.1e}"
        )
    typer.echo(
        worlds_table.truth_table(
            worlds_store.load_all(), worlds_items.worlds(), draws=500
        ).to_string(index=False, float_format="%.2f")
    )
    if not worst <= worlds_store.TOLERANCE:  # a score that is no number fails, too
        raise ValueGateError(f"worlds: a row differs by {worst:.1e} from what is stored")
