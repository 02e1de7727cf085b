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
from valuegate.refusal_run import POSITIONS, at_depth, first_tokens, odds, place
from valuegate.residual import capture
from valuegate.scoring import generate, option_log_probs, prompt_rows, readings
from valuegate.steering import Above

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
def fitted(lm: LanguageModel, layer: int, position: str, prompts: int, everyday: int) -> Fitted:
    """Return the unit directions that requests are steered along, fitted on requests of fit.

    Every kind's, against everyday requests; "pooled", the mean of them; random ones inside the
    kinds' span ("inside n") and at right angles to it ("outside n").
    """
    rows = refusal_items.request_items("fit", prompts, everyday)
    texts = [lm.chat(text) for text in rows["text"]]
    stream = capture(lm, texts, [layer], [place(lm, position)])[:, 0, 0].numpy()
    kinds, plain = refusal_geometry.by_kind(rows, stream, refusal_items.kinds())
    own = refusal_geometry.directions(kinds, plain, "everyday")
    pooled = refusal_geometry.unit(own.mean(0))
    rng = np.random.default_rng(0)
    inside = refusal_geometry.unit(rng.normal(size=(CONTROLS, len(own))) @ own)
    basis = np.linalg.qr(own.T)[0]
    noise = rng.normal(size=(CONTROLS, own.shape[1]))
    outside = refusal_geometry.unit(noise - noise @ basis @ basis.T)
    names = (
        *kinds, "pooled", *(f"inside {n}" for n in range(CONTROLS)),
        *(f"outside {n}" for n in range(CONTROLS)),
    )  # fmt: skip
    every = np.concatenate([own, pooled[None], inside, outside])
    refuse = (rows["role"] == "refuse").to_numpy(float)
    weights, offset = probes.ridge(stream[:, None], refuse)
    length = float(np.linalg.norm(stream, axis=1).mean())
    return Fitted(names, every, length, (weights[0], float(offset[0])))


CONTROLS = 2  # random directions of either sort


def curves(
    lm: LanguageModel,
    rows: pd.DataFrame,
    *,
    depth: float,
    position: str,
    prompts: int,
    everyday: int,
    strengths: str,
    hash: str,
) -> pd.DataFrame:
    """Return refusal scores, and answers, while a direction is added to a layer at every position.

    Columns: those of the items without text; `refusing`, the first-token score without steering
    (nats); `layer`; `gate`, the score of a probe fitted on requests of fit, above 0 for one to
    refuse (input-gated steering, arXiv 2603.13359); `names` of the directions; `strengths`, in mean
    lengths of the layer's residual; `steered`, the score under every direction and strength,
    directions first, flattened; `kl` of the next token from that without steering, in the same
    order (nats). Lists for `SAID` first and every kind's direction: `answers`, greedy, of
    `MOST_TOKENS` at most, with the direction as strong as first brings refusal to
    `refusal_curves.AT` on these rows ("" where it never does, and in rows to answer but without
    steering); `at`, these strengths; `loss`, of the answer in the model that is not steered (nats a
    token; nan where there is none).

    Args:
        lm: the model.
        rows: all of `refusal_items.curve_items`.
        depth: of the layer where the direction is fitted and added, as a share of the model's.
        position: that it is fitted at.
        prompts: of a kind and role that it is fitted on.
        everyday: requests that it is fitted against.
        strengths: as "0.1 0.2".
        hash: of the prompts that directions are fitted on, so that no stored table is taken for one
            of other directions.
    """
    del hash
    layer = at_depth(lm, depth)
    along = fitted(lm, layer, position, prompts, everyday)
    lengths = [float(part) for part in strengths.split()]
    texts = [lm.chat(text) for text in rows["text"]]
    order = sorted(range(len(texts)), key=lambda n: (len(lm.encode(texts[n])), n))
    scores = np.empty((len(texts), len(along.names), len(lengths)))
    kl = np.empty_like(scores)
    plain = np.empty(len(texts))
    no, yes = first_tokens(lm)
    vectors = torch.tensor(along.length * along.directions, dtype=torch.float32)
    for first in range(0, len(order), BATCH):
        batch = order[first : first + BATCH]
        above = Above(lm, [texts[n] for n in batch], layer)
        before = above.logits(above.residual).double().log_softmax(-1)
        plain[batch] = odds(before[:, [*no, *yes]], len(no))
        for d, vector in enumerate(vectors.to(above.residual)):
            for s, length in enumerate(lengths):
                after = above.logits(above.residual + length * vector).double().log_softmax(-1)
                scores[batch, d, s] = odds(after[:, [*no, *yes]], len(no))
                kl[batch, d, s] = (before.exp() * (before - after)).sum(1).cpu().numpy()
    stream = capture(lm, texts, [layer], [place(lm, position)])[:, 0, 0].numpy()
    found = rows.drop(columns="text").reset_index(drop=True).assign(
        refusing=plain, layer=layer, gate=stream @ along.gate[0] + along.gate[1],
        names=",".join(along.names), strengths=strengths,
        steered=list(scores.reshape(len(texts), -1).astype("float32")),
        kl=list(kl.reshape(len(texts), -1).astype("float32")),
    )  # fmt: skip
    refused, _ = refusal_curves.rates(refusal_curves.steered(found))
    at = [0.0]
    for d in range(len(refusal_items.kinds())):
        at.append(refusal_curves.strength_at(refused[d], np.array([0.0, *lengths])))
    answers = _answers(lm, rows, {layer: vectors}, at)
    return found.assign(
        answers=answers, at=[np.array(at, dtype="float32")] * len(found),
        loss=[_losses(lm, text, own) for text, own in zip(texts, answers, strict=True)],
    )  # fmt: skip


SAID = "none"  # the first of the answers: without steering
MOST_TOKENS = 24


def _answers(
    lm: LanguageModel, rows: pd.DataFrame, vectors: dict[int, torch.Tensor], at: Sequence[float]
) -> list[list[str]]:
    """Return the answers of every row, without steering and along every direction, at its strength.

    Steered are rows to refuse alone.
    """
    texts = [lm.chat(text) for text in rows["text"]]
    refuse = [n for n, role in enumerate(rows["role"]) if role == "refuse"]
    found = [[answer] for answer in generate(lm, texts, MOST_TOKENS)]
    ((layer, along),) = vectors.items()
    for d, strength in enumerate(at[1:]):
        said = [""] * len(texts)
        if np.isfinite(strength) and refuse:
            with hooks.adding(lm, {layer: strength * along[d]}):
                steered = generate(lm, [texts[n] for n in refuse], MOST_TOKENS)
            for n, answer in zip(refuse, steered, strict=True):
                said[n] = answer
        for own, answer in zip(found, said, strict=True):
            own.append(answer)
    return found


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
    lm: LanguageModel, rows: pd.DataFrame, *, prompts: int, everyday: int, hash: str
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
        hash: as in `curves`.
    """
    del hash
    fit = refusal_items.request_items("fit", prompts, everyday)
    fit = fit[~fit["item"].isin(rows["item"])]
    layers = candidates(lm)
    stream = capture(lm, [lm.chat(text) for text in fit["text"]], layers,
                     [place(lm, position) for position in POSITIONS])  # fmt: skip
    refuse, plain = (
        torch.tensor((fit[column] == value).tolist())
        for column, value in (("role", "refuse"), ("kind", refusal_items.EVERYDAY))
    )
    apart = stream[refuse].mean(0) - stream[plain].mean(0)  # position, layer, d_model
    texts = [lm.chat(text) for text in rows["text"]]
    before, whole = _scored(lm, texts)
    bypassed, induced, kl = [], [], []
    every = range(lm.n_layers + 1)
    for n, layer in enumerate(layers):
        for p in range(len(POSITIONS)):
            direction = apart[p, n]
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
        strength: of what is added, in mean lengths of the layer's residual.
        pairs: kinds that are tried against each other, the first ones.
        hash: as in `curves`.
    """
    del hash
    layer = at_depth(lm, depth)
    along = fitted(lm, layer, position, prompts, everyday)
    kept = [n for n, name in enumerate(along.names) if not name.startswith("inside")]
    vectors = torch.tensor(along.directions[kept], dtype=torch.float32)
    texts = [lm.chat(text) for text in rows["text"]]
    no, yes = first_tokens(lm)

    def score(above: Above, residual: torch.Tensor) -> np.ndarray:
        return odds(above.logits(residual, [*no, *yes]), len(no))

    above = Above(lm, texts, layer)
    whole = above.residual
    without = [whole - (whole @ v).unsqueeze(-1) * v for v in vectors.to(whole)]
    added = strength * along.length * vectors.to(whole)
    single = [score(above, own) for own in without]
    every = []
    for vector in vectors:
        with hooks.ablating(lm, vector, range(lm.n_layers + 1)):
            every.append(_scored(lm, texts)[0])
    crossed = [
        score(above, without[one] + added[other])
        for one in range(pairs) for other in range(pairs) if one != other
    ]  # fmt: skip
    alone = [score(above, whole + added[other]) for other in range(pairs)]
    lists = {"single": single, "every": every, "crossed": crossed, "alone": alone}
    return rows.drop(columns="text").reset_index(drop=True).assign(
        refusing=score(above, whole), names=",".join(along.names[n] for n in kept),
        pairs=",".join(along.names[:pairs]),
        **{k: list(np.stack(v, axis=1).astype("float32")) for k, v in lists.items()},
    )  # fmt: skip
