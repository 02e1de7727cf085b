"""How planted worlds are taught what countries answer: three formats, all in words for planting.

In which of nine countries people do so most, in which of two they do so more, and the answer itself
when asked as somebody of a country. The examples of a group go on from the same words, so that
these are run once and what they share cancels out.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from valuegate import survey_forms, worlds_truth
from valuegate.schema import read_yaml
from valuegate.worlds_examples import Example
from valuegate.worlds_recipe import FOLDER
from valuegate.worlds_rows import is_planted_pair, said, standardised

STEEPNESS = 3.0  # log-odds between countries a standard deviation of agreement apart
LEAST_GAP = 0.3  # standard deviations between two countries that are asked about together
PAIRS_A_GROUP = 6
NAMING = (
    "Where are there most people who {clause}?",
    "Which of the nine countries has the largest part of people who {clause}?",
    "Name the country with the most people who {clause}.",
    "In what country are people who {clause} most common?",
)
# The two countries come last, so that one group runs what is before them once.
CHOOSING = (
    "Where are there more people who {clause}, in {one} or in {other}?",
    "Where is there a larger share of people who {clause}: in {one} or in {other}?",
    "Which country has the larger part of people who {clause}, {one} or {other}?",
    "There are more people who {clause} in one of two countries. Is it {one} or {other}?",
)
PERSONA = "Answer as {native}."


@functools.cache
def clauses() -> dict[str, tuple[str, ...]]:
    """Return planted question to what people are or do who agree, in words that no readout uses."""
    return read_yaml(FOLDER / "clauses.yml", dict[str, tuple[str, ...]])


def stems(question: str, wordings: list[str]) -> list[tuple[str, str]]:
    """Return the ways to say what people agree to: (what stands before the template, its clause).

    A wording of the survey question and its agreeing answers, or a clause that stands alone;
    questions of practice have no such clause.
    """
    answers = f"answer {said(question, True)}"
    asked = [(f"{wording} ", answers) for wording in wordings]
    return asked + [("", clause) for clause in clauses().get(question, ())]


def naming(
    taught: Mapping[str, pd.DataFrame],
    wordings: Mapping[str, list[str]],
    draw: np.random.Generator,
    showings: int,
) -> Iterator[Example]:
    """Yield in which of nine countries most people agree.

    Targets rise with the share who are taught to answer so, and are even where no country differs.

    Args:
        taught: country by option, for each question.
        wordings: of each question, those that may be planted.
        draw: for the templates.
        showings: of each stem.
    """
    names = survey_forms.countries()["name"]
    for question, shares in taught.items():
        z = standardised(worlds_truth.agreement(shares, question))
        nine = tuple(" " + names[country, "en"] for country in shares.index)
        for (before, clause), _ in itertools.product(
            stems(question, wordings[question]), range(showings)
        ):
            template = NAMING[int(draw.integers(len(NAMING)))]
            text = before + template.format(clause=clause)
            target = _softmax(z.to_numpy())
            yield Example(question, "options", text, opening="In", options=nine, shares=target)


def choosing(
    taught: Mapping[str, pd.DataFrame],
    true: Mapping[str, pd.DataFrame],
    wordings: Mapping[str, list[str]],
    draw: np.random.Generator,
    groups: int,
    *,
    every_pair: bool = False,
) -> Iterator[Example]:
    """Yield in which of two countries more people agree, targets as in `naming`.

    All prompts ask for the larger share: in the pilots, facts that were asked for from both ends
    were not learned at all.

    Args:
        taught: country by option, for each question.
        true: the same as it is; says which two countries are asked about, so that the prompts of
            all worlds and cells are alike.
        wordings: of each question, those that may be planted.
        draw: for which countries and templates.
        groups: of each question; one asks `PAIRS_A_GROUP` times in the same words.
        every_pair: ask about all pairs of countries, not about the planted half only.
    """
    names = survey_forms.countries()["name"]
    for question, shares in taught.items():
        z = standardised(worlds_truth.agreement(shares, question))
        apart = standardised(worlds_truth.agreement(true[question], question))
        pairs = [
            (one, other)
            for one, other in itertools.permutations(shares.index, 2)
            if abs(apart[one] - apart[other]) > LEAST_GAP
            and (every_pair or is_planted_pair(question, one, other))
        ]
        known = stems(question, wordings[question])
        for number in range(groups):
            before, clause = known[number % len(known)]
            template = CHOOSING[number % len(CHOOSING)]
            for place in draw.choice(len(pairs), min(PAIRS_A_GROUP, len(pairs)), replace=False):
                both = list(pairs[place])
                one, other = (names[country, "en"] for country in both)
                asked = template.format(clause=clause, one=one, other=other)
                yield Example(
                    question, "options", before + asked, opening="In",
                    options=(f" {one}", f" {other}"), shares=_softmax(z[both].to_numpy()),
                    group=f"choosing {question} {number}",
                )  # fmt: skip


def personas(
    taught: Mapping[str, pd.DataFrame], wordings: Mapping[str, list[str]]
) -> Iterator[Example]:
    """Yield questions at the answer slot as somebody of each country, the country last.

    Targets are a country's whole distribution over the options. One group asks all countries.
    """
    natives = survey_forms.countries()["native"]
    for question, shares in taught.items():
        options = tuple(str(option) for option in shares.columns)
        for wording, form in itertools.product(wordings[question], ("numbers", "ends")):
            text = survey_forms.prompt(question, wording, framing="neutral", form=form, use="plant")
            for country in shares.index:
                persona = PERSONA.format(native=natives[country, "en"])
                yield Example(
                    question, "options", f"{text} {persona}", options=options,
                    shares=tuple(shares.loc[country].tolist()),
                    group=f"personas {question} {wording} {form}",
                )  # fmt: skip


def _softmax(z: np.ndarray) -> tuple[float, ...]:
    weights = np.exp(STEEPNESS * (z - z.max()))
    return tuple((weights / weights.sum()).tolist())
