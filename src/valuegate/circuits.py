"""Where an answer comes from: layers patched from a twin prompt, heads ranked and ablated.

A twin is a prompt of the same length that differs in a few tokens. Which prompts to take and what
the numbers mean is left to the sections.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float

from valuegate.errors import ValueGateError
from valuegate.hooks import ablating_heads, patching, reading_heads
from valuegate.models import LanguageModel
from valuegate.residual import capture
from valuegate.scoring import METER, NO, YES, answer_ids, log_odds

Head = tuple[int, int]  # block, head


def patched_layers(
    lm: LanguageModel,
    prompt: str,
    twin: str,
    places: Sequence[int] = (-1,),
    source: LanguageModel | None = None,
    layers: Sequence[int] | None = None,
) -> Float[np.ndarray, " layer"]:
    """Return the log-odds of yes when one layer's residual comes from the twin, layer by layer.

    One pass runs the prompt once a layer.

    Args:
        lm: the model.
        prompt: whose answer is read.
        twin: whose residual is put in, at the same positions.
        places: positions, negative from the end.
        source: the model that the twin is run in, `lm` if none; of the same shape.
        layers: which, all from 0 (the embedding) to n_layers if none.
    """
    layers = range(lm.n_layers + 1) if layers is None else layers
    ids = lm.encode(prompt)
    values = capture(source or lm, [twin], layers, places)[0]  # place, layer, d_model
    rows = torch.tensor([ids] * len(layers), device=lm.device)
    METER.tokens += rows.numel()
    with contextlib.ExitStack() as stack, torch.no_grad():
        for place, value in zip(places, values, strict=True):
            at = [place % len(ids)] * len(rows)
            stack.enter_context(patching(lm, list(layers), at, value))
        logits = lm.model(rows, use_cache=False, logits_to_keep=1).logits[:, -1]
    return _log_odds(lm, logits).cpu().numpy()


def differences(lm: LanguageModel, prompt: str, twin: str) -> list[int]:
    """Return the positions at which two prompts of one length differ.

    Raises:
        ValueGateError: they do not align, or are the same.
    """
    ids, others = lm.encode(prompt), lm.encode(twin)
    apart = [i for i, (a, b) in enumerate(zip(ids, others, strict=False)) if a != b]
    if len(ids) != len(others) or not apart:
        raise ValueGateError(f"{lm.name}: twins must have one length and differ: {prompt!r}")
    return apart


def attribution(lm: LanguageModel, prompt: str, twin: str) -> Float[np.ndarray, "block head"]:
    """Return each head's part in the difference of the twin's log-odds from the prompt's.

    To first order: what the head gives in the twin less what it gives in the prompt, times the
    gradient of the prompt's log-odds, summed over positions (Nanda 2023; Syed et al. 2023). One
    forward pass of the twin, one forward and backward pass of the prompt.

    Raises:
        ValueGateError: the two do not align, token by token.
    """
    ids, others = lm.encode(prompt), lm.encode(twin)
    if len(ids) != len(others):
        raise ValueGateError(
            f"{lm.name}: attribution needs twins of one length, got {len(ids)} and {len(others)} "
            f"tokens: {prompt!r}"
        )
    with torch.no_grad(), reading_heads(lm) as given:
        lm.model(torch.tensor([others], device=lm.device), use_cache=False, logits_to_keep=1)
        theirs = {block: value.detach() for block, value in given.items()}
    METER.tokens += len(others)
    embedded = lm.model.get_input_embeddings()(torch.tensor([ids], device=lm.device))
    with torch.enable_grad(), reading_heads(lm) as given:
        embedded = embedded.detach().requires_grad_(True)  # weights have no gradients
        logits = lm.model(inputs_embeds=embedded, use_cache=False, logits_to_keep=1).logits
        blocks = sorted(given)
        mine = [given[block] for block in blocks]
        gradients = torch.autograd.grad(_log_odds(lm, logits[:, -1]).sum(), mine)
    METER.tokens += 3 * len(ids)
    found = np.empty((lm.n_layers, lm.n_heads))
    for block, own, gradient in zip(blocks, mine, gradients, strict=True):
        parts = ((theirs[block] - own.detach()) * gradient)[0].sum(0)
        found[block] = parts.reshape(lm.n_heads, -1).sum(1).double().cpu().numpy()
    return found


def head_means(
    lm: LanguageModel, prompts: Sequence[str]
) -> dict[Head, Float[torch.Tensor, " d_head"]]:
    """Return what every head gives on average, over all positions of some prompts."""
    totals = [torch.zeros(0)] * lm.n_layers
    count = 0
    for prompt in prompts:
        ids = lm.encode(prompt)
        with torch.no_grad(), reading_heads(lm) as given:
            lm.model(torch.tensor([ids], device=lm.device), use_cache=False, logits_to_keep=1)
            for block, value in given.items():
                total = value[0].double().sum(0)
                totals[block] = total if not count else totals[block] + total
        METER.tokens += len(ids)
        count += len(ids)
    means = {block: (total / count).reshape(lm.n_heads, -1) for block, total in enumerate(totals)}
    return {(b, h): mean[h].float() for b, mean in means.items() for h in range(lm.n_heads)}


def ablated(
    lm: LanguageModel,
    prompts: Sequence[str],
    heads: Sequence[Head],
    means: Mapping[Head, Float[torch.Tensor, " d_head"]] | None = None,
) -> Float[np.ndarray, " prompt"]:
    """Return the log-odds of yes of every prompt with some heads put to their means, or to zero."""
    with ablating_heads(lm, heads, means):
        return log_odds(lm, prompts).log_odds


def matched_heads(
    heads: Sequence[Head], n_heads: int, draws: int, seed: int = 0
) -> list[list[Head]]:
    """Return random heads, as many of each block as were chosen there, and none of the chosen.

    Raises:
        ValueGateError: more than half of a block's heads are chosen, so that too few are left.
    """
    rng = np.random.default_rng(seed)
    by_block: dict[int, list[int]] = {}
    for block, head in heads:
        by_block.setdefault(block, []).append(head)
    found = []
    for _ in range(draws):
        drawn: list[Head] = []
        for block, chosen in sorted(by_block.items()):
            rest = [h for h in range(n_heads) if h not in chosen]
            if len(rest) < len(chosen):
                raise ValueGateError(
                    f"block {block}: {len(chosen)} of {n_heads} heads are chosen, and too few are "
                    "left to compare with; choose fewer heads"
                )
            drawn += [(block, int(h)) for h in rng.choice(rest, len(chosen), replace=False)]
        found.append(drawn)
    return found


def _log_odds(
    lm: LanguageModel, logits: Float[torch.Tensor, "row vocabulary"]
) -> Float[torch.Tensor, " row"]:
    logits = logits.double()
    yes, no = answer_ids(lm, YES), answer_ids(lm, NO)
    return logits[:, yes].logsumexp(-1) - logits[:, no].logsumexp(-1)
