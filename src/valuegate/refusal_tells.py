"""What section 05's directions tell: other kinds' requests, what a model does, which layer to take.

Pure functions; the directions themselves are `refusal_geometry`'s.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float

from valuegate import stats
from valuegate.refusal_geometry import FEWEST, Kind, Residual, unit


def transfer(
    fitted: Float[np.ndarray, "kind d_model"], test: Mapping[str, Kind], *, draws: int
) -> pd.DataFrame:
    """Return how well each kind's direction tells every kind's test prompts: AUROC.

    Columns: direction, kind (of the prompts; those without look-alikes are left out), value, low,
    high (bootstrap over prompts), n.

    Args:
        fitted: directions in the order of `test`'s kinds.
        test: residuals of test prompts by kind.
        draws: of the bootstrap.
    """
    rows = []
    for kind, own in test.items():
        if not (len(own.refuse) and len(own.comply)):
            continue
        scores = np.concatenate([own.refuse, own.comply]).astype(float) @ fitted.T
        labels = np.repeat([1.0, 0.0], [len(own.refuse), len(own.comply)])
        found = stats.cluster_auroc(scores, labels, np.arange(len(labels)), draws=draws)
        for name, area in zip(test, found, strict=True):
            area = stats.with_exact_end(area)
            rows.append((name, kind, area.estimate, area.low, area.high, area.n))
    return pd.DataFrame(rows, columns=["direction", "kind", "value", "low", "high", "n"])


MOST_KL = 0.1  # nats that taking a direction out may move the next token of everyday requests


def selection(table: pd.DataFrame) -> pd.DataFrame:
    """Return what each layer and position's pooled direction does, and which one is chosen.

    Columns: layer, position; `bypass`, the mean refusal score of requests to refuse with the
    direction taken out; `induce`, that of everyday requests with it added; `kl`, of everyday
    requests with it taken out (nats); `admitted`: it induces refusals (above 0) and moves everyday
    requests by less than `MOST_KL`; `chosen`: of the admitted the lowest bypass; where none is
    admitted, the one that induces most. Source: Arditi et al. 2024 (arXiv 2406.11717), selection.

    Args:
        table: from `refusal_ablate.select`.
    """
    refuse = (table["role"] == "refuse").to_numpy()
    bypassed, induced, kl = (
        np.stack(table[column].to_list()).astype(float) for column in ("bypassed", "induced", "kl")
    )
    found = pd.DataFrame(
        {
            "layer": [int(layer) for layer in table["layers"].iloc[0].split()],
            "position": table["positions"].iloc[0].split(),
            "bypass": bypassed[refuse].mean(0), "induce": induced[~refuse].mean(0),
            "kl": kl[~refuse].mean(0),
        }
    )  # fmt: skip
    found["admitted"] = (found["induce"] > 0) & (found["kl"] < MOST_KL)
    admitted = found[found["admitted"]]
    best = admitted["bypass"].idxmin() if len(admitted) else found["induce"].idxmax()
    found["chosen"] = found.index == best
    return found


def behaviour(
    rows: pd.DataFrame, stream: Residual, names: tuple[str, ...], fewest: int = FEWEST // 2
) -> pd.DataFrame:
    """Return what directions of a kind are when taken by what the model does, not by labels.

    A row a kind. Columns: kind; refused, answered (requests of the kind, of either role, by the
    sign of the refusal score); cosine, of the difference of their means with that of requests to
    refuse and look-alikes; nan where fewer than `fewest` are refused, or answered.

    Args:
        rows: kind, role, refusing.
        stream: a residual a row.
        names: of the kinds, in order.
        fewest: requests of either sort that a mean is taken of.
    """
    found = []
    for name in names:
        own = (rows["kind"] == name).to_numpy()
        no, refuse = (rows["refusing"] > 0).to_numpy(), (rows["role"] == "refuse").to_numpy()
        cosine = np.nan
        if min((own & no).sum(), (own & ~no).sum()) >= fewest:
            gaps = [stream[own & m].mean(0) - stream[own & ~m].mean(0) for m in (no, refuse)]
            cosine = float(unit(gaps[0]) @ unit(gaps[1]))
        found.append((name, int((own & no).sum()), int((own & ~no).sum()), cosine))
    return pd.DataFrame(found, columns=["kind", "refused", "answered", "cosine"])


def mean_cosine(found: pd.DataFrame) -> stats.Interval:
    """Return the mean cosine of `behaviour` with Student's interval over kinds; nan for none."""
    cosines = found["cosine"].dropna()
    if cosines.empty:
        return stats.drawn_interval(np.nan, np.array([np.nan]), 0, 0)
    return stats.student_mean(cosines)
