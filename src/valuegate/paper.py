"""The paper's text: numbers and verdicts bound to claims, then rendered to PDF, HTML and LaTeX.

In `paper/paper.md`, `{{misfire.mar:.1f}}` is a claim's value and `{{misfire.mar.ci:.1f}}` its
interval; `.n`, `.clusters`, `.null`, `.p` are what their names say, `.expected` is the expectation
as declared and `.verdict` one of four phrases; `{{pub.mar_lowest}}` is a published number with its
locator, `{{table.02_models}}` a table that a notebook printed. Any other number stops the build.
How a page looks is in `render`.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from valuegate import claims, parts, paths, registry, render, results, sections
from valuegate.claims import Claim, Declaration
from valuegate.config import Run
from valuegate.data import sha256
from valuegate.errors import ValueGateError, unknown
from valuegate.measure import write_text
from valuegate.schema import Strict, read_yaml

TOKEN = re.compile(
    r"\{\{(?P<id>[a-z]+\.[A-Za-z0-9_]+)(?:\.(?P<part>[a-z]+))?(?::(?P<format>[^{}]+))?\}\}"
    r"(?P<unit>%?)"
)
ANY_TOKEN = re.compile(r"\{\{.*?\}\}")
PARTS = ("ci", "n", "clusters", "null", "p", "verdict", "expected")
NUMBER_WORDS = (
    r"zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|"
    r"fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|"
    r"ninety|hundred|thousand|million|billion|dozen|half|halves|twice|thrice|third|quarter"
)
# Fractions and raised or lowered digits too. An underscore marks emphasis; it is no part of a word.
NUMERAL = re.compile(
    rf"[\d¼-¾⅐-↉²³¹⁰-⁹₀-₉][\d.,]*|(?<![^\W_])(?:{NUMBER_WORDS})s?(?![^\W_])", re.IGNORECASE
)


class Published(Strict):
    """A number of another paper, and where it stands there."""

    id: str
    value: str
    source: str
    locator: str


class Constant(Strict):
    """Text with a number that is no result, and why it may stand in the paper."""

    text: str
    reason: str


@dataclass(frozen=True)
class Record:
    """Where one consistent set of results lies: the published one, or a run's."""

    results: Path
    claims: Path
    figures: Path
    paper: Path
    notebooks: Path


def published_record() -> Record:
    """Return the record of this repository."""
    return Record(
        paths.RESULTS, paths.PAPER / "claims", paths.FIGURES, paths.PAPER, paths.NOTEBOOKS
    )


def run_record(name: str) -> Record:
    """Return the record of a run, under `build/<name>`."""
    folder = paths.build(name)
    return Record(
        *(folder / part for part in ("results", "claims", "figures", "paper", "notebooks"))
    )


@dataclass(frozen=True)
class Filled:
    """The paper with its numbers in place.

    Attributes:
        markdown: what `render` takes.
        sentences: for every claim cited, the sentences it stands in, as a reader sees them.
    """

    markdown: str
    sentences: dict[str, list[str]]


def source() -> str:
    """Return the text of `paper/paper.md`."""
    return (paths.PAPER / "paper.md").read_text(encoding="utf-8")


def published_numbers() -> dict[str, Published]:
    """Return the entries of `paper/published.yml` by id."""
    return {entry.id: entry for entry in read_yaml(paths.PAPER / "published.yml", list[Published])}


def unbound(text: str) -> list[str]:
    """Return every number in a text that nothing accounts for, with its line and surroundings.

    Accounted for are tokens, citations and references, code, math, attributes and link targets,
    registered names, and the entries of `paper/constants.yml`.
    """
    constants = read_yaml(paths.PAPER / "constants.yml", list[Constant])
    known = registry.load()
    names = [entry.title.partition(" (")[0] for entry in known.models.values()]
    names += [*known.models, *known.datasets]
    allowed = [
        re.compile(r"(?<!\w)" + re.escape(c.text).replace(r"\ ", r"\s+") + r"(?!\w)")
        for c in constants
    ]
    allowed += [re.compile(re.escape(name)) for name in sorted(names, key=len, reverse=True)]
    accounted = [
        re.compile(r"^date: \d{4}-\d\d-\d\d$", re.MULTILINE),
        re.compile(r"<!--.*?-->", re.DOTALL),
        re.compile(r"```.*?```", re.DOTALL),
        re.compile(r"`[^`\n]+`"),
        ANY_TOKEN,
        re.compile(r"\$(?=\S)[^$\n]+(?<=\S)\$(?!\d)"),  # as pandoc tells math from dollars
        re.compile(r"\]\([^)\s]*\)"),
        re.compile(r"\{[#.][^}\n]*\}"),
        re.compile(r"-?@[A-Za-z][\w:.-]*\w"),
        *allowed,
    ]
    written = text
    for pattern in accounted:  # blanked, so that places stay
        text = pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)
    found = []
    for match in NUMERAL.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        around = written[max(0, match.start() - 30) : match.end() + 20].replace("\n", " ").strip()
        found.append(
            f"paper/paper.md:{line}: number {match.group()!r} is bound to nothing: {around}"
        )
    return found


def fill(
    text: str, found: Mapping[str, Claim], declared: Mapping[str, Declaration], tables: Path
) -> Filled:
    """Return the text with every token replaced.

    Args:
        text: the paper's source.
        found: measured claims.
        declared: declared claims.
        tables: folder of the tables that notebooks printed.

    Raises:
        ValueGateError: a number bound to nothing, an unknown claim, part, table or format.
    """
    if problems := unbound(text):
        raise ValueGateError("; ".join(problems[:5]))
    known = published_numbers()
    sentences: dict[str, list[str]] = {}

    def replace(match: re.Match[str], plain: bool = False) -> str:
        id, part, form = match["id"], match["part"], match["format"]
        prefix, _, name = id.partition(".")
        if prefix == "pub":
            if name not in known:
                raise unknown("published number", name, known)
            entry = known[name]
            value = entry.value + match["unit"]
            return value if plain else f"{value} [@{entry.source}, {entry.locator}]"
        if prefix == "table":
            return "" if plain else pipe_table(tables / f"{name}.csv")
        if id not in found:
            raise unknown("claim in paper/paper.md", id, found)
        if id not in declared:
            raise unknown("claim (declare it in paper/claims.yml)", id, declared)
        if part is not None and part not in PARTS:
            raise unknown(f"part of {id}", part, PARTS)
        shown = _shown(found[id], part, form, declared, found, match["unit"])
        return shown if plain else f'[{shown}]{{.claim data-claim="{id}"}}'

    for paragraph in re.split(r"\n\s*\n", text):
        for sentence in re.split(r"(?<=[.!?])\s+(?=[^a-z])", paragraph):
            cited = [m["id"] for m in TOKEN.finditer(sentence) if m["id"] in found]
            if cited:
                read = _plain(TOKEN.sub(lambda m: replace(m, plain=True), sentence))
                for id in dict.fromkeys(cited):
                    sentences.setdefault(id, []).append(read)
    filled = TOKEN.sub(replace, text)
    if left := ANY_TOKEN.search(filled):
        raise ValueGateError(f"paper/paper.md: cannot read {left.group()}")
    return Filled(filled, sentences)


def _shown(
    claim: Claim,
    part: str | None,
    form: str | None,
    declared: Mapping[str, Declaration],
    found: Mapping[str, Claim],
    unit: str,
) -> str:
    if part == "verdict":
        return claims.verdict(claim.id, declared, found)
    if part == "expected":
        return declared[claim.id].expect.words().replace("-", "−")
    value: Any = getattr(claim, part) if part else claim.value
    if value is None:
        raise ValueGateError(f"paper/paper.md: {claim.id} has no {part}")
    if part in ("n", "clusters"):
        return f"{value:,}"
    if form is None:
        raise ValueGateError(
            f"paper/paper.md: {claim.id} needs a format, such as {{{{{claim.id}:.2f}}}}"
        )
    numbers = value if isinstance(value, tuple) else (value,)
    if any(math.isnan(number) for number in numbers):
        return "undefined"
    try:
        ends = [_formatted(number, form) for number in numbers]
    except ValueError as error:
        raise ValueGateError(f"paper/paper.md: {claim.id}: format {form!r}: {error}") from error
    # In print a minus sign, and the words that keep a meaningless number from being used.
    # A null that is a single number, such as a baseline's, has two ends that are the same.
    text = " to ".join(dict.fromkeys(ends) if part == "null" else ends).replace("-", "−") + unit
    if part is None and not claims.interpretable(claim.id, declared, found):
        text += " (not interpretable)"
    return text


def _formatted(number: float, form: str) -> str:
    """Return a number as text; one that rounds to nothing keeps a digit, or loses its sign."""
    text = format(number, form)
    if re.fullmatch(r"-?0\.?0*", text):
        return f"{number:.1g}" if abs(number) >= 1e-4 else text.lstrip("-")
    return text


def _plain(sentence: str) -> str:
    """Return a sentence without its markup, for people."""
    sentence = re.sub(r"!\[|\]\([^)]*\)|\{[#.][^}]*\}|^#+ |[*`]|^: ", "", sentence.strip())
    sentence = re.sub(r"\[(-?@[^\]]*)\]", "", sentence)
    for kind, word in (("fig", "the figure"), ("tbl", "the table"), ("sec", "the section")):
        sentence = re.sub(rf"-?@{kind}:[\w-]+", word, sentence)
    return re.sub(r"\s+", " ", sentence).strip()


def pipe_table(path: Path) -> str:
    """Return a table that a notebook printed as a pandoc pipe table; numbers to the right."""
    if not path.exists():
        raise ValueGateError(f"paper/paper.md: no table {path.stem}; no notebook printed it")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    right = [table[c].str.match(r"^[−+-]?[\d.,]+\*?$").mean() > 0.5 for c in table]
    rows = [table.columns, ["--:" if r else ":--" for r in right], *table.to_numpy()]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows)


def _cell(text: str) -> str:
    text = re.sub(r"^-(?=\d)", "−", text)
    return text.replace("|", "\\|") if set(text) <= set("-:") else re.sub(r"([|*])", r"\\\1", text)


def front_matter(text: str, record: Record, profile_title: str, models: Sequence[str]) -> str:
    """Return the paper with `run:` in its front matter: what this copy was computed with."""
    _, head, body = text.split("---\n", 2)
    entries = results.manifest(record.results).values()
    devices = sorted(
        {f"{e['ingredients']['device']}, {e['ingredients']['dtype']}" for e in entries}
    )
    content = yaml.safe_load(head)
    content["date"] = str(content["date"])
    content["run"] = {
        "profile": profile_title,
        "models": ", ".join(registry.model(name).title.partition(" (")[0] for name in models),
        "items": f"{sum(entry['rows'] for entry in entries if entry['tokens']):,} prompts",
        "tokens": f"{sum(entry['tokens'] for entry in entries):,} forward tokens",
        "device": "; ".join(devices),
    }
    return f"---\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True)}---\n{body}"


def compose(run: Run, record: Record) -> Filled:
    """Return the filled paper of a record; a run of some sections leaves the others out."""
    declared, found = claims.declarations(), claims.read(record.claims)
    text, title = source(), run.profile.title
    if set(sections.MODULES) - set(run.sections):
        text, left_out = parts.without_missing(text, {id.partition(".")[0] for id in found})
        title += f", without the parts: {', '.join(left_out)}" if left_out else ""
    if run.models != run.profile.models:
        tables = {path.stem for path in record.figures.glob("*.csv")}
        figures = {path.stem for path in record.figures.glob("*.svg")}
        text, some = parts.without_unmade(text, set(found), tables, figures)
        title += ", without what cannot be made of these models" if some else ""
    filled = fill(text, found, declared, record.figures)
    return Filled(front_matter(filled.markdown, record, title, run.models), filled.sentences)


def build(run: Run, record: Record, out: Path, *, tex: bool = False) -> Filled:
    """Render the paper of a record into `out` as valuegate.pdf and valuegate.html (or .tex)."""
    filled = compose(run, record)
    out.mkdir(parents=True, exist_ok=True)
    arguments = (filled.markdown, record.figures.parent)
    bibliography = paths.PAPER / "references.bib"
    if tex:
        render.render_tex(*arguments, out / "valuegate.tex", bibliography)
        return filled
    stamp, pages = (
        _stamp(filled.markdown, record, bibliography),
        ("valuegate.html", "valuegate.pdf"),
    )
    known = out / "stamp"
    if known.exists() and known.read_text() == stamp and all((out / p).exists() for p in pages):
        return filled
    render.render_html(*arguments, out / "valuegate.html", bibliography)
    render.render_pdf(*arguments, out / "valuegate.pdf", bibliography)
    write_text(stamp, known)
    return filled


def _stamp(markdown: str, record: Record, bibliography: Path) -> str:
    """Return the hash of all that the rendered paper is made of."""
    looks = [p for folder in ("filters", "templates") for p in (paths.PAPER / folder).rglob("*")]
    files = [bibliography, paths.SRC / "render.py", paths.ROOT / "requirements.lock", *looks]
    files += record.figures.glob("*.svg")
    hashes = [sha256(path) for path in sorted(files) if path.is_file()]
    return hashlib.sha256("\n".join([markdown, *hashes]).encode()).hexdigest()
