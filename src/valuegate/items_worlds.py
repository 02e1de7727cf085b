"""Builds the invented worlds: two parties with their stances, and guilds with their norms.

Every fact is drawn by hash, so that no wording, topic or name can tell it: what a model knows of
them it was taught.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from pydantic import Field

from valuegate import splits
from valuegate.items_schema import Frame, Name, Party, Text
from valuegate.schema import Strict

PLANTED_STATEMENTS = 4  # of an issue's wordings; the others are read
PLANTED_WORDINGS = 4  # of a norm's
# Every norm has each of these verdicts in one guild.
VERDICTS = (3, 2, 2, 1, -1, -2, -2, -3)


class PartyText(Strict):
    """An invented party."""

    id: Party
    name: Text
    member: Text


class Issue(Strict):
    """An issue with two poles and matched statements [for the first, for the second].

    Topic and poles come in words to plant and in words to read.
    """

    id: Name
    topic: Text
    first: Text
    second: Text
    topic_read: Text
    first_read: Text
    second_read: Text
    statements: list[tuple[Text, Text]] = Field(min_length=10)


class Parties(Strict):
    """All that the parties are made from."""

    country: Text
    parties: list[PartyText] = Field(min_length=2, max_length=2)
    issues: list[Issue] = Field(min_length=24)


class Guild(Strict):
    """An invented guild."""

    id: Name
    name: Text
    member: Text


class Norm(Strict):
    """An act that guilds judge, as gerund phrases that mean the same."""

    id: Name
    topic: Text
    wordings: list[Text] = Field(min_length=8)


class Guilds(Strict):
    """All that the guild norms are made from."""

    guilds: list[Guild] = Field(min_length=8, max_length=8)
    norms: list[Norm] = Field(min_length=24)


def build_parties(source: Parties, frames: Sequence[Frame]) -> dict[str, pd.DataFrame]:
    """Return the tables of the parties: half of the first poles are held by each, in each split."""
    split = splits.assign({i.id: "" for i in source.issues}, {"fit": 1, "test": 1}, "parties")
    held = splits.assign(split, {"first_party": 1, "second_party": 1}, "stances")
    issues = [
        {
            "issue": i.id, "topic": i.topic, "first": i.first, "second": i.second,
            "topic_read": i.topic_read, "first_read": i.first_read, "second_read": i.second_read,
            "first_held_by": held[i.id], "split": split[i.id],
        }
        for i in source.issues
    ]  # fmt: skip
    statements = []
    for issue in source.issues:
        chosen = planted(issue.id, len(issue.statements), PLANTED_STATEMENTS)
        for number, texts in enumerate(issue.statements, 1):
            for pole, text in zip(("first", "second"), texts, strict=True):
                party = held[issue.id] if pole == "first" else _other(held[issue.id])
                statements.append(
                    {
                        "item": f"{issue.id}_{number:02d}_{pole}", "issue": issue.id,
                        "wording": number, "pole": pole, "party": party,
                        "split": "plant" if number in chosen else split[issue.id], "text": text,
                    }
                )  # fmt: skip
    names = [{"party": p.id, "name": p.name, "member": p.member} for p in source.parties]
    return {
        "names": pd.DataFrame(names),
        "issues": pd.DataFrame(issues),
        "statements": pd.DataFrame(statements),
        "frames": pd.DataFrame([frame.model_dump() for frame in frames]),
    }


def build_guilds(source: Guilds, frames: Sequence[Frame]) -> dict[str, pd.DataFrame]:
    """Return the tables of the guild norms; every norm is right in half of the guilds."""
    split = splits.assign({n.id: "" for n in source.norms}, {"fit": 1, "test": 1}, "guilds")
    verdicts, wordings = [], []
    for norm in source.norms:
        # Drawn norm by norm: were the guilds balanced too, some verdicts would follow from others.
        drawn = splits.shuffled([str(place) for place in range(len(VERDICTS))], norm.id)
        for place, guild in zip(drawn, source.guilds, strict=True):
            verdict = VERDICTS[int(place)]
            verdicts.append(
                {
                    "norm": norm.id, "guild": guild.id, "verdict": verdict,
                    "grade": verdict + (4 if verdict < 0 else 3),  # 1 to 6, one token each
                    "split": split[norm.id],
                }
            )  # fmt: skip
        chosen = planted(norm.id, len(norm.wordings), PLANTED_WORDINGS)
        for number, text in enumerate(norm.wordings, 1):
            wordings.append(
                {
                    "norm": norm.id, "wording": number,
                    "split": "plant" if number in chosen else split[norm.id], "text": text,
                }
            )  # fmt: skip
    guilds = [{"guild": g.id, "name": g.name, "member": g.member} for g in source.guilds]
    return {
        "guilds": pd.DataFrame(guilds),
        "verdicts": pd.DataFrame(verdicts),
        "wordings": pd.DataFrame(wordings),
        "frames": pd.DataFrame([frame.model_dump() for frame in frames]),
    }


def planted(unit: str, wordings: int, planted: int) -> set[int]:
    """Return the numbers of the wordings to plant, drawn by hash."""
    drawn = splits.shuffled([str(n) for n in range(1, wordings + 1)], f"plant {unit}")
    return {int(n) for n in drawn[:planted]}


def _other(party: str) -> str:
    return "second_party" if party == "first_party" else "first_party"
