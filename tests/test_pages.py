from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from valuegate import pages
from valuegate.errors import ValueGateError

META = {"title": "A <title>", "profile": "smoke", "models": "small/s1", "generated_from": ""}
LAYERS = [
    {"name": name, "status": "pass", "checked": 2, "problems": [], "note": ""}
    for name in pages.LAYERS
]


def row(**changes) -> dict:
    return {
        "id": "misfire.mar_gated",
        "sentence": "It rose by <script>alert(1)</script> & more.",
        "value": -0.51234,
        "ci": [-0.6, 0.4],
        "n": 1440,
        "unit": "nats",
        "expectation": "less than 0",
        "verdict": "supported",
        "published": "",
        "paper_href": "valuegate.html#claim-misfire.mar_gated",
        "table_href": "../data/results/02.parquet",
        "cell_href": 'notebooks/02.html#cell-"x',
        "declared_first": None,
        "statuses": {"BOUND": "pass", "RESCORED": "not run"},
    } | changes


class Outline(HTMLParser):
    """Collects the ids, links and open tags of a page, and fails on tags closed out of order."""

    VOID = frozenset({"meta", "input", "img", "br", "link", "hr", "col"})

    def __init__(self, page: str):
        super().__init__()
        self.ids, self.hrefs, self.open = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        fields = dict(attrs)
        self.ids += [fields["id"]] if "id" in fields else []
        self.hrefs += [fields["href"]] if "href" in fields else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_audit_page_escapes_what_it_shows():
    layers = [LAYERS[0] | {"problems": ["<img src=x onerror=1>"], "note": "<b>"}]
    page = pages.audit_page([row()], layers, META)
    for raw in ("<script>alert", "<img", "<b>", "A <title>"):
        assert raw not in page.split("<body", 1)[1], raw
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more." in page
    outline = Outline(page)
    assert outline.open == []
    assert 'notebooks/02.html#cell-"x' in outline.hrefs


def test_audit_page_anchors_and_links_every_claim():
    rows = [row(), row(id="veto.n", cell_href="", table_href="")]
    outline = Outline(pages.audit_page(rows, LAYERS, META))
    assert {"misfire.mar_gated", "veto.n"} <= set(outline.ids)
    assert len(outline.ids) == len(set(outline.ids))
    assert "valuegate.html#claim-misfire.mar_gated" in outline.hrefs
    assert "" not in outline.hrefs


def test_audit_page_shows_numbers_and_what_is_unknown():
    page = pages.audit_page([row(), row(id="b", value=None, ci=None, n=None)], LAYERS, META)
    assert "−0.5123" in page
    assert "[−0.6, 0.4]" in page
    assert "1,440" in page
    assert 'data-label="Declared first">unknown<' in page
    assert page.count('<span class="value">–</span>') == 1
    for declared, word in ((True, "yes"), (False, "no")):
        page = pages.audit_page([row(declared_first=declared)], LAYERS, META)
        assert f'data-label="Declared first">{word}<' in page


def test_audit_page_sorts_by_real_values_and_keeps_to_itself():
    page = pages.audit_page([row()], LAYERS, META)
    assert page.count('aria-sort="none"') == 8
    assert 'data-sort="-0.51234"' in page
    assert 'data-sort="1440"' in page
    assert not re.search(r"https?://|<link|src=", page)
    for name in pages.LAYERS:
        assert f"<h3>{name} <span" in page


def test_audit_page_names_a_missing_field():
    broken = row()
    del broken["verdict"]
    with pytest.raises(ValueGateError, match="verdict"):
        pages.audit_page([broken], LAYERS, META)


def notebook(path: Path, *extra) -> Path:
    table = "<table><tr><td>0.49</td></tr></table>"
    cells = [
        v4.new_markdown_cell("# A question\n\nWith $x^2$ and a | b.", id="q1"),
        v4.new_code_cell("P = 1", id="p", metadata={"tags": ["injected-parameters"]}),
        v4.new_code_cell(
            'print("<b>")',
            id="code-2",
            execution_count=1,
            outputs=[
                v4.new_output("stream", name="stdout", text='<b> src="http://x"\n'),
                v4.new_output("stream", name="stderr", text="/home/someone warned\n"),
                v4.new_output("display_data", data={"text/html": table, "text/plain": "t"}),
                v4.new_output("display_data", data={"image/svg+xml": "<svg></svg>"}),
            ],
        ),
        *extra,
    ]
    nbformat.write(v4.new_notebook(cells=cells), path)
    return path


def test_notebook_page_anchors_cells_and_shows_outputs(tmp_path):
    path = notebook(tmp_path / "02.ipynb")
    page = pages.notebook_page(path, "Two <b>")
    outline = Outline(page)
    assert outline.open == []
    assert [name for name in outline.ids if re.match(r"cell-(?!id=)", name)] == [
        "cell-q1",
        "cell-code-2",
    ]
    assert "<td>0.49</td>" in page
    assert "<math" in page
    assert "&lt;b&gt; src=" in page
    assert "data:image/svg+xml;base64," in page
    assert "<title>Two &lt;b&gt;</title>" in page
    assert "/home/someone" not in page
    assert page == pages.notebook_page(path, "Two <b>")
    assert len(page) < 60_000


@pytest.mark.parametrize(
    "html",
    ["<script>1</script>", '<img src="https://example.org/x.png">', "<link rel=stylesheet href=x>"],
)
def test_notebook_page_refuses_outputs_that_load_something(html, tmp_path):
    loud = v4.new_code_cell(
        "x", id="z", outputs=[v4.new_output("display_data", {"text/html": html})]
    )
    with pytest.raises(ValueGateError, match=r"02\.ipynb: an output holds"):
        pages.notebook_page(notebook(tmp_path / "02.ipynb", loud), "Two")


def test_notebook_page_names_a_file_that_is_no_notebook(tmp_path):
    (tmp_path / "x.ipynb").write_text("no")
    with pytest.raises(ValueGateError, match=r"x\.ipynb cannot be read"):
        pages.notebook_page(tmp_path / "x.ipynb", "X")
