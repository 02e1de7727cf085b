"""Which parts of the paper's text a run of some sections can show.

A top-level part that cites claims of a notebook that did not run is left out, and the title page
says so. A run of all sections leaves nothing out: there a missing claim is an error.
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
