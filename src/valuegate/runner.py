"""From a run to its results: measurements in worker processes, then notebooks in parallel.

Knows processes, progress and what is stale. What a measurement or a notebook does is elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from valuegate import paths
from valuegate.cluster import lines as cluster_lines
from valuegate.codehash import script_hash
from valuegate.config import Run
from valuegate.data import sha256
from valuegate.errors import ValueGateError
from valuegate.measure import Measurement, Store, unique, write_text
from valuegate.progress import Progress
from valuegate.sections import plan

_children: set[subprocess.Popen[str]] = set()
_stopped = threading.Event()


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def measure(run: Run, jobs: int, progress: Progress, cluster: str = "") -> int:
    """Measure what the run plans and nobody stored yet; return how many measurements that was.

    One process a model, at most `jobs` at once, cores shared evenly among them; with a `cluster`
    ("slurm"), one job a model.
    """
    store = Store.of(run.name)
    todo = [m for m in unique(plan(run)) if not store.has(m)]
    groups: dict[str, list[Measurement]] = {}
    for measurement in todo:
        groups.setdefault(measurement.model, []).append(measurement)
    at_once = max(1, min(jobs, len(groups)))
    threads = max(1, cores() // at_once)
    with _pool(at_once) as pool:
        list(pool.map(lambda g: _worker(run, g, threads, progress, cluster), groups.values()))
    return len(todo)


def _worker(
    run: Run, group: Sequence[Measurement], threads: int, progress: Progress, cluster: str
) -> None:
    model = group[0].model
    job = paths.build(run.name) / "jobs" / f"{model}-{os.getpid()}.json"
    write_text(json.dumps({"run": run.name, "measurements": [asdict(m) for m in group]}), job)
    # Set before torch loads: it reads them once.
    limits = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    progress.note(f"loading {model}")
    error = failure = ""
    command = [sys.executable, "-m", "valuegate.worker", str(job)]
    said = (
        cluster_lines(cluster, command, limits, job.parent / "slurm", threads, _stopped)
        if cluster
        else _lines(command, limits)
    )
    for line in said:
        report = _report(line)
        if report is None:
            error = line or error
        elif "error" in report:
            failure = report["error"]
        else:
            progress.step(report["label"], report["done"], report["total"])
    job.unlink()
    if failure:
        raise ValueGateError(failure)
    store = Store.of(run.name)
    if missing := [m.label for m in group if not store.has(m)]:
        raise ValueGateError(
            f"the worker measuring {missing[0]} died ({error or 'no message'}); "
            "run again: it goes on from the last finished slice"
        )


def _report(line: str) -> dict[str, Any] | None:
    """Return what a worker reports in a line, or None if a library or an error printed it."""
    try:
        found = json.loads(line) if line.startswith("{") else None
    except json.JSONDecodeError:
        return None
    return found if found and ("error" in found or "label" in found) else None


def _lines(command: list[str], extra: dict[str, str]) -> Iterator[str]:
    """Yield what a child process prints, line by line, until it ends."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}
    with subprocess.Popen(
        command,
        env={**environment, **extra},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=paths.ROOT,
    ) as child:
        _children.add(child)
        if _stopped.is_set():  # interrupted while this one was being started
            child.terminate()
        try:
            assert child.stdout is not None
            for line in child.stdout:
                yield line.rstrip("\n")
            if (status := child.wait()) < 0:
                yield f"ended by {signal.Signals(-status).name}, out of memory perhaps"
        finally:
            _children.discard(child)


@contextlib.contextmanager
def _pool(threads: int) -> Generator[ThreadPoolExecutor]:
    """Yield threads that wait for child processes; an interrupt ends those, what they stored stays.

    They are ended before the pool closes, because closing waits for them.
    """
    _stopped.clear()
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield pool
        except KeyboardInterrupt:
            _stopped.set()
            for child in list(_children):
                child.terminate()
            print("stopped; what was measured is kept, run again to go on", file=sys.stderr)
            raise


def notebooks(
    run: Run, jobs: int, progress: Progress, *, replay: Path | None = None, reuse: bool = False
) -> int:
    """Execute the notebooks whose inputs changed; return how many were executed.

    With `replay`, a folder of recorded tables, all of them run from those, under `build/replay`;
    with `reuse`, but for those that ran there before from the same tables and code.

    A failure leaves its executed copy (with the traceback) and its log, and does not stop the
    others; it is reported after all have ended.
    """
    out = paths.build("replay" if replay else run.name)
    always = replay is not None and not reuse
    stale = [s for s in run.sections if always or not _fresh(run, s, out, replay)]
    failures: list[str] = []
    lock = threading.Lock()

    def one(section: str) -> None:
        progress.step(f"notebook {section}", 0, 1)
        environment = {"VALUEGATE_OUT": str(out), "VALUEGATE_REPLAY": str(replay or "")}
        # Notebooks run side by side and do small sums: more threads would wait for one another.
        environment |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        executed = out / "notebooks" / f"{section}.ipynb"
        log = out / "logs" / f"{section}.log"
        command = [sys.executable, "-m", "valuegate.notebook_worker", section, str(executed)]
        command += [run.profile.name, " ".join(run.models)]
        # Read before the run, and gone during it: an edit meanwhile, or a failure, leaves it stale.
        stamp = _stamp(run, section, replay)
        _stamp_path(out, section).unlink(missing_ok=True)
        lines = list(_lines(command, environment))
        write_text("\n".join(lines) + "\n", log)
        if lines and lines[-1] == "done":
            write_text(stamp, _stamp_path(out, section))
            progress.step(f"notebook {section}", 1, 1)
            return
        last = next((line for line in reversed(lines) if line.strip()), "killed")
        with lock:
            failures.append(
                f"notebook {section} failed: {last} "
                f"(traceback in {_short(log)}, executed copy {_short(executed)})"
            )

    with _pool(max(1, jobs)) as pool:
        list(pool.map(one, stale))
    if failures:
        raise ValueGateError("; ".join(failures))
    return len(stale)


def _stamp(run: Run, section: str, replay: Path | None) -> str:
    """Return all that a notebook's outputs depend on."""
    tables = sorted((replay / section).rglob("*.parquet")) if replay else []
    return json.dumps(
        {
            "tables": {path.name: sha256(path) for path in tables},
            "code": script_hash(paths.NOTEBOOKS / f"{section}.py"),
            "measurements": {m.label: m.key for m in plan(run) if m.section == section},
            "settings": run.settings(section),
            "registry": sha256(paths.DATA / "registry.yml"),
            "claims": sha256(paths.PAPER / "claims.yml"),
            "lock": sha256(paths.ROOT / "requirements.lock"),
            "models": run.models,
        },
        sort_keys=True,
    )


def _stamp_path(out: Path, section: str) -> Path:
    return out / "notebooks" / f"{section}.stamp.json"


def _fresh(run: Run, section: str, out: Path, replay: Path | None) -> bool:
    path, claims = _stamp_path(out, section), out / "claims" / f"{section[:2]}.json"
    return path.exists() and claims.exists() and path.read_text() == _stamp(run, section, replay)


def _short(path: Path) -> Path:
    return path.relative_to(paths.ROOT) if path.is_relative_to(paths.ROOT) else path
