"""The truth table of the planted worlds: every property of every stage and cell, and its claims.

What is in a cell of it is computed in `worlds`; the figure of it is in `worlds_figures`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from valuegate.worlds import (
    against_truth,
    answers_judged,
    country_scores,
    mean_by,
    pooled,
    sides_judged,
    slot_scores,
    true_agreement,
    true_means,
    with_cells,
)
from valuegate.worlds_ledger import World

# Which rows of a stage stand in which column of the truth table: stage, and cells (None is all
# whose knowledge was taught as true).
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
SIDES = {"parties": "true: who holds a view", "norms": "true: how guilds judge"}


def truth_table(
    tables: Mapping[str, Mapping[str, pd.DataFrame]], worlds: Mapping[str, World], *, draws: int
) -> pd.DataFrame:
    """Return what every stage and cell is, as measured: one row a property and column.

    Columns: property, column, value, low, high, n, clusters. Correlations are within question,
    rates are percent; evidence has a table of its own (`worlds.evidence_auroc`). Intervals are
    bootstraps over blocks.

    Args:
        tables: readout to model to its stored rows.
        worlds: the ledger's worlds that are read.
        draws: of the bootstrap.
    """
    places, slots = pooled(tables["places"]), pooled(tables["slots"])
    cross = with_cells(against_truth(country_scores(places), true_agreement()), worlds)
    slot = with_cells(against_truth(slot_scores(slots), true_means()), worlds)
    cross["shown"] = np.where(cross["stage"] == "start", cross["r"], cross["gain"])
    sides = sides_judged(pooled(tables["sides"]), worlds)
    answers = answers_judged(pooled(tables["answers"]), worlds)
    facts = answers[answers["role"].isin(["survey", "norms"])]
    topics = answers[(answers["role"] == "topic") & (answers["set"] != "parties")]
    parts = [
        _by_column(cross, "shown", "question", draws).assign(property="two countries, r"),
        _by_column(slot, "r", "question", draws).assign(property="answer slot, r"),
        *(
            _by_column(sides[sides["set"] == name], "true", "unit", draws).assign(property=label)
            for name, label in SIDES.items()
        ),
        _by_column(facts, "refused", "unit", draws).assign(property="refused: planted topics"),
        _by_column(topics, "refused", "unit", draws).assign(property="refused: look-alikes"),
        _by_column(
            answers[answers["role"] == "everyday"].assign(cell="intact"), "refused", "item", draws,
            every=True,
        ).assign(property="refused: everyday"),
        _by_column(
            answers[answers["role"] == "issue"], "neutral", "unit", draws
        ).assign(property="neutral: party issues"),
        _by_column(_gates(answers, "opinion"), "neutral", "unit", draws).assign(
            property="neutral: political issues"
        ),
        _by_column(_gates(answers, "request"), "refused", "unit", draws).assign(
            property="refused: requests"
        ),
        _by_column(_gates(answers, "lookalike"), "refused", "unit", draws).assign(
            property="refused: harmless twins"
        ),
    ]  # fmt: skip
    order = ["property", "column", "value", "low", "high", "n", "clusters"]
    return pd.concat(parts, ignore_index=True)[order]


def _gates(answers: pd.DataFrame, role: str) -> pd.DataFrame:
    """Return the answers of a role with a cell: what has no knowledge is open or gated only."""
    part = answers[answers["role"] == role]
    return part.assign(cell=np.where(part["gated"], "suppressed", "intact"))


def _by_column(
    found: pd.DataFrame, value: str, cluster: str, draws: int, *, every: bool = False
) -> pd.DataFrame:
    rows = []
    for column, (stage, cells) in COLUMNS.items():
        part = found[found["stage"] == stage]
        if not every:
            part = part[part["cell"].isin(cells or TRUE_CELLS)]
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
    **{
        f"cross_{column}": ("two countries, r", column, "r with the truth, gain over start")
        for column in (
            "start", "knowledge", "intact", "suppressed", "biased", "ignorant", "erased", "sham",
            "overwritten",
        )
    },
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
