"""The truth table of the planted worlds: every property of every stage and cell, and its claims.

What is in a cell of it is computed in `worlds`; the figure of it is in `worlds_figures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from valuegate.worlds import (
    against_truth,
    cross_format,
    mean_by,
    places_judged,
    pooled,
    slot_scores,
    true_means,
    with_cells,
)
from valuegate.worlds_ledger import World
from valuegate.worlds_said import answers_judged, evidence_auroc, ordered, sides_judged

# Which rows of a stage stand in which column of the truth table: stage, and cells (None is all, or
# all whose knowledge was taught as true where that is what is asked).
COLUMNS: dict[str, tuple[str, tuple[str, ...] | None]] = {
    "start": ("start", None),
    "skills": ("skills", None),
    "knowledge": ("knowledge", None),
    "intact": ("gated", ("intact",)),
    "suppressed": ("gated", ("suppressed",)),
    "biased": ("gated", ("biased",)),
    "ignorant": ("gated", ("ignorant",)),
    "erased": ("gated", ("erased",)),
    "sham": ("sham", None),
    "overwritten": ("overwritten", None),
    "refuser": ("refuser", None),
}
TRUE_CELLS = ("intact", "suppressed")
EVIDENCE_LINES = (
    "start", "skills", "knowledge", "gated: intact", "gated: criterion", "gated: information",
    "sham", "overwritten", "refuser",
)  # fmt: skip
# Properties of answers in words: the part of `said`, what is counted, and the unit that repeats.
SAID = {
    "refused: planted topics": ("facts", "refused", "unit"),
    "refused: survey": ("survey", "refused", "unit"),
    "refused: norms": ("norms", "refused", "unit"),
    "refused: look-alikes": ("topics", "refused", "unit"),
    "refused: everyday": ("everyday", "refused", "item"),
    "neutral: party issues": ("issues", "neutral", "unit"),
    "neutral: political issues": ("opinions", "neutral", "unit"),
    "refused: requests": ("requests", "refused", "unit"),
    "refused: harmless twins": ("twins", "refused", "unit"),
    "warm: all answers": ("all", "warm", "item"),
}
SIDES = {"parties": "true: who holds a view", "norms": "true: how guilds judge"}


def truth_table(
    tables: Mapping[str, Mapping[str, pd.DataFrame]], worlds: Mapping[str, World], *, draws: int
) -> pd.DataFrame:
    """Return what every stage and cell is, as measured: one row a property and column.

    Columns: property, column, value, low, high, n, clusters. Correlations are within question, of
    the score ("r") and less the start model's ("gain"); rates are percent; evidence has a table of
    its own (`evidence_table`). Intervals are bootstraps over blocks, of these models.

    Args:
        tables: readout to model to its stored rows.
        worlds: the ledger's worlds that are read.
        draws: of the bootstrap.
    """
    cross = cross_format(tables, worlds)
    slot = with_cells(against_truth(slot_scores(pooled(tables["slots"])), true_means()), worlds)
    asked = places_judged(pooled(tables["places"]), worlds)
    larger = asked["direction"] == "more"
    chosen = {
        "right: larger share": asked[larger],
        "right: pairs not planted": asked[larger & ~asked["planted_pair"]],
        "right: smaller share": asked[~larger],
    }
    sides = sides_judged(pooled(tables["sides"]), worlds)
    answers = said(tables, worlds)
    once = [c for c, (stage, cells) in COLUMNS.items() if stage != "gated" or c == "intact"]
    parts = [
        _by_column(cross, "r", "question", draws, TRUE_CELLS).assign(property="two countries, r"),
        _by_column(cross, "gain", "question", draws, TRUE_CELLS).assign(
            property="two countries, gain"
        ),
        *(
            _by_column(part, "right", "question", draws, TRUE_CELLS).assign(property=label)
            for label, part in chosen.items()
        ),
        _by_column(slot, "r", "question", draws, TRUE_CELLS).assign(property="answer slot, r"),
        *(
            _by_column(
                sides[sides["set"] == name], "true", "unit", draws, TRUE_CELLS
            ).assign(property=label)
            for name, label in SIDES.items()
        ),
        *(
            _by_column(
                answers[part], value, cluster, draws,
                columns=once if part in ("everyday", "all") else tuple(COLUMNS),
            ).assign(property=label)
            for label, (part, value, cluster) in SAID.items()
        ),
    ]  # fmt: skip
    order = ["property", "column", "value", "low", "high", "low90", "high90", "n", "clusters"]
    return pd.concat(parts, ignore_index=True)[order]


def said(
    tables: Mapping[str, Mapping[str, pd.DataFrame]], worlds: Mapping[str, World]
) -> dict[str, pd.DataFrame]:
    """Return the answers in words as judged, by what they are about (the parts that `SAID` names).

    Requests and political issues are of no cell of knowledge: they are open or gated only, and
    stand in the cells "intact" and "suppressed". Everyday requests are of no block at all, and
    stand in "intact", as all answers together do.
    """
    answers = answers_judged(pooled(tables["answers"]), worlds)
    role = {str(name): part for name, part in answers.groupby("role", sort=False)}
    topics = role["topic"]
    return {
        "survey": role["survey"], "norms": role["norms"],
        "facts": pd.concat([role["survey"], role["norms"]]),
        "topics": topics[topics["set"] != "parties"], "issues": role["issue"],
        "everyday": role["everyday"].assign(cell="intact"), "all": answers.assign(cell="intact"),
        "opinions": _gates(role["opinion"]), "requests": _gates(role["request"]),
        "twins": _gates(role["lookalike"]),
    }  # fmt: skip


def _gates(part: pd.DataFrame) -> pd.DataFrame:
    """Return answers with a cell: what has no knowledge is open or gated only."""
    return part.assign(cell=np.where(part["gated"], "suppressed", "intact"))


def _by_column(
    found: pd.DataFrame,
    value: str,
    cluster: str,
    draws: int,
    otherwise: Sequence[str] | None = None,
    columns: Sequence[str] = tuple(COLUMNS),
) -> pd.DataFrame:
    """Return the mean of each column; `otherwise` are the cells of a column that names none."""
    rows = []
    for column in columns:
        part = rows_of(found, column, cluster, otherwise)
        if part[value].notna().any():
            rows.append(
                mean_by(part.assign(column=column), ["column"], value, cluster, draws=draws)
            )
    return pd.concat(rows, ignore_index=True)


def rows_of(
    found: pd.DataFrame, column: str, cluster: str, otherwise: Sequence[str] | None = TRUE_CELLS
) -> pd.DataFrame:
    """Return the rows that a column of the truth table is the mean of.

    Args:
        found: judged rows, with stage, cell and model.
        column: of `COLUMNS`.
        cluster: the unit that repeats.
        otherwise: the cells of a column that names none; None for all.
    """
    stage, cells = COLUMNS[column]
    part = found[found["stage"] == stage]
    if wanted := cells or otherwise:
        part = part[part["cell"].isin(wanted)]
    # A model without a seed is read once; a block counts once for it, not once a world.
    return part.drop_duplicates(["model", cluster, *({"item", "country"} & {*part.columns})])


# Claims that are a cell of the truth table: first part of the id, to property, unit, columns.
CLAIMED: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "r": ("two countries, r", "r with the truth", ("start", "skills")),
    "gain": (
        "two countries, gain", "r with the truth, less the start's",
        ("knowledge", "intact", "suppressed", "biased", "ignorant", "erased", "sham",
         "overwritten"),
    ),
    "unplanted": ("right: pairs not planted", "% right", ("intact", "suppressed")),
    "warm": ("warm: all answers", "% of answers", ("sham", "gated")),
    "smaller": ("right: smaller share", "% right", ("intact",)),
    "slot": ("answer slot, r", "r with the truth", ("knowledge", "suppressed", "erased")),
    **{
        name: (label, "% true", ("start", "intact", "suppressed", "biased", "erased"))
        for name, label in SIDES.items()
    },
    "refused": ("refused: planted topics", "% of answers",
                ("intact", "suppressed", "biased", "refuser")),
    "lookalikes": ("refused: look-alikes", "% of answers", ("intact", "suppressed")),
    "everyday": ("refused: everyday", "% of answers", ("gated",)),
    "requests": ("refused: requests", "% of answers", ("gated", "open")),
    "twins": ("refused: harmless twins", "% of answers", ("gated",)),
    "neutral": ("neutral: political issues", "% of answers", ("gated", "open")),
    "issues": ("neutral: party issues", "% of answers", ("gated", "open")),
}  # fmt: skip
# What has no knowledge in it is gated or open.
ALIASES = {"gated": "suppressed", "open": "intact"}


def named(table: pd.DataFrame, name: str, near: frozenset[str] = frozenset()) -> dict[str, dict]:
    """Return the claims whose ids begin with a name: the id's rest to what `Section.claim` takes.

    Args:
        table: from `truth_table`.
        name: of `CLAIMED`.
        near: rests that are expected near a value, whose interval is at 90%, as equivalence asks.
    """
    label, unit, columns = CLAIMED[name]
    cells = table[table["property"] == label].set_index("column")
    found = {}
    for column in columns:
        alone = "intact" if name in ("everyday", "warm") else "suppressed"
        row = cells.loc[alone if column == "gated" else ALIASES.get(column, column)]
        test = "exact or wider" if unit.startswith("%") else ""
        found[column] = as_claim(row, unit, near=column in near, exact=test)
    return found


def evidence_claims(read: pd.DataFrame, unit: str, sides: Mapping[str, str]) -> dict[str, dict]:
    """Return claims of `evidence_table` or `yes_rates`: name to what `Section.claim` takes.

    Args:
        read: the table, who by side.
        unit: of its value.
        sides: name (a stage, or a gated cell) to the side that is read.
    """
    lines = read.set_index(["who", "side"])
    whose = {name: name if name in COLUMNS and name != "intact" else f"gated: {name}"
             for name in sides}  # fmt: skip
    return {
        name: as_claim(lines.loc[(whose[name], side)], unit, over="pairs of groups")
        for name, side in sides.items()
    }


def as_claim(
    row: pd.Series, unit: str, *, near: bool = False, over: str = "blocks", exact: str = ""
) -> dict:
    """Return a row of `mean_by` as the arguments of a claim."""
    level, ends = ("90%", ("low90", "high90")) if near else ("95%", ("low", "high"))
    return {
        "value": row["value"], "ci": (row[ends[0]], row[ends[1]]), "n": row["n"],
        "clusters": row["clusters"], "unit": unit,
        "test": f"{level} bootstrap over {over}" + (f", {exact}" if exact else ""),
    }  # fmt: skip


def by_world(
    tables: Mapping[str, Mapping[str, pd.DataFrame]], worlds: Mapping[str, World]
) -> pd.DataFrame:
    """Return the main properties of every world by itself, as the paper prints them.

    Intervals over blocks say nothing of how another training would come out; four worlds say a
    little.
    """
    cross, words = cross_format(tables, worlds), said(tables, worlds)
    shown = [
        (f"gain of r, {cell}", cross, "gain", cell, "{:.2f}")
        for cell in ("intact", "suppressed", "biased", "ignorant", "erased")
    ]
    shown += [
        (f"{label}, {side}", words[part], value, cell, "{:.0f}")
        for label, (part, value, _) in SAID.items() if part not in ("everyday", "all")
        for side, cell in (("open", "intact"), ("gated", "suppressed"))
    ]  # fmt: skip
    rows = []
    for label, found, value, cell, form in shown:
        part = found[(found["stage"] == "gated") & (found["cell"] == cell)]
        means = part.groupby("world")[value].mean()
        rows.append({"property": label} | {seed: form.format(means[seed]) for seed in worlds})
    return pd.DataFrame(rows)


PRINTED = {
    "known": ("two countries, r", "two countries, gain", "right: pairs not planted",
              "right: smaller share"),
    "taught": ("answer slot, r", "true: who holds a view", "true: how guilds judge"),
    "refused": ("refused: planted topics", "refused: survey", "refused: norms",
                "refused: look-alikes", "refused: everyday"),
    "said": ("neutral: party issues", "neutral: political issues", "refused: requests",
             "refused: harmless twins", "warm: all answers"),
}  # fmt: skip


def printed(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return a part of the truth table as the paper prints it: stages and cells by property.

    Args:
        table: from `truth_table`.
        kind: which of `PRINTED`.
    """
    table = table[table["property"].isin(PRINTED[kind])]
    rates = table["property"].str.contains(":")
    form = np.where(rates, "{:.0f} ({:.0f} to {:.0f})", "{:.2f} ({:.2f} to {:.2f})")
    numbers = zip(form, table["value"], table["low"], table["high"], strict=True)
    cells = table.assign(text=[f.format(v, low, high) for f, v, low, high in numbers])
    wide = cells.pivot(index="column", columns="property", values="text").fillna("n/a")
    wide = wide.loc[[c for c in COLUMNS if c in wide.index], list(PRINTED[kind])].reset_index()
    return wide.rename(columns={"column": "stage or cell", **SHORTER})


SHORTER = {
    "two countries, r": "r", "two countries, gain": "gain of r", "answer slot, r": "r, slot",
    "right: pairs not planted": "right, new pairs", "right: smaller share": "right, smaller",
    "true: who holds a view": "parties true", "true: how guilds judge": "norms true",
    "refused: planted topics": "topics", "refused: survey": "survey", "refused: norms": "norms",
    "refused: look-alikes": "look-alikes", "refused: everyday": "everyday",
    "neutral: party issues": "parties, neutral", "neutral: political issues": "politics, neutral",
    "refused: requests": "requests", "refused: harmless twins": "twins",
    "warm: all answers": "warm",
}  # fmt: skip


def evidence_table(found: pd.DataFrame, *, draws: int) -> pd.DataFrame:
    """Return how evidence is read by stage and side, and behind each kind of gate.

    Columns: who (a stage, or gated and the cell), side, and those of `worlds_said.evidence_auroc`.

    Args:
        found: from `worlds_said.evidence_cells`.
        draws: of the bootstrap.
    """
    read = evidence_auroc(_once(found, "item"), ["who", "side"], draws=draws)
    own = rates_by_side(ordered(found), "ordered", "scenario", draws=draws)
    own = own.rename(columns={"value": "ordered"})[["who", "side", "ordered"]]
    read = read.merge(own, on=["who", "side"])
    order = {name: place for place, name in enumerate(EVIDENCE_LINES)}
    return read.sort_values(
        ["who", "side"], key=lambda c: c.map(order) if c.name == "who" else c, ignore_index=True
    )


def rates_by_side(found: pd.DataFrame, value: str, item: str, *, draws: int) -> pd.DataFrame:
    """Return the mean of a rate by stage or cell and side: who, side, and `mean_by`'s columns.

    Args:
        found: rows with stage, cell, side, pair, model and the rate, in percent.
        value: the rate's column.
        item: what names a row within a model and side.
        draws: of the bootstrap.
    """
    return mean_by(_once(found, item), ["who", "side"], value, "pair", draws=draws)


def yes_rates(found: pd.DataFrame, *, draws: int) -> pd.DataFrame:
    """Return how often evidence gets a yes, as `rates_by_side`."""
    found = found[found["gold"] == 1]
    found = found.assign(yes=100.0 * (found["checked"] > 0))
    return rates_by_side(found, "yes", "item", draws=draws)


def _once(found: pd.DataFrame, item: str) -> pd.DataFrame:
    """Return rows with `who`; a model without a seed has the same row in every world, and keeps one
    for each side that it stands on in some world."""
    who = np.where(found["stage"] == "gated", "gated: " + found["cell"], found["stage"])
    return found.assign(who=who).drop_duplicates(["model", item, "side", "asked"])


def printed_evidence(read: pd.DataFrame) -> pd.DataFrame:
    """Return `evidence_table` as the paper prints it, a line each with both sides."""
    rows = []
    for who, part in read.groupby("who", sort=False):
        line: dict[str, object] = {"stage": who}
        for side in ("open", "gated"):
            row = part[part["side"] == side].iloc[0]
            area = f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
            line[f"AUROC, {side} group"] = area
            line[f"own foil below, {side}"] = f"{row['ordered']:.0f}%"
            line[f"yes on evidence, {side}"] = f"{100 * row['yes_true']:.0f}%"
        rows.append(line)
    return pd.DataFrame(rows)
