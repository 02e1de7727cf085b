"""Whether a claim was declared before its result, asked of small repositories made here."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from valuegate import history, paths


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "PAPER", tmp_path / "paper")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "paper/claims").mkdir(parents=True)
    history._history.cache_clear()
    yield tmp_path
    history._history.cache_clear()


def git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=A Tester", "-c", "user.email=tester@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)


def declare(root: Path, says: str = "It is.", other: str = "Other.") -> None:
    (root / "paper/claims.yml").write_text(
        f"- {{id: x.b, says: {other}}}\n- {{id: x.a, says: {says}}}\n"
    )


def measure(root: Path, value: float = 1.0, other: float = 1.0, n: int = 3) -> None:
    entries = [
        {"id": id, "value": v, "ci": [0, 1], "n": n} for id, v in (("x.a", value), ("x.b", other))
    ]
    (root / "paper/claims/02.json").write_text(json.dumps({"claims": entries}))


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "A step")


def step(root: Path, *actions) -> None:
    for action in actions:
        action(root)
    commit(root)


def reworded(root: Path) -> None:
    declare(root, "It is not.")


def measured_anew(root: Path) -> None:
    measure(root, 2.0)


def other_reworded(root: Path) -> None:
    declare(root, other="Another.")


def other_measured_anew(root: Path) -> None:
    measure(root, other=2.0)


def nothing(root: Path) -> None:
    (root / "README").write_text("more")


STORIES = {
    "declared, then measured": ([[declare], [measure]], True),
    "with commits between": ([[declare], [nothing], [measure], [nothing]], True),
    "in one commit": ([[declare, measure]], False),
    "measured, then declared": ([[measure], [declare]], False),
    "reworded after the result": ([[declare], [measure], [reworded]], False),
    "reworded with the result": ([[declare], [measure, reworded]], False),
    "reworded before the result": ([[declare], [reworded], [measure]], True),
    "reworded, then measured anew": ([[declare], [measure], [reworded], [measured_anew]], True),
    "reworded and put back": ([[declare], [measure], [reworded], [declare]], False),
    "measured anew": ([[declare], [measure], [measured_anew]], True),
    "another claim reworded": ([[declare], [measure], [other_reworded]], True),
    "another claim measured anew": (
        [[measure], [declare], [other_measured_anew]],
        False,  # this one's value is older than its entry still
    ),
    "not measured": ([[declare]], None),
    "not declared": ([[measure]], None),
}


@pytest.mark.parametrize("name", STORIES)
def test_declared_first(repository, name):
    steps, expected = STORIES[name]
    git(repository, "init", "--quiet")
    for actions in steps:
        step(repository, *actions)
    assert history.declared_first("x.a", repository / "paper/claims/02.json") is expected


def test_an_unknown_claim_was_never_declared(repository):
    git(repository, "init", "--quiet")
    step(repository, declare)
    step(repository, measure)
    assert history.declared_first("x.c", repository / "paper/claims/02.json") is None


def test_without_git_nobody_can_tell(repository, monkeypatch):
    declare(repository)
    measure(repository)
    result = repository / "paper/claims/02.json"
    assert history.declared_first("x.a", result) is None  # no clone
    git(repository, "init", "--quiet")
    history._history.cache_clear()
    assert history.declared_first("x.a", result) is None  # not committed yet
    step(repository, declare)
    history._history.cache_clear()
    monkeypatch.setenv("PATH", "")
    assert history.declared_first("x.a", result) is None  # no git


def test_a_branch_that_was_merged_in_counts_as_before(repository):
    git(repository, "init", "--quiet", "--initial-branch", "main")
    step(repository, nothing)
    git(repository, "switch", "--quiet", "--create", "claims")
    step(repository, declare)
    git(repository, "switch", "--quiet", "main")
    git(repository, "merge", "--quiet", "--no-ff", "claims", "--message", "Merge")
    step(repository, measure)
    assert history.declared_first("x.a", repository / "paper/claims/02.json") is True


def test_a_version_that_was_broken_is_no_version(repository):
    git(repository, "init", "--quiet")
    step(repository, declare)
    (repository / "paper/claims.yml").write_text("- {id: [")
    commit(repository)
    step(repository, declare)
    step(repository, measure)
    assert history.declared_first("x.a", repository / "paper/claims/02.json") is True
