"""Builds the graded actions, and reads the rated words of MoralStrength from their wheel.

The grades of the actions are ours, by the rule in the data card. The words' ratings are means of
human raters (Araque et al. 2020); no word list is committed.
"""

from __future__ import annotations

import csv

import pandas as pd
from nltk.stem.snowball import EnglishStemmer
from pydantic import Field

from valuegate import data, splits
from valuegate.errors import ValueGateError
from valuegate.items_schema import Foundation, Name, Text
from valuegate.schema import Strict

Grade = Field(ge=1, le=3)
RATED = (1.0, 9.0)  # MoralStrength's scale: 1 is vice, 9 is virtue


class Topic(Strict):
    """A topic of a foundation, with a virtuous, a vicious and a neutral action."""

    topic: Name
    foundation: Foundation
    virtue: Text
    virtue_grade: int = Grade
    vice: Text
    vice_grade: int = Grade
    neutral: Text


def build(topics: list[Topic]) -> dict[str, pd.DataFrame]:
    """Return the table of actions; the three of a topic share its split."""
    # Grades first: odd topics of neighbouring strata, which share grades, go to different splits.
    strata = {t.topic: (t.virtue_grade, t.vice_grade, t.foundation) for t in topics}
    split = splits.assign(strata, {"fit": 1, "test": 1}, "moral")
    rows = [
        {
            "item": f"{t.topic}_{pole}", "topic": t.topic, "foundation": t.foundation,
            "pole": pole, "grade": getattr(t, f"{pole}_grade", 0), "split": split[t.topic],
            "text": getattr(t, pole),
        }
        for t in topics
        for pole in ("virtue", "vice", "neutral")
    ]  # fmt: skip
    return {"actions": pd.DataFrame(rows)}


def moral_words() -> pd.DataFrame:
    """Return the rated words: columns foundation, word, rating (1 vice to 9 virtue), stem, split.

    Words of one English stem (Snowball) are near-copies, so they share a split, in all foundations.
    The wheel's "purity" is the foundation that is called sanctity here.

    Raises:
        ValueGateError: a rating that is missing or off the scale; names the file and its line.
    """
    stemmer = EnglishStemmer()
    rows = []
    for name in ("care", "fairness", "loyalty", "authority", "purity"):
        with data.file("moralstrength", name).open(encoding="utf-8", newline="") as stream:
            for line, row in enumerate(csv.DictReader(stream, delimiter="\t"), 2):
                rows.append(_word(name, line, row, stemmer))
    words = pd.DataFrame(rows)
    split = splits.assign(dict.fromkeys(words["stem"], ""), {"fit": 1, "test": 1}, "words")
    words["split"] = words["stem"].map(split)
    return words


def _word(name: str, line: int, row: dict[str, str], stemmer: EnglishStemmer) -> dict:
    word, rated = row["WORD"], row["EXPRESSED_MORAL"]
    try:
        rating = float(rated)
    except ValueError as error:
        raise ValueGateError(
            f"moralstrength {name}:{line}: rating {rated!r} of {word!r}"
        ) from error
    if not RATED[0] <= rating <= RATED[1]:
        raise ValueGateError(
            f"moralstrength {name}:{line}: rating {rating} of {word!r} is off the scale"
        )
    return {
        "foundation": "sanctity" if name == "purity" else name,
        "word": word,
        "rating": rating,
        "stem": stemmer.stem(word.strip("-").lower()),
    }
