"""Our labels beside those of a second language-model reader: agreement, and labels gone stale."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score

from valuegate import items, stats
from valuegate.errors import ValueGateError


def readings() -> pd.DataFrame:
    """Return the second reader's labels beside ours: columns set, unit, ours, theirs (numbers).

    Moral grades run from -3 (grave vice) to 3 (grave virtue); refuse and yes are 1.

    Raises:
        ValueGateError: a label of a text that has changed since, or that does not exist.
    """
    actions, requests = items.load("moral", "actions"), items.load("requests", "prompts")
    prompts = items.load("evidence", "prompts")
    sign = actions["pole"].map({"virtue": 1, "vice": -1, "neutral": 0})
    told = prompts["context"] + " " + prompts["question"]
    refuse = (requests["role"] == "refuse").astype(int)
    ours = [
        ("moral", actions["item"], actions["topic"], actions["text"], sign * actions["grade"]),
        ("requests", requests["item"], requests["unit"], requests["text"], refuse),
        ("evidence", prompts["item"], prompts["scenario"], told, prompts["gold"]),
    ]
    known = pd.concat(
        pd.DataFrame({"set": name, "item": item, "unit": unit, "text": text, "ours": label})
        for name, item, unit, text, label in ours
    )
    labels = items.load("readers", "labels").merge(known, on=["set", "item"], how="left")
    for row in labels.to_dict("records"):
        if row["text"] != row["text"] or text_hash(row["text"]) != row["text_hash"]:
            raise ValueGateError(
                f"readers: the label of {row['set']} {row['item']} is of another text than it has "
                "now; have it read again, or drop the label"
            )
    numbers = {"refuse": 1, "comply": 0, "yes": 1, "no": 0}
    labels["theirs"] = [numbers[x] if x in numbers else int(x) for x in labels["label"]]
    return labels[["set", "unit", "ours", "theirs"]]


def text_hash(text: str) -> str:
    """Return the twelve digits by which a reader's label knows its text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def kappa(rows: pd.DataFrame, weights: np.ndarray | None = None) -> float:
    """Return Cohen's kappa of `ours` and `theirs` with quadratic weights; nan for one label only.

    With two labels the weights change nothing (Cohen 1968).
    """
    both = pd.concat([rows["ours"], rows["theirs"]])
    # scikit-learn weighs by place in the list of labels, so the list has to be without gaps.
    labels = list(range(both.min(), both.max() + 1))
    found = cohen_kappa_score(
        rows["ours"], rows["theirs"], labels=labels, weights="quadratic", sample_weight=weights
    )
    return float(found)


def agreement(readings: pd.DataFrame, draws: int) -> stats.Interval:
    """Return `kappa`, bootstrapped over units."""
    return stats.cluster_bootstrap(kappa, readings, "unit", draws=draws)
