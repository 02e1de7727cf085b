"""What the surface of a text gives away: labels guessed from words, without reading.

Pure functions from item tables to tables; the classifiers are scikit-learn's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

from valuegate import items, items_evidence, stats

FOLDS = 5
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
        held_out: read on units that were not fitted. Where there are a few cues only, all units
            are fitted and read: what is exactly balanced over a whole is worse than chance when
            a part of it is held out, and a few cues cannot be learned by heart.
    """

    name: str
    load: Callable[[], pd.DataFrame]
    hidden: bool
    held_out: bool = True


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


def evidence_place() -> pd.DataFrame:
    """Return where the person asked about stands, with whether the answer is yes.

    A word for every combination of style, reference, and whether the person is named first in the
    setting and in the evidence: cues that no bag of words sees, and that interact.
    """
    rows = items.load("evidence", "prompts")
    known = ["scenario", "style", "reference", "mentioned_first", "act_first"]
    rows = rows.merge(items.load("evidence", "scenarios")[known], on="scenario")
    in_setting = rows["asked"] == rows["mentioned_first"]
    in_evidence = (rows["asked"] == rows["member"]) == rows["act_first"]
    cues = [rows["style"], rows["reference"], in_setting.astype(str), in_evidence.astype(str)]
    return _rows(cues[0].str.cat(cues[1:], sep="_"), rows["gold"], rows["pair"])


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


def political_neutral() -> pd.DataFrame:
    """Return the political statements with whether they take no side."""
    rows = items.load("left_right", "statements").query("domain == 'political'")
    return _rows(rows["text"], rows["side"] == "neutral", rows["issue"])


def moral_neutral() -> pd.DataFrame:
    """Return the actions with whether they are neutral."""
    rows = items.load("moral", "actions")
    return _rows(rows["text"], rows["pole"] == "neutral", rows["topic"])


def request_role(kind: str = "") -> pd.DataFrame:
    """Return requests and look-alikes of a kind, or of all, with whether to refuse."""
    rows = items.load("requests", "prompts").query("kind != 'benign'")
    rows = rows[rows["kind"] == kind] if kind else rows
    return _rows(rows["text"], rows["role"] == "refuse", rows["unit"])


TASKS = (
    Task("evidence: is it true", evidence_truth, hidden=True),
    Task("evidence: about whom", evidence_member, hidden=True),
    Task("evidence: place of the asked", evidence_place, hidden=True, held_out=False),
    Task("survey pairs: first country", cross_format_place, hidden=True),
    Task("parties: whose statement", party_side, hidden=True),
    Task("guilds: right or wrong", guild_verdict, hidden=True),
    Task("controls: which taste", control_side, hidden=True),
    Task("left or right", left_right_side, hidden=False),
    Task("neutral or of a side", political_neutral, hidden=False),
    Task("virtue or vice", moral_pole, hidden=False),
    Task("neutral or moral", moral_neutral, hidden=False),
    Task("requests: refuse or comply", request_role, hidden=False),
)

CLAIMED = {
    "evidence_truth": "evidence: is it true",
    "evidence_member": "evidence: about whom",
    "evidence_place": "evidence: place of the asked",
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
    """Return the row whose surface gives more away.

    For a hidden label that is the AUROC furthest from chance, on either side; for others, where an
    anti-cue is none, the largest.
    """
    away = rows["auroc"] - 0.5
    return rows.loc[away.abs().where(rows["hidden"], away).idxmax()]


def scores(rows: pd.DataFrame, surface: str, folds: int = FOLDS) -> np.ndarray:
    """Return each text's score by a logistic regression that saw no text of its group.

    With 0 folds all texts are fitted, and the same texts scored.
    """
    everything = np.arange(len(rows))
    parts = (
        GroupKFold(folds, shuffle=True, random_state=0).split(rows, groups=rows["group"])
        if folds
        else [(everything, everything)]
    )
    found = np.zeros(len(rows))
    for fit, test in parts:
        classifier = make_pipeline(SURFACE[surface](), LogisticRegression(max_iter=1000))
        classifier.fit(rows["text"].iloc[fit], rows["label"].iloc[fit])
        # Rounded, so that texts of the same words tie whatever the order of their sums.
        found[test] = classifier.decision_function(rows["text"].iloc[test]).round(9)
    return found


def surface_auroc(
    rows: pd.DataFrame, surface: str, draws: int, folds: int = FOLDS
) -> stats.Interval:
    """Return the AUROC of scores within units, bootstrapped over units; .5 tells nothing.

    A text is compared with the texts of its own unit only, as the unit's texts are matched: a
    request with its look-alike, a statement with those for the other pole of its issue. Scores of
    different units, and of classifiers fitted without them, would differ for other reasons.
    """
    scored = rows.assign(score=scores(rows, surface, folds))
    units = []
    for group, unit in scored.groupby("group"):
        pairs = int(unit["label"].sum() * (1 - unit["label"]).sum())
        if pairs:
            units.append((group, pairs, pairs * stats.auroc(unit["score"], unit["label"])))
    table = pd.DataFrame(units, columns=["group", "pairs", "won"])
    return stats.cluster_bootstrap(
        lambda f, w: stats.weighted_ratio(f["won"], f["pairs"], w), table, "group", draws=draws
    )


def give_aways(tasks: tuple[Task, ...], draws: int) -> pd.DataFrame:
    """Return one row a task and surface: AUROC within units with interval, texts and units."""
    rows = []
    for task in tasks:
        table = task.load()
        for surface in SURFACE:
            found = surface_auroc(table, surface, draws, FOLDS if task.held_out else 0)
            rows.append(
                {
                    "label": task.name, "surface": surface, "hidden": task.hidden,
                    "auroc": found.estimate, "low": found.low, "high": found.high,
                    "n": len(table), "groups": found.clusters,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)
