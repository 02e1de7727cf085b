"""Asks git whether a claim was declared before its result existed."""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path

import yaml

from valuegate import paths


def declared_first(id: str, result: Path) -> bool | None:
    """Return whether the claim's entry, as it stands, is older than the result in `result`.

    The entry counts from the commit that gave it its present wording, the result from the commit
    that gave it its present value. None where git cannot tell: no clone, not committed yet.
    """
    entries = _history(paths.PAPER / "claims.yml")
    values = _history(result)
    entry_since = _since([(c, _entry(text, id)) for c, text in entries])
    value_since = _since([(c, _value(text, id)) for c, text in values])
    if not entry_since or not value_since:
        return None
    if entry_since == value_since:
        return False
    found = _git("merge-base", "--is-ancestor", entry_since, value_since)
    return found is not None


def _since(states: list[tuple[str, object]]) -> str:
    """Return the oldest commit from which on the state is what it is in the newest."""
    if not states or states[0][1] is None:
        return ""
    since = states[0][0]
    for commit, state in states:
        if state != states[0][1]:
            break
        since = commit
    return since


@functools.cache
def _history(path: Path) -> list[tuple[str, str]]:
    """Return (commit, content) of every version of a file, newest first."""
    name = path.relative_to(paths.ROOT).as_posix()
    commits = (_git("log", "--format=%H", "--", name) or "").split()
    return [(commit, _git("show", f"{commit}:{name}") or "") for commit in commits]


@functools.cache
def _parsed(text: str) -> object:
    try:
        return json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        return None


def _entry(text: str, id: str) -> object:
    entries = _parsed(text)
    return next((e for e in entries if e["id"] == id), None) if isinstance(entries, list) else None


def _value(text: str, id: str) -> object:
    content = _parsed(text)
    found = content.get("claims", []) if isinstance(content, dict) else []
    claim = next((c for c in found if c["id"] == id), None)
    return None if claim is None else (claim["value"], str(claim["ci"]), claim["n"])


def _git(*arguments: str) -> str | None:
    try:
        run = subprocess.run(
            ["git", *arguments], cwd=paths.ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout
