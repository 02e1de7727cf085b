"""The audit against mutations: every way in which text, results and code can come apart is caught.

A small project is made once: a copy of this one with four scenarios a category, scored by a
function that stands for the model, published as `make publish` does it. Each test changes one thing
in a copy of that, and reads the layer that should notice.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from valuegate import (
    audit,
    claims,
    codehash,
    config,
    history,
    misfire_run,
    models,
    pages,
    paper,
    parts,
    paths,
    publish,
    registry,
    render,
    runner,
)
from valuegate.audit import Layer
from valuegate.data import sha256
from valuegate.errors import ValueGateError
from valuegate.measure import Store, unique, write_table
from valuegate.progress import Progress
from valuegate.sections import plan

pytestmark = pytest.mark.model  # the items are rebuilt from BBQ, a wheel

REPOSITORY = paths.ROOT
SECTION = "02_misfired_alignment"
TABLE = f"{SECTION}/evidence--smollm2-135m-instruct.parquet"
MODEL = "smollm2-135m-instruct"
LABEL = f"{SECTION}/evidence/{MODEL}"
PROFILE = """\
name: default
title: default
budget_tokens: 1200000
models: [smollm2-135m-instruct]
sections:
  02_misfired_alignment:
    {one_per_scenario: true, scenarios_per_category: 4, stages: skills gated-s1 sham-s1,
     per_pair: 1, controls: 1, layer_stages: knowledge-s1 gated-s1, short_stages: gated-s2,
     primed: 3, priming_stages: skills gated-s1, patched: 2, patched_stages: knowledge-s1 gated-s1,
     heads: 4, head_fit: 3, head_draws: 4, head_stages: gated-s1, draws: 20}
"""


def score(lm: Any, items: pd.DataFrame) -> pd.DataFrame:
    """Stand for the model: evidence gets 1.6 nats more than a foil; noise is drawn per prompt."""
    found = items.drop(columns=["text", "system"]).reset_index(drop=True)
    noise = []
    for row in found.itertuples(index=False):
        seed = int(hashlib.sha256(repr(tuple(row)).encode()).hexdigest()[:8], 16)
        noise.append(np.random.default_rng(seed).normal())
    found["log_odds"] = 1.6 * found["gold"] - 0.8 + np.array(noise)
    found["mass"] = 0.7 + 0.01 * np.array(noise)
    by_layer = np.outer(found["log_odds"], np.linspace(0, 1, 31)) + 0.25
    found["lens"] = list(by_layer.astype("float32"))
    return found


def score_own(lm: Any, items: pd.DataFrame, **_: Any) -> pd.DataFrame:
    found = score(lm, items)
    return found.assign(decoded=found["lens"], decoded_last=[row[-1] for row in found["lens"]])


def score_layers(lm: Any, items: pd.DataFrame, **_: Any) -> pd.DataFrame:
    found = items.drop(columns=["text", "twin", "system"]).reset_index(drop=True)
    every = list(range(0, 31, 2))
    found["log_odds"] = -1.0 - 0.1 * found["item"].str.len()
    found["twin_log_odds"] = found["before_log_odds"] = 2.0
    for place in ("last", "names", "before"):
        share = np.linspace(0, 1, len(every))
        found[f"patched_{place}"] = [v + share * (2.0 - v) for v in found["log_odds"]]
    return found.assign(middle=found["log_odds"], layers=[every] * len(found))


def score_heads(lm: Any, items: pd.DataFrame, *, draws: int, **_: Any) -> pd.DataFrame:
    found = score(lm, items)
    value = found["log_odds"]
    random = [[v + 0.1 * k for k in range(draws)] for v in value]
    return found.assign(
        mean_ablated=1.1 * value + 1, zero_ablated=1.2 * value + 1, random=random, chosen="20.1"
    )


STAND_INS = {"evidence": score, "own": score_own, "layers": score_layers, "heads": score_heads}


RENDERED: dict[tuple[str, ...], bytes] = {}
notebook_page = functools.cache(lambda text, path, title: REAL_PAGE(path, title))
REAL_PAGE = pages.notebook_page


def remembered_page(executed: Path, title: str) -> str:
    """Return `pages.notebook_page`, made once for equal content: a second each otherwise."""
    return notebook_page(executed.read_text(), executed, title)


def remembered(draw: Callable[..., None]) -> Callable[..., None]:
    """Return a function of `render` that renders equal input once."""

    def drawn(markdown: str, base: Path, out: Path, bibliography: Path) -> None:
        figures = sorted((base / "figures").glob("*.svg"))
        key = (draw.__name__, markdown, bibliography.read_text(), *map(sha256, figures))
        if key not in RENDERED:
            draw(markdown, base, out, bibliography)
            RENDERED[key] = out.read_bytes()
        out.write_bytes(RENDERED[key])

    return drawn


def git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=A Tester", "-c", "user.email=tester@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)


def forget() -> None:
    """Empty what this process remembers of files."""
    for cached in (
        registry.load, codehash._tree, codehash._symbols, codehash._imports, codehash._dumped,
        history._history,
    ):  # fmt: skip
        cached.cache_clear()


@contextlib.contextmanager
def inside(root: Path) -> Iterator[pytest.MonkeyPatch]:
    """Make `root` the project of this process and of those it starts."""
    with pytest.MonkeyPatch.context() as patch:
        places = {"ROOT": ".", "SRC": "src/valuegate", "NOTEBOOKS": "notebooks"}
        places |= {"PROFILES": "notebooks/profiles", "DATA": "data", "RESULTS": "data/results"}
        places |= {"FIGURES": "figures", "PAPER": "paper"}
        for name, place in places.items():
            patch.setattr(paths, name, root / place)
        patch.setenv("VALUEGATE_ROOT", str(root))
        patch.setenv("PYTHONPATH", str(root / "src"))
        for name, stand_in in STAND_INS.items():
            patch.setattr(misfire_run, name, stand_in)
        patch.setattr(models, "load", lambda name: None)
        for module, name in ((render, "render_html"), (render, "render_pdf")):
            patch.setattr(module, name, remembered(getattr(module, name)))
        patch.setattr(pages, "notebook_page", remembered_page)
        forget()
        yield patch
    forget()


def make_project(root: Path) -> None:
    left_out = shutil.ignore_patterns(
        "__pycache__", "*.egg-info", "*.ipynb", ".ipynb_checkpoints", "results", "claims",
        "valuegate.pdf", "valuegate.html", "audit.html",
    )  # fmt: skip
    for folder in ("src", "notebooks", "data", "paper"):
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=left_out)
    for file in ("requirements.lock", ".gitignore"):
        shutil.copy(REPOSITORY / file, root / file)
    (root / "notebooks/profiles/default.yml").write_text(PROFILE)
    # One section is enough to audit, and quick: its notebook, its claims, its part of the text.
    text, _ = parts.without_missing((root / "paper/paper.md").read_text(), {"misfire"})
    (root / "paper/paper.md").write_text(text)
    entries = re.split(r"^(?=- id: )", (root / "paper/claims.yml").read_text(), flags=re.MULTILINE)
    kept = [entry for entry in entries if not re.match(r"- id: (?!misfire\.)", entry)]
    (root / "paper/claims.yml").write_text("".join(kept))
    for path in (root / "notebooks").glob("*.py"):
        if path.stem != SECTION:
            path.unlink()
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "Declare")
    with inside(root):
        run = config.run("default")
        for measurement in unique(plan(run)):
            Store.of(run.name).compute(measurement, None)
        runner.notebooks(run, 1, Progress(live=False))
        record = paper.run_record(run.name)
        publish.keep_results(run)
        paper.build(run, record, record.paper)
        publish.publish(run)
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "Publish")


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> Path:
    """Return the published project; processes that test side by side share one."""
    folder = tmp_path_factory.getbasetemp()
    if folder.name.startswith("popen-"):
        folder = folder.parent
    root = folder / "published_project"
    with FileLock(folder / "published_project.lock"):
        if not (root / "build").exists():
            making = folder / "project_in_the_making"
            make_project(making)
            making.rename(root)
    return root


@pytest.fixture
def project(published, tmp_path) -> Iterator[Path]:
    """Return a copy of the published project, to change; this process is inside it."""
    root = tmp_path / "project"
    shutil.copytree(published, root, ignore=shutil.ignore_patterns("build"))
    with inside(root):
        yield root


def edit(path: Path, before: str, after: str) -> None:
    """Replace a text that stands in a file once."""
    text = path.read_bytes().decode()
    assert text.count(before) == 1, (path, before, text.count(before))
    path.write_bytes(text.replace(before, after).encode())
    forget()


def edit_json(path: Path, change: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def edit_claim(root: Path, id: str, **fields: Any) -> None:
    """Change fields of a recorded claim."""

    def change(content: Any) -> None:
        next(claim for claim in content["claims"] if claim["id"] == id).update(fields)

    edit_json(root / "paper/claims/02.json", change)


def recorded(root: Path, id: str) -> claims.Claim:
    return claims.read(root / "paper/claims")[id]


def drop_claim(root: Path, id: str) -> None:
    def change(content: Any) -> None:
        kept = [claim for claim in content["claims"] if claim["id"] != id]
        assert len(kept) == len(content["claims"]) - 1
        content["claims"] = kept

    edit_json(root / "paper/claims/02.json", change)


def edit_row(root: Path, row: int, change: Callable[[float], float], *, mend: bool) -> None:
    """Change the log-odds of a row of the per-item table; `mend` the manifest's hash too."""
    path = root / "data/results" / TABLE
    table = pd.read_parquet(path)
    table.loc[row, "log_odds"] = change(table.loc[row, "log_odds"])
    write_table(table, path)
    if mend:
        mended = {"sha256": sha256(path)}
        edit_json(root / "data/results/manifest.json", lambda all: all[LABEL].update(mended))


def mend_figure(root: Path, name: str, kind: str) -> None:
    """Write the present hash of an edited figure into its manifest."""
    file = f"{name}.{kind}"
    new = {file: sha256(root / "figures" / file)}
    edit_json(root / f"figures/{name}.json", lambda entry: entry["files"].update(new))


def fresh() -> Layer:
    return audit.fresh(config.run("default"), paper.published_record())


def bound() -> Layer:
    return audit.bound(paper.published_record())


def rescored() -> Layer:
    return audit.rescored(config.run("default"), paper.published_record(), Progress(live=False))


def replayed() -> Layer:
    return audit.replayed(config.run("default"), paper.published_record(), Progress(live=False), 1)


def test_what_was_published_passes_every_layer(published):
    with inside(published):
        layers = {layer.name: layer for layer in (bound(), fresh(), replayed(), rescored())}
        problems = {name: layer.problems for name, layer in layers.items()}
        assert problems == {name: [] for name in ("BOUND", "FRESH", "REPLAYED", "RESCORED")}
        found = claims.read(paths.PAPER / "claims")
        tokens = len(paper.ANY_TOKEN.findall(paper.source()))
        assert layers["BOUND"].checked == tokens + 3 * len(found)
        assert len(found) == len(claims.declarations()) > 20
        # Claims, figures and tables by their numbers, and that torch stayed out.
        numbers = len(list(paths.FIGURES.glob("*.csv")))
        assert layers["REPLAYED"].checked == len(found) + numbers + 1
        assert layers["RESCORED"].checked == rows_scored()


# Text --------------------------------------------------------------------------------------------


def add_declaration(root: Path) -> None:
    entry = "- id: misfire.extra\n  says: More.\n  expect: {above: 0}\n  tolerance: 0\n"
    with (root / "paper/claims.yml").open("a") as declared:
        declared.write(entry + "  testable: anywhere\n")


def undeclare(root: Path) -> None:
    path = root / "paper/claims.yml"
    text, count = re.subn(r"- id: misfire\.mass\n(?:  .*\n)+", "", path.read_text())
    assert count == 1
    path.write_text(text)


def uncite(root: Path) -> None:
    path = root / "paper/paper.md"
    text, count = re.subn(r"\{\{misfire\.mass[^}]*\}\}", "most", path.read_text())
    assert count > 1
    path.write_text(text)


BOUND = {
    "a number typed over a token": (
        lambda root: edit(root / "paper/paper.md", "{{misfire.mar:.1f}}%", "4.7%"),
        r"paper\.md:\d+: number '4\.7' is bound to nothing",
    ),
    "a number word": (
        lambda root: edit(root / "paper/paper.md", "Five layers of audit", "Six layers of audit"),
        r"paper\.md:\d+: number 'Six' is bound to nothing",
    ),
    "a token of no claim": (
        lambda root: edit(root / "paper/paper.md", "{{misfire.mar:.1f}}", "{{misfire.mra:.1f}}"),
        r"unknown claim in paper/paper\.md 'misfire\.mra'; nearest: misfire\.mar",
    ),
    "a claim dropped from the record": (
        lambda root: drop_claim(root, "misfire.net"),
        r"misfire\.net is declared but not measured",
    ),
    "a claim declared and not measured": (
        add_declaration,
        r"misfire\.extra is declared but not measured",
    ),
    "a claim measured and not declared": (
        undeclare,
        r"misfire\.mass is measured but not declared",
    ),
    "a claim measured and not cited": (
        uncite,
        r"misfire\.mass is measured but the paper does not cite it",
    ),
    "a printed table that is gone": (
        lambda root: (root / "figures/02_models.csv").unlink(),
        r"no table 02_models",
    ),
}


@pytest.mark.parametrize("name", BOUND)
def test_bound_catches(project, name):
    change, problem = BOUND[name]
    change(project)
    layer = bound()
    assert layer.status == "fail"
    assert any(re.search(problem, found) for found in layer.problems), layer.problems


# Hashes ------------------------------------------------------------------------------------------


def change_digit(root: Path) -> None:
    edit_claim(root, "misfire.mass", value=recorded(root, "misfire.mass").value + 0.1)


def change_sign(root: Path) -> None:
    edit_claim(root, "misfire.net", value=-recorded(root, "misfire.net").value)


def drop_model(root: Path) -> None:
    edit_json(root / "data/results/manifest.json", lambda content: content.pop(LABEL))
    (root / "data/results" / TABLE).unlink()


def edit_module(module: str, before: str, after: str) -> Callable[[Path], None]:
    return lambda root: edit(root / f"src/valuegate/{module}.py", before, after)


def edit_notebook_output(root: Path) -> None:
    shown = claims.line(recorded(root, "misfire.mar"))
    edit(
        root / f"notebooks/{SECTION}.ipynb",
        shown,
        shown.replace("misfire.mar = ", "misfire.mar = 9"),
    )


def edit_svg_and_mend(root: Path) -> None:
    edit(root / "figures/02_lens.svg", "</svg>", "<desc>drawn by hand</desc></svg>")
    mend_figure(root, "02_lens", "svg")


def edit_bytes(place: str) -> Callable[[Path], None]:
    """Flip one bit in the middle of a file."""

    def change(root: Path) -> None:
        content = bytearray((root / place).read_bytes())
        content[len(content) // 2] ^= 1
        (root / place).write_bytes(content)

    return change


CODE_RAN = rf"{SECTION} or code it calls changed since it ran"
NOT_ITS_FILE = "is not the file that its notebook wrote"
NOT_RENDERED = r"is not what text, claims and figures render to"
FRESH = {
    "a digit of a claim": (change_digit, [r"^misfire\.mass: .*shows another value"]),
    "the sign of a claim": (
        change_sign,
        [r"^misfire\.net: .*shows another value", rf"valuegate\.html {NOT_RENDERED}"],
    ),
    "a model dropped": (
        drop_model,
        [
            rf"^{LABEL} is planned, but its table is not recorded",
            rf"^misfire\.mar: rests on a table of {LABEL} that is not there",
        ],
    ),
    "a model that nobody planned": (
        lambda root: edit_json(
            root / "data/results/manifest.json", lambda all: all.update({"x/y/z": all[LABEL]})
        ),
        ["^x/y/z is recorded, but not planned"],
    ),
    "the module that measures": (
        edit_module("misfire_run", "= scores.log_odds", "= -scores.log_odds"),
        [rf"^{LABEL}: code changed since it was measured"],
    ),
    "a module that the measured function calls": (
        edit_module("scoring", "logits[yes].logsumexp(0)", "logits[yes].max()"),
        [rf"^{LABEL}: code changed since it was measured"],
    ),
    "the profile's items": (
        lambda root: edit(root / "notebooks/profiles/default.yml", "category: 4", "category: 5"),
        [rf"^{LABEL}: items changed since it was measured"],
    ),
    "the model's weights": (
        lambda root: edit(
            root / "data/registry.yml",
            registry.fingerprint("smollm2-135m-instruct").partition(":")[2],
            "a" * 64,
        ),
        [rf"^{LABEL}: model changed since it was measured"],
    ),
    "a module that the notebook calls": (
        edit_module("misfire", '"mar": (lambda s, c: ~s & c,', '"mar": (lambda s, c: s & ~c,'),
        [rf"^misfire\.mar: {CODE_RAN}"],
    ),
    "a module two calls away from the notebook": (
        edit_module("stats", "(1 - level) / 2, (1 + level) / 2", "(1 - level), level"),
        [rf"^misfire\.mar: {CODE_RAN}"],
    ),
    "the notebook's code": (
        lambda root: edit(root / f"notebooks/{SECTION}.py", "100.0 * (f", "50.0 * (f"),
        [rf"^misfire\.yes_rate_foil: {CODE_RAN}", r"hold different cells"],
    ),
    "the notebook's prose": (
        lambda root: edit(root / f"notebooks/{SECTION}.py", "half is chance", "all is chance"),
        [r"hold different cells"],
    ),
    "a data file of the repository": (
        lambda root: edit(root / "data/items/misfire_published.csv", "17.6", "71.6"),
        [r"^data set misfire_published: data/items/misfire_published\.csv is not the registered"],
    ),
    "a row of a table": (
        lambda root: edit_row(root, 3, lambda v: v + 0.01, mend=False),
        [rf"^{LABEL}: table .*parquet is altered"],
    ),
    "a table that is gone": (
        lambda root: (root / "data/results" / TABLE).unlink(),
        [rf"^{LABEL}: table .*parquet is missing"],
    ),
    "a picture": (
        lambda root: edit(root / "figures/02_lens.svg", "</svg>", "<desc>mine</desc></svg>"),
        [rf"figures/02_lens\.svg {NOT_ITS_FILE}", rf"valuegate\.html {NOT_RENDERED}"],
    ),
    "a picture and its hash": (edit_svg_and_mend, [rf"valuegate\.html {NOT_RENDERED}"]),
    "a picture that is gone": (
        lambda root: (root / "figures/02_lens.png").unlink(),
        [rf"figures/02_lens\.png {NOT_ITS_FILE}"],
    ),
    "the numbers behind a picture": (
        edit_bytes("figures/02_rates.csv"),
        [rf"figures/02_rates\.csv {NOT_ITS_FILE}"],
    ),
    "a printed table": (
        lambda root: edit(root / "figures/02_models.csv", "GPT-5.4,17.6*", "GPT-5.4,71.6*"),
        [rf"figures/02_models\.csv {NOT_ITS_FILE}", rf"valuegate\.html {NOT_RENDERED}"],
    ),
    "the HTML": (edit_bytes("paper/valuegate.html"), [rf"valuegate\.html {NOT_RENDERED}"]),
    "the PDF": (edit_bytes("paper/valuegate.pdf"), [rf"valuegate\.pdf {NOT_RENDERED}"]),
    "a word of the text": (
        lambda root: edit(root / "paper/paper.md", "A model *misfires*", "Some model *misfires*"),
        [rf"valuegate\.html {NOT_RENDERED}", rf"valuegate\.pdf {NOT_RENDERED}"],
    ),
    "an output of the notebook": (
        edit_notebook_output,
        [r"^misfire\.mar: .*shows another value", "is not its notebook's page"],
    ),
    "a notebook that is broken": (
        lambda root: edit(
            root / f"notebooks/{SECTION}.ipynb", '{\n "cells": [', '{\n "cells": ['[1:]
        ),
        [rf"^notebooks/{SECTION}\.ipynb is no notebook"],
    ),
    "a notebook that is gone": (
        lambda root: (root / f"notebooks/{SECTION}.ipynb").unlink(),
        [rf"^notebooks/{SECTION}\.ipynb is missing"],
    ),
    "a notebook's page": (
        edit_bytes(f"paper/notebooks/{SECTION}.html"),
        [rf"^paper/notebooks/{SECTION}\.html is not its notebook's page"],
    ),
    "a text that no longer builds": (
        lambda root: edit(root / "paper/paper.md", "{{misfire.mar:.1f}}", "{{misfire.mar:.1q}}"),
        [r"^the paper does not build: .*misfire\.mar: format '\.1q'"],
    ),
}
# These change a number of the text, or what it stands on; any other mutation leaves BOUND whole.
TEXT_TOO = ("a text that no longer builds",)


@pytest.mark.parametrize("name", FRESH)
def test_fresh_catches(project, name):
    change, problems = FRESH[name]
    change(project)
    layer = fresh()
    assert layer.status == "fail"
    for problem in problems:
        assert any(re.search(problem, found) for found in layer.problems), layer.problems
    assert bound().status == ("fail" if name in TEXT_TOO else "pass")


# Replay ------------------------------------------------------------------------------------------


def test_an_edited_row_with_its_hash_mended_is_replayed_and_scored_otherwise(project):
    row = sampled_rows()[0]
    edit_row(project, row, lambda v: v - 6, mend=True)
    assert fresh().status == "pass"  # all hashes agree again
    scored = rescored()
    assert len(scored.problems) == 1
    assert scored.problems[0].startswith(f"{LABEL}: row {row} scores")
    again = replayed()
    assert again.status == "fail"
    assert "misfire.auroc_contrast" in again.failed | {"misfire.auroc_stereotyped_chance"}
    assert any(problem.startswith("figures/02_evidence.csv: column") for problem in again.problems)
    assert "misfire.pairs" not in again.failed  # no model is in it


@pytest.fixture
def replay(project, monkeypatch) -> Path:
    """Return the folder of a replay that went as the published record says, and was done before."""
    folder = project / "build/replay"
    shutil.copytree(project / "paper/claims", folder / "claims")
    shutil.copytree(project / "figures", folder / "figures")
    monkeypatch.setattr(runner, "notebooks", lambda *arguments, **named: 1)
    return folder


def edit_number(root: Path, column: str, factor: float) -> None:
    path = root / "figures/02_rates.csv"
    table = pd.read_csv(path)
    table[column] *= factor
    table.to_csv(path, index=False, lineterminator="\n")


REPLAYED = {
    "a digit": (lambda root, again: change_digit(root), [r"^misfire\.mass: recorded .* replayed"]),
    "a sign": (lambda root, again: change_sign(root), [r"^misfire\.net: recorded .* replayed"]),
    "an end of an interval": (
        lambda root, again: edit_claim(root, "misfire.mass", ci=[0.0, 1.0]),
        [r"^misfire\.mass: "],
    ),
    "a count": (
        lambda root, again: edit_claim(root, "misfire.mass", n=12),
        [r"^misfire\.mass: "],
    ),
    "a claim that no notebook makes": (
        lambda root, again: (again / "claims/02.json").write_text('{"claims": [], '
                                                               '"torch_loaded": false}'),
        [r"^misfire\.mass: recorded [\d.]+, replayed nothing"],
    ),
    "numbers behind a picture, its hash mended": (
        lambda root, again: (
            edit_number(root, "value", 1.001), mend_figure(root, "02_rates", "csv")
        ),
        [r"^figures/02_rates\.csv: column 'value' has other values"],
    ),
    "a printed table, its hash mended": (
        lambda root, again: edit(root / "figures/02_models.csv", "GPT-5.4,17.6*", "GPT-5.4,71.6*"),
        [r"^figures/02_models\.csv: column 'MAR %' has other values"],
    ),
    "a picture that no notebook draws": (
        lambda root, again: (again / "figures/02_rates.csv").unlink(),
        [r"^figures/02_rates\.csv: is no longer drawn"],
    ),
    "torch": (
        lambda root, again: edit(
            again / "claims/02.json", '"torch_loaded": false', '"torch_loaded": true'
        ),
        [r"^the replay of section 02 loaded torch"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REPLAYED)
def test_replayed_catches(project, replay, name):
    assert replayed().status == "pass"
    change, problems = REPLAYED[name]
    change(project, replay)
    layer = replayed()
    for problem in problems:
        assert any(re.search(problem, found) for found in layer.problems), layer.problems
    if name != "a claim that no notebook makes":
        assert len(layer.problems) == 1  # that one thing, and nothing else


def test_replayed_forgives_what_the_declared_tolerance_does(project, replay):
    value = recorded(project, "misfire.mass").value
    edit_claim(project, "misfire.mass", value=value + 0.0019)  # 0.002 is declared
    edit_number(project, "value", 1.00005)
    assert replayed().problems == []
    edit_claim(project, "misfire.mass", value=value + 0.0021)
    assert replayed().failed == {"misfire.mass"}


def test_replayed_reports_a_notebook_that_fails(project, monkeypatch):
    def fail(*arguments: Any, **named: Any) -> int:
        raise ValueGateError("notebook 02 failed: cell 3")

    monkeypatch.setattr(runner, "notebooks", fail)
    assert replayed().problems == ["notebook 02 failed: cell 3"]


@pytest.mark.parametrize(
    ("one", "other", "problem"),
    [
        ("x,y\na,1\n", "x,y\na,1\n", ""),
        ("x,y\na,1\n", "x,y\na,1.00009\n", ""),  # a part in ten thousand
        ("x,y\na,1\n", "x,y\na,1.0002\n", "column 'y' has other values"),
        ("x,y\na,1\n", "x,y\nb,1\n", "column 'x' has other values"),
        ("x,y\na,\n", "x,y\na,\n", ""),  # undefined in both
        ("x,y\na,1\nb,\n", "x,y\na,1\nb,2\n", "column 'y' has other values"),
        ("x,y\na,1\n", "x,y\na,undefined\n", "column 'y' has other values"),
        ("x,y\na,1\n", "x,z\na,1\n", "has other rows or columns"),
        ("x,y\na,1\n", "x,y\na,1\nb,2\n", "has other rows or columns"),
    ],
)
def test_differing_numbers(tmp_path, one, other, problem):
    (tmp_path / "one.csv").write_text(one)
    (tmp_path / "other.csv").write_text(other)
    assert audit.differing_numbers(tmp_path / "one.csv", tmp_path / "other.csv") == problem


# Scores ------------------------------------------------------------------------------------------


def rows_scored(function: str = "") -> int:
    """Return how many rows the audit scores again, of one function or of all."""
    planned = plan(config.run("default"))
    own = (m for m in planned if m.function.endswith(function))
    return sum(min(audit.rows_of(m, len(planned)), len(m.items())) for m in own)


def test_dear_rows_are_scored_once_and_cheap_ones_several_times():
    def of(tokens_a_row: int, measurements: int) -> int:
        measurement: Any = SimpleNamespace(items=lambda: range(100), tokens=100 * tokens_a_row)
        return audit.rows_of(measurement, measurements)

    assert [of(20, n) for n in (300, 152, 60, 5)] == [1, 2, 5, 7]
    assert [of(cost, 20) for cost in (0, 7, 75, 76, 4500)] == [15, 15, 2, 1, 1]
    assert of(0, 1) == audit.RESCORED_ROWS


def sampled_rows() -> list[int]:
    """Return the rows that the audit scores again, as it scores them."""
    items = next(iter(plan(config.run("default")))).items()
    names = {text: i for i, text in enumerate(items["pair"] + items["member"] + items["probe"])}
    rows = []

    def watch(lm: Any, items: pd.DataFrame) -> pd.DataFrame:
        from valuegate import scoring

        assert scoring._ALONE.get()  # whole, without shared prefixes
        assert len(items) == 1
        row = items.iloc[0]
        if lm == MODEL:
            rows.append(names[row["pair"] + row["member"] + row["probe"]])
        return score(lm, items)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(misfire_run, "evidence", watch)
        patch.setattr(models, "load", lambda name: name)
        assert rescored().status == "pass"
    assert len(set(rows)) == len(rows) > 1
    return rows


@pytest.mark.parametrize(
    ("change", "caught"),
    [
        (lambda v: v + 5e-4, False),  # what float32 and a batch may do
        (lambda v: v - 5e-4, False),
        (lambda v: v + 2e-3, True),
        (lambda v: -v, True),
        (lambda v: np.nan, True),
    ],
)
def test_rescored_compares_to_a_thousandth(project, change, caught):
    row = sampled_rows()[-1]
    edit_row(project, row, change, mend=True)
    layer = rescored()
    assert layer.checked == rows_scored()
    assert [problem.partition(" scores")[0] for problem in layer.problems] == (
        [f"{LABEL}: row {row}"] if caught else []
    )


def test_rescored_catches_a_model_that_answers_otherwise(project, monkeypatch):
    def moved(lm: Any, items: pd.DataFrame) -> pd.DataFrame:
        return score(lm, items).assign(log_odds=lambda f: f["log_odds"] + 0.002)

    monkeypatch.setattr(misfire_run, "evidence", moved)
    layer = rescored()
    assert len(layer.problems) == rows_scored(":evidence") < layer.checked
    assert layer.note == "largest difference 2.0e-03"


def test_rescored_catches_a_table_of_another_length(project):
    path = project / "data/results" / TABLE
    table = pd.read_parquet(path)
    write_table(table.iloc[4:], path)
    mended = {"sha256": sha256(path)}
    edit_json(project / "data/results/manifest.json", lambda all: all[LABEL].update(mended))
    assert rescored().problems == [f"{LABEL}: {len(table) - 4} rows for {len(table)} items"]


# The whole ---------------------------------------------------------------------------------------


def test_the_audit_writes_its_page(project, replay, monkeypatch):
    shown: dict[str, Any] = {}
    real = pages.audit_page

    def look(rows: Any, layers: Any, meta: Any) -> str:
        shown.update(rows={row["id"]: row for row in rows}, layers=layers)
        return real(rows, layers, meta)

    monkeypatch.setattr(pages, "audit_page", look)
    change_sign(project)
    run, record = config.run("default"), paper.published_record()
    layers = audit.audit(run, record, Progress(live=False), 1, rescore=False)
    statuses = {layer.name: layer.status for layer in layers}
    assert statuses == {
        "BOUND": "pass", "HOLDS": "mixed", "FRESH": "fail", "REPLAYED": "fail",
        "RESCORED": "not run",
    }  # fmt: skip
    # A result against an expectation fails no audit.
    assert [layer.name for layer in audit.failed(layers)] == ["FRESH", "REPLAYED"]
    html = (project / "paper/audit.html").read_text()
    assert "misfire.net" in html
    rows = shown["rows"]
    assert rows.keys() == claims.read(record.claims).keys()
    assert rows["misfire.net"]["statuses"]["REPLAYED"] == "fail"
    assert rows["misfire.mar"]["statuses"]["REPLAYED"] == "pass"
    page = (project / f"paper/notebooks/{SECTION}.html").read_text()
    cells = {
        cell["id"]: json.dumps(cell["outputs"])
        for cell in json.loads((project / f"notebooks/{SECTION}.ipynb").read_text())["cells"]
        if cell["cell_type"] == "code"
    }
    for id, row in rows.items():
        anchor = row["cell_href"].partition("#")[2]
        assert f'id="{anchor}"' in page
        assert f"{id} = " in cells[anchor.removeprefix("cell-")], id  # the cell that shows it
        assert (record.paper / row["table_href"]).exists() or id in (
            "misfire.pairs", "misfire.foils_from_pair"
        )  # fmt: skip
        assert row["declared_first"] is True  # "Declare" comes before "Publish"
        assert row["sentence"] != "(not cited)"


def test_nothing_recorded_passes_nothing(project):
    shutil.rmtree(project / "paper/claims")
    shutil.rmtree(project / "data/results")
    assert len(bound().failed) == len(claims.declarations())
    assert fresh().problems[0] == f"{LABEL} is planned, but its table is not recorded"
    assert rescored().checked == 0


def test_layer_by_hand():
    layer = Layer("FRESH")
    layer.expect(True, "no", "a.b")
    layer.expect(False, "yes", "a.c")
    layer.expect(False, "also")
    assert (layer.checked, layer.problems, layer.failed) == (3, ["yes", "also"], {"a.c"})
    assert (layer.status, layer.status_of("a.b"), layer.status_of("a.c")) == (
        "fail", "pass", "fail"
    )  # fmt: skip
    assert Layer("HOLDS", problems=["x"], failed={"a.c"}).status == "mixed"
    assert Layer("HOLDS", problems=["x"], failed={"a.c"}).status_of("a.c") == "no"
    assert Layer("BOUND", ran=False).status_of("a.c") == "not run"
    assert Layer("BOUND").status == "pass"
    assert "3 checked, 2 do not hold" in layer.line()
