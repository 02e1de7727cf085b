"""What `make paper` refreshes in place, what `make publish` records, and how a rerun compares.

A run writes under `build/<run>` and nowhere else; these are the only ways out of there.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from valuegate import claims, paper, paths, results
from valuegate.config import Run
from valuegate.data import place
from valuegate.errors import ValueGateError
from valuegate.measure import Store, unique, write_text
from valuegate.sections import plan

# Files that paper and publish write themselves may differ from the last commit.
WRITTEN = ("figures/", "paper/claims/", "paper/notebooks/", "paper/valuegate", "paper/audit.html",
           "data/results/", "notebooks/")  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """How a run's claims compare with the published ones."""

    equal: list[str]
    differ: list[str]

    def line(self) -> str:
        """Return the comparison in one line."""
        if not self.equal and not self.differ:
            return "nothing is published yet to compare with"
        differing = f"; differ: {', '.join(self.differ)}" if self.differ else ""
        return f"{len(self.equal)} claims equal the published ones within tolerance{differing}"


def compare(record: paper.Record) -> Comparison:
    """Return how the claims of a record compare with the published record's."""
    declared = claims.declarations()
    ours, theirs = claims.read(record.claims), claims.read(paper.published_record().claims)
    # A part of the sections compares with that part of what is published.
    run = {claim.provenance.get("notebook") for claim in ours.values()}
    there = {id for id, claim in theirs.items() if claim.provenance.get("notebook") in run}
    equal, differ = [], []
    for id in sorted((ours.keys() | there) & declared.keys()) if theirs else []:
        same = (
            id in ours
            and id in theirs
            and claims.close(ours[id], theirs[id], declared[id].tolerance)
        )
        (equal if same else differ).append(id)
    return Comparison(equal, differ)


def keep_results(run: Run) -> None:
    """Write the record of a run's per-item tables from its store."""
    results.write(unique(plan(run)), Store.of(run.name), paper.run_record(run.name).results)


def is_publishable(run: Run) -> bool:
    """Return whether a run is the whole default profile on its own models."""
    whole = set(run.sections) == set(run.profile.sections)
    return run.profile.name == "default" and run.models == run.profile.models and whole


def refresh(run: Run) -> None:
    """Copy a run's figures and paper over the ones readers open; only for the whole default."""
    record = paper.run_record(run.name)
    _copy_folder(record.figures, paths.FIGURES)
    for name in ("valuegate.pdf", "valuegate.html"):
        _copy(record.paper / name, paths.PAPER / name)


def publish(run: Run) -> None:
    """Make a run the published record: tables, claims, figures, paper and executed pairs.

    Raises:
        ValueGateError: not the default profile, or sources that are not committed.
    """
    if not is_publishable(run):
        raise ValueGateError("publish: only the whole default profile is published")
    if changed := uncommitted():
        raise ValueGateError(f"publish: commit your sources first: {', '.join(changed[:5])}")
    from valuegate import notebook_files, pages  # slow to import, and only needed here

    record, target = paper.run_record(run.name), paper.published_record()
    _copy_folder(record.results, target.results)
    _copy_folder(record.claims, target.claims)
    refresh(run)
    for section in run.sections:
        source = paths.NOTEBOOKS / f"{section}.py"
        pair = notebook_files.write_pair(source, record.notebooks / f"{section}.ipynb")
        page = pages.notebook_page(pair, section)
        write_text(page, paths.PAPER / "notebooks" / f"{section}.html")


def uncommitted() -> list[str]:
    """Return the source files that differ from the last commit, written ones left out."""
    lines = _git("status", "--porcelain", "--untracked-files=all").splitlines()
    changed = [line[3:].strip('"') for line in lines]
    sources = [f for f in changed if not f.startswith(WRITTEN) or f.endswith((".py", ".yml"))]
    return sorted(sources)


def _git(*arguments: str) -> str:
    try:
        run = subprocess.run(
            ["git", *arguments], cwd=paths.ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise ValueGateError(f"publish: git {arguments[0]} failed; is this a clone?") from error
    return run.stdout


def _copy_folder(source: Path, target: Path) -> None:
    """Make `target` hold exactly the files of `source`."""
    names = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    for name in sorted(names):
        _copy(source / name, target / name)
    for path in sorted(target.rglob("*")):
        if path.is_file() and path.relative_to(target) not in names:
            path.unlink()


def _copy(source: Path, target: Path) -> None:
    partial = source.with_name(f".{source.name}.copy")
    shutil.copyfile(source, partial)
    place(partial, target)
