"""What section 05's directions tell, and what is left without them; which layer to take.

Pure functions; the directions themselves are `refusal_geometry`'s.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import spearmanr

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


def taken_out(
    table: pd.DataFrame, name: str, how: str, *, draws: int, threshold: float = 0.0
) -> stats.Interval:
    """Return the change of refusals, in points, when a direction is projected out.

    Args:
        table: from `refusal_ablate.ablated`, some of its rows.
        name: the direction.
        how: "single" (its own layer) or "every".
        draws: of the bootstrap over prompts.
        threshold: as for `rates`.
    """
    place = table["names"].iloc[0].split(",").index(name)
    after = np.stack(table[how].to_list())[:, place] > threshold
    before = table["refusing"].to_numpy() > threshold
    return stats.cluster_mean(100.0 * after - 100.0 * before, np.arange(len(table)), draws=draws)


def crossed(table: pd.DataFrame, *, draws: int) -> stats.Interval:
    """Return how much less a direction moves the refusal score with another one projected out.

    Percent of what it moves the score by without, over all ordered pairs of kinds; a 90% interval
    over prompts. 0: the two do not need each other.

    Args:
        table: from `refusal_ablate.ablated`.
        draws: of the bootstrap.
    """
    names = table["names"].iloc[0].split(",")
    pairs = table["pairs"].iloc[0].split(",")
    single, both, alone = (
        np.stack(table[column].to_list()).astype(float) for column in ("single", "crossed", "alone")
    )
    plain = table["refusing"].to_numpy(float)
    with_out, without = np.zeros(len(table)), np.zeros(len(table))
    ordered = ((a, b) for a in range(len(pairs)) for b in range(len(pairs)) if a != b)
    for n, (one, other) in enumerate(ordered):
        with_out += both[:, n] - single[:, names.index(pairs[one])]
        without += alone[:, other] - plain
    sums = pd.DataFrame({"prompt": np.arange(len(table)), "with": with_out, "without": without})
    return stats.cluster_bootstrap(
        lambda f, w: 100 * (stats.weighted_ratio(f["with"], f["without"], w) - 1),
        sums, "prompt", draws=draws, level=0.9,
    )  # fmt: skip


def agreement(first: pd.Series, bank: pd.Series, units: pd.Series, *, draws: int) -> stats.Interval:
    """Return how alike the first-token form and the whole bank order requests (rank correlation).

    Args:
        first: scores in the first-token form.
        bank: scores over the whole bank.
        units: what is drawn together by the bootstrap.
        draws: of the bootstrap.
    """
    one, other = first.to_numpy(float), bank.to_numpy(float)

    def correlation(_: pd.DataFrame, weights: np.ndarray) -> float:
        drawn = np.repeat(np.arange(len(one)), weights)
        return float(spearmanr(one[drawn], other[drawn]).statistic)

    return stats.cluster_bootstrap(correlation, pd.DataFrame({"unit": units}), "unit", draws=draws)
