from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import typst

from valuegate import render
from valuegate.errors import ValueGateError

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="100" viewBox="0 0 200 100">'
    '<path d="M10 90 L190 10" stroke="#1f4e79" fill="none"/></svg>'
)
BIBLIOGRAPHY = "@article{one2026, title={A title}, author={One, Ada}, journal={J}, year={2026}}\n"
FRONT = """---
title: "A title: with a colon"
author: [Ada One, "Bo \\"B\\" Two"]
date: 2026-11-20
keywords: [gates, "R&D #1"]
abstract: The contrast is [0.49]{.claim data-claim="misfire.contrast"}, see @fig:lens.
run: {tokens: 1.1 M, profile: smoke, device: CPU, models: [small/s1, small/s2]}
---
"""
BODY = """
# Method {#sec:method}

See @fig:lens, @tbl:wide, @sec:detail, [-@fig:lens] and [@sec:worlds], after [@one2026].

![The lens. Its *second* sentence.](figures/02_lens.svg){#fig:lens}

## Detail {#sec:detail}

Again [0.49]{.claim data-claim="misfire.contrast"} and [7]{.claim data-claim="veto.n"}.

| stage | n |
|---|--:|
| start | 12 [3, 40] |

: First. {#tbl:first}

| a | b | c | d | e | f | g |
|---|---|---|---|---|---|--:|
| a rather long cell of text | {word} | x | some more words | y | yet more words here | 0.5 |

: Wide. {#tbl:wide}

# Worlds {#sec:worlds .appendix}

Text.
"""
WRITERS = {"html": render.render_html, "pdf": render.render_pdf, "tex": render.render_tex}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "02_lens.svg").write_text(SVG)
    (tmp_path / "figures" / "02_lens.pdf").write_bytes(b"%PDF-1.4\n")
    (tmp_path / "references.bib").write_text(BIBLIOGRAPHY)
    return tmp_path


def paper(body: str = BODY, word: str = "word") -> str:
    return FRONT + body.replace("{word}", word)


def written(kind: str, base: Path, markdown: str, name: str = "out") -> bytes:
    out = base / "built" / f"{name}.{kind}"
    WRITERS[kind](markdown, base, out, base / "references.bib")
    assert [path.name for path in out.parent.glob(".*")] == [], "a temporary file was left"
    return out.read_bytes()


def typst_source(base: Path, markdown: str) -> str:
    options = ["--to=typst-smart", *render._cited()]
    return render._pandoc(markdown, base, base / "references.bib", "paper.typ", options).decode()


def test_references_resolve_in_html(base):
    html = written("html", base, paper()).decode()
    main = html.split("<main", 1)[1]
    for target, words in [
        ("fig:lens", "Figure\xa01"),
        ("tbl:wide", "Table\xa02"),
        ("sec:detail", "Section\xa01.1"),
        ("sec:worlds", "Appendix\xa0A"),
        ("fig:lens", "1"),
    ]:
        assert re.search(rf'<a\s+href="#{target}"\s+class="ref">{words}</a>', main), (target, words)
        assert main.count(f'id="{target}"') == 1
    assert "<strong>Table\xa02.</strong> Wide." in main
    assert 'alt="Figure 1: The lens."' in main
    assert "Ada One</span>" in html
    assert "profile smoke · models small/s1, small/s2 · tokens 1.1 M · device CPU" in html


def test_references_resolve_in_the_pdf_source(base):
    source = typst_source(base, paper())
    for target, words in [("fig:lens", "Figure~1"), ("tbl:wide", "Table~2"), ("sec:worlds", "A")]:
        assert re.search(rf"#link\(<{target}>\)\[.*?{words}\]", source), (target, words)
        assert source.count(f"\n<{target}>") + source.count(f") <{target}>") == 1
    assert '"Bo “B” Two"' in source
    assert 'alt: "Figure 1: The lens."' in source


def test_references_resolve_in_tex(base):
    tex = written("tex", base, paper()).decode()
    for target, word in [("fig:lens", "Figure~"), ("tbl:wide", "Table~"), ("sec:worlds", "")]:
        assert f"\\hyperref[{target}]{{{word}" in tex
        assert tex.count(f"\\label{{{target}}}") == 1
    assert "\\citep{one2026}" in tex
    assert "figures/02_lens.pdf" in tex
    assert tex.index("\\appendix") < tex.index("\\section{Worlds}")


@pytest.mark.parametrize("kind", WRITERS)
def test_two_runs_give_equal_bytes(kind, base):
    assert written(kind, base, paper()) == written(kind, base, paper(), "again")


def test_the_pdf_has_its_title_its_date_and_a_vector_figure(base):
    pdf = written("pdf", base, paper())
    assert pdf.startswith(b"%PDF-")
    assert b"D:20261120000000Z" in pdf
    assert b"/Subtype /Image" not in pdf
    assert b"/Subtype/Image" not in pdf
    assert pdf != written("pdf", base, paper().replace("2026-11-20", "2026-11-21"), "later")


def test_claims_link_in_html_and_are_plain_elsewhere(base):
    html = written("html", base, paper()).decode()
    assert len(re.findall(r'href="audit.html#misfire.contrast"', html)) == 2
    assert html.count('id="claim-misfire.contrast"') == 1
    abstract = html.split('class="abstract"')[1].split("</section>")[0]
    assert 'id="claim-misfire.contrast"' in abstract, "the anchor is not on the first occurrence"
    for text in (typst_source(base, paper()), written("tex", base, paper()).decode()):
        assert "audit.html" not in text
        assert "The contrast is 0.49, see" in text


def test_html_is_one_file_without_scripts_or_requests(base):
    html = written("html", base, paper()).decode()
    assert not re.search(r"<script|<link|@import|(src|href)=\"(?!#|data:|audit\.html)", html)
    assert '<html lang="en">' in html
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_wide_tables_shrink_or_wrap_and_small_ones_do_not(base):
    def sizes(source: str) -> list[float]:
        return [float(size) for size in re.findall(r"size: ([\d.]+)pt\); #table", source)]

    usual = sizes(typst_source(base, paper()))
    assert usual[0] == 9
    assert 7 <= usual[1] <= 9
    source = typst_source(base, paper(word="unbreakable" * 12))
    assert sizes(source)[1] < 7
    columns = re.findall(r"columns: \(([^)]*)\)", source)[-1]
    shares = [float(share.strip(" %")) for share in columns.split(",") if share.strip()]
    assert len(shares) == 7
    assert 95 <= sum(shares) <= 100


@pytest.mark.parametrize("word", ["word", "unbreakable" * 12, "WWWW" * 25], ids=[1, 2, 3])
def test_no_table_runs_off_the_page(word, base):
    image = pytest.importorskip("PIL.Image")
    source = typst_source(base, paper(word=word)).encode()
    pages = typst.compile(source, root=str(base), format="png", ppi=50, ignore_system_fonts=True)
    for page in pages if isinstance(pages, list) else [pages]:
        with image.open(io.BytesIO(page)) as picture:
            grey = picture.convert("L")
        margin = grey.crop((int(grey.width * 188 / 210), 0, grey.width, grey.height))
        assert margin.getextrema() == (255, 255), "something is printed in the right margin"


def test_numbers_in_cells_do_not_break(base):
    assert "12\xa0[3,\xa040]" in written("html", base, paper()).decode()


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("See @fig:nowhere.", "unknown reference @fig:nowhere; the paper defines: @fig:lens"),
        ("![No file.](figures/none.svg){#fig:none}", "the figure figures/none."),
        ("As said [@ghost2020].", "ghost2020 not found"),
        ("## Twice {#sec:method}\n", "the id sec:method is used twice"),
        ("See [@fig:lens; @one2026].", "mixes references and citations"),
        ("# Bare {#sec:bare .unnumbered}\n\nSee @sec:bare.", "a section without a number"),
    ],
)
def test_mistakes_are_named_in_one_line_and_leave_the_old_file(kind, wrong, message, base):
    before = written(kind, base, paper())
    with pytest.raises(ValueGateError) as caught:
        written(kind, base, f"{paper()}\n{wrong}\n")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "traceback" not in str(caught.value)
    assert (base / "built" / f"out.{kind}").read_bytes() == before


def test_a_broken_svg_is_typsts_own_message(base):
    (base / "figures" / "02_lens.svg").write_text("<svg")
    with pytest.raises(ValueGateError, match="typst: "):
        written("pdf", base, paper())


@pytest.mark.parametrize("date", ["", "date: soon", "date: [2026"])
def test_a_paper_without_a_date_is_refused(date, base):
    with pytest.raises(ValueGateError, match="front matter"):
        written("pdf", base, paper().replace("date: 2026-11-20", date))


def test_a_missing_bibliography_is_named(base):
    (base / "references.bib").unlink()
    with pytest.raises(ValueGateError, match=r"references\.bib does not exist"):
        written("html", base, paper())


def test_markdown_html_sets_formulas_without_scripts():
    html = render.markdown_html("A *word* and $x^2$.\n\n- one")
    assert "<em>word</em>" in html
    assert "<math" in html
    ET.fromstring(f"<div>{html}</div>")
    assert render.markdown_html(" \n") == ""
