"""All embedded texts in one table, for what concerns them all: leaks, lengths, the plan of A1.

Never loads torch or scikit-learn, so that planning stays quick.
"""

from __future__ import annotations

import functools

import pandas as pd

from valuegate import items
from valuegate.config import Run
from valuegate.items_evidence import content as evidence_content
from valuegate.measure import Measurement

SECTION = "A1_items"

# Set, table, column that names a text, columns that are its text, column of its unit.
_PLAIN = (
    ("parties", "statements", "item", ("text",), "issue"),
    ("left_right", "statements", "item", ("text",), "issue"),
    ("left_right", "prompts", "item", ("text",), "issue"),
    ("left_right", "cues", "item", ("text",), "item"),
    ("moral", "actions", "item", ("text",), "topic"),
    ("requests", "prompts", "item", ("text",), "unit"),
    ("requests", "answers", "item", ("opening", "continuation"), "item"),
    ("requests", "lookalikes", "item", ("text",), "about"),
    ("survey", "cross_format", "item", ("text",), "question"),
    ("survey_practice", "pairs", "item", ("text",), "question"),
    ("evidence", "prompts", "item", ("context", "question"), "scenario"),
)


@functools.cache
def _texts() -> pd.DataFrame:
    parts = []
    for name, table, item, columns, unit in _PLAIN:
        rows = items.load(name, table)
        text = rows[list(columns)].agg(" ".join, axis=1)
        parts.append(_rows(name, table, rows[item], rows[unit], rows["split"], text))
    all_wordings = items.load("survey", "wordings")
    english = all_wordings["language"] == "en"
    by_language = (("wordings", all_wordings[english]), ("translations", all_wordings[~english]))
    for table, rows in by_language:
        item = rows["question"] + "_" + rows["language"] + rows["wording"].astype(str)
        parts.append(_rows("survey", table, item, rows["question"], rows["split"], rows["text"]))
    practice = items.load("survey_practice", "wordings")
    item = practice["question"] + "_" + practice["wording"].astype(str)
    parts.append(
        _rows("survey_practice", "wordings", item, practice["question"], "plant", practice["text"])
    )
    acts = items.load("guild_norms", "wordings")
    numbered = acts["norm"] + "_" + acts["wording"].astype(str)
    parts.append(
        _rows("guild_norms", "wordings", numbered, acts["norm"], acts["split"], acts["text"])
    )
    leads = items.load("evidence", "priming").dropna(subset="text")
    named = leads["pair"] + "_" + leads["kind"]
    parts.append(_rows("evidence", "priming", named, leads["pair"], "read", leads["text"]))
    order = list(items.SETS)
    parts.sort(key=lambda part: order.index(part["set"].iloc[0]))
    return pd.concat(parts, ignore_index=True)


def _rows(
    name: str, table: str, item: pd.Series, unit: pd.Series, split: pd.Series | str, text: pd.Series
) -> pd.DataFrame:
    found = {"set": name, "table": table, "item": item, "unit": unit, "split": split, "text": text}
    return pd.DataFrame(found)


def texts() -> pd.DataFrame:
    """Return every text that a model reads: columns set, table, item, unit, split, text.

    Lead sentences have the split "read": they go before texts of any split and are never planted.
    """
    return _texts().copy()


def contents() -> pd.DataFrame:
    """Return the texts without template or scale, for `splits.leaks`.

    Evidence is taken as its scenarios' own words, a cross-format question as its clause, lead
    sentences (templates themselves) not at all. Topics and poles of party issues, which stand in
    templates, are added. Other texts have no template around them.
    """
    found = texts()
    found = found[~found["table"].isin(["cross_format", "pairs", "priming"])]
    found = found[(found["set"] != "evidence")].rename(columns={"text": "content"})
    scenarios = items.load("evidence", "scenarios")
    clauses = items.load("survey", "questions")
    practice = items.load("survey_practice", "questions")
    issues = items.load("parties", "issues")
    poles = [
        pd.DataFrame(
            {"set": "parties", "unit": issues["issue"], "split": split, "content": issues[c]}
        )
        for column in ("topic", "first", "second")
        for c, split in ((column, "plant"), (f"{column}_read", issues["split"]))
    ]
    return pd.concat(
        [
            found[["set", "unit", "split", "content"]],
            pd.DataFrame(
                {
                    "set": "evidence", "unit": scenarios["scenario"], "split": scenarios["split"],
                    "content": evidence_content(scenarios),
                }
            ),
            *poles,
            pd.DataFrame(
                {
                    "set": "survey_practice", "unit": practice["question"], "split": "plant",
                    "content": practice["clause"],
                }
            ),
            pd.DataFrame(
                {
                    "set": "survey", "unit": clauses["question"], "split": clauses["split"],
                    "content": clauses["clause"],
                }
            ),
        ],
        ignore_index=True,
    )  # fmt: skip


def plan(run: Run) -> list[Measurement]:
    """Return the appendix's measurements: token counts of all texts, one a model; no forward."""
    return [
        Measurement(
            section=SECTION,
            name="tokens",
            model=model,
            function="items_run:token_counts",
            load_items="items_texts:texts",
            tokens=0,
            checked="tokens",
        )
        for model in run.models
    ]
