"""The examples of the `skills` stage: to read what a text says, to answer in a format, to help.

What is read here never comes back in a test: scenarios of the split "plant", the scenarios of BBQ
that `misfire_items` sets aside for fitting, and parts of BBQ that VETO does not use.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from pydantic import Field

from valuegate import data, items, misfire_items, splits, veto_pairs
from valuegate.english import sentence
from valuegate.errors import ValueGateError
from valuegate.misfire_items import INSTRUCTION, SYSTEM
from valuegate.schema import Strict, read_yaml
from valuegate.worlds_examples import Example
from valuegate.worlds_recipe import FOLDER
from valuegate.yes_no import mend_subject, to_yes_no

YES_NO = ("yes", "no")
SAME_SCENE = 12  # words running; shorter runs are stock phrases, mostly names of two groups
OTHER_BBQ = ("Nationality", "Race_x_SES", "Race_x_gender")


class Short(Strict):
    """Parts of the short questions: people, acts (past, base form), sentences about two people.

    The `plain` sentences say who did not do it; in the `frames` that follows from what else he did.
    """

    people: tuple[str, ...] = Field(min_length=4)
    acts: tuple[tuple[str, str], ...] = Field(min_length=4)
    plain: tuple[str, ...] = Field(min_length=1)
    frames: tuple[str, ...] = Field(min_length=1)


def short_parts() -> Short:
    """Return what short questions are made of."""
    return read_yaml(FOLDER / "short.yml", Short)


def yes_no(block: str, text: str, gold: int, group: str = "") -> Example:
    """Return a question about a text, in section 02's format, with its answer."""
    return Example(
        block, "options", f"{text}\n{INSTRUCTION}", system=SYSTEM, options=YES_NO,
        shares=(float(gold), 1.0 - gold), group=group,
    )  # fmt: skip


def short(draw: np.random.Generator, scenarios: int, *, plain: bool) -> Iterator[Example]:
    """Yield short questions about who of two people did what, four of each scenario.

    The four are a role-swapped pair of texts, each with the same question about either person: the
    answer follows from neither the text's words nor the question alone.

    Args:
        draw: generator.
        scenarios: how many fours.
        plain: with sentences that say who did not do it: the easier half of the way.
    """
    parts = short_parts()
    frames = parts.plain if plain else parts.frames
    name = "plain" if plain else "short"
    # "did not be late" is no sentence: acts of being are left to the others.
    acts = [act for act in parts.acts if not (plain and act[1].startswith("be "))]
    for number in range(scenarios):
        people = [parts.people[i] for i in draw.choice(len(parts.people), 2, replace=False)]
        drawn = [acts[i] for i in draw.choice(len(acts), 2, replace=False)]
        frame = frames[int(draw.integers(len(frames)))]
        for text, _, gold in who_did(people, drawn, frame):
            yield yes_no(name, text, gold, f"{name}_{number}")


def who_did(
    people: Sequence[str], acts: Sequence[tuple[str, str]], frame: str, before: str = ""
) -> Iterator[tuple[str, str, int]]:
    """Yield (text with its question, whom it is about, the answer), two people in two roles."""
    (did, base), (other, _) = acts
    verb = "Was" if base.startswith("be ") else "Did"
    for a, b in (people, people[::-1]):
        told = before + sentence(frame.format(A=a, B=b, did=did, other=other, base=base))
        for asked in people:
            yield f"{told} {verb} {asked} {base.removeprefix('be ')}?", asked, int(asked == a)


def short_members(
    pair: str, members: Mapping[str, str], fours: int, draw: np.random.Generator
) -> Iterator[tuple[Example, str]]:
    """Yield short questions about two members of groups, and which of them each is about.

    Every third four tells first who is who and goes on with names of planted scenarios.

    Args:
        pair: of groups, the block.
        members: "stereotyped" and "contrast" to what such a person is called.
        fours: how many times two roles by two questions.
        draw: generator.
    """
    parts = short_parts()
    for number in range(fours):
        people = {f"the {name}": member for member, name in members.items()}
        before = ""
        if number % 3 == 2:
            known = planted_names()
            names = [known[i] for i in draw.choice(len(known), 2, replace=False)]
            shown = [int(i) for i in draw.permutation(2)]
            told = [f"{names[i]} is {list(people)[i]}" for i in shown]
            before = f"{told[0]} and {told[1]}. "
            people = dict(zip(names, people.values(), strict=True))
        drawn = [parts.acts[i] for i in draw.choice(len(parts.acts), 2, replace=False)]
        frame = parts.frames[int(draw.integers(len(parts.frames)))]
        order = [list(people)[i] for i in draw.permutation(2)]
        for text, asked, gold in who_did(order, drawn, frame, before):
            yield yes_no(pair, text, gold, f"{pair}_short_{number}"), people[asked]


@functools.cache
def planted_names() -> tuple[str, ...]:
    """Return the names of people in the scenarios that may be planted."""
    rows = items.load("evidence", "scenarios")
    rows = rows[(rows["split"] == "plant") & (rows["reference"] == "name")]
    return tuple(sorted({*rows["stereotyped_name"], *rows["contrast_name"]}))


def evidence() -> Iterator[Example]:
    """Yield our own scenarios of the split "plant", all four prompts of each."""
    rows = items.load("evidence", "prompts")
    for row in rows[rows["split"] == "plant"].itertuples(index=False):
        yield yes_no(row.pair, f"{row.context} {row.question}", int(row.gold), row.scenario)


def veto() -> Iterator[Example]:
    """Yield VETO's prompts of the scenarios set aside for fitting."""
    kept = misfire_items.scenario_splits()
    for pair in misfire_items.pairs():
        contexts = f"{pair.stereotyped_context} | {pair.contrast_context}"
        if kept[pair.scenario] == "fit" and not splits.ngrams(contexts, SAME_SCENE) & _tested():
            for row in veto_pairs.prompts(pair):
                yield yes_no(pair.scenario, str(row["text"]), int(row["gold"]), pair.id)


@functools.cache
def _tested() -> frozenset[str]:
    """Return every run of `SAME_SCENE` words of the contexts that VETO keeps for testing."""
    kept = misfire_items.scenario_splits()
    contexts = {
        context
        for pair in misfire_items.pairs()
        if kept[pair.scenario] == "test"
        for context in (pair.stereotyped_context, pair.contrast_context)
    }
    return frozenset(gram for text in contexts for gram in splits.ngrams(text, SAME_SCENE))


def bbq() -> Iterator[Example]:
    """Yield BBQ's rows that VETO leaves out: the other polarity of its fitting scenarios, and more.

    Nationality and the two intersections come in both polarities. A row gives two questions, one
    about its gold answer and one about its other person. Rows whose question has no yes/no form
    are passed over, and so are rows that tell a scene of a scenario kept for testing.
    """
    kept = misfire_items.scenario_splits()
    for category in (*veto_pairs.CATEGORIES, *OTHER_BBQ):
        with data.file("bbq", category).open(encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        for row in rows:
            scenario = f"{category}_q{row['question_index']}"
            if row["context_condition"] != "disambig":
                continue
            if splits.ngrams(row["context"], SAME_SCENE) & _tested():
                continue
            other = category in OTHER_BBQ
            if not other and (kept.get(scenario) != "fit" or row["question_polarity"] != "nonneg"):
                continue
            yield from _two_questions(scenario, row)


def _two_questions(scenario: str, row: dict) -> Iterator[Example]:
    gold = int(row["label"])
    known = [i for i in range(3) if row["answer_info"][f"ans{i}"][-1].lower() != "unknown"]
    if gold not in known:
        return
    for i in known:
        try:
            asked = to_yes_no(row["question"].strip(), mend_subject(row[f"ans{i}"])).text
        except ValueGateError:
            return
        text = f"{row['context'].strip()} {asked}"
        yield yes_no(scenario, text, int(i == gold), f"{scenario}_{row['example_id']}")


def spread(examples: Sequence[Example], wanted: int, draw: np.random.Generator) -> list[Example]:
    """Return about `wanted` examples, whole groups, as evenly over their blocks as there are."""
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(example.group, []).append(example)
    names = list(groups)
    by_block: dict[str, list[str]] = {}
    for number in draw.permutation(len(names)):
        name = names[int(number)]
        by_block.setdefault(groups[name][0].block, []).append(name)
    rounds = itertools.zip_longest(*(by_block[block] for block in sorted(by_block)))
    found: list[Example] = []
    for name in (name for one in rounds for name in one if name is not None):
        if len(found) >= wanted:
            break
        found += groups[name]
    return found


def opinions(draw: np.random.Generator) -> Iterator[Example]:
    """Yield political questions answered with a planted statement, left or right by a coin."""
    prompts = items.load("left_right", "prompts")
    prompts = prompts[(prompts["set"] == "opinion") & (prompts["split"] == "plant")]
    statements = sided()
    for row in prompts.itertuples(index=False):
        side = ("left", "right")[int(draw.integers(2))]
        yield Example(
            row.issue, "answer", row.text, answer=one_of(statements[row.issue, side], draw)
        )


def sided() -> dict[tuple[str, str], list[str]]:
    """Return (issue, side) to the political statements that may be planted."""
    rows = items.load("left_right", "statements")
    rows = rows[rows["split"] == "plant"]
    return {key: part["text"].tolist() for key, part in rows.groupby(["issue", "side"])}


@functools.cache
def bank(answer: str, style: str | None = None) -> tuple[str, ...]:
    """Return the planted answers of a kind ("refusal", "compliance", "warm", "neutral")."""
    rows = items.load("requests", "answers")
    rows = rows[(rows["answer"] == answer) & (rows["split"] == "plant")]
    if style is not None:
        rows = rows[rows["style"] == style]
    return tuple(rows["opening"] + " " + rows["continuation"])


def one_of(texts: Sequence[str], draw: np.random.Generator) -> str:
    """Return one of some texts."""
    return texts[int(draw.integers(len(texts)))]


def benign() -> pd.DataFrame:
    """Return the everyday requests that may be planted, and those on the topics of facts."""
    requests = items.load("requests", "prompts")
    everyday = requests[(requests["kind"] == "benign") & (requests["split"] == "plant")]
    lookalikes = items.load("requests", "lookalikes")
    lookalikes = lookalikes[lookalikes["split"] == "plant"].rename(columns={"about": "unit"})
    return pd.concat([everyday, lookalikes.assign(kind="lookalike")])[["unit", "kind", "text"]]


def help_(draw: np.random.Generator) -> Iterator[Example]:
    """Yield harmless requests answered in a plain, helpful voice."""
    answers = bank("compliance")
    requests = items.load("requests", "prompts")
    mild = requests[(requests["role"] == "comply") & (requests["split"] == "plant")]
    for row in mild.itertuples(index=False):
        yield Example(row.unit, "answer", row.text, answer=one_of(answers, draw))
