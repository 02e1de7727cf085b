"""Runs a worker's command as a job of a SLURM cluster, through submitit.

Yields the job's output line by line as `runner` reads it from a local process, so that everything
else is the same in both places. The store must lie on a file system that nodes share.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from valuegate.errors import ValueGateError, unknown

CLUSTERS = ("slurm",)
POLL_SECONDS = 1.0
MINUTES = 24 * 60  # a job's limit unless VALUEGATE_SLURM says otherwise


def lines(
    cluster: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    threads: int,
    stopped: threading.Event,
) -> Iterator[str]:
    """Yield what the command prints on a node, until the job ends.

    Args:
        cluster: "slurm".
        command: what to run.
        environment: variables to set for it.
        folder: where submitit keeps the job's script and log; shared with the nodes.
        threads: cores to ask for. `VALUEGATE_SLURM` holds more of submitit's parameters as JSON,
            such as `{"slurm_partition": "gpu", "gpus_per_node": 1, "timeout_min": 600}`.
        stopped: set by an interrupt; the job is then cancelled.

    Raises:
        ValueGateError: no such cluster, none reachable from here, bad parameters, a failed job.
    """
    import submitit
    from submitit.core.utils import FailedJobError

    if cluster not in CLUSTERS:
        raise unknown("cluster", cluster, CLUSTERS)
    try:
        extra = json.loads(os.environ.get("VALUEGATE_SLURM") or "{}")
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        executor.update_parameters(
            **{"name": "valuegate", "cpus_per_task": threads, "timeout_min": MINUTES} | extra
        )
        job = executor.submit(
            submitit.helpers.CommandFunction(list(command), env=dict(environment), verbose=True)
        )
    except json.JSONDecodeError as error:
        raise ValueGateError(f"VALUEGATE_SLURM is not JSON: {error}") from error
    except (RuntimeError, NameError, TypeError, FailedJobError) as error:
        first = str(error).splitlines()[0]
        raise ValueGateError(
            f"cannot submit to {cluster}: {first}; is sbatch on the path?"
        ) from error
    try:
        yield from _tail(job, stopped)
    finally:
        if not job.done():
            job.cancel(check=False)


def _tail(job: Any, stopped: threading.Event) -> Iterator[str]:
    log = Path(job.paths.stdout)
    seen = 0
    while True:
        ended = job.done(force_check=False)  # asked first, so that nothing printed is missed
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        yield from whole[seen:].splitlines()
        seen = len(whole)
        if ended:
            break
        if stopped.wait(POLL_SECONDS):
            return
    if error := job.exception():
        last = (str(error).strip().splitlines() or ["no message"])[-1]
        yield f"job {job.job_id}: {last}"
