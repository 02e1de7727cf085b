"""The command line: what it prints, and that every mistake is one line and status 2."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest

from valuegate import cli, paths, registry
from valuegate.registry import Registry

BBQ_PAIRS = 2032
BBQ_SHA256 = "abbeb3156fd6817d08c6d2d829ce9372cd8b3f38a0de12d5d7944a82dabc8889"


@pytest.fixture(autouse=True)
def _signals():
    """`main` sets a handler for SIGTERM; put back what was there."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs a command line: its status, and what it wrote to both streams."""

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["valuegate", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A registry of two small embedded data sets."""
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    sets = {}
    for name in ("first", "second"):
        (tmp_path / f"{name}.csv").write_text(f"item\n{name}\n")
        sha256 = hashlib.sha256(f"item\n{name}\n".encode()).hexdigest()
        files = {"items": {"path": f"{name}.csv", "sha256": sha256}}
        about = {"title": name, "licence": "MIT", "citation": "Us 2026.", "used_by": ["01_a"]}
        sets[name] = about | {"source": {"kind": "embedded", "files": files}}
    found = Registry.model_validate({"datasets": sets, "models": {}})
    monkeypatch.setattr(registry, "load", lambda: found)
    return tmp_path


def program(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "valuegate.cli", *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


# Mistakes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plan", "--profile", "smok"], "unknown profile 'smok'; nearest: smoke"),
        (["paper", "--profile", "defalt"], "unknown profile 'defalt'; nearest: default"),
        (["audit", "--profile", "fool"], "unknown profile 'fool'; nearest: full"),
        (["tex", "--profile", "publik"], "unknown profile 'publik'; nearest: public"),
        (["plan", "--sections", "2"], "unknown section '2'; nearest: A2, 02"),
        (["paper", "--sections", "02,9"], "unknown section '9'; nearest: "),
        (["plan", "--models", "smollm"], "unknown model 'smollm'; nearest: smollm2-135m"),
        (["paper", "--models", "qwen-3-8b"], "unknown model 'qwen-3-8b'; nearest: qwen3-8b"),
        (["data", "get", "xtest"], "unknown data set 'xtest'; nearest: xstest"),
        (["data", "verify", "bqb"], "unknown data set 'bqb'; nearest: bbq"),
    ],
)
def test_an_unknown_name(run, words, message):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert err.startswith(f"valuegate: {message}")
    assert err.count("\n") == 1


def test_the_program_ends_as_its_function_does():
    done = program("plan", "--profile", "smok")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("valuegate: unknown profile 'smok'; nearest: smoke")
    assert done.stderr.count("\n") == 1


def test_a_broken_registry(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/registry.yml").write_text("datasets: {}\nmodels: {}\nextra: 1\n")
    done = program("data", "list", VALUEGATE_ROOT=str(tmp_path))
    assert done.returncode == 2
    place = "data/registry.yml:3: extra: Extra inputs are not permitted"
    assert (done.stdout, done.stderr) == ("", f"valuegate: {place}\n")


@pytest.mark.parametrize("words", [["plan", "--profil", "smoke"], ["plam"], ["data", "fetch"]])
def test_an_unknown_word(run, words):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert "Traceback" not in err
    assert words[-1 if words[0] != "plan" else 1] in err


def test_an_altered_file(run, tiny):
    (tiny / "second.csv").write_text("item\nother\n")
    status, out, err = run("data", "verify")
    assert status == 2
    assert out == "first: 1 files match their hashes\n"
    assert err.startswith(f"valuegate: second: altered file {tiny / 'second.csv'}: sha256 is ")
    assert err.count("\n") == 1


# What is printed ----------------------------------------------------------------------------------


def test_data_list(run):
    status, out, err = run("data", "list")
    assert (status, err) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert list(lines) == list(registry.load().datasets)
    assert lines["bbq"].split() == ["wheel", "CC-BY-4.0", "sections", "02"]


def test_models_list(run):
    status, out, err = run("models", "list")
    assert (status, err) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert list(lines) == list(registry.load().models)
    assert lines["smollm2-135m-instruct"].split() == ["wheel", "0.13B", "Apache-2.0"]
    for name, entry in registry.load().models.items():
        unpinned = entry.source.kind == "hub" and entry.source.revision is None
        assert lines[name].endswith("revision not pinned") == unpinned, name


def test_data_get_and_verify(run, tiny):
    assert run("data", "get", "first") == (0, f"items\t{tiny / 'first.csv'}\n", "")
    assert run("data", "verify", "first") == (0, "first: 1 files match their hashes\n", "")
    assert run("data", "verify")[1].splitlines() == [
        "first: 1 files match their hashes",
        "second: 1 files match their hashes",
    ]


def test_third_party(run, tiny):
    assert run("third-party") == (0, "written: THIRD_PARTY.md\n", "")
    assert (tiny / "THIRD_PARTY.md").read_text() == registry.third_party()


def test_every_command_has_a_line_of_help(run):
    status, out, _ = run("--help")
    assert status == 0
    for name in ("paper", "plan", "replay", "audit", "publish", "tex", "data", "models", "export"):
        assert any(name in line.split() and len(line.split()) > 4 for line in out.splitlines())


# Without torch ------------------------------------------------------------------------------------

LIGHT = """
import sys
sys.argv = ["valuegate", *sys.argv[1:]]
from valuegate import cli
if sys.argv[1:]:
    try:
        cli.main()
    except SystemExit as ended:
        assert not ended.code, ended.code
heavy = {"torch", "transformers", "peft", "sae_lens"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize(
    "words", [[], ["data", "list"], pytest.param(["plan"], marks=pytest.mark.model)], ids=" ".join
)
def test_torch_is_not_loaded(words):
    command = [sys.executable, "-c", LIGHT, *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.model
def test_plan(run):
    status, out, err = run("plan", "--profile", "smoke")
    assert (status, err) == (0, "")
    *lines, total = out.splitlines()
    by_label = {line.split()[0]: int(line.split()[1].replace(",", "")) for line in lines}
    # Four prompts a pair, a scenario of each of eight categories.
    assert by_label["02_misfired_alignment/evidence/smollm2-135m-instruct"] == 4 * 8
    tokens = sum(int(line.split()[3].replace(",", "")) for line in lines)
    assert total.startswith(f"{tokens:,} of 200,000 tokens budgeted; about ")


# Export -------------------------------------------------------------------------------------------


@pytest.mark.model
def test_export_veto_pairs(run, tmp_path):
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    status, out, err = run("export", "veto-pairs", str(one))
    assert (status, out, err) == (0, f"written: {one} ({BBQ_PAIRS:,} pairs)\n", "")
    assert program("export", "veto-pairs", str(two), PYTHONHASHSEED="1").returncode == 0
    assert one.read_bytes() == two.read_bytes()
    assert hashlib.sha256(one.read_bytes()).hexdigest() == BBQ_SHA256
    rows = [json.loads(line) for line in one.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len({row["id"] for row in rows}) == BBQ_PAIRS
    keys = ["id", "category", "stereotyped", "contrast", "expected", "priming"]
    assert all(list(row) == keys for row in rows)
    assert {row["expected"] for row in rows} == {"yes"}
