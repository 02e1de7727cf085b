"""Steers section 04's answers: along axes, features and random directions, and after cues.

What the numbers mean is in `mask_doses`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from transformers import DynamicCache

from valuegate import items
from valuegate.errors import ValueGateError
from valuegate.hooks import check_layers
from valuegate.mask_run import encoder, fit_statements, policy_features, sae_layer
from valuegate.models import LanguageModel
from valuegate.refusal_run import at_depth
from valuegate.scoring import option_log_probs
from valuegate.steering import Above, Change, adding, projecting, unchanged

RANDOM = 4  # random directions
FEATURES = 2  # features of policy that are steered, and as many that are drawn
PROJECTED = 5  # random directions that are projected out
PARTIES = (" Cedar", " Raven")  # as the two are answered, after "The"


class Continuations(Above):
    """What runs above a layer on one prompt and what may follow it, a row a continuation.

    `logits` are those at the prompt's last token and at every token of a continuation but its
    last; `log_probs` makes them the continuations' own.
    """

    def __init__(
        self, lm: LanguageModel, prompt: str, continuations: Sequence[str], layer: int
    ) -> None:
        """Run the prompt once and every continuation after it, up to the top.

        Args:
            lm: the model.
            prompt: as `LanguageModel.chat` returns it.
            continuations: texts.
            layer: 0 is the embedding, i the output of block i; the last has nothing above it.
        """
        check_layers(lm, [layer])
        if layer == lm.n_layers:
            raise ValueGateError(f"{lm.name}: nothing runs above layer {layer}")
        head = lm.encode(prompt)
        tails = [lm.option_ids(text) for text in continuations]
        if not all(tails):
            raise ValueGateError(f"{lm.name}: a continuation of {prompt!r} has no tokens")
        longest = max(len(tail) for tail in tails)
        self._lm, self._layer, self._prompts, self._parts = lm, layer, len(tails), []
        self.lengths = torch.tensor([len(tail) for tail in tails])
        self._targets = torch.zeros(len(tails), longest, dtype=torch.long)
        ids = torch.zeros(len(tails), longest, dtype=torch.long)
        ids[:, 0] = head[-1]
        for row, tail in enumerate(tails):
            self._targets[row, : len(tail)] = torch.tensor(tail)
            ids[row, 1 : len(tail)] = torch.tensor(tail[:-1])
        common = len(head) - 1
        cache = DynamicCache(config=lm.config)
        self._see(torch.tensor([head[:-1]]), cache, torch.ones(1, common))
        cache.batch_repeat_interleave(len(tails))
        mask = torch.arange(common + longest) < common + self.lengths[:, None]
        self._see(ids, cache, mask, first=common)
        # Every place of a row, so that `logits` come back as (place, row, token).
        self._ends = torch.arange(longest)[:, None].expand(longest, len(tails))

    @property
    def at_prompt(self) -> Float[torch.Tensor, " d_model"]:
        """Return the layer's residual at the prompt's last token."""
        return self._parts[1][0][0, 0]

    def steered(
        self, change: Change = unchanged, plain: torch.Tensor | None = None
    ) -> tuple[Float[np.ndarray, " row"], float, Float[torch.Tensor, "row place token"]]:
        """Return log P per token of every continuation, KL from a run, and all log-probabilities.

        KL is of the next token, mean over all places (nats); nan without `plain`.

        Args:
            change: as in `logits`.
            plain: log-probabilities of the run that KL is taken from.
        """
        log_probs = self.logits(change).transpose(0, 1).log_softmax(-1).cpu()
        own = log_probs.gather(2, self._targets[..., None])[..., 0].double()
        inside = torch.arange(own.shape[1]) < self.lengths[:, None]
        means = torch.where(inside, own, 0.0).sum(1) / self.lengths
        apart = float("nan")
        if plain is not None:
            rows = (plain.exp() * (plain - log_probs)).sum(-1)
            apart = float(rows[inside].double().mean())
        return means.numpy(), apart, log_probs


@dataclass(frozen=True)
class Directions:
    """Unit directions of a layer, their names, and the mean length of its residuals."""

    layer: int
    names: tuple[str, ...]
    vectors: Float[np.ndarray, "direction d_model"]
    length: float


@functools.lru_cache(maxsize=8)
def directions(
    lm: LanguageModel, name: str, depth: float, world: str, each: int, source: str, pairs: int
) -> Directions:
    """Return the axis of a set and random directions of the same length, at a layer.

    The axis is the difference of means of the fit issues' statements, towards right or the first
    party.
    """
    fit, layer = fit_statements(lm, world, each, source, pairs), at_depth(lm, depth)
    axis = fit.axis(name, layer)
    drawn = np.random.default_rng(0).normal(size=(RANDOM, len(axis)))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    length = float(np.linalg.norm(fit.stream[:, 0, layer], axis=1).mean())
    names = ("axis", *(f"random {n}" for n in range(RANDOM)))
    return Directions(layer, names, np.concatenate([axis[None], drawn]), length)


@functools.lru_cache(maxsize=4)
def feature_directions(
    lm: LanguageModel, coder: str, world: str, each: int, source: str, pairs: int
) -> Directions:
    """Return what features of policy write, what as many others do, and the axis of left and right.

    Decoder columns of length 1 in the layer that autoencoders read, signed towards the right.
    """
    chosen, others = policy_features(lm, coder, world, each, source, pairs)
    if not chosen:
        raise ValueGateError(f"{lm.name}: no feature fires on policies alone; nothing to steer")
    fit, layer = fit_statements(lm, world, each, source, pairs), sae_layer(lm)
    axis = fit.axis("left_right", layer)
    rest = sorted(set(others) - set(chosen))
    drawn = np.random.default_rng(0).choice(rest, FEATURES, replace=False)
    numbers = [*chosen[:FEATURES], *(int(n) for n in drawn)]
    vectors = encoder(lm, coder).W_dec[numbers].cpu().numpy()
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors *= np.where(vectors @ axis < 0, -1.0, 1.0)[:, None]
    kinds = ["feature"] * len(chosen[:FEATURES]) + ["other feature"] * FEATURES
    names = ("axis", *(f"{kind} {n}" for kind, n in zip(kinds, numbers, strict=True)))
    length = float(np.linalg.norm(fit.stream[:, 0, layer], axis=1).mean())
    return Directions(layer, names, np.concatenate([axis[None], vectors]), length)


def doses(
    lm: LanguageModel,
    rows: pd.DataFrame,
    *,
    depth: float,
    strengths: str,
    coder: str,
    world: str,
    each: int,
    source: str,
    pairs: int,
    hash: str,
) -> pd.DataFrame:
    """Return what is said for either side while a direction is added at every position.

    Columns: those of the items without texts; `stance`, log P a token of the right's statements
    less the left's, means (nats), without steering; `neutral`, log-odds a token of the bank of
    answers that take no side against all statements (logsumexp of either); `names` of directions,
    "axis" and random ones at a layer, then those of `feature_directions`, at the layer that
    autoencoders read (their axis as "axis (features)"); `strengths`, in mean lengths of the layer's
    residual; `stances`, `kl` and `likely`, the statements' log P a token: lists over directions
    and, within, strengths.

    Args:
        lm: the model.
        rows: from `mask_items.questions`.
        depth: of the layer of axis and random directions.
        strengths: to add, in mean lengths of the residual, either way.
        coder: whose autoencoder features are of; none are pushed when empty.
        world: the arguments of `mask_items.statements`.
        each: the same.
        source: the same.
        pairs: the same.
        hash: of these.
    """
    del hash
    fitted = {"world": world, "each": each, "source": source, "pairs": pairs}
    places, signed = [directions(lm, "left_right", depth, **fitted)], signed_strengths(strengths)
    names = list(places[0].names)
    if coder:
        places.append(feature_directions(lm, coder, **fitted))
        names += ["axis (features)", *places[1].names[1:]]
    answers = items.load("requests", "answers")
    neutral = answers[(answers["answer"] == "neutral") & (answers["split"] == "read")]["opening"]
    lengths = np.array([len(lm.option_ids(opening)) for opening in neutral])
    found = []
    for row in rows.to_dict("records"):
        prompt, said, cut = lm.chat(row["text"]), [*row["left"], *row["right"]], len(row["left"])
        stance, usual = float("nan"), float("nan")
        pushed: list[tuple[float, float, float]] = []
        for place in places:
            above = Continuations(lm, prompt, said, place.layer)
            means, _, plain = above.steered()
            stance, usual = _stance(means, cut), np.logaddexp.reduce(means)
            for vector, strength in itertools.product(place.vectors, signed):
                push = torch.tensor(vector * strength * place.length, dtype=torch.float32)
                own, apart, _ = above.steered(adding(push.to(lm.device)), plain)
                pushed.append((_stance(own, cut), apart, float(own.mean())))
        openings = option_log_probs(lm, [prompt], list(neutral))[0] / lengths
        lists = dict(zip(("stances", "kl", "likely"), np.array(pushed).T, strict=True))
        found.append(
            {
                "stance": stance, "neutral": float(np.logaddexp.reduce(openings) - usual),
                "names": ";".join(names), "strengths": " ".join(map(str, signed)), **lists,
            }
        )  # fmt: skip
    kept = rows.drop(columns=["text", "left", "right"]).reset_index(drop=True)
    return pd.concat([kept, pd.DataFrame(found)], axis=1)


def signed_strengths(strengths: str) -> list[float]:
    """Return strengths either way, ascending."""
    own = [float(s) for s in str(strengths).split()]
    return [-s for s in reversed(own)] + own


def _stance(log_probs: Float[np.ndarray, " row"], cut: int) -> float:
    return float(log_probs[cut:].mean() - log_probs[:cut].mean())


def parties(
    lm: LanguageModel,
    rows: pd.DataFrame,
    *,
    depth: float,
    strengths: str,
    world: str,
    each: int,
    source: str,
    pairs: int,
    hash: str,
) -> pd.DataFrame:
    """Return which party is named for a pole while the parties' axis is added at every position.

    Columns: those of the items without text; `log_odds` of the first party against the second,
    after "The" (nats), without steering; `mass`, log P of either name then, and `opens`, log P that
    the answer begins with "The"; `names`, `strengths`, `moved`
    (log-odds) and `kl` of the next token as in `doses`.

    Args:
        lm: the model.
        rows: from `mask_items.stances`.
        depth: of the layer of axis and random directions.
        strengths: to add, in mean lengths of the residual, either way.
        world: the arguments of `mask_items.statements`.
        each: the same.
        source: the same.
        pairs: the same.
        hash: of these.
    """
    del hash
    place = directions(lm, "parties", depth, world, each, source, pairs)
    signed, names = signed_strengths(strengths), [lm.option_ids(name)[0] for name in PARTIES]
    above = Above(lm, [lm.chat(text, opening="The") for text in rows["text"]], place.layer)
    plain = above.logits().log_softmax(-1)
    moved, kl = [], []
    for vector in place.vectors:
        for strength in signed:
            push = torch.tensor(vector * strength * place.length, dtype=torch.float32)
            own = above.logits(adding(push.to(lm.device))).log_softmax(-1)
            moved.append((own[:, names[0]] - own[:, names[1]]).cpu().numpy())
            kl.append((plain.exp() * (plain - own)).sum(-1).cpu().numpy())
    both = plain[:, names].double().cpu()
    opens = option_log_probs(lm, [lm.chat(text) for text in rows["text"]], ["The"])[:, 0]
    return rows.drop(columns="text").reset_index(drop=True).assign(
        log_odds=(both[:, 0] - both[:, 1]).numpy(), mass=both.logsumexp(1).numpy(), opens=opens,
        names=";".join(place.names), strengths=" ".join(map(str, signed)),
        moved=list(np.stack(moved, axis=1)), kl=list(np.stack(kl, axis=1)),
    )  # fmt: skip


@functools.lru_cache(maxsize=2)
def projected(
    lm: LanguageModel, depth: float, world: str, each: int, source: str, pairs: int
) -> Float[np.ndarray, "direction d_model"]:
    """Return unit directions drawn as statements' residuals of a layer spread."""
    stream = fit_statements(lm, world, each, source, pairs).stream[:, 0, at_depth(lm, depth)]
    drawn = np.random.default_rng(0).normal(size=(PROJECTED, len(stream)))
    drawn = drawn @ (stream - stream.mean(0))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def cues(
    lm: LanguageModel,
    rows: pd.DataFrame,
    *,
    depth: float,
    world: str,
    each: int,
    source: str,
    pairs: int,
    hash: str,
) -> pd.DataFrame:
    """Return what is said for either side after the user told a side, with the axis and without.

    Columns: those of the items without texts; `stance` as in `doses`; `place`, the residual of the
    prompt's last token along the axis of left and right; `without`, the stance with the axis
    projected out at every position; `random`, the same with each of `projected`.

    Args:
        lm: the model.
        rows: from `mask_items.cued`.
        depth: of the layer of the axis.
        world: the arguments of `mask_items.statements`.
        each: the same.
        source: the same.
        pairs: the same.
        hash: of these.
    """
    del hash
    fitted = (world, each, source, pairs)
    place = directions(lm, "left_right", depth, *fitted)
    axis = torch.tensor(place.vectors[0], dtype=torch.float32, device=lm.device)
    others = projected(lm, depth, *fitted)
    found = []
    for row in rows.to_dict("records"):
        cut = len(row["left"])
        above = Continuations(lm, lm.chat(row["text"]), [*row["left"], *row["right"]], place.layer)
        stances = [
            _stance(above.steered(change)[0], cut)
            for change in (
                unchanged, projecting(axis),
                *(projecting(torch.tensor(v, dtype=torch.float32, device=lm.device))
                  for v in others),
            )
        ]  # fmt: skip
        found.append(
            {
                "stance": stances[0], "place": float(above.at_prompt @ axis),
                "without": stances[1], "random": np.array(stances[2:]),
            }
        )  # fmt: skip
    kept = rows.drop(columns=["text", "left", "right"]).reset_index(drop=True)
    return pd.concat([kept, pd.DataFrame(found)], axis=1)
