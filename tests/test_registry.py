"""The registry: what it says of every source, and what it says when it is wrong."""

from __future__ import annotations

import re

import pytest

from valuegate import paths, registry
from valuegate.config import SECTIONS
from valuegate.errors import ValueGateError
from valuegate.registry import Registry
from valuegate.schema import read_yaml

DATASETS = sorted(registry.load().datasets)
MODELS = sorted(registry.load().models)
SHA = re.compile(r"[0-9a-f]{64}")
COMMIT = re.compile(r"[0-9a-f]{40}")

# Hashes; with a letter each, because YAML reads digits alone as a number.
ONE, TWO, THREE, FOUR, FIVE, SIX = (f"{digit}f" * 32 for digit in "123456")
PIN, OTHER_PIN, COMMIT_THERE = "b1" * 20, "c1" * 20, "a1" * 20

# The smallest registry with a source of every kind; line numbers below count in it.
SMALL = f"""\
datasets:
  here:
    title: Here
    licence: MIT
    citation: Us 2026.
    used_by: [01_alignment_veto]
    source:
      kind: embedded
      files:
        items: {{path: data/items/here.csv, sha256: {ONE}}}
  there:
    title: There
    licence: MIT
    citation: Them 2026.
    used_by: [01_alignment_veto]
    source:
      kind: url
      repository: example.org/there
      commit: {COMMIT_THERE}
      url: https://example.org/
      files:
        items: {{path: there.csv, sha256: {TWO}}}
models:
  base:
    title: Base
    licence: MIT
    citation: Them 2026.
    used_by: [01_alignment_veto]
    parameters: 1000
    source:
      kind: wheel
      package: base-model
      version: 1.0.0
      sha256: {THREE}
      megabytes: 1
      files:
        gguf: {{path: base/model.gguf, sha256: {FOUR}}}
  adapted:
    title: Adapted
    licence: MIT
    citation: Us 2026.
    used_by: [01_alignment_veto]
    parameters: 1000
    source:
      kind: adapter
      base: base
      path: data/worlds/adapter.safetensors
      sha256: {FIVE}
  hub:
    title: Hub
    licence: MIT
    citation: Them 2026.
    used_by: [01_alignment_veto]
    parameters: 1000
    source:
      kind: hub
      repository: them/hub
      revision: {PIN}
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return a function that makes a changed copy of the small registry the one in use."""

    def use(*changes: tuple[str, str]) -> Registry:
        text = SMALL
        for before, after in changes:
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        path = tmp_path / "registry.yml"
        path.write_text(text, encoding="utf-8")
        found = read_yaml(path, Registry)
        monkeypatch.setattr(registry, "load", lambda: found)
        return found

    return use


# The file in this repository ----------------------------------------------------------------------


@pytest.mark.parametrize("name", DATASETS + MODELS)
def test_every_entry_says_whose_it_is(name):
    entry = (registry.load().datasets | registry.load().models)[name]
    assert len(entry.title) > 3
    assert entry.licence.strip()
    assert re.search(r"\b(19|20)\d\d\b", entry.citation), "a citation has a year"
    assert entry.used_by
    assert set(entry.used_by) <= set(SECTIONS.values())


@pytest.mark.parametrize("name", DATASETS + MODELS)
def test_every_source_is_pinned(name):
    source = (registry.load().datasets | registry.load().models)[name].source
    match source.kind:
        case "url":
            assert COMMIT.fullmatch(source.commit)
            assert source.commit in source.url, "the address must hold the commit"
        case "wheel":
            assert SHA.fullmatch(source.sha256)
            assert re.fullmatch(r"\d+(\.\d+)+", source.version)
        case "hub":
            assert source.revision is None or COMMIT.fullmatch(source.revision)
        case "adapter":
            assert SHA.fullmatch(source.sha256)
            assert source.base in MODELS
    hashes = [file.sha256 for file in getattr(source, "files", {}).values()]
    assert all(SHA.fullmatch(found) for found in hashes)
    assert len(set(hashes)) == len(hashes), "two files of a source with one hash: a slip of copying"


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_has_files_inside_its_source(name):
    files = registry.load().datasets[name].source.files
    assert files
    for file in files.values():
        assert not file.path.startswith("/")
        assert ".." not in file.path.split("/")


def test_names_are_given_once():
    """YAML keeps the last of two equal keys and says nothing."""
    text = (paths.DATA / "registry.yml").read_text(encoding="utf-8")
    assert re.findall(r"^  ([^\s#]\S*):$", text, re.MULTILINE) == [
        *registry.load().datasets,
        *registry.load().models,
    ]


def test_third_party_is_the_registry():
    text = (paths.ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
    assert text == registry.third_party(), "run `valuegate third-party`"


def test_third_party_has_a_line_an_entry(load):
    load(("title: Here\n    licence: MIT", "title: Here\n    licence: MIT | BSD"))
    lines = registry.third_party().splitlines()
    assert "| here | in this repository | MIT \\| BSD | Us 2026. | 01_alignment_veto |" in lines
    assert [line.split(" | ")[1] for line in lines if line.endswith("01_alignment_veto |")] == [
        "in this repository",
        "example.org/there at a1a1a1a1a1a1",
        "PyPI wheel base-model 1.0.0",
        "adapter in this repository over base",
        "Hugging Face them/hub at b1b1b1b1b1b1",
    ]


# Fingerprints -------------------------------------------------------------------------------------

BASE, HUB, ADAPTED = f"sha256:{FOUR}", f"hub:them/hub@{PIN}", f"+sha256:{FIVE}"


def test_fingerprints(load):
    load()
    found = {name: registry.fingerprint(name) for name in ("base", "hub", "adapted")}
    assert found == {"base": BASE, "hub": HUB, "adapted": BASE + ADAPTED}


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ((FOUR, SIX), {"base", "adapted"}),  # an adapter's holds its base's
        ((FIVE, SIX), {"adapted"}),
        ((PIN, OTHER_PIN), {"hub"}),
        (("title: Base", "chat_template: plain\n    title: Base"), {"base", "adapted"}),
        (("title: Adapted", "chat_template: plain\n    title: Adapted"), {"adapted"}),
        (("title: Hub", "chat_template: plain\n    title: Hub"), {"hub"}),
        (("title: Hub", "title: Nave"), set()),
    ],
)
def test_a_fingerprint_changes_with_what_the_model_is(load, change, changed):
    load()
    before = {name: registry.fingerprint(name) for name in ("base", "hub", "adapted")}
    load(change)
    after = {name: registry.fingerprint(name) for name in before}
    assert {name for name in before if before[name] != after[name]} == changed


def test_templates_are_told_apart(load):
    found = set()
    for template in ("plain", "'{{ messages }}'", "'{{ messages[0] }}'"):
        load(("title: Hub", f"chat_template: {template}\n    title: Hub"))
        found.add(registry.fingerprint("hub"))
    assert len(found) == 3


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [("title: Hub", "chat_template: plain\n    title: Hub")],
        [("base: base", "base: hub")],
    ],
)
def test_unpinned(load, changes):
    load((PIN, "null"), *changes)
    assert registry.fingerprint("hub") == "unpinned"
    over_it = bool(changes) and changes[0][1] == "base: hub"
    assert (registry.fingerprint("adapted") == "unpinned") == over_it


# Unknown names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("look", "name", "message"),
    [
        (registry.dataset, "xtest", "unknown data set 'xtest'; nearest: xstest"),
        (registry.dataset, "BBQ", "unknown data set 'BBQ'; nearest: bbq"),
        (registry.model, "qwen3", "unknown model 'qwen3'; nearest: qwen3-8b"),
        (registry.fingerprint, "smolm2-135m", "unknown model 'smolm2-135m'; nearest: smollm2-135m"),
    ],
)
def test_unknown_names_are_answered_with_near_ones(look, name, message):
    with pytest.raises(ValueGateError) as error:
        look(name)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_name_like_no_other_is_answered_with_what_exists(load):
    load()
    with pytest.raises(ValueGateError, match=r"^unknown data set '\?'; nearest: here, there$"):
        registry.dataset("?")


# A broken file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("    title: Here\n", "    title: [Here\n"), r":4: broken YAML: "),
        (("    title: There\n", "\ttitle: There\n"), r":12: broken YAML: .*\\t"),
        (("    title: Here\n", "    tittle: Here\n"), r":2: datasets.here.title: Field required"),
        (
            ("title: Here", "title: Here\n    colour: red"),
            r":4: datasets.here.colour: Extra inputs are not permitted",
        ),
        (
            (ONE, ONE[1:]),
            r":10: datasets.here.source.embedded.files.items.sha256: String should match",
        ),
        ((TWO, "G" * 64), r":22: .*sha256: String should match"),
        ((COMMIT_THERE, "main"), r":19: datasets.there.source.url.commit: String should match"),
        (("      version: 1.0.0\n", ""), r":30: models.base.source.wheel.version: Field required"),
        (("kind: url", "kind: ftp"), r":16: datasets.there.source: Input tag 'ftp'"),
        (("citation: Us 2026.\n    used_by: [01_alignment_veto]\n    parameters: 1000",
          "citation: Us 2026.\n    used_by: [01_alignment_veto]\n    parameters: 0"),
         r":43: models.adapted.parameters: Input should be greater than 0"),
        (("models:\n", "modells:\n"), r":1: models: Field required"),
        (("    source:\n      kind: emb", "source:\n      kind: emb"), r":11: broken YAML: "),
        (("      url: https://example.org/\n", "      url: 3\n"), r":20: .*there.source.url.url: "),
        (("      url: https://example.org/\n", ""), r":16: .*source.url.url: Field required"),
        (("title: Here", "title: H\0re"), r": broken YAML: "),
    ],
)  # fmt: skip
def test_a_broken_registry_is_one_line_with_its_place(load, change, message):
    with pytest.raises(ValueGateError) as error:
        load(change)
    assert re.search(r"registry\.yml" + message, str(error.value)), str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"registry\.yml:1: \(top\): Input should be"),
        (b"- a\n- b\n", r"registry\.yml:1: \(top\): Input should be"),
        ("datasets:\n  caf\xe9: 1\n".encode("latin-1"), r"registry\.yml:2: not UTF-8 text"),
    ],
)
def test_a_file_that_is_no_registry(tmp_path, content, message):
    path = tmp_path / "registry.yml"
    path.write_bytes(content)
    with pytest.raises(ValueGateError, match=message):
        read_yaml(path, Registry)


def test_no_file(tmp_path):
    with pytest.raises(ValueGateError, match=r"none\.yml: cannot be read \(No such file"):
        read_yaml(tmp_path / "none.yml", Registry)
