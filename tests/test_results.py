"""Records of per-item tables: written from a store, read back whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from valuegate import registry, results
from valuegate.data import sha256
from valuegate.errors import ValueGateError
from valuegate.measure import Measurement, Store

TABLES = {
    "evidence": pd.DataFrame({"item": [1, 2, 3], "log_odds": [0.5, -1.25, 3.0]}),
    "lens": pd.DataFrame({"item": [4, 5], "lens": [[0.5, 1.5], [2.5, 3.5]]}),
}


class Tables(Store):
    """A store that holds ready tables, so that nothing is measured."""

    def table(self, measurement: Measurement) -> pd.DataFrame:
        return TABLES[measurement.name]

    def meta(self, measurement: Measurement) -> dict:
        return {
            "label": measurement.label,
            "key": f"key of {measurement.name}",
            "ingredients": {"model": registry.fingerprint(measurement.model)},
            "rows": len(TABLES[measurement.name]),
            "tokens_planned": 1,
            "tokens": 90,
            "seconds": 1.5,
        }


def measurement(name: str) -> Measurement:
    model = "smollm2-135m-instruct"
    return Measurement("02_misfired_alignment", name, model, "misfire_run:evidence", "none:none")


EVIDENCE, LENS = measurement("evidence"), measurement("lens")


@pytest.fixture
def record(tmp_path) -> Path:
    """A record of both tables."""
    results.write([EVIDENCE, LENS], Tables(tmp_path), tmp_path / "record")
    return tmp_path / "record"


def files(folder: Path) -> list[str]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(path.relative_to(folder).as_posix() for path in paths)


E_FILE, L_FILE = (f"02_misfired_alignment/{name}--smollm2-135m-instruct.parquet" for name in TABLES)


def test_tables_come_back(record):
    assert files(record) == [E_FILE, L_FILE, "manifest.json"]
    for m in (EVIDENCE, LENS):
        found = results.table(record, m.label)
        assert list(found.columns) == list(TABLES[m.name].columns)
        expected = TABLES[m.name].map(lambda v: list(v) if isinstance(v, list) else v)
        listed = found.map(lambda v: list(v) if hasattr(v, "__len__") else v)
        pd.testing.assert_frame_equal(listed, expected)


def test_the_manifest(record):
    found = results.manifest(record)
    assert list(found) == [EVIDENCE.label, LENS.label]
    assert found[EVIDENCE.label] == {
        "file": E_FILE,
        "sha256": sha256(record / E_FILE),
        "key": "key of evidence",
        "ingredients": {"model": registry.fingerprint("smollm2-135m-instruct")},
        "rows": 3,
        "tokens": 90,  # how long it took is no part of a record: two equal runs write equal ones
    }


def test_equal_runs_write_equal_records(record, tmp_path):
    results.write([LENS, EVIDENCE], Tables(tmp_path), tmp_path / "again")
    for file in files(record):
        assert (record / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


def test_a_table_that_is_no_longer_planned_goes(record, tmp_path):
    (record / "notes.txt").write_text("not ours")
    results.write([LENS], Tables(tmp_path), record)
    assert files(record) == [L_FILE, "manifest.json", "notes.txt"]
    assert list(results.manifest(record)) == [LENS.label]


def test_nothing_is_recorded_yet(tmp_path):
    assert results.manifest(tmp_path) == {}
    with pytest.raises(ValueGateError, match=r"no recorded table; `make paper` measures it$"):
        results.table(tmp_path, EVIDENCE.label)


@pytest.mark.parametrize("how", ["a byte", "another table", "gone"])
def test_an_altered_table(record, how):
    path = record / E_FILE
    before = sha256(path)
    if how == "a byte":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif how == "another table":
        TABLES["evidence"].assign(log_odds=0.0).to_parquet(path)
    else:
        path.unlink()
    problem = results.altered(record, results.manifest(record)[EVIDENCE.label])
    if how == "gone":
        assert problem == f"table {E_FILE} is missing"
    else:
        assert problem == f"table {E_FILE} is altered: sha256 {sha256(path)}, recorded {before}"
    with pytest.raises(ValueGateError) as error:
        results.table(record, EVIDENCE.label)
    assert str(error.value) == f"{EVIDENCE.label}: {problem}"
    assert results.altered(record, results.manifest(record)[LENS.label]) == ""
