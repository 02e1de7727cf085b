"""Hashes the code that a function uses: its syntax tree and that of all it reaches in this package.

Docstrings, comments and layout do not count, nor does code that is not reached. Reads source files
only: nothing is imported, so hashing what runs a model does not load torch.
"""

from __future__ import annotations

import ast
import copy
import functools
import hashlib
from pathlib import Path
from typing import Any

from valuegate import paths
from valuegate.errors import ValueGateError

PACKAGE = "valuegate"
Symbol = tuple[str, str]  # (module without the package's name, top-level name)


def code_hash(target: str) -> str:
    """Return the hash of `module:function` (`misfire:score`) and of all that it uses here."""
    module, _, name = target.partition(":")
    if name not in _symbols(module):
        raise ValueGateError(f"no {name!r} in module {PACKAGE}.{module}")
    return _hash_closure({(module, name)})


def script_hash(source: Path) -> str:
    """Return the hash of a script's code (a notebook's .py half) and of all that it uses here.

    Where its cells are divided counts, prose does not: claims are recorded with their cell.
    """
    text = source.read_text(encoding="utf-8")
    tree = ast.parse(text)
    marks = [n for n, line in enumerate(text.splitlines(), start=1) if line.startswith("# %%")]
    before = [sum(node.lineno < mark for node in tree.body) for mark in marks]
    own = f"{_dump(_without_docstrings(tree))}\n{before}"
    return _hash_closure(_uses(tree, _imports(tree)), own)


def reached(target: str) -> set[Symbol]:
    """Return every (module, name) of this package that `module:function` uses."""
    module, _, name = target.partition(":")
    return _closure({(module, name)})


def _hash_closure(start: set[Symbol], text: str = "") -> str:
    parts = [text]
    for module, name in sorted(_closure(start)):
        parts.append(f"{module}:{name}:{_dumped(module, name)}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _closure(start: set[Symbol]) -> set[Symbol]:
    found: set[Symbol] = set()
    waiting = list(start)
    while waiting:
        symbol = waiting.pop()
        if symbol in found:
            continue
        found.add(symbol)
        module, name = symbol
        for node in _symbols(module)[name]:
            waiting.extend(_uses(node, _imports(_tree(module)), module) - found)
    return found


@functools.cache
def _tree(module: str) -> ast.Module:
    return ast.parse((paths.SRC / f"{module}.py").read_text(encoding="utf-8"))


@functools.cache
def _symbols(module: str) -> dict[str, list[ast.stmt]]:
    """Return the statements that define each top-level name of a module."""
    found: dict[str, list[ast.stmt]] = {}
    for node in _tree(module).body:
        for name in _defined(node):
            found.setdefault(name, []).append(node)
    return found


def _defined(node: ast.stmt) -> set[str]:
    """Return the names that a top-level statement defines or changes."""
    match node:
        case ast.FunctionDef() | ast.ClassDef() | ast.AsyncFunctionDef():
            return {node.name}
        case ast.Assign(targets=targets):
            pass
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            targets = [target]
        case ast.If() | ast.Try() | ast.For() | ast.With():
            inner = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.stmt)]
            handlers = node.handlers if isinstance(node, ast.Try) else []
            inner += [part for handler in handlers for part in handler.body]
            return {name for part in inner for name in _defined(part)}
        case _:
            return set()
    return {part.id for t in targets for part in ast.walk(t) if isinstance(part, ast.Name)}


def _origin(module: str, name: str) -> Symbol | None:
    """Return where a name of a module is defined: there, or where the module imports it from."""
    if name in _symbols(module):
        return module, name
    where, original = _imports(_tree(module)).get(name, (module, None))
    return _origin(where, original) if original is not None else None


@functools.cache
def _imports(tree: ast.Module) -> dict[str, tuple[str, str | None]]:
    """Return local name -> (module of this package, symbol in it, or None for the module)."""
    found: dict[str, tuple[str, str | None]] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        package, _, module = node.module.partition(".")
        if package != PACKAGE:
            continue
        for alias in node.names:
            local = alias.asname or alias.name
            found[local] = (module, alias.name) if module else (alias.name, None)
    return found


def _uses(
    node: ast.AST, imports: dict[str, tuple[str, str | None]], module: str | None = None
) -> set[Symbol]:
    """Return the symbols of this package that a piece of code names."""
    found: set[Symbol] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            if part.id in imports:
                where, name = imports[part.id]
                origin = _origin(where, name) if name is not None else None
            else:
                origin = _origin(module, part.id) if module is not None else None
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            where, name = imports.get(part.value.id, (None, ""))
            origin = _origin(where, part.attr) if where is not None and name is None else None
        else:
            continue
        if origin is not None:
            found.add(origin)
    return found


@functools.cache
def _dumped(module: str, name: str) -> str:
    nodes = [_without_docstrings(node) for node in _symbols(module)[name]]
    return ";".join(_dump(node) for node in nodes)


def _dump(node: Any) -> str:
    """Return a syntax tree as text: `ast.dump`, but the same in every version of Python."""
    if isinstance(node, list):
        return f"[{', '.join(map(_dump, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    # Fields that are empty come and go between versions.
    filled = [(name, value) for name, value in ast.iter_fields(node) if value not in (None, [])]
    inside = ", ".join(f"{name}={_dump(value)}" for name, value in filled)
    return f"{type(node).__name__}({inside})"


def _without_docstrings(node: ast.AST) -> ast.AST:
    copied = copy.deepcopy(node)
    for part in ast.walk(copied):
        body = getattr(part, "body", None)
        if not isinstance(body, list) or not body:
            continue
        first = body[0]
        if (
            isinstance(part, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef | ast.Module)
            and isinstance(first, ast.Expr)
            and isinstance(first.value, ast.Constant)
            and isinstance(first.value.value, str)
        ):
            part.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
    return copied
