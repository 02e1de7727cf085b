"""Data sets and models by name: where they come from, their hashes, licences and citations.

Knows what exists and never fetches anything; `data` and `models` do that.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Annotated, Literal

from pydantic import Field

from valuegate import paths
from valuegate.errors import unknown
from valuegate.schema import Strict, read_yaml

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
UNPINNED = "unpinned"


class File(Strict):
    """One file of a source: its short name, its path inside the source, its hash."""

    path: str
    sha256: Sha256


class Embedded(Strict):
    """A file of this repository."""

    kind: Literal["embedded"]
    files: dict[str, File]


class Wheel(Strict):
    """Members of a wheel on PyPI: downloaded without its dependencies, never installed."""

    kind: Literal["wheel"]
    package: str
    version: str
    sha256: Sha256
    megabytes: int
    files: dict[str, File]


class Url(Strict):
    """Files of a public repository at a pinned commit; `url` + `path` is the address."""

    kind: Literal["url"]
    repository: str
    commit: Commit
    url: str
    files: dict[str, File]


class Hub(Strict):
    """A model on the Hugging Face hub; `revision: null` means nobody has pinned it yet."""

    kind: Literal["hub"]
    repository: str
    revision: Commit | None
    gated: bool = False


class Adapter(Strict):
    """A LoRA adapter of this repository over another registered model."""

    kind: Literal["adapter"]
    base: str
    path: str
    sha256: Sha256


class Entry(Strict):
    """What data sets and models have in common."""

    title: str
    licence: str
    citation: str
    used_by: tuple[str, ...]
    notes: str = ""


class Dataset(Entry):
    """A data set."""

    source: Annotated[Embedded | Wheel | Url, Field(discriminator="kind")]


class Model(Entry):
    """A language model; `chat_template` overrides the tokenizer's ("plain" is the text as is)."""

    source: Annotated[Wheel | Hub | Adapter, Field(discriminator="kind")]
    parameters: int = Field(gt=0)
    chat_template: str | None = None


class Registry(Strict):
    """The whole of `data/registry.yml`."""

    datasets: dict[str, Dataset]
    models: dict[str, Model]


@functools.cache
def load() -> Registry:
    """Return the validated registry."""
    return read_yaml(paths.DATA / "registry.yml", Registry)


def dataset(name: str) -> Dataset:
    """Return the data set called `name`."""
    found = load().datasets
    if name not in found:
        raise unknown("data set", name, found)
    return found[name]


def model(name: str) -> Model:
    """Return the model called `name`."""
    found = load().models
    if name not in found:
        raise unknown("model", name, found)
    return found[name]


def root(name: str) -> str:
    """Return the model that a model was adapted from, through all adapters; itself if from none."""
    source = model(name).source
    return root(source.base) if isinstance(source, Adapter) else name


def fingerprint(name: str) -> str:
    """Return what identifies the weights of a model, without loading them.

    Hashes for files, the pinned revision for the hub; an adapter's holds its base's. A model whose
    revision, or whose base's, is not pinned has the fingerprint "unpinned".
    """
    entry, weights = model(name), _weights(name)
    if entry.chat_template and weights != UNPINNED:  # an override changes what the model reads
        digest = hashlib.sha256(entry.chat_template.encode()).hexdigest()[:16]
        return f"{weights}+template:{digest}"
    return weights


def _weights(name: str) -> str:
    match model(name).source:
        case Wheel(files=files):
            return "sha256:" + next(iter(files.values())).sha256
        case Hub(repository=repository, revision=revision):
            return f"hub:{repository}@{revision}" if revision else UNPINNED
        case Adapter(base=base, sha256=sha256):
            below = fingerprint(base)
            return UNPINNED if below == UNPINNED else f"{below}+sha256:{sha256}"


def third_party() -> str:
    """Return THIRD_PARTY.md: every registered source with licence and citation."""
    lines = [
        "# Third-party data and models",
        "",
        "Written by `valuegate third-party` from `data/registry.yml`; a test keeps the",
        "two equal. None of these files is in this repository unless the source says so.",
    ]
    for heading, entries in (("Data sets", load().datasets), ("Models", load().models)):
        lines += ["", f"## {heading}", "", "| name | source | licence | citation | used by |"]
        lines += ["|---|---|---|---|---|"]
        for name, entry in entries.items():
            cells = [name, _source_line(entry.source), entry.licence, entry.citation]
            cells.append(", ".join(entry.used_by))
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _source_line(source: Embedded | Wheel | Url | Hub | Adapter) -> str:
    match source:
        case Embedded():
            return "in this repository"
        case Wheel():
            return f"PyPI wheel {source.package} {source.version}"
        case Url():
            return f"{source.repository} at {source.commit[:12]}"
        case Hub():
            pinned = f"at {source.revision[:12]}" if source.revision else "(revision not pinned)"
            return f"Hugging Face {source.repository} {pinned}"
        case Adapter():
            return f"adapter in this repository over {source.base}"
