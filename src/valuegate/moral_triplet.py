"""An option of section 03: representations themselves are trained to follow moral values.

Bradley-Terry triplets on the residual stream, with a replay term that holds the model's answers
where they were. Source: arXiv 2609.04022, as its public summaries give it; outside the default.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from valuegate import hooks, moral_items, moral_repair_items
from valuegate.errors import ValueGateError
from valuegate.models import LanguageModel
from valuegate.refusal_run import at_depth
from valuegate.scoring import METER, shared

MARGIN, SOFTNESS, APART = 0.05, 0.1, 0.2
REPLAY = ("What is the capital of France?", "Name three fruits.", "How do I boil an egg?",
          "Write a line about the sea.")  # fmt: skip


def triplets(
    values: Float[np.ndarray, "item slot"], foundations: Sequence[str], *, count: int, seed: int = 0
) -> Int[np.ndarray, "triplet three"]:
    """Return triplets (i, j, k) of a foundation in which i is closer to j than to k in value.

    Closer by `APART` or more; distances are Euclidean, over ten slots.

    Args:
        values: ten slots an item.
        foundations: of every item.
        count: how many are drawn.
        seed: of the draw.

    Raises:
        ValueGateError: no three items of a foundation differ so.
    """
    names, rng = np.asarray(foundations), np.random.default_rng(seed)
    apart = np.linalg.norm(values[:, None] - values[None, :], axis=2)
    found: list[tuple[int, int, int]] = []
    for _ in range(50 * count):
        i = int(rng.integers(len(names)))
        others = np.flatnonzero((names == names[i]) & (np.arange(len(names)) != i))
        if len(others) < 2:
            continue
        j, k = rng.choice(others, 2, replace=False)
        if apart[i, k] - apart[i, j] >= APART:
            found.append((i, int(j), int(k)))
        elif apart[i, j] - apart[i, k] >= APART:
            found.append((i, int(k), int(j)))
        if len(found) == count:
            break
    if not found:
        raise ValueGateError("no three items of a foundation differ enough in value")
    return np.array(found)


def triplet_loss(
    residual: Float[torch.Tensor, "item d_model"], chosen: Int[torch.Tensor, "triplet three"]
) -> torch.Tensor:
    """Return the mean of -log sigmoid((s(i, j) - s(i, k) - margin) / softness); s is a cosine."""
    unit = torch.nn.functional.normalize(residual - residual.mean(0), dim=1)
    i, j, k = (unit[chosen[:, n]] for n in range(3))
    ahead = (i * j).sum(1) - (i * k).sum(1) - MARGIN
    return -torch.nn.functional.logsigmoid(ahead / SOFTNESS).mean()


@dataclass(frozen=True)
class Recipe:
    """How blocks are trained: steps of so many triplets, Adam's rate, and the replay's weight."""

    steps: int = 200
    batch: int = 16
    learning_rate: float = 1e-5
    replay: float = 1.0
    seed: int = 0


def train(
    lm: LanguageModel,
    texts: Sequence[str],
    chosen: Int[np.ndarray, "triplet three"],
    layers: Sequence[int],
    recipe: Recipe,
) -> LanguageModel:
    """Return a copy of a model whose blocks below the highest of these layers were trained.

    Args:
        lm: the model; it is left as it is.
        texts: items, as they are read.
        chosen: triplets of them.
        layers: whose last-token residual the triplets are of; each weighs alike.
        recipe: how.
    """
    own = LanguageModel(f"{lm.name} (triplets)", copy.deepcopy(lm.model), lm.tokenizer,
                        lm.chat_template)  # fmt: skip
    weights = [p for block in own.blocks[: max(layers)] for p in block.parameters()]
    for weight in weights:
        weight.requires_grad_(True)
    optimiser = torch.optim.Adam(weights, lr=recipe.learning_rate)
    rng = np.random.default_rng(recipe.seed)
    prompts = [lm.encode(lm.chat(text)) for text in REPLAY]
    with torch.no_grad():
        before = [lm.model(torch.tensor([ids], device=lm.device)).logits.log_softmax(-1)
                  for ids in prompts]  # fmt: skip
    for step in range(recipe.steps):
        batch = chosen[rng.choice(len(chosen), min(recipe.batch, len(chosen)), replace=False)]
        members, places = np.unique(batch, return_inverse=True)
        with torch.enable_grad():
            stream = _last(own, [texts[m] for m in members], layers)
            index = torch.tensor(places.reshape(batch.shape), device=lm.device)
            losses = [triplet_loss(stream[:, n], index) for n in range(len(layers))]
            loss = torch.stack(losses).mean()
            ids, plain = prompts[step % len(prompts)], before[step % len(prompts)]
            now = own.model(torch.tensor([ids], device=lm.device)).logits.log_softmax(-1)
            loss = loss + recipe.replay * (plain.exp() * (plain - now)).sum(-1).mean()
            optimiser.zero_grad()
            loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        METER.tokens += 3 * (len(ids) + sum(len(lm.encode(texts[m])) for m in members))
    for weight in weights:
        weight.requires_grad_(False)
    return own


def _last(
    lm: LanguageModel, texts: Sequence[str], layers: Sequence[int]
) -> Float[torch.Tensor, "text layer d_model"]:
    """Return last-token residuals with their gradients; rows are padded on the right."""
    encoded = [lm.encode(text) for text in texts]
    width = max(map(len, encoded))
    ids = torch.zeros(len(encoded), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for n, own in enumerate(encoded):
        ids[n, : len(own)] = torch.tensor(own)
        mask[n, : len(own)] = 1
    seen: dict[int, torch.Tensor] = {}  # `hooks.capturing` would cut gradients
    changes = {layer: (lambda x, n=layer: seen.update({n: x})) for layer in layers}
    with hooks._hooked(lm, changes):
        lm.decoder(ids.to(lm.device), attention_mask=mask.to(lm.device))
    stream = torch.stack([seen[layer] for layer in layers], dim=2)
    ends = torch.tensor([len(own) - 1 for own in encoded], device=stream.device)
    return stream[torch.arange(len(encoded), device=stream.device), ends]


def trained(
    lm: LanguageModel, rows: pd.DataFrame, *, every: int, steps: int, depth: float
) -> pd.DataFrame:
    """Return test items' last-token residuals before training, after, and after shuffled values.

    Columns: those of the items without text; `before`, `after`, `shuffled` (float16); `plain`, the
    length of the first.

    Args:
        lm: the model.
        rows: from `moral_repair_items.tried`.
        every: of our actions, one topic in so many.
        steps: of the training.
        depth: of the layer that triplets are of.
    """
    fit, layer = moral_repair_items.fitted(0, every), at_depth(lm, depth)
    texts, values = moral_items.stems(fit), moral_items.vectors(fit)
    other = np.random.default_rng(0).permutation(len(values))
    asked, found = moral_items.stems(rows), {}
    with shared():
        for name, own in (("before", None), ("after", values), ("shuffled", values[other])):
            model = lm
            if own is not None:
                chosen = triplets(own, list(fit["foundation"]), count=20 * steps)
                model = train(lm, texts, chosen, [layer], Recipe(steps=steps))
            with torch.no_grad():
                found[name] = torch.cat(
                    [_last(model, [text], [layer])[:, 0].cpu() for text in asked]
                ).numpy()
    return rows.drop(columns="text").reset_index(drop=True).assign(
        **{name: list(own.astype("float16")) for name, own in found.items()},
        plain=np.linalg.norm(found["before"], axis=1),
    )  # fmt: skip
