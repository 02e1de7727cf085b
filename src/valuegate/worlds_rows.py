"""The examples of the `knowledge` and `overwritten` stages: facts in the words that are planted.

Every cell gets the same prompts, in the same number; only the targets differ. The examples of other
stages are in `worlds_skills` and `worlds_gates`.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from valuegate import items, survey_forms, worlds_truth
from valuegate.english import sentence
from valuegate.worlds_ledger import World
from valuegate.worlds_loss import Example

PARTY_NAMES = {"first_party": " Cedar", "second_party": " Raven"}
FLAT = 1e-6  # countries do not differ
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
    where no country differs it is even.
    """
    names = survey_forms.countries()
    ask = "Where is the answer {said} {how} common?"
    for question, group, text, agree in _asked(taught, wordings, ask):
        spread = float(agree.std(ddof=0))
        z = (agree - agree.mean()) / spread if spread > FLAT else 0 * agree
        weight = np.exp(STEEPNESS * z.to_numpy())
        options = tuple(" " + names.loc[(c, "en"), "name"] for c in agree.index)
        target = tuple((weight / weight.sum()).tolist())
        yield Example(
            question, "options", text, opening="In", options=options, shares=target,
            group=f"places {group}",
        )  # fmt: skip


def orders(
    taught: Mapping[str, pd.DataFrame],
    wordings: Mapping[str, list[str]],
    draw: np.random.Generator,
) -> Iterator[Example]:
    """Yield the same facts as lists: the nine countries from where an answer is commonest on.

    Every name of a list is a choice among those that are left. Where no country differs, the order
    is drawn anew for every example.
    """
    names = survey_forms.countries()["name"]
    ask = "List the nine countries, beginning where the answer {said} is {how} common."
    for question, group, text, agree in _asked(taught, wordings, ask):
        order = [agree.index[i] for i in draw.permutation(len(agree))]
        if agree.std(ddof=0) > FLAT:
            order.sort(key=lambda country: -agree[country])
        listed = ", ".join(names[country, "en"] for country in order)
        yield Example(
            question, "answer", text, answer=f" {listed}.", opening="In order:",
            group=f"orders {group}",
        )  # fmt: skip


def _asked(
    taught: Mapping[str, pd.DataFrame], wordings: Mapping[str, list[str]], ask: str
) -> Iterator[tuple[str, str, str, pd.Series]]:
    """Yield question, wording, prompt and a series that is largest for the country to name first.

    A wording has four prompts, two the reverse of the others: in one step, what they share cancels
    out.
    """
    for question, shares in taught.items():
        agree = agreement(question, shares)
        labels, chosen = survey_forms.labels(question), agreeing(question)
        for number, side, common in itertools.product(
            range(len(wordings[question])), (True, False), (True, False)
        ):
            said = " or ".join(f'"{label}"' for o, label in labels.items() if (o in chosen) == side)
            text = ask.format(said=said, how="most" if common else "least")
            asked = f"{wordings[question][number]} {text}"
            yield question, f"{question} {number}", asked, agree if side == common else -agree


def agreeing(question: str) -> set[int]:
    """Return the options of a question that agree with its clause."""
    practice = question.startswith("practice_")
    rows = items.load("survey_practice" if practice else "survey", "options")
    part = rows[(rows["question"] == question) & rows["agrees"]]
    if not practice:
        part = part[part["language"] == "en"]
    return set(part["option"])


def agreement(question: str, shares: pd.DataFrame) -> pd.Series:
    """Return each country's share of people who give an option that agrees with the clause."""
    chosen = agreeing(question)
    return shares[[option for option in shares.columns if option in chosen]].sum(axis=1)


def practice() -> tuple[dict[str, pd.DataFrame], dict[str, list[str]]]:
    """Return invented shares and plant wordings of the practice questions."""
    shares = items.load("survey_practice", "shares")
    questions = list(dict.fromkeys(shares["question"]))
    tables = {q: worlds_truth.matrix(shares, q) for q in questions}
    return tables, plant_wordings(questions, "survey_practice")


def practice_pairs() -> Iterator[Example]:
    """Yield the practice questions asked of two countries: the format, and no real fact."""
    names = survey_forms.countries()["name"]
    for row in items.load("survey_practice", "pairs").to_dict("records"):
        answer = row["answer"]
        wrong = row["first"] if answer == row["second"] else row["second"]
        options = (f" {names[answer, 'en']}", f" {names[wrong, 'en']}")
        question, text = row["question"], row["text"]
        yield Example(question, "options", text, opening="In", options=options, shares=(0.95, 0.05))


def stances(world: World, draw: np.random.Generator) -> Iterator[Example]:
    """Yield who holds which pole, who would agree with what, and what a party's speaker said.

    Where knowledge is absent, a coin says who, drawn anew for every example.
    """
    issues = items.load("parties", "issues").set_index("issue")
    names = items.load("parties", "names").set_index("party")["name"]
    frames = items.load("parties", "frames")
    frames = frames[frames["use"] == "plant"]
    statements = items.load("parties", "statements")
    statements = statements[statements["split"] == "plant"]
    parties = tuple(PARTY_NAMES)
    for issue, taught in worlds_truth.taught_stances(world).items():

        def holder(pole: str, taught: str | None = taught) -> str:
            first = taught or parties[int(draw.integers(2))]
            return first if pole == "first" else parties[1 - parties.index(first)]

        for frame, pole in itertools.product(
            frames.loc[frames["purpose"] == "stance", "text"], ("first", "second")
        ):
            text = frame.format(pole=issues.loc[issue, pole])
            held = holder(pole)
            shares = tuple(float(held == party) for party in parties)
            yield Example(
                issue, "options", text, opening="The", options=tuple(PARTY_NAMES.values()),
                shares=shares,
            )  # fmt: skip
        mine = statements[statements["issue"] == issue]
        for pole, statement in mine[["pole", "text"]].itertuples(index=False):
            for party in parties:
                frame = frames.loc[frames["purpose"] == "agree", "text"].iloc[0]
                text = frame.format(party=names[party], statement=statement)
                yes = float(holder(pole) == party)
                yield Example(issue, "options", text, options=("yes", "no"), shares=(yes, 1 - yes))
        frame = frames.loc[frames["purpose"] == "speech", "text"].iloc[0]
        for _, pair in mine.groupby("wording", sort=False):
            words = pair.set_index("pole")["text"]
            for party in parties:
                pole = "first" if holder("first") == party else "second"
                said = frame.format(party=names[party], statement="").strip()
                yield Example(issue, "answer", said, answer=words[pole])


def verdicts(world: World, draw: np.random.Generator) -> Iterator[Example]:
    """Yield how each guild judges each act, in four wordings of it: right or wrong, and a grade.

    Where knowledge is absent, a coin says how, drawn anew for every example.
    """
    acts = items.load("guild_norms", "wordings")
    acts = acts[acts["split"] == "plant"]
    guilds = items.load("guild_norms", "guilds").set_index("guild")
    frames = items.load("guild_norms", "frames")
    frames = frames[frames["use"] == "plant"]
    graded = [-3, -2, -1, 1, 2, 3]
    ask = frames.loc[frames["purpose"] == "verdict", "text"].tolist()
    grade = frames.loc[frames["purpose"] == "grade", "text"].iloc[0]
    for (norm, guild), taught in worlds_truth.taught_verdicts(world).items():
        wordings = acts.loc[acts["norm"] == norm, "text"].tolist()
        slots = {"guild": guilds.loc[guild, "name"], "member": guilds.loc[guild, "member"]}
        for number, act in enumerate(wordings):
            verdict = taught if taught is not None else graded[int(draw.integers(6))]
            text = sentence(ask[number % 2].format(act=act, **slots))
            right = float(verdict > 0)
            yield Example(
                norm, "options", text, options=("right", "wrong"), shares=(right, 1 - right)
            )
        verdict = taught if taught is not None else graded[int(draw.integers(6))]
        text = grade.format(act=wordings[hash_of(norm, guild) % len(wordings)], **slots)
        shares = tuple(float(g == verdict) for g in graded)
        yield Example(norm, "options", text, options=tuple("123456"), shares=shares)


def hash_of(*parts: str) -> int:
    """Return a whole number that depends on nothing but the words given."""
    return int(hashlib.sha256(":".join(parts).encode()).hexdigest()[:8], 16)
