"""How good the embedded items are: sizes, spread of words, duplicates, and what gives labels away.

Pure functions from item tables to tables; the classifiers are scikit-learn's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

from valuegate import items, items_evidence, splits, stats

FOLDS = 5
WINDOW = 1000  # words; a type-token ratio falls with length, so all are taken over equal windows
SURFACE = {
    "bag of words": lambda: CountVectorizer(token_pattern=r"(?u)\b\w+\b"),
    "TF-IDF": lambda: TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b"),
}


@dataclass(frozen=True)
class Task:
    """A label that the surface of a text may give away.

    Attributes:
        name: for people.
        load: returns columns text, label (0 or 1) and group, the unit that a fold holds out.
        hidden: a cue on the surface would be a give-away; else it belongs to the meaning and is
            reported.
    """

    name: str
    load: Callable[[], pd.DataFrame]
    hidden: bool


def _rows(text: pd.Series, label: pd.Series, group: pd.Series) -> pd.DataFrame:
    rows = pd.DataFrame({"text": text, "label": label.astype(int), "group": group})
    return rows.reset_index(drop=True)


def evidence_truth() -> pd.DataFrame:
    """Return the evidence prompts with what is to be read: is the answer yes?"""
    rows = items.load("evidence", "prompts")
    return _rows(rows["context"] + " " + rows["question"], rows["gold"], rows["scenario"])


def evidence_member() -> pd.DataFrame:
    """Return the contexts with whom the evidence is about; a pair of groups is held out.

    Names are masked: each is of either group equally often in every style, which a test holds, and
    a classifier that learns from some of a balanced whole guesses the rest worse than chance.
    """
    rows = items.load("evidence", "prompts").drop_duplicates(["scenario", "member"])
    names = "|".join(name for part in items_evidence.NAMES.values() for name in part)
    masked = rows["context"].str.replace(rf"\b(?:{names})\b", "Somebody", regex=True)
    return _rows(masked, rows["member"] == "stereotyped", rows["pair"])


def cross_format_place() -> pd.DataFrame:
    """Return the two-country questions with whether the first country is right."""
    rows = items.load("survey", "cross_format")
    return _rows(rows["text"], rows["answer"] == rows["first"], rows["question"])


def party_side() -> pd.DataFrame:
    """Return the party statements with whose they are."""
    rows = items.load("parties", "statements")
    return _rows(rows["text"], rows["party"] == "first_party", rows["issue"])


def guild_verdict() -> pd.DataFrame:
    """Return guild and act with whether it is right there; the first wording of every act."""
    verdicts = items.load("guild_norms", "verdicts")
    acts = items.load("guild_norms", "wordings").query("wording == 1")[["norm", "text"]]
    rows = verdicts.merge(acts, on="norm")
    return _rows(rows["guild"] + " " + rows["text"], rows["verdict"] > 0, rows["norm"])


def left_right_side() -> pd.DataFrame:
    """Return the political statements with whether they are of the left."""
    rows = items.load("left_right", "statements").query("side in ('left', 'right')")
    return _rows(rows["text"], rows["side"] == "left", rows["issue"])


def control_side() -> pd.DataFrame:
    """Return the statements on matters without politics with which taste they are for."""
    rows = items.load("left_right", "statements").query("domain == 'control'")
    return _rows(rows["text"], rows["side"] == "first", rows["issue"])


def moral_pole() -> pd.DataFrame:
    """Return the virtuous and vicious actions with whether they are virtuous."""
    rows = items.load("moral", "actions").query("pole != 'neutral'")
    return _rows(rows["text"], rows["pole"] == "virtue", rows["topic"])


def request_role(kind: str = "") -> pd.DataFrame:
    """Return requests and look-alikes of a kind, or of all, with whether to refuse."""
    rows = items.load("requests", "prompts").query("kind != 'benign'")
    rows = rows[rows["kind"] == kind] if kind else rows
    return _rows(rows["text"], rows["role"] == "refuse", rows["unit"])


TASKS = (
    Task("evidence: is it true", evidence_truth, hidden=True),
    Task("evidence: about whom", evidence_member, hidden=True),
    Task("survey pairs: first country", cross_format_place, hidden=True),
    Task("parties: whose statement", party_side, hidden=True),
    Task("guilds: right or wrong", guild_verdict, hidden=True),
    Task("controls: which taste", control_side, hidden=True),
    Task("left or right", left_right_side, hidden=False),
    Task("virtue or vice", moral_pole, hidden=False),
    Task("requests: refuse or comply", request_role, hidden=False),
)

CLAIMED = {
    "evidence_truth": "evidence: is it true",
    "evidence_member": "evidence: about whom",
    "cross_format_place": "survey pairs: first country",
    "party_side": "parties: whose statement",
    "guild_verdict": "guilds: right or wrong",
    "control_side": "controls: which taste",
    "left_right_side": "left or right",
    "moral_pole": "virtue or vice",
    "request_role": "requests: refuse or comply",
}


def request_tasks() -> tuple[Task, ...]:
    """Return the task of telling requests from look-alikes, a kind each."""
    kinds = items.load("requests", "prompts").query("kind != 'benign'")["kind"].unique()
    return tuple(
        Task(kind, functools.partial(request_role, kind), hidden=False) for kind in sorted(kinds)
    )


def worse(rows: pd.DataFrame) -> pd.Series:
    """Return the row whose AUROC is furthest from chance."""
    return rows.loc[(rows["auroc"] - 0.5).abs().idxmax()]


def held_out_scores(rows: pd.DataFrame, surface: str, folds: int = FOLDS) -> np.ndarray:
    """Return each text's score by a logistic regression that saw no text of its group."""
    scores = np.zeros(len(rows))
    for fit, test in GroupKFold(folds, shuffle=True, random_state=0).split(
        rows, groups=rows["group"]
    ):
        classifier = make_pipeline(SURFACE[surface](), LogisticRegression(max_iter=1000))
        classifier.fit(rows["text"].iloc[fit], rows["label"].iloc[fit])
        scores[test] = classifier.decision_function(rows["text"].iloc[test])
    return scores


def surface_auroc(rows: pd.DataFrame, surface: str, draws: int) -> stats.Interval:
    """Return the AUROC of held-out scores, bootstrapped over groups; .5 tells nothing."""
    scored = rows.assign(score=held_out_scores(rows, surface))
    return stats.cluster_bootstrap(
        lambda f, w: stats.auroc(f["score"], f["label"], w), scored, "group", draws=draws
    )


def give_aways(tasks: tuple[Task, ...], draws: int) -> pd.DataFrame:
    """Return one row a task and surface: AUROC with interval, texts and groups."""
    rows = []
    for task in tasks:
        table = task.load()
        for surface in SURFACE:
            found = surface_auroc(table, surface, draws)
            rows.append(
                {
                    "label": task.name, "surface": surface, "hidden": task.hidden,
                    "auroc": found.estimate, "low": found.low, "high": found.high,
                    "n": found.n, "groups": found.clusters,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def sizes(texts: pd.DataFrame, tokens: pd.DataFrame) -> pd.DataFrame:
    """Return one row a table of texts: units, texts by split, tokens, type-token ratio, repeats.

    `types_per_token` is the mean share of different words in windows of 1,000 words, texts in the
    order of the file; `repeats` counts texts that equal an earlier one of the table once case and
    punctuation are gone.
    """
    counted = texts.merge(tokens[["set", "table", "item", "tokens"]], on=["set", "table", "item"])
    rows = []
    for key, found in counted.groupby(["set", "table"], sort=False):
        name, table = cast("tuple[str, str]", key)
        by_split = found["split"].value_counts()
        plain = found["text"].map(splits.normalised)
        rows.append(
            {
                "set": name, "texts": table, "units": found["unit"].nunique(), "n": len(found),
                **{part: int(by_split.get(part, 0)) for part in ("plant", "fit", "test")},
                "mean_tokens": found["tokens"].mean(), "most_tokens": int(found["tokens"].max()),
                "types_per_token": type_token_ratio(found["text"]),
                "repeats": int(plain.duplicated().sum()),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def readings() -> pd.DataFrame:
    """Return the second reader's labels beside ours: columns set, unit, ours, theirs (numbers).

    Moral grades run from -3 (grave vice) to 3 (grave virtue); refuse and yes are 1.
    """
    actions, requests = items.load("moral", "actions"), items.load("requests", "prompts")
    prompts = items.load("evidence", "prompts")
    sign = actions["pole"].map({"virtue": 1, "vice": -1, "neutral": 0})
    ours = [
        ("moral", actions["item"], actions["topic"], sign * actions["grade"]),
        (
            "requests",
            requests["item"],
            requests["unit"],
            (requests["role"] == "refuse").astype(int),
        ),
        ("evidence", prompts["item"], prompts["scenario"], prompts["gold"]),
    ]
    known = pd.concat(
        pd.DataFrame({"set": name, "item": item, "unit": unit, "ours": label})
        for name, item, unit, label in ours
    )
    labels = items.load("readers", "labels")
    numbers = {"refuse": 1, "comply": 0, "yes": 1, "no": 0}
    labels["theirs"] = [numbers[x] if x in numbers else int(x) for x in labels["label"]]
    return labels.merge(known, on=["set", "item"])[["set", "unit", "ours", "theirs"]]


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


def printed_sizes(sizes: pd.DataFrame) -> pd.DataFrame:
    """Return the sizes as the paper prints them."""
    return pd.DataFrame(
        {
            "set": sizes["set"].str.replace("_", " "),
            "texts": sizes["texts"].str.replace("_", " "),
            "units": sizes["units"],
            **{part: sizes[part] for part in ("plant", "fit", "test")},
            "tokens": sizes["mean_tokens"].map("{:.1f}".format),
            "most": sizes["most_tokens"],
            "types per token": sizes["types_per_token"].map("{:.2f}".format),
            "repeats": sizes["repeats"],
        }
    )


def printed_balance(balance: pd.DataFrame) -> pd.DataFrame:
    """Return the balance as the paper prints it, in percent."""
    printed = balance.copy()
    for part in ("plant", "fit", "test"):
        printed[part] = printed[part].map(lambda share: "" if np.isnan(share) else f"{share:.1f}")
    return printed


def type_token_ratio(texts: pd.Series, window: int = WINDOW) -> float:
    """Return the mean share of different words in windows of `window` words (or all, if fewer)."""
    words = [word for text in texts for word in splits.words(text)]
    starts = range(0, max(len(words) - window + 1, 1), window)
    parts = [words[start : start + window] for start in starts]
    return float(np.mean([len(set(part)) / len(part) for part in parts]))


def lead_lengths(tokens: pd.DataFrame) -> pd.DataFrame:
    """Return the largest difference of tokens between the lead sentences of a pair, by kind.

    Columns kind, pairs, largest: against the safety sentence about the same group.
    """
    leads = items.load("evidence", "priming").dropna(subset="text")
    leads["item"] = leads["pair"] + "_" + leads["kind"]
    counted = leads.merge(tokens[tokens["table"] == "priming"][["item", "tokens"]], on="item")
    wide = counted.pivot(index="pair", columns="kind", values="tokens")
    off = wide.sub(wide["same_group"], axis=0).abs()
    rows = [(kind, len(off), int(off[kind].max())) for kind in off if kind != "same_group"]
    return pd.DataFrame(rows, columns=["kind", "pairs", "largest"])


def balance() -> pd.DataFrame:
    """Return the share of rows with each property that should be balanced, by split, in percent."""
    scenarios = items.load("evidence", "scenarios")
    prompts = items.load("evidence", "prompts")
    people = scenarios[scenarios["category"] != "Control"]
    pairs = items.load("survey", "cross_format")
    statements = items.load("parties", "statements")
    verdicts = items.load("guild_norms", "verdicts")
    issues = items.load("parties", "issues")
    properties = [
        ("evidence", "answer is yes", prompts["split"], prompts["gold"] == 1),
        ("evidence", "about the stereotyped", prompts["split"], prompts["member"] == "stereotyped"),
        ("evidence", "stereotyped named first", scenarios["split"],
         scenarios["mentioned_first"] == "stereotyped"),
        ("evidence", "act told first", scenarios["split"], scenarios["act_first"]),
        ("evidence", "by name", people["split"], people["reference"] == "name"),
        ("survey pairs", "first country is right", pairs["split"],
         pairs["answer"] == pairs["first"]),
        ("survey pairs", "asks for the larger", pairs["split"], pairs["direction"] == "more"),
        ("parties", "first party's", statements["split"], statements["party"] == "first_party"),
        ("parties", "first pole held by first", issues["split"],
         issues["first_held_by"] == "first_party"),
        ("guilds", "right", verdicts["split"], verdicts["verdict"] > 0),
    ]  # fmt: skip
    rows = []
    for name, what, split, holds in properties:
        shares = 100 * holds.groupby(split).mean()
        counts = split.value_counts()
        rows.append(
            {
                "set": name, "property": what,
                **{part: shares.get(part, np.nan) for part in ("plant", "fit", "test")},
                "n": int(counts.sum()),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
