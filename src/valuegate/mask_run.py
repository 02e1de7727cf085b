"""Reads section 04's statements and prompts in a model: residuals, places along axes, features.

Items are made in `mask_items`; what is steered is in `mask_steer`, what the numbers mean in
`mask_axis`, `mask_compression` and `mask_features`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from valuegate import mask_axis, mask_items, sae
from valuegate.mask_items import POSITIONS
from valuegate.models import LanguageModel
from valuegate.refusal_run import at_depth
from valuegate.residual import capture
from valuegate.scoring import readings, shared
from valuegate.sharing import Row

if TYPE_CHECKING:
    from sae_lens import TopKSAE

SETS = ("left_right", "parties")  # that have an axis over all their issues
Stream = Float[np.ndarray, "statement position layer d_model"]


@dataclass(frozen=True)
class Fit:
    """All statements, and their residuals at `POSITIONS` and all layers, read as raw text."""

    rows: pd.DataFrame
    stream: Stream

    def axis(self, name: str, layer: int) -> Float[np.ndarray, " d_model"]:
        """Return the unit difference of means of a set's fit issues, at the last token."""
        own = (self.rows["set"] == name) & self.rows["fitted"] & (self.rows["split"] == "fit")
        kept = own.to_numpy()
        return mask_axis.means(
            self.stream[kept, 0, layer], self.rows["label"].to_numpy(float)[kept]
        )


@functools.lru_cache(maxsize=2)
def fit_statements(lm: LanguageModel, world: str, each: int, source: str, pairs: int) -> Fit:
    """Return what axes are fitted on; the arguments are those of `mask_items.statements`.

    Shares prefixes whoever asks: its own rows are scored again, one by one, as "statements".
    """
    rows = mask_items.statements(world, each, source, pairs)
    mask_axis.check(rows[rows["set"] != "control"], "label")
    with shared():
        return Fit(rows, read(lm, rows["text"]))


def read(lm: LanguageModel, texts: Sequence[str]) -> Stream:
    """Return residuals of texts as they are, without a template: of the last token, and the mean.

    At all layers.
    """
    encoded = [tuple(lm.encode(text)) for text in texts]
    rows = [Row(ids, tuple(range(len(ids)))) for ids in encoded]
    found: list[np.ndarray] = [np.empty(0)] * len(rows)
    for reading in readings(lm, rows, layers=list(range(lm.n_layers + 1)), logits=False):
        assert reading.residual is not None
        own = reading.residual.cpu()
        found[reading.index] = torch.stack([own[-1], own.mean(0)]).numpy()
    return np.stack(found)


def statements(
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
    """Return where statements lie along axes that were fitted on other issues, and residuals.

    Columns: those of the items without text; `lda` and `means`: places along axes of these kinds
    at every layer, positions first (flattened over `POSITIONS` and layers; centred on the mean of
    the fold; empty for tastes); `residual` of the last token at a layer, as float16; `along`: its
    cosine with the axis of left and right of the fit issues.

    Args:
        lm: the model.
        rows: from `mask_items.statements`.
        depth: of the layer of `residual`, as a share of the model's.
        world: the arguments that `rows` were made with.
        each: the same.
        source: the same.
        pairs: the same.
        hash: of all statements.
    """
    del hash
    every = fit_statements(lm, world, each, source, pairs)
    whole = len(rows) == len(every.rows)
    stream = every.stream if whole else read(lm, rows["text"])
    layer = at_depth(lm, depth)
    own = stream[:, 0, layer]
    found = rows.drop(columns="text").reset_index(drop=True)
    places = {kind: [np.empty(0, "float32")] * len(rows) for kind in ("lda", "means")}
    for name in SETS:
        numbers = mask_axis.fold_of(every.rows.loc[every.rows["set"] == name, "issue"])
        own_folds = np.where(rows["set"] == name, rows["issue"].map(numbers), -1)
        for fold in sorted(set(own_folds) - {-1}):
            members = np.flatnonzero(own_folds == fold)
            for kind, lists in places.items():
                along = _along(every, name, fold, kind, stream[members])
                for member, values in zip(members, along, strict=True):
                    lists[member] = values
    return found.assign(
        **places,
        residual=list(own.astype("float16")),
        along=own @ every.axis("left_right", layer) / np.linalg.norm(own, axis=1),
    )


def _along(
    every: Fit, name: str, fold: int, kind: str, stream: Stream
) -> Float[np.ndarray, "member place"]:
    """Return places of some statements of a fold along axes fitted on the others' issues."""
    own = (every.rows["set"] == name).to_numpy()
    numbers = mask_axis.fold_of(every.rows.loc[own, "issue"])
    inside = own & (every.rows["issue"].map(numbers) == fold).to_numpy()
    train = own & ~inside & every.rows["fitted"].to_numpy()
    labels = every.rows["label"].to_numpy(float)[train]
    fit, places = mask_axis.AXES[kind], []
    for position in range(len(POSITIONS)):
        for layer in range(stream.shape[2]):
            axis = fit(every.stream[train, position, layer], labels)
            middle = every.stream[inside, position, layer].mean(0)
            places.append((stream[:, position, layer] - middle) @ axis)
    return np.stack(places, axis=1).astype("float32")


def sae_layer(lm: LanguageModel) -> int:
    """Return the layer that autoencoders read, by its share of the depth they were trained at."""
    return at_depth(lm, SAE_DEPTH)


SAE_DEPTH = 16 / 30


def prompts(lm: LanguageModel, rows: pd.DataFrame, *, depth: float) -> pd.DataFrame:
    """Return residuals of prompts at their last token, in their template.

    Columns: those of the items without text; `residual` as in `statements`; `length`, the log of
    the residual's length.

    Args:
        lm: the model.
        rows: from `mask_items.prompts`.
        depth: of the layer of `residual`.
    """
    chat = rows["template"] == "chat"
    texts = [lm.chat(t) if c else t for t, c in zip(rows["text"], chat, strict=True)]
    own = capture(lm, texts, [at_depth(lm, depth)])[:, 0, 0].numpy()
    found = rows.drop(columns="text").reset_index(drop=True)
    return found.assign(
        residual=list(own.astype("float16")), length=np.log(np.linalg.norm(own, axis=1))
    )


@functools.lru_cache(maxsize=2)
def encoder(lm: LanguageModel, name: str) -> TopKSAE:
    """Return an autoencoder that shipped, for its own model or another of the same width."""
    return sae.load(name, lm, other_model=True)[0]


@torch.no_grad()
def words_and_last(
    lm: LanguageModel, texts: Sequence[str], layer: int
) -> list[Float[torch.Tensor, "token d_model"]]:
    """Return each prompt's residuals: of the user's words, then of the last token, in one table."""
    opening, closing = sae.opening_length(lm), sae.closing_length(lm)
    encoded = [tuple(lm.encode(lm.chat(text))) for text in texts]
    rows = [Row(ids, (*range(opening, len(ids) - closing), len(ids) - 1)) for ids in encoded]
    found: list[torch.Tensor] = [torch.empty(0)] * len(rows)
    for reading in readings(lm, rows, layers=[layer], logits=False):
        assert reading.residual is not None
        found[reading.index] = reading.residual[:, 0]
    return found


@torch.no_grad()
def pre_activations(
    coder: TopKSAE, residual: Float[torch.Tensor, "token d_model"]
) -> Float[torch.Tensor, "token latent"]:
    """Return what latents read before all but the k largest are set to zero."""
    return coder.process_sae_in(residual.to(coder.device)) @ coder.W_enc + coder.b_enc


@functools.lru_cache(maxsize=2)
@torch.no_grad()
def policy_features(
    lm: LanguageModel, name: str, world: str, each: int, source: str, pairs: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return features of policy, and all that fire at all, on the words of the fit prompts.

    Features of policy fire on more than a tenth of the fit issues' prompts and on none of science
    or everyday life; of these, the five that are most along the axis of left and right or against
    it. Sources: arXiv 2606.09735, sec. 4.1 (there by hand, from the texts that excite most).
    """
    rows = mask_items.chat_prompts()
    rows = rows[rows["split"] == "fit"]
    coder, layer = encoder(lm, name), sae_layer(lm)
    with shared():
        streams = words_and_last(lm, list(rows["text"]), layer)
    fires = torch.stack([(coder.encode(own[:-1]) > 0).any(0) for own in streams]).cpu().numpy()
    policy = (rows["topic"] == "policy").to_numpy()
    kept = (fires[policy].mean(0) > 0.1) & ~fires[~policy].any(0)
    axis = fit_statements(lm, world, each, source, pairs).axis("left_right", layer)
    aligned = np.abs(coder.W_dec.cpu().numpy() @ axis)
    order = np.lexsort((-aligned, ~kept))
    return (
        tuple(int(n) for n in order[: min(POLICY, int(kept.sum()))]),
        tuple(int(n) for n in np.flatnonzero(fires.any(0))),
    )


POLICY = 5


@torch.no_grad()
def features(
    lm: LanguageModel,
    rows: pd.DataFrame,
    *,
    coder: str,
    world: str,
    each: int,
    source: str,
    pairs: int,
    hash: str,
) -> pd.DataFrame:
    """Return what a prompt's place along the axis is made of, and which features fire where.

    At the last token of the chat template, in the layer that autoencoders read. Columns: those of
    the items without text; `score`, the residual along the axis of left and right (of the fit
    issues); its parts `bias`, `plus` and `minus` (features that add and take) and `error`; `fvu`,
    the error's share of the residual's squared length about the bias; `active`, features among the
    k largest; `words`, those that fire at any of the user's words; `pre`, all pre-activations
    (float16) and `least`, the smallest that was kept; `policy`, features of policy; `along`, the
    score over the residual's length. Source: arXiv 2606.09735, eq. 1.

    Args:
        lm: the model.
        rows: from `mask_items.chat_prompts`.
        coder: whose autoencoder.
        world: the arguments of `mask_items.statements`, which the axis is fitted on.
        each: the same.
        source: the same.
        pairs: the same.
        hash: of these.
    """
    del hash
    own, layer = encoder(lm, coder), sae_layer(lm)
    fitted = fit_statements(lm, world, each, source, pairs).axis("left_right", layer)
    axis = torch.tensor(fitted, dtype=torch.float64)
    chosen = policy_features(lm, coder, world, each, source, pairs)[0]
    aligned, bias = own.W_dec.double().cpu() @ axis, float(own.b_dec.double().cpu() @ axis)
    found = []
    for residual in words_and_last(lm, list(rows["text"]), layer):
        codes = own.encode(residual.to(own.device))
        pre, last = pre_activations(own, residual[-1:])[0].cpu(), codes[-1:].cpu()
        parts = last[0].double() * aligned
        rest = (residual[-1].cpu() - own.decode(codes[-1:])[0].cpu()).double()
        about = (residual[-1].cpu() - own.b_dec.cpu()).double()
        score = float(residual[-1].cpu().double() @ axis)
        found.append(
            {
                "score": score, "bias": bias,
                "plus": float(parts.clamp(min=0).sum()), "minus": float(parts.clamp(max=0).sum()),
                "error": float(rest @ axis), "fvu": float(rest @ rest / (about @ about)),
                "active": np.flatnonzero(last[0].numpy() > 0).astype("int16"),
                "words": np.flatnonzero((codes[:-1] > 0).any(0).cpu().numpy()).astype("int16"),
                "pre": pre.numpy().astype("float16"), "least": float(last[last > 0].min()),
                "policy": np.array(chosen, "int16"),
                "along": score / float(residual[-1].norm()),
            }
        )  # fmt: skip
    return pd.concat(
        [rows.drop(columns="text").reset_index(drop=True), pd.DataFrame(found)], axis=1
    )
