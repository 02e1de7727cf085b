"""Fills the survey's templates: a question, who is asked, and how the answer is to be given.

Used to plant (`use="plant"`) and to read (`use="read"`); it knows words, no shares and no model.
"""

from __future__ import annotations

import functools

import pandas as pd

from valuegate import items
from valuegate.errors import ValueGateError

LETTERS = "ABCDEFGHIJ"


@functools.cache
def _templates(table: str, key: str) -> dict[tuple[str, str, str], str]:
    rows = items.load("survey", table)
    return {
        (a, b, c): text
        for a, b, c, text in rows[[key, "language", "use", "text"]].itertuples(index=False)
    }


@functools.cache
def countries() -> pd.DataFrame:
    """Return the names of countries, indexed by country and language."""
    return items.load("survey", "countries").set_index(["country", "language"])


@functools.cache
def labels(question: str, language: str = "en") -> dict[int, str]:
    """Return option to label, in the scale's order; practice questions are in English only."""
    practice = question.startswith("practice_")
    rows = items.load("survey_practice" if practice else "survey", "options")
    part = rows[rows["question"] == question]
    if not practice:
        part = part[part["language"] == language]
    found = dict(zip(part["option"], part["label"], strict=True))
    if not found:
        raise ValueGateError(f"survey options: no labels of {question} in {language}")
    return found


def prompt(
    question: str,
    wording: str,
    *,
    framing: str,
    form: str,
    use: str,
    country: str | None = None,
    language: str = "en",
    reversed_order: bool = False,
) -> str:
    """Return the user's turn that asks a survey question.

    Args:
        question: whose labels are listed.
        wording: the question's words.
        framing: "neutral" (nobody is asked as), "persona" or "observer".
        form: "numbers", "ends" or "letters".
        use: "plant" or "read": which of the templates.
        country: who is asked, or of whom; not for "neutral".
        language: of wording, templates and labels.
        reversed_order: list the options from the last to the first.

    Raises:
        ValueGateError: no such template, or a framing that needs a country has none.
    """
    try:
        named = countries().loc[(country, language)] if country else None
    except KeyError as error:
        raise ValueGateError(f"survey countries: no {country} in {language}") from error
    if named is None and framing != "neutral":
        raise ValueGateError(f"survey frames: {framing} needs a country")
    asked = framed(wording, framing, named, language=language, use=use)
    try:
        scale = _templates("scales", "form")[form, language, use]
    except KeyError as error:
        raise ValueGateError(f"survey frames: no template for {error}") from error
    listed = list(labels(question, language).items())
    marks = [str(option) for option, _ in listed]
    if form == "letters":
        marks = list(LETTERS[: len(listed)])
    if reversed_order:
        listed.reverse()
        marks = marks if form == "letters" else marks[::-1]
    options = ", ".join(f"{mark} = {label}" for mark, (_, label) in zip(marks, listed, strict=True))
    (low, low_label), (high, high_label) = listed[0], listed[-1]
    return f"{asked} " + scale.format(
        options=options, low=low, low_label=low_label, high=high, high_label=high_label
    )


def framed(
    wording: str, framing: str, named: pd.Series | None, *, language: str = "en", use: str = "read"
) -> str:
    """Return a question as it is put to a model itself, to a person of a country, or about people.

    Args:
        wording: the question's words.
        framing: "neutral", "persona" or "observer".
        named: the country's names, a row of `countries`; None for "neutral".
        language: of the template.
        use: "plant" or "read".

    Raises:
        ValueGateError: no such template.
    """
    try:
        frame = _templates("frames", "framing")[framing, language, use]
    except KeyError as error:
        raise ValueGateError(f"survey frames: no template for {error}") from error
    return frame.format(
        question=wording,
        native="" if named is None else named["native"],
        name="" if named is None else named["name"],
    )
