"""Reads the residual stream: activations of chosen layers and positions, and the logit lens.

What changes the stream while a model runs is in `hooks`; what a direction means, in `directions`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float

from valuegate.errors import ValueGateError
from valuegate.models import LanguageModel
from valuegate.scoring import readings
from valuegate.sharing import Row


def capture(
    lm: LanguageModel,
    texts: Sequence[str],
    layers: Sequence[int],
    positions: Sequence[int] | Callable[[list[int]], Sequence[int]] = (-1,),
) -> Float[torch.Tensor, "prompt position layer d_model"]:
    """Return the residual of every prompt at the same number of positions; stops early.

    Args:
        lm: the model.
        texts: prompts, as `LanguageModel.chat` returns them.
        layers: 0 is the embedding, i the output of block i (before the final norm).
        positions: token positions, negative from the end, or a function from a prompt's token
            ids to its positions (a group's token, say).
    """
    rows = []
    for text in texts:
        ids = lm.encode(text)
        chosen = positions if isinstance(positions, Sequence) else positions(ids)
        for position in chosen:
            if not -len(ids) <= position < len(ids):
                raise ValueGateError(
                    f"{lm.name}: no position {position} in a prompt of {len(ids)} tokens: {text!r}"
                )
        rows.append(Row(tuple(ids), tuple(p % len(ids) for p in chosen)))
    found: list[torch.Tensor] = [torch.empty(0)] * len(rows)
    for reading in readings(lm, rows, layers=layers, logits=False):
        assert reading.residual is not None
        found[reading.index] = reading.residual.cpu()
    return torch.stack(found)


def logit_lens(
    lm: LanguageModel,
    residual: Float[torch.Tensor, "*batch d_model"],
    tokens: Sequence[int] | None = None,
) -> Float[torch.Tensor, "*batch token"]:
    """Return the logits that a residual would give if the model ended there.

    Final norm, then unembedding; at the last layer these are the model's own logits (tested).

    Args:
        lm: the model.
        residual: of any layer, d_model last.
        tokens: ids of the tokens wanted; all when None.
    """
    with torch.no_grad():
        weight, bias = lm.unembedding.weight, getattr(lm.unembedding, "bias", None)
        if tokens is not None:
            weight = weight[list(tokens)]
            bias = None if bias is None else bias[list(tokens)]
        normed = lm.final_norm(residual.to(weight))
        logits = torch.nn.functional.linear(normed, weight, bias).float()
        if cap := getattr(lm.config, "final_logit_softcapping", None):
            logits = cap * torch.tanh(logits / cap)
        return logits


def lens_log_odds(
    lm: LanguageModel,
    residual: Float[torch.Tensor, "*batch d_model"],
    positive: Sequence[int],
    negative: Sequence[int],
) -> Float[torch.Tensor, "*batch"]:
    """Return the log-odds of one set of tokens against another through the logit lens, in nats."""
    logits = logit_lens(lm, residual, [*positive, *negative]).double()
    cut = len(positive)
    return logits[..., :cut].logsumexp(-1) - logits[..., cut:].logsumexp(-1)
