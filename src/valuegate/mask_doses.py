"""Section 04's causal numbers: how far a push moves what is said, and what a cue moves.

Pure functions of the tables of `mask_steer`. A push is measured by what it does to the next token
at large (the root of its KL), so that models whose residuals are longer are not pushed less.
Sources of the claims: arXiv 2606.09735, secs. 5 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from valuegate import stats


@dataclass(frozen=True)
class Pushed:
    """What pushes did, a row an item.

    Attributes:
        names: of the directions.
        strengths: either way, ascending, in mean lengths of the residual.
        change: of the log-odds, less without a push (nats).
        kl: of the next token (nats).
    """

    names: tuple[str, ...]
    strengths: tuple[float, ...]
    change: Float[np.ndarray, "item direction strength"]
    kl: Float[np.ndarray, "item direction strength"]


def pushed(table: pd.DataFrame, moved: str, still: str) -> Pushed:
    """Return what pushes did, from a table of `mask_steer.doses` or `parties`.

    Args:
        table: its rows.
        moved: column of the log-odds with a push ("stances" or "moved").
        still: column of those without ("stance" or "log_odds").
    """
    names = tuple(table["names"].iloc[0].split(";"))
    strengths = tuple(float(s) for s in table["strengths"].iloc[0].split())
    shape = (len(table), len(names), len(strengths))
    change = (
        np.stack(table[moved].to_list()).reshape(shape)
        - table[still].to_numpy(float)[:, None, None]
    )
    return Pushed(names, strengths, change, np.stack(table["kl"].to_list()).reshape(shape))


def slopes(found: Pushed) -> Float[np.ndarray, "item direction"]:
    """Return how far log-odds go with a push, in nats by the root of its KL, through no push.

    For small pushes both grow with the strength, so that the slope does not depend on it.
    """
    dose = np.sign(found.strengths) * np.sqrt(np.clip(found.kl, 0, None))
    return (dose * found.change).sum(2) / (dose**2).sum(2)


def along(
    found: Pushed, which: str, signs: Float[np.ndarray, " item"] | None = None
) -> Float[np.ndarray, "item direction"]:
    """Return the slopes of the directions of a stem, times a sign an item."""
    own = [n for n, name in enumerate(found.names) if stem(name) == which]
    signed = np.ones(len(found.change)) if signs is None else signs
    return slopes(found)[:, own] * signed[:, None]


def stem(name: str) -> str:
    """Return a direction's name without its number: "random" of "random 3"."""
    return name.rstrip("0123456789").strip()


def mean_slope(values: Float[np.ndarray, "item direction"], issues: pd.Series) -> stats.Interval:
    """Return the mean slope, with Student's interval over issues."""
    return stats.student_mean(pd.Series(values.mean(1)).groupby(issues.to_numpy()).mean())


def random_range(values: Float[np.ndarray, "item direction"]) -> tuple[float, float]:
    """Return how far mean slopes of random directions go, either way: their sign is arbitrary."""
    most = float(np.abs(values.mean(0)).max())
    return -most, most


def interaction(
    one: Float[np.ndarray, "item direction"],
    other: Float[np.ndarray, "item direction"],
    issues: pd.Series,
) -> stats.Interval:
    """Return how much steeper the first is than the other, paired by issue (stage by dose).

    Student's interval over issues.
    """
    return mean_slope(one - other, issues)


@dataclass(frozen=True)
class Cue:
    """What telling a side moves, right less left.

    Attributes:
        total: of the stance (nats).
        place: along the axis, at the prompt's last token.
        indirect: of the total, what goes when the axis is projected out (nats).
        share: the indirect over the total; nan where the total's interval holds 0.
        random: the indirect of random directions, a number each.
        p: of the indirect among these.
    """

    total: stats.Interval
    place: stats.Interval
    indirect: stats.Interval
    share: stats.Interval
    random: Float[np.ndarray, " direction"]
    p: float


def cue(table: pd.DataFrame, *, draws: int) -> Cue:
    """Return what a cue of the user's side moves, and how much of it goes through the axis.

    Args:
        table: from `mask_steer.cues`.
        draws: of the bootstrap over issues.
    """
    keys = ["issue", "pair"]
    random = np.stack(table["random"].to_list())
    rows = table.assign(**{f"random_{n}": own for n, own in enumerate(random.T)})
    names = ["stance", "place", "without", *(f"random_{n}" for n in range(random.shape[1]))]
    sides = {side: own.set_index(keys)[names] for side, own in rows.groupby("side")}
    gap = (sides["right"] - sides["left"]).reset_index()
    gap["indirect"] = gap["stance"] - gap["without"]

    def mean(column: str) -> stats.Interval:
        return stats.cluster_mean(gap[column], gap["issue"], draws=draws)

    def share(found: pd.DataFrame, weights: np.ndarray) -> float:
        return stats.weighted_ratio(found["indirect"], found["stance"], weights)

    total, indirect = mean("stance"), mean("indirect")
    mediated = stats.cluster_bootstrap(share, gap, "issue", draws=draws)
    if not (total.low > 0 or total.high < 0):
        mediated = stats.Interval(np.nan, np.nan, np.nan, mediated.n, mediated.clusters)
    null = np.array([(gap["stance"] - gap[name]).mean() for name in names[3:]])
    p = stats.permutation_p(indirect.estimate, null)
    return Cue(total, mean("place"), indirect, mediated, null, p)
