"""The published workbook of survey answers, read into tables of figures; its faults are listed.

The workbook (arXiv 2510.13154, data release) holds a question a column and a country a row, a cell
being a central value and the share of every option. The tables take over no text of the surveys;
`wordings` reads it when a run asks for the published questions.
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pandas as pd
from openpyxl import load_workbook

from valuegate import data
from valuegate.errors import ValueGateError

COUNTRIES = {
    "Egypt": "EGY", "Iran": "IRN", "Iraq": "IRQ", "Jordan": "JOR", "Lebanon": "LBN",
    "Libya": "LBY", "Morocco": "MAR", "Turkey": "TUR", "Tunisia": "TUN", "Algeria": "DZA",
    "Saudi Arabia": "SAU", "Sudan": "SDN", "Palestine": "PSE", "Kuwait": "KWT",
    "Mauritania": "MRT", "Qatar": "QAT",
}  # fmt: skip
SOURCES = {"WVS 7": "WVS7", "The 2022 Arab Opinion Index": "AOI2022"}
ALONE = 0.25  # of the scale
SMALL_SAMPLE = 30  # respondents; below it a share's standard error exceeds 9 points


def figures() -> dict[str, pd.DataFrame]:
    """Return the derived tables of the workbook: columns, cells, shares and faults."""
    return read(data.file("mena_values", "MenaValues_Benchmark"))


def wordings() -> dict[int, str]:
    """Return workbook column to the words in which its question is put to a model."""
    path = data.file("mena_values", "MenaValues_Benchmark")
    rows = _rows(path)
    if "Full Question" not in rows:
        raise ValueGateError(f"{path.name}: no row 'Full Question'")
    return {n: str(text).strip() for n, text in enumerate(rows["Full Question"], start=1) if text}


def _rows(path: Path) -> dict[str, tuple]:
    with contextlib.closing(load_workbook(path, read_only=True)) as book:
        lines = book.worksheets[0].iter_rows(values_only=True)
        return {str(line[0]): line[1:] for line in lines}


def read(path: Path) -> dict[str, pd.DataFrame]:
    """Return the tables of a workbook file.

    `columns`: source, code, scale from low to high, the published scale flag (y and s ordinal, n
    nominal), category and sub-category of every workbook column. `cells`: the stored central value
    (the mode where the flag is n) and the number of options with answers. `shares`: fractions, four
    decimals. `faults`: every cell or column that breaks a rule of `faults`.
    """
    rows = _rows(path)
    wanted = {"Source", "Sub Question", "Min", "MAX", "Scale", "Category", "Sub Category"}
    wanted |= COUNTRIES.keys()
    if missing := sorted(wanted - rows.keys()):
        raise ValueGateError(f"{path.name}: no row {missing[0]!r}")
    if strange := sorted(set(rows["Source"]) - SOURCES.keys()):
        raise ValueGateError(f"{path.name}: unknown source {strange[0]!r}")
    columns, cells, shares, odd = [], [], [], []
    for number in range(1, len(rows["Source"]) + 1):
        meta = {name: values[number - 1] for name, values in rows.items()}
        code = re.match(r"(\w+):", meta["Sub Question"] or "")
        columns.append(
            {
                "column": number,
                "source": SOURCES[meta["Source"]],
                "code": code[1] if code else None,
                "low": int(meta["Min"]),
                "high": int(meta["MAX"]),
                "scale": meta["Scale"],
                "category": _name(meta["Category"]),
                "sub_category": _name(meta["Sub Category"]),
            }
        )
        for country, iso in COUNTRIES.items():
            text = meta[country]
            if not text or text.startswith("(No data"):
                continue
            if not text.startswith("("):
                raise ValueGateError(f"{path.name}: column {number}, {country}: {text[:40]!r}")
            if text.startswith("(No "):
                odd.append((number, iso, text))
                continue
            central, answers = ast.literal_eval(text)
            cells.append((number, iso, float(central), len(answers)))
            shares += [
                (number, iso, int(float(option)), round(float(share.rstrip("%")) / 100, 4))
                for option, share in answers.items()
            ]
    found = {
        "columns": pd.DataFrame(columns),
        "cells": pd.DataFrame(cells, columns=["column", "country", "central", "options"]),
        "shares": pd.DataFrame(
            shares, columns=["column", "country", "option", "share"]
        ).sort_values(["column", "country", "option"], ignore_index=True),
    }
    return {**found, "faults": faults(**found, unreadable=odd)}


def _name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def faults(
    columns: pd.DataFrame,
    cells: pd.DataFrame,
    shares: pd.DataFrame,
    unreadable: list[tuple[int, str, str]],
) -> pd.DataFrame:
    """Return what is wrong in the workbook: rule, column, country (empty for a column), detail.

    Of cells: no_values (a text in place of answers), option_off_scale, sum_not_one,
    central_not_mean (by more than 0.05 on an ordinal column), central_is_mode (the same on a
    nominal one), narrow_support (at most a third of a scale of six or more numbers is used),
    small_sample (all shares are whole counts of a sample below 30) and stands_alone (the mean is a
    quarter of the scale or more from that of the nearest of five countries or more, which may be
    an opinion or a slip of coding). Of columns: few_countries
    (under four), no_answers, nominal, and long_scale (ten numbers or more, so that an option is no
    longer one digit).
    """
    rows: list[tuple[str, int, str | None, str]] = [
        ("no_values", column, country, text) for column, country, text in unreadable
    ]
    cell = shares.merge(columns, on="column")
    cell["weighted"] = cell["option"] * cell["share"]
    for key, found in cell.groupby(["column", "country"]):
        number, country = cast("tuple[int, str]", key)
        rows += [(rule, number, country, detail) for rule, detail in _cell_faults(found)]
    stored = cells.set_index(["column", "country"])["central"]
    scale = columns.set_index("column")["scale"]
    means = cell.groupby(["column", "country"])["weighted"].sum()
    for key, mean in means.items():
        number, country = cast("tuple[int, str]", key)
        if abs(stored[number, country] - mean) > 0.05:
            rule = "central_is_mode" if scale[number] == "n" else "central_not_mean"
            detail = f"stored {stored[number, country]:.2f}, mean of the shares {mean:.2f}"
            rows.append((rule, number, country, detail))
    ordinal = cells.merge(columns[columns["scale"] != "n"], on="column")
    ordinal["place"] = (ordinal["central"] - ordinal["low"]) / (ordinal["high"] - ordinal["low"])
    for key, found in ordinal.groupby("column"):
        places = found.set_index("country")["place"]
        for country, gap in _gaps(places).items() if len(places) >= 6 else ():
            if gap >= ALONE:
                detail = (
                    f"at {places[country]:.2f} of the scale, {gap:.2f} from the nearest country"
                )
                rows.append(("stands_alone", cast("int", key), str(country), detail))
    filled = cells.groupby("column")["country"].nunique()
    for column in columns.to_dict("records"):
        number, low, high = column["column"], column["low"], column["high"]
        count = int(filled.get(number, 0))
        if count == 0:
            rows.append(("no_answers", number, None, "no country has answers"))
        elif count < 4:
            rows.append(("few_countries", number, None, f"{count} countries"))
        if column["scale"] == "n":
            rows.append(("nominal", number, None, "the stored central value is the mode"))
        if high - low + 1 >= 10 or high >= 10:
            rows.append(("long_scale", number, None, f"scale {low} to {high}"))
    table = pd.DataFrame(rows, columns=["rule", "column", "country", "detail"])
    return table.sort_values(["rule", "column", "country"], ignore_index=True)


def _gaps(places: pd.Series) -> pd.Series:
    """Return each country's distance from the nearest other one."""
    ordered = places.sort_values()
    steps = ordered.diff()
    return pd.concat([steps, steps.shift(-1)], axis=1).min(axis=1)


def _cell_faults(cell: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Yield rule and detail of what is wrong in one cell's shares (its rows, with the scale)."""
    low, high, total = cell["low"].iloc[0], cell["high"].iloc[0], cell["share"].sum()
    for option in cell["option"][(cell["option"] < low) | (cell["option"] > high)][:1]:
        yield "option_off_scale", f"option {option} on {low} to {high}"
    if abs(total - 1) > 1e-3:
        yield "sum_not_one", f"shares sum to {total:.4f}"
    size = high - low + 1
    if cell["scale"].iloc[0] != "n" and size >= 6 and 3 * len(cell) <= size:
        yield "narrow_support", f"{len(cell)} of {size} numbers used"
    if (sample := _sample_size(cell["share"].tolist())) is not None:
        yield "small_sample", f"shares are whole counts of {sample}"


def _sample_size(shares: list[float]) -> int | None:
    """Return the smallest sample under 30 whose whole counts round to these shares, if any.

    Needs three options or more: two shares fit some small sample too easily.
    """
    if len(shares) < 3:
        return None
    for size in range(2, SMALL_SAMPLE):
        if all(abs(round(share * size) / size - share) <= 6e-5 for share in shares):
            return size
    return None
