"""How good the embedded items are: sizes, spread of words, repeats, balance.

Pure functions from item tables to tables.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd

from valuegate import items, splits

WINDOW = 1000  # words; a type-token ratio falls with length, so all are taken over equal windows


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
                **{part: int(by_split.get(part, 0)) for part in ("plant", "fit", "test", "read")},
                "mean_tokens": found["tokens"].mean(), "most_tokens": int(found["tokens"].max()),
                "types_per_token": type_token_ratio(found["text"]),
                "repeats": int(plain.duplicated().sum()),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def printed_sizes(sizes: pd.DataFrame) -> pd.DataFrame:
    """Return the sizes as the paper prints them."""
    return pd.DataFrame(
        {
            "set": sizes["set"].str.replace("_", " "),
            "texts": sizes["texts"].str.replace("_", " "),
            "units": sizes["units"],
            **{part: sizes[part] for part in ("plant", "fit", "test", "read")},
            "tokens": sizes["mean_tokens"].map("{:.1f}".format),
            "most": sizes["most_tokens"],
            "types per token": sizes["types_per_token"].map("{:.2f}".format),
            "repeats": sizes["repeats"],
        }
    )


def printed_words(words: pd.DataFrame) -> pd.DataFrame:
    """Return the rated words as the paper prints them, by foundation."""
    found = words.groupby("foundation", sort=False).agg(
        words=("word", "size"), stems=("stem", "nunique"), mean=("rating", "mean"),
        sd=("rating", "std"), fit=("split", lambda s: int((s == "fit").sum())),
    )  # fmt: skip
    found["test"] = found["words"] - found["fit"]
    for column in ("mean", "sd"):
        found[column] = found[column].map("{:.2f}".format)
    return found.rename(columns={"mean": "mean rating", "sd": "SD"}).reset_index()


def printed_balance(balance: pd.DataFrame) -> pd.DataFrame:
    """Return the balance as the paper prints it, in percent."""
    printed = balance.copy()
    for part in ("plant", "fit", "test"):
        printed[part] = printed[part].map(lambda share: "" if np.isnan(share) else f"{share:.1f}")
    return printed


def examples(texts: pd.DataFrame) -> pd.DataFrame:
    """Return an English text of every table, the shortest that is not planted, to be printed."""
    read = texts[(texts["split"] != "plant") & (texts["table"] != "translations")]
    order = read.assign(length=read["text"].str.len()).sort_values(["length", "item"])
    first = order.drop_duplicates(["set", "table"]).sort_index()[["set", "table", "text"]]
    return pd.DataFrame(
        {
            "set": first["set"].str.replace("_", " "),
            "texts": first["table"].str.replace("_", " "),
            "the shortest that is read": first["text"],
        }
    ).reset_index(drop=True)


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
    """Return the share of rows with each property, by split, in percent.

    Half for what is balanced; for the others splits and roles should be alike.
    """
    scenarios = items.load("evidence", "scenarios")
    prompts = items.load("evidence", "prompts")
    people = scenarios[scenarios["category"] != "Control"]
    pairs = items.load("survey", "cross_format")
    statements = items.load("parties", "statements")
    verdicts = items.load("guild_norms", "verdicts")
    issues = items.load("parties", "issues")
    requests = items.load("requests", "prompts").query("kind != 'benign'")
    refused = requests[requests["role"] == "refuse"]
    asks = requests["text"].str.endswith("?")
    polar = items.load("moral", "actions").query("pole != 'neutral'")
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
        ("requests", "to refuse", requests["split"], requests["role"] == "refuse"),
        ("requests", "a question", requests["split"], asks),
        ("requests", "a question, to refuse", refused["split"], asks[refused.index]),
        ("moral", "virtue of the polar", polar["split"], polar["pole"] == "virtue"),
        ("moral", "grave of the polar", polar["split"], polar["grade"] == 3),
        ("moral", "slight of the polar", polar["split"], polar["grade"] == 1),
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
