"""Section 05's items: requests by kind, to fit directions on and to steer. Never loads torch.

The eleven kinds are those of arXiv 2602.02132, sec. 3: in our own requests (appendix A1), or in
public sets that `refusal_public` maps onto them. Each kind has requests to refuse and look-alikes
to answer; everyday requests are of no kind.
"""

from __future__ import annotations

import functools

import pandas as pd

from valuegate import data, items, paths, splits
from valuegate.errors import unknown
from valuegate.refusal_geometry import FEWEST

EVERYDAY = "benign"
SOURCES = ("own", "public")
PUBLIC = ("coconot", "xstest", "refusal_direction_harmful")  # registered sets
POSITIONS = ("last", "end")  # of the prompt, and of the user's words
COLUMNS = ["item", "kind", "role", "unit", "split", "text"]


@functools.cache
def _every(source: str) -> pd.DataFrame:
    if source not in SOURCES:
        raise unknown("source of requests", source, SOURCES)
    if source == "own":
        return items.load("requests", "prompts")[COLUMNS]
    from valuegate import refusal_public

    return refusal_public.requests()[COLUMNS]


def fingerprint(source: str) -> str:
    """Return what identifies the requests of a source, without reading public ones."""
    sets = {"own": ["requests"], "public": ["requests", *PUBLIC]}[source]
    table = data.sha256(paths.DATA / "refusal_kinds.csv") if source == "public" else ""
    return " ".join([*(data.fingerprint(name)[:12] for name in sets), table[:12]]).strip()


def left_out(source: str = "own") -> dict[str, int]:
    """Return what has fewer than `FEWEST` fit requests, as "kind, role", to how many there are.

    Without enough to refuse a kind has no direction; without enough look-alikes it has none
    against these.
    """
    rows = _every(source)
    names = [kind for kind in rows["kind"].unique() if kind != EVERYDAY]
    count = rows[rows["split"] == "fit"].groupby(["kind", "role"]).size()
    pairs = ((kind, role) for kind in names for role in ("refuse", "comply"))
    counts = {f"{kind}, {role}": int(count.get((kind, role), 0)) for kind, role in pairs}
    return {name: n for name, n in counts.items() if n < FEWEST}


@functools.cache
def _requests(source: str) -> pd.DataFrame:
    """Return the requests that are used: those of `left_out` are not, in any split."""
    rows = _every(source)
    return rows[~(rows["kind"] + ", " + rows["role"]).isin(left_out(source))]


@functools.cache
def kinds(source: str = "own") -> tuple[str, ...]:
    """Return the kinds that have a direction, in the order of the items."""
    rows = _requests(source)
    return tuple(rows.loc[rows["role"] == "refuse", "kind"].unique())


def kind_items(source: str = "own") -> pd.DataFrame:
    """Return the kinds, a row each. Columns: kind, source."""
    return pd.DataFrame({"kind": kinds(source), "source": source})


def request_items(split: str, each: int, everyday: int = 0, source: str = "own") -> pd.DataFrame:
    """Return requests of every kind, as many to refuse as look-alikes, and everyday ones.

    A request and its look-alike are drawn together where they are a pair. Columns: `COLUMNS`.

    Args:
        split: "fit" or "test".
        each: of a kind and role, drawn by hash; fewer where there are fewer.
        everyday: requests of no kind.
        source: of `SOURCES`.
    """
    rows = _requests(source)
    rows = rows[rows["split"] == split]
    parts = []
    for kind in (*kinds(source), EVERYDAY):
        own = rows[rows["kind"] == kind]
        units = splits.shuffled(list(own["unit"].unique()), f"refusal:{split}:{kind}")
        own = own.set_index("unit").loc[units].reset_index()
        drawn = own.groupby("role").head(everyday if kind == EVERYDAY else each)
        parts.append(rows.loc[rows["item"].isin(drawn["item"])])
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def curve_items(prompts: int = 30, source: str = "own") -> pd.DataFrame:
    """Return test requests to steer: as many to refuse, of all kinds, as to answer.

    To answer are look-alikes of all kinds, and everyday requests for a quarter of them. Columns:
    `COLUMNS`.

    Args:
        prompts: of either.
        source: of `SOURCES`.
    """
    rows = _requests(source)
    rows = rows[(rows["split"] == "test") & rows["kind"].isin((*kinds(source), EVERYDAY))]
    plain = prompts // 4
    parts = [
        _in_turn(rows[rows["role"] == "refuse"], prompts, "refuse"),
        _in_turn(rows[(rows["role"] == "comply") & (rows["kind"] != EVERYDAY)], prompts - plain,
                 "comply"),
        _in_turn(rows[rows["kind"] == EVERYDAY], plain, "everyday"),
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def refuse_items(prompts: int = 30, source: str = "own") -> pd.DataFrame:
    """Return those of `curve_items` that are to be refused."""
    found = curve_items(prompts, source)
    return found[found["role"] == "refuse"].reset_index(drop=True)


def _in_turn(rows: pd.DataFrame, count: int, salt: str) -> pd.DataFrame:
    """Return rows of every kind in turn, drawn by hash within a kind."""
    order = splits.shuffled(list(rows["item"]), f"refusal:curve:{salt}")
    drawn = rows.set_index("item").loc[order].reset_index()
    drawn = drawn.assign(turn=drawn.groupby("kind").cumcount())
    return drawn.sort_values("turn", kind="stable").head(count).drop(columns="turn")


def select_items(prompts: int = 16, source: str = "own") -> pd.DataFrame:
    """Return fit requests that layer and position are chosen on: to refuse, and everyday.

    The direction that is tried on them is fitted on the other fit requests. Columns: `COLUMNS`.

    Args:
        prompts: of either.
        source: of `SOURCES`.
    """
    rows = _requests(source)
    rows = rows[(rows["split"] == "fit") & rows["kind"].isin((*kinds(source), EVERYDAY))]
    parts = [
        _in_turn(rows[rows["role"] == "refuse"], prompts, "select"),
        _in_turn(rows[rows["kind"] == EVERYDAY], prompts, "select everyday"),
    ]
    return pd.concat(parts, ignore_index=True)[COLUMNS]
