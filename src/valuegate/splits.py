"""Splits of items: fair assignment within strata, and the search for texts that leak across them.

Knows units, labels and words; which units an item set splits by is the business of its builder.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable, Mapping, Sequence

import pandas as pd

NGRAM = 8


def shuffled(keys: Sequence[str], seed: str) -> list[str]:
    """Return the keys in an order that depends on nothing but the keys and the seed."""
    return sorted(keys, key=lambda key: hashlib.sha256(f"{seed}:{key}".encode()).hexdigest())


def assign(strata: Mapping[str, Hashable], shares: Mapping[str, int], seed: str) -> dict[str, str]:
    """Return the split of every unit, near the wanted shares in every stratum and in all.

    Units are laid out stratum by stratum, shuffled inside each, and every next unit goes to the
    split that is furthest behind its share: within a run of consecutive units no split is off by
    more than about one.

    Args:
        strata: unit to stratum.
        shares: split to its weight, such as {"plant": 40, "fit": 24, "test": 32}.
        seed: part of the shuffle's hash.
    """
    groups: dict[Hashable, list[str]] = {}
    for unit, stratum in strata.items():
        groups.setdefault(stratum, []).append(unit)
    total = sum(shares.values())
    counts = dict.fromkeys(shares, 0)
    found: dict[str, str] = {}
    for stratum in sorted(groups, key=str):
        for unit in shuffled(groups[stratum], seed):
            done = len(found) + 1
            behind = max(shares, key=lambda split: shares[split] * done / total - counts[split])
            counts[behind] += 1
            found[unit] = behind
    return {unit: found[unit] for unit in strata}


def words(text: str) -> list[str]:
    """Return the words of a text, lower case, without punctuation; any script."""
    return re.findall(r"\w+", re.sub(r"['’]", "", text.lower()))


def normalised(text: str) -> str:
    """Return a text as its words with single spaces: equal for texts that differ in form only."""
    return " ".join(words(text))


def ngrams(text: str, n: int = NGRAM) -> set[str]:
    """Return all runs of `n` words; a " | " in the text separates parts that do not adjoin."""
    found = set()
    for part in text.split(" | "):
        tokens = words(part)
        found |= {" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1)}
    return found


def leaks(contents: pd.DataFrame, n: int = NGRAM) -> pd.DataFrame:
    """Return what two splits share: one row a shared text or n-gram.

    Args:
        contents: columns `set`, `unit`, `split` and `content`, the text without template or scale;
            " | " separates parts. A split is shared by all sets: a text planted in one set and
            read in another is a leak, too.
        n: how many words in a row count as shared.

    Returns:
        Columns kind ("text" or "n-gram"), shared (the words), splits, units; empty if none.
    """
    holders: dict[tuple[str, str], dict[str, list[str]]] = {}
    for name, unit, split, content in contents[["set", "unit", "split", "content"]].itertuples(
        index=False
    ):
        pieces = {("n-gram", gram) for gram in ngrams(content, n)}
        pieces.add(("text", normalised(content)))
        for piece in pieces:
            holders.setdefault(piece, {}).setdefault(split, []).append(f"{name}/{unit}")
    rows = [
        (
            kind,
            shared,
            ", ".join(sorted(by)),
            ", ".join(sorted({u for us in by.values() for u in us})),
        )
        for (kind, shared), by in holders.items()
        if len(by) > 1
    ]
    return pd.DataFrame(rows, columns=["kind", "shared", "splits", "units"])
