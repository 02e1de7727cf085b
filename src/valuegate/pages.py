"""Writes the web pages beside the paper: the audit of every claim, and rendered notebooks.

Lays out what it is given and judges nothing; `audit` finds the statuses, `render` sets the paper.
Every page is one file without requests to elsewhere. Looks live in `paper/templates`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from valuegate.errors import ValueGateError
from valuegate.render import TEMPLATES, markdown_html

LAYERS = {
    "BOUND": "every number in the paper's text is a claim, a published number or a constant "
    "with a reason",
    "HOLDS": "the result meets the expectation that was declared for it",
    "FRESH": "the hashes of code and data recorded with the result equal the files now",
    "REPLAYED": "the value follows again from the published table, within tolerance",
    "RESCORED": "rows drawn by seed, run through the model again one at a time, score the same",
}
_FROM_ELSEWHERE = re.compile(
    r"<script\b|<link\b|<iframe\b|\bsrc\s*=\s*[\"']?(?:https?:)?//|@import|url\(\s*[\"']?https?:",
    re.IGNORECASE,
)


def audit_page(
    rows: list[dict[str, Any]], layers: list[dict[str, Any]], meta: dict[str, str]
) -> str:
    """Return the audit as one HTML page: what it proves, the five layers, a row for each claim.

    Args:
        rows: one per claim, with `id`, `sentence`, `value`, `ci` (two numbers or None), `n`,
            `unit`, `expectation`, `verdict`, `published`, `paper_href`, `table_href`, `cell_href`,
            `declared_first` (bool, or None where no history can tell) and `statuses` (layer name
            to "pass", "fail" or "not run").
        layers: `name`, `status`, `checked`, `problems` (list of str) and `note`.
        meta: `title`, `profile`, `models` and `generated_from` (may be empty).

    Raises:
        ValueGateError: a row, a layer or the meta lacks a field.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    try:
        return environment.get_template("audit.html").render(
            rows=rows,
            layers=layers,
            meta=meta,
            meaning=LAYERS,
            css=_text("page.css", "audit.css"),
            js=_text("audit.js"),
        )
    except jinja2.UndefinedError as error:
        raise ValueGateError(f"the audit page lacks a field: {error}") from None


def notebook_page(executed: Path, title: str) -> str:
    """Return an executed notebook as one HTML page, each cell with the anchor `cell-<its id>`.

    Cells tagged `injected-parameters` and what went to stderr are left out: both differ between
    runs and between machines.

    Raises:
        ValueGateError: the file is no notebook, a cell has no id, or an output loads something.
    """
    import nbformat
    from nbconvert import HTMLExporter
    from pygments.formatters.html import HtmlFormatter

    try:
        notebook = nbformat.read(executed, as_version=4)
    except (OSError, ValueError) as error:
        raise ValueGateError(f"{executed.name} cannot be read as a notebook: {error}") from None
    notebook.cells = [cell for cell in notebook.cells if not _injected(cell)]
    for position, cell in enumerate(notebook.cells):
        if "id" not in cell:
            raise ValueGateError(f"{executed.name}: cell {position} has no id; save it as v4.5")
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    exporter = HTMLExporter(
        template_name="notebook",
        extra_template_basedirs=[str(TEMPLATES)],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    exporter.register_filter("markdown2html", markdown_html)
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    css = _text("page.css", "notebook.css")
    css += f"\n{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
    page, _ = exporter.from_notebook_node(notebook, {"page_title": title, "page_css": css})
    if found := _FROM_ELSEWHERE.search(re.sub(r"<pre.*?</pre>", "", page, flags=re.DOTALL)):
        raise ValueGateError(
            f"{executed.name}: an output holds {found[0]!r}, which a page without scripts and "
            "requests cannot show; print a table or a figure instead"
        )
    return page


def _injected(cell: Any) -> bool:
    return "injected-parameters" in cell.metadata.get("tags", [])


def _text(*names: str) -> str:
    return "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names)


def _number(value: object) -> str:
    """Return a value as the page shows it: four digits for a float, a true minus, a dash for None.

    The paper says how a claim is rounded; this page shows more digits, never fewer.
    """
    if value is None or value == "":
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    shown = f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
    return shown.replace("-", "−")
