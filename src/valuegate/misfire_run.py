"""Runs section 02's prompts on a model: one row of scores a prompt.

The prompts are made in `misfire_items`; what the scores mean is in `misfire`.
"""

from __future__ import annotations

import pandas as pd

from valuegate.models import LanguageModel
from valuegate.residual import lens_log_odds
from valuegate.scoring import NO, YES, answer_ids, log_odds


def evidence(lm: LanguageModel, items: pd.DataFrame) -> pd.DataFrame:
    """Return the yes/no log-odds of every prompt, at the output and through the lens at each layer.

    Columns: those of the items without the text; `log_odds` (nats) and `mass` at the last token;
    `lens`, a list of the log-odds at layer 0 (embedding) to n_layers (the output).
    """
    turns = zip(items["text"], items["system"], strict=True)
    prompts = [lm.chat(text, system=system) for text, system in turns]
    scores = log_odds(lm, prompts, layers=range(lm.n_layers + 1))
    assert scores.residual is not None
    lens = lens_log_odds(lm, scores.residual, answer_ids(lm, YES), answer_ids(lm, NO))
    found = items.drop(columns=["text", "system"]).reset_index(drop=True)
    found["log_odds"] = scores.log_odds
    found["mass"] = scores.mass
    found["lens"] = list(lens.numpy().astype("float32"))
    return found
