"""The published scores of three models, read into tables; their faults are listed.

The authors' files (arXiv 2510.13154, v1's data release) hold a survey question a row and a country
a column. A file's code is the workbook's column number (`survey_workbook`): the files say so
nowhere, so `matching` shows it by content. What the scores mean is left to `veto_scores`.
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from openpyxl import load_workbook

from valuegate import data, items, survey_schema
from valuegate.errors import ValueGateError, unknown
from valuegate.survey_workbook import COUNTRIES

# Beside `items.SETS`: these are results to compare with, and no instrument reads them.
TABLES = {
    "files": items.Table(survey_schema.ScoreFile, ("file", "measure")),
    "scores": items.Table(survey_schema.ScoreCell, ("column", "country")),
    "divergences": items.Table(survey_schema.DivergenceCell, ("column", "country")),
    "faults": items.Table(
        survey_schema.ScoreFault, ("rule", "measure", "file", "column", "country")
    ),
}
MISSPELT = {"Tusnia": "TUN"}
BLOCKS = {"WVS": "WVS7", "Arab": "AOI2022"}
DECIMALS = {"score": 2, "divergence": 4}  # answers are whole, so that two decimals tell them apart
FLOOR = 1e-8  # an option that a model gave no probability was given this one
_SCORES = "llm_metrics/NVAS/"
_DIVERGENCES = "llm_metrics/KL/KL_results_"


@dataclass(frozen=True)
class Published:
    """A published file: our name for it, what was scored, and where it lies in `mena_values`."""

    file: str
    model: str
    framing: str
    mode: str
    measure: str
    source: str


def _published() -> tuple[Published, ...]:
    scores = {
        ("llama", "persona", "zero_shot"): "NPVAS/NVAS_persona_llama_Zero",
        ("llama", "persona", "reasoning"): "NPVAS/NVAS_persona_llama_reason",
        ("llama", "observer", "zero_shot"): "NOVAS/NOVAS_observer_Llama_Zero",
        ("llama", "observer", "reasoning"): "NOVAS/NOVAS_observer_Llama_Reason",
        ("mistral", "persona", "zero_shot"): "NPVAS/NVAS_persona_Mistral_Zero",
        ("mistral", "persona", "reasoning"): "NPVAS/NVAS_persona_Mistral_Reasoning",
        ("mistral", "observer", "zero_shot"): "NOVAS/NOVAS_observer_Mistral_Zero",
        ("mistral", "observer", "reasoning"): "NOVAS/NOVAS_observer_Mistral_Reasoning",
        ("aya", "persona", "zero_shot"): "NPVAS/NVAS_persona_aya_zero",
        ("aya", "persona", "reasoning"): "NPVAS/NVAS_persona_aya_reason",
        ("aya", "observer", "zero_shot"): "NOVAS/NOVAS_observer_AYA_Zero",
        ("aya", "observer", "reasoning"): "NOVAS/NOVAS_observer_AYA_Reason",
    }
    divergences = {
        ("llama", "neutral"): "llama_Zero", ("llama", "persona"): "llama_Zero_persona",
        ("mistral", "neutral"): "Mistral_Zero", ("mistral", "persona"): "mistral_zero_persona",
        ("aya", "neutral"): "aya_Zero", ("aya", "persona"): "aya_zero_persona",
    }  # fmt: skip
    found = [
        Published("_".join(key), *key, "score", _SCORES + name) for key, name in scores.items()
    ]
    found += [
        Published("_".join(key), *key, "zero_shot", "divergence", _DIVERGENCES + name)
        for key, name in divergences.items()
    ]
    return tuple(found)


FILES = _published()


def load(table: str) -> pd.DataFrame:
    """Return a copy of a committed table of `TABLES`, its file's hash and every row checked.

    Raises:
        ValueGateError: no such table, an altered file, or a row that breaks a rule.
    """
    if table not in TABLES:
        raise unknown("table of survey_scores", table, TABLES)
    return _load(table).copy()


@functools.cache
def _load(table: str) -> pd.DataFrame:
    return items.read(data.file("survey_scores", table), TABLES[table])


def figures() -> dict[str, pd.DataFrame]:
    """Return the derived tables of the published scores: files, scores, divergences, faults."""
    columns, cells, shares = (
        items.load("survey_answers", table) for table in ("columns", "cells", "shares")
    )
    sheets = {f.source: read(data.file("mena_values", f.source)) for f in FILES}
    return build(sheets, columns, cells, shares)


def read(path: Path) -> pd.DataFrame:
    """Return a published file as it is: its header as columns, a row a line."""
    with contextlib.closing(load_workbook(path, read_only=True)) as book:
        header, *lines = book.worksheets[0].iter_rows(values_only=True)
    return pd.DataFrame(lines, columns=["" if name is None else str(name) for name in header])


def build(
    sheets: dict[str, pd.DataFrame],
    columns: pd.DataFrame,
    cells: pd.DataFrame,
    shares: pd.DataFrame,
    files: tuple[Published, ...] = FILES,
) -> dict[str, pd.DataFrame]:
    """Return the tables made of published files, one sheet by `source`.

    `files`: what each file is, its rows and the benchmark cells that it fills. `scores` (points, 0
    to 100 as published) and `divergences` (nats): one row a filled benchmark cell, one column a
    file, empty where the file is. `faults`: what `faults` lists.

    Raises:
        ValueGateError: a header that is no country, a code that is no workbook column, a source
            that is not the column's, or a value where the benchmark has no answers.
    """
    keys = pd.MultiIndex.from_frame(cells[["column", "country"]])
    values, listed = {}, []
    for file in files:
        sheet = sheets[file.source]
        long = matched(sheet, columns, file.source)
        for column, country in long.index.difference(keys)[:1]:
            raise ValueGateError(
                f"{file.source}: a value at column {column}, {country}, where nobody answered"
            )
        values[file] = long.reindex(keys)
        listed.append(
            {
                "file": file.file, "measure": file.measure, "model": file.model,
                "framing": file.framing, "mode": file.mode, "source": file.source,
                "rows": len(sheet), "filled": len(long),
            }
        )  # fmt: skip
    tables = {}
    for name, measure in (("scores", "score"), ("divergences", "divergence")):
        some = {f.file: series for f, series in values.items() if f.measure == measure}
        table = pd.DataFrame(some, index=keys).round(DECIMALS[measure])
        tables[name] = table.reset_index()
    return {
        "files": pd.DataFrame(listed),
        **tables,
        "faults": faults(sheets, values, columns, cells, shares),
    }


def matched(sheet: pd.DataFrame, columns: pd.DataFrame, where: str = "sheet") -> pd.Series:
    """Return the filled cells of a sheet, by workbook column and country.

    The sheet's code is the workbook's column number. Rows without any value and the row of averages
    match nothing and are left out.
    """
    names = {**COUNTRIES, **MISSPELT}
    if strange := sorted(set(sheet.columns) - names.keys() - {"Code", "source", ""}):
        raise ValueGateError(f"{where}: unknown header {strange[0]!r}")
    kept = sheet[sheet["Code"] != "Average"].set_index("Code")
    wide = kept[[name for name in kept.columns if name in names]].rename(columns=names)
    wide = wide.astype(float).dropna(how="all").rename_axis("column")
    if foreign := sorted(set(wide.index) - set(columns["column"])):
        raise ValueGateError(f"{where}: code {foreign[0]} is no column of the workbook")
    if "source" in kept:
        said = kept["source"].reindex(wide.index).map(BLOCKS)
        wrong = said != columns.set_index("column")["source"].reindex(wide.index)
        if wrong.any():
            raise ValueGateError(f"{where}: code {wrong.idxmax()} is of another survey")
    long = wide.melt(ignore_index=False, var_name="country").dropna()
    return long.set_index("country", append=True)["value"].sort_index()


def matching(scores: pd.DataFrame, truths: pd.DataFrame, shifts: tuple[int, ...]) -> pd.DataFrame:
    """Return how well each way of matching rows fits: shift, share of scores, number compared.

    A score is 100 (1 - |answer - truth| / range), so under the right match nearly every one belongs
    to a whole answer on the scale; under a wrong one few do. A row of the file at code k is read as
    column k + shift.

    Args:
        scores: column, country, score.
        truths: column, country, truth, low, high.
        shifts: the shifts to try.
    """
    rows = []
    for shift in shifts:
        moved = scores.assign(column=scores["column"] + shift)
        both = moved.merge(truths, on=["column", "country"])
        whole = candidates(both).notna().any(axis=1)
        rows.append((shift, float(whole.mean()) if len(both) else np.nan, len(both)))
    return pd.DataFrame(rows, columns=["shift", "whole", "cells"])


def candidates(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the whole answers on the scale that give a score: below, above; nan where none does.

    Two answers give the same score where the truth lies midway between them; an answer that is the
    truth itself is `below`. Both the truth and the score have two decimals, and only the score was
    rounded: the tolerance is what that can move.

    Args:
        cells: score (points), truth, low, high.
    """
    span = cells["high"] - cells["low"]
    distance = (1 - cells["score"] / 100) * span
    slack = 0.5 * 10.0 ** -DECIMALS["score"] / 100 * span + 1e-6
    found = {}
    for side, sign in (("below", -1), ("above", 1)):
        answer = cells["truth"] + sign * distance
        whole = answer.round()
        good = ((answer - whole).abs() <= slack) & whole.between(cells["low"], cells["high"])
        found[side] = whole.where(good)
    same = found["above"] == found["below"]
    return pd.DataFrame({"below": found["below"], "above": found["above"].mask(same)})


def floor_divergence(shares: pd.DataFrame) -> pd.Series:
    """Return the divergence (nats) of a model that gave no option any probability, by cell.

    sum_k h_k ln(h_k / FLOOR) = -ln(FLOOR) - entropy of the human answers: it holds no model.
    """
    used = shares[shares["share"] > 0]
    terms = used["share"] * np.log(used["share"] / FLOOR)
    return terms.groupby([used["column"], used["country"]]).sum()


def faults(
    sheets: dict[str, pd.DataFrame],
    values: dict[Published, pd.Series],
    columns: pd.DataFrame,
    cells: pd.DataFrame,
    shares: pd.DataFrame,
) -> pd.DataFrame:
    """Return what is wrong in the files: rule, measure, file, column, country, detail.

    Of a score: off_scale (under 0 or over 100) and no_whole_answer. Of a file, with no column:
    misspelt_country, rows_without_values, average_row, cells_not_filled, and no_model (divergences
    that are the floor's, whatever the model).
    """
    scale = cells.merge(columns[["column", "low", "high"]], on="column")
    scale = scale.rename(columns={"central": "truth"})
    floor = floor_divergence(shares)
    rows: list[tuple[str, str, str, int | None, str | None, str]] = []
    for file, series in values.items():
        sheet, name = sheets[file.source], (file.measure, file.file)
        for wrong in sorted(set(sheet.columns) & MISSPELT.keys()):
            rows.append(("misspelt_country", *name, None, None, f"{wrong} for {MISSPELT[wrong]}"))
        codes = sheet["Code"]
        known = codes.isin(columns["column"])
        empty = codes[~known & (codes != "Average")].tolist()
        if empty:
            detail = f"{len(empty)} rows, codes {empty[0]} to {empty[-1]}"
            rows.append(("rows_without_values", *name, None, None, detail))
        if (codes == "Average").any():
            rows.append(("average_row", *name, None, None, "country means in the last row"))
        if missing := int(series.isna().sum()):
            detail = f"{missing} of {len(series)} cells"
            rows.append(("cells_not_filled", *name, None, None, detail))
        filled = series.dropna()
        if file.measure == "divergence":
            same = (filled - floor.reindex(filled.index)).abs() < 0.01
            if same.any():
                detail = f"{int(same.sum())} of {len(filled)} cells hold the floor's divergence"
                rows.append(("no_model", *name, None, None, detail))
            continue
        both = filled.rename("score").reset_index().merge(scale, on=["column", "country"])
        off = ~both["score"].between(-1e-6, 100 + 1e-6)
        none = candidates(both).isna().all(axis=1) & ~off
        for rule, broken in (("off_scale", off), ("no_whole_answer", none)):
            for row in both[broken].to_dict("records"):
                detail = f"score {row['score']:.2f}, human {row['truth']:.2f}"
                detail += f" on {row['low']} to {row['high']}"
                rows.append((rule, *name, row["column"], row["country"], detail))
    table = pd.DataFrame(rows, columns=["rule", "measure", "file", "column", "country", "detail"])
    table["column"] = table["column"].astype("Int64")
    return table.sort_values(["rule", "measure", "file", "column", "country"], ignore_index=True)
