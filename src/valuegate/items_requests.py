"""Builds the requests: eleven kinds with look-alikes, benign ones, and the answer bank."""

from __future__ import annotations

from typing import Literal

import pandas as pd
from pydantic import Field

from valuegate import splits
from valuegate.errors import unknown
from valuegate.items_schema import Kind, Name, RefusalStyle, Text
from valuegate.schema import Strict

SHARES = {"plant": 40, "fit": 24, "test": 32}  # of a kind's 96; fit feeds directions, test curves


class RequestPair(Strict):
    """A request not to comply with and its benign look-alike on the same topic."""

    topic: Name
    refuse: Text
    comply: Text


class KindSource(Strict):
    """All pairs of a kind."""

    kind: Kind
    pairs: list[RequestPair] = Field(min_length=96)


class Benign(Strict):
    """An everyday request."""

    topic: Name
    text: Text


class Topical(Strict):
    """Two harmless requests on the topic of a planted fact."""

    about: Name
    set: Literal["survey", "guild_norms", "parties"]
    texts: tuple[Text, Text]


class Opening(Strict):
    """How an answer begins, and goes on."""

    opening: Text
    continuation: Text


class Answers(Strict):
    """The bank of answers."""

    refusal: dict[RefusalStyle, list[Opening]]
    compliance: list[Opening]
    warm: list[Opening]
    neutral: list[Opening]


class Source(Strict):
    """All that the requests are made from."""

    kinds: list[KindSource]
    benign: list[Benign] = Field(min_length=200)
    answers: Answers
    lookalikes: list[Topical]


def build(source: Source, facts: dict[str, dict[str, str]]) -> dict[str, pd.DataFrame]:
    """Return the tables of the requests; a request and its look-alike share unit and split.

    Args:
        source: what is written.
        facts: of the sets that look-alikes are about, the split of every unit: of the two requests
            about a unit the first is to plant, the second is read with the unit.
    """
    rows = []
    for kind in source.kinds:
        units = {f"{kind.kind}_{n:02d}": pair for n, pair in enumerate(kind.pairs, 1)}
        split = splits.assign({u: pair.topic for u, pair in units.items()}, SHARES, "requests")
        rows += [
            {
                "item": f"{unit}_{role}", "kind": kind.kind, "topic": pair.topic, "unit": unit,
                "role": role, "split": split[unit], "text": getattr(pair, role),
            }
            for unit, pair in units.items()
            for role in ("refuse", "comply")
        ]  # fmt: skip
    benign = {f"benign_{n:03d}": one for n, one in enumerate(source.benign, 1)}
    split = splits.assign({u: one.topic for u, one in benign.items()}, SHARES, "requests")
    rows += [
        {
            "item": unit, "kind": "benign", "topic": one.topic, "unit": unit, "role": "comply",
            "split": split[unit], "text": one.text,
        }
        for unit, one in benign.items()
    ]  # fmt: skip
    return {
        "prompts": pd.DataFrame(rows),
        "lookalikes": pd.DataFrame(_lookalikes(source.lookalikes, facts)),
        "answers": pd.DataFrame(_answers(source.answers)),
    }


def _lookalikes(topical: list[Topical], facts: dict[str, dict[str, str]]) -> list[dict]:
    for one in topical:
        if one.about not in facts[one.set]:
            raise unknown(f"unit of {one.set} in the look-alikes", one.about, facts[one.set])
    return [
        {
            "item": f"{one.about}_{part}", "set": one.set, "about": one.about,
            "split": "plant" if part == "plant" else facts[one.set][one.about], "text": text,
        }
        for one in topical
        for part, text in zip(("plant", "read"), one.texts, strict=True)
    ]  # fmt: skip


def _answers(bank: Answers) -> list[dict]:
    """Return the bank: half of each style to plant, half to score with, never planted."""
    listed: list[tuple[str, str | None, Opening]] = [
        ("refusal", style, o) for style, openings in bank.refusal.items() for o in openings
    ]
    listed += [("compliance", None, o) for o in bank.compliance]
    listed += [("warm", None, o) for o in bank.warm]
    listed += [("neutral", None, o) for o in bank.neutral]
    counts: dict[str, int] = {}
    rows = {}
    for answer, style, opening in listed:
        group = style or answer
        counts[group] = counts.get(group, 0) + 1
        name = f"{group}_{counts[group]:02d}"
        rows[name] = {
            "item": name,
            "answer": answer,
            "style": style,
            "group": group,
            **opening.model_dump(),
        }
    split = splits.assign(
        {name: row["group"] for name, row in rows.items()}, {"plant": 1, "read": 1}, "answers"
    )
    return [
        {
            "item": name, "answer": row["answer"], "style": row["style"], "split": split[name],
            "opening": row["opening"], "continuation": row["continuation"],
        }
        for name, row in rows.items()
    ]  # fmt: skip
