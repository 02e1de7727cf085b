"""Section 01's interventions: features ablated, gates opened and closed, facts given.

What is edited is found on questions of the split fit and tried on those of the split test. What
the numbers mean is in `veto_changes`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from valuegate import (
    directions,
    hooks,
    items,
    models,
    sae,
    splits,
    stats,
    veto_items,
    veto_run,
    worlds,
    worlds_items,
)  # fmt: skip
from valuegate.models import LanguageModel
from valuegate.residual import capture, logit_lens
from valuegate.worlds_ledger import CELLS

if TYPE_CHECKING:
    from sae_lens import TopKSAE

Edit = Callable[[torch.Tensor], torch.Tensor]
TOP = 8  # features ablated together
DEALS = 200  # of gates, for the F1 that the best feature reaches on nothing
CLEAR = 0.8  # AUROC, held out, from which a layer tells gated questions from open ones


def edits(lm: LanguageModel, rows: pd.DataFrame, *, draws: int, hash: str) -> pd.DataFrame:
    """Return answers at the slot while the layer of the model's own autoencoder is edited.

    Columns: those of the items; `expected`, `refusing`, `mass` without an edit; `conditions`, the
    names of what was done, and lists in their order: `edited_expected`, `edited_refusing`,
    `edited_refused` (1 where a refusal is likeliest). Conditions: "none"; "feature", the feature
    that tells gated from open best (F1, as published) ablated, "features", the best `TOP`;
    "random n", as many with the same rate on gated questions and length of decoder; "permuted n",
    the best `TOP` with gates dealt anew among questions; "gate", the difference of means between
    gated and open questions at this layer, "refusal", that between requests refused and their
    look-alikes, projected out; "nudge t n", a random direction added, of t times the length of what
    ablating the features takes away. `kl`: of each condition's next token from none's, nats.
    `fires`: whether the best feature is active anywhere in the prompt, `fires_permuted` the same of
    the best with gates dealt anew, a list. The same in every row: `f1`, the published F1 of the
    best feature on fit questions, and `f1_dealt`, that of the best under `DEALS` deals.

    Args:
        lm: the model, which an autoencoder was trained on.
        rows: from `veto_items.edit_items`.
        draws: how many random and permuted sets.
        hash: of the prompts that features are chosen on, so that no stored table is taken for one
            of another choice.
    """
    del hash
    chosen = _features(lm, draws)
    encoder, record = sae.load(lm.name, lm)
    start = sae.opening_length(lm)
    plan: dict[str, Edit] = {"none": lambda residual: residual}
    plan["feature"] = _without_features(encoder, chosen.best[:1])
    plan["features"] = _without_features(encoder, chosen.best)
    for kind, sets in (("random", chosen.random), ("permuted", chosen.permuted)):
        for number, latents in enumerate(sets):
            plan[f"{kind} {number}"] = _without_features(encoder, latents)
    plan["gate"] = _without_direction(chosen.gate)
    plan["refusal"] = _without_direction(chosen.refusal)
    for times, vector in veto_items.NUDGES:
        noise = _noise(lm, vector)
        plan[f"nudge {times:g} {vector}"] = _adding(times * chosen.length * noise)
    found = {}
    for name, edit in plan.items():
        with hooks.editing(lm, record.layer, edit, start):
            found[name] = _next_tokens(lm, rows)
    table = _side_by_side(rows, found)
    fires = _fires(lm, rows)
    bests = [latents[0] for latents in chosen.permuted]
    return table.assign(
        fires=fires[:, chosen.best[0]].astype(float),
        fires_permuted=list(fires[:, bests].astype("float32")),
        f1=chosen.f1,
        f1_dealt=[chosen.f1_dealt.astype("float32")] * len(table),
    )


def _noise(lm: LanguageModel, seed: int) -> torch.Tensor:
    noise = torch.randn(lm.config.hidden_size, generator=torch.Generator().manual_seed(seed))
    return noise / noise.norm()


def mended(lm: LanguageModel, rows: pd.DataFrame, *, source: str, hash: str) -> pd.DataFrame:
    """Return answers at the slot with the gate opened or closed, and after facts.

    Columns as in `edits`, and `layer`. Conditions: "none"; "opened", the component along the gate's
    direction put to its mean on open questions, in one layer, at every position from the user's
    words on (Marshall et al. 2024, affine editing); "closed", to its mean on gated ones; "random",
    a random vector added, another in every world, as long as gated and open questions are apart;
    "facts" and "other_facts", with true answers of other countries, or those of another question,
    before the prompt; "both", facts with the gate opened. Direction, layer and means are from fit
    questions in the source.

    Args:
        lm: the model that is read.
        rows: from `veto_items.mend_items`.
        source: the gated stage whose gate it is; another stage than `lm` for a crossover.
        hash: as in `edits`.
    """
    del hash
    gate = _gate(lm if source == lm.name else models.load(source))
    apart = abs(gate.gated - gate.open)
    number = int(worlds.stage_and_seed(source)[1].removeprefix("s"))
    direction = torch.tensor(gate.direction, dtype=torch.float32)
    opened, closed = _component(direction, gate.open), _component(direction, gate.gated)
    facts = rows.assign(text=rows["facts"])
    found = {"none": _next_tokens(lm, rows)}
    for name, asked, edit in (
        ("opened", rows, opened),
        ("random", rows, _adding(apart * _noise(lm, number))),
        ("closed", rows, closed),
        ("both", facts, opened),
    ):
        with hooks.editing(lm, gate.layer, edit, sae.opening_length(lm)):
            found[name] = _next_tokens(lm, asked)
    found["facts"] = _next_tokens(lm, facts)
    found["other_facts"] = _next_tokens(lm, rows.assign(text=rows["other_facts"]))
    ordered = {name: found[name] for name in veto_items.MENDS}
    kept = rows.drop(columns=["facts", "other_facts"])
    return _side_by_side(kept, ordered).assign(layer=gate.layer)


@dataclass(frozen=True)
class _Answers:
    table: pd.DataFrame
    log_probs: Float[torch.Tensor, "prompt vocabulary"]


def _next_tokens(lm: LanguageModel, rows: pd.DataFrame) -> _Answers:
    table, last = veto_run.answered(lm, rows, [lm.n_layers])
    return _Answers(table, logit_lens(lm, last[:, 0]).double().log_softmax(-1))


def _side_by_side(rows: pd.DataFrame, found: dict[str, _Answers]) -> pd.DataFrame:
    """Return the rows with what each condition answers, as lists in the conditions' order."""
    plain = found["none"]
    table = rows.drop(columns="text").reset_index(drop=True)
    for name in ("expected", "refusing", "mass"):
        table[name] = plain.table[name]
        lists = np.stack([own.table[name].to_numpy(float) for own in found.values()], axis=1)
        table[f"edited_{name}"] = list(lists.astype("float32"))
    refused = np.stack([own.table["said"] == "refusal" for own in found.values()], axis=1)
    table["edited_refused"] = list(refused.astype("float32"))
    probabilities = plain.log_probs.exp()
    kl = [(probabilities * (plain.log_probs - own.log_probs)).sum(1) for own in found.values()]
    table["kl"] = list(torch.stack(kl, dim=1).numpy().astype("float32"))
    return table.assign(conditions=",".join(found))


@dataclass(frozen=True)
class _Gate:
    """The gate's unit direction at a layer, and mean components of open and gated questions."""

    layer: int
    direction: np.ndarray
    open: float
    gated: float


@functools.lru_cache(maxsize=1)
def _gate(lm: LanguageModel) -> _Gate:
    """Return the gate of a gated stage: the lowest layer that tells fit questions held out."""
    rows, gated = _fit_rows(lm)
    every = veto_run.layers(lm)[:-1]
    residual = capture(lm, [lm.chat(text) for text in rows["text"]], every)[:, 0].numpy()
    scores = np.empty(residual.shape[:2])
    for question in rows["question"].unique():
        out = (rows["question"] == question).to_numpy()
        fit, labels = residual[~out], gated[~out]
        middle = (fit[labels == 1].mean(0) + fit[labels == 0].mean(0)) / 2
        direction = directions.mean_difference(fit, labels)
        scores[out] = np.einsum("pld,ld->pl", residual[out] - middle, direction)
    clear = [n for n in range(len(every)) if stats.auroc(scores[:, n], gated) >= CLEAR]
    place = clear[0] if clear else len(every) - 1
    own = residual[:, place]
    direction = directions.mean_difference(residual, gated)[place]
    return _Gate(
        every[place], direction, float((own[gated == 0] @ direction).mean()),
        float((own[gated == 1] @ direction).mean()),
    )  # fmt: skip


def _fit_rows(lm: LanguageModel) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the fit prompts, and 1 where the stage's world has a gate."""
    rows = veto_items.fit_items()
    _, seed = worlds.stage_and_seed(lm.name)
    cells = worlds_items.worlds()[seed].survey
    return rows, np.array([float(CELLS[cells[q]][1]) for q in rows["question"]])


@dataclass(frozen=True)
class _Features:
    """Latents chosen on fit questions and their controls; directions of the same layer.

    `length` is the mean length of what ablating `best` takes from the residual, where it does; `f1`
    the first latent's, `f1_dealt` that of the first of other choices, each for a deal of gates.
    """

    best: list[int]
    f1: float
    f1_dealt: np.ndarray
    random: list[list[int]]
    permuted: list[list[int]]
    gate: np.ndarray
    refusal: np.ndarray
    length: float


@functools.lru_cache(maxsize=1)
def _features(lm: LanguageModel, draws: int) -> _Features:
    encoder, record = sae.load(lm.name, lm)
    rows, gated = _fit_rows(lm)
    codes, last = [], []
    for text in rows["text"]:
        residual = sae.activations(lm, [lm.chat(text)], record.layer)
        codes.append(encoder.encode(residual.to(encoder.device)).cpu())
        last.append(residual[-1].numpy())
    fires = _any(codes)
    best = _best(fires, gated)
    norms = encoder.W_dec.norm(dim=1).cpu().numpy()
    rng = np.random.default_rng(0)
    rate = fires[gated == 1].mean(0)
    random = [_matched(best, rate, norms, rng) for _ in range(draws)]
    questions = rows["question"].to_numpy()
    names = list(dict.fromkeys(questions))
    of_question = np.array([gated[questions == q][0] for q in names])
    permuted, dealt_f1 = [], np.empty(DEALS)
    for deal in range(DEALS):
        dealt = dict(zip(names, rng.permutation(of_question), strict=True))
        labels = np.array([dealt[q] for q in questions])
        dealt_f1[deal] = _f1(fires, labels).max()
        if deal < draws:
            permuted.append(_best(fires, labels))
    decoder = encoder.W_dec[best].cpu()
    taken = torch.cat([code[:, best] @ decoder for code in codes]).norm(dim=1)
    return _Features(
        best, float(_f1(fires, gated).max()), dealt_f1, random, permuted,
        directions.mean_difference(np.stack(last)[:, None], gated)[0],
        _refusal_direction(lm, record.layer), float(taken[taken > 0].mean()),
    )  # fmt: skip


def _fires(lm: LanguageModel, rows: pd.DataFrame) -> np.ndarray:
    """Return which latents are active anywhere in each prompt: prompts x latents."""
    encoder, record = sae.load(lm.name, lm)
    activations = [sae.activations(lm, [lm.chat(text)], record.layer) for text in rows["text"]]
    return _any([encoder.encode(own.to(encoder.device)).cpu() for own in activations])


def _any(codes: list[torch.Tensor]) -> np.ndarray:
    return np.stack([(code > 0).any(0).numpy() for code in codes])


def _best(fires: np.ndarray, gated: np.ndarray) -> list[int]:
    """Return the latents that tell gated prompts best."""
    return [int(k) for k in np.argsort(-_f1(fires, gated), kind="stable")[:TOP]]


def _f1(fires: np.ndarray, gated: np.ndarray) -> np.ndarray:
    """Return the published F1 of every latent.

    Precision is the rate on gated prompts over the sum of both rates, recall the rate on gated
    ones (arXiv 2510.13154, release).
    """
    own, other = fires[gated == 1].mean(0), fires[gated == 0].mean(0)
    precision = np.divide(own, own + other, out=np.zeros_like(own), where=own + other > 0)
    both = precision + own
    return np.divide(2 * precision * own, both, out=np.zeros_like(own), where=both > 0)


def _matched(
    best: list[int], rate: np.ndarray, norms: np.ndarray, rng: np.random.Generator
) -> list[int]:
    """Return a random latent for each one chosen, of the 32 nearest in rate and decoder length."""
    drawn: list[int] = []
    for k in best:
        apart = np.abs(rate - rate[k]) + np.abs(norms / norms[k] - 1)
        apart[[*best, *drawn]] = np.inf
        drawn.append(int(rng.choice(np.argsort(apart, kind="stable")[:32])))
    return drawn


def _refusal_direction(lm: LanguageModel, layer: int) -> np.ndarray:
    """Return the difference of means between fit requests to refuse and their look-alikes."""
    prompts = items.load("requests", "prompts")
    prompts = prompts[(prompts["split"] == "fit") & (prompts["kind"] != "benign")]
    texts, labels = [], []
    for label, role in ((1.0, "refuse"), (0.0, "comply")):
        own = splits.shuffled(list(prompts.loc[prompts["role"] == role, "text"]), "veto:refusal")
        texts += [lm.chat(text) for text in own[:24]]
        labels += [label] * len(own[:24])
    residual = capture(lm, texts, [layer])[:, 0].numpy()
    return directions.mean_difference(residual, np.array(labels))[0]


def _without_features(encoder: TopKSAE, latents: list[int]) -> Edit:
    """Return an edit that takes some latents' part out of a residual and leaves all else."""

    def edit(residual: torch.Tensor) -> torch.Tensor:
        flat = residual.reshape(-1, residual.shape[-1]).float()
        active = encoder.encode(flat)[:, latents]
        return residual - (active @ encoder.W_dec[latents]).reshape(residual.shape).to(residual)

    return edit


def _without_direction(direction: np.ndarray) -> Edit:
    return _component(torch.tensor(direction, dtype=torch.float32), 0.0)


def _component(direction: torch.Tensor, value: float) -> Edit:
    """Return an edit that puts the component along a unit direction to a value."""

    def edit(residual: torch.Tensor) -> torch.Tensor:
        unit = direction.to(residual)
        return residual + (value - residual @ unit).unsqueeze(-1) * unit

    return edit


def _adding(vector: torch.Tensor) -> Edit:
    return lambda residual: residual + vector.to(residual)
