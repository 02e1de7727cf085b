"""The hash of code: what must change it, and what must not."""

from __future__ import annotations

import ast
import re
import textwrap

import pytest

from valuegate import codehash, paths
from valuegate.codehash import code_hash, reached, script_hash
from valuegate.errors import ValueGateError

# A package of three modules. `score` reaches what its name says; nothing reaches the unrelated.
SOURCES = {
    "instrument": '''
        """An instrument."""
        from __future__ import annotations

        import math
        from valuegate import tables
        from valuegate.reexported import clip as bounded

        WORDS = ("yes", "no")
        WORDS += ("perhaps",)
        KNOWN = {}
        KNOWN["first"] = 1
        try:
            import fast
            SPEED = 2
        except ImportError:
            SPEED = 1

        def score(text):
            """Return the score."""
            # Counts words.
            return _count(text) + tables.weight(text) + bounded(SPEED) + len(KNOWN)

        def _count(text):
            return len([word for word in text.split() if word in WORDS])

        class Unrelated:
            size = 3

        def unrelated():
            return Unrelated.size + _alone()

        def _alone():
            return 1
    ''',
    "tables": '''
        BASE = 10

        def weight(text):
            return Table(text).weigh()

        class Table:
            """A table."""

            def __init__(self, text):
                self.text = text

            def weigh(self):
                """Return the weight."""
                return BASE * len(self.text)

        def other():
            return 5
    ''',
    "reexported": """
        from valuegate.limits import clip
    """,
    "limits": """
        TOP = 100

        def clip(x):
            return min(x, TOP)

        def floor(x):
            return max(x, 0)
    """,
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a function that writes the package, with some text replaced, and clears the caches."""
    monkeypatch.setattr(paths, "SRC", tmp_path)
    caches = [codehash._tree, codehash._symbols, codehash._dumped, codehash._imports]

    def write(module: str = "instrument", before: str = "", after: str = "") -> None:
        for name, source in SOURCES.items():
            text = textwrap.dedent(source)
            if before and name == module:
                assert text.count(before) == 1, before
                text = text.replace(before, after)
            (tmp_path / f"{name}.py").write_text(text)
        for cache in caches:
            cache.cache_clear()

    write()
    yield write
    for cache in caches:
        cache.cache_clear()


def test_what_is_reached(package):
    assert reached("instrument:score") == {
        ("instrument", "score"),
        ("instrument", "_count"),
        ("instrument", "WORDS"),
        ("instrument", "KNOWN"),
        ("instrument", "SPEED"),
        ("tables", "weight"),
        ("tables", "Table"),
        ("tables", "BASE"),
        ("limits", "clip"),
        ("limits", "TOP"),
    }


@pytest.mark.parametrize(
    ("module", "before", "after"),
    [
        ("instrument", "_count(text) +", "_count(text) -"),
        ("instrument", "word in WORDS", "word not in WORDS"),
        ("instrument", '"yes", "no"', '"yes", "nope"'),
        ("instrument", '"perhaps"', '"maybe"'),
        ("instrument", 'KNOWN["first"] = 1', 'KNOWN["second"] = 1'),
        ("instrument", "SPEED = 2", "SPEED = 3"),
        ("instrument", "SPEED = 1", "SPEED = 0"),
        ("tables", "return Table(text)", "return Table(text * 2)"),
        ("tables", "BASE * len", "BASE + len"),
        ("tables", "BASE = 10", "BASE = 11"),
        ("tables", "self.text = text", "self.text = text.lower()"),
        ("limits", "min(x, TOP)", "max(x, TOP)"),
        ("limits", "TOP = 100", "TOP = 99"),
    ],
)
def test_code_that_is_reached_counts(package, module, before, after):
    clean = code_hash("instrument:score")
    package(module, before, after)
    assert code_hash("instrument:score") != clean


@pytest.mark.parametrize(
    ("module", "before", "after"),
    [
        ("instrument", "Return the score.", "Return something else."),
        ("instrument", "# Counts words.", "# Words are counted."),
        ("instrument", '"""An instrument."""', ""),
        ("instrument", "_count(text) +", "(_count( text )) +"),
        ("instrument", "size = 3", "size = 4"),
        ("instrument", "return 1", "return 2"),
        ("instrument", "import math", "import math, os"),
        ("tables", "Return the weight.", "Weigh."),
        ("tables", '"""A table."""', '"""A table.\n\n    Of words.\n    """'),
        ("tables", "return 5", "return 6"),
        ("limits", "max(x, 0)", "max(x, 1)"),
    ],
)
def test_the_rest_does_not(package, module, before, after):
    clean = code_hash("instrument:score")
    package(module, before, after)
    assert code_hash("instrument:score") == clean


def test_a_docstring_alone_is_an_empty_body(package):
    package("limits", "return max(x, 0)", '"""Nothing."""')
    first = code_hash("limits:floor")
    package("limits", "return max(x, 0)", '"""Nothing at all."""')
    assert code_hash("limits:floor") == first


def test_functions_have_hashes_of_their_own(package):
    assert code_hash("instrument:score") != code_hash("instrument:unrelated")
    assert code_hash("tables:weight") != code_hash("tables:other")


def test_script_hash(package, tmp_path):
    script = tmp_path / "essay.py"

    def hashed(text: str) -> str:
        script.write_text(text)
        return script_hash(script)

    essay = "from valuegate import tables\n# A thought.\nprint(tables.weight('a'))\n"
    clean = hashed(essay)
    assert hashed(essay.replace("A thought", "Another")) == clean
    assert hashed(essay.replace("'a'", "'b'")) != clean
    package("tables", "return 5", "return 6")
    assert hashed(essay) == clean
    package("tables", "BASE = 10", "BASE = 11")
    assert hashed(essay) != clean
    # Dividing a cell changes where its claims are; words in a cell of prose change nothing.
    whole = hashed("# %% [markdown]\n# One.\n\n# %%\na = 1\nb = 2\n")
    assert hashed("# %% [markdown]\n# Two.\n\n# %%\na = 1\nb = 2\n") == whole
    assert hashed("# %% [markdown]\n# One.\n\n# %%\na = 1\n\n# %%\nb = 2\n") != whole


def test_no_such_function(package):
    with pytest.raises(ValueGateError) as caught:
        code_hash("tables:nothing")
    assert str(caught.value) == "no 'nothing' in module valuegate.tables"


def test_the_hash_does_not_depend_on_the_version_of_python():
    """`ast.dump` drops empty fields since 3.13 and knows type parameters since 3.12."""
    tree = ast.parse("def f(x, *, y=None):\n    return f'{x} a' + 'b', None, [], 0")
    text = codehash._dump(tree)
    assert "type_params" not in text
    assert "[]" not in text
    assert re.findall(r"Constant\(value=0\)", text)
    other = ast.parse("def f(x, *, y=None):\n    return f'{x} a' + 'b', None, [], False")
    assert codehash._dump(other) != text


def test_this_package_imports_itself_only_in_ways_that_are_followed():
    for path in paths.SRC.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path.name}:{node.lineno}: a relative import"
            if isinstance(node, ast.Import):
                names = [alias.name.partition(".")[0] for alias in node.names]
                assert "valuegate" not in names, f"{path.name}:{node.lineno}: import valuegate"


def test_measured_code_reaches_the_fast_path():
    found = reached("misfire_run:evidence")
    for symbol in [("scoring", "log_odds"), ("scoring", "_run"), ("sharing", "group_rows")]:
        assert symbol in found
    assert ("misfire_run", "heads") not in found  # another measurement of the same module
