"""Workers and notebooks as processes: what fails, dies or is stopped costs only what it was doing.

Each test has a project of its own: a copy of the sources with one small section that needs no
model. The processes are real.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

import valuegate
from valuegate import codehash, config, measure, paths, registry, runner
from valuegate.config import Run
from valuegate.data import sha256
from valuegate.errors import ValueGateError
from valuegate.measure import Measurement, Store
from valuegate.progress import Progress

SOURCES = Path(valuegate.__file__).parent
SECTION, OTHER = "02_misfired_alignment", "03_moral_indifference"
KEPT = ["lock", "part-000000-192.json", "part-000000-192.parquet"]  # of a run cut off
ROWS = 2 * measure.CHUNK_ROWS + 16  # three slices
FIRSTS = [0, measure.CHUNK_ROWS, 2 * measure.CHUNK_ROWS]

# Stands in for the section's module: a plan and a measured function that does as `orders` say.
FAKE = """
import os
import signal
import time

import pandas as pd

from valuegate import paths
from valuegate.errors import ValueGateError
from valuegate.measure import Measurement

SECTION = "02_misfired_alignment"


def plan(run):
    return [
        Measurement(SECTION, "evidence", model, "misfire:score", "misfire:items", tokens=10,
                    item_settings={"rows": run.settings(SECTION)["rows"]}, settings={"factor": 2})
        for model in run.models
    ]


def items(rows):
    return pd.DataFrame({"item": range(rows), "text": [f"text {i}" for i in range(rows)]})


def score(lm, items, factor):
    first = int(items["item"].iloc[0])
    with (paths.ROOT / "calls").open("a") as calls:
        calls.write(f"{lm} {first} {os.environ['OMP_NUM_THREADS']}\\n")
    order = paths.ROOT / f"order-{lm}"
    if first > 0 and order.exists():
        match order.read_text():
            case "kill":
                print("a library's last words", flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            case "fault":
                raise ValueGateError(f"{lm}: option ' yes' is 2 tokens where one is needed")
            case "crash":
                raise RuntimeError("the seventh seal")
            case "hang":
                (paths.ROOT / "hanging").touch()
                time.sleep(60)
            case "chatter":
                print('{"odd": 1}')
                print("{not json")
                print('{"label": "cut o')
    return pd.DataFrame({"item": items["item"], "log_odds": items["item"] * factor / 7})
"""
MODELS = """
from valuegate.measure import device_and_dtype


def load(name):
    return name
"""
SCORING = """
class METER:
    tokens = 0
"""
PROFILE = f"""
name: tiny
title: tiny (for tests)
budget_tokens: 100
models: [one, two]
sections:
  {SECTION}: {{rows: {ROWS}}}
  {OTHER}: {{}}
"""
MODEL = """
  {}:
    title: A model
    licence: MIT
    citation: Us 2026.
    used_by: []
    parameters: 1
    source: {{kind: hub, repository: us/{}, revision: {}}}
"""
NOTEBOOK = """\
# %% tags=["parameters"]
profile = "default"

# %%
import os, pathlib
out = pathlib.Path(os.environ["VALUEGATE_OUT"]) / "claims"
out.mkdir(parents=True, exist_ok=True)
(out / "NUMBER.json").write_text(profile)
"""


def fake_section() -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(compile(FAKE, "misfire.py", "exec"), found)
    return found


@pytest.fixture
def project(tmp_path, monkeypatch) -> Iterator[Path]:
    """A project in a folder, used by this process and by those that it starts."""
    source = tmp_path / "src" / "valuegate"
    shutil.copytree(SOURCES, source, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in (
        ("misfire", FAKE),
        ("misfire_items", FAKE),
        ("models", MODELS),
        ("scoring", SCORING),
    ):
        (source / f"{name}.py").write_text(text)
    profiles = tmp_path / "notebooks" / "profiles"
    for folder in (profiles, tmp_path / "data", tmp_path / "paper"):
        folder.mkdir(parents=True)
    (profiles / "tiny.yml").write_text(PROFILE)
    models = "".join(MODEL.format(name, name, "b1" * 20) for name in ("one", "two"))
    (tmp_path / "data" / "registry.yml").write_text(f"datasets: {{}}\nmodels:\n{models}")
    (tmp_path / "paper" / "claims.yml").write_text("[]\n")
    (tmp_path / "requirements.lock").write_text("numpy==2.0.0\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "src"))  # comes before what is installed
    monkeypatch.delenv("VALUEGATE_ROOT", raising=False)
    root = paths.ROOT
    for name in ("ROOT", "NOTEBOOKS", "PROFILES", "DATA", "PAPER"):
        monkeypatch.setattr(paths, name, tmp_path / getattr(paths, name).relative_to(root))
    monkeypatch.setattr(paths, "SRC", source)
    section = fake_section()  # not imported: the real module has its name in this process
    monkeypatch.setattr(runner, "plan", section["plan"])
    monkeypatch.setattr(measure, "resolve", lambda target: section[target.partition(":")[2]])
    _forget()
    yield tmp_path
    _forget()


def _forget() -> None:
    caches = (codehash._tree, codehash._symbols, codehash._dumped, codehash._imports)
    for cache in (*caches, measure._items, registry.load):
        cache.cache_clear()


def measured(models: str = "one", jobs: int = 2) -> int:
    run = config.run("tiny", "02", models)
    with Progress(live=False) as progress:
        return runner.measure(run, jobs, progress)


def order(project: Path, model: str, what: str) -> None:
    path = project / f"order-{model}"
    path.write_text(what) if what else path.unlink()


def calls(project: Path, model: str = "one") -> list[int]:
    """Return the first items of the slices that were measured, in order."""
    lines = [line.split() for line in (project / "calls").read_text().splitlines()]
    return [int(first) for name, first, _ in lines if name == model]


def stored(model: str = "one") -> tuple[Measurement, Store]:
    run = config.run("tiny", "02", model)
    (measurement,) = runner.plan(run)
    return measurement, Store.of(run.name)


def folder(model: str = "one") -> Path:
    measurement, store = stored(model)
    return store.folder / measurement.key


def expected() -> pd.DataFrame:
    return pd.DataFrame({"item": range(ROWS), "log_odds": [2 * i / 7 for i in range(ROWS)]})


def uninterrupted(tmp_path: Path) -> bytes:
    """Return the table's file of a run that nothing happened to."""
    measurement, _ = stored()
    store = Store(tmp_path / "uninterrupted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        store.compute(measurement, "aside")
    return (store.folder / measurement.key / "table.parquet").read_bytes()


def debris(project: Path) -> list[str]:
    """Return what a run should not leave behind: files half written, and jobs that are over."""
    build = project / "build"
    hidden = [path for path in build.rglob(".*") if path.is_file()]
    return sorted(path.name for path in [*hidden, *build.glob("*/jobs/*.json")])


# Measuring ----------------------------------------------------------------------------------------


def test_what_is_planned_is_measured_once(project, capsys):
    assert measured("one two") == 2
    said = capsys.readouterr().out
    for measurement in runner.plan(config.run("tiny", "02", "one two")):
        pd.testing.assert_frame_equal(Store.of("tiny").table(measurement), expected())
        assert calls(project, measurement.model) == FIRSTS
        assert f"{measurement.label}: {ROWS}/{ROWS} (" in said
    assert measured("one two") == 0
    assert len(calls(project)) == len(FIRSTS)
    assert debris(project) == []


@pytest.mark.parametrize(("models", "jobs"), [("one two", 2), ("one two", 1), ("one", 2)])
def test_cores_are_shared_among_the_workers_at_work(project, monkeypatch, models, jobs):
    monkeypatch.setattr(runner, "cores", lambda: 6)
    measured(models, jobs)
    threads = {line.split()[2] for line in (project / "calls").read_text().splitlines()}
    assert threads == {str(6 // min(jobs, len(models.split())))}


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("fault", r"one: option ' yes' is 2 tokens where one is needed"),
        ("crash", rf"the worker measuring {SECTION}/evidence/one died (RuntimeError: the seventh"),
        (
            "kill",
            rf"the worker measuring {SECTION}/evidence/one died (ended by SIGKILL, out of mem",
        ),
    ],
)
def test_a_worker_that_fails_is_one_line_and_the_next_run_goes_on(project, what, message):
    order(project, "one", what)
    with pytest.raises(ValueGateError) as error:
        measured()
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
    if what == "fault":
        assert str(error.value) == message
    else:
        assert str(error.value).endswith("run again: it goes on from the last finished slice")
    assert calls(project) == FIRSTS[:2]
    assert sorted(path.name for path in folder().iterdir()) == KEPT
    assert debris(project) == []
    order(project, "one", "")
    assert measured() == 1
    assert calls(project) == [*FIRSTS[:2], *FIRSTS[1:]]  # the finished slice is not done again
    assert (folder() / "table.parquet").read_bytes() == uninterrupted(project)


def test_one_failing_model_costs_only_its_own(project):
    order(project, "one", "fault")
    with pytest.raises(ValueGateError, match=r"^one: option"):
        measured("one two")
    run = config.run("tiny", "02", "one two")
    assert [Store.of(run.name).has(m) for m in runner.plan(run)] == [False, True]
    order(project, "one", "")
    assert measured("one two") == 1
    assert calls(project, "two") == FIRSTS


def test_what_libraries_print_is_no_report(project):
    order(project, "one", "chatter")
    assert measured() == 1
    measurement, store = stored()
    pd.testing.assert_frame_equal(store.table(measurement), expected())


# Two runs, and a run that is stopped --------------------------------------------------------------

DRIVER = """
import sys
from valuegate import config, runner
from valuegate.progress import Progress
with Progress(live=False) as progress:
    print("made", runner.measure(config.run("tiny", "02", "one"), 1, progress))
"""


def started(command: list[str], **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell starts background jobs deaf to ctrl-C, and children inherit that: hear it again.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


def until(condition, what: str, seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"no {what} after {seconds} s"
        time.sleep(0.05)


def test_two_runs_at_once_measure_every_slice_once(project):
    with started(["-c", DRIVER]) as one, started(["-c", DRIVER]) as two:
        said = [process.communicate(timeout=60) for process in (one, two)]
    assert [process.returncode for process in (one, two)] == [0, 0], said
    assert calls(project) == FIRSTS
    measurement, store = stored()
    pd.testing.assert_frame_equal(store.table(measurement), expected())
    assert debris(project) == []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_no_process_and_no_half_table(project, sent):
    """The signal goes to the program alone, which is harder than ctrl-C: that reaches its workers.

    With one job, the second model waits for the first; it must not begin after the stop.
    """
    order(project, "one", "hang")
    words = ["paper", "--profile", "tiny", "--sections", "02", "--jobs", "1"]
    with started(["-m", "valuegate.cli", *words]) as run:
        until((project / "hanging").exists, "hanging worker")
        workers = psutil.Process(run.pid).children(recursive=True)
        assert workers
        run.send_signal(sent)
        _, err = run.communicate(timeout=40)
    assert run.returncode not in (0, None)
    assert "stopped; what was measured is kept, run again to go on" in err
    assert "Traceback" not in err
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert alive == []
    assert calls(project, "two") == []
    first = runner.plan(config.run("tiny", "02"))[0]
    kept = Store.of("tiny").folder / first.key
    assert sorted(path.name for path in kept.iterdir()) == KEPT
    assert debris(project) == []
    order(project, "one", "")
    assert measured("one two") == 2
    assert calls(project) == [*FIRSTS[:2], *FIRSTS[1:]]
    pd.testing.assert_frame_equal(Store.of("tiny").table(first), expected())


# Notebooks ----------------------------------------------------------------------------------------


def write_notebook(section: str, more: str = "") -> Path:
    path = paths.NOTEBOOKS / f"{section}.py"
    path.write_text(NOTEBOOK.replace("NUMBER", section[:2]) + more)
    return path


def executed(run: Run, jobs: int = 2) -> int:
    with Progress(live=False) as progress:
        return runner.notebooks(run, jobs, progress)


@pytest.fixture
def no_plan(project, monkeypatch) -> Path:
    """A project whose notebooks need no measurement."""
    monkeypatch.setattr(runner, "plan", lambda run: [])
    return project


def test_a_failed_notebook_stops_no_other_and_leaves_its_traces(no_plan):
    write_notebook(SECTION)
    write_notebook(OTHER, '\n# %%\nprint("so far")\nraise ValueError("broken on purpose")\n')
    run = config.run("tiny")
    with pytest.raises(ValueGateError) as error:
        executed(run)
    assert str(error.value) == (
        f"notebook {OTHER} failed: cell 4: ValueError: broken on purpose "
        f"(traceback in build/tiny/logs/{OTHER}.log, "
        f"executed copy build/tiny/notebooks/{OTHER}.ipynb)"
    )
    out = no_plan / "build" / "tiny"
    log = (out / "logs" / f"{OTHER}.log").read_text()
    assert "Traceback (most recent call last)" in log
    assert "broken on purpose" in log
    assert "so far" in (out / "notebooks" / f"{OTHER}.ipynb").read_text()
    assert (out / "claims" / "02.json").read_text() == "tiny"  # the parameter reached it
    write_notebook(OTHER)
    assert executed(run) == 1
    assert (out / "claims" / "03.json").exists()


def test_a_stopped_run_leaves_no_kernel(no_plan):
    hang = f'\n# %%\nimport time\npathlib.Path("{no_plan}/hanging").touch()\ntime.sleep(60)\n'
    write_notebook(SECTION, hang)
    driver = DRIVER.replace("runner.measure(", "runner.notebooks(")
    with started(["-c", driver]) as run:
        until((no_plan / "hanging").exists, "hanging notebook")
        processes = psutil.Process(run.pid).children(recursive=True)
        assert len(processes) == 2  # the notebook's and its kernel
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=40)
    assert run.returncode not in (0, None)
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []


@pytest.fixture
def kernels(no_plan, monkeypatch) -> list[str]:
    """Notebooks that end at once; the list says which were run."""
    run: list[str] = []

    def lines(command: list[str], environment: dict[str, str]) -> Iterator[str]:
        section, out = command[3], Path(environment["VALUEGATE_OUT"])
        run.append(section)
        if (no_plan / f"order-{section}").exists():
            yield "cell 1: ValueError: no"
            return
        (out / "claims").mkdir(parents=True, exist_ok=True)
        (out / "claims" / f"{section[:2]}.json").write_text("[]")
        yield "done"

    monkeypatch.setattr(runner, "_lines", lines)
    for section in (SECTION, OTHER):
        write_notebook(section)
    return run


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    _forget()


CHANGES = {
    "nothing": (lambda root: None, set()),
    "its code": (
        lambda root: edit(paths.NOTEBOOKS / f"{SECTION}.py", '"default"', '"smoke"'),
        {SECTION},
    ),
    "its prose": (
        lambda root: edit(paths.NOTEBOOKS / f"{SECTION}.py", "# %%\n", "# %%\n# A remark.\n"),
        set(),
    ),
    "its settings": (
        lambda root: edit(paths.PROFILES / "tiny.yml", f"rows: {ROWS}", "rows: 7"),
        {SECTION},
    ),
    "a model's entry": (
        lambda root: edit(root / "data/registry.yml", "us/one", "us/uno"),
        {SECTION, OTHER},
    ),
    "the declared claims": (
        lambda root: edit(root / "paper/claims.yml", "[]", "[] # more"),
        {SECTION, OTHER},
    ),
    "the locked packages": (
        lambda root: edit(root / "requirements.lock", "2.0.0", "2.0.1"),
        {SECTION, OTHER},
    ),
    "its claims are gone": (
        lambda root: (root / "build/tiny/claims/03.json").unlink(),
        {OTHER},
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_only_stale_notebooks_are_run(kernels, no_plan, change):
    run = config.run("tiny")
    assert executed(run) == 2
    assert sorted(kernels) == [SECTION, OTHER]
    kernels.clear()
    make, stale = CHANGES[change]
    make(no_plan)
    assert executed(config.run("tiny")) == len(stale)
    assert set(kernels) == stale
    kernels.clear()
    assert executed(config.run("tiny")) == 0
    assert kernels == []


def test_a_new_measurement_makes_its_notebook_stale(kernels, monkeypatch):
    monkeypatch.setattr(runner, "plan", fake_section()["plan"])
    executed(config.run("tiny"))
    kernels.clear()
    monkeypatch.setattr(measure, "code_hash", lambda target: "another")
    assert executed(config.run("tiny")) == 1
    assert kernels == [SECTION]


def test_a_failure_makes_a_notebook_stale(kernels, no_plan):
    """Even if its code goes back to what succeeded before: the failed run may have left claims."""
    run = config.run("tiny", "02")
    source = paths.NOTEBOOKS / f"{SECTION}.py"
    assert executed(run) == 1
    before = source.read_text()
    edit(source, '"default"', '"smoke"')
    order(no_plan, SECTION, "fail")
    with pytest.raises(ValueGateError, match=rf"^notebook {SECTION} failed: cell 1: ValueError"):
        executed(run)
    order(no_plan, SECTION, "")
    source.write_text(before)
    assert executed(run) == 1


def test_an_edit_during_the_run_makes_a_notebook_stale(kernels, no_plan, monkeypatch):
    run = config.run("tiny", "02")
    quick = runner._lines

    def lines(command: list[str], environment: dict[str, str]) -> Iterator[str]:
        yield from quick(command, environment)
        edit(paths.NOTEBOOKS / f"{SECTION}.py", '"default"', '"smoke"')

    monkeypatch.setattr(runner, "_lines", lines)
    assert executed(run) == 1
    monkeypatch.setattr(runner, "_lines", quick)
    assert executed(run) == 1
    assert executed(run) == 0


def test_a_replay_runs_all_and_elsewhere(kernels, no_plan):
    run = config.run("tiny")
    for _ in range(2):
        with Progress(live=False) as progress:
            assert runner.notebooks(run, 1, progress, replay=no_plan / "data") == 2
    assert sorted(path.name for path in (no_plan / "build").iterdir()) == ["replay"]
    assert executed(run) == 2  # a replay does not stand for a run


def test_a_replay_stands_for_another_from_the_same_tables(kernels, no_plan):
    run, tables = config.run("tiny"), no_plan / "data"
    table = tables / SECTION / "evidence.parquet"
    table.parent.mkdir()
    table.write_bytes(b"as it was")

    def ran(**options: bool) -> int:
        with Progress(live=False) as progress:
            return runner.notebooks(run, 1, progress, replay=tables, **options)

    assert [ran(reuse=True), ran(reuse=True), ran(), ran(reuse=True)] == [2, 0, 2, 0]
    table.write_bytes(b"edited")
    assert [ran(reuse=True), ran(reuse=True)] == [1, 0]


def test_the_stamp_names_what_an_output_depends_on(project):
    write_notebook(SECTION)
    stamp = runner._stamp(config.run("tiny", "02", "one"), SECTION, None)
    measurement, _ = stored()
    assert measurement.key in stamp
    assert sha256(project / "data" / "registry.yml") in stamp
