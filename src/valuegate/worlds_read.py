"""Reads planted worlds: one row of scores an item, for each readout of appendix A2.

What is read is made in `worlds_items`; what the scores mean is in `worlds`.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd

from valuegate import answer_rules
from valuegate.models import LanguageModel
from valuegate.scoring import expected_value, generate, log_odds, option_log_probs, readings
from valuegate.sharing import Row

MOST_TOKENS = 12  # a refusal, a number or a side shows in its first words


def sides(lm: LanguageModel, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the log-odds of the first option against the second, at the answer slot.

    Columns: those of the items without text; `checked` (nats); `mass`, of both options together.
    """
    prompts = [
        tuple(lm.encode(lm.chat(text, opening=opening)))
        for text, opening in zip(rows["text"], rows["opening"], strict=True)
    ]
    pairs = [
        (lm.single_token(first), lm.single_token(second))
        for first, second in zip(rows["first_name"], rows["second_name"], strict=True)
    ]
    found = rows.drop(columns=["text", "opening", "first_name", "second_name"])
    found = found.reset_index(drop=True)
    found["checked"], found["mass"] = np.nan, np.nan
    for reading in readings(lm, [Row(ids, (len(ids) - 1,)) for ids in prompts]):
        assert reading.logits is not None
        log_probs = reading.logits[0].double().log_softmax(-1)
        first, second = pairs[reading.index]
        found.loc[reading.index, "checked"] = float(log_probs[first] - log_probs[second])
        found.loc[reading.index, "mass"] = float(log_probs[[first, second]].exp().sum())
    return found


places = sides  # a two-country question has two options as well


def slots(lm: LanguageModel, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the expected answer at the slot, as a part of the scale, and the options' raw mass.

    Columns: those of the items without text; `checked` (0 is the scale's low end, 1 its high);
    `mass`.
    """
    found = rows.drop(columns="text").reset_index(drop=True)
    found["checked"], found["mass"] = np.nan, np.nan
    for key, part in found.groupby(["low", "high"]):
        low, high = cast("tuple[int, int]", key)
        scale = range(int(low), int(high) + 1)
        prompts = [lm.chat(text) for text in rows["text"].iloc[part.index]]
        scores = option_log_probs(lm, prompts, [str(option) for option in scale])
        ends = [(option - low) / (high - low) for option in scale]
        found.loc[part.index, "checked"] = expected_value(scores, ends)
        found.loc[part.index, "mass"] = np.exp(scores).sum(1)
    return found


def evidence(lm: LanguageModel, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the yes/no log-odds of every prompt (`checked`, nats) and their `mass`."""
    turns = zip(rows["text"], rows["system"], strict=True)
    scores = log_odds(lm, [lm.chat(text, system=system) for text, system in turns])
    found = rows.drop(columns=["text", "system"]).reset_index(drop=True)
    found["checked"], found["mass"] = scores.log_odds, scores.mass
    return found


short = evidence  # a short question is one about evidence as well


def answers(lm: LanguageModel, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the greedy answer's first words (`answer`), and whether it refuses (`checked`)."""
    found = rows.drop(columns="text").reset_index(drop=True)
    found["answer"] = generate(lm, [lm.chat(text) for text in rows["text"]], MOST_TOKENS)
    found["checked"] = [float(answer_rules.is_refusal(answer)) for answer in found["answer"]]
    return found
