"""The terms by which a sparse autoencoder's features are re-aligned with moral values.

Source: arXiv 2603.15615, sec. 5 and its release; each term is tested on a case worked by hand.
Activations are those of the latents that are edited or of all; values are ten slots an item, as
`moral_items.SLOTS` orders them: a foundation's virtue, then its vice.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int

Codes = Float[torch.Tensor, "item latent"]
Values = Float[torch.Tensor, "item slot"]
Weights = Float[torch.Tensor, "slot latent"]

MARGIN = 0.5  # between the pools of a virtue and its vice
GAP = 0.1  # between items of different grade
POLAR = 0.3  # a grade from which an item counts as polar
FACTORS = {
    "rebuilt": 1.0, "sparse": 1e-4, "align": 0.5, "polarity": 0.3, "prototype": 0.2, "mono": 0.1,
}  # fmt: skip


def pooled(codes: Codes, weights: Weights) -> Values:
    """Return how active each slot's pool of latents is: their weighted sum."""
    return codes @ weights.T


def align(pools: Values, values: Values) -> torch.Tensor:
    """Return the squared miss of a pool's sigmoid from its slot's value, where that is above 0."""
    known = values > 0
    if not known.any():
        return pools.sum() * 0
    return ((pools.sigmoid() - values)[known] ** 2).mean()


def polarity(pools: Values, values: Values) -> torch.Tensor:
    """Return the hinge by which virtues' pools should exceed vices' on virtuous items, and back.

    As released, every polar item counts in all five pairs, whatever its own foundation.
    """
    virtue, vice = pools[:, 0::2], pools[:, 1::2]
    good = (values[:, 0::2].amax(1) > POLAR).to(pools)
    bad = (values[:, 1::2].amax(1) > POLAR).to(pools)
    wanted = torch.relu(MARGIN - (virtue - vice)) * good[:, None]
    wanted = wanted + torch.relu(MARGIN - (vice - virtue)) * bad[:, None]
    count = good.sum() + bad.sum()
    return wanted.mean(1).sum() / count if count else pools.sum() * 0


def prototype(pools: Values, values: Values, pairs: Int[torch.Tensor, "pair two"]) -> torch.Tensor:
    """Return the hinge by which the more typical of two items should be the more active.

    Args:
        pools: of all items.
        values: of all items.
        pairs: items to compare; a slot counts where both items have a value in it.
    """
    one, other = pairs[:, 0], pairs[:, 1]
    both = (values[one] > 0) & (values[other] > 0)
    if not both.any():
        return pools.sum() * 0
    missed = torch.relu(GAP - (values[one] - values[other]) * (pools[one] - pools[other]))
    return missed[both].mean()


def mono(
    codes: Codes,
    values: Values,
    slots: Int[torch.Tensor, " latent"],
    strict: Bool[torch.Tensor, " latent"],
) -> torch.Tensor:
    """Return the mean square of latents of one slot on items whose largest slot is another.

    As released, an item without any value counts as one of the first slot.

    Args:
        codes: of all latents.
        values: of the items.
        slots: the slot of each latent.
        strict: which latents are of one slot.
    """
    elsewhere = values.argmax(1)[:, None] != slots[None, :]
    counted = elsewhere & strict[None, :]
    if not counted.any():
        return codes.sum() * 0
    return (codes[counted] ** 2).mean()


@dataclass(frozen=True)
class Pools:
    """Which latents are edited, and how they are pooled.

    Attributes:
        weights: sizes of correlations, summing to one over a slot's latents.
        chosen: the latents that are edited.
        slots: each latent's slot, where it correlates most; `strict`, whether it has one alone.
    """

    weights: Weights
    chosen: Int[torch.Tensor, " edited"]
    slots: Int[torch.Tensor, " latent"]
    strict: Bool[torch.Tensor, " latent"]


def terms(
    residual: Float[torch.Tensor, "item d_model"],
    rebuilt: Float[torch.Tensor, "item d_model"],
    codes: Codes,
    values: Values,
    pools: Pools,
    pairs: Int[torch.Tensor, "pair two"],
) -> dict[str, torch.Tensor]:
    """Return every term of the loss, before its factor of `FACTORS`."""
    active = pooled(codes, pools.weights)
    return {
        "rebuilt": ((rebuilt - residual) ** 2).mean(), "sparse": codes.abs().mean(),
        "align": align(active, values), "polarity": polarity(active, values),
        "prototype": prototype(active, values, pairs),
        "mono": mono(codes, values, pools.slots, pools.strict),
    }  # fmt: skip


def whole(found: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the weighted sum of the terms."""
    return torch.stack([FACTORS[name] * value for name, value in found.items()]).sum()
