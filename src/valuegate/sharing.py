"""Which rows of token ids share what they have in common, and which run together in one batch.

Pure bookkeeping: knows token ids, no model. `scoring.readings` runs what is planned here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

BATCH_TOKENS = 1536  # beyond this the two-core matrix products get no faster
LEAST_STEM = 12  # sharing fewer tokens than this saves less than it costs in bookkeeping


@dataclass(frozen=True)
class Row:
    """One sequence to run and the positions to read (counted from its start)."""

    ids: tuple[int, ...]
    reads: tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """Rows that share `stem` tokens after the prefix common to all rows."""

    stem: int
    rows: tuple[int, ...]


def common_prefix(rows: Sequence[Row]) -> int:
    """Return how many tokens all rows share, short of the first position read anywhere.

    A prefix shorter than `LEAST_STEM` counts as none.
    """
    longest = min(min(row.reads) for row in rows)
    low, high = min(row.ids for row in rows), max(row.ids for row in rows)
    length = _shared(low, high, longest)
    return length if length >= LEAST_STEM else 0


def _shared(one: Sequence[int], other: Sequence[int], longest: int) -> int:
    pairs = zip(one[:longest], other[:longest], strict=False)
    for length, (a, b) in enumerate(pairs):
        if a != b:
            return length
    return min(len(one), len(other), longest)


def group_rows(rows: Sequence[Row], common: int) -> list[Group]:
    """Return the rows in groups that share a stem; a greedy walk over the rows in sorted order.

    The groups come sorted by the length of their stem, then of their longest leaf, so that
    neighbours need little padding.
    """
    order = sorted(range(len(rows)), key=lambda i: (rows[i].ids, i))
    groups: list[Group] = []
    members: list[int] = []
    stem = 0
    for i in order:
        if members:
            limit = min(min(rows[i].reads), *(min(rows[m].reads) for m in members))
            # In sorted order, what rows share with the first only shrinks from row to row.
            shorter = _shared(rows[members[0]].ids, rows[i].ids, limit)
            saved_before = (len(members) - 1) * (stem - common)
            saved_after = len(members) * (shorter - common)
            if shorter - common >= LEAST_STEM and saved_after >= saved_before:
                members.append(i)
                stem = shorter
                continue
            groups.append(Group(stem - common if len(members) > 1 else 0, tuple(members)))
        members, stem = [i], 0
    groups.append(Group(stem - common if len(members) > 1 else 0, tuple(members)))
    return sorted(groups, key=lambda group: (group.stem, _leaf(group, rows, common), group.rows))


def _leaf(group: Group, rows: Sequence[Row], common: int) -> int:
    """Return the length of the longest of the group's leaves (what follows prefix and stem)."""
    return max(len(rows[i].ids) for i in group.rows) - common - group.stem


def batches(
    groups: Sequence[Group], rows: Sequence[Row], common: int, *, stems: bool
) -> Iterator[list[Group]]:
    """Yield the groups, in their order, in batches of about `BATCH_TOKENS`.

    Args:
        groups: in the order wanted.
        rows: what the groups index.
        common: length of the prefix that all rows share.
        stems: whether stems of different lengths may stand in one batch.
    """
    batch: list[Group] = []
    for group in groups:
        grown = [*batch, group]
        longest = max(_leaf(g, rows, common) for g in grown)
        size = sum(g.stem for g in grown) + sum(len(g.rows) for g in grown) * longest
        mixes = batch and (batch[0].stem == 0) != (group.stem == 0)
        uneven = batch and not stems and batch[0].stem != group.stem
        if batch and (size > BATCH_TOKENS or mixes or uneven):
            yield batch
            grown = [group]
        batch = grown
    if batch:
        yield batch
