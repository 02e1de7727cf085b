"""Tables of section 01 on the published scores, as the paper prints them: text in every cell."""

from __future__ import annotations

from typing import cast

import pandas as pd

from valuegate.survey_scores import matching
from valuegate.veto_scores import KEYS, NULLS

MODELS = {"llama": "Llama-3.1-8B", "mistral": "Mistral-7B", "aya": "AYA-8B"}
MODES = {"zero_shot": "at once", "reasoning": "after reasoning"}
BLOCKS = {"WVS7": "WVS", "AOI2022": "AOI"}
SHOWN = ("midpoint", "middle_whole", "compatriot", "mode", "others_whole", "best")
RULES = {
    "off_scale": "a score under 0",
    "no_whole_answer": "a score of no whole answer on the scale",
    "cells_not_filled": "benchmark cells left empty",
    "rows_without_values": "rows that are no question, without values",
    "average_row": "a last row of country means",
    "misspelt_country": "a country misspelt in the header",
    "no_model": "divergences that hold no model",
}


def title(file: str) -> str:
    """Return a file's name in words, such as "Llama-3.1-8B, persona, at once"."""
    model, framing, *mode = file.split("_", 2)
    return ", ".join([MODELS[model], framing, *(MODES[name] for name in mode)])


def _range(row: dict, value: str = "value", low: str = "low", high: str = "high") -> str:
    return f"{row[value]:.1f} ({row[low]:.1f} to {row[high]:.1f})"


def nulls_table(found: pd.DataFrame, by: str | None = None) -> pd.DataFrame:
    """Return each file beside every null on the cells that it fills, a line a file.

    Args:
        found: from `veto_scores.against_nulls`.
        by: the column that it is divided by, if any.
    """
    rows = []
    for _, part in found.groupby(["file"] if by is None else ["file", by], sort=False):
        by_null = part.set_index("null")
        score = by_null.loc["score"]
        line = {"scores of": title(score["file"])}
        if by is not None:
            line[by] = score[by]
        line |= {
            "cells": f"{score['n']:,}",
            "filled %": f"{100 * score['coverage']:.0f}",
            "score": _range(score.to_dict()),
        }
        rows.append(line | {NULLS[null]: f"{by_null.loc[null, 'value']:.1f}" for null in SHOWN})
    return pd.DataFrame(rows)


def beyond_table(found: pd.DataFrame) -> pd.DataFrame:
    """Return how far each file is above each null, cell by cell, a line a file, with intervals."""
    rows = []
    for file, part in found.groupby("file", sort=False):
        by_null = part.set_index("null")
        line = {"scores of": title(str(file))}
        for null in ("midpoint", "middle_whole", "others_whole"):
            row = by_null.loc[null].to_dict()
            line[f"over {NULLS[null]}"] = _range(row, "beyond", "beyond_low", "beyond_high")
        rows.append(line)
    return pd.DataFrame(rows)


def slopes_table(found: pd.DataFrame) -> pd.DataFrame:
    """Return how answers follow countries within questions, a line a file and single survey."""
    return pd.DataFrame(
        [
            {
                "answers of": title(row["file"]),
                "survey": BLOCKS[row["block"]],
                "slope": f"{row['slope']:.2f} ({row['low']:.2f} to {row['high']:.2f})",
                "95% of the null": f"{row['null_low']:.2f} to {row['null_high']:.2f}",
                "p": f"{row['p']:.3f}",
                "one answer for all %": f"{row['constant']:.0f}",
                "questions": str(row["questions"]),
            }
            for row in found[found["block"] != "all"].to_dict("records")
        ]
    )


def equity_table(found: pd.DataFrame) -> pd.DataFrame:
    """Return how unevenly countries are scored, a line a file and survey, the middle's beside it.

    Args:
        found: from `veto_countries.equity`, of score and midpoint at least.
    """
    rows = []
    for key, part in found.groupby(["file", "block"], sort=False):
        file, block = cast("tuple[str, str]", key)
        score, middle = (part.set_index("of").loc[name] for name in ("score", "midpoint"))
        rows.append(
            {
                "scores of": title(file), "survey": BLOCKS[block],
                "countries": str(score["countries"]),
                "max - min": f"{score['gap']:.1f}",
                "SD within questions": f"{score['sd']:.1f}",
                "SD, countries permuted": f"{score['null_sd']:.1f}",
                "p": f"{score['p']:.3f}",
                "max - min of the middle": f"{middle['gap']:.1f}",
                "SD of the middle": f"{middle['sd']:.1f}",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def item_mix_table(parts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return how much of the gap between countries goes with their questions, a line a file.

    Args:
        parts: a name in words to `veto_countries.item_mix`.
    """
    rows = []
    for name, found in parts.items():
        for row in found.to_dict("records"):
            rows.append(
                {
                    "scores of": title(row["file"]), "cells": name,
                    "countries": str(row["countries"]), "fewest cells": str(row["fewest"]),
                    "max - min": f"{row['gap']:.1f}",
                    "of the questions asked": f"{row['gap_items']:.1f}",
                    "within questions": f"{row['gap_effects']:.1f}",
                    "share of questions %": f"{100 * row['share']:.0f}",
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def divergence_table(found: pd.DataFrame) -> pd.DataFrame:
    """Return published divergences beside guesses, a line a file and survey, in nats."""
    return pd.DataFrame(
        [
            {
                "divergence of": title(row["file"]), "survey": BLOCKS[row["block"]],
                "nats": f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})",
                "uniform": f"{row['uniform']:.2f}", "other countries": f"{row['others']:.2f}",
                "hold no model %": f"{row['no_model']:.1f}", "cells": f"{row['n']:,}",
            }
            for row in found.to_dict("records")
        ]
    )  # fmt: skip


def fault_table(faults: pd.DataFrame) -> pd.DataFrame:
    """Return the faults of the published files by rule: how many, in how many files, an example."""
    rows = []
    for rule, words in RULES.items():
        found = faults[faults["rule"] == rule]
        example = "" if found.empty else str(found["detail"].iloc[0])
        rows.append(
            {
                "rule": words, "listed": str(len(found)),
                "files": str(len(found[["measure", "file"]].drop_duplicates())),
                "first": example,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def matching_table(
    scores: pd.DataFrame, cells: pd.DataFrame, shifts: tuple[int, ...] = (-1, 0, 1)
) -> pd.DataFrame:
    """Return the percentage of scores that belong to a whole answer, rows shifted, a line a file.

    Args:
        scores: column, country, and a column of points a file.
        cells: from `veto_scores.benchmark`.
        shifts: how far to move the file's rows against the workbook's columns.
    """
    rows = []
    for file in scores.columns.drop(KEYS):
        filled = scores[[*KEYS, file]].rename(columns={file: "score"}).dropna()
        found = matching(filled, cells, shifts)
        rows.append(
            {"scores of": title(file)}
            | {
                f"rows moved by {shift}" if shift else "as numbered": f"{100 * whole:.1f}"
                for shift, whole in zip(found["shift"], found["whole"], strict=True)
            }
        )
    return pd.DataFrame(rows)
