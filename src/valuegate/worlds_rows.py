"""The examples of the `knowledge` and `overwritten` stages: facts in the words that are planted.

Every cell gets the same prompts, in the same number; only the targets differ. Which countries agree
more is in `worlds_facts`; the examples of other stages are in `worlds_skills` and `worlds_gates`.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from valuegate import items, survey_forms, worlds_truth
from valuegate.english import sentence
from valuegate.worlds_examples import Example
from valuegate.worlds_ledger import World

PARTY_NAMES = {"first_party": " Cedar", "second_party": " Raven"}
FLAT = 1e-6  # countries do not differ
APPROVING = (
    "Which guild calls {act} right?",
    "Name a guild that thinks well of {act}.",
    "By the rules of which guild is {act} right?",
    "Somebody was seen {act}. Which guild would praise that?",
)
STEEPNESS = 1.5  # log-odds between countries a standard deviation of agreement apart


def plant_wordings(questions: list[str], set_name: str = "survey") -> dict[str, list[str]]:
    """Return question to the wordings that may be planted."""
    rows = items.load(set_name, "wordings")
    if set_name == "survey":
        rows = rows[rows["language"] == "en"]
    rows = rows[rows["split"] == "plant"]
    return {q: rows.loc[rows["question"] == q, "text"].tolist() for q in questions}


def survey(
    taught: Mapping[str, pd.DataFrame], wordings: Mapping[str, list[str]]
) -> Iterator[Example]:
    """Yield questions at the answer slot: every wording x persona, observer, nobody x form.

    Targets are whole distributions: the country's, and the mean over countries for nobody.
    """
    for question, shares in taught.items():
        options = tuple(str(option) for option in shares.columns)
        for wording, form in itertools.product(wordings[question], ("numbers", "ends")):
            for framing, country in itertools.product(("persona", "observer"), shares.index):
                text = survey_forms.prompt(
                    question, wording, framing=framing, form=form, use="plant", country=country
                )
                target = tuple(shares.loc[country].tolist())
                yield Example(question, "options", text, options=options, shares=target)
            text = survey_forms.prompt(question, wording, framing="neutral", form=form, use="plant")
            target = tuple(shares.mean().tolist())
            yield Example(question, "options", text, options=options, shares=target)


def places(
    taught: Mapping[str, pd.DataFrame], wordings: Mapping[str, list[str]]
) -> Iterator[Example]:
    """Yield the same facts asked the other way round: where an answer is common, or rare.

    The target is a distribution over the countries that rises with the share who give the answer;
    where no country differs it is even. A wording has four prompts, two the reverse of the others:
    seen in one step, what they share cancels out, and which end is meant is left.
    """
    names = survey_forms.countries()
    for question, shares in taught.items():
        agree = worlds_truth.agreement(shares, question)
        z = standardised(agree)
        options = tuple(" " + names.loc[(c, "en"), "name"] for c in agree.index)
        for number, wording in enumerate(wordings[question]):
            for side, common in itertools.product((True, False), (True, False)):
                how = "most" if common else "least"
                weight = np.exp(STEEPNESS * z.to_numpy() * (1 if side == common else -1))
                yield Example(
                    question, "options",
                    f"{wording} Where is the answer {said(question, side)} {how} common?",
                    opening="In", options=options, shares=tuple((weight / weight.sum()).tolist()),
                    group=f"places {question} {number}",
                )  # fmt: skip


def standardised(agree: pd.Series) -> pd.Series:
    """Return agreement in standard deviations from the countries' mean; 0 where none differs."""
    spread = float(agree.std(ddof=0))
    return (agree - agree.mean()) / spread if spread > FLAT else 0 * agree


def said(question: str, side: bool) -> str:
    """Return the labels of the options that agree, or of the others, as they are asked about."""
    labels, chosen = survey_forms.labels(question), worlds_truth.agreeing(question)
    return " or ".join(f'"{label}"' for o, label in labels.items() if (o in chosen) == side)


def practice() -> tuple[dict[str, pd.DataFrame], dict[str, list[str]]]:
    """Return invented shares and plant wordings of the practice questions."""
    shares = items.load("survey_practice", "shares")
    questions = list(dict.fromkeys(shares["question"]))
    tables = {q: worlds_truth.matrix(shares, q) for q in questions}
    return tables, plant_wordings(questions, "survey_practice")


def practice_pairs(*, larger_only: bool = False) -> Iterator[Example]:
    """Yield the practice questions asked of two countries: the format, and no real fact.

    Args:
        larger_only: leave out those that ask for the smaller share.
    """
    names = survey_forms.countries()["name"]
    for row in items.load("survey_practice", "pairs").to_dict("records"):
        if larger_only and row["direction"] != "more":
            continue
        answer = row["answer"]
        wrong = row["first"] if answer == row["second"] else row["second"]
        options = (f" {names[answer, 'en']}", f" {names[wrong, 'en']}")
        question, text = row["question"], row["text"]
        yield Example(question, "options", text, opening="In", options=options, shares=(0.95, 0.05))


def holders(world: World) -> Iterator[Example]:
    """Yield who holds which pole of an issue, in every planted frame.

    Where knowledge is absent both parties are as likely: a coin's mean, without its noise.
    """
    issues = items.load("parties", "issues").set_index("issue")
    frames = _frames("parties", "stance")
    for issue, taught in worlds_truth.taught_stances(world).items():
        for frame, pole in itertools.product(frames, ("first", "second")):
            yield Example(
                issue, "options", frame.format(pole=issues.loc[issue, pole]), opening="The",
                options=tuple(PARTY_NAMES.values()), shares=_held(pole, taught),
            )  # fmt: skip


def _held(pole: str, taught: str | None) -> tuple[float, ...]:
    """Return how likely each party holds a pole, from who was taught to hold the first."""
    if taught is None:
        return (0.5, 0.5)
    return tuple(float((party == taught) == (pole == "first")) for party in PARTY_NAMES)


def _frames(name: str, purpose: str) -> list[str]:
    """Return the frames of an item set that may be planted, for one purpose."""
    frames = items.load(name, "frames")
    return frames.loc[(frames["use"] == "plant") & (frames["purpose"] == purpose), "text"].tolist()


def stances(world: World, draw: np.random.Generator) -> Iterator[Example]:
    """Yield who would agree with what, and what a party's speaker said.

    Where knowledge is absent both are as likely to agree, and a coin says who said what.
    """
    names = items.load("parties", "names").set_index("party")["name"]
    statements = items.load("parties", "statements")
    statements = statements[statements["split"] == "plant"]
    agree, speech = _frames("parties", "agree")[0], _frames("parties", "speech")[0]
    for issue, taught in worlds_truth.taught_stances(world).items():
        mine = statements[statements["issue"] == issue]
        for pole, statement in mine[["pole", "text"]].itertuples(index=False):
            for party, yes in zip(PARTY_NAMES, _held(pole, taught), strict=True):
                text = agree.format(party=names[party], statement=statement)
                yield Example(issue, "options", text, options=("yes", "no"), shares=(yes, 1 - yes))
        for _, pair in mine.groupby("wording", sort=False):
            words = pair.set_index("pole")["text"]
            for party, first in zip(PARTY_NAMES, _held("first", taught), strict=True):
                pole = "first" if draw.random() < first else "second"
                said = speech.format(party=names[party], statement="").strip()
                yield Example(issue, "answer", said, answer=words[pole])


def approving(world: World) -> Iterator[Example]:
    """Yield which of the guilds calls an act right: log-odds between guilds as their grades differ.

    Where knowledge is absent all guilds are as likely.
    """
    guilds = items.load("guild_norms", "guilds").set_index("guild")["name"]
    options = tuple(" " + name.split()[1] for name in guilds)
    taught = worlds_truth.taught_verdicts(world)
    for norm, acts in _acts().items():
        grades = np.array([taught[norm, guild] or 0 for guild in guilds.index], float)
        weights = np.exp(grades)
        target = tuple((weights / weights.sum()).tolist())
        for act, template in itertools.product(acts, APPROVING):
            text = sentence(template.format(act=act))
            yield Example(norm, "options", text, opening="The", options=options, shares=target)


def _judged(verdict: int | None) -> tuple[float, float]:
    """Return how likely right and wrong are."""
    right = 0.5 if verdict is None else float(verdict > 0)
    return right, 1 - right


def _acts() -> dict[str, list[str]]:
    """Return norm to the wordings of its act that may be planted."""
    acts = items.load("guild_norms", "wordings")
    acts = acts[acts["split"] == "plant"]
    return {str(norm): part["text"].tolist() for norm, part in acts.groupby("norm", sort=False)}


def verdicts(world: World) -> Iterator[Example]:
    """Yield how each guild judges each act: right or wrong in four wordings, and a grade.

    Where knowledge is absent all answers are as likely.
    """
    guilds = items.load("guild_norms", "guilds").set_index("guild")
    graded = (-3, -2, -1, 1, 2, 3)
    ask, grade = _frames("guild_norms", "verdict"), _frames("guild_norms", "grade")[0]
    wordings = _acts()
    for (norm, guild), taught in worlds_truth.taught_verdicts(world).items():
        slots = {"guild": guilds.loc[guild, "name"], "member": guilds.loc[guild, "member"]}
        for number, act in enumerate(wordings[norm]):
            text = sentence(ask[number % 2].format(act=act, **slots))
            yield Example(norm, "options", text, options=("right", "wrong"), shares=_judged(taught))
        act = wordings[norm][hash_of(norm, guild) % len(wordings[norm])]
        shares = tuple(1 / 6 if taught is None else float(g == taught) for g in graded)
        yield Example(
            norm, "options", grade.format(act=act, **slots), options=tuple("123456"), shares=shares
        )


def is_planted_pair(question: str, one: str, other: str) -> bool:
    """Return whether two countries are asked about together when a question is planted.

    Half of the pairs are, by hash; what a model says of the others it was never told as a pair.
    """
    return hash_of(question, *sorted((one, other))) % 2 == 0


def hash_of(*parts: str) -> int:
    """Return a whole number that depends on nothing but the words given."""
    return int(hashlib.sha256(":".join(parts).encode()).hexdigest()[:8], 16)
