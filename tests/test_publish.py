"""What may be published, what counts as a change of the sources, and how runs compare."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from valuegate import config, paper, paths, publish
from valuegate.errors import ValueGateError


def git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=A Tester", "-c", "user.email=tester@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """Return a repository with one committed file in each kind of place."""
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for name in (*WRITTEN, *SOURCES):
        write(tmp_path, name)
    (tmp_path / ".gitignore").write_text("build/\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "All")
    return tmp_path


def write(root: Path, name: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + name)


WRITTEN = [
    "figures/02_lens.svg", "figures/02_lens.json", "paper/claims/02.json",
    "paper/notebooks/02_misfired_alignment.html", "paper/valuegate.pdf", "paper/valuegate.html",
    "paper/audit.html", "data/results/manifest.json", "data/results/02/evidence--m.parquet",
    "notebooks/02_misfired_alignment.ipynb",
]  # fmt: skip
SOURCES = [
    "src/valuegate/misfire.py", "paper/paper.md", "paper/claims.yml", "paper/constants.yml",
    "notebooks/02_misfired_alignment.py", "notebooks/profiles/default.yml", "data/registry.yml",
    "data/items/misfire_published.csv", "requirements.lock", "a file.md",
]  # fmt: skip


def test_a_clean_clone_has_no_changes(repository):
    assert publish.uncommitted() == []
    write(repository, "build/default/claims/02.json")  # ignored
    assert publish.uncommitted() == []


@pytest.mark.parametrize("name", WRITTEN)
def test_what_publish_writes_itself_is_no_change(repository, name):
    write(repository, name)
    assert publish.uncommitted() == []
    (repository / name).unlink()
    assert publish.uncommitted() == []


@pytest.mark.parametrize("name", SOURCES)
def test_a_changed_source_is(repository, name):
    write(repository, name)
    assert publish.uncommitted() == [name]
    git(repository, "add", "--all")  # staged is not committed
    assert publish.uncommitted() == [name]
    git(repository, "commit", "--quiet", "--message", "Change")
    assert publish.uncommitted() == []


def test_new_lost_and_renamed_sources_are_changes(repository):
    write(repository, "src/valuegate/new/deep.py")
    write(repository, "notebooks/03_moral_indifference.py")
    write(repository, "figures/03_new.svg")
    (repository / "paper/paper.md").unlink()
    git(repository, "mv", "data/registry.yml", "data/sources.yml")
    found = publish.uncommitted()
    assert found[:-1] == sorted(found[:-1])
    for name in (
        "src/valuegate/new/deep.py", "notebooks/03_moral_indifference.py", "paper/paper.md"
    ):  # fmt: skip
        assert name in found
    assert any("data/sources.yml" in name for name in found)
    assert len(found) == 4


def test_without_a_clone_nothing_is_published(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(ValueGateError, match="git status failed; is this a clone"):
        publish.uncommitted()


@pytest.mark.parametrize(
    ("profile", "models", "publishable"),
    [
        ("default", "", True),
        ("default", "smollm2-135m-instruct", True),  # the profile's own
        ("smoke", "", False),
        ("default", "qwen3-8b", False),
        ("default", "smollm2-135m-instruct,qwen3-8b", False),
    ],
)
def test_only_the_whole_default_profile_is_published(profile, models, publishable, monkeypatch):
    run = config.run(profile, "", models)
    assert publish.is_publishable(run) is publishable
    monkeypatch.setattr(publish, "uncommitted", lambda: ["paper/paper.md"])
    reason = "commit your sources first: paper/paper.md" if publishable else "only the whole def"
    with pytest.raises(ValueGateError, match=f"publish: {reason}"):
        publish.publish(run)


def test_a_part_of_the_sections_is_not_published():
    run = config.run("default")
    assert not publish.is_publishable(run.model_copy(update={"sections": ()}))


# Copies and comparisons --------------------------------------------------------------------------


def test_a_folder_is_made_to_hold_exactly_what_another_does(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    for name in ("a.csv", "deep/b.csv"):
        write(source, name)
    for name in ("a.csv", "stale.csv", "deep/stale.csv"):
        write(target, name)
    publish._copy_folder(source, target)
    names = sorted(p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file())
    assert names == ["a.csv", "deep/b.csv"]
    assert (target / "a.csv").read_text() == "a.csv"
    assert sorted(p.name for p in source.rglob("*") if p.is_file()) == ["a.csv", "b.csv"]


def write_claims(folder: Path, values: dict[str, float]) -> None:
    folder.mkdir(parents=True)
    entries = [
        {"id": id, "value": value, "ci": None, "n": 1, "clusters": None, "unit": "", "test": "",
         "null": None, "p": None, "model": "", "provenance": {}}
        for id, value in values.items()
    ]  # fmt: skip
    (folder / "02.json").write_text(json.dumps({"claims": entries}))


def test_a_run_is_compared_within_the_declared_tolerances(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PAPER", tmp_path / "published")
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    (tmp_path / "published").mkdir()
    (tmp_path / "published/claims.yml").write_text(
        "".join(
            f"- {{id: x.{id}, says: s, expect: {{above: 0}}, tolerance: 0.1, testable: t}}\n"
            for id in "abcd"
        )
    )
    ours = paper.run_record("default")
    assert publish.compare(ours).line() == "nothing is published yet to compare with"
    write_claims(tmp_path / "published/claims", {"x.a": 1, "x.b": 1, "x.c": 1, "x.gone": 1})
    write_claims(ours.claims, {"x.a": 1.05, "x.b": 1.2, "x.d": 1, "x.gone": 1})
    found = publish.compare(ours)
    # x.c is no longer measured and x.d was never published: neither is a silent agreement.
    assert (found.equal, found.differ) == (["x.a"], ["x.b", "x.c", "x.d"])
    assert found.line().endswith("; differ: x.b, x.c, x.d")
