"""How far likeness in the stream follows likeness in value (RSA). Never loads torch."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

WHEN = ("before", "after", "shuffled")  # columns of `moral_triplet.trained`


def similarity(table: pd.DataFrame, column: str) -> float:
    """Return Spearman's correlation of items' likeness in the stream and in value (RSA).

    Over pairs of one foundation: cosines of centred residuals against distances of values.

    Args:
        table: from `moral_triplet.trained`.
        column: of `WHEN`.
    """
    stream = np.stack(table[column].to_list()).astype(float)
    unit = stream - stream.mean(0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    one, other = np.triu_indices(len(table), 1)
    names = table["foundation"].to_numpy()
    same = names[one] == names[other]
    apart = np.abs(table["value"].to_numpy(float)[one] - table["value"].to_numpy(float)[other])
    alike = (unit[one] * unit[other]).sum(1)
    return float(scipy_stats.spearmanr(alike[same], -apart[same]).statistic)
