"""Steers section 05's requests: directions fitted and added, and what is answered then.

What the numbers mean is in `refusal_curves` and `refusal_said`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from valuegate import directions as probes
from valuegate import hooks, refusal_curves, refusal_geometry, refusal_items
from valuegate.models import LanguageModel
from valuegate.refusal_run import (
    at_depth,
    bank_scores,
    first_tokens,
    fit_requests,
    odds,
    place,
)
from valuegate.residual import capture
from valuegate.scoring import generate, option_log_probs, prompt_rows, readings
from valuegate.steering import Above, adding

BATCH = 20  # prompts that are steered together


@dataclass(frozen=True)
class Fitted:
    """Directions of one layer and position, and the mean length of its residuals.

    `gate`: weights and offset of a probe whose score is above 0 for requests to refuse.
    """

    names: tuple[str, ...]
    directions: Float[np.ndarray, "direction d_model"]
    length: float
    gate: tuple[Float[np.ndarray, " d_model"], float]


@functools.lru_cache(maxsize=4)
def fitted(
    lm: LanguageModel, layer: int, position: str, prompts: int, everyday: int, source: str
) -> Fitted:
    """Return the unit directions that requests are steered along, fitted on requests of fit.

    Every kind's, against everyday requests; "pooled", the mean of them; random ones inside the
    kinds' span ("inside n") and at right angles to it ("outside n").
    """
    fit = fit_requests(lm, prompts, everyday, source)
    names, stream = refusal_items.kinds(source), fit.at(position, layer)
    kinds, plain = refusal_geometry.by_kind(fit.rows, stream, names)
    own = refusal_geometry.directions(kinds, plain, "everyday")
    pooled = refusal_geometry.unit(own.mean(0))
    rng = np.random.default_rng(0)
    inside = refusal_geometry.unit(rng.normal(size=(CONTROLS, len(own))) @ own)
    basis = np.linalg.qr(own.T)[0]
    noise = rng.normal(size=(CONTROLS, own.shape[1]))
    outside = refusal_geometry.unit(noise - noise @ basis @ basis.T)
    every = np.concatenate([own, pooled[None], inside, outside])
    refuse = (fit.rows["role"] == "refuse").to_numpy(float)
    weights, offset = probes.ridge(stream[:, None], refuse)
    length = float(np.linalg.norm(stream, axis=1).mean())
    controls = [f"{stem} {n}" for stem in ("inside", "outside") for n in range(CONTROLS)]
    return Fitted((*names, POOLED, *controls), every, length, (weights[0], float(offset[0])))


POOLED = "pooled"
CONTROLS = 2  # random directions of either sort


def curves(
    lm: LanguageModel,
    rows: pd.DataFrame,
    *,
    depth: float,
    position: str,
    prompts: int,
    everyday: int,
    source: str,
    strengths: str,
    hash: str,
) -> pd.DataFrame:
    """Return refusal scores, and answers, while a direction is added to a layer at every position.

    Columns: those of the items without text; `refusing`, the first-token score without steering
    (nats); `layer`; `gate`, the score of a probe fitted on requests of fit, above 0 for one to
    refuse (input-gated steering, arXiv 2603.13359); `names` of the directions; `strengths`, in mean
    lengths of the layer's residual; `steered`, the score under every direction and strength,
    directions first, flattened.

    Lists for `SAID` first, every kind's direction and `POOLED`: `at`, how strong a direction is
    when it first brings refusal to `refusal_curves.AT` on these rows (nan where it never does);
    of rows to refuse, with the direction so strong: `answers`, greedy, of `MOST_TOKENS` at most
    ("" where there is none), `loss`, of the answer in the model that is not steered (nats a token),
    `scored`, the first-token score. `bank`: the score over the whole bank of openings along
    `POOLED`; nan for rows to answer.

    Args:
        lm: the model.
        rows: all of `refusal_items.curve_items`.
        depth: of the layer where the direction is fitted and added, as a share of the model's.
        position: that it is fitted at.
        prompts: of a kind and role that it is fitted on.
        everyday: requests that it is fitted against.
        source: of the requests, "own" or "public".
        strengths: as "0.1 0.2".
        hash: of the prompts that directions are fitted on, so that no stored table is taken for one
            of other directions.
    """
    del hash
    layer = at_depth(lm, depth)
    along = fitted(lm, layer, position, prompts, everyday, source)
    lengths = [float(part) for part in strengths.split()]
    texts = [lm.chat(text) for text in rows["text"]]
    vectors = torch.tensor(along.length * along.directions, dtype=torch.float32)
    plain, scores = _swept(lm, texts, layer, vectors, lengths)
    stream = capture(lm, texts, [layer], [place(lm, position)])[:, 0, 0].numpy()
    found = rows.drop(columns="text").reset_index(drop=True).assign(
        refusing=plain, layer=layer, gate=stream @ along.gate[0] + along.gate[1],
        names=",".join(along.names), strengths=strengths,
        steered=list(scores.reshape(len(texts), -1).astype("float32")),
    )  # fmt: skip
    refused, _ = refusal_curves.rates(refusal_curves.steered(found))
    at = [0.0]
    for d in range(along.names.index(POOLED) + 1):
        at.append(refusal_curves.strength_at(refused[d], np.array([0.0, *lengths])))
    return _said(lm, found, texts, {layer: vectors}, np.array(at, dtype="float32"))


def _swept(
    lm: LanguageModel,
    texts: Sequence[str],
    layer: int,
    vectors: Float[torch.Tensor, "direction d_model"],
    lengths: Sequence[float],
) -> tuple[Float[np.ndarray, " prompt"], Float[np.ndarray, "prompt direction strength"]]:
    """Return first-token scores without steering, and along vectors so many times as long."""
    order = sorted(range(len(texts)), key=lambda n: (len(lm.encode(texts[n])), n))
    scores, plain = np.empty((len(texts), len(vectors), len(lengths))), np.empty(len(texts))
    no, yes = first_tokens(lm)
    vectors = vectors.to(lm.device)
    for first in range(0, len(order), BATCH):
        batch = order[first : first + BATCH]
        above = Above(lm, [texts[n] for n in batch], layer)
        plain[batch] = odds(above.logits(tokens=[*no, *yes]), len(no))
        for d, vector in enumerate(vectors):
            for s, length in enumerate(lengths):
                steered = above.logits(adding(length * vector), [*no, *yes])
                scores[batch, d, s] = odds(steered, len(no))
    return plain, scores


SAID = "none"  # the first of the answers: without steering
MOST_TOKENS = 24


def _said(
    lm: LanguageModel,
    found: pd.DataFrame,
    texts: Sequence[str],
    vectors: dict[int, torch.Tensor],
    at: Float[np.ndarray, " direction"],
) -> pd.DataFrame:
    """Return the table with what is answered without steering and along directions, and scored.

    Steered are rows to refuse alone.
    """
    ((layer, along),) = vectors.items()
    refuse = [n for n, role in enumerate(found["role"]) if role == "refuse"]
    asked = [texts[n] for n in refuse]
    answers = [[answer] for answer in generate(lm, texts, MOST_TOKENS)]
    scored = np.full((len(texts), len(at)), np.nan)
    scored[:, 0] = found["refusing"]
    bank = np.full(len(texts), np.nan)
    for d, strength in enumerate(at[1:]):
        said = [""] * len(texts)
        if np.isfinite(strength) and refuse:
            with hooks.adding(lm, {layer: float(strength) * along[d]}):
                steered = generate(lm, asked, MOST_TOKENS)
                scored[refuse, d + 1] = first_scores(lm, asked)[0]
                if d + 2 == len(at):  # the pooled direction
                    bank[refuse] = bank_scores(lm, asked)[0]
            for n, answer in zip(refuse, steered, strict=True):
                said[n] = answer
        for own, answer in zip(answers, said, strict=True):
            own.append(answer)
    return found.assign(
        answers=answers, at=[at] * len(found), scored=list(scored.astype("float32")),
        loss=[_losses(lm, text, own) for text, own in zip(texts, answers, strict=True)],
        bank=bank,
    )  # fmt: skip


def _losses(lm: LanguageModel, text: str, answers: Sequence[str]) -> Float[np.ndarray, " answer"]:
    """Return the mean loss of a token of each answer to a prompt, nats; nan for an empty one."""
    found = np.full(len(answers), np.nan, dtype="float32")
    given = [n for n, answer in enumerate(answers) if answer.strip()]
    if given:
        each = option_log_probs(lm, [text], [answers[n] for n in given])[0]
        for n, total in zip(given, each, strict=True):
            found[n] = -total / len(lm.option_ids(answers[n]))
    return found


def first_scores(
    lm: LanguageModel, texts: Sequence[str]
) -> tuple[Float[np.ndarray, " prompt"], Float[torch.Tensor, "prompt vocabulary"]]:
    """Return first-token scores, and the next token's log-probabilities."""
    no, yes = first_tokens(lm)
    log_probs: list[torch.Tensor] = [torch.empty(0)] * len(texts)
    for reading in readings(lm, prompt_rows(lm, texts)):
        assert reading.logits is not None
        log_probs[reading.index] = reading.logits[0].double().log_softmax(-1).cpu()
    whole = torch.stack(log_probs)
    return odds(whole[:, [*no, *yes]], len(no)), whole
