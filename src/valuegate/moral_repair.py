"""Section 03's repair: an autoencoder's reconstruction blended into the stream, beside other arms.

The published push is x + s (rebuilt - x), with a fine-tuned autoencoder, at every position after
the template's opening. Beside it run the same pipeline at s = 0, autoencoders that were not tuned,
or tuned on shuffled values or on latents drawn at random, noise and a plain direction of the same
length at every position. Source: arXiv 2603.15615, sec. 6; what the arms do is in `moral_arms`.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from valuegate import moral_items, moral_loss, moral_repair_items, moral_tune, sae, splits
from valuegate.mask_run import encoder, sae_layer
from valuegate.mask_steer import Continuations
from valuegate.models import LanguageModel
from valuegate.moral_loss import Pools
from valuegate.moral_repair_items import ARMS, CODERS
from valuegate.scoring import COMPLIANCES, REFUSALS, answer_ids, readings, shared
from valuegate.sharing import Row
from valuegate.steering import Above

if TYPE_CHECKING:
    from sae_lens import TopKSAE

Stream = Float[torch.Tensor, "row position d_model"]
Change = Callable[[Stream, int], Stream]  # of residuals, and the place of their first position

RIGHT = ("right", "Right", " right", " Right")
WRONG = ("wrong", "Wrong", " wrong", " Wrong")
ASKING = ("request", "flames")  # readouts whose prompts differ
PLACES = 256  # positions that noise is drawn for; longer prompts take it in turn


@torch.no_grad()
def item_streams(
    lm: LanguageModel, texts: Sequence[str], layer: int
) -> list[Float[torch.Tensor, "token d_model"]]:
    """Return the residuals of the user's words of each text, as a user's turn in the template."""
    opening, closing = sae.opening_length(lm), sae.closing_length(lm)
    encoded = [tuple(lm.encode(lm.chat(text))) for text in texts]
    rows = [Row(ids, tuple(range(opening, len(ids) - closing))) for ids in encoded]
    found: list[torch.Tensor] = [torch.empty(0)] * len(rows)
    for reading in readings(lm, rows, layers=[layer], logits=False):
        assert reading.residual is not None
        found[reading.index] = reading.residual[:, 0].cpu()
    return found


@dataclass(frozen=True)
class Fitted:
    """What arms are fitted on: the fit words and actions, and their mean residuals.

    Attributes:
        rows: from `moral_repair_items.fitted`.
        residual: mean over each item's tokens.
        direction: unit, from vices' to virtues' mean.
    """

    rows: pd.DataFrame
    residual: Float[torch.Tensor, "item d_model"]
    direction: Float[torch.Tensor, " d_model"]


@functools.lru_cache(maxsize=2)
def fitted(lm: LanguageModel, each: int, every: int) -> Fitted:
    """Return what arms are fitted on; shares prefixes whoever asks.

    Args:
        lm: the model.
        each: rated words of a foundation.
        every: of our actions, one topic in so many.
    """
    rows = moral_repair_items.fitted(each, every)
    with shared():
        streams = item_streams(lm, moral_items.stems(rows), sae_layer(lm))
    residual = torch.stack([own.mean(0) for own in streams])
    pole = rows["pole"].to_numpy()
    apart = residual[pole == "virtue"].mean(0) - residual[pole == "vice"].mean(0)
    return Fitted(rows, residual, apart / apart.norm())


@dataclass(frozen=True)
class Repaired:
    """Autoencoders of every arm, what they pool, and a plain direction.

    Attributes:
        coders: by name of `CODERS`.
        pools: of each.
        records: `moral_tune.tune`'s, of those that were tuned.
        direction: of `Fitted`.
        kinds: how many latents are of each kind, with values as they are and shuffled.
    """

    coders: dict[str, TopKSAE]
    pools: dict[str, Pools]
    records: dict[str, dict[str, float]]
    direction: Float[torch.Tensor, " d_model"]
    kinds: dict[str, Counter[str]]


@functools.lru_cache(maxsize=2)
def repaired(lm: LanguageModel, coder: str, each: int, every: int, steps: int) -> Repaired:
    """Return the arms' autoencoders, fine-tuned on the fit words and actions.

    Args:
        lm: the model.
        coder: whose autoencoder.
        each: rated words of a foundation.
        every: of our actions, one topic in so many.
        steps: of the fine-tuning, at the most.

    Raises:
        ValueGateError: an autoencoder that does not fit the model.
    """
    base, own = encoder(lm, coder), fitted(lm, each, every)
    values = torch.tensor(moral_items.vectors(own.rows), dtype=torch.float32)
    clusters = own.rows["cluster"]
    sides = splits.assign(dict.fromkeys(clusters, ""), {"train": 9, "check": 1}, "tune")
    held = torch.tensor((clusters.map(sides) == "check").to_numpy())
    other = values[torch.randperm(len(values), generator=torch.Generator().manual_seed(0))]
    with torch.no_grad():
        codes = base.encode(own.residual)[~held]  # what stops the tuning chooses no latent
    r, null = (moral_tune.correlations(codes, target[~held]) for target in (values, other))
    pools = {"tuned": moral_tune.choose(r), "shuffled": moral_tune.choose(null)}
    pools["random latents"] = moral_tune.at_random(r, len(pools["tuned"].chosen))
    recipe = moral_tune.Recipe(steps=steps)
    coders, records = {"pretrained": base}, {}
    for name, chosen in pools.items():
        target = other if name == "shuffled" else values
        coders[name], records[name] = moral_tune.tune(
            base, own.residual, target, chosen, held, recipe
        )
    kinds = {
        name: Counter(moral_tune.typed(found).tolist())
        for name, found in (("values", r), ("shuffled", null))
    }
    pools["pretrained"] = pools["tuned"]
    return Repaired(coders, pools, records, own.direction, kinds)


@functools.lru_cache(maxsize=2)
def _noise(width: int) -> Float[torch.Tensor, "position d_model"]:
    """Return a unit vector for every position: what is pushed does not depend on the batch."""
    drawn = torch.randn(PLACES, width, generator=torch.Generator().manual_seed(0))
    return drawn / drawn.norm(dim=1, keepdim=True)


def plain(residual: Stream, first: int) -> Stream:
    """Return residuals as they are: the same pipeline at s = 0."""
    del first
    return residual


def pushes(own: Repaired, strengths: Sequence[float]) -> dict[str, Change]:
    """Return what is done to the stream, by name: "plain", each arm at each strength, "zero"."""

    def blend(arm: str, strength: float) -> Change:
        coder = own.coders[arm]
        return lambda x, _: x + strength * (coder.decode(coder.encode(x)) - x)

    def as_long(arm: str, strength: float) -> Change:
        tuned = blend("tuned", strength)

        def push(x: Stream, first: int) -> Stream:
            length = (tuned(x, first) - x).norm(dim=-1, keepdim=True)
            if arm == "direction":
                return x + length * own.direction.to(x)
            places = torch.arange(first, first + x.shape[1]) % PLACES
            return x + length * _noise(x.shape[-1])[places].to(x)

        return push

    found: dict[str, Change] = {"plain": plain}
    for arm in ARMS:
        for strength in strengths:
            made = blend if arm in CODERS else as_long
            found[f"{arm} {strength}"] = made(arm, strength)
    return found | {"zero": lambda x, _: torch.zeros_like(x)}


def after_opening(above: Above, change: Change, start: int) -> Callable[[Stream], Stream]:
    """Return a change of the positions from `start` on, whichever part of the prompts they are in.

    The template's opening is left as it is: no autoencoder was trained on it.
    """
    parts = [seen for seen, _ in above._parts]
    first = {id(seen): sum(p.shape[1] for p in parts[:n]) for n, seen in enumerate(parts)}

    def push(residual: Stream) -> Stream:
        skip = max(0, start - first[id(residual)])
        if skip >= residual.shape[1]:
            return residual
        changed = change(residual[:, skip:], first[id(residual)] + skip)
        return torch.cat([residual[:, :skip], changed], dim=1)

    return push


@torch.no_grad()
def readouts(
    lm: LanguageModel,
    rows: pd.DataFrame,
    *,
    coder: str,
    each: int,
    every: int,
    steps: int,
    strengths: str,
    count: int,
) -> pd.DataFrame:
    """Return what every arm does to every readout of the model.

    Columns: those of the items without texts; `arms`, the names of `pushes`; `scores`, one an arm:
    log-odds of right against wrong (nats; readouts "verdict" and "norm"), log P a token of the
    virtue less that of the vice ("choice"), log P a token of a text ("text"), log-odds a token of a
    bank of refusals against one of compliances ("request", and of a public set "flames"); `plain`,
    the first of them; and of "text" `missed`, the squared error of each of `CODERS` over the words,
    and `spread`, the words' squared distance from the mean word's.

    Args:
        lm: the model.
        rows: from `moral_repair_items.readouts`.
        coder: whose autoencoder.
        each: the arguments of `repaired`.
        every: the same.
        steps: the same.
        strengths: of the blend, s.
        count: of all items; some of them are scored without the arms, `plain` alone.
    """
    whole = len(rows) == count
    own = repaired(lm, coder, each, every, steps) if whole else None
    changes = pushes(own, [float(s) for s in str(strengths).split()]) if own else {"plain": plain}
    scores = np.full((len(rows), len(changes)), np.nan)
    for _, part in rows.groupby(_batch(rows), sort=False):
        above, score = _above(lm, part["readout"].iloc[0], part)
        start = sae.opening_length(lm)
        for n, change in enumerate(changes.values()):
            scores[rows.index.get_indexer(part.index), n] = score(
                after_opening(above, change, start)
            )
    missed, spread = [np.empty(0)] * len(rows), np.full(len(rows), np.nan)
    texts = np.flatnonzero((rows["readout"] == "text") & whole)
    streams = item_streams(lm, list(rows["text"].iloc[texts]), sae_layer(lm)) if len(texts) else []
    for n, words in zip(texts, streams, strict=True):
        assert own is not None
        centre = torch.cat(streams).mean(0)
        coders = [own.coders[name] for name in CODERS]
        missed[n] = np.array([float(((c.decode(c.encode(words)) - words) ** 2).sum())
                              for c in coders])  # fmt: skip
        spread[n] = float(((words - centre) ** 2).sum())
    kept = rows.drop(columns=["text", "first", "second"]).reset_index(drop=True)
    return kept.assign(
        arms=";".join(changes), scores=list(scores), plain=scores[:, 0], missed=missed,
        spread=spread,
    )  # fmt: skip


def _batch(rows: pd.DataFrame) -> pd.Series:
    """Return which rows run together: all of a readout, but for requests, whose prompts differ."""
    return rows["item"].where(rows["readout"].isin(ASKING), rows["readout"])


def _above(
    lm: LanguageModel, readout: str, rows: pd.DataFrame
) -> tuple[Above, Callable[[Callable[[Stream], Stream]], Float[np.ndarray, " row"]]]:
    """Return what runs above the layer for rows of a readout, and their scores given a change."""
    layer, texts = sae_layer(lm), list(rows["text"])
    if readout in ("verdict", "norm"):
        judged = Above(lm, [lm.chat(text) for text in texts], layer)
        right, wrong = (answer_ids(lm, spellings) for spellings in (RIGHT, WRONG))

        def log_odds(change: Callable[[Stream], Stream]) -> Float[np.ndarray, " row"]:
            logits = judged.logits(change, [*right, *wrong])
            cut = len(right)
            return (logits[:, :cut].logsumexp(1) - logits[:, cut:].logsumexp(1)).cpu().numpy()

        return judged, log_odds
    if readout == "choice":
        said = [text for pair in zip(rows["first"], rows["second"], strict=True) for text in pair]
        prompt = lm.chat(texts[0])
    elif readout in ASKING:
        said, prompt = [*REFUSALS, *COMPLIANCES], lm.chat(texts[0])
    else:  # the user's own words, after the template's opening
        said, prompt = texts, lm.chat("A mark").partition("A mark")[0]
    above = Continuations(lm, prompt, said, layer)

    def means(change: Callable[[Stream], Stream]) -> Float[np.ndarray, " row"]:
        own, cut = above.steered(change)[0], len(REFUSALS)
        if readout == "choice":
            return own[0::2] - own[1::2]
        if readout == "text":
            return own
        return np.array([np.logaddexp.reduce(own[:cut]) - np.logaddexp.reduce(own[cut:])])

    return above, means


@torch.no_grad()
def pools(
    lm: LanguageModel,
    rows: pd.DataFrame,
    *,
    coder: str,
    each: int,
    every: int,
    steps: int,
    count: int,
) -> pd.DataFrame:
    """Return how active each slot's pool of latents is on items that no arm was tuned on.

    Columns: those of the items without text; a column an arm of `CODERS`: ten pools, as `SLOTS`,
    and `before_` it, the same pools of the autoencoder before tuning;
    `missed`, each arm's squared error of the item's mean residual, and `spread`, its squared
    distance from the mean item's; `along`, the mean residual's cosine with the direction;
    the same in every row: `latents`, how many latents are weak, mono and poly with values as they
    are and shuffled; `edited`, how many are tuned; `losses`, every arm's validation losses before
    tuning and after by term, and `steps` (JSON).

    Args:
        lm: the model.
        rows: from `moral_repair_items.tried`.
        coder: whose autoencoder.
        each: the arguments of `repaired`.
        every: the same.
        steps: the same.
        count: of all items; of some of them `along` alone is found, without the arms.
    """
    streams = item_streams(lm, moral_items.stems(rows), sae_layer(lm))
    means = torch.stack([own.mean(0) for own in streams])
    direction = fitted(lm, each, every).direction
    table = rows.drop(columns="text").reset_index(drop=True)
    table = table.assign(along=(means @ direction / means.norm(dim=1)).numpy())
    if len(rows) != count:
        return table
    own = repaired(lm, coder, each, every, steps)
    missed, first = [], own.coders["pretrained"].encode(means)
    for name in CODERS:
        codes, weights = own.coders[name].encode(means), own.pools[name].weights
        table[name] = list(moral_loss.pooled(codes, weights).numpy())
        table[f"before_{name}"] = list(moral_loss.pooled(first, weights).numpy())
        missed.append(((own.coders[name].decode(codes) - means) ** 2).sum(1))
    counts = [own.kinds[who][kind] for who in own.kinds for kind in moral_tune.KINDS]
    return table.assign(
        missed=list(torch.stack(missed, 1).numpy()),
        spread=((means - means.mean(0)) ** 2).sum(1).numpy(),
        latents=[np.array(counts)] * len(table), edited=len(own.pools["tuned"].chosen),
        losses=json.dumps(own.records),
    )  # fmt: skip
