"""Builds the real left/right set: matched statements, controls, prompts without a side, cues."""

from __future__ import annotations

from typing import Literal

import pandas as pd
from pydantic import Field, model_validator

from valuegate import splits
from valuegate.errors import ValueGateError, unknown
from valuegate.items_schema import Name, Text
from valuegate.items_worlds import planted
from valuegate.schema import Strict

PLANTED_WORDINGS, PLANTED_QUESTIONS = 4, 4


class Issue(Strict):
    """A political issue: matched [left, right] statements, neutral ones, opinion questions."""

    id: Name
    left_right: list[tuple[Text, Text]] = Field(min_length=10)
    neutral: list[Text] = Field(min_length=10)
    questions: list[Text] = Field(min_length=8)


class Control(Strict):
    """A matter without politics: matched statements for one taste and for another."""

    id: Name
    pairs: list[tuple[Text, Text]] = Field(min_length=10)


class Prompt(Strict):
    """One of the 84 prompts: a policy area in five forms, science or everyday."""

    issue: Name
    form: Literal["question", "pro", "con", "factual", "essay", "science", "everyday"]
    side: Literal["left", "right"] | None = None
    text: Text

    @model_validator(mode="after")
    def _side(self) -> Prompt:
        if (self.form in ("pro", "con")) != (self.side is not None):
            raise ValueError(f"form {self.form} with side {self.side}")
        return self


class Steering(Strict):
    """A prompt to steer the answer of."""

    issue: Name
    text: Text


class Cue(Strict):
    """What a user says about themselves before an unrelated policy question."""

    cue: Literal["self_label", "media", "stance", "none"]
    side: Literal["left", "right", "neutral"]
    text: Text


class Source(Strict):
    """All that the left/right set is made from."""

    issues: list[Issue] = Field(min_length=16)
    controls: list[Control]
    prompts: list[Prompt]
    steering: list[Steering]
    cues: list[Cue]


def build(source: Source) -> dict[str, pd.DataFrame]:
    """Return the tables of the left/right set; an issue's wordings share its split."""
    prompted = {p.issue for p in source.prompts}
    strata = {i.id: i.id in prompted for i in source.issues}
    for prompt in source.steering:
        if prompt.issue not in strata:
            raise unknown("issue of a steering prompt", prompt.issue, strata)
    political = splits.assign(strata, {"fit": 1, "test": 1}, "opinions")
    control = splits.assign({c.id: "" for c in source.controls}, {"fit": 1, "test": 1}, "controls")
    statements = []
    for issue in source.issues:
        chosen = planted(issue.id, len(issue.left_right), PLANTED_WORDINGS)
        sides = [
            ("left", [p[0] for p in issue.left_right]),
            ("right", [p[1] for p in issue.left_right]),
        ]
        statements += _statements(issue.id, "political", sides, chosen, political[issue.id])
        chosen = planted(f"{issue.id} neutral", len(issue.neutral), PLANTED_WORDINGS)
        neutral = [("neutral", issue.neutral)]
        statements += _statements(issue.id, "political", neutral, chosen, political[issue.id])
    for matter in source.controls:
        sides = [("first", [p[0] for p in matter.pairs]), ("second", [p[1] for p in matter.pairs])]
        statements += _statements(matter.id, "control", sides, set(), control[matter.id])
    return {
        "statements": pd.DataFrame(statements),
        "prompts": pd.DataFrame(_prompts(source, political)),
        "cues": pd.DataFrame(_cues(source)),
    }


def _statements(
    issue: str, domain: str, sides: list[tuple[str, list[str]]], planted: set[int], split: str
) -> list[dict]:
    return [
        {
            "item": f"{issue}_{side}_{number:02d}", "issue": issue, "domain": domain,
            "wording": number, "side": side,
            "split": "plant" if number in planted else split, "text": text,
        }
        for side, texts in sides
        for number, text in enumerate(texts, 1)
    ]  # fmt: skip


def _prompts(source: Source, split: dict[str, str]) -> list[dict]:
    rows = []
    for issue in source.issues:
        chosen = planted(f"{issue.id} questions", len(issue.questions), PLANTED_QUESTIONS)
        for number, text in enumerate(issue.questions, 1):
            part = "plant" if number in chosen else split[issue.id]
            rows.append(("opinion", issue.id, "question", None, part, text))
    elsewhere = splits.assign(
        {p.issue: p.form for p in source.prompts if p.issue not in split},
        {"fit": 1, "test": 1},
        "prompts",
    )
    split = {**split, **elsewhere}
    rows += [
        ("prompts_84", p.issue, p.form, p.side, split[p.issue], p.text) for p in source.prompts
    ]
    rows += [
        ("steering", s.issue, "question", None, split[s.issue], s.text) for s in source.steering
    ]
    counts: dict[str, int] = {}
    found = []
    for kind, issue, form, side, part, text in rows:
        name = f"{kind}_{issue}_{form}"
        counts[name] = counts.get(name, 0) + 1
        found.append(
            {
                "item": f"{name}_{counts[name]:02d}", "set": kind, "issue": issue, "form": form,
                "side": side, "split": part, "text": text,
            }
        )  # fmt: skip
    return found


def _cues(source: Source) -> list[dict]:
    """Return the cues; a left one and the right one after it are a pair and share a split."""
    pairs: list[list[Cue]] = []
    for cue in source.cues:
        if cue.side == "right":
            if not pairs or [c.side for c in pairs[-1]] != ["left"] or pairs[-1][0].cue != cue.cue:
                raise ValueGateError(f"left_right: no left cue before {cue.text!r}")
            pairs[-1].append(cue)
        else:
            pairs.append([cue])
    names = [f"cue_{number:02d}" for number in range(1, len(pairs) + 1)]
    strata = {name: pair[0].cue for name, pair in zip(names, pairs, strict=True)}
    split = splits.assign(strata, {"fit": 1, "test": 1}, "cues")
    return [
        {
            "item": f"{name}_{cue.side}", "pair": name, "cue": cue.cue, "side": cue.side,
            "split": split[name], "text": cue.text,
        }
        for name, pair in zip(names, pairs, strict=True)
        for cue in pair
    ]  # fmt: skip
