"""The embedded item sets by name: read, checked row by row, returned as tables.

Knows files and rules (`items_schema`). How the files are made is in `items_build`; what a set is
good for is shown by the notebook A1.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from valuegate import data, paths, survey_schema
from valuegate import items_schema as schema
from valuegate.errors import ValueGateError, unknown

FOLDER = paths.DATA / "items"


@dataclass(frozen=True)
class Table:
    """A table of an item set: its row class, its key, and rules over many rows.

    A rule yields (row number from 0, what is wrong) for each row that breaks it.
    """

    row: type[schema.Row]
    key: tuple[str, ...]
    rules: tuple[Callable[[pd.DataFrame], Iterator[tuple[int, str]]], ...] = field(default=())


def shares_sum_to_one(shares: pd.DataFrame, unit: str = "column") -> Iterator[tuple[int, str]]:
    """Yield the last row of every cell whose shares do not sum to 1, to a tenth of a percent."""
    cells = shares.reset_index().groupby([unit, "country"], sort=False)
    found = cells.agg(total=("share", "sum"), last=("index", "last"))
    for (name, country), total, last in found[(found["total"] - 1).abs() > 1e-3].itertuples():
        yield last, f"the shares of {unit} {name}, {country} sum to {total:.4f}, not to 1"


def practice_sums_to_one(shares: pd.DataFrame) -> Iterator[tuple[int, str]]:
    """Yield what `shares_sum_to_one` does, for the shares of practice questions."""
    yield from shares_sum_to_one(shares, "question")


def balanced_scenarios(prompts: pd.DataFrame) -> Iterator[tuple[int, str]]:
    """Yield the last row of every scenario that has not one prompt of each member and question."""
    for _, rows in prompts.groupby("scenario", sort=False):
        if len({*zip(rows["member"], rows["asked"], strict=True)}) != 4 or len(rows) != 4:
            yield rows.index[-1], f"scenario {rows['scenario'].iloc[0]} has not its four prompts"


def matched_roles(requests: pd.DataFrame) -> Iterator[tuple[int, str]]:
    """Yield the last row of every unit of a kind that has not both roles in one split."""
    for unit, rows in requests[requests["kind"] != "benign"].groupby("unit", sort=False):
        if sorted(rows["role"]) != ["comply", "refuse"] or rows["split"].nunique() != 1:
            yield rows.index[-1], f"unit {unit} is not one request and its look-alike of one split"


SETS: dict[str, dict[str, Table]] = {
    "survey": {
        "questions": Table(survey_schema.SurveyQuestion, ("question",)),
        "wordings": Table(survey_schema.SurveyWording, ("question", "language", "wording")),
        "options": Table(survey_schema.SurveyOption, ("question", "language", "option")),
        "frames": Table(survey_schema.SurveyFrame, ("framing", "language", "use", "text")),
        "scales": Table(survey_schema.SurveyScale, ("form", "language", "use")),
        "cross_frames": Table(survey_schema.CrossFrame, ("use",)),
        "countries": Table(survey_schema.SurveyCountry, ("country", "language")),
        "cross_format": Table(survey_schema.CrossFormat, ("item",)),
    },
    "survey_practice": {
        "questions": Table(survey_schema.PracticeQuestion, ("question",)),
        "wordings": Table(survey_schema.PracticeWording, ("question", "wording")),
        "options": Table(survey_schema.PracticeOption, ("question", "option")),
        "shares": Table(
            survey_schema.PracticeShare, ("question", "country", "option"), (practice_sums_to_one,)
        ),
        "pairs": Table(survey_schema.PracticePair, ("item",)),
    },
    "survey_answers": {
        "columns": Table(survey_schema.SurveyColumn, ("column",)),
        "cells": Table(survey_schema.SurveyCell, ("column", "country")),
        "shares": Table(
            survey_schema.SurveyShare,
            ("column", "country", "option"),
            (shares_sum_to_one,),
        ),
        "faults": Table(survey_schema.SurveyFault, ("rule", "column", "country")),
    },
    "evidence": {
        "pairs": Table(schema.EvidencePair, ("pair",)),
        "scenarios": Table(schema.EvidenceScenario, ("scenario",)),
        "prompts": Table(schema.EvidencePrompt, ("item",), (balanced_scenarios,)),
        "priming": Table(schema.Priming, ("pair", "kind")),
    },
    "parties": {
        "names": Table(schema.PartyName, ("party",)),
        "issues": Table(schema.PartyIssue, ("issue",)),
        "statements": Table(schema.PartyStatement, ("item",)),
        "frames": Table(schema.Frame, ("frame",)),
    },
    "guild_norms": {
        "guilds": Table(schema.GuildName, ("guild",)),
        "verdicts": Table(schema.GuildVerdict, ("norm", "guild")),
        "wordings": Table(schema.GuildWording, ("norm", "wording")),
        "frames": Table(schema.Frame, ("frame",)),
    },
    "left_right": {
        "statements": Table(schema.OpinionStatement, ("item",)),
        "prompts": Table(schema.OpinionPrompt, ("item",)),
        "cues": Table(schema.IdentityCue, ("item",)),
    },
    "moral": {"actions": Table(schema.MoralAction, ("item",))},
    "readers": {"labels": Table(schema.Reading, ("set", "item"))},
    "requests": {
        "prompts": Table(schema.Request, ("item",), (matched_roles,)),
        "lookalikes": Table(schema.Lookalike, ("item",)),
        "answers": Table(schema.Answer, ("item",)),
    },
}


def path(name: str, table: str) -> Path:
    """Return where a table of a set lies."""
    return FOLDER / name / f"{table}.csv"


def load(name: str, table: str) -> pd.DataFrame:
    """Return a copy of a table of an item set, its file's hash and every row checked.

    Raises:
        ValueGateError: unknown set or table, an altered file, or a row that breaks a rule; then
            the message starts with `file:line`.
    """
    if name not in SETS:
        raise unknown("item set", name, SETS)
    if table not in SETS[name]:
        raise unknown(f"table of {name}", table, SETS[name])
    return _load(name, table).copy()


@functools.cache
def _load(name: str, table: str) -> pd.DataFrame:
    return read(data.file(name, table), SETS[name][table])


def read(file: Path, table: Table) -> pd.DataFrame:
    """Return a file's rows as a table, in the file's order.

    Raises:
        ValueGateError: a column too many or too few, a value that its rule refuses, a key that
            comes twice, or a rule over many rows that is broken.
    """
    shown = file.relative_to(paths.ROOT) if file.is_relative_to(paths.ROOT) else file
    with file.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        columns = list(table.row.model_fields)
        if reader.fieldnames != columns:
            found = ", ".join(reader.fieldnames or [])
            raise ValueGateError(f"{shown}:1: columns are {found}; wanted: {', '.join(columns)}")
        rows = [_row(table, cells, f"{shown}:{line}") for line, cells in enumerate(reader, 2)]
    frame = pd.DataFrame([row.model_dump() for row in rows], columns=columns)
    twice = frame.duplicated(list(table.key))
    if twice.any():
        row = int(twice.to_numpy().argmax())
        key = ", ".join(str(frame.at[row, column]) for column in table.key)
        raise ValueGateError(f"{shown}:{row + 2}: {', '.join(table.key)}: {key} comes twice")
    for rule in table.rules:
        for row, problem in rule(frame):
            raise ValueGateError(f"{shown}:{row + 2}: {problem}")
    return frame


def _row(table: Table, cells: dict[str, str], where: str) -> schema.Row:
    if None in cells or None in cells.values():
        raise ValueGateError(f"{where}: {len(table.row.model_fields)} cells are wanted")
    try:
        return table.row.model_validate(cells)
    except ValidationError as error:
        first = error.errors()[0]
        column = "".join(f" {part}:" for part in first["loc"][:1])
        message = first["msg"].removeprefix("Value error, ")
        raise ValueGateError(f"{where}:{column} {message}") from error
