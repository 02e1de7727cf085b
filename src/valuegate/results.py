"""A record of per-item tables: a folder with a manifest, written from a run's store.

`data/results` is the published one, `build/<run>/results` a run's own. The manifest says for every
table its file, hash and the ingredients that it was measured from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from valuegate.data import sha256
from valuegate.errors import ValueGateError
from valuegate.measure import Measurement, Store, write_table, write_text

MANIFEST = "manifest.json"


def manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what a record holds, by measurement label; empty where there is none."""
    path = folder / MANIFEST
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def table(folder: Path, label: str) -> pd.DataFrame:
    """Return a recorded per-item table.

    Raises:
        ValueGateError: it is not recorded, or not the file that the manifest knows.
    """
    entry = manifest(folder).get(label)
    if entry is None:
        raise ValueGateError(f"{label}: no recorded table; `make paper` measures it")
    path = folder / entry["file"]
    if problem := altered(folder, entry):
        raise ValueGateError(f"{label}: {problem}")
    return pd.read_parquet(path)


def altered(folder: Path, entry: dict[str, Any]) -> str:
    """Return what is wrong with a recorded file, or an empty string."""
    path = folder / entry["file"]
    if not path.exists():
        return f"table {entry['file']} is missing"
    found = sha256(path)
    if found != entry["sha256"]:
        return f"table {entry['file']} is altered: sha256 {found}, recorded {entry['sha256']}"
    return ""


def write(measurements: Sequence[Measurement], store: Store, folder: Path) -> None:
    """Make a record of a run's tables; tables that are no longer planned are removed."""
    entries = {}
    for measurement in measurements:
        file = f"{measurement.section}/{measurement.name}--{measurement.model}.parquet"
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(store.table(measurement), path)
        meta = store.meta(measurement)
        entries[measurement.label] = {
            "file": file,
            "sha256": sha256(path),
            **{name: meta[name] for name in ("key", "ingredients", "rows", "tokens")},
        }
    kept = {entry["file"] for entry in entries.values()}
    for path in folder.rglob("*.parquet"):
        if path.relative_to(folder).as_posix() not in kept:
            path.unlink()
    write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n", folder / MANIFEST)
