"""Reads the project's YAML files and validates them: profiles here, other schemas by their owners.

Every mistake is reported as one line with the file and the line it stands on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from valuegate import paths
from valuegate.errors import ValueGateError, unknown

T = TypeVar("T")

SECTIONS = {
    "01": "01_alignment_veto",
    "02": "02_misfired_alignment",
    "03": "03_moral_indifference",
    "04": "04_neutral_mask",
    "05": "05_refusal_geometry",
    "06": "06_calibration",
    "07": "07_one_gate",
}


class Strict(BaseModel):
    """Base of every schema: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_yaml(path: Path, schema: type[T] | Any) -> T:
    """Return the file's content as `schema` (a pydantic model or any type it can check).

    Raises:
        ValueGateError: no such file, broken YAML or a value that the schema refuses; the message
            starts with `file:line`.
    """
    name = path.relative_to(paths.ROOT) if path.is_relative_to(paths.ROOT) else path
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueGateError(f"{name}: cannot be read ({error.strerror})") from error
    try:
        content = yaml.safe_load(text)
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ValueGateError(f"{name}{line}: broken YAML: {problem}") from error
    try:
        return TypeAdapter(schema).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "(top)"
        line = _line_of(tree, first["loc"])
        raise ValueGateError(f"{name}:{line}: {where}: {first['msg']}") from error


def _line_of(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """Return the line (from 1) of the deepest part of `location` that exists in the file."""
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if pair is None:  # a tag of a union, or a key that is missing
                continue
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and part in range(len(node.value)):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


class Profile(Strict):
    """How much is measured: which sections, which models, how many items of each."""

    name: str = Field(pattern=r"^[a-z_]+$")
    title: str
    budget_tokens: int = Field(gt=0, description="most forward tokens that the plan may cost")
    models: tuple[str, ...] = Field(min_length=1)
    sections: dict[str, dict[str, int | float | str | bool | None]]


def profile(name: str) -> Profile:
    """Return the profile stored as `notebooks/profiles/<name>.yml`."""
    known = [path.stem for path in paths.PROFILES.glob("*.yml")]
    if name not in known:
        raise unknown("profile", name, known)
    found = read_yaml(paths.PROFILES / f"{name}.yml", Profile)
    for section in found.sections:
        if section not in SECTIONS.values():
            raise unknown("section", section, SECTIONS.values())
    return found


def sections(chosen: str, within: Profile) -> list[str]:
    """Return the full names of the sections in `chosen` ("02,05" or full names; "" is all)."""
    if not chosen.strip():
        return sorted(within.sections)
    names = []
    for part in chosen.replace(",", " ").split():
        name = SECTIONS.get(part, part)
        if name not in within.sections:
            raise unknown("section", part, [*within.sections, *(s[:2] for s in within.sections)])
        names.append(name)
    return sorted(set(names))
