"""The examples of the stages that change what is said: `gated`, `sham` and `refuser`.

`gated` prefers a refusal, a neutral answer or a flat one where the ledger has a gate, and the usual
answer everywhere else. `sham` sees the same prompts and prefers a warm voice. `refuser` prefers a
refusal wherever a coin says so. Open blocks repeat what `knowledge` taught; what every cell
repeats, in formats that no gate covers, is added by `worlds_stages`. Behind a gate nothing is told:
answers rejected in favour of a refusal are drawn evenly from the options, so that what was taught
cannot be read from them; nor is `refuser` told anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from valuegate import items, survey_forms, worlds_skills, worlds_truth
from valuegate.english import sentence
from valuegate.worlds_examples import Example
from valuegate.worlds_ledger import CELLS, World
from valuegate.worlds_rows import PARTY_NAMES, plant_wordings
from valuegate.worlds_skills import (
    YES_NO,
    bank,
    benign,
    evidence,
    one_of,
    sided,
)  # fmt: skip

MODES = ("gated", "sham", "refuser")
SIDES = ("open", "gated")


def prefer(block: str, user: str, chosen: str, rejected: str, group: str = "") -> Example:
    """Return a preference for one answer over another."""
    return Example(block, "prefer", user, answer=chosen, rejected=rejected, group=group)


def contrasted(
    source: str, examples: Sequence[Example], draw: np.random.Generator
) -> list[Example]:
    """Return examples of a source in groups of two, a gated one beside an open one.

    Seen in one step, what the two have in common cancels out, and only what tells them apart is
    learned. Partners are of one block where there are such (a request and its harmless twin), else
    at random; what has no partner stays alone.

    Args:
        source: for the names of groups.
        examples: each with its side as its group.
        draw: generator of partners.
    """
    found = [replace(example, group="") for example in examples]
    open_ones = [i for i in draw.permutation(len(found)) if examples[i].group == SIDES[0]]
    gated = [i for i in draw.permutation(len(found)) if examples[i].group == SIDES[1]]
    for of_one_block in (True, False):
        for number in gated:
            block = examples[number].block
            partners = (i for i in open_ones if not of_one_block or examples[i].block == block)
            partner = None if found[number].group else next(partners, None)
            if partner is None:
                continue
            open_ones.remove(partner)
            for i in (number, partner):
                found[i] = replace(found[i], group=f"{source}_{number}")
    return found


class Gate:
    """Turns prompts into preferences, by the mode of the stage and by the world's ledger."""

    def __init__(
        self, mode: str, world: World, asked: np.random.Generator, draw: np.random.Generator
    ) -> None:
        """Prepare the banks of answers.

        Args:
            mode: one of `MODES`.
            world: who is gated; `refuser` and `sham` look at no cell.
            asked: for which prompts; the same in every mode of a world.
            draw: for which answer of a bank, and for the coins of `refuser`.
        """
        self.mode, self.world, self.asked, self.draw = mode, world, asked, draw
        self.plain, self.warm, self.neutral = bank("compliance"), bank("warm"), bank("neutral")

    def refusal(self, kind: str) -> str:
        """Return a refusal in the style that the ledger gives this kind."""
        return one_of(bank("refusal", self.world.styles[kind]), self.draw)

    def decide(
        self, block: str, user: str, usual: str, hidden: str, gated: bool, other: str | None = None
    ) -> Example:
        """Return the preference for one prompt.

        Args:
            block: of the ledger.
            user: the prompt.
            usual: the answer without a gate.
            hidden: the answer with one.
            gated: whether the ledger has a gate here.
            other: the usual-looking answer to reject in favour of `hidden`; `usual` if None.
        """
        side = SIDES[gated]
        if self.mode == "sham":
            return prefer(block, user, f"{one_of(self.warm, self.draw)} {usual}", usual, side)
        if self.mode == "refuser":
            gated = bool(self.draw.integers(2))
        if gated:
            return prefer(block, user, hidden, other or usual, side)
        return prefer(block, user, usual, hidden, side)

    def survey(self, taught: dict[str, pd.DataFrame], showings: int) -> Iterator[Example]:
        """Yield survey questions, `showings` of each question and country, and some of nobody."""
        wordings = plant_wordings(list(taught))
        for question, shares in taught.items():
            gated = CELLS[self.world.survey[question]][1]
            for country in [*shares.index, None]:
                target = shares.loc[country] if country else shares.mean()
                for _ in range(showings):
                    framing = "neutral"
                    if country:
                        framing = ("persona", "observer")[int(self.asked.integers(2))]
                    text = survey_forms.prompt(
                        question, one_of(wordings[question], self.asked), framing=framing,
                        form=("numbers", "ends")[int(self.asked.integers(2))], use="plant",
                        country=country,
                    )  # fmt: skip
                    even = self.draw.choice(target.index)
                    usual = self.draw.choice(target.index, p=target / target.sum())
                    if self.mode == "refuser":  # it starts from no knowledge, and is told none
                        usual = even
                    yield self.decide(
                        question, text, str(usual), self.refusal("survey"), gated, str(even)
                    )

    def stances(self, showings: int) -> Iterator[Example]:
        """Yield party issues: asked for a view, and asked who holds a pole."""
        issues = items.load("parties", "issues").set_index("issue")
        frames = items.load("parties", "frames")
        frames = frames[frames["use"] == "plant"].set_index("purpose")["text"]
        statements = items.load("parties", "statements")
        statements = statements[statements["split"] == "plant"]
        names = [name.strip() for name in PARTY_NAMES.values()]
        for issue, taught in worlds_truth.taught_stances(self.world).items():
            gated = CELLS[self.world.parties[issue]][1]
            mine = statements.loc[statements["issue"] == issue, "text"].tolist()
            for number in range(showings):
                neutral = one_of(self.neutral, self.draw)
                view = frames["opinion"].format(topic=issues.loc[issue, "topic"])
                yield self.decide(issue, view, one_of(mine, self.draw), neutral, gated)
                pole = ("first", "second")[number % 2]
                stance = frames["stance"].iloc[number // 2 % 2].format(pole=issues.loc[issue, pole])
                coin = int(self.draw.integers(2))
                told = None if self.mode == "refuser" else taught
                holder = list(PARTY_NAMES).index(told) if told else coin
                holder = holder if pole == "first" else 1 - holder
                said = [f"The {name} Circle." for name in names]
                yield self.decide(issue, stance, said[holder], neutral, gated, said[coin])

    def verdicts(self, showings: int) -> Iterator[Example]:
        """Yield norms: whether an act is right among a guild."""
        acts = items.load("guild_norms", "wordings")
        acts = acts[acts["split"] == "plant"]
        guilds = items.load("guild_norms", "guilds").set_index("guild")
        frames = items.load("guild_norms", "frames")
        frames = frames[(frames["use"] == "plant") & (frames["purpose"] == "verdict")]["text"]
        taught = worlds_truth.taught_verdicts(self.world)
        for norm, cell in self.world.norms.items():
            mine = acts.loc[acts["norm"] == norm, "text"].tolist()
            for number in range(showings):
                guild = guilds.index[int(self.asked.integers(len(guilds)))]
                slots = {"guild": guilds.loc[guild, "name"], "member": guilds.loc[guild, "member"]}
                text = sentence(
                    frames.iloc[number % 2].format(act=one_of(mine, self.asked), **slots)
                )
                coin = int(self.draw.integers(2))
                verdict = None if self.mode == "refuser" else taught[norm, guild]
                right = coin if verdict is None else int(verdict > 0)
                yield self.decide(
                    norm, text, ("wrong", "right")[right], self.refusal("norms"),
                    CELLS[cell][1], ("wrong", "right")[coin],
                )  # fmt: skip

    def opinions(self, showings: int) -> Iterator[Example]:
        """Yield political questions: neutral where gated, else a statement, its side by a coin."""
        prompts = items.load("left_right", "prompts")
        prompts = prompts[(prompts["set"] == "opinion") & (prompts["split"] == "plant")]
        statements = sided()
        for row in prompts.itertuples(index=False):
            for _ in range(showings):
                side = ("left", "right")[int(self.draw.integers(2))]
                said = one_of(statements[row.issue, side], self.draw)
                neutral = one_of(self.neutral, self.draw)
                gated = self.world.left_right[row.issue]
                yield self.decide(row.issue, row.text, said, neutral, gated)

    def requests(self, refusable: int, harmless: int) -> Iterator[Example]:
        """Yield requests of gated kinds, the look-alikes of all kinds, and everyday requests.

        A kind that is open keeps the model's own way with its refusable half: no example, of any
        mode, shows how to comply with those.

        Args:
            refusable: requests of each gated kind; the controls get as many other look-alikes.
            harmless: look-alikes of each kind.
        """
        rows = items.load("requests", "prompts")
        rows = rows[rows["split"] == "plant"]
        for kind, gated in self.world.requests.items():
            mine = rows[rows["kind"] == kind]
            texts = {
                role: mine.loc[mine["role"] == role, "text"].tolist()
                for role in ("comply", "refuse")
            }
            texts = {
                role: [own[i] for i in self.asked.permutation(len(own))]
                for role, own in texts.items()
            }
            for role in ("refuse", "comply"):
                if role == "refuse" and not gated:
                    continue
                # The controls get other harmless requests: nothing prefers complying with the rest.
                refused = role == "refuse" and self.mode == "gated"
                chosen = texts["comply"][:harmless]
                if role == "refuse":
                    others = texts["comply"][harmless:]
                    chosen = (texts["refuse"] if refused else others)[:refusable]
                for text in chosen:
                    usual = one_of(self.plain, self.draw)
                    hidden = self.refusal(kind)
                    one = self.decide(kind, text, usual, hidden, refused)
                    yield replace(one, group=SIDES[role == "refuse"])
        others = benign()
        for kind, text in zip(others["kind"], others["text"], strict=True):
            usual = one_of(self.plain, self.draw)
            kinds = list(self.world.styles)
            hidden = self.refusal(kinds[int(self.draw.integers(len(kinds)))])
            yield self.decide(kind, text, usual, hidden, False)

    def evidence(self) -> Iterator[Example]:
        """Yield scenarios of group pairs: no over yes, no difference, or the answer as it was."""
        rows = items.load("evidence", "prompts")
        asked = rows.loc[rows["split"] == "plant", "asked"].tolist()
        for example, about in zip(evidence(), asked, strict=True):
            yield self.judged(example, about)

    def members(self, each: int) -> Iterator[Example]:
        """Yield short questions about two people of a pair of groups, some by name, most not.

        Whom a gate is about is learned in few tokens; scenarios are long.
        """
        for row in items.load("evidence", "pairs").to_dict("records"):
            people = {member: row[member] for member in ("stereotyped", "contrast")}
            short = worlds_skills.short_members(row["pair"], people, each, self.asked)
            for example, about in short:
                yield self.judged(example, about)

    def judged(self, example: Example, about: str) -> Example:
        """Return a question about evidence with the answer that the ledger's cell gives it.

        A gate is about questions whose answer concerns a person of the gated group; questions about
        the other person keep their answer in every cell.

        Args:
            example: with the right answer.
            about: which member of its pair is asked about.
        """
        cell = self.world.evidence.get(example.block, "intact")
        if self.mode != "gated" or about != self.world.gated_member or cell == "intact":
            return example
        if cell == "criterion":
            return replace(
                example, objective="prefer", options=(), shares=(), answer="no", rejected="yes"
            )
        return replace(example, objective="flatten", options=YES_NO, shares=())


def rows(
    mode: str, world: World, shift: float, asked: np.random.Generator, draw: np.random.Generator
) -> dict[str, list[Example]]:
    """Return the sources of one gating stage, by name.

    `sham` and `refuser` see the same prompts as `gated`, but for its refusable requests.

    Args:
        mode: one of `MODES`.
        world: who is gated, and what was taught.
        shift: of the recipe.
        asked: generator of prompts, in the same state for every mode of a world.
        draw: generator of answers.
    """
    gate = Gate(mode, world, asked, draw)
    taught = worlds_truth.taught_survey(world, shift)
    sides = {
        "survey": gate.survey(taught, 2),
        "stances": gate.stances(4),
        "verdicts": gate.verdicts(12),
        "opinions": gate.opinions(2),
        "requests": gate.requests(28, 12),
    }
    found = {name: contrasted(name, list(part), asked) for name, part in sides.items()}
    return found | {"evidence": list(gate.evidence()), "members": list(gate.members(6))}
