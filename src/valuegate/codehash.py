"""Hashes the code that a function uses: its syntax tree and that of all it reaches in this package.

Docstrings, comments and layout do not count, nor does code that is not reached. Reads source files
only: nothing is imported, so hashing what runs a model does not load torch.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from pathlib import Path

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
    """Return the hash of a script's code (a notebook's .py half) and of all that it uses here."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    own = ast.dump(_without_docstrings(tree))
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
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            found.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in (n for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)):
                found.setdefault(name.id, []).append(node)
    return found


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
                if name is not None and name in _symbols(where):
                    found.add((where, name))
            elif module is not None and part.id in _symbols(module):
                found.add((module, part.id))
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            where, name = imports.get(part.value.id, (None, ""))
            if where is not None and name is None and part.attr in _symbols(where):
                found.add((where, part.attr))
    return found


@functools.cache
def _dumped(module: str, name: str) -> str:
    nodes = [_without_docstrings(node) for node in _symbols(module)[name]]
    return ";".join(ast.dump(node) for node in nodes)


def _without_docstrings(node: ast.AST) -> ast.AST:
    copied = ast.parse(ast.unparse(node))
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
