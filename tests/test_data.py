"""Files of registered sources: from the cache, a mirror, an index or an address; whole or not."""

from __future__ import annotations

import contextlib
import errno
import functools
import gc
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from valuegate import data, paths, registry
from valuegate.errors import ValueGateError
from valuegate.registry import Registry

MEMBERS = {"tiny/items.csv": b"item\r\n1\r\n", "tiny/other.csv": b"item\n2\n"}
REMOTE = {"folder/with space.csv": b"item\n3\n", "big.bin": bytes(range(256)) * 4096}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def build_wheel(folder: Path, members: dict[str, bytes] = MEMBERS) -> Path:
    """Write a wheel whose dependency exists nowhere, so that installing it would fail."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "Tiny_Data-1.0.0-py3-none-any.whl"
    about = {
        "METADATA": b"Metadata-Version: 2.1\nName: Tiny-Data\nVersion: 1.0.0\n"
        b"Requires-Dist: valuegate-does-not-exist==9\n",
        "WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": b"",
    }
    content = members | {f"Tiny_Data-1.0.0.dist-info/{name}": text for name, text in about.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (content | {"tiny/unwanted.csv": b"not registered"}).items():
            archive.writestr(zipfile.ZipInfo(name), text)  # a fixed date: equal bytes every time
    return path


def entries(wheel_sha256: str, address: str) -> dict:
    """Return a registry of three data sets, as YAML would hold it."""
    said = {"licence": "MIT", "citation": "Us 2026.", "used_by": ["01_alignment_veto"]}

    def files(contents):
        return {
            Path(path).stem: {"path": path, "sha256": digest(text)}
            for path, text in contents.items()
        }

    wheel = {"package": "Tiny-Data", "version": "1.0.0", "sha256": wheel_sha256, "megabytes": 1}
    url = {"repository": "example.org/it", "commit": "a1" * 20, "url": address}
    here = {"items": {"path": "data/items/here.csv", "sha256": digest(b"item\n4\n")}}
    return {
        "datasets": {
            "wheeled": {"title": "W", **said}
            | {"source": {"kind": "wheel", **wheel, "files": files(MEMBERS)}},
            "remote": {"title": "U", **said}
            | {"source": {"kind": "url", **url, "files": files(REMOTE)}},
            "here": {"title": "E", **said} | {"source": {"kind": "embedded", "files": here}},
        },
        "models": {},
    }


NOWHERE = "http://127.0.0.1:9/"  # nothing listens on the discard port


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A project, a cache, a temporary folder of our own, and no index to download from."""
    for name in ("cache", "temporary", "project/data/items"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "project/data/items/here.csv").write_bytes(b"item\n4\n")
    monkeypatch.setattr(paths, "ROOT", tmp_path / "project")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("VALUEGATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VALUEGATE_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return tmp_path


@pytest.fixture
def register(monkeypatch):
    """Return a function that registers the three data sets."""

    def use(wheel: Path | None = None, address: str = NOWHERE, **members: str) -> dict:
        content = entries(data.sha256(wheel) if wheel else "9f" * 32, address)
        files = content["datasets"]["wheeled"]["source"]["files"]
        for name, sha256 in members.items():
            files[name]["sha256"] = sha256
        found = Registry.model_validate(content)
        monkeypatch.setattr(registry, "load", lambda: found)
        return content

    return use


@pytest.fixture
def mirror(place, monkeypatch) -> Path:
    monkeypatch.setenv("VALUEGATE_MIRROR", str(place / "mirror"))
    return place / "mirror"


def left(folder: Path) -> list[str]:
    """Return the files in a folder that are no locks."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return sorted(path.name for path in found)


def failure(dataset: str, name: str) -> str:
    """Return the one line that fetching a file fails with."""
    with pytest.raises(ValueGateError) as error:
        data.file(dataset, name)
    assert "\n" not in str(error.value)
    return str(error.value)


# Wheels -------------------------------------------------------------------------------------------


def test_a_wheel_of_the_mirror(register, mirror, place):
    register(build_wheel(mirror))
    found = data.files("wheeled")
    assert {name: path.read_bytes() for name, path in found.items()} == {
        "items": MEMBERS["tiny/items.csv"],
        "other": MEMBERS["tiny/other.csv"],
    }
    assert left(place / "cache") == ["items.csv", "other.csv"]  # what is registered, no more
    assert left(place / "temporary") == []
    shutil.rmtree(mirror)
    assert data.files("wheeled") == found  # from the cache


def test_a_wheel_that_pip_downloads(register, place, monkeypatch):
    wheel = build_wheel(place / "index")
    register(wheel)
    monkeypatch.setenv("PIP_FIND_LINKS", str(place / "index"))
    assert data.file("wheeled", "items").read_bytes() == MEMBERS["tiny/items.csv"]
    assert left(place / "temporary") == []


def test_no_wheel_anywhere(register, mirror, place):
    mirror.mkdir()
    (mirror / "Tiny_Data-1.0.0.1-py3-none-any.whl").write_bytes(b"another version")
    register()
    message = failure("wheeled", "items")
    assert message.startswith("wheeled: pip could not download Tiny-Data 1.0.0 (1 MB): ")
    assert "No matching distribution" in message
    assert message.endswith("check the network, or set VALUEGATE_MIRROR to a folder that holds it")
    assert left(place / "cache") == []


@pytest.mark.parametrize("where", ["mirror", "index"])
def test_an_altered_wheel(register, mirror, place, monkeypatch, where):
    monkeypatch.setenv("PIP_FIND_LINKS", str(place / "index"))
    register(build_wheel(place / "true"))
    wheel = build_wheel(place / where, MEMBERS | {"tiny/items.csv": b"item\n0\n"})
    message = failure("wheeled", "items")
    assert message.startswith("wheeled: wheel Tiny-Data 1.0.0: altered file ")
    assert wheel.name in message
    assert data.sha256(wheel) in message
    assert data.sha256(place / "true" / wheel.name) in message
    assert left(place / "cache") == []
    assert left(place / "temporary") == []


def test_an_altered_member(register, mirror, place):
    register(build_wheel(mirror), items="8f" * 32)
    message = failure("wheeled", "items")
    assert message.startswith("wheeled: tiny/items.csv of wheel Tiny-Data 1.0.0: altered file ")
    assert digest(MEMBERS["tiny/items.csv"]) in message
    assert "8f" * 32 in message
    assert "items.csv" not in left(place / "cache")


def test_a_member_that_is_not_there(register, mirror):
    members = {"tiny/other.csv": MEMBERS["tiny/other.csv"]}
    register(build_wheel(mirror, members))
    assert failure("wheeled", "items") == "wheeled: no tiny/items.csv in wheel Tiny-Data 1.0.0"


# Addresses ----------------------------------------------------------------------------------------


class Server:
    """An address that serves files, counts requests and can stop in the middle of an answer."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.contents = {f"/{path.replace(' ', '%20')}": text for path, text in contents.items()}
        self.asked: list[str] = []
        self.half_sent, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        handler = functools.partial(_Handler, self)
        self.inner = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self.inner.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, server: Server, *arguments) -> None:
        self.ours = server
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self.ours.asked.append(self.path)
        content = self.ours.contents.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if content:
            with contextlib.suppress(ConnectionError):  # who asked may be gone by now
                self.wfile.write(content[: len(content) // 2])
                self.wfile.flush()
                self.ours.half_sent.set()
                self.ours.go_on.wait(30)
                self.wfile.write(content[len(content) // 2 :])

    def log_message(self, *arguments) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    ours = Server(REMOTE)
    thread = threading.Thread(target=ours.inner.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield ours
    ours.go_on.set()
    ours.inner.shutdown()
    ours.inner.server_close()
    thread.join()


def test_an_address(register, server, place):
    register(address=server.address)
    found = data.files("remote")
    assert {name: path.read_bytes() for name, path in found.items()} == {
        "with space": REMOTE["folder/with space.csv"],
        "big": REMOTE["big.bin"],
    }
    assert data.files("remote") == found
    assert server.asked == ["/folder/with%20space.csv", "/big.bin"]  # once each, then the cache
    assert left(place / "temporary") == []


def test_a_renamed_file_of_the_mirror(register, mirror):
    register()
    (mirror / "remote" / "deep").mkdir(parents=True)
    (mirror / "remote" / "a.csv").write_bytes(b"something else")
    (mirror / "remote" / "deep" / "b.csv").write_bytes(REMOTE["folder/with space.csv"])
    found = data.file("remote", "with space")
    assert found.read_bytes() == REMOTE["folder/with space.csv"]
    assert found.name == "with space.csv"
    assert (mirror / "remote" / "deep" / "b.csv").exists(), "a mirror is read, not emptied"


def test_a_mirror_keeps_data_sets_apart(register, mirror):
    """Only the folder of the data set's own name is searched, as a mirror can be large."""
    register()
    (mirror / "other").mkdir(parents=True)
    (mirror / "other" / "b.csv").write_bytes(REMOTE["folder/with space.csv"])
    assert "cannot download" in failure("remote", "with space")


# pooch leaves the socket of an answer that is an error to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*<socket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("answer", ["nobody", "not found", "altered", "cut off"])
def test_an_address_that_fails(register, server, place, answer):
    register(address=NOWHERE if answer == "nobody" else server.address)
    path = "/folder/with%20space.csv"
    if answer == "not found":
        del server.contents[path]
    elif answer == "altered":
        server.contents[path] = b"item\n0\n"
    elif answer == "cut off":
        server.contents[path] = Short(REMOTE["folder/with space.csv"])
    message = failure("remote", "with space")
    gc.collect()
    if answer == "altered":
        assert digest(b"item\n0\n") in message
        assert digest(REMOTE["folder/with space.csv"]) in message
        assert "with space.csv" in message
    else:
        base = NOWHERE if answer == "nobody" else server.address
        assert message.startswith(f"remote: cannot download {base}folder/with%20space.csv (")
        assert "check the network, or set VALUEGATE_MIRROR to a folder" in message
    assert left(place / "cache") == []
    assert left(place / "temporary") == []


class Short(bytes):
    """Content that says it is longer than it is."""

    def __len__(self) -> int:
        return super().__len__() + 10


# Files of this repository, and of the cache -------------------------------------------------------


def test_an_embedded_file(register, place):
    register()
    path = data.file("here", "items")
    assert path == place / "project/data/items/here.csv"
    path.write_bytes(b"item\n5\n")
    message = failure("here", "items")
    assert message.startswith(f"here: altered file {path}: sha256 is {digest(path.read_bytes())}")
    assert digest(b"item\n4\n") in message
    assert message.endswith("restore it with `git checkout data/items/here.csv`")
    path.unlink()
    assert failure("here", "items").startswith(f"here: cannot read {path} (No such file")


def test_an_altered_file_of_the_cache(register, mirror):
    register(build_wheel(mirror))
    path = data.file("wheeled", "items")
    path.write_bytes(b"item\n0\n")
    message = failure("wheeled", "items")
    assert message.startswith(
        f"wheeled: altered file {path}: sha256 is {digest(path.read_bytes())}"
    )
    assert digest(MEMBERS["tiny/items.csv"]) in message
    assert message.endswith("delete it and run again")
    path.unlink()
    assert data.file("wheeled", "items").read_bytes() == MEMBERS["tiny/items.csv"]


@pytest.mark.parametrize(
    ("dataset", "name", "message"),
    [
        ("here", "item", "unknown file of here 'item'; nearest: items"),
        ("wheel", "items", "unknown data set 'wheel'; nearest: wheeled"),
    ],
)
def test_unknown_names(register, dataset, name, message):
    register()
    assert failure(dataset, name).startswith(message)


# Interruptions, full disks, two at once -----------------------------------------------------------


def half(content: str | Path, target: str | Path) -> None:
    Path(target).write_bytes(Path(content).read_bytes()[:3])
    raise KeyboardInterrupt


def interrupt(*_, **__) -> None:
    raise KeyboardInterrupt


def half_download(*_, path: str, fname: str, **__) -> None:
    (Path(path) / fname).write_bytes(b"it")
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("dataset", "name", "owner", "function", "broken"),
    [
        ("wheeled", "items", shutil, "move", half),
        ("wheeled", "items", os, "replace", interrupt),
        ("wheeled", "items", zipfile.ZipFile, "extract", interrupt),
        ("remote", "with space", data.pooch, "retrieve", half_download),
        ("remote", "with space", shutil, "move", half),
        ("remote", "with space", data, "check", interrupt),
    ],
)
def test_an_interruption_leaves_nothing_half_written(
    register, mirror, server, place, dataset, name, owner, function, broken
):
    register(build_wheel(mirror), server.address)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, function, broken)
        with pytest.raises(KeyboardInterrupt):
            data.file(dataset, name)
    assert left(place / "cache") == []
    assert left(place / "temporary") == []
    assert data.file(dataset, name).exists()


@pytest.mark.parametrize("dataset", ["wheeled", "remote"])
def test_a_full_disk(register, mirror, server, place, monkeypatch, dataset):
    register(build_wheel(mirror), server.address)

    def full(*_) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    name = "items" if dataset == "wheeled" else "with space"
    message = failure(dataset, name)
    assert message.startswith(f"{dataset}: cannot put {name}.csv into {place / 'cache'}")
    assert "(No space left on device); make room" in message
    assert left(place / "cache") == []


def test_a_cache_that_cannot_be_made(register, mirror, place, monkeypatch):
    register(build_wheel(mirror))
    (place / "file").touch()
    monkeypatch.setenv("VALUEGATE_CACHE", str(place / "file"))
    assert "set VALUEGATE_CACHE to another folder" in failure("wheeled", "items")


FETCH = "from valuegate import data; print(data.file('remote', 'big'))"


def fetching(root: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"VALUEGATE_ROOT": str(root), "TMPDIR": tempfile.gettempdir()}
    return subprocess.Popen(
        [sys.executable, "-c", FETCH], env=environment, stdout=subprocess.PIPE, text=True
    )


def test_processes_at_once_and_one_that_is_killed(register, server, place):
    """The first dies half way; of the next two one downloads, the other waits for it."""
    content = register(address=server.address)
    root = place / "project"
    (root / "data" / "registry.yml").write_text(str(content), encoding="utf-8")  # YAML reads it
    server.go_on.clear()
    with fetching(root) as killed:
        assert server.half_sent.wait(30)
        killed.send_signal(signal.SIGKILL)
    assert left(place / "cache") == []
    server.half_sent.clear()
    with fetching(root) as one, fetching(root) as two:
        assert server.half_sent.wait(30)
        time.sleep(0.5)
        assert left(place / "cache") == []
        server.go_on.set()
        found = {one.communicate(timeout=30)[0].strip(), two.communicate(timeout=30)[0].strip()}
    assert (one.returncode, two.returncode) == (0, 0)
    assert server.asked == ["/big.bin"] * 2  # the killed one's, and one for the other two
    (path,) = found
    assert Path(path).read_bytes() == REMOTE["big.bin"]
    assert left(place / "cache") == ["big.bin"]
