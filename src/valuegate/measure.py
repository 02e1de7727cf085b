"""A measurement: a pure function of (model, items, settings) whose per-item table is stored once.

Knows keys, locks and files. A table appears under its key only when it is whole; what is finished
of a measurement that was cut off stays as parts, and the next run goes on from there.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import importlib.metadata
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from valuegate import paths, registry
from valuegate.codehash import code_hash
from valuegate.errors import ValueGateError

CHUNK_ROWS = 192


@dataclass(frozen=True)
class Measurement:
    """One model on one set of items.

    Attributes:
        section: the section that plans it; `name` is unique in it together with `model`.
        model: name in the registry.
        function: `module:function` called as `function(lm, items, **settings)` on slices of at
            most `CHUNK_ROWS` items; returns one row an item.
        whole: whether it is called once, on all items, because it fits something on them.
        load_items: `module:function` called as `load_items(**item_settings)`; returns the items.
        checked: the column that the audit scores again, row by row, to 1e-3.
        tokens: estimate of forward tokens (one is one position through all layers).
    """

    section: str
    name: str
    model: str
    function: str
    load_items: str
    item_settings: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    tokens: int = 0
    checked: str = "log_odds"
    whole: bool = False

    def items(self) -> pd.DataFrame:
        """Return the items, one row a prompt."""
        return _items(self.load_items, json.dumps(self.item_settings, sort_keys=True))

    def ingredients(self) -> dict[str, str]:
        """Return all that the table depends on; equal ingredients give an equal table."""
        device, dtype = device_and_dtype()
        return {
            "model": registry.fingerprint(self.model),
            "items": frame_hash(self.items()),
            "settings": json.dumps(self.settings, sort_keys=True),
            "code": code_hash(self.function),
            "torch": _version("torch"),
            "transformers": _version("transformers"),
            "dtype": dtype,
            "device": device,
        }

    @property
    def key(self) -> str:
        """Return the hash of the ingredients: the name of the stored table."""
        text = json.dumps([self.section, self.name, self.model, self.ingredients()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def label(self) -> str:
        """Return `section/name/model`, for people."""
        return f"{self.section}/{self.name}/{self.model}"

    def to_json(self) -> str:
        """Return the measurement as JSON, to hand it to a worker process."""
        return json.dumps(asdict(self))


@functools.cache
def _items(load_items: str, settings: str) -> pd.DataFrame:
    return resolve(load_items)(**json.loads(settings))


def resolve(target: str) -> Callable[..., Any]:
    """Return the function that `module:function` names."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(f"valuegate.{module}"), name)


def frame_hash(frame: pd.DataFrame) -> str:
    """Return the hash of a table's columns and values, independent of how it is stored."""
    text = str(frame.to_json(orient="split", double_precision=15, index=False))
    return hashlib.sha256(text.encode()).hexdigest()


def _version(package: str) -> str:
    # "+cpu" says how torch was built, which `device` says already.
    return importlib.metadata.version(package).partition("+")[0]


def device_and_dtype() -> tuple[str, str]:
    """Return the device kind and precision that models will run in, without loading torch.

    `VALUEGATE_DEVICE` (cpu or cuda) says it where this machine only submits to a cluster's nodes.
    """
    if given := os.environ.get("VALUEGATE_DEVICE"):
        return (given, "bfloat16" if given == "cuda" else "float32")
    built_for_cpu = importlib.metadata.version("torch").endswith("+cpu")
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    has_gpu = platform.system() == "Linux" and Path("/dev/nvidia0").exists() and not hidden
    return ("cuda", "bfloat16") if has_gpu and not built_for_cpu else ("cpu", "float32")


@dataclass(frozen=True)
class Store:
    """The tables of one run, in `build/<run>/measurements/<key>/`."""

    folder: Path

    @classmethod
    def of(cls, run_name: str) -> Store:
        """Return the store of a run."""
        return cls(paths.build(run_name) / "measurements")

    def has(self, measurement: Measurement) -> bool:
        """Return whether the whole table is there."""
        return (self.folder / measurement.key / "meta.json").exists()

    def table(self, measurement: Measurement) -> pd.DataFrame:
        """Return the per-item table."""
        return pd.read_parquet(self.folder / measurement.key / "table.parquet")

    def meta(self, measurement: Measurement) -> dict[str, Any]:
        """Return what is known of the run that made the table: ingredients, seconds, rows."""
        return json.loads((self.folder / measurement.key / "meta.json").read_text())

    def compute(
        self,
        measurement: Measurement,
        lm: Any,
        progress: Callable[[int, int], None] = lambda done, total: None,
        meter: Callable[[], float] = lambda: 0.0,
    ) -> pd.DataFrame:
        """Return the table, measuring what is not stored yet.

        Args:
            measurement: what to measure.
            lm: the loaded model (`models.LanguageModel`).
            progress: called with (items done, items in all) after every slice.
            meter: returns the forward tokens spent so far by this process.
        """
        folder = self.folder / measurement.key
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueGateError(f"cannot make {folder}: {error.strerror}") from error
        # A second run waits here, then finds the table. A killed one frees the lock by dying.
        with FileLock(folder / "lock"):
            if self.has(measurement):
                return self.table(measurement)
            items = measurement.items()
            function = resolve(measurement.function)
            parts, costs = [], []
            progress(0, len(items))
            size = len(items) if measurement.whole else CHUNK_ROWS
            for first in range(0, len(items), size):
                chunk = items.iloc[first : first + size]
                path = folder / f"part-{first:06d}-{len(chunk):03d}.parquet"
                cost = path.with_suffix(".json")  # beside each part, so that a resumed run adds up
                if not path.exists():
                    started, tokens = time.perf_counter(), meter()
                    found = function(lm, chunk, **measurement.settings)
                    spent = [time.perf_counter() - started, meter() - tokens]
                    write_text(json.dumps(spent), cost)
                    if len(found) != len(chunk):
                        raise ValueGateError(
                            f"{measurement.label}: {len(found)} rows for {len(chunk)} items"
                        )
                    write_table(found, path)
                parts.append(pd.read_parquet(path))
                costs.append(json.loads(cost.read_text()))
                progress(first + len(chunk), len(items))
            table = pd.concat(parts, ignore_index=True)
            write_table(table, folder / "table.parquet")
            meta = {
                "label": measurement.label,
                "key": measurement.key,
                "ingredients": measurement.ingredients(),
                "rows": len(table),
                "tokens_planned": measurement.tokens,
                "tokens": round(sum(tokens for _, tokens in costs)),
                "seconds": round(sum(seconds for seconds, _ in costs), 1),
            }
            write_text(json.dumps(meta, indent=1), folder / "meta.json")
            for part in folder.glob("part-*"):
                part.unlink()
            return self.table(measurement)  # what every later caller gets


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a parquet file that is either whole or not there."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        table.to_parquet(partial, index=False, compression="zstd")
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise _disk_error(path, error) from error


def write_text(text: str, path: Path) -> None:
    """Write a text file that is either whole or not there."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise _disk_error(path, error) from error


def _disk_error(path: Path, error: OSError) -> ValueGateError:
    there = next(folder for folder in path.absolute().parents if folder.is_dir())
    free = shutil.disk_usage(there).free / 1e9
    reason = error.strerror or error
    return ValueGateError(
        f"cannot write {path.name} in {path.parent}: {reason} ({free:.1f} GB free); "
        "free some space and run again, what was measured is kept"
    )


def unique(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Return the measurements without those whose table another one already makes."""
    return list({measurement.key: measurement for measurement in measurements}.values())
