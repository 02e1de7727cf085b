"""Notebooks: the .py half, the published .ipynb half, and what is cleaned between the two."""

from __future__ import annotations

import ast
import copy
import re
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest

from valuegate import notebook_files, paths
from valuegate.errors import ValueGateError

SOURCES = sorted(paths.NOTEBOOKS.glob("*.py"))
MOST_LINES = 14  # of a code cell
MOST_LINES_OF_A_FUNCTION = 5
MOST_BYTES = 400_000  # section 02 has fifteen figures
sources = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def published(source: Path) -> Any:
    pair = source.with_suffix(".ipynb")
    assert pair.exists(), "no published pair; `make publish` writes it"
    return nbformat.read(pair, as_version=nbformat.NO_CONVERT)


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def cells_text(text: str) -> str:
    """Return a py:percent file from its first cell on, without jupytext's header."""
    return text[text.index("# %%") :]


# The sources --------------------------------------------------------------------------------------


def test_there_is_a_notebook():
    assert SOURCES


@sources
def test_cells_are_short_and_functions_shorter(source):
    for number, cell in enumerate(jupytext.read(source).cells):
        if cell.cell_type != "code":
            continue
        assert len(cell.source.splitlines()) <= MOST_LINES, notebook_files.cell_id(
            source.stem, number
        )
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno - node.lineno < MOST_LINES_OF_A_FUNCTION, node.name


@sources
def test_a_notebook_begins_with_its_title_and_its_parameters(source):
    first, second, *_ = jupytext.read(source).cells
    assert first.cell_type == "markdown"
    assert first.source.startswith(f"# {source.stem[:2]} ")
    assert second.metadata.get("tags") == ["parameters"]
    assert "profile = " in second.source
    assert "models = " in second.source


# The published pairs ------------------------------------------------------------------------------


@sources
def test_a_pair_holds_its_sources_cells(source):
    published(source)
    assert notebook_files.same_content(source, source.with_suffix(".ipynb"))


@sources
def test_jupytext_makes_the_source_from_the_pair(source):
    text = jupytext.writes(published(source), fmt="py:percent")
    assert cells_text(text) == cells_text(source.read_text(encoding="utf-8"))


@sources
def test_a_pair_holds_nothing_that_changes_by_itself(source):
    notebook = published(source)
    nbformat.validate(notebook)
    assert source.with_suffix(".ipynb").stat().st_size < MOST_BYTES
    assert set(notebook.metadata) == {"jupytext", "kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == notebook_files.KERNEL
    for number, cell in enumerate(notebook.cells):
        assert cell.id == notebook_files.cell_id(source.stem, number)
        assert set(cell.metadata) <= {"tags"}
        assert "injected-parameters" not in cell.metadata.get("tags", [])
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


@sources
def test_a_pair_shows_results_and_nothing_else(source):
    found = outputs(published(source))
    assert any("image/svg+xml" in output.get("data", {}) for output in found), "no figure"
    for output in found:
        assert output.output_type != "error"
        assert output.get("name") != "stderr"
        assert not output.get("metadata")
        assert not any("widget" in mime for mime in output.get("data", {}))
        assert not re.search(r"/(home|Users|root|tmp|work)/", str(output)), "a path of a machine"


# Publishing, on a notebook made here --------------------------------------------------------------

SOURCE = """\
# %% [markdown]
# # 02 A title

# %% tags=["parameters"]
profile = "default"

# %%
print("shown")  # a remark

# %%
print("shown")  # a remark

# %%
1 + 1
"""


def output(kind: str, **fields: Any) -> Any:
    return nbformat.v4.new_output(kind, **fields)


def execution(source: Path, seed: int) -> Any:
    """Return a notebook as papermill leaves it; what the seed changes must not be published."""
    notebook = copy.deepcopy(notebook_files.from_source(source))
    title, parameters, first, second, last = notebook.cells
    injected = nbformat.v4.new_code_cell(f"profile = 'smoke'\nmodels = '{seed}'")
    injected.metadata.tags = ["injected-parameters"]
    first.outputs = [
        output("stream", name="stderr", text=f"warning {seed}"),
        output("stream", name="stdout", text="one\n"),
    ]
    second.outputs = [
        output("display_data", data={"image/svg+xml": "<svg/>"}, metadata={"seconds": seed})
    ]
    last.outputs = [
        output("execute_result", data={"text/plain": "2"}, execution_count=seed, metadata={"a": 1})
    ]
    for count, cell in enumerate((parameters, injected, first, second, last)):
        cell.execution_count = count + seed
        cell.metadata.papermill = {"duration": seed, "start_time": f"2026-01-01T00:00:{seed:02d}"}
    title.metadata.papermill = {"duration": seed}
    notebook.metadata.papermill = {"output_path": f"/tmp/{seed}", "duration": seed}
    notebook.metadata.kernelspec.display_name = f"Python {seed}"
    notebook.cells = [title, parameters, injected, first, second, last]
    return notebook


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "02_made_here.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path


def publish(source: Path, seed: int = 1) -> str:
    executed = source.with_name(f"executed-{seed}.ipynb")
    nbformat.write(execution(source, seed), executed)
    return notebook_files.publishable(source, executed)


def test_equal_runs_are_published_as_equal_text(source):
    assert publish(source, 1) == publish(source, 2)


def test_what_is_published(source):
    text = publish(source)
    notebook = nbformat.reads(text, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    for hidden in ("injected", "smoke", "warning", "stderr", "papermill", "duration", "/tmp"):
        assert hidden not in text
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3, 4]
    assert [cell.id for cell in notebook.cells] == ["02-00", "02-01", "02-02", "02-03", "02-04"]
    # Cells of equal text keep their own outputs.
    assert [output.output_type for output in outputs(notebook)] == [
        "stream", "display_data", "execute_result",
    ]  # fmt: skip
    stream, display, result = outputs(notebook)
    assert stream == {"output_type": "stream", "name": "stdout", "text": "one\n"}
    assert display == {
        "output_type": "display_data", "data": {"image/svg+xml": "<svg/>"}, "metadata": {},
    }  # fmt: skip
    assert (result.execution_count, result.metadata) == (4, {})


def test_a_pair_is_written_beside_its_source(source):
    executed = source.with_name("executed.ipynb")
    nbformat.write(execution(source, 1), executed)
    pair = notebook_files.write_pair(source, executed)
    assert pair == source.with_suffix(".ipynb")
    assert pair.read_text(encoding="utf-8") == notebook_files.publishable(source, executed)
    assert notebook_files.same_content(source, pair)
    text = jupytext.writes(nbformat.read(pair, as_version=4), fmt="py:percent")
    assert cells_text(text) == SOURCE


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("# %%\n1 + 1", "# %%\n1 + 2", False),
        ("# # 02 A title", "# # 02 Another title", False),
        ('# %% tags=["parameters"]', "# %%", False),
        ("# a remark", "# another", False),
        ("# %%\n1 + 1", "# %% [markdown]\n# 1 + 1", False),
        ("", "", True),
        # A header that jupytext wrote is no content.
        ("# %% [markdown]", "# ---\n# jupyter:\n#   a: b\n# ---\n\n# %% [markdown]", True),
    ],
)
def test_same_content(source, before, after, same):
    pair = source.with_suffix(".ipynb")
    pair.write_text(publish(source), encoding="utf-8")
    assert before in SOURCE
    source.write_text(SOURCE.replace(before, after, 1), encoding="utf-8")
    assert notebook_files.same_content(source, pair) == same


@pytest.mark.parametrize(
    ("before", "after", "publishes"),
    [
        ("# a remark", "# another remark", True),  # changes no output, so nothing ran again
        ("# # 02 A title", "# # 02 Another title", True),
        ("1 + 1", "1 + 2", False),
        ("# %%\n1 + 1", "# %%\n1 + 1\n\n# %%\n2 + 2", False),
        ("\n# %%\n1 + 1", "", False),
    ],
)
def test_outputs_of_other_code_are_not_published(source, before, after, publishes):
    executed = source.with_name("executed.ipynb")
    nbformat.write(execution(source, 1), executed)
    assert before in SOURCE
    source.write_text(SOURCE.replace(before, after, 1), encoding="utf-8")
    if publishes:
        assert after.removeprefix("# # ") in notebook_files.publishable(source, executed)
        return
    with pytest.raises(ValueGateError, match=r"executed from other code than 02_made_here\.py"):
        notebook_files.publishable(source, executed)
