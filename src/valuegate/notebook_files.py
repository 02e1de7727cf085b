"""The two halves of a notebook: the .py source (py:percent) and the .ipynb pair with its outputs.

Converts, executes through papermill, and cleans what an execution leaves that readers should not
see: injected cells, standard error, volatile metadata.
"""

from __future__ import annotations

import ast
import json
import warnings
from pathlib import Path
from typing import Any

import jupytext
import nbformat

from valuegate.errors import ValueGateError
from valuegate.measure import write_text

KERNEL = "valuegate"


def from_source(source: Path) -> Any:
    """Return the notebook of a .py half, with cell ids that only depend on the order of cells."""
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = cell_id(source.stem, number)
        cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
    notebook.metadata = {
        "jupytext": {"formats": "ipynb,py:percent"},
        "kernelspec": {"name": KERNEL, "display_name": KERNEL, "language": "python"},
        "language_info": {"name": "python"},
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def cell_id(section: str, number: int) -> str:
    """Return the id of a section's cell, such as `02-07`."""
    return f"{section[:2]}-{number:02d}"


def execute(source: Path, out: Path, parameters: dict[str, str]) -> None:
    """Run a notebook with papermill; `out` is the executed copy, written as it goes.

    Raises:
        papermill.PapermillExecutionError: a cell failed; the copy holds its traceback.
    """
    import papermill

    out.parent.mkdir(parents=True, exist_ok=True)
    unrun = out.with_name(f"{out.stem}.unrun.ipynb")
    nbformat.write(from_source(source), unrun)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # papermill's own, about zmq on other systems
        papermill.execute_notebook(
            unrun,
            out,
            parameters=parameters,
            kernel_name=KERNEL,
            progress_bar=False,
            log_output=False,
            cwd=source.parent,
        )


def publishable(source: Path, executed: Path) -> str:
    """Return the .ipynb text to commit: the source's cells with the outputs of an execution.

    Without injected parameters, standard error, run times or the ids of widgets. Equal runs give
    equal text.

    Raises:
        ValueGateError: the execution is not one of this source's code.
    """
    notebook = from_source(source)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    ran = [
        cell
        for cell in nbformat.read(executed, as_version=4).cells
        if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.get("tags", [])
    ]
    # As trees: a comment edited since the run changes no output.
    if [_tree(cell) for cell in cells] != [_tree(cell) for cell in ran]:
        raise ValueGateError(
            f"{executed} was executed from other code than {source.name}; run `make paper` again"
        )
    for count, (cell, done) in enumerate(zip(cells, ran, strict=True), start=1):
        cell["execution_count"] = count
        cell["outputs"] = [
            _clean(output, count)
            for output in done.get("outputs", [])
            if not (output.output_type == "stream" and output.name == "stderr")
        ]
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _tree(cell: Any) -> str:
    return ast.dump(ast.parse(cell["source"]))


def _clean(output: Any, count: int) -> Any:
    if output.output_type == "execute_result":
        output["execution_count"] = count
    if "metadata" in output:
        output["metadata"] = {}
    if "text/html" in output.get("data", {}):
        output["data"].pop("text/plain", None)  # the same table again
    return output


def write_pair(source: Path, executed: Path) -> Path:
    """Write the committed .ipynb beside its .py half, and return its path."""
    target = source.with_suffix(".ipynb")
    write_text(publishable(source, executed), target)
    return target


def same_content(source: Path, pair: Path) -> bool:
    """Return whether the two halves hold the same cells, whatever their outputs and times."""

    def cells(notebook: Any) -> list[tuple[str, str, list[str]]]:
        return [
            (cell.cell_type, cell.source, list(cell.metadata.get("tags", [])))
            for cell in notebook.cells
        ]

    return cells(jupytext.read(source)) == cells(nbformat.read(pair, as_version=4))
