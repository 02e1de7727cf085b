"""Section 03's centres: how near items lie to their own pole's typical ones, and to the other's.

Pure functions of centred residuals at one place. What is stored of each item (its products with
two centres) is enough for cosines of centres, with intervals. Source: arXiv 2603.15615, sec. 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from valuegate.moral_items import SLOTS

Residual = Float[np.ndarray, "item d_model"]


@dataclass(frozen=True)
class Places:
    """Where items lie beside centres of typical items; nan where a centre has no item.

    Attributes:
        own: product with the centre of the item's own pole, whose part a typical item is.
        other: product with the centre of the opposite pole.
        square: the item's squared length.
        own_away: `own` of the centre's items of other clusters alone; `other_away`, of `other`.
        near: cosine with the centre of the own pole, of items of other clusters alone.
        far: the same of the opposite pole. A neutral item's own pole is virtue.
        slots: products with the centres of all ten slots, as `SLOTS`.
    """

    own: Float[np.ndarray, " item"]
    other: Float[np.ndarray, " item"]
    square: Float[np.ndarray, " item"]
    own_away: Float[np.ndarray, " item"]
    other_away: Float[np.ndarray, " item"]
    near: Float[np.ndarray, " item"]
    far: Float[np.ndarray, " item"]
    slots: Float[np.ndarray, "item slot"]


def places(
    residual: Residual,
    foundations: np.ndarray,
    poles: np.ndarray,
    typical: np.ndarray,
    clusters: np.ndarray,
) -> Places:
    """Return where items lie beside the centres of their foundation's typical items.

    Residuals are centred on the mean of all items and scaled to a mean squared length of one.

    Args:
        residual: of all items.
        foundations: of every item; "" is one of its own.
        poles: "virtue", "vice" or "neutral".
        typical: whether an item is typical of its pole.
        clusters: of every item; near-copies share one.
    """
    own = residual.astype(float) - residual.mean(0)
    own /= max(float(np.sqrt((own**2).sum(1).mean())), 1e-12)
    numbers = np.unique(clusters, return_inverse=True)[1]
    sums = np.zeros((numbers.max() + 1, own.shape[1]))
    kinds = ("own", "other", "own_away", "other_away", "near", "far")
    found = {name: np.full(len(own), np.nan) for name in kinds}
    centres = np.full((len(SLOTS), own.shape[1]), np.nan)
    for foundation in dict.fromkeys(foundations.tolist()):
        members = np.flatnonzero(foundations == foundation)
        for pole in ("virtue", "vice"):
            chosen = members[(poles[members] == pole) & typical[members]]
            if not len(chosen):
                continue
            whole = own[chosen].sum(0)
            if (foundation, pole) in SLOTS:
                centres[SLOTS.index((foundation, pole))] = whole / len(chosen)
            # A cluster's own share of the centre is taken away for its items.
            sums[:] = 0
            np.add.at(sums, numbers[chosen], own[chosen])
            count = np.bincount(numbers[chosen], minlength=len(sums))
            rest = len(chosen) - count[numbers[members]]
            without = (whole - sums[numbers[members]]) / np.maximum(rest, 1)[:, None]
            away = (own[members] * without).sum(1)
            away[rest == 0] = np.nan
            cosine = away / np.maximum(
                np.linalg.norm(own[members], axis=1) * np.linalg.norm(without, axis=1), 1e-12
            )
            product = own[members] @ (whole / len(chosen))
            mine = np.where(poles[members] == "neutral", pole == "virtue", poles[members] == pole)
            for name, values in (("own", product), ("own_away", away), ("near", cosine)):
                found[name][members[mine]] = values[mine]
            for name, values in (("other", product), ("other_away", away), ("far", cosine)):
                found[name][members[~mine]] = values[~mine]
    return Places(square=(own**2).sum(1), slots=own @ centres.T, **found)
