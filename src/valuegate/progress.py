"""Shows how far a run is: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

PLAIN_SECONDS = 10.0  # without a terminal, a line at most this often for each task


class Progress:
    """Tasks by name, each with items done and items in all; safe to call from threads."""

    def __init__(self, live: bool | None = None) -> None:
        console = Console(file=sys.stdout)
        self.live = console.is_terminal if live is None else live
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not self.live,
        )
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, float] = {}
        self._said: dict[str, float] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def step(self, task: str, done: int, total: int) -> None:
        """Say that `done` of `total` items of a task are finished."""
        with self._lock:
            now = time.monotonic()
            started = self._started.setdefault(task, now)
            if self.live:
                if task not in self._tasks:
                    self._tasks[task] = self._bars.add_task(task, total=total)
                self._bars.update(self._tasks[task], completed=done, total=total)
            elif done == total or now - self._said.get(task, -PLAIN_SECONDS) >= PLAIN_SECONDS:
                self._said[task] = now
                left = ""
                if 0 < done < total and now > started:
                    left = f", about {(now - started) / done * (total - done):.0f} s left"
                print(f"{task}: {done}/{total} ({now - started:.0f} s{left})", flush=True)

    def note(self, text: str) -> None:
        """Say something once."""
        if self.live:
            self._bars.console.print(text)
        else:
            print(text, flush=True)
