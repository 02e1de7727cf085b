"""Which parts of the paper's text a run of some sections can show.

A top-level part that cites claims of a notebook that did not run is left out, and the title page
says so. Of other models than the profile's some claims cannot be made (an autoencoder is of another
base, say): there passages go that need them. A run of all sections on the profile's models leaves
nothing out: there a missing claim is an error.
"""

from __future__ import annotations

import re
from collections.abc import Set

CITED = re.compile(r"\{\{([a-z_]+)\.")
NO_CLAIMS = {"pub", "table"}
HEADING = re.compile(r"^# (.+?)(?: \{.*\})?$", re.MULTILINE)
LABEL = re.compile(r"\{#((?:sec|fig|tbl):[\w-]+)")


def without_missing(text: str, measured: Set[str]) -> tuple[str, list[str]]:
    """Return the text without the parts that cite what was not measured, and their headings.

    Args:
        text: the paper's source, front matter first.
        measured: the prefixes of the measured claims, such as {"misfire"}.

    Of the abstract the sentences go that cite such claims. A reference to something left out reads
    "a part that was not run".
    """
    _, head, body = text.split("---\n", 2)
    headings = list(HEADING.finditer(body))
    ends = [heading.start() for heading in headings[1:]] + [len(body)]
    kept, left_out, gone = [body[: headings[0].start()] if headings else body], [], []
    for heading, end in zip(headings, ends, strict=False):
        part = body[heading.start() : end]
        if _prefixes(part) <= measured:
            kept.append(part)
        else:
            left_out.append(heading[1])
            gone += LABEL.findall(part)
    sentences = re.split(r"(?<=[.!?])(?=\s)", head)
    head = "".join(sentence for sentence in sentences if _prefixes(sentence) <= measured)
    body = "".join(kept)
    for label in gone:
        body = re.sub(rf"@{re.escape(label)}(?![\w-])", "a part that was not run", body)
    return f"---\n{head}---\n{body}", left_out


def _prefixes(text: str) -> set[str]:
    return set(CITED.findall(text)) - NO_CLAIMS


TOKEN = re.compile(r"\{\{([a-z_]+)\.(\w+)")
FIGURE = re.compile(r"\]\(figures/(\w+)\.svg\)")


def without_unmade(
    text: str, claims: Set[str], tables: Set[str], figures: Set[str]
) -> tuple[str, bool]:
    """Return the text without passages that need what was not made, and whether any went.

    A passage is a paragraph, a figure, a table with its caption, a line of a table written by hand,
    or a sentence of the abstract. A reference to something left out reads "a part that was not
    made".

    Args:
        text: the paper's source, front matter first.
        claims: ids of the measured claims.
        tables: names of the printed tables.
        figures: names of the drawn figures.
    """

    def made(passage: str) -> bool:
        named = TOKEN.findall(passage)
        return (
            all(name in tables for kind, name in named if kind == "table")
            and all(f"{k}.{n}" in claims for k, n in named if k not in NO_CLAIMS)
            and all(name in figures for name in FIGURE.findall(passage))
        )

    _, head, body = text.split("---\n", 2)
    sentences = re.split(r"(?<=[.!?])(?=\s)", head)
    kept_head = "".join(sentence for sentence in sentences if made(sentence))
    kept: list[str] = []
    gone: list[str] = []
    captioned = True  # whether what a caption belongs to was kept
    for block in re.split(r"\n\s*\n", body):
        if block.startswith(": ") and not captioned:
            gone += LABEL.findall(block)
            continue
        if block.startswith("|"):
            block = "\n".join(line for line in block.split("\n") if made(line))
        captioned = made(block)
        if captioned:
            kept.append(block)
        else:
            gone += LABEL.findall(block)
    body = "\n\n".join(kept)
    for label in gone:
        body = re.sub(rf"@{re.escape(label)}(?![\w-])", "a part that was not made", body)
    return f"---\n{kept_head}---\n{body}", bool(gone) or kept_head != head
