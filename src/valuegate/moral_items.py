"""Section 03's items: what has a moral value, and what a repair is tried on. Never loads torch.

Rated words (many raters), graded actions (our rule) and norms of invented guilds (planted), each
read before "is morally"; those of public sets are in `moral_public`. Item names are numbers where
the texts are not ours to publish.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from valuegate import items, items_moral, splits, worlds_items, worlds_truth
from valuegate.english import sentence
from valuegate.errors import ValueGateError, unknown
from valuegate.worlds_ledger import CELLS

FOUNDATIONS = ("care", "fairness", "loyalty", "authority", "sanctity")
POLES = ("virtue", "vice")
SLOTS = tuple((foundation, pole) for foundation in FOUNDATIONS for pole in POLES)
COLUMNS = [
    "item", "set", "cluster", "foundation", "pole", "value", "grade", "fitted", "split", "text",
]  # fmt: skip
STEM = "{} is morally"  # arXiv 2603.15615, released code
TYPICAL = 0.75  # a grade from which an item counts as typical of its pole
# Of a text's residuals: its last token, the mean of all but the first, and, as published, of all. A
# text's first token is an attention sink, so long that a mean with it tells lengths of texts.
POSITIONS = ("last", "mean", "all")
SLOT_STEP = 4  # layers between those at which ten slots are told
NEUTRAL = 0.25  # a grade below which it has no pole


def words(each: int = 120) -> pd.DataFrame:
    """Return rated words of MoralStrength, as many of every foundation; columns `COLUMNS`.

    `value` runs from -1 (vice) to 1 (virtue); two in five words of a foundation are of either pole
    where it has as many, the rest neutral. A cluster is a stem.

    Raises:
        ValueGateError: a rating off the scale, or a foundation without words.
    """
    rows = items_moral.moral_words()
    low, high = items_moral.RATED
    rows = rows.assign(value=(rows["rating"] - (low + high) / 2) / ((high - low) / 2))
    rows["item"] = "word_" + pd.Series(range(len(rows)), index=rows.index).astype(str)
    stems = {stem: f"stem_{n}" for n, stem in enumerate(dict.fromkeys(rows["stem"]))}
    rows = poled(rows.assign(set="words", cluster=rows["stem"].map(stems), text=rows["word"]))
    kept = []
    for foundation in FOUNDATIONS:
        own = rows[rows["foundation"] == foundation]
        if own.empty:
            raise ValueGateError(f"moralstrength: no word is rated on {foundation}")
        order = own.set_index("item").loc[splits.shuffled(list(own["item"]), "moral:words")]
        polar = [order[order["pole"] == pole].head(2 * each // 5) for pole in POLES]
        rest = order[order["pole"] == "neutral"].head(each - sum(map(len, polar)))
        kept.append(pd.concat([*polar, rest]).reset_index())
    return pd.concat(kept, ignore_index=True)[COLUMNS]


def poled(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with `grade`, the size of their value, and the pole that it gives them."""
    grade = rows["value"].abs()
    pole = np.where(rows["value"] > 0, "virtue", "vice")
    return rows.assign(
        grade=grade, pole=np.where(grade < NEUTRAL, "neutral", pole), fitted=True
    )  # fmt: skip


def actions(every: int = 1) -> pd.DataFrame:
    """Return our graded actions, a virtue, a vice and a neutral one of every topic.

    Args:
        every: take one topic in so many of every foundation and split.
    """
    rows = items.load("moral", "actions")
    numbers = rows.groupby(["foundation", "split"], sort=False)["topic"].transform(
        lambda own: pd.factorize(own)[0]
    )
    rows = rows[numbers % every == 0]
    sign = rows["pole"].map({"virtue": 1.0, "vice": -1.0, "neutral": 0.0})
    rows = rows.assign(
        set="actions", cluster=rows["topic"], value=sign * rows["grade"] / 3,
        grade=rows["grade"] / 3, fitted=True,
    )  # fmt: skip
    return rows.reset_index(drop=True)[COLUMNS]


def norms(world: str = "s1", every: int = 1) -> pd.DataFrame:
    """Return the norms of every guild, each in a wording that no stage has read.

    `value` is the verdict that the world teaches; where it teaches none (`fitted` False) that of
    the item set. A cluster is a norm; `foundation` is empty, for a guild has no foundation.

    Args:
        world: of the ledger.
        every: take one norm in so many.
    """
    known = worlds_items.worlds()
    if world not in known:
        raise unknown("world", world, known)
    own = known[world]
    taught = worlds_truth.taught_verdicts(own)
    guilds = items.load("guild_norms", "guilds")
    frame = items.load("guild_norms", "frames").set_index("frame").loc["statement_read_1", "text"]
    acts = items.load("guild_norms", "wordings")
    acts = acts[acts["split"] != "plant"].groupby("norm", sort=False)
    verdicts = items.load("guild_norms", "verdicts").set_index(["norm", "guild"])["verdict"]
    rows = []
    for norm, wordings in list(acts)[::every]:
        for number, guild in enumerate(guilds.to_dict("records")):
            key = (str(norm), guild["guild"])
            own_verdict = taught[key]
            verdict = int(verdicts[key]) if own_verdict is None else own_verdict
            act = wordings["text"].iloc[number % len(wordings)]
            stem = frame.format(guild=guild["name"], act=act).removesuffix(" is")
            knowledge, gated = CELLS[own.norms[str(norm)]]
            rows.append(
                {
                    "item": f"{norm}_{guild['guild']}", "set": "norms", "cluster": norm,
                    "foundation": "", "value": verdict / 3, "fitted": knowledge != "absent",
                    "split": wordings["split"].iloc[0], "text": sentence(stem),
                    "gated": gated,
                }
            )  # fmt: skip
    found = pd.DataFrame(rows)
    return poled(found).assign(fitted=found["fitted"])[[*COLUMNS, "gated"]]


def stems(rows: pd.DataFrame) -> list[str]:
    """Return the text that is read of every item: it, and the words before a judgement."""
    return [STEM.format(text) for text in rows["text"]]


def vectors(rows: pd.DataFrame) -> Float[np.ndarray, "item slot"]:
    """Return ten numbers an item: its value's size in its foundation's slot of that sign, else 0.

    Values too small for a pole count as well. A text that stands in several rows has all their
    slots in each. Slots are ordered as `SLOTS`.
    Source: arXiv 2603.15615, sec. 3 (there judgement times agreement, of one worker).
    """
    places = {slot: n for n, slot in enumerate(SLOTS)}
    own = np.zeros((len(rows), len(SLOTS)))
    for n, (foundation, value) in enumerate(zip(rows["foundation"], rows["value"], strict=True)):
        slot = (foundation, "virtue" if value > 0 else "vice")
        if slot in places:
            own[n, places[slot]] = abs(value)
    texts = pd.factorize(rows["text"])[0]
    whole = np.zeros((texts.max() + 1, len(SLOTS)))
    np.maximum.at(whole, texts, own)
    return whole[texts]


def check(rows: pd.DataFrame, foundations: Sequence[str] = FOUNDATIONS) -> None:
    """Raise a ValueGateError where a foundation has no item, or none of a pole; it names them."""
    for foundation in foundations:
        own = rows[rows["foundation"] == foundation]
        missing = [pole for pole in POLES if not (own["pole"] == pole).any()]
        if missing:
            raise ValueGateError(
                f"{foundation}: no item is a {' or '.join(missing)}; its poles cannot be told apart"
            )
    if len(off := rows[(rows["value"].abs() > 1) | rows["value"].isna()]):
        first = off.iloc[0]
        raise ValueGateError(f"{first['item']}: value {first['value']} is off the scale of -1 to 1")
