"""The one fast path from prompts to numbers: option log-probabilities, log-odds, generation.

Rows that begin alike share the keys and values of what they share: all rows their common prefix
(a chat template's system turn), groups of rows a longer stem (the same context with two questions,
the same prompt with twelve answer openings). Only the positions that are read get logits. What a
prompt says, and what its scores mean, is left to the instruments.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Generator, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from transformers import DynamicCache

from valuegate.errors import ValueGateError
from valuegate.hooks import Capture, capturing
from valuegate.models import LanguageModel
from valuegate.sharing import Group, Row, batches, common_prefix, group_rows

YES = ("yes", "Yes", "YES", " yes", " Yes")
NO = ("no", "No", "NO", " no", " No")
# Openings of our own; `misfire` never uses them, `veto` and `refusal` validate them on labels.
REFUSALS = ("I'm sorry", "I cannot", "I can't", "I am unable", "I won't", "As an AI")
COMPLIANCES = ("Sure", "Here", "Certainly", "Of course", "To", "The")


@dataclass
class Meter:
    """Counts forward tokens: one is one position through all layers."""

    tokens: float = 0.0


METER = Meter()
_ALONE = ContextVar("alone", default=False)


@contextlib.contextmanager
def unshared() -> Generator[None]:
    """Run every row whole, sharing no prefix: what the audit compares the fast path with."""
    token = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(token)


@contextlib.contextmanager
def shared() -> Generator[None]:
    """Share prefixes again within `unshared`: for what is fitted, not for the row in question."""
    token = _ALONE.set(False)
    try:
        yield
    finally:
        _ALONE.reset(token)


@dataclass(frozen=True)
class Reading:
    """What was read of one row.

    Attributes:
        index: the row's place in the input.
        logits: at each position read; None when only residuals were asked for.
        residual: of each layer asked for, at each position read.
    """

    index: int
    logits: Float[torch.Tensor, "read vocabulary"] | None
    residual: Float[torch.Tensor, "read layer d_model"] | None


def readings(
    lm: LanguageModel,
    rows: Sequence[Row],
    *,
    layers: Sequence[int] = (),
    logits: bool = True,
    share: bool = True,
) -> Iterator[Reading]:
    """Yield what was read of every row; in the order of `rows` only when nothing is shared.

    Args:
        lm: the model.
        rows: what to run.
        layers: residuals to capture; 0 is the embedding, i the output of block i, up to n_layers.
        logits: whether logits are needed; without them the run stops after the last layer asked.
        share: whether rows may share prefixes. Interventions at a position need whole rows.

    Results do not depend on the other rows beyond rounding (1e-4 in log-odds, tested).
    """
    if not rows:
        return
    share = share and not _ALONE.get()
    common = common_prefix(rows) if share else 0
    groups = group_rows(rows, common) if share else [Group(0, (i,)) for i in range(len(rows))]
    cache = None
    if common:
        first = torch.tensor([rows[0].ids[:common]], device=lm.device)
        cache = DynamicCache(config=lm.config)
        with torch.no_grad(), capturing(lm, layers, stop=not logits) as captured:
            METER.tokens += common * captured.depth
            captured.run(lambda: lm.decoder(first, past_key_values=cache, use_cache=True), None)
    for batch in batches(groups, rows, common, stems=_padding_is_exact(lm, rows)):
        # The hooks are gone when the caller gets its readings: it may run the model itself.
        with torch.no_grad(), capturing(lm, layers, stop=not logits) as captured:
            found = list(_run(lm, rows, batch, common, cache, logits, captured))
        yield from found


def _padding_is_exact(lm: LanguageModel, rows: Sequence[Row]) -> bool:
    """Return whether stems of different lengths may share a batch.

    A sliding window counts padding as distance, so long rows of such models are not padded inside.
    """
    window = getattr(lm.config, "sliding_window", None)
    return window is None or 2 * max(len(row.ids) for row in rows) < window


def _run(
    lm: LanguageModel,
    rows: Sequence[Row],
    groups: Sequence[Group],
    common: int,
    prefix: DynamicCache | None,
    logits: bool,
    captured: Capture,
) -> Iterator[Reading]:
    """Run one batch of groups: stems first where there are any, then the leaves on top of them.

    The keys lie as [prefix][padding][stem][leaf][padding]: stems end together, leaves begin
    together. Padding before a stem is masked; padding after a leaf lies in every reader's future.
    """
    members = [i for group in groups for i in group.rows]
    starts = [common + group.stem for group in groups for _ in group.rows]
    width = max(group.stem for group in groups)
    past = torch.ones(len(groups), common + width, dtype=torch.long)
    cache = copy.deepcopy(prefix) if prefix is not None else None  # a run writes into its cache
    if cache is not None:
        cache.batch_repeat_interleave(len(groups))
    if width:
        cache = cache if cache is not None else DynamicCache(config=lm.config)
        ids = torch.zeros(len(groups), width, dtype=torch.long)
        positions = torch.zeros(len(groups), width, dtype=torch.long)
        for r, group in enumerate(groups):
            pad = width - group.stem
            end = common + group.stem
            ids[r, pad:] = torch.tensor(rows[group.rows[0]].ids[common:end])
            positions[r, pad:] = torch.arange(common, end)
            past[r, common : common + pad] = 0
        METER.tokens += ids.numel() * captured.depth
        captured.run(lambda: lm.decoder(**_inputs(lm, ids, past, positions, cache)), None)
        repeats = torch.tensor([len(group.rows) for group in groups])
        chosen = torch.repeat_interleave(torch.arange(len(groups)), repeats)
        cache.batch_select_indices(chosen.to(lm.device))
        past = past[chosen]
    elif cache is None:
        past = torch.ones(len(groups), 0, dtype=torch.long)
    length = max(len(rows[i].ids) - start for i, start in zip(members, starts, strict=True))
    ids = torch.zeros(len(members), length, dtype=torch.long)
    mask = torch.cat([past, torch.ones(len(members), length, dtype=torch.long)], dim=1)
    for r, (i, start) in enumerate(zip(members, starts, strict=True)):
        leaf = rows[i].ids[start:]
        ids[r, : len(leaf)] = torch.tensor(leaf)
        mask[r, past.shape[1] + len(leaf) :] = 0
    positions = torch.tensor(starts).unsqueeze(1) + torch.arange(length)
    read = [[p - start for p in rows[i].reads] for i, start in zip(members, starts, strict=True)]
    keep = sorted({p for places in read for p in places})
    inputs = _inputs(lm, ids, mask, positions, cache)
    METER.tokens += ids.numel() * captured.depth
    if logits:
        kept = torch.tensor(keep, device=lm.device)
        out = captured.run(lambda: lm.model(**inputs, logits_to_keep=kept), keep).logits
    else:
        captured.run(lambda: lm.decoder(**inputs), keep)
        out = None
    residual = captured.stacked() if captured.layers else None
    for r, i in enumerate(members):
        at = [keep.index(p) for p in read[r]]
        yield Reading(
            i,
            None if out is None else out[r, at].float(),
            None if residual is None else residual[r, at].float(),
        )


def _inputs(
    lm: LanguageModel,
    ids: torch.Tensor,
    mask: torch.Tensor,
    positions: torch.Tensor,
    cache: DynamicCache | None,
) -> dict[str, torch.Tensor | DynamicCache | bool | None]:
    return {
        "input_ids": ids.to(lm.device),
        # An absent mask lets attention take its fast causal path.
        "attention_mask": None if bool(mask.all()) else mask.to(lm.device),
        "position_ids": positions.to(lm.device),
        "past_key_values": cache,
        "use_cache": cache is not None,
    }


def prompt_rows(lm: LanguageModel, texts: Sequence[str]) -> list[Row]:
    """Return a row for each prompt, read at its last token."""
    encoded = [tuple(lm.encode(text)) for text in texts]
    return [Row(ids, (len(ids) - 1,)) for ids in encoded]


@dataclass(frozen=True)
class LogOdds:
    """Log-odds of one set of single-token answers against another, one value a prompt.

    Attributes:
        log_odds: logsumexp of the positive tokens' logits minus that of the negative ones', nats.
        mass: probability of all these tokens together; small means the question was not answered.
        residual: the last token's residual at the layers asked for, else None.
    """

    log_odds: Float[np.ndarray, " prompt"]
    mass: Float[np.ndarray, " prompt"]
    residual: Float[torch.Tensor, "prompt layer d_model"] | None


def answer_ids(lm: LanguageModel, variants: Sequence[str]) -> list[int]:
    """Return the ids of those spellings of an answer that are one token for this model."""
    encoded = [lm.option_ids(variant) for variant in variants]
    found = sorted({ids[0] for ids in encoded if len(ids) == 1})
    if not found:
        raise ValueGateError(
            f"{lm.name}: no spelling of {variants[0]!r} is a single token (tried "
            f"{', '.join(map(repr, variants))}); score it with option_log_probs"
        )
    return found


def log_odds(
    lm: LanguageModel,
    texts: Sequence[str],
    *,
    positive: Sequence[str] = YES,
    negative: Sequence[str] = NO,
    layers: Sequence[int] = (),
) -> LogOdds:
    """Return the log-odds of answering yes (or any `positive`) at the end of each prompt.

    The two sets of spellings follow arXiv 2606.18656, sec. 6 of its release, summed rather than
    maximised, so that the result is a log-odds.
    """
    yes, no = answer_ids(lm, positive), answer_ids(lm, negative)
    values = np.empty(len(texts))
    mass = np.empty(len(texts))
    residual = None
    for reading in readings(lm, prompt_rows(lm, texts), layers=layers):
        assert reading.logits is not None
        logits = reading.logits[0].double()
        values[reading.index] = float(logits[yes].logsumexp(0) - logits[no].logsumexp(0))
        both = logits[yes + no].logsumexp(0) - logits.logsumexp(0)
        mass[reading.index] = float(both.exp())
        if reading.residual is not None:
            if residual is None:
                residual = torch.empty(len(texts), *reading.residual[0].shape)
            residual[reading.index] = reading.residual[0].cpu()
    return LogOdds(values, mass, residual)


def option_log_probs(
    lm: LanguageModel, texts: Sequence[str], options: Sequence[str]
) -> Float[np.ndarray, "prompt option"]:
    """Return log P(option | prompt), summed over the option's tokens, in nats.

    `np.exp(...).sum(1)` is the raw mass that the options hold together.
    """
    spelled = [tuple(lm.option_ids(option)) for option in options]
    for option, ids in zip(options, spelled, strict=True):
        if not ids:
            raise ValueGateError(f"{lm.name}: option {option!r} has no tokens")
    prompts = [tuple(lm.encode(text)) for text in texts]
    rows: list[Row] = []
    wanted: list[list[tuple[int, int]]] = []  # for each row, the (prompt, option)s it answers
    for p, prompt in enumerate(prompts):
        singles = [(p, o) for o, ids in enumerate(spelled) if len(ids) == 1]
        if singles:
            rows.append(Row(prompt, (len(prompt) - 1,)))
            wanted.append(singles)
        for o, ids in enumerate(spelled):
            if len(ids) > 1:
                reads = range(len(prompt) - 1, len(prompt) + len(ids) - 1)
                rows.append(Row(prompt + ids[:-1], tuple(reads)))
                wanted.append([(p, o)])
    found = np.empty((len(texts), len(options)))
    for reading in readings(lm, rows):
        assert reading.logits is not None
        log_probs = reading.logits.double().log_softmax(-1)
        for p, o in wanted[reading.index]:
            steps = range(len(spelled[o]))
            found[p, o] = sum(float(log_probs[step, spelled[o][step]]) for step in steps)
    return found


def expected_value(
    log_probs: Float[np.ndarray, "prompt option"], values: Sequence[float]
) -> Float[np.ndarray, " prompt"]:
    """Return the mean of `values` under the options' probabilities, renormalised to sum to one."""
    weights = np.exp(log_probs - log_probs.max(1, keepdims=True))
    return weights @ np.asarray(values, float) / weights.sum(1)


def refusal_log_odds(
    lm: LanguageModel,
    texts: Sequence[str],
    *,
    refusals: Sequence[str] = REFUSALS,
    compliances: Sequence[str] = COMPLIANCES,
) -> Float[np.ndarray, " prompt"]:
    """Return how much likelier a refusal opening is than a compliance opening, in nats a token.

    logsumexp over each bank of the log-probability per token of its openings.
    """
    bank = [*refusals, *compliances]
    lengths = np.array([len(lm.option_ids(opening)) for opening in bank])
    scores = option_log_probs(lm, texts, bank) / lengths
    cut = len(refusals)
    return np.logaddexp.reduce(scores[:, :cut], 1) - np.logaddexp.reduce(scores[:, cut:], 1)


def generate(lm: LanguageModel, texts: Sequence[str], max_new_tokens: int) -> list[str]:
    """Return the greedy continuation of each prompt, special tokens left out."""
    encoded = [lm.encode(text) for text in texts]
    order = sorted(range(len(texts)), key=lambda i: (len(encoded[i]), i))
    pad = lm.tokenizer.pad_token_id
    pad = lm.tokenizer.eos_token_id if pad is None else pad
    found = [""] * len(texts)
    for first in range(0, len(order), 16):
        batch = order[first : first + 16]
        width = max(len(encoded[i]) for i in batch)
        padded = [[pad or 0] * (width - len(encoded[i])) + encoded[i] for i in batch]
        mask = [[0] * (width - len(encoded[i])) + [1] * len(encoded[i]) for i in batch]
        with torch.no_grad():
            out = lm.model.generate(
                input_ids=torch.tensor(padded, device=lm.device),
                attention_mask=torch.tensor(mask, device=lm.device),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                pad_token_id=pad,
            )
        for i, row in zip(batch, out[:, width:].tolist(), strict=True):
            found[i] = lm.tokenizer.decode(row, skip_special_tokens=True)
    return found
