"""The command line: `valuegate paper`, `audit`, `data`, `models` and the rest of `--help`.

Every mistake of input or surroundings ends in one line on standard error and exit status 2.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from valuegate import config, paths, registry, worlds_cli
from valuegate.errors import ValueGateError
from valuegate.measure import Store, unique, write_text

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
data_app = typer.Typer(no_args_is_help=True, help="Data sets of the registry.")
items_app = typer.Typer(no_args_is_help=True, help="The embedded item sets.")
models_app = typer.Typer(no_args_is_help=True, help="Models of the registry.")
export_app = typer.Typer(no_args_is_help=True, help="Write items for use elsewhere.")
app.add_typer(data_app, name="data")
app.add_typer(items_app, name="items")
app.add_typer(models_app, name="models")
app.add_typer(export_app, name="export")
app.add_typer(worlds_cli.app, name="worlds")

ProfileOption = Annotated[str, typer.Option(help="A file of notebooks/profiles/.")]
SectionsOption = Annotated[str, typer.Option(help='Such as "02,05"; all when empty.')]
ModelsOption = Annotated[str, typer.Option(help="Registered models; the profile's when empty.")]
JobsOption = Annotated[int, typer.Option(help="Processes at once; the cores when 0.")]

SECONDS_A_TOKEN = 1 / 600  # on two cores, shared prefixes included; for the estimate of `plan`


@app.command("paper")
def make_paper(
    profile: ProfileOption = "default",
    sections: SectionsOption = "",
    models: ModelsOption = "",
    jobs: JobsOption = 0,
    cluster: Annotated[str, typer.Option(help='"slurm" to measure on a cluster.')] = "",
) -> None:
    """Measure what is missing, run the notebooks, build PDF and HTML."""
    started = time.monotonic()
    from valuegate import paper, publish, runner
    from valuegate.progress import Progress

    run = config.run(profile, sections, models)
    with Progress() as progress:
        measured = runner.measure(run, jobs or runner.cores(), progress, cluster)
        executed = runner.notebooks(run, jobs or runner.cores(), progress)
    record = paper.run_record(run.name)
    publish.keep_results(run)
    paper.build(run, record, record.paper)
    where = record.paper
    if publish.is_publishable(run):
        publish.refresh(run)
        where = paths.PAPER
        typer.echo(publish.compare(record).line())
    seconds = time.monotonic() - started
    typer.echo(f"{measured} measurements made, {executed} notebooks run, in {seconds:.1f} s")
    for name in ("valuegate.pdf", "valuegate.html"):
        typer.echo(f"written: {_short(where / name)}")


@app.command("plan")
def show_plan(
    profile: ProfileOption = "default", sections: SectionsOption = "", models: ModelsOption = ""
) -> None:
    """Show the work ahead, in tokens and minutes, and what is stored already."""
    from valuegate.sections import plan

    run = config.run(profile, sections, models)
    store = Store.of(run.name)
    planned = unique(plan(run))
    left = 0
    for m in planned:
        stored = store.has(m)
        left += 0 if stored else m.tokens
        state = "stored" if stored else f"{m.tokens * SECONDS_A_TOKEN / 60:5.1f} min"
        typer.echo(f"{m.label:60} {len(m.items()):7,} prompts {m.tokens:10,} tokens   {state}")
    total = sum(m.tokens for m in planned)
    typer.echo(
        f"{total:,} of {run.profile.budget_tokens:,} tokens budgeted; "
        f"about {left * SECONDS_A_TOKEN / 60:.1f} minutes ahead on two cores"
    )


@app.command("replay")
def replay(jobs: JobsOption = 0) -> None:
    """Recompute every published claim from the published tables; no model, no torch."""
    from valuegate import paper, publish, runner
    from valuegate.progress import Progress

    run = config.run("default")
    with Progress() as progress:
        runner.notebooks(run, jobs or runner.cores(), progress, replay=paths.RESULTS)
    result = publish.compare(paper.run_record("replay"))
    typer.echo(result.line())
    if result.differ or not result.equal:
        raise ValueGateError("the published claims do not follow from the published tables")


@app.command("audit")
def run_audit(
    profile: Annotated[str, typer.Option(help="Audit a run instead of what is published.")] = "",
    rescore: Annotated[bool, typer.Option(help="Score rows again with the model.")] = True,
    jobs: JobsOption = 0,
) -> None:
    """Check that text, results and code agree: five layers, and paper/audit.html."""
    from valuegate import audit, paper, runner
    from valuegate.progress import Progress

    run = config.run(profile or "default")
    record = paper.run_record(run.name) if profile else paper.published_record()
    if not record.claims.exists() or not any(record.claims.glob("*.json")):
        raise ValueGateError(f"audit: no claims in {_short(record.claims)}; run `make paper`")
    with Progress() as progress:
        layers = audit.audit(run, record, progress, jobs or runner.cores(), rescore=rescore)
    for layer in layers:
        typer.echo(layer.line())
        for problem in layer.problems if layer.name != "HOLDS" else []:
            typer.echo(f"  {problem}")
    typer.echo("This shows that text, results and code are one; not that a method is right.")
    typer.echo(f"written: {_short(record.paper / 'audit.html')}")
    if wrong := audit.failed(layers):
        raise ValueGateError(f"audit: {', '.join(layer.name for layer in wrong)} failed")


@app.command("publish")
def make_publish(jobs: JobsOption = 0) -> None:
    """Make build/default the published record, if sources are committed and its audit passes."""
    from valuegate import audit, publish, runner
    from valuegate.paper import published_record, run_record
    from valuegate.progress import Progress

    run = config.run("default")
    jobs = jobs or runner.cores()
    with Progress() as progress:
        # First what would be copied, then the copy as it lies; the second writes the audit page.
        layers: list[audit.Layer] = []
        for record in (run_record(run.name), published_record()):
            if layers:
                publish.publish(run)
            layers = audit.audit(run, record, progress, jobs, copied=layers)
            for layer in layers:
                progress.note(layer.line())
            if wrong := audit.failed(layers):
                raise ValueGateError(f"publish: {wrong[0].name}: {wrong[0].problems[0]}")
    typer.echo("published; commit data/results, figures, notebooks and paper")


@app.command("tex")
def make_tex(profile: ProfileOption = "default") -> None:
    """Write LaTeX source of the paper, for journals, under build/<profile>/tex."""
    from valuegate import paper

    run = config.run(profile)
    record = paper.run_record(run.name)
    record = record if any(record.claims.glob("*.json")) else paper.published_record()
    out = paths.build(run.name) / "tex"
    paper.build(run, record, out, tex=True)
    typer.echo(f"written: {_short(out / 'valuegate.tex')}")


@data_app.command("list")
def data_list() -> None:
    """List the data sets: source, licence, what uses them."""
    for name, entry in registry.load().datasets.items():
        used = ", ".join(section[:2] for section in entry.used_by)
        typer.echo(f"{name:26} {entry.source.kind:9} {entry.licence:34} sections {used}")


@data_app.command("get")
def data_get(name: str) -> None:
    """Fetch a data set and print where its files are."""
    from valuegate import data

    for short, path in data.files(name).items():
        typer.echo(f"{short}\t{path}")


@data_app.command("verify")
def data_verify(name: Annotated[str, typer.Argument(help="All when left out.")] = "") -> None:
    """Fetch data sets where needed and check every hash."""
    from valuegate import data

    for one in [name] if name else registry.load().datasets:
        typer.echo(f"{one}: {len(data.files(one))} files match their hashes")


@items_app.command("check")
def items_check(name: Annotated[str, typer.Argument(help="All when left out.")] = "") -> None:
    """Make item sets anew from their sources and compare them with the committed tables."""
    from valuegate import items, items_build

    different = []
    for one in [name] if name else items_build.SETS:
        problems = items_build.compare(one)
        different += problems
        if not problems:
            tables = items_build.SETS[one].items()
            rows = sum(len(items.read(items.path(one, table), kind)) for table, kind in tables)
            typer.echo(f"{one}: {rows:,} rows, equal to what their sources make")
    if different:
        raise ValueGateError(f"{different[0]}; `valuegate items write` makes the tables anew")


@items_app.command("write")
def items_write(name: Annotated[str, typer.Argument(help="All when left out.")] = "") -> None:
    """Make item sets from their sources, and write tables and hashes."""
    from valuegate import items_build

    for one in [name] if name else items_build.order():
        for path in items_build.write(one):
            typer.echo(f"written: {_short(path)}")


@models_app.command("list")
def models_list() -> None:
    """List the models: source, size, licence."""
    for name, entry in registry.load().models.items():
        pinned = "" if registry.fingerprint(name) != registry.UNPINNED else "  revision not pinned"
        size = f"{entry.parameters / 1e9:.2f}B"
        typer.echo(f"{name:26} {entry.source.kind:8} {size:>7} {entry.licence}{pinned}")


@models_app.command("get")
def models_get(name: str) -> None:
    """Fetch a model, convert it if its source needs it, and load it once."""
    from valuegate import models

    lm = models.load(name)
    typer.echo(f"{name}: {lm.n_layers} layers, {lm.n_heads} heads, on {lm.device}")


@models_app.command("pin")
def models_pin(name: str) -> None:
    """Ask the hub for a model's current revision and write it into the registry."""
    from valuegate import models

    typer.echo(f"{name}: pinned at {models.pin(name)}")


@app.command("third-party")
def write_third_party() -> None:
    """Write THIRD_PARTY.md from the registry."""
    write_text(registry.third_party(), paths.ROOT / "THIRD_PARTY.md")
    typer.echo("written: THIRD_PARTY.md")


@export_app.command("veto-pairs")
def export_veto_pairs(file: Path) -> None:
    """Write the VETO pairs as JSONL: id, category, stereotyped, contrast, expected, priming."""
    from valuegate import misfire_items, veto_pairs

    pairs = misfire_items.pairs()
    write_text(veto_pairs.export_jsonl(pairs), file)
    typer.echo(f"written: {file} ({len(pairs):,} pairs)")


def _short(path: Path) -> Path:
    return path.relative_to(paths.ROOT) if path.is_relative_to(paths.ROOT) else path


def main() -> None:
    """Run the command line; the entry point of the `valuegate` program."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends our workers as ctrl-C does
    try:
        app()
    except ValueGateError as error:
        typer.echo(f"valuegate: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
