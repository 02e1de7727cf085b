"""The published record of per-item tables, `data/results/`: written by publish, read by replay.

`manifest.json` says for every table its file, hash and the ingredients that it was measured from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from valuegate import paths
from valuegate.data import sha256
from valuegate.errors import ValueGateError
from valuegate.measure import Measurement, Store, write_table, write_text

MANIFEST = "manifest.json"


def manifest() -> dict[str, dict[str, Any]]:
    """Return what is published, by measurement label; empty before the first publication."""
    path = paths.RESULTS / MANIFEST
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def table(label: str) -> pd.DataFrame:
    """Return a published per-item table.

    Raises:
        ValueGateError: it is not published, or not the file that the manifest knows.
    """
    entry = manifest().get(label)
    if entry is None:
        raise ValueGateError(f"{label}: no published table; `make paper` measures it")
    path = paths.RESULTS / entry["file"]
    if not path.exists() or sha256(path) != entry["sha256"]:
        state = "is altered" if path.exists() else "is missing"
        raise ValueGateError(f"{label}: published table data/results/{entry['file']} {state}")
    return pd.read_parquet(path)


def publish(measurements: Sequence[Measurement], store: Store) -> None:
    """Replace the published tables by those of a run; tables no longer planned are removed."""
    entries = {}
    for measurement in measurements:
        file = f"{measurement.section}/{measurement.name}--{measurement.model}.parquet"
        path = paths.RESULTS / file
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(store.table(measurement), path)
        meta = store.meta(measurement)
        entries[measurement.label] = {
            "file": file,
            "sha256": sha256(path),
            **{name: meta[name] for name in ("key", "ingredients", "rows", "tokens")},
        }
    kept = {entry["file"] for entry in entries.values()}
    for path in paths.RESULTS.rglob("*.parquet"):
        if path.relative_to(paths.RESULTS).as_posix() not in kept:
            path.unlink()
    write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n", paths.RESULTS / MANIFEST)
