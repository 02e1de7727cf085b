"""The survey set as it is written in `data/items/sources`, and what must be true of it.

`items_survey` makes the tables of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import pandas as pd
from pydantic import Field

from valuegate.errors import ValueGateError, unknown
from valuegate.items_schema import Name, Text
from valuegate.schema import Strict
from valuegate.survey_schema import Language, Tier
from valuegate.survey_workbook import COUNTRIES


class Question(Strict):
    """A question as it is written in the sources.

    `same_as` names a question that asks nearly the same of other people; the two share a split.
    """

    id: Name
    same_as: Name | None = None
    source: Literal["WVS7", "AOI2022"]
    column: int
    code: str | None
    tier: Tier
    rule: Name
    topic: Name
    kind: Literal["ordinal", "nominal"]
    min: int
    max: int
    labels: dict[int, Text]
    agree: list[int]
    clause: Text
    wordings: list[Text] = Field(min_length=4, max_length=4)


class PlantWordings(Strict):
    """More wordings of a planted question, to plant."""

    id: Name
    wordings: list[Text] = Field(min_length=2, max_length=2)


class ScaleText(Strict):
    """How options are listed: {options}, or {low}, {low_label}, {high} and {high_label}."""

    form: Literal["numbers", "ends", "letters"]
    language: Language
    use: Literal["plant", "read"]
    text: Text


class CrossFrameText(Strict):
    """How a two-country question is put: {size}, {clause}, {first} and {second}."""

    use: Literal["plant", "read"]
    text: Text


class Translation(Strict):
    """A question in another language; never planted."""

    id: Name
    language: Language
    wordings: list[Text] = Field(min_length=1, max_length=2)
    labels: dict[int, Text]


class Country(Strict):
    """A country's names: how it is called, and one of its people, in a language."""

    country: str
    language: Language
    name: Text
    native: Text


class FrameText(Strict):
    """A framing; slots {native}, {name} and {question}."""

    framing: Literal["neutral", "persona", "observer"]
    language: Language
    use: Literal["plant", "read"]
    text: Text


class Countries(Strict):
    """The countries' names, and the language that most of each speak."""

    native_language: dict[str, Literal["ar", "fa", "tr"]]
    countries: list[Country]


class Source(Strict):
    """All that the survey set is made from."""

    questions: list[Question]
    plant_wordings: list[PlantWordings]
    translations: list[Translation]
    countries: list[Country]
    native_language: dict[str, Literal["ar", "fa", "tr"]]
    frames: list[FrameText]
    scales: list[ScaleText]
    cross_frames: list[CrossFrameText]


def english_names(countries: Sequence[Country]) -> dict[str, str]:
    """Return the English name of every country."""
    return {c.country: c.name for c in countries if c.language == "en"}


def check_question(question: Question, figures: dict[str, pd.DataFrame]) -> None:
    """Raise a ValueGateError where a question does not fit its column of the workbook."""
    columns = figures["columns"].set_index("column")
    where = f"survey question {question.id}"
    if question.column not in columns.index:
        raise ValueGateError(f"{where}: no column {question.column} in the workbook")
    column = columns.loc[question.column]
    code = column["code"] if isinstance(column["code"], str) else None
    theirs = (column["source"], code, int(column["low"]), int(column["high"]))
    ours = (question.source, question.code, question.min, question.max)
    if theirs != ours:
        raise ValueGateError(f"{where}: {ours}, but the workbook's column holds {theirs}")
    if (column["scale"] == "n") != (question.kind == "nominal"):
        raise ValueGateError(f"{where}: {question.kind}, the workbook's flag is {column['scale']}")
    filled = figures["cells"].query("column == @question.column")
    if len(filled) < 4:
        raise ValueGateError(f"{where}: answers from {len(filled)} countries, four are needed")
    scale = set(range(question.min, question.max + 1))
    if not {question.min, question.max} <= set(question.labels) <= scale:
        raise ValueGateError(f"{where}: labels {sorted(question.labels)} of {sorted(scale)}")
    if not question.agree or not set(question.agree) < scale:
        raise ValueGateError(f"{where}: agree {question.agree} is no proper part of the scale")


def check_names(source: Source) -> None:
    """Raise a ValueGateError for a name that refers to nothing, or a template without its slots."""
    questions = {q.id for q in source.questions}
    named = [(t.id, f"translation into {t.language}") for t in source.translations]
    named += [(p.id, "the wordings to plant") for p in source.plant_wordings]
    named += [(q.same_as, f"question {q.id}, same_as") for q in source.questions if q.same_as]
    for name, where in named:
        if name not in questions:
            raise unknown(f"survey question in {where}", name, questions)
    english = {c.country for c in source.countries if c.language == "en"}
    for country in COUNTRIES.values():
        if country not in english or country not in source.native_language:
            raise ValueGateError(f"survey: country {country} has no English name or no language")
    slots = {
        "neutral": {"question"}, "persona": {"native", "question"},
        "observer": {"name", "question"}, "numbers": {"options"}, "letters": {"options"},
        "ends": {"low", "low_label", "high", "high_label"},
        "cross": {"size", "clause", "first", "second"},
    }  # fmt: skip
    texts: list[tuple[str, str, str]] = [(f.framing, f.language, f.text) for f in source.frames]
    texts += [(s.form, s.language, s.text) for s in source.scales]
    texts += [("cross", "en", f.text) for f in source.cross_frames]
    for kind, language, text in texts:
        if (found := set(re.findall(r"\{(\w+)\}", text))) != slots[kind]:
            raise ValueGateError(
                f"survey: a {kind} frame in {language} has the slots {sorted(found)}, "
                f"not {sorted(slots[kind])}"
            )
