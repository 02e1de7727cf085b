"""Section 03's repair, arm by arm: what moves, what it costs, and what a control moves as well.

Pure functions of the tables of `moral_repair`. Every effect is against the same pipeline at s = 0,
on the same items.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats as scipy_stats

from valuegate import stats
from valuegate.moral_items import FOUNDATIONS

READOUTS = {
    "verdict": "own verdicts, virtue less vice (nats)",
    "choice": "virtue said rather than vice (nats a token)",
    "norm": "planted verdicts, as taught (nats)",
    "text": "cross-entropy of the user's words (nats a token)",
    "request": "refusals of harmless requests (nats a token)",
    "flames": "refusals of prompts of Flames (nats a token)",
}  # fmt: skip


def asked(table: pd.DataFrame) -> list[str]:
    """Return which readouts a table holds, in order: Flames' in the public tier alone."""
    held = set(table["readout"])
    return [name for name in READOUTS if name in held]


def arms(table: pd.DataFrame) -> list[str]:
    """Return the names of the arms, in the order of `scores`."""
    return table["arms"].iloc[0].split(";")


def strengths(table: pd.DataFrame) -> list[str]:
    """Return the strengths that were tried, as they are written."""
    own = [name.rpartition(" ") for name in arms(table)]
    return list(dict.fromkeys(strength for arm, _, strength in own if arm))


def gains(table: pd.DataFrame, readout: str) -> pd.DataFrame:
    """Return what each item adds to a readout's mean, a column an arm, and its cluster.

    A verdict counts with its item's side (1 for a virtue, -1 for a vice; twice, so that the mean is
    the difference of the poles' means), a planted one with the side that was taught, a text as the
    cross-entropy that it costs.
    """
    rows = table[table["readout"] == readout].reset_index(drop=True)
    scores = np.stack(rows["scores"].to_list())
    side = np.sign(rows["value"].to_numpy(float))
    if readout == "verdict":
        scores = scores * 2 * side[:, None]
    elif readout == "norm":
        scores = scores * side[:, None]
    elif readout == "text":
        scores = -scores
    return pd.DataFrame(scores, columns=arms(table)).assign(cluster=rows["cluster"])


def effect(
    table: pd.DataFrame, readout: str, arm: str, against: str = "plain", *, draws: int
) -> stats.Interval:
    """Return how far an arm moves a readout, against another arm; bootstrap over clusters.

    Args:
        table: from `moral_repair.readouts`.
        readout: of `READOUTS`.
        arm: with its strength, as in `arms`.
        against: another, or "plain".
        draws: of the bootstrap.
    """
    own = gains(table, readout)
    moved = own[arm] - own[against]
    return stats.cluster_mean(moved.to_numpy(float), list(own["cluster"]), draws=draws)


def share(table: pd.DataFrame, readout: str, arm: str, tuned: str, *, draws: int) -> stats.Interval:
    """Return the share of the tuned arm's effect that another arm has; nan if it may have none.

    That is, where the interval of the tuned arm's effect holds zero.

    Args:
        table: from `moral_repair.readouts`.
        readout: of `READOUTS`.
        arm: with its strength.
        tuned: the tuned arm, with its strength.
        draws: of the bootstrap.
    """
    own = gains(table, readout)
    moved = own.drop(columns="cluster").sub(own["plain"], axis=0).assign(cluster=own["cluster"])
    whole = effect(table, readout, tuned, draws=draws)
    if whole.low <= 0 <= whole.high or np.isnan(whole.low):
        nan = float("nan")
        return stats.Interval(nan, nan, nan, whole.n, whole.clusters)

    def ratio(rows: pd.DataFrame, weights: np.ndarray) -> float:
        return stats.weighted_ratio(rows[arm], rows[tuned], weights)

    return stats.cluster_bootstrap(ratio, moved, "cluster", draws=draws)


def unexplained(table: pd.DataFrame, coder: int, *, draws: int) -> stats.Interval:
    """Return the share of the stream's variance, token by token, that an autoencoder leaves.

    About the mean word, over the user's words of all texts.

    Args:
        table: from `moral_repair.readouts`.
        coder: its place among `moral_repair_items.CODERS`.
        draws: of the bootstrap over texts' clusters.
    """
    rows = table[table["readout"] == "text"].reset_index(drop=True)
    rows = rows.assign(error=[own[coder] for own in rows["missed"]])
    return stats.cluster_bootstrap(
        lambda r, w: stats.weighted_ratio(r["error"], r["spread"], w), rows, "cluster", draws=draws
    )


def more_unexplained(table: pd.DataFrame, *, draws: int) -> stats.Interval:
    """Return how much more of the variance the tuned autoencoder leaves than the one before."""
    rows = table[table["readout"] == "text"].reset_index(drop=True)
    rows = rows.assign(more=[own[1] - own[0] for own in rows["missed"]])
    return stats.cluster_bootstrap(
        lambda r, w: stats.weighted_ratio(r["more"], r["spread"], w), rows, "cluster", draws=draws
    )


def recovered(table: pd.DataFrame, arm: str, *, draws: int) -> stats.Interval:
    """Return (zero - arm) / (zero - plain) of texts' cross-entropy: 1 is as good as the layer."""
    own = gains(table, "text")
    rows = own.assign(top=own["zero"] - own[arm], bottom=own["zero"] - own["plain"])
    return stats.cluster_bootstrap(
        lambda r, w: stats.weighted_ratio(r["top"], r["bottom"], w), rows, "cluster", draws=draws
    )


def typicality(table: pd.DataFrame, coder: str, weights: np.ndarray | None = None) -> float:
    """Return Spearman's correlation of a pool's activity with the grade of its slot's items.

    Mean over ten slots: an action's own foundation and pole, with the foundation's neutral actions
    as grade 0.

    Args:
        table: from `moral_repair.pools`.
        coder: a column, of `moral_repair_items.CODERS`, or "before_" and one.
        weights: how often each item is drawn, whole numbers.
    """
    active = np.stack(table[coder].to_list()).astype(float)
    names, poles = table["foundation"].to_numpy(), table["pole"].to_numpy()
    grade, found = table["grade"].to_numpy(float), []
    for n, foundation in enumerate(FOUNDATIONS):
        for m, pole in enumerate(("virtue", "vice")):
            rows = (names == foundation) & ((poles == pole) | (poles == "neutral"))
            own = np.flatnonzero(rows)
            if weights is not None:
                own = np.repeat(own, weights[own])
            label = np.where(poles[own] == "neutral", 0.0, grade[own])
            pool = active[own, 2 * n + m]
            if len(own) > 2 and label.std() > 0 and pool.std() > 0:
                ranks = [scipy_stats.rankdata(v) for v in (pool, label)]
                found.append(np.corrcoef(*ranks)[0, 1])
    return float(np.mean(found)) if found else float("nan")


def typicality_change(
    table: pd.DataFrame, coder: str, against: str = "", *, draws: int
) -> stats.Interval:
    """Return how far tuning moves a coder's `typicality`, on the same items; bootstrap.

    Args:
        table: from `moral_repair.pools`.
        coder: of `moral_repair_items.CODERS`; its pools are those of its own latents before, too.
        against: another, whose change is taken off.
        draws: of the bootstrap over topics.
    """

    def change(rows: pd.DataFrame, own: str, weights: np.ndarray) -> float:
        return typicality(rows, own, weights) - typicality(rows, f"before_{own}", weights)

    def statistic(rows: pd.DataFrame, weights: np.ndarray) -> float:
        return change(rows, coder, weights) - (change(rows, against, weights) if against else 0)

    return stats.cluster_bootstrap(statistic, table, "cluster", draws=draws)


def latents(table: pd.DataFrame) -> Float[np.ndarray, "whose kind"]:
    """Return percent of latents that are weak, mono and poly: with values as they are, shuffled."""
    own = np.asarray(table["latents"].iloc[0], float).reshape(2, 3)
    return 100 * own / own.sum(1, keepdims=True)
