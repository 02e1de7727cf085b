"""Turns pandoc markdown whose numbers are already filled into PDF, one-file HTML and LaTeX.

Knows nothing about claims or results; `paper` fills the text, `pages` writes the other pages.

Conventions (numbering and linking are in `paper/filters/paper.lua`):

- Front matter: `title`, `subtitle`, `author` (list of names, or of `name` and `affiliation`),
  `date` (ISO; it also dates the PDF), `abstract`, `keywords` (list), `lang`, and `run`, a mapping
  shown on the title page in the order profile, models, items, tokens, device.
- Figure: `![Caption.](figures/02_lens.svg){#fig:lens}` in a paragraph of its own. `alt="..."`
  replaces the alternative text, which otherwise is the caption's first sentence. The LaTeX source
  names the PDF of the same stem.
- Table: a pipe table, a blank line, `: Caption. {#tbl:published}` (pandoc attaches the id itself).
- Section: `# Title {#sec:method}`; `{.unnumbered}` without a number, `{.appendix}` lettered from
  there on.
- Reference: `@fig:lens`, `@tbl:published`, `@sec:method`; `[-@fig:lens]` is the bare number.
- Citation: `[@key]` or `@key`, from the bibliography.
- Claim: `[0.49]{.claim data-claim="misfire.auroc_contrast"}` links to the audit page in HTML.
"""

from __future__ import annotations

import datetime
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml

from valuegate.errors import ValueGateError
from valuegate.paths import PAPER

FILTER = PAPER / "filters" / "paper.lua"
TEMPLATES = PAPER / "templates"


def render_html(markdown: str, base: Path, out: Path, bibliography: Path) -> None:
    """Write the paper as one HTML file that requests nothing from elsewhere.

    Args:
        markdown: the filled paper, front matter included.
        base: the folder that figure paths are relative to.
        out: the file to write.
        bibliography: the BibTeX file.

    Raises:
        ValueGateError: pandoc's own complaint in one line.
    """
    css = [f"--css={TEMPLATES / name}" for name in ("page.css", "paper.css")]
    options = ["--to=html5", "--embed-resources", "--mathml", *css]
    page = _pandoc(markdown, base, bibliography, "paper.html", [*options, *_cited()])
    _replace(out, lambda path: path.write_bytes(page))


def render_pdf(markdown: str, base: Path, out: Path, bibliography: Path) -> None:
    """Write the paper as PDF, set by typst in the fonts it carries, dated by the front matter.

    Arguments and errors are those of `render_html`.
    """
    import typst

    source = _pandoc(markdown, base, bibliography, "paper.typ", ["--to=typst-smart", *_cited()])

    def compile_to(path: Path) -> None:
        try:
            pdf, warnings = typst.Compiler(
                root=str(base), ignore_system_fonts=True
            ).compile_with_warnings(input=source, format="pdf", timestamp=_timestamp(markdown))
        except RuntimeError as error:
            raise ValueGateError(f"typst: {_one_line(str(error))}") from None
        if warnings:
            raise ValueGateError(f"typst: {_one_line(warnings[0].message)}")
        assert isinstance(pdf, bytes)  # a list only for formats of one file a page
        path.write_bytes(pdf)

    _replace(out, compile_to)


def render_tex(markdown: str, base: Path, out: Path, bibliography: Path) -> None:
    """Write the paper as LaTeX source for journals: natbib, and figures as PDF.

    Arguments and errors are those of `render_html`. Every figure needs its PDF beside the SVG.
    """
    options = ["--to=latex", "--natbib", f"--variable=bibliography-stem={bibliography.stem}"]
    source = _pandoc(markdown, base, bibliography, "paper.tex", options)
    _replace(out, lambda path: path.write_bytes(source))


def markdown_html(markdown: str) -> str:
    """Return the HTML of a piece of GitHub-flavoured markdown, its formulas as MathML."""
    if not markdown.strip():
        return ""
    options = ["--from=gfm-gfm_auto_identifiers", "--to=html5", "--mathml", "--wrap=none"]
    return _run(markdown, PAPER, *options).decode()


def _cited() -> list[str]:
    return ["--citeproc", "--metadata=link-citations=true"]


def _pandoc(
    markdown: str, base: Path, bibliography: Path, template: str, options: list[str]
) -> bytes:
    """Return the paper in one format; refuse one without a date or a bibliography first."""
    if not bibliography.is_file():
        raise ValueGateError(f"the bibliography {bibliography} does not exist")
    _timestamp(markdown)
    return _run(
        markdown,
        base,
        "--from=markdown",
        "--standalone",
        "--wrap=none",
        f"--template={TEMPLATES / template}",
        f"--lua-filter={FILTER}",
        f"--bibliography={bibliography.resolve()}",
        *options,
    )


def _run(markdown: str, folder: Path, *options: str) -> bytes:
    """Return what pandoc writes; its warnings are errors."""
    import pypandoc

    command = [pypandoc.get_pandoc_path(), "--fail-if-warnings", "--syntax-highlighting=none"]
    done = subprocess.run(
        [*command, *options], input=markdown.encode(), cwd=folder, capture_output=True
    )
    if done.returncode:
        raise ValueGateError(f"pandoc: {_complaint(done.stderr.decode(errors='replace'))}")
    if not done.stdout.strip():
        raise ValueGateError("pandoc: wrote nothing and did not say why")
    return done.stdout


def _timestamp(markdown: str) -> datetime.datetime:
    """Return midnight UTC of the front matter's date."""
    front = re.match(r"---\n(.*?)\n(?:---|\.\.\.)\n", markdown, re.DOTALL)
    try:
        fields = yaml.safe_load(front[1]) if front else {}
        day = datetime.date.fromisoformat(str(fields.get("date")))
    except (yaml.YAMLError, ValueError, AttributeError):
        raise ValueGateError(
            "the paper's front matter needs valid YAML with a date such as 2026-12-01"
        ) from None
    return datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.UTC)


def _complaint(stderr: str) -> str:
    """Return what pandoc or the filter said, without the stack and the filter's path."""
    lines = stderr.split("stack traceback:")[0].splitlines()
    noise = ("Error running filter", "Failing because there were warnings")
    kept = [line for line in lines if not line.startswith(noise)]
    return _one_line(" ".join(kept).replace("[WARNING] ", ""))


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "failed without a message"


def _replace(out: Path, write: Callable[[Path], object]) -> None:
    """Write beside `out`, check that something was written, then move it into place."""
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        if not temporary.stat().st_size:
            raise ValueGateError(f"nothing was written for {out}")
        temporary.chmod(0o644)
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
