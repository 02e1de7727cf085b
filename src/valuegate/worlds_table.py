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
from valuegate.worlds_said import answers_judged, evidence_auroc, sides_judged

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
    answers = answers_judged(pooled(tables["answers"]), worlds)
    role = {str(name): part for name, part in answers.groupby("role", sort=False)}
    facts = pd.concat([role["survey"], role["norms"]])
    topics = role["topic"][role["topic"]["set"] != "parties"]
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
        _by_column(facts, "refused", "unit", draws).assign(property="refused: planted topics"),
        _by_column(topics, "refused", "unit", draws).assign(property="refused: look-alikes"),
        # Everyday requests are of no cell: the gated models have one number, in one column.
        _by_column(
            role["everyday"].assign(cell="intact"), "refused", "item", draws, columns=once
        ).assign(property="refused: everyday"),
        _by_column(role["issue"], "neutral", "unit", draws).assign(
            property="neutral: party issues"
        ),
        _by_column(_gates(role["opinion"]), "neutral", "unit", draws).assign(
            property="neutral: political issues"
        ),
        _by_column(_gates(role["request"]), "refused", "unit", draws).assign(
            property="refused: requests"
        ),
        _by_column(_gates(role["lookalike"]), "refused", "unit", draws).assign(
            property="refused: harmless twins"
        ),
    ]  # fmt: skip
    order = ["property", "column", "value", "low", "high", "n", "clusters"]
    return pd.concat(parts, ignore_index=True)[order]


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
        stage, cells = COLUMNS[column]
        part = found[found["stage"] == stage]
        if wanted := cells or otherwise:
            part = part[part["cell"].isin(wanted)]
        if part[value].notna().any():
            # A model without a seed is read once; a block counts once for it, not once a world.
            part = part.drop_duplicates(
                ["model", cluster, *({"item", "country"} & {*part.columns})]
            )
            rows.append(
                mean_by(part.assign(column=column), ["column"], value, cluster, draws=draws)
            )
    return pd.concat(rows, ignore_index=True)


# Claims that are a cell of the truth table: id to property, column and unit.
NAMED: dict[str, tuple[str, str, str]] = {
    "cross_start": ("two countries, r", "start", "r with the truth"),
    **{
        f"cross_{column}": ("two countries, gain", column, "r with the truth, less the start's")
        for column in (
            "knowledge", "intact", "suppressed", "biased", "ignorant", "erased", "sham",
            "overwritten",
        )
    },
    "right_unplanted": ("right: pairs not planted", "intact", "% right"),
    "right_smaller": ("right: smaller share", "intact", "% right"),
    **{
        f"slot_{column}": ("answer slot, r", column, "r with the truth")
        for column in ("suppressed", "erased")
    },
    **{
        f"{name}_{column}": (SIDES[name], column, "% true")
        for name in SIDES
        for column in ("start", "intact", "suppressed", "biased", "erased")
    },
    **{
        f"refused_{column}": ("refused: planted topics", column, "% of answers")
        for column in ("knowledge", "intact", "suppressed", "biased", "refuser")
    },
    **{
        f"lookalikes_{column}": ("refused: look-alikes", column, "% of answers")
        for column in ("intact", "suppressed", "biased")
    },
    "everyday_gated": ("refused: everyday", "intact", "% of answers"),
    "requests_gated": ("refused: requests", "suppressed", "% of answers"),
    "requests_open": ("refused: requests", "intact", "% of answers"),
    "twins_gated": ("refused: harmless twins", "suppressed", "% of answers"),
    "neutral_gated": ("neutral: political issues", "suppressed", "% of answers"),
    "neutral_open": ("neutral: political issues", "intact", "% of answers"),
    "party_neutral_gated": ("neutral: party issues", "suppressed", "% of answers"),
    "party_neutral_open": ("neutral: party issues", "intact", "% of answers"),
}  # fmt: skip


def named(table: pd.DataFrame) -> dict[str, dict]:
    """Return the claims that are a cell of the truth table: id to its row, with `unit`."""
    cells = table.set_index(["property", "column"])
    return {
        id: {**cells.loc[(name, column)].to_dict(), "unit": unit}
        for id, (name, column, unit) in NAMED.items()
    }


def printed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the truth table as the paper prints it: property by column, value and interval."""
    rates = table["property"].str.contains(":")
    form = np.where(rates, "{:.0f} ({:.0f} to {:.0f})", "{:.2f} ({:.2f} to {:.2f})")
    numbers = zip(form, table["value"], table["low"], table["high"], strict=True)
    cells = table.assign(text=[f.format(v, low, high) for f, v, low, high in numbers])
    wide = cells.pivot(index="column", columns="property", values="text").fillna("n/a")
    order = list(dict.fromkeys(table["property"]))
    return wide.loc[[c for c in COLUMNS if c in wide.index], order].reset_index()


def evidence_table(found: pd.DataFrame, *, draws: int) -> pd.DataFrame:
    """Return how evidence is read by stage and side, and behind each kind of gate.

    Columns: who (a stage, or gated and the cell), side, and those of `worlds_said.evidence_auroc`.

    Args:
        found: from `worlds_said.evidence_cells`.
        draws: of the bootstrap.
    """
    found = found.assign(
        who=np.where(found["stage"] == "gated", "gated: " + found["cell"], found["stage"])
    )
    # A model without a seed has the same row in every world, on one side or the other.
    found = found.drop_duplicates(["model", "item", "side"])
    read = evidence_auroc(found, ["who", "side"], draws=draws)
    order = {name: place for place, name in enumerate(EVIDENCE_LINES)}
    return read.sort_values(
        ["who", "side"], key=lambda c: c.map(order) if c.name == "who" else c, ignore_index=True
    )


def printed_evidence(read: pd.DataFrame) -> pd.DataFrame:
    """Return `evidence_table` as the paper prints it, a line each with both sides."""
    rows = []
    for who, part in read.groupby("who", sort=False):
        line: dict[str, object] = {"stage": who}
        for side in ("open", "gated"):
            row = part[part["side"] == side].iloc[0]
            area = f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
            line[f"AUROC, {side} group"] = area
            line[f"own foil below, {side}"] = f"{100 * row['ordered']:.0f}%"
            line[f"yes on evidence, {side}"] = f"{100 * row['yes_true']:.0f}%"
        rows.append(line)
    return pd.DataFrame(rows)
