"""Reads YAML files against a schema; every mistake is one line with the file and its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from valuegate import paths
from valuegate.errors import ValueGateError

T = TypeVar("T")


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
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueGateError(f"{name}:{line}: not UTF-8 text") from error
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
    line, tagged = 1, None
    for part in location:
        if isinstance(node, yaml.MappingNode):
            keys = {key.value: (key, value) for key, value in node.value}
            if node is not tagged and "kind" in keys and keys["kind"][1].value == part:
                tagged = node  # the tag of a union, which may be called as a key is ("url")
                continue
            pair = keys.get(str(part))
            if pair is None:  # a key that is missing
                continue
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and part in range(len(node.value)):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line
