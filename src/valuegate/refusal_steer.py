"""Steers section 05's requests: directions fitted, added, taken out, and what is answered then.

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
from valuegate.refusal_items import POSITIONS
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
from valuegate.steering import Above, Change, adding, projecting

BATCH = 20  # prompts that are steered together
SELECT = 16  # of either role that layer and position are chosen on, at most


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
    `scored`, the first-token score. `bank`: the score over the whole bank of openings, without
    steering and along `POOLED`; nan for rows to answer.

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
    banks = np.full((len(texts), 2), np.nan)
    banks[refuse, 0] = bank_scores(lm, asked)[0] if refuse else []
    for d, strength in enumerate(at[1:]):
        said = [""] * len(texts)
        if np.isfinite(strength) and refuse:
            with hooks.adding(lm, {layer: float(strength) * along[d]}):
                steered = generate(lm, asked, MOST_TOKENS)
                scored[refuse, d + 1] = _scored(lm, asked)[0]
                if d + 2 == len(at):  # the pooled direction
                    banks[refuse, 1] = bank_scores(lm, asked)[0]
            for n, answer in zip(refuse, steered, strict=True):
                said[n] = answer
        for own, answer in zip(answers, said, strict=True):
            own.append(answer)
    return found.assign(
        answers=answers, at=[at] * len(found), scored=list(scored.astype("float32")),
        loss=[_losses(lm, text, own) for text, own in zip(texts, answers, strict=True)],
        bank=list(banks.astype("float32")),
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


def select(
    lm: LanguageModel, rows: pd.DataFrame, *, prompts: int, everyday: int, source: str, hash: str
) -> pd.DataFrame:
    """Return refusal scores with pooled directions of layers and positions taken out, or added.

    Columns: those of the items without text; `refusing`, the score with nothing done; `layers` and
    `positions`, the candidates; lists in their order: `bypassed`, the score with the direction
    projected out at every layer; `induced`, with the difference of means added at its layer; `kl`
    of the next token, direction projected out, from nothing done (nats). Source: Arditi et al.
    2024 (arXiv 2406.11717), selection of a direction.

    Args:
        lm: the model.
        rows: from `refusal_items.select_items`.
        prompts: of a kind and role that directions are fitted on, these rows left out.
        everyday: requests that they are fitted against.
        source: as in `curves`.
        hash: as in `curves`.
    """
    del hash
    fit = fit_requests(lm, prompts, everyday, source)
    # Those that are tried are left out, all of them, whichever are asked for now.
    tried = refusal_items.select_items(SELECT, source)["item"]
    kept = ~fit.rows["item"].isin(tried).to_numpy()
    refuse, plain = (
        torch.tensor(kept & (fit.rows[column] == value).to_numpy())
        for column, value in (("role", "refuse"), ("kind", refusal_items.EVERYDAY))
    )
    apart = fit.stream[refuse].mean(0) - fit.stream[plain].mean(0)  # position, layer, d_model
    layers = candidates(lm)
    texts = [lm.chat(text) for text in rows["text"]]
    before, whole = _scored(lm, texts)
    bypassed, induced, kl = [], [], []
    every = range(lm.n_layers + 1)
    for layer in layers:
        for p in range(len(POSITIONS)):
            direction = apart[p, layer]
            with hooks.ablating(lm, direction, every):
                score, after = _scored(lm, texts)
            bypassed.append(score)
            kl.append((whole.exp() * (whole - after)).sum(1).cpu().numpy())
            with hooks.adding(lm, {layer: direction}):
                induced.append(_scored(lm, texts)[0])
    found = rows.drop(columns="text").reset_index(drop=True)
    lists = {"bypassed": bypassed, "induced": induced, "kl": kl}
    return found.assign(
        refusing=before,
        layers=" ".join(str(layer) for layer in layers for _ in POSITIONS),
        positions=" ".join(POSITIONS * len(layers)),
        **{k: list(np.stack(v, axis=1).astype("float32")) for k, v in lists.items()},
    )


def candidates(lm: LanguageModel) -> list[int]:
    """Return the layers that a direction may be taken from: twelve, in the first four fifths."""
    return sorted({round(k * 0.8 * lm.n_layers / 12) for k in range(1, 13)} - {0})


def _scored(
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


def ablated(
    lm: LanguageModel,
    rows: pd.DataFrame,
    *,
    depth: float,
    position: str,
    prompts: int,
    everyday: int,
    source: str,
    strength: float,
    pairs: int,
    hash: str,
) -> pd.DataFrame:
    """Return refusal scores with directions projected out, and one projected out and another added.

    Columns: those of the items without text; `refusing`, with nothing done (nats); `names` of the
    directions; lists in their order: `single`, each projected out at its layer, `every`, at all
    layers. `pairs`, the names of the kinds that are tried against each other; `crossed`, a score
    for each ordered pair of them: the first projected out, the second added at the same layer;
    `alone`, the second added without.

    Args:
        lm: the model.
        rows: requests to refuse.
        depth: of the layer, as a share of the model's.
        position: that directions are fitted at.
        prompts: of a kind and role that they are fitted on.
        everyday: requests that they are fitted against.
        source: as in `curves`.
        strength: of what is added, in mean lengths of the layer's residual.
        pairs: kinds that are tried against each other, the first ones.
        hash: as in `curves`.
    """
    del hash
    layer = at_depth(lm, depth)
    along = fitted(lm, layer, position, prompts, everyday, source)
    kept = [n for n, name in enumerate(along.names) if not name.startswith("inside")]
    vectors = torch.tensor(along.directions[kept], dtype=torch.float32, device=lm.device)
    texts = [lm.chat(text) for text in rows["text"]]
    no, yes = first_tokens(lm)
    above = Above(lm, texts, layer)

    def score(*changes: Change) -> np.ndarray:
        def change(residual: torch.Tensor) -> torch.Tensor:
            return functools.reduce(lambda r, own: own(r), changes, residual)

        return odds(above.logits(change, [*no, *yes]), len(no))

    without = [projecting(vector) for vector in vectors]
    added = [adding(strength * along.length * vector) for vector in vectors]
    single = [score(change) for change in without]
    every = []
    for vector in vectors:
        with hooks.ablating(lm, vector, range(lm.n_layers + 1)):
            every.append(_scored(lm, texts)[0])
    crossed = [
        score(without[one], added[other])
        for one in range(pairs) for other in range(pairs) if one != other
    ]  # fmt: skip
    alone = [score(added[other]) for other in range(pairs)]
    lists = {"single": single, "every": every, "crossed": crossed, "alone": alone}
    return rows.drop(columns="text").reset_index(drop=True).assign(
        refusing=score(), names=",".join(along.names[n] for n in kept),
        pairs=",".join(along.names[:pairs]),
        **{k: list(np.stack(v, axis=1).astype("float32")) for k, v in lists.items()},
    )  # fmt: skip
