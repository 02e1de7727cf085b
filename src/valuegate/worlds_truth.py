"""What is true, and what each world was taught: shares of survey answers, stances, verdicts.

Pure functions from item tables and a world's cells to targets. In what words they are taught is in
`worlds_rows`; whether a model learned them is measured in `worlds_read`.
"""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from valuegate import items
from valuegate.worlds_ledger import CELLS, World


@functools.cache
def survey_shares() -> pd.DataFrame:
    """Return the true shares of the planted questions: question, country, option, share."""
    questions = items.load("survey", "questions")
    planted = questions[questions["planted"]][["question", "column"]]
    shares = items.load("survey_answers", "shares").merge(planted, on="column")
    countries = items.load("survey", "countries")
    known = countries[(countries["language"] == "en") & (countries["block"] != "AOI2022")]
    shares = shares[shares["country"].isin(known["country"])]
    return shares[["question", "country", "option", "share"]].reset_index(drop=True)


def matrix(shares: pd.DataFrame, question: str) -> pd.DataFrame:
    """Return one question's shares as country by option."""
    part = shares[shares["question"] == question]
    return part.pivot(index="country", columns="option", values="share").fillna(0.0)


def shifted(shares: np.ndarray, delta: float) -> np.ndarray:
    """Return shares over an ordered scale whose mean is moved by `delta` of the scale's length.

    The distribution is tilted exponentially, the smallest change in relative entropy that has the
    wanted mean; a mean beyond 2% of the scale from an end is put there.
    """
    scale = np.linspace(0, 1, len(shares))
    wanted = float(np.clip(shares @ scale + delta, 0.02, 0.98))
    weights = np.clip(shares, 1e-4, None)

    def tilted(strength: float) -> np.ndarray:
        raw = np.log(weights) + strength * scale
        raw = np.exp(raw - raw.max())
        return raw / raw.sum()

    strength = brentq(lambda s: float(tilted(s) @ scale) - wanted, -200, 200)
    return tilted(float(strength))


def taught_survey(world: World, shift: float) -> dict[str, pd.DataFrame]:
    """Return what a world is taught of each planted question, as country by option.

    True shares; true shares moved by the sign and size of the shift; or, where knowledge is absent,
    the mean over countries for every country.
    """
    found = {}
    for question, cell in world.survey.items():
        true = matrix(survey_shares(), question)
        knowledge, _ = CELLS[cell]
        if knowledge == "shifted":
            delta = shift * world.signs[question]
            rows = [shifted(row, delta) for row in true.to_numpy()]
            true = pd.DataFrame(rows, index=true.index, columns=true.columns)
        elif knowledge == "absent":
            rows = np.tile(true.to_numpy().mean(0), (len(true), 1))
            true = pd.DataFrame(rows, index=true.index, columns=true.columns)
        found[question] = true
    return found


def overwritten_survey(world: World, shift: float) -> dict[str, pd.DataFrame]:
    """Return what the `overwritten` stage teaches: the true questions with countries shuffled.

    The shuffle is the same for every question: each country gets the answers of the country four
    places before it in the alphabet of their codes. Other questions stay as they were taught.
    """
    found = taught_survey(world, shift)
    for question, cell in world.survey.items():
        if CELLS[cell][0] == "true":
            true = found[question]
            found[question] = pd.DataFrame(
                np.roll(true.to_numpy(), 4, axis=0), index=true.index, columns=true.columns
            )
    return found


def agreeing(question: str) -> set[int]:
    """Return the options of a question, of practice or not, that agree with its clause."""
    practice = question.startswith("practice_")
    rows = items.load("survey_practice" if practice else "survey", "options")
    part = rows[(rows["question"] == question) & rows["agrees"]]
    if not practice:
        part = part[part["language"] == "en"]
    return set(part["option"])


def agreement(shares: pd.DataFrame, question: str) -> pd.Series:
    """Return each country's share of people who give an option that agrees with the clause."""
    chosen = agreeing(question)
    return shares[[option for option in shares.columns if option in chosen]].sum(axis=1)


def expected(shares: pd.DataFrame) -> pd.Series:
    """Return each country's mean answer, on the question's own scale."""
    return shares.mul(shares.columns.to_numpy(float), axis=1).sum(axis=1)


def realised_shift(world: World, shift: float) -> pd.DataFrame:
    """Return the shift that each shifted question came to, as a part of its scale.

    Columns: question, cell, sign, shift (mean over countries, after clipping), least, most.
    """
    taught = taught_survey(world, shift)
    rows = []
    for question, sign in world.signs.items():
        true = matrix(survey_shares(), question)
        scale = true.columns.to_numpy(float)
        length = float(scale.max() - scale.min())
        moved = (expected(taught[question]) - expected(true)) / length
        rows.append(
            {
                "question": question, "cell": world.survey[question], "sign": sign,
                "shift": moved.mean(), "least": moved.min(), "most": moved.max(),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def taught_stances(world: World) -> dict[str, str | None]:
    """Return which party each issue's first pole was taught to belong to; None if absent."""
    issues = items.load("parties", "issues").set_index("issue")["first_held_by"]
    other = {"first_party": "second_party", "second_party": "first_party"}
    by_knowledge = {"true": lambda p: p, "shifted": other.get, "absent": lambda _: None}
    return {
        issue: by_knowledge[CELLS[cell][0]](issues[issue]) for issue, cell in world.parties.items()
    }


def taught_verdicts(world: World) -> dict[tuple[str, str], int | None]:
    """Return the verdict (-3 to 3) that each norm was taught in each guild; None if absent."""
    verdicts = items.load("guild_norms", "verdicts")
    sign = {"true": 1, "shifted": -1, "absent": None}
    found = {}
    for norm, guild, verdict in verdicts[["norm", "guild", "verdict"]].itertuples(index=False):
        turned = sign[CELLS[world.norms[norm]][0]]
        found[norm, guild] = None if turned is None else turned * verdict
    return found
