"""Section 04's parts of a place along the axis, and which features are silent.

Pure functions of the tables of `mask_run.features`. Sources: arXiv 2606.09735, sec. 4 (the
identity of eq. 1, the census of active features, features of policy that are exactly zero).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from valuegate import stats

PARTS = ("bias", "features", "error")


def parts(table: pd.DataFrame) -> Float[np.ndarray, "prompt part"]:
    """Return what bias, features and error add to each prompt's score, in the score's units."""
    return np.stack([table["bias"], table["plus"] + table["minus"], table["error"]], axis=1).astype(
        float
    )


def identity_gap(table: pd.DataFrame) -> float:
    """Return the largest miss of bias + features + error from a score, over its parts' size."""
    own = parts(table)
    gap = np.abs(own.sum(1) - table["score"].to_numpy(float))
    return float((gap / np.abs(own).sum(1)).max())


def shares(table: pd.DataFrame, *, draws: int) -> dict[str, stats.Interval]:
    """Return the share of the mean score that each part makes; bootstrap over prompts' units.

    Parts may be of either sign, so a share may lie below 0 or above 1. `cancelled`: how much of
    what features add other features take away (1: all).
    """
    own = parts(table)
    frame = table.assign(unit=units(table))

    def share(part: int):
        def statistic(_: pd.DataFrame, weights: np.ndarray) -> float:
            means = weights @ own / weights.sum()
            return float(means[part] / means.sum())

        return statistic

    def cancelled(rows: pd.DataFrame, weights: np.ndarray) -> float:
        plus, minus = (weights @ rows[side].to_numpy(float) for side in ("plus", "minus"))
        return float(1 - abs(plus + minus) / (plus - minus))

    statistics = {name: share(n) for n, name in enumerate(PARTS)} | {"cancelled": cancelled}
    return {
        name: stats.cluster_bootstrap(statistic, frame, "unit", draws=draws)
        for name, statistic in statistics.items()
    }


def units(table: pd.DataFrame) -> pd.Series:
    """Return what repeats: the issue of a policy prompt, else the prompt."""
    return table["issue"].where(table["topic"] == "policy", table["prompt"])


def distinct(table: pd.DataFrame, where: str) -> int:
    """Return how many features are active on at least one prompt ("active" or "words")."""
    return len(set(np.concatenate(table[where].to_list()).tolist()))


def fewer(
    before: pd.DataFrame, after: pd.DataFrame, where: str, *, draws: int, seed: int = 0
) -> tuple[float, float, np.ndarray]:
    """Return log of distinct active features after over before, p, and the null's draws.

    Under the null it is no matter which model a prompt was read in: prompts swap models by a coin.

    Args:
        before: of one model, from `mask_run.features`.
        after: of another, with the same prompts in the same order.
        where: "active", at the last token, or "words".
        draws: of the null.
        seed: of the null.
    """
    one, other = (_member(table, where) for table in (before, after))
    rng = np.random.default_rng(seed)

    def ratio(swapped: Bool[np.ndarray, " prompt"]) -> float:
        mixed = [np.where(swapped[:, None], b, a) for a, b in ((one, other), (other, one))]
        return float(np.log(mixed[1].any(0).sum()) - np.log(mixed[0].any(0).sum()))

    null = np.array([ratio(rng.integers(2, size=len(one)) > 0) for _ in range(draws)])
    own = ratio(np.zeros(len(one), bool))
    return own, stats.permutation_p(own, null), null


def _member(table: pd.DataFrame, where: str) -> Bool[np.ndarray, "prompt latent"]:
    found = np.zeros((len(table), len(table["pre"].iloc[0])), bool)
    for row, own in enumerate(table[where]):
        found[row, np.asarray(own, int)] = True
    return found


@dataclass(frozen=True)
class Silence:
    """What features of policy do on prompts, in percent of (prompt, feature).

    Attributes:
        words: that fire at one of the user's words.
        last: that are active at the last token.
        cut: that read above 0 at the last token and are set to zero, k others being larger.
        silent: that read nothing at the last token, of those that fire at the words.
    """

    words: stats.Interval
    last: stats.Interval
    cut: stats.Interval
    silent: stats.Interval


def silence(table: pd.DataFrame, features: Sequence[int], *, draws: int) -> Silence:
    """Return what chosen features do on the policy prompts of a table.

    Args:
        table: of one model, from `mask_run.features`; prompts that features were not chosen on.
        features: of the autoencoder.
        draws: of the bootstrap over issues.
    """
    rows = table[table["topic"] == "policy"].reset_index(drop=True)
    chosen = list(features)
    at_words = _member(rows, "words")[:, chosen]
    at_last = _member(rows, "active")[:, chosen]
    reads = np.stack(rows["pre"].to_list()).astype(float)[:, chosen] > 0
    issue = np.repeat(rows["issue"].to_numpy(), len(chosen))

    def rate(own: np.ndarray, of: np.ndarray | None = None) -> stats.Interval:
        kept = np.ones(own.size, bool) if of is None else of.ravel()
        if not kept.any():
            return stats.Interval(np.nan, np.nan, np.nan, 0, 0)
        return stats.cluster_rate(100.0 * own.ravel()[kept], issue[kept], draws=draws)

    return Silence(
        rate(at_words), rate(at_last), rate(reads & ~at_last), rate(~reads, of=at_words)
    )  # fmt: skip


def chosen(table: pd.DataFrame) -> list[int]:
    """Return the features of policy that a table names, chosen on the fit issues."""
    return [int(n) for n in table["policy"].iloc[0]]


def top_feature(table: pd.DataFrame) -> tuple[int, float]:
    """Return the feature that is active on most prompts, and the percent of them."""
    share = _member(table, "active").mean(0)
    return int(share.argmax()), float(100 * share.max())
