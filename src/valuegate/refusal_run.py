"""Runs section 05's requests on a model: residuals, refusal scores, active latents.

Items are made in `refusal_items`; what is steered is in `refusal_steer`, what the numbers mean in
`refusal_geometry` and `refusal_latents`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float

from valuegate import items, refusal_geometry, refusal_items, sae
from valuegate.models import LanguageModel
from valuegate.refusal_geometry import AGAINST
from valuegate.refusal_items import POSITIONS
from valuegate.residual import capture, logit_lens
from valuegate.scoring import option_log_probs, shared

Stream = Float[torch.Tensor, "prompt position layer d_model"]


@functools.lru_cache(maxsize=2)
def stream(lm: LanguageModel, texts: tuple[str, ...]) -> Stream:
    """Return residuals of requests, kept: measurements of the same ones in a row run them once."""
    return read(lm, texts)


def read(lm: LanguageModel, texts: Sequence[str]) -> Stream:
    """Return residuals of requests at `POSITIONS` and all layers."""
    prompts = [lm.chat(text) for text in texts]
    every = list(range(lm.n_layers + 1))
    return capture(lm, prompts, every, [place(lm, position) for position in POSITIONS])


@dataclass(frozen=True)
class Fit:
    """Requests that directions are fitted on, and their residuals as from `stream`."""

    rows: pd.DataFrame
    stream: Stream

    def at(self, position: str, layer: int) -> Float[np.ndarray, "prompt d_model"]:
        """Return the residuals of a position and layer."""
        return self.stream[:, POSITIONS.index(position), layer].numpy()


def fit_requests(lm: LanguageModel, prompts: int, everyday: int, source: str) -> Fit:
    """Return what directions are fitted on; the arguments are those of `request_items`.

    Shares prefixes whoever asks: its own rows are scored again, one by one, as "fit".
    """
    rows = refusal_items.request_items("fit", prompts, everyday, source)
    with shared():
        return Fit(rows, stream(lm, tuple(rows["text"])))


def residuals(
    lm: LanguageModel, rows: pd.DataFrame, *, depth: float, position: str
) -> pd.DataFrame:
    """Return each prompt's residual at a layer and position, and what the model would answer.

    Columns: those of the items without text; `residual`, to 11 bits a number; `refusing`, the
    refusal score in its first-token form (`first_tokens`, nats); `length` of the residual.

    Args:
        lm: the model.
        rows: from `refusal_items.request_items`.
        depth: of the layer, as a share of the model's.
        position: of `POSITIONS`.
    """
    own = stream(lm, tuple(rows["text"]))
    found = rows.drop(columns="text").reset_index(drop=True)
    found["refusing"] = first_token_scores(lm, own[:, POSITIONS.index("last"), -1])
    own = own[:, POSITIONS.index(position), at_depth(lm, depth)].numpy()
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
def first_tokens(lm: LanguageModel) -> tuple[list[int], list[int]]:
    """Return the first tokens of the bank's refusals and of its plain answers, none in both.

    The refusal score in its first-token form is the log-odds of the ones against the others.
    """
    bank = items.load("requests", "answers")
    sets = [
        {lm.option_ids(o)[0] for o in bank.loc[bank["answer"] == answer, "opening"]}
        for answer in ("refusal", "compliance")
    ]
    return sorted(sets[0] - sets[1]), sorted(sets[1] - sets[0])


def first_token_scores(
    lm: LanguageModel, last: Float[torch.Tensor, "prompt d_model"]
) -> Float[np.ndarray, " prompt"]:
    """Return how much likelier a refusal's first token is than a plain answer's, nats."""
    no, yes = first_tokens(lm)
    return odds(logit_lens(lm, last, [*no, *yes]), len(no))


def odds(logits: Float[torch.Tensor, "prompt token"], cut: int) -> Float[np.ndarray, " prompt"]:
    """Return the log-odds of the first `cut` tokens against the others, nats."""
    values = logits.double()
    return (values[:, :cut].logsumexp(1) - values[:, cut:].logsumexp(1)).cpu().numpy()


def bank(lm: LanguageModel, rows: pd.DataFrame) -> pd.DataFrame:
    """Return refusal scores over the whole bank of openings, beside the first-token form.

    Columns: those of the items without text; `refusing`, the first-token form; `bank`, the
    log-odds of all refusals' openings against all plain answers', `styles`, a list of those of each
    style in the order of `STYLES`; both of log-probabilities per token of an opening (nats).

    Args:
        lm: the model.
        rows: requests.
    """
    texts = [lm.chat(text) for text in rows["text"]]
    whole, by_style = bank_scores(lm, texts)
    last = capture(lm, texts, [lm.n_layers])[:, 0, 0]
    return rows.drop(columns="text").reset_index(drop=True).assign(
        refusing=first_token_scores(lm, last), bank=whole, styles=list(by_style.astype("float32"))
    )  # fmt: skip


def bank_scores(
    lm: LanguageModel, texts: Sequence[str]
) -> tuple[Float[np.ndarray, " prompt"], Float[np.ndarray, "prompt style"]]:
    """Return log-odds of refusals' openings against plain answers', all and by style (nats).

    Of log-probabilities per token of an opening.
    """
    answers = items.load("requests", "answers")
    refusals = answers[(answers["answer"] == "refusal") & (answers["split"] == "read")]
    plain = answers[answers["answer"] == "compliance"]
    openings = [*refusals["opening"], *plain["opening"]]
    lengths = np.array([len(lm.option_ids(opening)) for opening in openings])
    scores = option_log_probs(lm, texts, openings) / lengths
    usual = np.logaddexp.reduce(scores[:, len(refusals) :], 1)
    own = scores[:, : len(refusals)]
    by_style = [
        np.logaddexp.reduce(own[:, (refusals["style"] == style).to_numpy()], 1) - usual
        for style in STYLES
    ]
    return np.logaddexp.reduce(own, 1) - usual, np.stack(by_style, axis=1)


STYLES = ("policy", "moral", "identity", "inability", "uncertainty", "deflection")


def latents(lm: LanguageModel, rows: pd.DataFrame, *, position: str) -> pd.DataFrame:
    """Return which latents of the model's own autoencoder are active at a position.

    Columns: those of the items without text; `active`, a list of latents, ascending; `count`, how
    many; `latents`, of the autoencoder.

    Args:
        lm: the model, which an autoencoder was trained on.
        rows: requests.
        position: of `POSITIONS`.
    """
    encoder, record = sae.load(lm.name, lm)
    own = stream(lm, tuple(rows["text"]))[:, POSITIONS.index(position), record.layer]
    codes = encoder.encode(own.to(encoder.device)).cpu()
    active = [np.flatnonzero(code.numpy() > 0).astype("int32") for code in codes]
    return (
        rows.drop(columns="text")
        .reset_index(drop=True)
        .assign(active=active, count=[float(len(own)) for own in active], latents=codes.shape[1])
    )


def layers(
    lm: LanguageModel,
    rows: pd.DataFrame,
    *,
    prompts: int,
    everyday: int,
    test: int,
    source: str,
    hash: str,
) -> pd.DataFrame:
    """Return how alike kinds' directions are, and what each tells, at every layer and position.

    A row a kind. Lists over layers (from 0), within positions in the order of `POSITIONS`:
    `cosine`, the mean cosine of its direction with the others', against everyday requests;
    `lookalike`, the same against look-alikes; `ceiling`, its cosine with itself between halves;
    `apart`, how far its test requests to refuse and look-alikes lie apart along it (difference of
    means in standard deviations; nan without look-alikes). `top`: the mean cosine of its test
    requests to refuse with it, at the last place.

    Args:
        lm: the model.
        rows: from `refusal_items.kind_items`.
        prompts: of a kind and role that directions are fitted on.
        everyday: requests that they are fitted against.
        test: pairs of a kind that `apart` is taken of.
        source: of the requests, "own" or "public".
        hash: of the prompts that directions are fitted on.
    """
    del hash
    found = by_layer(lm, prompts, everyday, source)
    tried = refusal_items.request_items("test", test, 0, source)
    names = refusal_items.kinds(source)
    chosen = [names.index(kind) for kind in rows["kind"]]
    lists = {k: list(v.astype("float32")[chosen]) for k, v in found.lists.items()}
    apart, top = [], []
    for kind, own in zip(rows["kind"], found.directions[chosen], strict=True):
        part = tried[tried["kind"] == kind]
        refuse = (part["role"] == "refuse").to_numpy()
        residual = read(lm, part["text"]).numpy().reshape(len(part), *own.shape)
        along = (residual * own).sum(-1)
        apart.append(_apart(along, refuse).astype("float32"))
        last = along[refuse, -1] / np.linalg.norm(residual[refuse, -1], axis=1)
        top.append(float(last.mean()))
    return rows.reset_index(drop=True).assign(**lists, apart=apart, top=top)


@dataclass(frozen=True)
class ByLayer:
    """Directions against everyday requests at every place, a position and layer; `layers`' lists.

    Places are those of `layers`, positions first.
    """

    directions: Float[np.ndarray, "kind place d_model"]
    lists: dict[str, Float[np.ndarray, "kind place"]]


@functools.lru_cache(maxsize=1)
def by_layer(lm: LanguageModel, prompts: int, everyday: int, source: str) -> ByLayer:
    """Return what is fitted for `layers`, once for all kinds; the arguments are the same."""
    fit = fit_requests(lm, prompts, everyday, source)
    names = refusal_items.kinds(source)
    lists: dict[str, list[np.ndarray]] = {k: [] for k in ("cosine", "lookalike", "ceiling")}
    fitted = []
    for position in POSITIONS:
        for layer in range(lm.n_layers + 1):
            kinds, plain = refusal_geometry.by_kind(fit.rows, fit.at(position, layer), names)
            both = [refusal_geometry.directions(kinds, plain, against) for against in AGAINST]
            fitted.append(both[0])
            for column, own in zip(("cosine", "lookalike"), both, strict=True):
                between = refusal_geometry.cosines(own)
                np.fill_diagonal(between, np.nan)
                lists[column].append(_mean_of_some(between))
            halved = refusal_geometry.halves(kinds, plain, "everyday", draws=10)
            lists["ceiling"].append(refusal_geometry.ceilings(halved))
    stacked = {column: np.stack(values, axis=1) for column, values in lists.items()}
    return ByLayer(np.stack(fitted, axis=1), stacked)


def _mean_of_some(table: Float[np.ndarray, "kind kind"]) -> Float[np.ndarray, " kind"]:
    """Return each row's mean without nan, nan where nothing else is there."""
    there = np.isfinite(table)
    return np.divide(
        np.where(there, table, 0).sum(1), there.sum(1),
        out=np.full(len(table), np.nan), where=there.any(1),
    )  # fmt: skip


def _apart(
    along: Float[np.ndarray, "prompt place"], refuse: Bool[np.ndarray, " prompt"]
) -> Float[np.ndarray, " place"]:
    """Return the difference of two groups' means in their pooled SD, by place; nan without."""
    one, other = along[refuse].astype(float), along[~refuse].astype(float)
    if not (len(one) and len(other)):
        return np.full(along.shape[1], np.nan)
    spread = np.sqrt((one.var(0) + other.var(0)) / 2)
    gap = one.mean(0) - other.mean(0)
    return np.divide(gap, spread, out=np.zeros_like(gap), where=spread > 1e-9)
