"""Runs section 05's requests on a model: residuals, refusal scores, and both under steering.

Items are made in `refusal_items`; what the numbers mean is in `refusal_geometry` and
`refusal_curves`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from valuegate import hooks, items, refusal_curves, refusal_geometry, refusal_items, sae
from valuegate.models import LanguageModel
from valuegate.refusal_geometry import Kind
from valuegate.residual import capture, logit_lens
from valuegate.scoring import generate, option_log_probs, prompt_rows, readings
from valuegate.steering import Above

POSITIONS = ("last", "end")  # of the prompt, and of the user's words
BATCH = 20  # prompts that are steered together


def residuals(
    lm: LanguageModel, rows: pd.DataFrame, *, depth: float, position: str
) -> pd.DataFrame:
    """Return each prompt's residual at a layer and position, and what the model would answer.

    Columns: those of the items without text; `residual`, to 11 bits a number; `refusing`, the
    refusal score in its first-token form (`first_token_scores`, nats); `length` of the residual.

    Args:
        lm: the model.
        rows: from `refusal_items.request_items`.
        depth: of the layer, as a share of the model's.
        position: of `POSITIONS`.
    """
    layer = at_depth(lm, depth)
    texts = [lm.chat(text) for text in rows["text"]]
    found = rows.drop(columns="text").reset_index(drop=True)
    stream = capture(lm, texts, [layer, lm.n_layers], [place(lm, position), -1])
    own = stream[:, 0, 0].numpy()
    found["refusing"] = _first_token_scores(lm, stream[:, 1, 1])
    found["length"] = np.linalg.norm(own, axis=1)
    found["residual"] = list(_shortened(own))
    return found


def at_depth(lm: LanguageModel, depth: float) -> int:
    """Return the layer at a share of the model's depth, so that one setting serves any model."""
    return round(depth * lm.n_layers)


def _shortened(values: np.ndarray) -> np.ndarray:
    """Return float32 numbers with ten bits of mantissa, half as large when they are compressed."""
    return (values.astype("float32").view("int32") & np.int32(~0x1FFF)).view("float32")


def place(lm: LanguageModel, position: str) -> int:
    """Return a position of `POSITIONS`, counted from the end of a prompt."""
    return {"last": -1, "end": -sae.closing_length(lm)}[position]


@functools.lru_cache(maxsize=4)
def _first_tokens(lm: LanguageModel) -> tuple[list[int], list[int]]:
    """Return the first tokens of the bank's refusals and of its plain answers, none in both."""
    bank = items.load("requests", "answers")
    sets = [
        {lm.option_ids(o)[0] for o in bank.loc[bank["answer"] == answer, "opening"]}
        for answer in ("refusal", "compliance")
    ]
    return sorted(sets[0] - sets[1]), sorted(sets[1] - sets[0])


def _first_token_scores(
    lm: LanguageModel, last: Float[torch.Tensor, "prompt d_model"]
) -> Float[np.ndarray, " prompt"]:
    """Return how much likelier a refusal's first token is than a plain answer's, nats."""
    no, yes = _first_tokens(lm)
    return _odds(logit_lens(lm, last, [*no, *yes]), len(no))


def _odds(logits: Float[torch.Tensor, "prompt token"], cut: int) -> Float[np.ndarray, " prompt"]:
    values = logits.double()
    return (values[:, :cut].logsumexp(1) - values[:, cut:].logsumexp(1)).cpu().numpy()


@dataclass(frozen=True)
class Fitted:
    """Directions of one layer and position, and the mean length of its residuals."""

    names: tuple[str, ...]
    directions: Float[np.ndarray, "direction d_model"]
    length: float


@functools.lru_cache(maxsize=4)
def fitted(lm: LanguageModel, layer: int, position: str, prompts: int, everyday: int) -> Fitted:
    """Return the unit directions that requests are steered along, fitted on requests of fit.

    Every kind's, against everyday requests; "pooled", the mean of them; random ones inside the
    kinds' span ("inside n") and at right angles to it ("outside n").
    """
    rows = refusal_items.request_items("fit", prompts, everyday)
    texts = [lm.chat(text) for text in rows["text"]]
    stream = capture(lm, texts, [layer], [place(lm, position)])[:, 0, 0].numpy()
    kinds, plain = by_kind(rows, stream)
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
    return Fitted(names, every, float(np.linalg.norm(stream, axis=1).mean()))


CONTROLS = 2  # random directions of either sort


def by_kind(rows: pd.DataFrame, stream: np.ndarray) -> tuple[dict[str, Kind], np.ndarray]:
    """Return residuals by kind of request, and those of everyday requests.

    Args:
        rows: from `refusal_items.request_items`.
        stream: a residual a row.
    """
    kind, refuse = rows["kind"].to_numpy(), (rows["role"] == "refuse").to_numpy()
    found = {
        name: Kind(stream[(kind == name) & refuse], stream[(kind == name) & ~refuse])
        for name in refusal_items.kinds()
    }
    return found, stream[kind == refusal_items.EVERYDAY]


def curves(
    lm: LanguageModel,
    rows: pd.DataFrame,
    *,
    depth: float,
    position: str,
    prompts: int,
    everyday: int,
    strengths: str,
) -> pd.DataFrame:
    """Return refusal scores, and answers, while a direction is added to a layer at every position.

    Columns: those of the items without text; `refusing`, the first-token score without steering
    (nats); `names` of the directions; `strengths`, in mean lengths of the layer's residual;
    `steered`, the score under every direction and strength, directions first, flattened; `kl` of
    the next token from that without steering, in the same order (nats). Lists for `SAID` first and
    every kind's direction: `answers`, greedy, of `MOST_TOKENS` at most, with the direction as
    strong as first brings refusal to `refusal_curves.AT` on these rows ("" where it never does, and
    in rows to answer but without steering); `at`, these strengths; `loss`, of the answer in the
    model that is not steered (nats a token; nan where there is none).

    Args:
        lm: the model.
        rows: all of `refusal_items.curve_items`.
        depth: of the layer where the direction is fitted and added, as a share of the model's.
        position: that it is fitted at.
        prompts: of a kind and role that it is fitted on.
        everyday: requests that it is fitted against.
        strengths: as "0.1 0.2".
    """
    layer = at_depth(lm, depth)
    along = fitted(lm, layer, position, prompts, everyday)
    lengths = [float(part) for part in strengths.split()]
    texts = [lm.chat(text) for text in rows["text"]]
    order = sorted(range(len(texts)), key=lambda n: (len(lm.encode(texts[n])), n))
    scores = np.empty((len(texts), len(along.names), len(lengths)))
    kl = np.empty_like(scores)
    plain = np.empty(len(texts))
    no, yes = _first_tokens(lm)
    vectors = torch.tensor(along.length * along.directions, dtype=torch.float32)
    for first in range(0, len(order), BATCH):
        batch = order[first : first + BATCH]
        above = Above(lm, [texts[n] for n in batch], layer)
        before = above.logits(above.residual).double().log_softmax(-1)
        plain[batch] = _odds(before[:, [*no, *yes]], len(no))
        for d, vector in enumerate(vectors.to(above.residual)):
            for s, length in enumerate(lengths):
                after = above.logits(above.residual + length * vector).double().log_softmax(-1)
                scores[batch, d, s] = _odds(after[:, [*no, *yes]], len(no))
                kl[batch, d, s] = (before.exp() * (before - after)).sum(1).cpu().numpy()
    found = rows.drop(columns="text").reset_index(drop=True).assign(
        refusing=plain, names=",".join(along.names), strengths=strengths,
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


def select(lm: LanguageModel, rows: pd.DataFrame, *, prompts: int, everyday: int) -> pd.DataFrame:
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
    """
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
    no, yes = _first_tokens(lm)
    log_probs: list[torch.Tensor] = [torch.empty(0)] * len(texts)
    for reading in readings(lm, prompt_rows(lm, texts)):
        assert reading.logits is not None
        log_probs[reading.index] = reading.logits[0].double().log_softmax(-1).cpu()
    whole = torch.stack(log_probs)
    return _odds(whole[:, [*no, *yes]], len(no)), whole
