"""Section 05's items: requests by kind, to fit directions on and to steer. Never loads torch.

The eleven kinds are those of arXiv 2602.02132, sec. 3, in our own requests (appendix A1): each to
be refused, its look-alike to be answered, and everyday requests that are of no kind.
"""

from __future__ import annotations

import functools

import pandas as pd

from valuegate import items, splits

EVERYDAY = "benign"


@functools.cache
def kinds() -> tuple[str, ...]:
    """Return the names of the kinds, in the order of the items."""
    found = items.load("requests", "prompts")["kind"].unique()
    return tuple(kind for kind in found if kind != EVERYDAY)


def request_items(split: str, each: int, everyday: int = 0) -> pd.DataFrame:
    """Return requests of every kind, as many to refuse as look-alikes, and everyday ones.

    A request and its look-alike are drawn together. Columns: item, kind, role ("refuse" or
    "comply"), unit, split, text.

    Args:
        split: "fit" or "test".
        each: pairs of a kind, drawn by hash.
        everyday: requests of no kind.
    """
    rows = items.load("requests", "prompts")
    rows = rows[rows["split"] == split]
    parts = []
    for kind in (*kinds(), EVERYDAY):
        own = rows[rows["kind"] == kind]
        units = splits.shuffled(list(own["unit"].unique()), f"refusal:{split}:{kind}")
        parts.append(own[own["unit"].isin(units[: everyday if kind == EVERYDAY else each])])
    found = pd.concat(parts, ignore_index=True)
    return found[["item", "kind", "role", "unit", "split", "text"]]


def curve_items(prompts: int = 30) -> pd.DataFrame:
    """Return test requests to steer: as many to refuse, of all kinds, as to answer.

    To answer are look-alikes of all kinds, and everyday requests for a quarter of them. Columns:
    those of `request_items`.

    Args:
        prompts: of either.
    """
    rows = items.load("requests", "prompts")
    rows = rows[rows["split"] == "test"]
    plain = prompts // 4
    parts = [
        _in_turn(rows[rows["role"] == "refuse"], prompts, "refuse"),
        _in_turn(rows[(rows["role"] == "comply") & (rows["kind"] != EVERYDAY)], prompts - plain,
                 "comply"),
        _in_turn(rows[rows["kind"] == EVERYDAY], plain, "everyday"),
    ]  # fmt: skip
    found = pd.concat(parts, ignore_index=True)
    return found[["item", "kind", "role", "unit", "split", "text"]]


def refuse_items(prompts: int = 30) -> pd.DataFrame:
    """Return those of `curve_items` that are to be refused."""
    found = curve_items(prompts)
    return found[found["role"] == "refuse"].reset_index(drop=True)


def _in_turn(rows: pd.DataFrame, count: int, salt: str) -> pd.DataFrame:
    """Return rows of every kind in turn, drawn by hash within a kind."""
    order = splits.shuffled(list(rows["item"]), f"refusal:curve:{salt}")
    drawn = rows.set_index("item").loc[order].reset_index()
    drawn = drawn.assign(turn=drawn.groupby("kind").cumcount())
    return drawn.sort_values("turn", kind="stable").head(count).drop(columns="turn")


def select_items(prompts: int = 16) -> pd.DataFrame:
    """Return fit requests that layer and position are chosen on: to refuse, and everyday.

    The direction that is tried on them is fitted on the other fit requests. Columns: those of
    `request_items`.

    Args:
        prompts: of either.
    """
    rows = items.load("requests", "prompts")
    rows = rows[rows["split"] == "fit"]
    parts = [
        _in_turn(rows[rows["role"] == "refuse"], prompts, "select"),
        _in_turn(rows[rows["kind"] == EVERYDAY], prompts, "select everyday"),
    ]
    found = pd.concat(parts, ignore_index=True)
    return found[["item", "kind", "role", "unit", "split", "text"]]
