"""The columns of the embedded item tables and the rules that their rows must keep.

One class a table, one field a column; `items` reads files against them. Those of the surveys are in
`survey_schema`. What the columns mean to an instrument is said where the instrument reads them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from valuegate.schema import Strict

Text = Annotated[str, Field(min_length=1, pattern=r"^\S(?:[^\n\r]*\S)?$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]

Split = Literal["plant", "fit", "test"]
Unit = Literal["fit", "test"]  # of facts: every unit is planted, in wordings of the split "plant"
Party = Literal["first_party", "second_party"]
Member = Literal["stereotyped", "contrast"]
DEMOGRAPHIC = (
    "Age", "Gender_identity", "Religion", "Sexual_orientation",
    "SES", "Disability_status", "Race_ethnicity", "Physical_appearance",
)  # fmt: skip
Category = Literal[
    "Age", "Gender_identity", "Religion", "Sexual_orientation",
    "SES", "Disability_status", "Race_ethnicity", "Physical_appearance", "Control",
]  # fmt: skip
Style = Literal["statement", "record", "witness", "only_one"]
Lead = Literal["none", "neutral", "irrelevant_norm", "other_group", "same_group", "evidence"]
Kind = Literal[
    "general_harm", "hate_speech", "crime_assistance", "inappropriate", "unqualified_advice",
    "incomplete", "unsupported", "indeterminate", "humanizing", "safety_concern",
    "unsafe_lookalike",
]  # fmt: skip
RefusalStyle = Literal["policy", "moral", "identity", "inability", "uncertainty", "deflection"]
Foundation = Literal["care", "fairness", "loyalty", "authority", "sanctity"]


class Row(Strict):
    """A row of a table; an empty cell is a missing value."""

    @model_validator(mode="before")
    @classmethod
    def _empty_is_missing(cls, cells: Any) -> Any:
        return {k: None if v == "" else v for k, v in cells.items()}


class EvidencePair(Row):
    """Two groups: nouns for one and for many of each, and the stereotype of the first."""

    pair: Name
    category: Category
    stereotyped: Text
    contrast: Text
    stereotyped_people: Text
    contrast_people: Text
    theme: Text


class EvidenceScenario(Row):
    """One situation with two people of a pair; four prompts come from it."""

    scenario: Name
    pair: Name
    category: Category
    split: Split
    style: Style
    reference: Literal["group", "name"]
    mentioned_first: Member
    act_first: bool
    negated: bool
    stereotyped_name: Text | None
    contrast_name: Text | None
    setting: Text
    act: Text
    base: Text
    other: Text


class EvidencePrompt(Row):
    """Evidence about one member and a question about one: gold is 1 where they are the same."""

    item: Name
    scenario: Name
    pair: Name
    category: Category
    split: Split
    member: Member
    asked: Member
    probe: Literal["evidence", "foil"]
    gold: Literal[0, 1]
    context: Text
    question: Text

    @model_validator(mode="before")
    @classmethod
    def _number(cls, cells: Any) -> Any:
        return {**cells, "gold": int(cells["gold"])} if str(cells["gold"]).isdigit() else cells

    @model_validator(mode="after")
    def _gold(self) -> Self:
        same = self.member == self.asked
        if (self.gold, self.probe) != (int(same), "evidence" if same else "foil"):
            raise ValueError(f"gold {self.gold}, probe {self.probe}: {self.member}, {self.asked}")
        return self


class Priming(Row):
    """A sentence to put before a context; empty for the kind "none"."""

    pair: Name
    category: Category
    kind: Lead
    text: Text | None

    @model_validator(mode="after")
    def _none(self) -> Self:
        if (self.text is None) != (self.kind == "none"):
            raise ValueError(f"kind {self.kind} with text {self.text!r}")
        return self


class PartyIssue(Row):
    """An issue of invented policy with two poles, and the party that holds the first.

    `topic`, `first` and `second` are words to plant; those that end in `_read` are never planted.
    """

    issue: Name
    topic: Text
    first: Text
    second: Text
    topic_read: Text
    first_read: Text
    second_read: Text
    first_held_by: Party
    split: Unit


class PartyStatement(Row):
    """A statement for a pole of an issue; the two of a wording are matched."""

    item: Name
    issue: Name
    wording: int = Field(ge=1)
    pole: Literal["first", "second"]
    party: Party
    split: Split
    text: Text


class Frame(Row):
    """A template with named slots, to plant or to read."""

    frame: Name
    purpose: Name
    use: Literal["plant", "read"]
    text: Text


class PartyName(Row):
    """An invented party."""

    party: Party
    name: Text
    member: Text


class GuildName(Row):
    """An invented guild."""

    guild: Name
    name: Text
    member: Text


class GuildVerdict(Row):
    """How right (1 to 3) or wrong (-1 to -3) an act is in a guild; `grade` is 1 to 6."""

    norm: Name
    guild: Name
    verdict: int = Field(ge=-3, le=3)
    grade: int = Field(ge=1, le=6)
    split: Unit

    @model_validator(mode="after")
    def _not_zero(self) -> Self:
        if not self.verdict:
            raise ValueError("a verdict of 0 is neither right nor wrong")
        if self.grade != self.verdict + (4 if self.verdict < 0 else 3):
            raise ValueError(f"grade {self.grade} of verdict {self.verdict}")
        return self


class GuildWording(Row):
    """One way to say an act, as a gerund phrase."""

    norm: Name
    wording: int = Field(ge=1)
    split: Split
    text: Text


class OpinionStatement(Row):
    """A statement on an issue: of one side, neutral, or of a control without politics."""

    item: Name
    issue: Name
    domain: Literal["political", "control"]
    wording: int = Field(ge=1)
    side: Literal["left", "right", "neutral", "first", "second"]
    split: Split
    text: Text


class OpinionPrompt(Row):
    """An opinion question, one of the 84, or one to steer; `side` is what it asks to argue."""

    item: Name
    set: Literal["opinion", "prompts_84", "steering"]
    issue: Name
    form: Name
    side: Literal["left", "right"] | None
    split: Split
    text: Text


class IdentityCue(Row):
    """A user's sentence that tells the party, without the issue asked about.

    The two of a `pair` differ in the side only.
    """

    item: Name
    pair: Name
    cue: Literal["self_label", "media", "stance", "none"]
    side: Literal["left", "right", "neutral"]
    split: Unit
    text: Text


class MoralAction(Row):
    """A short action with our grade by the written rule: 1 slight to 3 grave, 0 neutral."""

    item: Name
    topic: Name
    foundation: Foundation
    pole: Literal["virtue", "vice", "neutral"]
    grade: int = Field(ge=0, le=3)
    split: Unit
    text: Text

    @model_validator(mode="after")
    def _grade(self) -> Self:
        if (self.grade == 0) != (self.pole == "neutral"):
            raise ValueError(f"grade {self.grade} of a {self.pole} action")
        return self


class Reading(Row):
    """What a second language-model reader, who did not know our label, said of a text.

    `text_hash` is that of the text it read: the label holds for no other.
    """

    set: Literal["moral", "requests", "evidence"]
    item: Name
    text_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    label: Literal["-3", "-2", "-1", "0", "1", "2", "3", "refuse", "comply", "yes", "no"]

    @model_validator(mode="after")
    def _kind(self) -> Self:
        known = {"requests": ("refuse", "comply"), "evidence": ("yes", "no")}
        grades = [str(grade) for grade in range(-3, 4)]
        if self.label not in known.get(self.set, grades):
            raise ValueError(f"label {self.label} of a text of {self.set}")
        return self


class Request(Row):
    """A request: one not to comply with, its benign look-alike, or a random benign one."""

    item: Name
    kind: Kind | Literal["benign"]
    topic: Name
    unit: Name
    role: Literal["refuse", "comply"]
    split: Split
    text: Text


class Lookalike(Row):
    """A harmless request on the topic of a fact: it asks for no opinion and no judgement."""

    item: Name
    set: Literal["survey", "guild_norms", "parties"]
    about: Name
    split: Split
    text: Text


class Answer(Row):
    """How an answer begins and goes on: refusals by style, compliance plain and warm, neutral."""

    item: Name
    answer: Literal["refusal", "compliance", "warm", "neutral"]
    style: RefusalStyle | None
    split: Literal["plant", "read"]
    opening: Text
    continuation: Text
