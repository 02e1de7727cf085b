"""The columns of the survey tables, and the rules that their rows must keep.

As in `items_schema`: one class a table, one field a column.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from valuegate.items_schema import Name, Row, Split, Text, Unit

Country = Literal[
    "EGY", "IRN", "IRQ", "JOR", "LBN", "LBY", "MAR", "TUR", "TUN",
    "DZA", "SAU", "SDN", "PSE", "KWT", "MRT", "QAT",
]  # fmt: skip
Share = Annotated[float, Field(ge=0, le=1)]
Tier = Literal["T1", "T2", "T3"]
Language = Literal["en", "ar", "fa", "tr"]


class SurveyQuestion(Row):
    """A survey question; its answers are the cells of `column` in the source workbook.

    `same_as` names a question that asks nearly the same; the two share a split.
    """

    question: Name
    source: Literal["WVS7", "AOI2022"]
    column: int = Field(ge=1)
    code: str | None
    tier: Tier
    rule: Name
    topic: Name
    kind: Literal["ordinal", "nominal"]
    low: int
    high: int
    countries: int = Field(ge=4)
    clause: Text
    same_as: Name | None
    planted: bool
    split: Unit

    @model_validator(mode="after")
    def _scale(self) -> Self:
        if self.high <= self.low:
            raise ValueError(f"scale from {self.low} to {self.high}")
        return self


class SurveyWording(Row):
    """A wording of a question; English ones 1, 5 and 6 are to plant, 2 to 4 to read."""

    question: Name
    language: Language
    wording: int = Field(ge=1, le=6)
    split: Split
    text: Text


class SurveyOption(Row):
    """A number of a question's scale; the label is empty between the ends of a long scale."""

    question: Name
    language: Language
    option: int
    label: Text | None
    agrees: bool


class SurveyFrame(Row):
    """How a question is put to a model: to itself, to a person of a country, or about people."""

    framing: Literal["neutral", "persona", "observer"]
    language: Language
    use: Literal["plant", "read"]
    text: Text


class SurveyScale(Row):
    """How the options are listed after a question, and the answer asked for."""

    form: Literal["numbers", "ends", "letters"]
    language: Language
    use: Literal["plant", "read"]
    text: Text


class CrossFrame(Row):
    """How a two-country question is put."""

    use: Literal["plant", "read"]
    text: Text


class SurveyCountry(Row):
    """A country: its code, names for the framings, its survey block and native language."""

    country: Country
    language: Language
    name: Text
    native: Text
    native_language: Literal["ar", "fa", "tr"]
    block: Literal["both", "WVS7", "AOI2022"]


class CrossFormat(Row):
    """Where is a share larger (more) or smaller (fewer): the same facts in another format."""

    item: Name
    question: Name
    direction: Literal["more", "fewer"]
    first: Country
    second: Country
    answer: Country
    gap: Share
    split: Unit
    text: Text

    @model_validator(mode="after")
    def _answer(self) -> Self:
        if self.first == self.second or self.answer not in (self.first, self.second):
            raise ValueError(f"answer {self.answer} of {self.first} and {self.second}")
        return self


class PracticeQuestion(Row):
    """A question on an invented topic, whose answers are invented, to teach the formats with."""

    question: Name
    topic: Text
    low: int
    high: int
    clause: Text


class PracticeWording(Row):
    """A wording of a practice question; all are to plant."""

    question: Name
    wording: int = Field(ge=1, le=3)
    split: Literal["plant"]
    text: Text


class PracticeOption(Row):
    """A number of a practice question's scale."""

    question: Name
    option: int
    label: Text
    agrees: bool


class PracticeShare(Row):
    """An invented share, drawn by hash; no country's people were asked."""

    question: Name
    country: Country
    option: int
    share: Share


class PracticePair(Row):
    """A two-country question over invented shares; to plant."""

    item: Name
    question: Name
    direction: Literal["more", "fewer"]
    first: Country
    second: Country
    answer: Country
    gap: Share
    split: Literal["plant"]
    text: Text


class SurveyShare(Row):
    """The share of a country's respondents who chose an option of a workbook column."""

    column: int = Field(ge=1)
    country: Country
    option: int
    share: Share


class SurveyCell(Row):
    """A cell of the workbook: its stored central value and its number of options."""

    column: int = Field(ge=1)
    country: Country
    central: float
    options: int = Field(ge=1)


class SurveyColumn(Row):
    """A column of the workbook: its source, code, scale and category."""

    column: int = Field(ge=1)
    source: Literal["WVS7", "AOI2022"]
    code: str | None
    low: int
    high: int
    scale: Literal["y", "s", "n"]
    category: Name
    sub_category: Name


class SurveyFault(Row):
    """A cell or column that breaks a rule; listed, never dropped silently."""

    rule: Name
    column: int = Field(ge=1)
    country: Country | None
    detail: Text


class ScoreFile(Row):
    """A published file of scores or divergences: what it is of, its rows, the cells it fills."""

    file: Name
    measure: Literal["score", "divergence"]
    model: Literal["llama", "mistral", "aya"]
    framing: Literal["neutral", "persona", "observer"]
    mode: Literal["zero_shot", "reasoning"]
    source: Text
    rows: int = Field(ge=1)
    filled: int = Field(ge=0)


Points = Annotated[float, Field(le=100)] | None  # two published ones are below 0
Nats = Annotated[float, Field(ge=0)]


class ScoreCell(Row):
    """The published scores of a benchmark cell, a column a file; empty where the file is."""

    column: int = Field(ge=1)
    country: Country
    llama_persona_zero_shot: Points
    llama_persona_reasoning: Points
    llama_observer_zero_shot: Points
    llama_observer_reasoning: Points
    mistral_persona_zero_shot: Points
    mistral_persona_reasoning: Points
    mistral_observer_zero_shot: Points
    mistral_observer_reasoning: Points
    aya_persona_zero_shot: Points
    aya_persona_reasoning: Points
    aya_observer_zero_shot: Points
    aya_observer_reasoning: Points


class DivergenceCell(Row):
    """The published divergences of a benchmark cell, a column a file."""

    column: int = Field(ge=1)
    country: Country
    llama_neutral: Nats
    llama_persona: Nats
    mistral_neutral: Nats
    mistral_persona: Nats
    aya_neutral: Nats
    aya_persona: Nats


class ScoreFault(Row):
    """A published score or file that breaks a rule; listed, never dropped silently."""

    rule: Name
    measure: Literal["score", "divergence"]
    file: Name
    column: int | None = Field(ge=1)
    country: Country | None
    detail: Text
