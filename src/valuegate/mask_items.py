"""Section 04's items: statements of two sides, prompts, questions, cues. Never loads torch.

`left_right` is a side that people take, `parties` one that the ledger planted; `control` are tastes
that have two sides and no politics. At `public` left and right are TwinViews' matched pairs.
"""

from __future__ import annotations

import functools

import pandas as pd

from valuegate import data, items, splits, worlds_items, worlds_truth
from valuegate.english import sentence
from valuegate.errors import ValueGateError, unknown
from valuegate.measure import frame_hash
from valuegate.worlds_ledger import World

COLUMNS = ["item", "set", "issue", "side", "label", "fitted", "split", "text"]
SOURCES = ("own", "public")
TEMPLATES = ("raw", "chat")
POSITIONS = ("last", "mean")  # of a statement's residuals: its last token, the mean of all


def statements(
    world: str = "s1", each: int = 6, source: str = "own", pairs: int = 1000
) -> pd.DataFrame:
    """Return statements of both sides of every issue, in wordings that no stage has read.

    Columns: item, set ("left_right", "parties", "control"), issue, side, label (1.0 for right, for
    the first party, for the second taste), fitted (whether an axis may be fitted on it: not where
    the world teaches no holder), split ("fit" or "test", by issue), text.

    Args:
        world: whose parties hold what.
        each: statements of an issue and side, drawn by hash.
        source: of left and right, one of `SOURCES`.
        pairs: of public statements.
    """
    if source not in SOURCES:
        raise unknown("source", source, SOURCES)
    left_right = _left_right(each) if source == "own" else _twin_views(pairs)
    parts = [left_right, _parties(world, each), _control(each)]
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def fingerprint(world: str, each: int, source: str, pairs: int) -> str:
    """Return what identifies `statements`, without reading public ones: axes are fitted on them."""
    own = frame_hash(statements(world, each, "own"))[:12]
    return own if source == "own" else f"{own} {data.fingerprint('twinviews_13k')[:12]} {pairs}"


def _left_right(each: int) -> pd.DataFrame:
    rows = items.load("left_right", "statements")
    rows = rows[(rows["split"] != "plant") & rows["side"].isin(["left", "right"])]
    rows = _some(rows, ["issue", "side"], each)
    label = (rows["side"] == "right").astype(float)
    return rows.assign(set="left_right", label=label, fitted=True)


def _control(each: int) -> pd.DataFrame:
    rows = items.load("left_right", "statements")
    rows = _some(rows[rows["domain"] == "control"], ["issue", "side"], each)
    return rows.assign(set="control", label=(rows["side"] == "second").astype(float), fitted=True)


def _parties(world: str, each: int) -> pd.DataFrame:
    rows = items.load("parties", "statements")
    rows = _some(rows[rows["split"] != "plant"], ["issue", "pole"], each)
    taught = worlds_truth.taught_stances(_world(world))
    first = (rows["issue"].map(holders(world)) == "first_party") == (rows["pole"] == "first")
    return rows.assign(
        set="parties", side=rows["pole"], label=first.astype(float),
        fitted=rows["issue"].map(taught).notna(),
    )  # fmt: skip


def holders(world: str) -> dict[str, str]:
    """Return issue to the party that holds its first pole, as a world teaches it.

    Where it teaches none, the party that the item set names.
    """
    issues = items.load("parties", "issues")
    named = zip(issues["issue"], issues["first_held_by"], strict=True)
    taught = worlds_truth.taught_stances(_world(world))
    return {issue: taught[issue] or party for issue, party in named}


def _world(name: str) -> World:
    known = worlds_items.worlds()
    if name not in known:
        raise unknown("world", name, known)
    return known[name]


def _some(rows: pd.DataFrame, by: list[str], each: int) -> pd.DataFrame:
    """Return so many rows of every group, drawn by hash."""
    order = splits.shuffled(list(rows["item"]), "mask:statements")
    return rows.set_index("item").loc[order].reset_index().groupby(by, sort=False).head(each)


@functools.cache
def twin_views() -> pd.DataFrame:
    """Return TwinViews' pairs by topic: columns of `statements`; pairs in an order by hash.

    Raises:
        ValueGateError: the file is not at hand, or holds a topic's pair with one side empty.
    """
    rows = pd.read_csv(data.file("twinviews_13k", "twinviews-13k"), dtype=str)
    rows = rows.assign(issue=rows["topic"].str.strip().str.lower(), number=range(1, len(rows) + 1))
    if (broken := rows[["l", "r", "issue"]].isna().any(axis=1)).any():
        number = rows.loc[broken, "number"].iloc[0]
        raise ValueGateError(f"twinviews-13k.csv row {number}: a side or the topic is empty")
    order = [int(n) - 1 for n in splits.shuffled(list(rows["number"].astype(str)), "mask:pairs")]
    rows = rows.iloc[order]
    split = splits.assign(dict.fromkeys(rows["issue"], ""), {"fit": 1, "test": 1}, "mask:topics")
    sides = [
        rows.assign(
            item="twin_" + rows["number"].astype(str) + f"_{side}", side=side, text=rows[column],
            label=float(side == "right"), set="left_right", fitted=True,
            split=rows["issue"].map(split),
        )
        for column, side in (("l", "left"), ("r", "right"))
    ]  # fmt: skip
    return pd.concat(sides)[COLUMNS]


def _twin_views(pairs: int) -> pd.DataFrame:
    return twin_views().groupby("side", sort=False).head(pairs)


def prompts(every: int = 1) -> pd.DataFrame:
    """Return the prompts whose spread is compared: 60 on policies, 12 on science, 12 everyday.

    Each as raw text and as a user's turn in the chat template. Columns: item, prompt, issue, form,
    topic ("policy", "science", "everyday"), side, split, template, text.

    Args:
        every: take one issue in so many, of either split, and as many of the others.
    """
    rows = items.load("left_right", "prompts")
    rows = rows[rows["set"] == "prompts_84"].rename(columns={"item": "prompt"})
    other = rows["form"].isin(["science", "everyday"])
    rows = rows.assign(topic=rows["form"].where(other, "policy"))
    unit = rows["issue"].where(~other, rows["prompt"])
    rows = rows[_thinned(rows.assign(unit=unit), ["topic", "split"], "unit", every)]
    found = pd.concat(
        [rows.assign(template=t, item=rows["prompt"] + f"_{t}") for t in TEMPLATES],
        ignore_index=True,
    )
    columns = ["item", "prompt", "issue", "form", "topic", "side", "split", "template", "text"]
    return found[columns]


def _thinned(rows: pd.DataFrame, strata: list[str], unit: str, every: int) -> pd.Series:
    """Return which rows are of every so-manieth unit of their stratum, in order of appearance."""
    numbers = rows.groupby(strata, sort=False)[unit].transform(lambda own: pd.factorize(own)[0])
    return numbers % every == 0


def chat_prompts(every: int = 1) -> pd.DataFrame:
    """Return those of `prompts` in the chat template."""
    rows = prompts(every)
    return rows[rows["template"] == "chat"].reset_index(drop=True)


def questions(each: int = 3, every: int = 1) -> pd.DataFrame:
    """Return a question for a view on every test issue, and what either side says to it.

    Columns: item, issue, split, text, left, right: lists of statements, no wording of which an axis
    was fitted on.

    Args:
        each: statements of a side.
        every: take one issue in so many.
    """
    rows = items.load("left_right", "prompts")
    rows = rows[(rows["set"] == "opinion") & (rows["split"] == "test")]
    order = splits.shuffled(list(rows["item"]), "mask:questions")
    rows = rows.set_index("item").loc[order].reset_index().groupby("issue").head(1)
    said = _left_right(each).groupby(["issue", "side"])["text"].agg(list)
    rows = rows.sort_values("issue", ignore_index=True).iloc[::every].reset_index(drop=True)
    for side in ("left", "right"):
        rows[side] = [said[issue, side] for issue in rows["issue"]]
    return rows[["item", "issue", "split", "text", "left", "right"]]


def stances(every: int = 1) -> pd.DataFrame:
    """Return which party is asked for, by pole, of every planted issue.

    Columns: item, issue, pole, split, text.

    Args:
        every: take one issue in so many.
    """
    issues = items.load("parties", "issues").iloc[::every]
    frames = items.load("parties", "frames").set_index("frame")["text"]
    rows = [
        {
            "item": f"{issue['issue']}_{pole}", "issue": issue["issue"], "pole": pole,
            "split": issue["split"],
            "text": frames["stance_read_1"].format(pole=issue[f"{pole}_read"]),
        }
        for issue in issues.to_dict("records")
        for pole in ("first", "second")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def cued(each: int = 2, pairs: int = 2, every: int = 1) -> pd.DataFrame:
    """Return the questions after a sentence that tells which side the user takes.

    Columns: item, issue, pair (of cues that differ in the side alone), cue (its sort), side, split,
    text, left, right.

    Args:
        each: statements of a side.
        pairs: of cues a question; questions take them in turn.
        every: take one issue in so many.
    """
    cues = items.load("left_right", "cues")
    cues = cues[(cues["split"] == "test") & cues["side"].isin(["left", "right"])]
    names = splits.shuffled(list(dict.fromkeys(cues["pair"])), "mask:cues")
    rows = []
    for number, question in enumerate(questions(each, every).to_dict("records")):
        for k in range(pairs):
            name = names[(number * pairs + k) % len(names)]
            for cue in cues[cues["pair"] == name].to_dict("records"):
                rows.append(
                    question
                    | {
                        "item": f"{question['item']}_{cue['item']}", "pair": cue["pair"],
                        "cue": cue["cue"], "side": cue["side"],
                        "text": sentence(f"{cue['text']} {question['text']}"),
                    }
                )  # fmt: skip
    columns = ["item", "issue", "pair", "cue", "side", "split", "text", "left", "right"]
    return pd.DataFrame(rows)[columns]
