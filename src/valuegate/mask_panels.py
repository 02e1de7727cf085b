"""Section 04's comparisons of two models, each in a template: an axis beside other directions.

Pure functions of the tables of `mask_run`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from valuegate import mask_compression, mask_features, mask_told, stats
from valuegate.mask_compression import Null


@dataclass(frozen=True)
class Panel:
    """Compression between two models, each in a template.

    Attributes:
        name: which templates, in words.
        published: percent by which the spread along an axis falls, by whose axis it is.
        beside: `mask_compression.compression` of these axes, against the prompts' whole spread.
        null: the same of other directions, and of axes of tastes.
        random: percent by which directions drawn as residuals spread fall, as published.
    """

    name: str
    published: dict[str, stats.Interval]
    beside: dict[str, stats.Interval]
    null: Null
    tastes: Float[np.ndarray, " direction"]
    random: Float[np.ndarray, " direction"]

    def beyond(self, whose: str) -> tuple[float, float]:
        """Return how far an axis lies below directions drawn as residuals spread, and p."""
        return mask_compression.beyond(self.beside[whose].estimate, self.null.covariance)


def panel(
    name: str,
    before: tuple[pd.DataFrame, pd.DataFrame, str],
    after: tuple[pd.DataFrame, pd.DataFrame, str],
    *,
    draws: int,
    directions: int,
) -> Panel:
    """Return how much less prompts spread along the axis of left and right after than before.

    Args:
        name: of the panel.
        before: a model's tables "statements" and "prompts", and the template of its prompts.
        after: another's.
        draws: of the bootstrap over issues.
        directions: of either random sort.
    """
    streams, axes, tastes = [], [], []
    for statements, prompts, template in (before, after):
        rows = prompts[prompts["template"] == template]
        streams.append(np.stack(rows["residual"].to_list()).astype(float))
        axes.append(mask_told.axis(statements, "left_right"))
        tastes.append(taste_axes(statements))
    rows = before[1][before[1]["template"] == before[2]]
    units = list(mask_features.units(rows))
    chosen = {"own": (axes[0], axes[1])}
    if before[0] is not after[0]:
        chosen |= {"before": (axes[0], axes[0]), "after": (axes[1], axes[1])}
    published = {
        who: mask_compression.published(streams[0], streams[1], two, units, draws=draws)
        for who, two in chosen.items()
    }
    beside = {
        who: mask_compression.compression(streams[0], streams[1], two, units, draws=draws)
        for who, two in chosen.items()
    }
    found = mask_compression.null(streams[0], streams[1], draws=directions)
    own = mask_compression.log_ratios(streams[0], streams[1], (tastes[0], tastes[1]))
    shrunk = mask_compression.whole_ratio(streams[0], streams[1])
    return Panel(name, published, beside, found, own, 100 * (1 - np.exp(found.covariance + shrunk)))


def taste_axes(table: pd.DataFrame) -> Float[np.ndarray, "issue d_model"]:
    """Return an axis for every taste that has two sides and no politics: matched, but no value."""
    rows = table[table["set"] == "control"].reset_index(drop=True)
    found = []
    for _, part in rows.groupby("issue", sort=True):
        stream = np.stack(part["residual"].to_list()).astype(float)
        labels = part["label"].to_numpy(float)
        found.append(stream[labels == 1].mean(0) - stream[labels == 0].mean(0))
    return np.stack(found)


def planted(
    panel_before: tuple[pd.DataFrame, pd.DataFrame, str],
    panel_after: tuple[pd.DataFrame, pd.DataFrame, str],
    share: float,
    *,
    draws: int,
) -> stats.Interval:
    """Return what `mask_compression.compression` finds where the axis is compressed for certain.

    Both models' own axes, with the prompts' places along the second's drawn together about their
    mean by a share: whether the test could have found what was published.

    Args:
        panel_before: a model's tables "statements" and "prompts", and the template of its prompts.
        panel_after: another's.
        share: of the places that is taken away.
        draws: of the bootstrap over issues.
    """
    streams, axes = [], []
    for statements, prompts, template in (panel_before, panel_after):
        rows = prompts[prompts["template"] == template]
        streams.append(np.stack(rows["residual"].to_list()).astype(float))
        axes.append(mask_told.axis(statements, "left_right"))
    centred = streams[1] - streams[1].mean(0)
    streams[1] = streams[1] - share * np.outer(centred @ axes[1], axes[1])
    units = list(mask_features.units(rows))
    return mask_compression.compression(
        streams[0], streams[1], (axes[0], axes[1]), units, draws=draws
    )


def gate_change(
    before: tuple[pd.DataFrame, pd.DataFrame],
    after: tuple[pd.DataFrame, pd.DataFrame],
    gates: Mapping[str, bool],
    *,
    draws: int,
) -> stats.Interval:
    """Return `mask_compression.gate_change` of the policy prompts, both models in the template.

    Args:
        before: a model's tables "statements" and "prompts".
        after: another's.
        gates: issue to whether the ledger gates it.
        draws: of the bootstrap.
    """
    kept = (before[1]["template"] == "chat") & (before[1]["topic"] == "policy")
    rows = before[1][kept]
    streams = [np.stack(p[kept]["residual"].to_list()).astype(float) for _, p in (before, after)]
    axes = [mask_told.axis(s, "left_right") for s, _ in (before, after)]
    return mask_compression.gate_change(
        streams[0], streams[1], (axes[0], axes[1]), list(rows["issue"]),
        rows["issue"].map(gates).to_numpy(bool), draws=draws,
    )  # fmt: skip
