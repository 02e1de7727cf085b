"""Reads section 03's items in a model: at every layer, what their value is told by.

Items are made in `moral_items` and `moral_public`; probes and centres in `moral_probe` and
`moral_centres`; what the numbers mean in `moral_told`.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from transformers import AutoModelForCausalLM

from valuegate import moral_centres, moral_items, moral_probe, moral_public
from valuegate.models import LanguageModel
from valuegate.refusal_run import at_depth
from valuegate.scoring import readings, shared
from valuegate.sharing import Row

LOADERS: dict[str, Callable[..., pd.DataFrame]] = {
    "words": moral_items.words, "actions": moral_items.actions, "norms": moral_items.norms,
    "social": moral_public.social, "stories": moral_public.stories,
}  # fmt: skip
BARE = ("words", "untrained")  # places without a trained model: TF-IDF, random weights
UNTRAINED = 0.3  # depth of the untrained model's residuals; deeper ones say no more
METHODS = ("hdbscan", "kmeans-3", "kmeans-5", "kmeans-10", "gmm-5")


def read(
    lm: LanguageModel, texts: Sequence[str], layers: Sequence[int]
) -> Float[np.ndarray, "text position layer d_model"]:
    """Return residuals of texts as they are, without a template, at `moral_items.POSITIONS`.

    Every position is counted in a row of its own, so that padding is never read. (The released code
    of arXiv 2603.15615 pads on the left and counts from the left.)
    """
    encoded = [tuple(lm.encode(text)) for text in texts]
    rows = [Row(ids, tuple(range(len(ids)))) for ids in encoded]
    found: list[np.ndarray] = [np.empty(0)] * len(rows)
    for reading in readings(lm, rows, layers=layers, logits=False):
        assert reading.residual is not None
        own = reading.residual.cpu()
        rest = own[1:] if len(own) > 1 else own
        found[reading.index] = torch.stack([own[-1], rest.mean(0), own.mean(0)]).numpy()
    return np.stack(found)


@functools.lru_cache(maxsize=2)
def untrained(lm: LanguageModel) -> LanguageModel:
    """Return a model of the same shape and tokenizer whose weights were drawn and never trained."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: Any = AutoModelForCausalLM.from_config(copy.deepcopy(lm.model.config))
    model = model.to(lm.device).float().eval().requires_grad_(False)
    return LanguageModel(f"{lm.name} (untrained)", model, lm.tokenizer, lm.chat_template)


@dataclass(frozen=True)
class Axis:
    """Where the poles of a set lie apart at half depth, at the last token.

    Attributes:
        layer: at half depth.
        mean: residual of all items; `unit`, from vices' to virtues'.
    """

    layer: int
    mean: Float[np.ndarray, " d_model"]
    unit: Float[np.ndarray, " d_model"]

    def along(self, residual: Float[np.ndarray, "item d_model"]) -> Float[np.ndarray, " item"]:
        """Return the cosine of residuals with the axis, about the mean of all items."""
        own = residual - self.mean
        return own @ self.unit / np.linalg.norm(own, axis=1)


@functools.lru_cache(maxsize=2)
def items_of(name: str, options: str) -> pd.DataFrame:
    """Return all items of a set, checked.

    Args:
        name: of the set, in `LOADERS`.
        options: its loader's, as JSON.
    """
    rows = LOADERS[name](**json.loads(options))
    if (rows["foundation"] != "").all() and name != "social":
        moral_items.check(rows)
    return rows


def axis_of(rows: pd.DataFrame, last: Float[np.ndarray, "item d_model"], layer: int) -> Axis:
    """Return the axis of all items of a set, given their last tokens' residuals of a layer."""
    sign = np.sign(rows["value"].to_numpy(float))
    apart = last[sign > 0].mean(0) - (last[sign < 0].mean(0) if (sign < 0).any() else last.mean(0))
    return Axis(layer, last.mean(0), apart / max(float(np.linalg.norm(apart)), 1e-12))


@functools.lru_cache(maxsize=2)
def axis_alone(lm: LanguageModel, name: str, options: str) -> Axis:
    """Return `axis_of` a set that is read for it alone; shares prefixes whoever asks."""
    rows, layer = items_of(name, options), at_depth(lm, 0.5)
    with shared():
        return axis_of(rows, read(lm, moral_items.stems(rows), [layer])[:, 0, 0], layer)


def _found(
    rows: pd.DataFrame,
    stream: Float[np.ndarray, "item position layer d_model"],
    bare: Float[np.ndarray, "item position d_model"],
) -> pd.DataFrame:
    """Return what probes, centres and clusters say of every item, at every place."""
    count, fitted = len(rows), rows["fitted"].to_numpy(bool)
    folds = moral_probe.fold_of(list(rows["cluster"]))
    texts = moral_probe.text_kernel(list(rows["text"]))
    roots, vectors = np.linalg.eigh(texts)
    letters = vectors * np.sqrt(np.maximum(roots, 0.0))
    layers = stream.shape[2]
    features = [stream[:, p, n] for p in range(len(moral_items.POSITIONS)) for n in range(layers)]
    features += [letters, bare[:, 1]]
    static = moral_probe.kernel(stream[:, 2, 0])
    drawn = moral_probe.kernel(bare.reshape(count, -1))
    bases = [
        np.mean(own, axis=0)
        for n in (1, 2, 3) for own in itertools.combinations((texts, static, drawn), n)
    ]  # fmt: skip
    value, slots = rows["value"].to_numpy(float)[:, None], moral_items.vectors(rows)
    names = rows["foundation"].to_numpy(str)
    poles = rows["pole"].to_numpy(str)
    typical = (rows["grade"] >= moral_items.TYPICAL).to_numpy()
    beside_kinds = [field.name for field in dataclasses.fields(moral_centres.Places)][:-1]
    kinds = ["signed", "signed_alone", "apart", "apart_alone", *beside_kinds]
    found = {kind: np.full((count, len(features)), np.nan) for kind in kinds}
    base = moral_probe.held_out(bases, value, folds, fitted)
    polar = (list(poles), list(names), folds, fitted)
    for n, own in enumerate(features):
        kernel = texts if n == len(features) - 2 else moral_probe.kernel(own)
        found["signed_alone"][:, n] = moral_probe.held_out(
            [kernel], value, folds, fitted
        ).found[:, 0]  # fmt: skip
        found["signed"][:, n] = moral_probe.held_out(
            bases, value, folds, fitted, layer=kernel, picks=base.picks
        ).found[:, 0]
        found["apart_alone"][:, n] = moral_probe.separated([kernel], *polar)
        found["apart"][:, n] = moral_probe.separated(bases, *polar, layer=kernel)
        beside = moral_centres.places(own, names, poles, typical, rows["cluster"].to_numpy())
        for kind in beside_kinds:
            found[kind][:, n] = getattr(beside, kind)
    found["signed_base"] = base.found
    found["apart_base"] = moral_probe.separated(bases, *polar)[:, None]
    if (names != "").all():
        found |= _slots(stream[:, 1], stream[:, 2], slots, bases, folds, fitted, rows)
    table = rows.drop(columns="text").reset_index(drop=True)
    for kind, values in found.items():
        table[kind] = list(values.astype("float16"))
    for method, values in _clusters([*stream[:, 1].swapaxes(0, 1), letters, bare[:, 1]]).items():
        table[method.replace("-", "_")] = list(values.astype("int16"))
    return table


def _slots(
    mean: Float[np.ndarray, "item layer d_model"],
    every: Float[np.ndarray, "item layer d_model"],
    slots: Float[np.ndarray, "item slot"],
    bases: Sequence[moral_probe.Kernel],
    folds: np.ndarray,
    fitted: np.ndarray,
    rows: pd.DataFrame,
) -> dict[str, np.ndarray]:
    """Return predictions of the ten slots from mean residuals, and places beside ten centres."""
    kinds = ("slots", "slots_alone", "slots_published", "slots_stepped", "centres")
    found: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
    told = moral_probe.held_out(bases, slots, folds, fitted)
    typical = (rows["grade"] >= moral_items.TYPICAL).to_numpy()
    for layer in slot_layers(mean.shape[1]):
        own = mean[:, layer]
        kernel = moral_probe.kernel(own)
        both = moral_probe.held_out(bases, slots, folds, fitted, layer=kernel, picks=told.picks)
        found["slots"].append(both.found)
        found["slots_alone"].append(moral_probe.held_out([kernel], slots, folds, fitted).found)
        found["slots_published"].append(moral_probe.published_probe(every[:, layer], slots))
        found["slots_stepped"].append(moral_probe.published_probe(own, slots))
        beside = moral_centres.places(
            own, rows["foundation"].to_numpy(str), rows["pole"].to_numpy(str), typical,
            rows["cluster"].to_numpy(),
        )  # fmt: skip
        found["centres"].append(beside.slots)
    whole = {kind: np.concatenate(values, axis=1) for kind, values in found.items()}
    return whole | {"slots_base": told.found, "slots_true": slots}


def slot_layers(layers: int) -> list[int]:
    """Return the layers whose ten slots are stored, of so many (the embedding is one)."""
    return list(range(0, layers, moral_items.SLOT_STEP))


def _clusters(features: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    found: dict[str, list[np.ndarray]] = {method: [] for method in METHODS}
    for features_of in features:
        for method, own in moral_probe.clusters(features_of, METHODS).items():
            found[method].append(own)
    return {method: np.stack(values, axis=1) for method, values in found.items()}


def values(lm: LanguageModel, rows: pd.DataFrame, *, name: str, options: str) -> pd.DataFrame:
    """Return what each item's value is told by, at every place; places are those of `places_of`.

    Columns: those of the items without text; `signed`, its value predicted from the layer beside
    words, static embeddings and an untrained model (each as far as it helps), `signed_alone` from
    the layer, and `signed_base` from those without it; `apart`, `apart_alone` and `apart_base`, the
    same of its pole within its foundation; those of `moral_centres.Places`; where foundations are
    tagged, ten slots at each of `slot_layers`: `slots`, `slots_alone`, `slots_base`,
    `slots_published` (by the published probe, from means of all tokens; nan but for its test rows),
    `slots_stepped` (the same, without first tokens), `slots_true`, and `centres`, products with ten
    centres; cluster numbers by layer and `BARE`, a column a method of `METHODS`; `along`, the
    residual's cosine with the difference of the poles' means at half depth. All are of clusters
    that were not fitted on, but for `own`, `other`, `centres` and the published probe. Of some of a
    set's items `along` alone is found: the rest is fitted on all of them.

    Args:
        lm: the model.
        rows: items of the set.
        name: of the set.
        options: its loader's, as JSON.
    """
    texts = moral_items.stems(rows)
    if list(rows["item"]) != list(items_of(name, options)["item"]):
        axis = axis_alone(lm, name, options)
        found = rows.drop(columns="text").reset_index(drop=True)
        return found.assign(along=axis.along(read(lm, texts, [axis.layer])[:, 0, 0]))
    stream = read(lm, texts, range(lm.n_layers + 1))
    drawn = untrained(lm)
    bare = read(drawn, texts, [at_depth(drawn, UNTRAINED)])[:, :, 0]
    layer = at_depth(lm, 0.5)
    last = stream[:, 0, layer]
    return _found(rows, stream, bare).assign(along=axis_of(rows, last, layer).along(last))


def places_of(layers: int) -> list[str]:
    """Return the names of places: positions and layers ("last 0" is the embedding), then `BARE`."""
    return [
        f"{position} {layer}" for position in moral_items.POSITIONS for layer in range(layers)
    ] + list(BARE)
