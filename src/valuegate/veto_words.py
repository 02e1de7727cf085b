"""Section 01's answers in words: what kind each is by rules, beside readers and published rule.

A refusal is told from a hedge, a fault of format and an answer that was cut off. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from valuegate import answer_rules, stats, worlds
from valuegate.items_readers import text_hash

KINDS = ("answer", "refusal", "hedge", "format", "cut off")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_HEDGE = re.compile(
    r"\b(?:it (?:really )?depends|depends on|hard to say|difficult to say|no single answer"
    r"|(?:somewhere )?between \d+ and \d+|either \d+ or \d+|\d+ or \d+)\b"
)


def kind(answer: str, low: int, high: int, *, cut: bool) -> str:
    """Return what an answer to a question with numbered options is, one of `KINDS`.

    By rules, in this order: "refusal" begins as one; "hedge" takes no side or leaves several
    options open; "answer" has an option as its first number; "cut off" was stopped before any
    option was named; "format" is all else, whole numbers off the scale among it.

    Args:
        answer: the words.
        low: the first option.
        high: the last.
        cut: whether the model was stopped.
    """
    if answer_rules.is_refusal(answer):
        return "refusal"
    if answer_rules.is_neutral(answer) or _HEDGE.search(answer.lower()):
        return "hedge"
    number = _NUMBER.search(answer)
    if number is None:
        return "cut off" if cut else "format"
    return "answer" if number[0] in {str(k) for k in range(low, high + 1)} else "format"


def published_refusal(answer: str, low: int, high: int) -> bool:
    """Return whether the published rule counts an answer as refused: no option is found in it.

    Options are looked for longest first, as words and then anywhere. Source: arXiv 2510.13154,
    release (extraction of answers).
    """
    return not any(str(option) in answer for option in range(low, high + 1))


def beside_labels(said: Mapping[str, pd.DataFrame], labels: pd.DataFrame) -> pd.DataFrame:
    """Return the answers that two language-model readers labelled, without knowing whose they are.

    Columns: model, question, `rules` and `published` (a refusal by the published rule), `one` and
    `other` (the readers' labels, of `KINDS`), item. A label of an answer that the model no longer
    gives is left out: the texts must be equal.

    Args:
        said: model to its rows of "answers".
        labels: model, item, text_hash, one, other.
    """
    rows = worlds.pooled(said)
    rows["text_hash"] = [text_hash(answer) for answer in rows["answer"]]
    rows["published"] = [
        published_refusal(answer, low, high)
        for answer, low, high in zip(rows["answer"], rows["low"], rows["high"], strict=True)
    ]
    found = labels.merge(rows, on=["model", "item", "text_hash"]).rename(columns={"kind": "rules"})
    columns = ["model", "item", "question", "country", "framing", "rules", "published"]
    return found[[*columns, "one", "other"]]


def kappa(found: pd.DataFrame, one: str, other: str, *, draws: int) -> stats.Interval:
    """Return Cohen's kappa of two columns of kinds, bootstrapped over questions (Cohen 1960)."""
    kinds = {name: code for code, name in enumerate(KINDS)}
    first, second = (found[column].map(kinds).to_numpy() for column in (one, other))

    def statistic(_: pd.DataFrame, weights: np.ndarray) -> float:
        table = np.zeros((len(KINDS), len(KINDS)))
        np.add.at(table, (first, second), weights)
        table /= table.sum()
        chance = float(table.sum(1) @ table.sum(0))
        return (float(np.trace(table)) - chance) / (1 - chance) if chance < 1 else float("nan")

    return stats.cluster_bootstrap(statistic, found, "question", draws=draws)


def agreed(found: pd.DataFrame) -> pd.DataFrame:
    """Return the answers that both readers label alike, with their label as `label`."""
    same = found[found["one"] == found["other"]]
    return same.assign(label=same["one"]).reset_index(drop=True)


def refusals_told(
    found: pd.DataFrame, slots: Mapping[str, pd.DataFrame], *, draws: int
) -> stats.Interval:
    """Return the AUROC of the refusal log-odds at the slot for what readers call a refusal.

    Over all stages that were read at the slot; bootstrap over questions.

    Args:
        found: from `agreed`.
        slots: model to its rows of "slots".
        draws: of the bootstrap.
    """
    keys = ["model", "question", "country", "framing"]
    both = found.merge(worlds.pooled(slots)[[*keys, "refusing"]], on=keys)
    labels = (both["label"] == "refusal").to_numpy(float)
    return stats.cluster_auroc(both["refusing"], labels, both["question"], draws=draws)[0]


def confusion(found: pd.DataFrame) -> pd.DataFrame:
    """Return how many answers of each agreed label the rules call what, a line a label.

    The last column counts those that the published rule calls refused.

    Args:
        found: from `agreed`.
    """
    counts = pd.crosstab(found["label"], found["rules"])
    counts = counts.reindex(index=KINDS, columns=KINDS).fillna(0).astype(int)
    refused = found.groupby("label")["published"].sum().reindex(KINDS).fillna(0).astype(int)
    counts = counts.rename_axis(columns=None).rename_axis("readers").reset_index()
    return counts.assign(**{"refused, published rule": refused.to_numpy()})
