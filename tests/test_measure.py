"""Measurements: their keys, and a store that loses nothing and never shows a half."""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import valuegate
from valuegate import codehash, measure, paths, registry
from valuegate.errors import ValueGateError
from valuegate.measure import (
    Measurement,
    Store,
    frame_hash,
    resolve,
    unique,
    write_table,
    write_text,
)

# A measured function that counts its calls in a file and can be told to fail at an item.
TOY = '''
import pathlib
import time

import numpy as np
import pandas as pd


def items(n=7):
    return pd.DataFrame({"item": range(n), "text": [f"text {i}" for i in range(n)]})


def score(lm, items, factor=1):
    """Return a row an item."""
    with pathlib.Path(lm["calls"]).open("a") as calls:
        calls.write(f"{items['item'].iloc[0]}\\n")
    time.sleep(lm.get("seconds", 0))
    if lm.get("fail_at") in list(items["item"]):
        raise RuntimeError("cut off")
    if lm.get("short"):
        return items.iloc[1:]
    found = items[["item"]].reset_index(drop=True)
    found["score"] = _scale(found["item"], factor)
    found["lens"] = [np.arange(3, dtype="float32") / (i + 3) for i in found["item"]]
    return found


def _scale(values, factor):
    return values * factor / 3


def unrelated():
    return 1
'''


def install_toy(folder: Path, setattr_: Any = setattr) -> None:
    """Make `valuegate.toy` a module of the package for this process."""
    (folder / "toy.py").write_text(TOY)
    setattr_(paths, "SRC", folder)
    setattr_(valuegate, "__path__", [*valuegate.__path__, str(folder)])
    setattr_(registry, "fingerprint", lambda name: f"weights of {name}")
    forget()


def forget() -> None:
    sys.modules.pop("valuegate.toy", None)
    valuegate.__dict__.pop("toy", None)
    caches = (codehash._tree, codehash._symbols, codehash._dumped, codehash._imports)
    for cache in (*caches, measure._items):
        cache.cache_clear()


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Return a function that writes the toy module with a text replaced."""
    folder = tmp_path / "source"
    folder.mkdir()
    monkeypatch.setattr(measure, "CHUNK_ROWS", 2)
    install_toy(folder, monkeypatch.setattr)

    def change(before: str, after: str) -> None:
        assert TOY.count(before) == 1
        (folder / "toy.py").write_text(TOY.replace(before, after))
        forget()

    yield change
    forget()


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "measurements")


@pytest.fixture
def lm(tmp_path) -> dict[str, Any]:
    """What stands for a model here: where calls are counted, and what should go wrong."""
    return {"calls": tmp_path / "calls"}


def calls(lm: dict[str, Any]) -> list[int]:
    path = Path(lm["calls"])
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def toy_measurement(**changes: Any) -> Measurement:
    return Measurement(
        **{
            "section": "02",
            "name": "toy",
            "model": "m",
            "function": "toy:score",
            "load_items": "toy:items",
            **changes,
        }
    )


def test_what_is_fitted_on_all_items_gets_them_at_once(toy, store, lm):
    store.compute(toy_measurement(), lm)
    assert calls(lm) == [0, 2, 4, 6]
    store.compute(toy_measurement(name="whole", whole=True), lm)
    assert calls(lm)[4:] == [0]


# Keys ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"section": "03"},
        {"name": "other"},
        {"model": "n"},
        {"settings": {"factor": 2}},
        {"item_settings": {"n": 8}},
        {"function": "toy:unrelated"},
    ],
)
def test_the_key_holds_what_the_table_depends_on(toy, changes):
    assert toy_measurement(**changes).key != toy_measurement().key


@pytest.mark.parametrize(
    "changes", [{"tokens": 5}, {"item_settings": {"n": 7}}, {"load_items": "toy:items"}]
)
def test_the_key_holds_nothing_else(toy, changes):
    assert toy_measurement(**changes).key == toy_measurement().key


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ("values * factor / 3", "values * factor / 4", True),
        ('f"text {i}"', 'f"Text {i}"', True),  # through the items
        ("Return a row an item.", "Return rows.", False),
        ("return 1", "return 2", False),
        ("time.sleep", "# a comment\n    time.sleep", False),
    ],
)
def test_the_key_follows_the_code(toy, before, after, counts):
    clean = toy_measurement().key
    toy(before, after)
    assert (toy_measurement().key != clean) is counts


@pytest.mark.parametrize("name", ["torch", "transformers"])
def test_the_key_follows_versions_and_weights(toy, name, monkeypatch):
    clean = toy_measurement().key
    real = measure.importlib.metadata.version
    with monkeypatch.context() as patched:
        patched.setattr(
            measure.importlib.metadata, "version", lambda p: "9.9" if p == name else real(p)
        )
        assert toy_measurement().key != clean
    with monkeypatch.context() as patched:
        patched.setattr(measure, "device_and_dtype", lambda: ("cuda", "bfloat16"))
        assert toy_measurement().key != clean
    with monkeypatch.context() as patched:
        patched.setattr(registry, "fingerprint", lambda _name: "other weights")
        assert toy_measurement().key != clean
    assert toy_measurement().key == clean


def test_a_build_of_torch_is_no_other_version(monkeypatch):
    monkeypatch.setattr(measure.importlib.metadata, "version", lambda _package: "2.13.0+cpu")
    assert measure._version("torch") == "2.13.0"
    assert measure.device_and_dtype() == ("cpu", "float32")


def test_a_hidden_gpu_is_no_gpu(monkeypatch):
    monkeypatch.setattr(measure.importlib.metadata, "version", lambda _package: "2.13.0")
    monkeypatch.setattr(Path, "exists", lambda _path: True)
    monkeypatch.setattr(measure.platform, "system", lambda: "Linux")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert measure.device_and_dtype() == ("cuda", "bfloat16")
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert measure.device_and_dtype() == ("cpu", "float32")


def test_frame_hash_sees_values_columns_and_order():
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    others = [
        frame.assign(a=[1, 3]),
        frame.rename(columns={"a": "c"}),
        frame[["b", "a"]],
        frame.iloc[::-1],
        frame.iloc[:1],
    ]
    hashes = {frame_hash(other) for other in [frame, *others]}
    assert len(hashes) == 6
    assert frame_hash(frame.set_index(pd.Index([5, 6]))) == frame_hash(frame)


def test_unique_and_json(toy):
    one, same, other = toy_measurement(), toy_measurement(tokens=3), toy_measurement(name="b")
    assert unique([one, other, same]) == [same, other]
    assert Measurement(**json.loads(one.to_json())) == one
    assert one.label == "02/toy/m"
    assert resolve("toy:unrelated")() == 1


# The store ----------------------------------------------------------------------------------------


def test_a_measurement_is_computed_once(toy, store, lm):
    measurement, done = toy_measurement(settings={"factor": 3}), []
    assert not store.has(measurement)
    spent = iter([100, 110.4, 115, 125, 125, 136, 140, 151])  # before and after each slice
    table = store.compute(measurement, lm, lambda *counts: done.append(counts), lambda: next(spent))
    assert list(table["item"]) == list(range(7))
    assert list(table["score"]) == list(range(7))
    assert calls(lm) == [0, 2, 4, 6]
    assert done == [(0, 7), (2, 7), (4, 7), (6, 7), (7, 7)]
    assert store.has(measurement)
    again = store.compute(measurement, lm)
    pd.testing.assert_frame_equal(again, table)
    pd.testing.assert_frame_equal(store.table(measurement), table)
    assert calls(lm) == [0, 2, 4, 6]
    meta = store.meta(measurement)
    assert meta["rows"] == 7
    assert meta["tokens"] == 42
    assert meta["ingredients"] == measurement.ingredients()
    names = sorted(path.name for path in (store.folder / measurement.key).iterdir())
    assert names == ["lock", "meta.json", "table.parquet"]


def test_it_goes_on_where_it_was_cut_off(toy, store, lm, tmp_path):
    measurement = toy_measurement()
    whole = Store(tmp_path / "other").compute(measurement, {"calls": tmp_path / "other calls"})
    with pytest.raises(RuntimeError, match="cut off"):
        store.compute(measurement, lm | {"fail_at": 5})
    assert not store.has(measurement)
    assert calls(lm) == [0, 2, 4]
    resumed = store.compute(measurement, lm)
    assert calls(lm) == [0, 2, 4, 4, 6]
    pd.testing.assert_frame_equal(resumed, whole)
    assert np.array_equal(resumed["lens"][6], np.arange(3, dtype="float32") / 9)


def test_parts_of_another_size_are_not_taken_for_these(toy, store, lm, monkeypatch):
    with pytest.raises(RuntimeError, match="cut off"):
        store.compute(toy_measurement(), lm | {"fail_at": 6})
    monkeypatch.setattr(measure, "CHUNK_ROWS", 3)
    table = store.compute(toy_measurement(), lm)
    assert list(table["item"]) == list(range(7))


def test_a_half_is_never_read(toy, store, lm):
    """A table without its meta.json, and a part cut off while it was written, do not count."""
    measurement = toy_measurement()
    folder = store.folder / measurement.key
    folder.mkdir(parents=True)
    pd.DataFrame({"item": [99]}).to_parquet(folder / "table.parquet")
    (folder / ".part-000000-002.parquet.123").write_bytes(b"PAR1 and no more")
    assert not store.has(measurement)
    assert list(store.compute(measurement, lm)["item"]) == list(range(7))
    assert calls(lm) == [0, 2, 4, 6]


def test_a_failure_at_the_end_leaves_no_meta(toy, store, lm, monkeypatch):
    measurement = toy_measurement()

    def fail(text: str, path: Path) -> None:
        if path.name == "meta.json":
            raise ValueGateError("disk full")
        path.write_text(text)

    with monkeypatch.context() as patched:
        patched.setattr(measure, "write_text", fail)
        with pytest.raises(ValueGateError, match="disk full"):
            store.compute(measurement, lm)
    assert not store.has(measurement)
    assert list(store.compute(measurement, lm)["item"]) == list(range(7))
    assert calls(lm) == [0, 2, 4, 6]  # nothing was measured twice


def test_a_row_an_item(toy, store, lm):
    with pytest.raises(ValueGateError) as caught:
        store.compute(toy_measurement(), lm | {"short": True})
    assert str(caught.value) == "02/toy/m: 1 rows for 2 items"


def _compute_in_a_process(source: str, folder: str, start: Any) -> None:
    measure.CHUNK_ROWS = 4
    install_toy(Path(source))
    start.wait()
    lm = {"calls": str(Path(source) / "calls"), "seconds": 0.2}
    table = Store(Path(folder)).compute(toy_measurement(), lm)
    assert list(table["item"]) == list(range(7))


def test_two_processes_at_once_compute_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    source, folder = tmp_path / "source", tmp_path / "measurements"
    source.mkdir()
    arguments = (str(source), str(folder), start)
    two = [context.Process(target=_compute_in_a_process, args=arguments) for _ in range(2)]
    for process in two:
        process.start()
    for process in two:
        process.join(60)
    assert [process.exitcode for process in two] == [0, 0]
    assert calls({"calls": source / "calls"}) == [0, 4]


# Writing ------------------------------------------------------------------------------------------


@pytest.fixture
def tiny_disk():
    """No file may grow past 1000 bytes: what a full disk does to a writer, done by the system."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("kind", ["table", "text"])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, kind, tiny_disk):
    path = tmp_path / f"{kind}.file"
    path.write_text("before")
    table = pd.DataFrame({"a": np.random.default_rng(0).normal(size=50_000)})
    write, content = (write_table, table) if kind == "table" else (write_text, "long " * 1000)
    with pytest.raises(ValueGateError) as caught:
        write(content, path)
    message = str(caught.value)
    assert message.startswith(f"cannot write {kind}.file in {tmp_path}: ")
    assert message.endswith(" GB free); free some space and run again, what was measured is kept")
    assert "\n" not in message
    assert "None" not in message
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_one_line(toy, tmp_path, lm):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueGateError, match=r"^cannot make .*: Not a directory$"):
        Store(tmp_path / "file").compute(toy_measurement(), lm)


def test_write_text_makes_its_folder_and_is_read_back(tmp_path):
    write_text("é\n", tmp_path / "a" / "b.txt")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "é\n".encode()


def test_the_store_of_a_run():
    assert Store.of("smoke").folder == paths.ROOT / "build" / "smoke" / "measurements"
