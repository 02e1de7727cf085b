"""Counts the tokens of the embedded texts with a model's tokenizer; nothing is run forward."""

from __future__ import annotations

import pandas as pd

from valuegate.models import LanguageModel


def token_counts(lm: LanguageModel, items: pd.DataFrame) -> pd.DataFrame:
    """Return the items without their text, and `tokens`: how many the text has by itself."""
    encoded = lm.tokenizer(items["text"].tolist(), add_special_tokens=False)["input_ids"]
    found = items.drop(columns="text").reset_index(drop=True)
    found["tokens"] = [len(ids) for ids in encoded]
    return found
