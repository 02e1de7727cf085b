"""Builds practice questions: invented topics and answers, to teach a model the survey's formats.

Their shares are drawn by hash and say nothing of any country; every world is taught the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from pydantic import Field

from valuegate.country_pairs import country_pairs
from valuegate.errors import ValueGateError
from valuegate.items_schema import Name, Text
from valuegate.schema import Strict
from valuegate.survey_sources import Country, english_names

COUNTRIES = ("EGY", "IRN", "IRQ", "JOR", "LBN", "LBY", "MAR", "TUN", "TUR")  # as planted ones have
PAIRS = 24


class Question(Strict):
    """A practice question as it is written in the sources."""

    id: Name
    topic: Text
    min: int
    max: int
    labels: dict[int, Text]
    agree: list[int]
    clause: Text
    wordings: list[Text] = Field(min_length=3, max_length=3)


def build(
    questions: Sequence[Question], countries: Sequence[Country], frame: str
) -> dict[str, pd.DataFrame]:
    """Return the tables of the practice questions; all of the split "plant".

    Args:
        questions: what is written.
        countries: for their English names.
        frame: the two-country frame to plant.
    """
    names = english_names(countries)
    rows: dict[str, list[dict]] = {
        name: [] for name in ("questions", "wordings", "options", "shares", "pairs")
    }
    for question in questions:
        scale = range(question.min, question.max + 1)
        if set(question.labels) != set(scale) or not set(question.agree) < set(scale):
            raise ValueGateError(f"practice question {question.id}: labels or agree off its scale")
        shares = _shares(question)
        rows["questions"].append(
            {
                "question": question.id, "topic": question.topic, "low": question.min,
                "high": question.max, "clause": question.clause,
            }
        )  # fmt: skip
        rows["wordings"] += [
            {"question": question.id, "wording": number, "split": "plant", "text": text}
            for number, text in enumerate(question.wordings, 1)
        ]
        rows["options"] += [
            {
                "question": question.id, "option": option, "label": question.labels[option],
                "agrees": option in question.agree,
            }
            for option in scale
        ]  # fmt: skip
        rows["shares"] += [
            {"question": question.id, "country": country, "option": option, "share": share}
            for country, cell in shares.items()
            for option, share in cell.items()
        ]
        agree = {c: sum(cell[o] for o in question.agree) for c, cell in shares.items()}
        rows["pairs"] += country_pairs(
            question.id, agree, PAIRS, frame, question.clause, names, "plant"
        )
    return {name: pd.DataFrame(table) for name, table in rows.items()}


def _shares(question: Question) -> dict[str, dict[int, float]]:
    """Return invented shares: the agreeing side between .05 and .95, divided at random."""
    seed = int(hashlib.sha256(question.id.encode()).hexdigest()[:8], 16)
    generator = np.random.default_rng(seed)
    scale = range(question.min, question.max + 1)
    found = {}
    for country in COUNTRIES:
        agreeing = generator.uniform(0.05, 0.95)
        cell = {}
        for side, total in ((True, agreeing), (False, 1 - agreeing)):
            options = [o for o in scale if (o in question.agree) == side]
            parts = generator.dirichlet(np.full(len(options), 2.0)) * total
            cell |= dict(zip(options, parts, strict=True))
        rounded = {option: round(float(cell[option]), 4) for option in scale}
        rounded[question.max] = round(1 - sum(list(rounded.values())[:-1]), 4)
        found[country] = rounded
    return found
