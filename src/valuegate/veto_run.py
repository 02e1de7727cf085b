"""Runs section 01's prompts on a model: one row of scores a prompt.

The prompts are made in `veto_items`; what the scores mean is in `veto_planted`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from valuegate import items
from valuegate.models import LanguageModel
from valuegate.scoring import readings
from valuegate.sharing import Row


def slots(lm: LanguageModel, rows: pd.DataFrame) -> pd.DataFrame:
    """Return what a model would answer at the slot, and whether it would answer.

    Columns: those of the items without text; `log_probs`, of each option in the scale's order
    (nats, raw); `mass`, of all options together; `expected`, the expected answer as a place on the
    scale (0 to 1) with the options' probabilities made to sum to one; `top`, the likeliest first
    token of all; `said`: "option" if that is one, "refusal" if a refusal of the bank begins with
    it, "other"; `refusing`, the log-odds of the first tokens of refusals against options (nats).
    """
    prompts = [tuple(lm.encode(lm.chat(text))) for text in rows["text"]]
    marks = [[lm.single_token(mark) for mark in line.split()] for line in rows["marks"]]
    refusals = sorted(_first_tokens(lm))
    found = rows.drop(columns="text").reset_index(drop=True)
    said: list[dict[str, object]] = [{} for _ in prompts]
    for reading in readings(lm, [Row(ids, (len(ids) - 1,)) for ids in prompts]):
        assert reading.logits is not None
        own = marks[reading.index]
        log_probs = reading.logits[0].double().log_softmax(-1).numpy()
        options = log_probs[own]
        likely = np.exp(options - options.max())
        top = int(log_probs.argmax())
        no = [token for token in refusals if token not in own]
        said[reading.index] = {
            "log_probs": options.astype("float32"), "mass": float(np.exp(options).sum()),
            "expected": float(likely @ np.linspace(0, 1, len(own)) / likely.sum()),
            "top": lm.tokenizer.decode([top]),
            "said": "option" if top in own else "refusal" if top in no else "other",
            "refusing": float(
                np.logaddexp.reduce(log_probs[no]) - np.logaddexp.reduce(options)
            ),
        }  # fmt: skip
    return pd.concat([found, pd.DataFrame(said)], axis=1)


def _first_tokens(lm: LanguageModel) -> set[int]:
    """Return the first tokens of the bank's refusals."""
    bank = items.load("requests", "answers")
    openings = bank.loc[bank["answer"] == "refusal", "opening"]
    return {lm.option_ids(opening)[0] for opening in openings}
