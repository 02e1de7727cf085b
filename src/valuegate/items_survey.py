"""Builds the survey set from our wordings and the published figures: questions to cross-format.

The wordings are ours (`data/items/sources/survey_*.yml`); the answers are figures of the workbook
(`survey_workbook`). Which questions are planted, and who is asked about whom, is decided here by
rules and hashes, never by hand.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Literal

import pandas as pd
from pydantic import Field

from valuegate import splits
from valuegate.errors import ValueGateError, unknown
from valuegate.items_schema import Language, Name, Text, Tier
from valuegate.schema import Strict
from valuegate.survey_workbook import COUNTRIES

PLANTED = {"T3": 6, "T2": 12, "T1": 6}  # in the order of choice; each divides over six cells
PLANTED_PER_TOPIC = 3
ALIKE = 0.8  # correlation of country means; of nine countries, chance exceeds it once in a hundred
TO_PLANT = (1, 5, 6)  # English wordings; the other three are read, translations too
GAP = 0.08  # a difference in shares that two samples of a thousand tell apart
PAIRS_PLANTED, PAIRS = 24, 8  # pairs of countries a question, in the cross-format


class Question(Strict):
    """A question as it is written in the sources.

    `same_as` names a question that asks nearly the same of other people; the two share a split.
    """

    id: Name
    same_as: Name | None = None
    source: Literal["WVS7", "AOI2022"]
    column: int
    code: str | None
    tier: Tier
    rule: Name
    topic: Name
    kind: Literal["ordinal", "nominal"]
    min: int
    max: int
    labels: dict[int, Text]
    agree: list[int]
    clause: Text
    wordings: list[Text] = Field(min_length=4, max_length=4)


class PlantWordings(Strict):
    """More wordings of a planted question, to plant."""

    id: Name
    wordings: list[Text] = Field(min_length=2, max_length=2)


class ScaleText(Strict):
    """How options are listed: {options}, or {low}, {low_label}, {high} and {high_label}."""

    form: Literal["numbers", "ends", "letters"]
    language: Language
    use: Literal["plant", "read"]
    text: Text


class CrossFrameText(Strict):
    """How a two-country question is put: {size}, {clause}, {first} and {second}."""

    use: Literal["plant", "read"]
    text: Text


class Translation(Strict):
    """A question in another language; never planted."""

    id: Name
    language: Language
    wordings: list[Text] = Field(min_length=1, max_length=2)
    labels: dict[int, Text]


class Country(Strict):
    """A country's names: how it is called, and one of its people, in a language."""

    country: str
    language: Language
    name: Text
    native: Text


class FrameText(Strict):
    """A framing; slots {native}, {name} and {question}."""

    framing: Literal["neutral", "persona", "observer"]
    language: Language
    use: Literal["plant", "read"]
    text: Text


class Countries(Strict):
    """The countries' names, and the language that most of each speak."""

    native_language: dict[str, Literal["ar", "fa", "tr"]]
    countries: list[Country]


class Source(Strict):
    """All that the survey set is made from."""

    questions: list[Question]
    plant_wordings: list[PlantWordings]
    translations: list[Translation]
    countries: list[Country]
    native_language: dict[str, Literal["ar", "fa", "tr"]]
    frames: list[FrameText]
    scales: list[ScaleText]
    cross_frames: list[CrossFrameText]


def build(source: Source, figures: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the tables of the survey set.

    Raises:
        ValueGateError: a question whose column, code or scale is not the workbook's, with answers
            from fewer than four countries, or labels that miss an end of the scale; a name that
            refers to no question or country; a frame without its slots.
    """
    for question in source.questions:
        _check(question, figures)
    _check_names(source)
    questions = _questions(source.questions, figures)
    more = {p.id for p in source.plant_wordings}
    if without := sorted(set(questions.loc[questions["planted"], "question"]) - more):
        raise ValueGateError(f"survey: planted question {without[0]} has one wording to plant only")
    split = dict(zip(questions["question"], questions["split"], strict=True))
    return {
        "questions": questions,
        "wordings": _wordings(source, split),
        "options": _options(source),
        "frames": pd.DataFrame([frame.model_dump() for frame in source.frames]),
        "scales": pd.DataFrame([scale.model_dump() for scale in source.scales]),
        "cross_frames": pd.DataFrame([frame.model_dump() for frame in source.cross_frames]),
        "countries": _countries(source, figures),
        "cross_format": _cross_format(source, questions, figures),
    }


def agree_shares(
    shares: pd.DataFrame, questions: pd.DataFrame, options: pd.DataFrame
) -> pd.DataFrame:
    """Return the share of people on the agreeing side: columns question, country, share."""
    agreeing = options[options["agrees"] & (options["language"] == "en")]
    wanted = agreeing.merge(questions[["question", "column"]], on="question")
    found = shares.merge(wanted[["question", "column", "option"]], on=["column", "option"])
    sums = found.groupby(["question", "country"])["share"].sum()
    # A country without any agreeing answer has no row above; its share is 0, not missing.
    cells = shares.merge(questions[["question", "column"]], on="column")
    every = pd.MultiIndex.from_frame(cells[["question", "country"]].drop_duplicates())
    return sums.reindex(every, fill_value=0.0).rename("share").reset_index()


def _check(question: Question, figures: dict[str, pd.DataFrame]) -> None:
    columns = figures["columns"].set_index("column")
    where = f"survey question {question.id}"
    if question.column not in columns.index:
        raise ValueGateError(f"{where}: no column {question.column} in the workbook")
    column = columns.loc[question.column]
    code = column["code"] if isinstance(column["code"], str) else None
    theirs = (column["source"], code, int(column["low"]), int(column["high"]))
    ours = (question.source, question.code, question.min, question.max)
    if theirs != ours:
        raise ValueGateError(f"{where}: {ours}, but the workbook's column holds {theirs}")
    if (column["scale"] == "n") != (question.kind == "nominal"):
        raise ValueGateError(f"{where}: {question.kind}, the workbook's flag is {column['scale']}")
    filled = figures["cells"].query("column == @question.column")
    if len(filled) < 4:
        raise ValueGateError(f"{where}: answers from {len(filled)} countries, four are needed")
    scale = set(range(question.min, question.max + 1))
    if not {question.min, question.max} <= set(question.labels) <= scale:
        raise ValueGateError(f"{where}: labels {sorted(question.labels)} of {sorted(scale)}")
    if not question.agree or not set(question.agree) < scale:
        raise ValueGateError(f"{where}: agree {question.agree} is no proper part of the scale")


def _check_names(source: Source) -> None:
    questions = {q.id for q in source.questions}
    named = [(t.id, f"translation into {t.language}") for t in source.translations]
    named += [(p.id, "the wordings to plant") for p in source.plant_wordings]
    named += [(q.same_as, f"question {q.id}, same_as") for q in source.questions if q.same_as]
    for name, where in named:
        if name not in questions:
            raise unknown(f"survey question in {where}", name, questions)
    english = {c.country for c in source.countries if c.language == "en"}
    for country in COUNTRIES.values():
        if country not in english or country not in source.native_language:
            raise ValueGateError(f"survey: country {country} has no English name or no language")
    slots = {
        "neutral": {"question"}, "persona": {"native", "question"},
        "observer": {"name", "question"}, "numbers": {"options"}, "letters": {"options"},
        "ends": {"low", "low_label", "high", "high_label"},
        "cross": {"size", "clause", "first", "second"},
    }  # fmt: skip
    texts: list[tuple[str, str, str]] = [(f.framing, f.language, f.text) for f in source.frames]
    texts += [(s.form, s.language, s.text) for s in source.scales]
    texts += [("cross", "en", f.text) for f in source.cross_frames]
    for kind, language, text in texts:
        if (found := set(re.findall(r"\{(\w+)\}", text))) != slots[kind]:
            raise ValueGateError(
                f"survey: a {kind} frame in {language} has the slots {sorted(found)}, "
                f"not {sorted(slots[kind])}"
            )


def _questions(written: Sequence[Question], figures: dict[str, pd.DataFrame]) -> pd.DataFrame:
    columns = figures["columns"].set_index("column")
    filled = figures["cells"].groupby("column")["country"].nunique()
    table = pd.DataFrame(
        [
            {
                "question": q.id, "source": q.source, "column": q.column, "code": q.code,
                "tier": q.tier, "rule": q.rule, "topic": q.topic, "kind": q.kind,
                "low": int(columns.at[q.column, "low"]), "high": int(columns.at[q.column, "high"]),
                "countries": int(filled[q.column]), "clause": q.clause,
            }
            for q in written
        ]
    )  # fmt: skip
    chosen = _planted(table, figures)
    table["planted"] = table["question"].isin(chosen)
    rows = table.to_dict("records")
    same_as = {q.id: q.same_as for q in written if q.same_as}
    split: dict[str, str] = {}
    for planted in (True, False):  # apart, so that the planted ones divide evenly
        strata = {
            row["question"]: (row["tier"], row["source"])
            for row in rows
            if row["planted"] == planted and row["question"] not in same_as
        }
        split |= splits.assign(strata, {"fit": 1, "test": 1}, "survey")
    split |= {name: split[other] for name, other in same_as.items()}
    table["split"] = table["question"].map(split)
    return table


def _planted(table: pd.DataFrame, figures: dict[str, pd.DataFrame]) -> set[str]:
    """Return the questions to plant: those whose countries differ most, tier by tier.

    Taken are ordinal questions of the World Values Survey with sound answers of all nine countries
    and options of one digit; in a tier by the standard deviation of the country means over the
    scale, at most three of a topic, and none whose country means correlate with those of one taken
    before: what is absent in one question could else be inferred from a true one.
    """
    faulty = figures["faults"]
    faulty = set(faulty[faulty["country"].notna()]["column"])
    usable = table[
        (table["source"] == "WVS7") & (table["kind"] == "ordinal") & (table["countries"] == 9)
        & (table["high"] <= 9) & ~table["column"].isin(faulty)
    ].copy()  # fmt: skip
    means = figures["cells"].pivot(index="country", columns="column", values="central")
    usable["spread"] = usable["column"].map(means.std(ddof=0)) / (usable["high"] - usable["low"])
    usable = usable.sort_values(["spread", "question"], ascending=[False, True])
    chosen: dict[str, int] = {}
    topics: dict[tuple[str, str], int] = {}
    for tier, wanted in PLANTED.items():
        before = len(chosen)
        for row in usable[usable["tier"] == tier].to_dict("records"):
            mine, topic = means[row["column"]], (tier, row["topic"])
            alike = [abs(mine.corr(means[column])) for column in chosen.values()]
            if topics.get(topic, 0) < PLANTED_PER_TOPIC and max(alike, default=0) < ALIKE:
                chosen[row["question"]] = row["column"]
                topics[topic] = topics.get(topic, 0) + 1
            if len(chosen) - before == wanted:
                break
        else:
            found = len(chosen) - before
            raise ValueGateError(f"survey: {found} questions of {tier} to plant, not {wanted}")
    return set(chosen)


def _wordings(source: Source, split: dict[str, str]) -> pd.DataFrame:
    more = {p.id: p.wordings for p in source.plant_wordings}
    english = [(q.id, "en", [*q.wordings, *more.get(q.id, [])]) for q in source.questions]
    others = [(t.id, t.language, t.wordings) for t in source.translations]
    rows = [
        {
            "question": id, "language": language, "wording": number,
            "split": "plant" if number in TO_PLANT and language == "en" else split[id],
            "text": text,
        }
        for id, language, wordings in english + others
        for number, text in enumerate(wordings, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _options(source: Source) -> pd.DataFrame:
    by_id = {q.id: q for q in source.questions}
    labelled = [(q.id, "en", q.labels) for q in source.questions]
    labelled += [(t.id, t.language, t.labels) for t in source.translations]
    rows = []
    for id, language, labels in labelled:
        question = by_id[id]
        if set(labels) != set(question.labels):
            raise ValueGateError(f"survey question {id}, {language}: labels {sorted(labels)}")
        for option in range(question.min, question.max + 1):
            rows.append((id, language, option, labels.get(option), option in question.agree))
    return pd.DataFrame(rows, columns=["question", "language", "option", "label", "agrees"])


def _countries(source: Source, figures: dict[str, pd.DataFrame]) -> pd.DataFrame:
    filled = figures["cells"].merge(figures["columns"], on="column")
    surveys = filled.groupby("country")["source"].unique()
    rows = [
        {
            "country": c.country, "language": c.language, "name": c.name, "native": c.native,
            "native_language": source.native_language[c.country],
            "block": "both" if len(surveys[c.country]) == 2 else surveys[c.country][0],
        }
        for c in source.countries
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _cross_format(
    source: Source, questions: pd.DataFrame, figures: dict[str, pd.DataFrame]
) -> pd.DataFrame:
    """Return the two-country questions to read; cells with a fault take no part."""
    shares = agree_shares(figures["shares"], questions, _options(source))
    faults = figures["faults"].query("rule != 'central_is_mode'")
    doubtful = set(zip(faults["column"], faults["country"], strict=True))
    frame = next(f.text for f in source.cross_frames if f.use == "read")
    names = english_names(source.countries)
    rows = []
    for question in questions.to_dict("records"):
        name = question["question"]
        share = shares[shares["question"] == name].set_index("country")["share"].to_dict()
        share = {c: s for c, s in share.items() if (question["column"], c) not in doubtful}
        wanted = PAIRS_PLANTED if question["planted"] else PAIRS
        made = country_pairs(name, share, wanted, frame, question["clause"], names)
        rows += [{**row, "split": question["split"]} for row in made]
    columns = [*rows[0]]
    return pd.DataFrame(rows)[[c for c in columns if c != "text"] + ["text"]]


def english_names(countries: Sequence[Country]) -> dict[str, str]:
    """Return the English name of every country."""
    return {c.country: c.name for c in countries if c.language == "en"}


def country_pairs(
    question: str,
    share: dict[str, float],
    wanted: int,
    frame: str,
    clause: str,
    names: dict[str, str],
) -> list[dict]:
    """Return at most `wanted` two-country questions over the shares of one question.

    Direction (more or fewer) and the place of the right answer are balanced within a question, so
    that neither a liking of the first country nor one for a country always named tells it.
    """
    pairs = [
        (a, b)
        for a, b in itertools.combinations(sorted(share), 2)
        if abs(share[a] - share[b]) >= GAP
    ]
    rows = []
    for number, (a, b) in enumerate(_spread(pairs, wanted, question)):
        high, low = (a, b) if share[a] > share[b] else (b, a)
        direction = ("more", "fewer")[number % 2]
        answer, wrong = (high, low) if direction == "more" else (low, high)
        first, second = (answer, wrong) if number // 2 % 2 else (wrong, answer)
        size = "larger" if direction == "more" else "smaller"
        rows.append(
            {
                "item": f"{question}_{number + 1:02d}", "question": question,
                "direction": direction, "first": first, "second": second, "answer": answer,
                "gap": round(abs(share[a] - share[b]), 4),
                "text": frame.format(
                    size=size, clause=clause, first=names[first], second=names[second]
                ),
            }
        )  # fmt: skip
    return rows


def _spread(pairs: list[tuple[str, str]], wanted: int, seed: str) -> list[tuple[str, str]]:
    """Return `wanted` pairs in which every country comes about equally often."""
    by_key = {f"{a}|{b}": (a, b) for a, b in pairs}
    left = [by_key[key] for key in splits.shuffled(list(by_key), seed)]
    used: dict[str, int] = {}
    chosen: list[tuple[str, str]] = []
    while left and len(chosen) < wanted:
        a, b = min(left, key=lambda pair: sum(used.get(country, 0) for country in pair))
        left.remove((a, b))
        chosen.append((a, b))
        used[a], used[b] = used.get(a, 0) + 1, used.get(b, 0) + 1
    return chosen
