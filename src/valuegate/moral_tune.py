"""Section 03's repair of an autoencoder: which latents are moral, and their fine-tuning.

Source: arXiv 2603.15615, sec. 5 and its release. The autoencoder is `sae`'s, of single tokens (the
published one reads means of whole texts); what is fitted here are means over an item's tokens.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

from valuegate import moral_loss
from valuegate.errors import ValueGateError
from valuegate.moral_items import SLOTS
from valuegate.moral_loss import Codes, Pools, Values

if TYPE_CHECKING:
    from sae_lens import TopKSAE

WEAK, STRONG, AHEAD = 0.05, 0.1, 1.5  # |r|: none above; counts; times the runner-up
POSITIVE, PAIRED = 50, 20  # latents a slot that are edited
KINDS = ("weak", "mono", "poly")


def correlations(codes: Codes, values: Values) -> Float[torch.Tensor, "slot latent"]:
    """Return Pearson's r of every latent with every slot; 0 where either never varies."""
    x, y = (own.double() - own.double().mean(0) for own in (codes, values))
    lengths = y.norm(dim=0)[:, None] * x.norm(dim=0)[None, :]
    return torch.where(lengths > 1e-9, (y.T @ x) / lengths.clamp(min=1e-12), 0.0).float()


def typed(r: Float[torch.Tensor, "slot latent"]) -> np.ndarray:
    """Return each latent's kind of `KINDS`: no slot, one (or a virtue and its vice), several."""
    size = r.abs()
    strong = size > STRONG
    top = size.topk(2, dim=0).indices.sort(dim=0).values
    pair = (top[0] % 2 == 0) & (top[1] == top[0] + 1)
    one = (strong.sum(0) == 1) | ((strong.sum(0) == 2) & pair)
    kinds = np.where(one.numpy(), "mono", "poly")
    return np.where((size.amax(0) < WEAK).numpy(), "weak", kinds)


def choose(r: Float[torch.Tensor, "slot latent"]) -> Pools:
    """Return which latents are edited, and the pools that they make.

    Those of one slot (1.5 times the runner-up), the fifty most positive of each slot, and the
    twenty most positive of either pole of each foundation.

    Raises:
        ValueGateError: no latent correlates with any slot.
    """
    size, strict = r.abs(), _strict(r)
    picked = strict.clone()
    for slot in range(len(SLOTS)):
        order = r[slot].argsort(descending=True, stable=True)
        picked[order[:POSITIVE][r[slot][order[:POSITIVE]] > STRONG]] = True
        picked[order[:PAIRED][r[slot][order[:PAIRED]] > 0]] = True
    if not picked.any():
        raise ValueGateError("no latent of the autoencoder correlates with a moral value")
    weights = size * (size > STRONG) * picked
    weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-9)
    return Pools(weights, picked.nonzero()[:, 0], size.argmax(0), strict)


def _strict(r: Float[torch.Tensor, "slot latent"]) -> torch.Tensor:
    """Return which latents are of one slot alone."""
    best, second = r.abs().topk(2, dim=0).values
    return (best > STRONG) & (best > AHEAD * second)


def at_random(r: Float[torch.Tensor, "slot latent"], count: int, seed: int = 0) -> Pools:
    """Return pools of as many latents, drawn without a look at values.

    Their weights are sizes of correlations with the values all the same, or no pool would mean
    anything: what is left out is the choice, not the fit.
    """
    rng = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(r.shape[1], generator=rng)[:count].sort().values
    picked = torch.zeros(r.shape[1], dtype=torch.bool)
    picked[chosen] = True
    weights = r.abs() * picked
    weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-9)
    return Pools(weights, chosen, r.abs().argmax(0), _strict(r) & picked)


@dataclass(frozen=True)
class Recipe:
    """How an autoencoder is fine-tuned; as published, but for batch and length (fewer items).

    Attributes:
        steps: at the most; the paper takes some 20,000.
        batch: items a step.
        learning_rate: peak of the one-cycle schedule.
        every: steps between looks at the validation items; `patience`, looks without gain.
        seed: of batches and pairs.
    """

    steps: int = 1500
    batch: int = 64
    learning_rate: float = 1e-4
    every: int = 25
    patience: int = 10
    seed: int = 0


def tune(
    sae: TopKSAE,
    residual: Float[torch.Tensor, "item d_model"],
    values: Values,
    pools: Pools,
    validation: Float[torch.Tensor, " item"],
    recipe: Recipe | None = None,
) -> tuple[TopKSAE, dict[str, float]]:
    """Return a copy of an autoencoder whose chosen latents were fine-tuned, and its losses.

    Their encoder columns, biases and decoder rows are trained, all else is as it was. Losses are of
    the validation items, `before_` and `after_` every term; `steps`, how many were taken.

    Args:
        sae: the autoencoder.
        residual: means over items' tokens.
        values: ten slots an item.
        pools: from `choose` or `at_random`.
        validation: whether an item is held out of training.
        recipe: how; the published one when None.
    """
    own, how = copy.deepcopy(sae), recipe or Recipe()
    rng = torch.Generator().manual_seed(how.seed)
    held = validation.bool()
    kept = (~held).nonzero()[:, 0]
    if not len(kept) or not held.any():
        raise ValueGateError("fine-tuning needs items to train on and others to validate on")
    trained = {"W_enc": own.W_enc, "b_enc": own.b_enc, "W_dec": own.W_dec}
    masks = {name: torch.zeros_like(value) for name, value in trained.items()}
    masks["W_enc"][:, pools.chosen] = 1
    masks["b_enc"][pools.chosen] = 1
    masks["W_dec"][pools.chosen] = 1
    start = {name: value.detach().clone() for name, value in trained.items()}
    for value in trained.values():
        value.requires_grad_(True)
    optimiser = torch.optim.AdamW(trained.values(), lr=how.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, how.learning_rate, total_steps=how.steps
    )
    weights = _balanced(values[kept])
    checked = residual[held], values[held], _pairs(values[held], rng)
    before = _losses(own, pools, *checked)
    best, waited, taken = moral_loss.whole(before), 0, 0
    state = start
    with torch.enable_grad():
        for step in range(how.steps):
            drawn = kept[torch.multinomial(weights, how.batch, replacement=True, generator=rng)]
            x, h = residual[drawn], values[drawn]
            codes = own.encode(x)
            found = moral_loss.terms(x, own.decode(codes), codes, h, pools, _pairs(h, rng))
            optimiser.zero_grad()
            moral_loss.whole(found).backward()
            for name, value in trained.items():
                if value.grad is not None:
                    value.grad *= masks[name]
            torch.nn.utils.clip_grad_norm_(list(trained.values()), 1.0)
            optimiser.step()
            schedule.step()
            with torch.no_grad():  # weight decay moves what has no gradient, too
                for name, value in trained.items():
                    value.copy_(torch.where(masks[name] > 0, value, start[name]))
            taken = step + 1
            if taken % how.every == 0:
                missed = moral_loss.whole(_losses(own, pools, *checked))
                waited = 0 if missed < best else waited + 1
                if missed < best:
                    best = missed
                    state = {name: value.detach().clone() for name, value in trained.items()}
                if waited >= how.patience:
                    break
    with torch.no_grad():
        for name, value in trained.items():
            value.copy_(state[name])
    after = _losses(own, pools, *checked)
    record = {f"before_{name}": float(value) for name, value in before.items()}
    record |= {f"after_{name}": float(value) for name, value in after.items()}
    return own.eval().requires_grad_(False), record | {"steps": float(taken)}


@torch.no_grad()
def _losses(
    sae: TopKSAE, pools: Pools, x: torch.Tensor, h: torch.Tensor, pairs: torch.Tensor
) -> dict[str, torch.Tensor]:
    codes = sae.encode(x)
    return moral_loss.terms(x, sae.decode(codes), codes, h, pools, pairs)


def _balanced(values: Values) -> Float[torch.Tensor, " item"]:
    """Return how likely each item is drawn: alike for poles and, within, for thirds of grades."""
    virtue, vice = values[:, 0::2].amax(1), values[:, 1::2].amax(1)
    pole = torch.where(virtue > vice, 1, torch.where(vice > 0, 2, 0))
    third = (torch.maximum(virtue, vice) * 3).ceil().clamp(max=3)
    cell = (pole * 4 + third.long()).unique(return_inverse=True)[1]
    return 1.0 / torch.bincount(cell).float()[cell]


def _pairs(values: Values, rng: torch.Generator) -> torch.Tensor:
    """Return a partner for every item, drawn from those that share a slot with it."""
    shares = (values @ values.T > 0).float()
    shares.fill_diagonal_(0)
    rows = (shares.sum(1) > 0).nonzero()[:, 0]
    if not len(rows):
        return torch.zeros(0, 2, dtype=torch.long)
    partners = torch.multinomial(shares[rows], 1, generator=rng)[:, 0]
    return torch.stack([rows, partners], 1)
