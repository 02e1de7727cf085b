"""Audits a record: is every number of the paper bound, fresh, replayed and scored again alike?

Five layers, reported apart. It proves that text, results and code are one thing; it cannot prove
that a method is right. What the page looks like is in `pages`.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from valuegate import (
    claims,
    data,
    measure,
    notebook_files,
    pages,
    paper,
    paths,
    registry,
    results,
    runner,
)
from valuegate.codehash import script_hash
from valuegate.config import Run
from valuegate.errors import ValueGateError
from valuegate.history import declared_first
from valuegate.measure import Measurement, unique, write_text
from valuegate.paper import Record
from valuegate.progress import Progress
from valuegate.sections import plan

RESCORED_ROWS = 20  # of each section and stage, at most
RESCORED_ROWS_IN_ALL = 300
RESCORED_TOKENS = 150  # forward tokens of a measurement's rows, but for a single row
RESCORED_TOLERANCE = 1e-3  # of a log-odds, against one row at a time without any sharing
NUMBERS_TOLERANCE = 1e-4  # relative, of numbers behind figures, between machines


@dataclass
class Layer:
    """One layer of the audit: how many things were checked, and what is wrong with which."""

    name: str
    checked: int = 0
    problems: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)  # ids of claims
    note: str = ""
    ran: bool = True

    def expect(self, holds: bool, problem: str, claim: str = "") -> None:
        """Count one check, and note the problem if it does not hold."""
        self.checked += 1
        if not holds:
            self.problems.append(problem)
            if claim:
                self.failed.add(claim)

    @property
    def status(self) -> str:
        """Return "pass", "fail" or "not run"; HOLDS, which reports results, "mixed" for "fail"."""
        wrong = "mixed" if self.name == "HOLDS" else "fail"
        return "not run" if not self.ran else wrong if self.problems else "pass"

    def status_of(self, claim: str) -> str:
        """Return the status of one claim in this layer."""
        wrong = "no" if self.name == "HOLDS" else "fail"
        return "not run" if not self.ran else wrong if claim in self.failed else "pass"

    def line(self) -> str:
        """Return the layer in one line."""
        note = f" ({self.note})" if self.note else ""
        counts = f"{self.checked} checked, {len(self.problems)} do not hold"
        return f"{self.name:9} {self.status:8} {counts}{note}"


def audit(
    run: Run,
    record: Record,
    progress: Progress,
    jobs: int,
    *,
    rescore: bool = True,
    copied: Sequence[Layer] = (),
) -> list[Layer]:
    """Return the five layers, and write `audit.html` beside the record's paper.

    Args:
        run: whose record it is.
        record: what is audited.
        progress: where steps are shown.
        jobs: notebooks that replay at a time.
        rescore: score rows again.
        copied: the layers of the record that this one is a copy of, byte for byte. What follows
            from tables and claims alone is taken from there: REPLAYED and RESCORED.
    """
    layers = [bound(record), holds(record), fresh(run, record)]
    if copied:
        layers += [layer for layer in copied if layer.name in ("REPLAYED", "RESCORED")]
    else:
        layers.append(replayed(run, record, progress, jobs))
        layers.append(rescored(run, record, progress) if rescore else Layer("RESCORED", ran=False))
    write_text(page(run, record, layers), record.paper / "audit.html")
    return layers


def failed(layers: list[Layer]) -> list[Layer]:
    """Return the layers that make an audit fail; HOLDS reports results and never does."""
    return [layer for layer in layers if layer.status == "fail"]


def bound(record: Record) -> Layer:
    """Every number of the text has a source, every claim is declared, measured and cited."""
    layer = Layer("BOUND")
    declared, found = claims.declarations(), claims.read(record.claims)
    text = paper.source()
    unbound = paper.unbound(text)
    layer.checked += len(paper.ANY_TOKEN.findall(text))
    layer.problems += unbound
    for id in sorted(declared.keys() | found.keys()):
        layer.expect(id in declared, f"{id} is measured but not declared", id)
        layer.expect(id in found, f"{id} is declared but not measured", id)
    if unbound:
        return layer
    try:
        filled = paper.fill(text, found, declared, record.figures)
    except ValueGateError as error:
        layer.expect(False, str(error))
        return layer
    for id in sorted(found):
        layer.expect(id in filled.sentences, f"{id} is measured but the paper does not cite it", id)
    return layer


def holds(record: Record) -> Layer:
    """Each claim's verdict; results against an expectation are counted and hide nothing."""
    layer = Layer("HOLDS")
    declared, found = claims.declarations(), claims.read(record.claims)
    for id in sorted(declared.keys() & found.keys()):
        verdict = claims.verdict(id, declared, found)
        layer.expect(verdict == claims.SUPPORTED, f"{id}: {verdict}", id)
    layer.note = "a result against the expectation is a result, not an error"
    return layer


def fresh(run: Run, record: Record) -> Layer:
    """Code, items, settings, tables, figures, pairs and pages are those that belong together."""
    layer = Layer("FRESH")
    entries = results.manifest(record.results)
    planned = {m.label: m for m in unique(plan(run))}
    for label in sorted(planned.keys() | entries.keys()):
        layer.expect(label in entries, f"{label} is planned, but its table is not recorded")
        layer.expect(label in planned, f"{label} is recorded, but not planned")
    for label, measurement in planned.items():
        if label in entries:
            _check_ingredients(layer, measurement, entries[label])
            problem = results.altered(record.results, entries[label])
            layer.expect(not problem, f"{label}: {problem}")
    _check_claims(layer, record, entries)
    _check_figures(layer, record)
    for name, entry in registry.load().datasets.items():
        if entry.source.kind == "embedded":
            for file in entry.source.files.values():
                path = paths.ROOT / file.path
                same = path.exists() and data.sha256(path) == file.sha256
                layer.expect(same, f"data set {name}: {file.path} is not the registered file")
    if record.notebooks == paths.NOTEBOOKS:
        _check_pairs(layer, run, record)
    _check_pages(layer, run, record)
    return layer


def _check_ingredients(layer: Layer, measurement: Measurement, entry: dict[str, Any]) -> None:
    # The machine may differ (device, precision, versions within the lock); what it ran may not.
    now, then = measurement.ingredients(), entry["ingredients"]
    for name in ("model", "items", "settings", "code"):
        layer.expect(
            now[name] == then[name], f"{measurement.label}: {name} changed since it was measured"
        )


def _check_claims(layer: Layer, record: Record, entries: dict[str, dict[str, Any]]) -> None:
    now: dict[Path, str] = {}
    for id, claim in claims.read(record.claims).items():
        source = paths.ROOT / Path(claim.provenance["notebook"]).with_suffix(".py")
        if source not in now:  # a section's claims share its notebook
            now[source] = script_hash(source) if source.exists() else "gone"
        same = now[source] == claim.provenance["notebook_code"]
        layer.expect(same, f"{id}: {source.stem} or code it calls changed since it ran", id)
        for label, key in claim.provenance["measurements"].items():
            known = entries.get(label, {}).get("key")
            layer.expect(key == known, f"{id}: rests on a table of {label} that is not there", id)
        for name, digest in claim.provenance.get("data", {}).items():
            same = name in registry.load().datasets and data.fingerprint(name) == digest
            layer.expect(same, f"{id}: rests on a data set {name} that is not the one here", id)


def _check_figures(layer: Layer, record: Record) -> None:
    for path in sorted(record.figures.glob("*.json")):
        for file, digest in json.loads(path.read_text())["files"].items():
            same = (record.figures / file).exists() and data.sha256(record.figures / file) == digest
            layer.expect(same, f"figures/{file} is not the file that its notebook wrote")


def _check_pairs(layer: Layer, run: Run, record: Record) -> None:
    found = claims.read(record.claims)
    for section in run.sections:
        source, pair = (record.notebooks / f"{section}{end}" for end in (".py", ".ipynb"))
        layer.expect(pair.exists(), f"notebooks/{section}.ipynb is missing")
        if not pair.exists():
            continue
        try:
            same = notebook_files.same_content(source, pair)
        except ValueError as error:
            layer.expect(False, f"notebooks/{section}.ipynb is no notebook: {error}")
            continue
        layer.expect(same, f"notebooks/{section}.py and .ipynb hold different cells")
        text = pair.read_text(encoding="utf-8")
        for id, claim in found.items():
            if section in claim.provenance["notebook"]:
                shown = claims.line(claim) in text
                layer.expect(shown, f"{id}: notebooks/{section}.ipynb shows another value", id)
        page = record.paper / "notebooks" / f"{section}.html"
        same = page.exists() and page.read_text(encoding="utf-8") == pages.notebook_page(
            pair, section
        )
        layer.expect(same, f"paper/notebooks/{section}.html is not its notebook's page")


def _check_pages(layer: Layer, run: Run, record: Record) -> None:
    """The rendered paper is, byte for byte, what its sources render to."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            paper.build(run, record, Path(folder))
        except ValueGateError as error:
            layer.expect(False, f"the paper does not build: {error}")
            return
        for name in ("valuegate.html", "valuegate.pdf"):
            there = record.paper / name
            same = there.exists() and there.read_bytes() == (Path(folder) / name).read_bytes()
            layer.expect(same, f"paper/{name} is not what text, claims and figures render to")


def replayed(run: Run, record: Record, progress: Progress, jobs: int) -> Layer:
    """Claims and figures' numbers follow again from the recorded tables, without torch."""
    layer = Layer("REPLAYED")
    try:
        runner.notebooks(run, jobs, progress, replay=record.results, reuse=True)
    except ValueGateError as error:
        layer.expect(False, str(error))
        return layer
    again = paper.run_record("replay")
    declared, now = claims.declarations(), claims.read(again.claims)
    for id, claim in claims.read(record.claims).items():
        same = id in now and claims.close(claim, now[id], declared[id].tolerance)
        got = f"{now[id].value:.6g}" if id in now else "nothing"
        layer.expect(same, f"{id}: recorded {claim.value:.6g}, replayed {got}", id)
    for path in sorted(record.figures.glob("*.csv")):
        problem = differing_numbers(path, again.figures / path.name)
        layer.expect(not problem, f"figures/{path.name}: {problem}")
    for path in sorted(again.claims.glob("*.json")):
        loaded = json.loads(path.read_text())["torch_loaded"]
        layer.expect(not loaded, f"the replay of section {path.stem} loaded torch")
    return layer


def differing_numbers(one: Path, other: Path) -> str:
    """Return what is different between two tables of numbers, or an empty string."""
    if not other.exists():
        return "is no longer drawn"
    a, b = (
        pd.read_csv(path, keep_default_na=False, na_values=["", "nan"]) for path in (one, other)
    )
    if list(a.columns) != list(b.columns) or len(a) != len(b):
        return "has other rows or columns"
    for column in a:
        if pd.api.types.is_numeric_dtype(a[column]) and pd.api.types.is_numeric_dtype(b[column]):
            same = np.allclose(a[column], b[column], NUMBERS_TOLERANCE, 1e-6, equal_nan=True)
        else:
            same = list(a[column].fillna("")) == list(b[column].fillna(""))
        if not same:
            return f"column {column!r} has other values"
    return ""


def rescored(run: Run, record: Record, progress: Progress) -> Layer:
    """Rows drawn by seed get the same score when run alone, whole, without shared prefixes."""
    from valuegate import models, scoring

    layer = Layer("RESCORED")
    entries = results.manifest(record.results)
    todo = [m for m in unique(plan(run)) if m.label in entries]
    worst = 0.0
    for name in sorted({m.model for m in todo}):
        lm = models.load(name)
        for m in (m for m in todo if m.model == name):
            items, table = m.items(), results.table(record.results, m.label)
            if len(items) != len(table):
                layer.expect(False, f"{m.label}: {len(table)} rows for {len(items)} items")
                continue
            seed = int(measure.frame_hash(items)[:8], 16)
            chosen = np.random.default_rng(seed).permutation(len(items))[: rows_of(m, len(todo))]
            for done, i in enumerate(sorted(chosen), start=1):
                with scoring.unshared():
                    again = measure.resolve(m.function)(lm, items.iloc[[i]], **m.settings)
                difference = abs(again[m.checked].iloc[0] - table[m.checked].iloc[i])
                worst = max(worst, float(difference))
                layer.expect(
                    bool(difference <= RESCORED_TOLERANCE),
                    f"{m.label}: row {i} scores {again[m.checked].iloc[0]:.5f}, "
                    f"recorded {table[m.checked].iloc[i]:.5f}",
                )
                progress.step(f"rescoring {m.label}", done, len(chosen))
    layer.note = f"largest difference {worst:.1e}"
    return layer


def rows_of(measurement: Measurement, measurements: int) -> int:
    """Return how many rows of a measurement are scored again: fewer where a row costs much."""
    each = math.ceil(RESCORED_ROWS_IN_ALL / measurements)
    affordable = RESCORED_TOKENS * len(measurement.items()) // max(1, measurement.tokens)
    return max(1, min(RESCORED_ROWS, each, affordable))


def page(run: Run, record: Record, layers: list[Layer]) -> str:
    """Return `audit.html`: the layers, and one row a claim."""
    declared, found = claims.declarations(), claims.read(record.claims)
    known = paper.published_numbers()
    entries = results.manifest(record.results)
    try:
        sentences = paper.fill(paper.source(), found, declared, record.figures).sentences
    except ValueGateError:
        sentences = {}
    cells = {s: _claiming(record.notebooks / f"{s}.ipynb") for s in run.sections}
    rows = []
    for id in sorted(found.keys() & declared.keys()):
        claim, entry = found[id], declared[id]
        section = Path(claim.provenance["notebook"]).stem
        files = [
            entries[label]["file"] for label in claim.provenance["measurements"] if label in entries
        ]
        number = known.get(entry.published or "")
        rows.append(
            {
                "id": id,
                "sentence": " […] ".join(sentences.get(id, ["(not cited)"])),
                "value": claim.value,
                "ci": list(claim.ci) if claim.ci else None,
                "n": claim.n,
                "unit": claim.unit,
                "expectation": f"{entry.says} ({entry.expect.words()})",
                "verdict": claims.verdict(id, declared, found),
                "published": f"{number.value} ({number.source}, {number.locator})"
                if number
                else "",
                "paper_href": f"valuegate.html#claim-{id}" if id in sentences else "",
                "table_href": f"../data/results/{files[0]}" if files else "",
                "cell_href": f"notebooks/{section}.html#cell-{cells.get(section, {}).get(id, '')}",
                "declared_first": declared_first(
                    id, paths.PAPER / "claims" / f"{section[:2]}.json"
                ),
                "statuses": {layer.name: layer.status_of(id) for layer in layers},
            }
        )
    shown = [
        {
            "name": layer.name,
            "status": layer.status,
            "checked": layer.checked,
            "problems": layer.problems,
            "note": layer.note,
        }
        for layer in layers
    ]
    meta = {
        "title": "valuegate: audit of every claim",
        "profile": run.profile.title,
        "models": ", ".join(run.models),
        "generated_from": "",
    }
    return pages.audit_page(rows, shown, meta)


def _claiming(notebook: Path) -> dict[str, str]:
    """Return claim to the id of the executed cell that shows its line."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError):  # said by FRESH
        return {}
    return {
        shown: cell["id"]
        for cell in cells
        for shown in re.findall(r'"(\w+\.\w+) = ', json.dumps(cell.get("outputs", [])))
    }
