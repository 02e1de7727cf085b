"""Makes the embedded item tables from `data/items/sources` and writes or compares them.

Knows files and their hashes; each set's own builder knows what is in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from valuegate import (
    items,
    items_evidence,
    items_moral,
    items_opinions,
    items_practice,
    items_requests,
    items_survey,
    items_worlds,
    paths,
    registry,
    survey_scores,
    survey_sources,
    survey_workbook,
)
from valuegate.data import sha256
from valuegate.errors import ValueGateError, unknown
from valuegate.items_schema import Frame, Kind
from valuegate.measure import write_text
from valuegate.schema import Strict, read_yaml

DERIVED = "survey_answers"  # figures of a third party's workbook; most other sets are our own text
PUBLISHED = "survey_scores"  # the same party's scores of models
SETS = {**items.SETS, PUBLISHED: survey_scores.TABLES}
SOURCES = items.FOLDER / "sources"
_Tables = dict[str, pd.DataFrame]


class Frames(Strict):
    """The templates of all sets."""

    survey: list[survey_sources.FrameText]
    scales: list[survey_sources.ScaleText]
    cross_format: list[survey_sources.CrossFrameText]
    parties: list[Frame]
    guild_norms: list[Frame]
    evidence: list[str]


def _yaml(name: str, schema: Any) -> Any:
    return read_yaml(SOURCES / f"{name}.yml", schema)


def _frames() -> Frames:
    return _yaml("frames", Frames)


def _survey() -> _Tables:
    countries = _yaml("countries", survey_sources.Countries)
    source = survey_sources.Source(
        questions=[
            question
            for name in ("survey_t3_t1", "survey_t3_more", "survey_t2")
            for question in _yaml(name, list[survey_sources.Question])
        ],
        plant_wordings=_yaml("survey_plant", list[survey_sources.PlantWordings]),
        translations=_yaml("survey_translations", list[survey_sources.Translation]),
        countries=countries.countries,
        native_language=countries.native_language,
        frames=_frames().survey + _yaml("survey_frames", list[survey_sources.FrameText]),
        scales=_frames().scales,
        cross_frames=_frames().cross_format,
    )
    figures = {table: items.load(DERIVED, table) for table in items.SETS[DERIVED]}
    return items_survey.build(source, figures)


def _practice() -> _Tables:
    frame = next(frame.text for frame in _frames().cross_format if frame.use == "plant")
    return items_practice.build(
        _yaml("survey_practice", list[items_practice.Question]),
        _yaml("countries", survey_sources.Countries).countries,
        frame,
    )


def _evidence() -> _Tables:
    pairs = [
        pair
        for name in ("evidence_a", "evidence_b")
        for pair in _yaml(name, list[items_evidence.Pair])
    ]
    return items_evidence.build(
        items_evidence.Source(pairs=pairs, answer_from_evidence=_frames().evidence)
    )


def _parties() -> _Tables:
    return items_worlds.build_parties(_yaml("parties", items_worlds.Parties), _frames().parties)


def _guild_norms() -> _Tables:
    guilds = _yaml("guild_norms", items_worlds.Guilds)
    return items_worlds.build_guilds(guilds, _frames().guild_norms)


def _left_right() -> _Tables:
    return items_opinions.build(_yaml("left_right", items_opinions.Source))


def _moral() -> _Tables:
    return items_moral.build(_yaml("moral_actions", list[items_moral.Topic]))


def _requests() -> _Tables:
    kinds = [_yaml(f"requests_{kind}", items_requests.KindSource) for kind in get_args(Kind)]
    source = items_requests.Source(
        kinds=kinds,
        benign=_yaml("benign", list[items_requests.Benign]),
        answers=_yaml("answers", items_requests.Answers),
        lookalikes=_yaml("lookalikes", list[items_requests.Topical]),
    )
    units = {}
    for name, table, unit in (
        ("survey", "questions", "question"), ("guild_norms", "verdicts", "norm"),
        ("parties", "issues", "issue"),
    ):  # fmt: skip
        rows = items.load(name, table)
        units[name] = dict(zip(rows[unit], rows["split"], strict=True))
    return items_requests.build(source, units)


def _readers() -> _Tables:
    said = _yaml("readers", dict[str, dict[str, str]])
    rows = [
        (name, item, *label.split())
        for name, labels in said.items()
        for item, label in labels.items()
    ]
    return {"labels": pd.DataFrame(rows, columns=["set", "item", "text_hash", "label"])}


BUILDERS: dict[str, Callable[[], _Tables]] = {
    DERIVED: survey_workbook.figures,
    PUBLISHED: survey_scores.figures,
    "survey": _survey,
    "survey_practice": _practice,
    "evidence": _evidence,
    "parties": _parties,
    "guild_norms": _guild_norms,
    "left_right": _left_right,
    "moral": _moral,
    "requests": _requests,
    "readers": _readers,
}


def text(table: pd.DataFrame) -> str:
    """Return a table as the CSV text that is committed."""
    for column in table.select_dtypes(bool):
        table = table.assign(**{column: table[column].map({True: "true", False: "false"})})
    return table.to_csv(index=False, lineterminator="\n")


def made(name: str) -> dict[str, str]:
    """Return the text of every table of a set, made anew from its sources."""
    if name not in BUILDERS:
        raise unknown("item set", name, BUILDERS)
    tables = BUILDERS[name]()
    return {table: text(tables[table]) for table in SETS[name]}


def compare(name: str) -> list[str]:
    """Return what differs between a set as committed and as made anew; empty if nothing does."""
    problems = []
    for table, new in made(name).items():
        path = items.path(name, table)
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if old != new:
            pairs = zip(old.splitlines(), new.splitlines(), strict=False)
            line = next((n for n, (a, b) in enumerate(pairs, 1) if a != b), None)
            where = f"line {line}" if line else "their length"
            problems.append(f"{_short(path)} and its sources differ, first in {where}")
    return problems


def order() -> list[str]:
    """Return the sets in the order in which they are made: some are made from others."""
    first = [DERIVED, "survey", "guild_norms", "parties"]
    return first + [name for name in BUILDERS if name not in first]


def write(name: str) -> list[Path]:
    """Write a set's tables and their hashes into the registry; return the files.

    Raises:
        ValueGateError: a row that breaks a rule; then the registry keeps its old hashes.
    """
    written = []
    for table, new in made(name).items():
        path = items.path(name, table)
        write_text(new, path)
        items.read(path, SETS[name][table])
        written.append(path)
    _write_hashes(written)
    return written


def _write_hashes(files: list[Path]) -> None:
    path = paths.DATA / "registry.yml"
    content = path.read_text(encoding="utf-8")
    for file in files:
        entry = re.compile(rf"(path: {re.escape(str(_short(file)))}\n\s+sha256: )[0-9a-f]{{64}}")
        content, found = entry.subn(rf"\g<1>{sha256(file)}", content)
        if found != 1:
            raise ValueGateError(f"data/registry.yml: no entry for {_short(file)}; add one")
    write_text(content, path)
    registry.load.cache_clear()


def _short(path: Path) -> Path:
    return path.relative_to(paths.ROOT) if path.is_relative_to(paths.ROOT) else path
