"""A worker's command as a job: a real submitit executor on this machine, and its errors."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from valuegate import cluster
from valuegate.errors import ValueGateError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # submitit's own, on forking


def ran(where: str, code: str, folder: Path, stopped: threading.Event) -> list[str]:
    command = [sys.executable, "-c", code]
    return list(cluster.lines(where, command, {"GREETING": "hello"}, folder, 1, stopped))


@pytest.fixture
def here(monkeypatch) -> str:
    """SLURM's stand-in: submitit runs the same job in a process of this machine."""
    monkeypatch.setattr(cluster, "CLUSTERS", ("slurm", "local"))
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.1)
    return "local"


def test_what_a_job_prints_arrives_once_and_in_order(here, tmp_path):
    code = "import os\nfor i in range(3): print(os.environ['GREETING'], i, flush=True)"
    found = [line for line in ran(here, code, tmp_path, threading.Event()) if "hello " in line]
    assert [line for line in found if line.startswith("hello")] == ["hello 0", "hello 1", "hello 2"]


def test_a_failed_job_says_so_last(here, tmp_path):
    found = ran(here, "raise SystemExit('no such thing')", tmp_path, threading.Event())
    assert found[-1].startswith("job ")


# submitit leaves the process object of a cancelled local job unwaited.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_cancels_the_job(here, tmp_path):
    stopped, began = threading.Event(), tmp_path / "began"
    code = (
        "import os, time; "
        f"print(os.getppid(), os.getpid(), file=open({str(began)!r}, 'w')); time.sleep(90)"
    )

    def interrupt() -> None:
        while not (began.exists() and began.read_text().strip()):
            time.sleep(0.05)
        stopped.set()

    # Cancelling interrupts; a test that runs in the background would have its children ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt, daemon=True).start()
        ran(here, code, tmp_path, stopped)
    finally:
        signal.signal(signal.SIGINT, before)
    # The job is submitit's process; SLURM ends what it started with it, this stand-in does not.
    job, started = map(int, began.read_text().split())
    end = time.monotonic() + 30
    try:
        while _alive(job):
            assert time.monotonic() < end, "the job still runs"
            time.sleep(0.2)
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(started).kill()


def _alive(process: int) -> bool:
    """Return whether a process runs; one that waits to be reaped does not."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    ("where", "setting", "message"),
    [
        ("slrm", "", "unknown cluster 'slrm'; nearest: slurm"),
        ("slurm", "{gpu}", "VALUEGATE_SLURM is not JSON"),
        ("slurm", "", "cannot submit to slurm"),
    ],
)
def test_errors_are_one_line(where, setting, message, tmp_path, monkeypatch):
    monkeypatch.setenv("VALUEGATE_SLURM", setting)
    monkeypatch.setenv("PATH", str(tmp_path))  # no sbatch there
    with pytest.raises(ValueGateError) as error:
        ran(where, "pass", tmp_path, threading.Event())
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
