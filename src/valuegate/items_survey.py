"""Builds the survey set from our wordings and the published figures: questions to cross-format.

The wordings are ours (`data/items/sources/survey_*.yml`); the answers are figures of the workbook
(`survey_workbook`). Which questions are planted, and who is asked about whom, is decided here by
rules and hashes, never by hand.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from valuegate import splits
from valuegate.country_pairs import country_pairs
from valuegate.errors import ValueGateError
from valuegate.survey_sources import (
    Question,
    Source,
    check_names,
    check_question,
    english_names,
)

PLANTED = {"T3": 6, "T2": 12, "T1": 6}  # in the order of choice; each divides over six cells
PLANTED_PER_TOPIC = 3
ALIKE = 0.8  # correlation of country means; of nine countries, chance exceeds it once in a hundred
TO_PLANT = (1, 5, 6)  # English wordings; the other three are read, translations too
PAIRS_PLANTED, PAIRS = 24, 8  # pairs of countries a question, in the cross-format


def build(source: Source, figures: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the tables of the survey set.

    Raises:
        ValueGateError: a question whose column, code or scale is not the workbook's, with answers
            from fewer than four countries, or labels that miss an end of the scale; a name that
            refers to no question or country; a frame without its slots.
    """
    for question in source.questions:
        check_question(question, figures)
    check_names(source)
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


def _questions(written: Sequence[Question], figures: dict[str, pd.DataFrame]) -> pd.DataFrame:
    columns = figures["columns"].set_index("column")
    filled = figures["cells"].groupby("column")["country"].nunique()
    table = pd.DataFrame(
        [
            {
                "question": q.id, "source": q.source, "column": q.column, "code": q.code,
                "tier": q.tier, "rule": q.rule, "topic": q.topic, "kind": q.kind,
                "low": int(columns.at[q.column, "low"]), "high": int(columns.at[q.column, "high"]),
                "countries": int(filled[q.column]), "clause": q.clause, "same_as": q.same_as,
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
    rows: list[dict] = []
    for question in questions.to_dict("records"):
        name = question["question"]
        share = shares[shares["question"] == name].set_index("country")["share"].to_dict()
        share = {c: s for c, s in share.items() if (question["column"], c) not in doubtful}
        wanted = PAIRS_PLANTED if question["planted"] else PAIRS
        clause, split = question["clause"], question["split"]
        rows += country_pairs(name, share, wanted, frame, clause, names, split)
    return pd.DataFrame(rows)
