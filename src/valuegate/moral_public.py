"""Section 03's public items: Social-Chem-101's actions and vectors, Moral Stories, Flames' prompts.

Cleaning and vectors are those of arXiv 2603.15615 (sec. 3 and its release). The rows at hand are a
subset of good and okay judgements (`data/registry.yml`), so that vices come from Moral Stories.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from valuegate import data, splits
from valuegate.errors import ValueGateError
from valuegate.moral_items import COLUMNS, FOUNDATIONS, POLES, poled

NEEDED = ["action", "rot-moral-foundations", "action-moral-judgment", "action-agree"]
OPPOSITES = {
    "care-harm": "care", "fairness-cheating": "fairness", "loyalty-betrayal": "loyalty",
    "authority-subversion": "authority", "sanctity-degradation": "sanctity",
}  # fmt: skip


def cleaned(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of Social-Chem-101 that one worker judged and that say all that is needed.

    With `id`, a running number after cleaning.
    """
    kept = rows[(rows["rot-bad"] == 0) & (rows["m"] == 1)].dropna(subset=NEEDED)
    kept = kept.reset_index(drop=True)
    return kept.assign(id=[f"socialchem_{n:06d}" for n in kept.index])


def human_vectors(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row an action and foundation: id, action, foundation, `virtue` and `vice`.

    Judgement (-2 to 2) over two gives the pole, times agreement (0 to 4) over four how typical an
    action is of it; the same in every foundation that is tagged.

    Args:
        rows: from `cleaned`.

    Raises:
        ValueGateError: a judgement or an agreement off its scale, or an unknown foundation.
    """
    found = []
    for row in rows.to_dict("records"):
        judged, agreed = float(row["action-moral-judgment"]), float(row["action-agree"])
        if abs(judged) > 2 or not 0 <= agreed <= 4:
            raise ValueGateError(
                f"{row['id']}: judgement {judged} or agreement {agreed} is off its scale "
                "(-2 to 2, 0 to 4)"
            )
        value = judged / 2 * agreed / 4
        for tag in str(row["rot-moral-foundations"]).split("|"):
            if tag not in OPPOSITES:
                raise ValueGateError(f"{row['id']}: unknown foundation {tag!r}")
            found.append(
                {
                    "id": row["id"], "action": row["action"], "foundation": OPPOSITES[tag],
                    "virtue": max(0.0, value), "vice": max(0.0, -value),
                }
            )  # fmt: skip
    return pd.DataFrame(found, columns=["id", "action", "foundation", *POLES])


def social(each: int = 120) -> pd.DataFrame:
    """Return actions of Social-Chem-101, as many of every foundation; columns `COLUMNS`.

    A cluster is an action's text, which may stand in several rows. Good and okay judgements alone.

    Args:
        each: actions of a foundation, drawn by hash.
    """
    rows = human_vectors(cleaned(_judged()))
    rows["item"] = [f"{i}_{f}" for i, f in zip(rows["id"], rows["foundation"], strict=True)]
    rows = rows.drop_duplicates(["action", "foundation"])
    order = splits.shuffled(list(rows["item"]), "moral:social")
    rows = rows.set_index("item").loc[order].reset_index()
    rows = rows.groupby("foundation", sort=False).head(each).reset_index(drop=True)
    texts = rows["action"].str.rstrip(". ")
    rows = rows.assign(
        set="social", value=rows["virtue"] - rows["vice"], text=texts,
        cluster=[f"action_{n}" for n in pd.factorize(texts)[0]],
    )  # fmt: skip
    rows["split"] = _halves(rows["cluster"])
    rows["order"] = rows["foundation"].map(FOUNDATIONS.index)
    return poled(rows).sort_values("order", kind="stable", ignore_index=True)[COLUMNS]


def stories(pairs: int = 300) -> pd.DataFrame:
    """Return moral and immoral actions of Moral Stories on one norm, in pairs; columns `COLUMNS`.

    `foundation` is empty: none is tagged. A cluster is a norm.

    Args:
        pairs: how many norms, drawn by hash.

    Raises:
        ValueGateError: a line that is no action.
    """
    found: dict[str, dict[str, str]] = {}
    for n, row in enumerate(_lines(data.file("moral_stories", "original_ms_test")), 1):
        pole = next((p for p, c in COLUMN.items() if c in row), None)
        if pole is None or "norm" not in row:
            raise ValueGateError(f"original_ms_test.jsonl:{n}: no action and norm")
        found.setdefault(row["norm"], {})[pole] = row[COLUMN[pole]]
    whole = {norm: own for norm, own in found.items() if len(own) == len(POLES)}
    numbers = {norm: n for n, norm in enumerate(found)}
    rows = [
        {
            "item": f"story_{numbers[norm]}_{pole}", "set": "stories",
            "cluster": f"story_{numbers[norm]}", "foundation": "", "pole": pole,
            "value": 1.0 if pole == "virtue" else -1.0, "grade": 1.0, "fitted": True,
            "text": whole[norm][pole].rstrip(". "),
        }
        for norm in splits.shuffled(list(whole), "moral:stories")[:pairs]
        for pole in POLES
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    return table.assign(split=_halves(table["cluster"]))[COLUMNS]


def coverage() -> pd.DataFrame:
    """Return what the rows of Social-Chem-101 at hand hold, by foundation.

    Columns foundation, items, `virtue`, `vice` and neither, all counts: of the published cleaning
    and vectors. Good and okay judgements alone are at hand, which represent no society's.
    """
    rows = human_vectors(cleaned(_judged()))
    counted = rows.assign(
        items=1, virtue=rows["virtue"] > 0, vice=rows["vice"] > 0,
        neither=(rows["virtue"] == 0) & (rows["vice"] == 0),
    )  # fmt: skip
    columns = ["items", *POLES, "neither"]
    return counted.groupby("foundation", sort=False)[columns].sum().reset_index()


def _judged() -> pd.DataFrame:
    parts = [
        pd.read_csv(data.file("social_chem_101_subset", name))
        for name in ("obligatory_sc101", "optional_sc101")
    ]
    return pd.concat(parts, ignore_index=True)


def _halves(clusters: pd.Series) -> pd.Series:
    """Return the split of every item, by its cluster: the fit half chooses a layer."""
    return clusters.map(splits.assign(dict.fromkeys(clusters, ""), {"fit": 1, "test": 1}, "public"))


COLUMN = {"virtue": "moral_action", "vice": "immoral_action"}


def flames(each: int = 20) -> pd.DataFrame:
    """Return Chinese prompts of Flames: item, dimension, text; so many of each dimension."""
    rows = pd.DataFrame(_lines(data.file("flames_1k_zh", "Flames_1k_Chinese")))
    rows["item"] = [f"flames_{n}" for n in range(len(rows))]
    order = splits.shuffled(list(rows["item"]), "moral:flames")
    rows = rows.set_index("item").loc[order].reset_index()
    rows = rows.groupby("dimension", sort=False).head(each).rename(columns={"prompt": "text"})
    return rows.reset_index(drop=True)[["item", "dimension", "text"]]


def _lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream if line.strip()]
