"""Runs section 02's prompts on a model: one row of scores a prompt.

The prompts are made in `misfire_items`; what the scores mean is in `misfire`.
"""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import torch

from valuegate import circuits, directions, misfire_items, models
from valuegate.models import LanguageModel
from valuegate.residual import capture, lens_log_odds
from valuegate.scoring import NO, YES, answer_ids, generate, log_odds

THINK = "Think step by step about who did what."
THEREFORE = " So the answer, yes or no, is"


def evidence(
    lm: LanguageModel, items: pd.DataFrame, *, shots: int = 0, reasoning: int = 0
) -> pd.DataFrame:
    """Return the yes/no log-odds of every prompt, at the output and through the lens at each layer.

    Columns: those of the items without the text; `log_odds` (nats) and `mass` at the last token;
    `lens`, a list of the log-odds at layer 0 (embedding) to n_layers (the output).

    Args:
        lm: the model.
        items: text and system of every prompt.
        shots: worked examples before it, half of them answered no.
        reasoning: tokens of greedy thinking aloud before the answer is read; 0 for none.
    """
    return _scored(lm, items, shots, reasoning)[0]


def _scored(
    lm: LanguageModel, items: pd.DataFrame, shots: int = 0, reasoning: int = 0
) -> tuple[pd.DataFrame, torch.Tensor]:
    """Return what `evidence` does, and the residual of every layer at the last token."""
    turns = misfire_items.demonstrations(shots)
    rows = list(zip(items["text"], items["system"], strict=True))
    prompts = [lm.chat(text, system=system, turns=turns) for text, system in rows]
    if reasoning:
        asked = [text.replace(misfire_items.INSTRUCTION, THINK) for text, _ in rows]
        thinking = [lm.chat(text, turns=turns) for text in asked]
        thoughts = generate(lm, thinking, reasoning)
        prompts = [f"{p}{t.strip()}{THEREFORE}" for p, t in zip(thinking, thoughts, strict=True)]
    scores = log_odds(lm, prompts, layers=range(lm.n_layers + 1))
    assert scores.residual is not None
    lens = lens_log_odds(lm, scores.residual, answer_ids(lm, YES), answer_ids(lm, NO))
    found = items.drop(columns=["text", "system"]).reset_index(drop=True)
    found["log_odds"] = scores.log_odds
    found["mass"] = scores.mass
    found["lens"] = list(lens.numpy().astype("float32"))
    return found, scores.residual


def own(lm: LanguageModel, items: pd.DataFrame, *, fit: str, hash: str) -> pd.DataFrame:
    """Return `evidence`, and what a linear probe reads at the last token of every layer.

    Column `decoded`: the probe's score by layer, above 0 for an answer of yes; `decoded_last`, that
    of the last layer. The probe is fitted on prompts of the split fit, in the same model.

    Args:
        lm: the model.
        items: text and system of every prompt.
        fit: form of the prompts that the probe is fitted on (`misfire_items.probe_items`).
        hash: of those prompts, so that a stored table is not taken for one of another fit.
    """
    del hash
    found, residual = _scored(lm, items)
    scores = directions.probe_scores(residual.numpy(), _probe(lm, fit)).astype("float32")
    return found.assign(decoded=list(scores), decoded_last=scores[:, -1])


@functools.lru_cache(maxsize=1)
def _probe(lm: LanguageModel, fit: str) -> tuple[np.ndarray, np.ndarray]:
    rows = misfire_items.probe_items(fit)
    residual = capture(lm, _prompts(lm, rows, "text"), range(lm.n_layers + 1))[:, 0].numpy()
    return directions.ridge(residual, rows["gold"].to_numpy(float))


def _prompts(lm: LanguageModel, items: pd.DataFrame, column: str) -> list[str]:
    """Return a column of texts in the model's template, under their system lines."""
    return [lm.chat(t, system=s) for t, s in zip(items[column], items["system"], strict=True)]


def layers(lm: LanguageModel, items: pd.DataFrame, *, before: str) -> pd.DataFrame:
    """Return the log-odds of yes with a layer's residual put in from another run.

    Every second layer is patched, from 0 (the embedding) on: column `layers`. Columns: those of the
    items without texts; `log_odds`, `twin_log_odds` (of the twin) and `before_log_odds` (of the
    prompt, in the model before); lists by layer: `patched_last` and `patched_names`, from the twin
    at the last token, and wherever the two differ, which is at the names; `patched_before`, from
    the model before, at the last token; `middle`, `patched_last` of the middle layer.

    Args:
        lm: the model.
        items: from `misfire_items.gate_twins`.
        before: the model that `lm` was trained from.
    """
    found = items.drop(columns=["text", "twin", "system"]).reset_index(drop=True)
    earlier = _loaded(before)
    prompts, twins = _prompts(lm, items, "text"), _prompts(lm, items, "twin")
    found["log_odds"] = log_odds(lm, prompts).log_odds
    found["twin_log_odds"] = log_odds(lm, twins).log_odds
    found["before_log_odds"] = log_odds(earlier, prompts).log_odds
    every = list(range(0, lm.n_layers + 1, 2))
    curves: dict[str, list[np.ndarray]] = {"last": [], "names": [], "before": []}
    for prompt, twin in zip(prompts, twins, strict=True):
        names = circuits.differences(lm, prompt, twin)
        own = {"last": (twin, (-1,), lm), "names": (twin, names, lm),
               "before": (prompt, (-1,), earlier)}  # fmt: skip
        for place, (other, at, source) in own.items():
            curves[place].append(circuits.patched_layers(lm, prompt, other, at, source, every))
    for place, rows in curves.items():
        found[f"patched_{place}"] = [row.astype("float32") for row in rows]
    middle = [row[len(row) // 2] for row in curves["last"]]
    return found.assign(middle=middle, layers=[every] * len(found))


@functools.lru_cache(maxsize=1)
def _loaded(name: str) -> LanguageModel:
    return models.load(name)


def heads(
    lm: LanguageModel, items: pd.DataFrame, *, scenarios: int, top: int, draws: int, hash: str
) -> pd.DataFrame:
    """Return what ablating the heads that hold a gate does, beside random heads of their blocks.

    Heads are ranked by attribution on scenarios of the split plant, by how much likelier yes
    becomes about the gated member with what they give about the other one, and ablated on the
    items: put to their means on the ranking prompts, and to zero. Columns: those of the items;
    `log_odds`; `mean_ablated`, `zero_ablated`: with the chosen heads ablated; `random`: a list by
    draw, random heads put to their means; `chosen`: the heads, as "block.head".

    Args:
        lm: the model.
        items: from `misfire_items.gate_items`.
        scenarios: of the split plant, to rank heads on.
        top: how many heads.
        draws: sets of random heads.
        hash: of the prompts that heads are ranked on, as for `own`.
    """
    del hash
    chosen, means = _gate_heads(lm, scenarios, top)
    texts = _prompts(lm, items, "text")
    others = [
        circuits.ablated(lm, texts, drawn, means)
        for drawn in circuits.matched_heads(chosen, lm.n_heads, draws)
    ]
    return items.drop(columns=["text", "system"]).assign(
        log_odds=log_odds(lm, texts).log_odds,
        mean_ablated=circuits.ablated(lm, texts, chosen, means),
        zero_ablated=circuits.ablated(lm, texts, chosen),
        random=list(np.stack(others, axis=1).astype("float32")),
        chosen=" ".join(f"{block}.{head}" for block, head in chosen),
    ).reset_index(drop=True)  # fmt: skip


@functools.lru_cache(maxsize=1)
def _gate_heads(
    lm: LanguageModel, scenarios: int, top: int
) -> tuple[list[circuits.Head], dict[circuits.Head, torch.Tensor]]:
    rows = misfire_items.gate_twins("plant", scenarios)
    prompts, twins = _prompts(lm, rows, "text"), _prompts(lm, rows, "twin")
    parts = [circuits.attribution(lm, p, t) for p, t in zip(prompts, twins, strict=True)]
    chosen: list[circuits.Head] = []
    for k in np.argsort(-np.mean(parts, axis=0).ravel()):
        block, head = int(k) // lm.n_heads, int(k) % lm.n_heads
        if sum(b == block for b, _ in chosen) < lm.n_heads // 2:  # leave others to compare with
            chosen.append((block, head))
        if len(chosen) == top:
            break
    return chosen, circuits.head_means(lm, [*prompts, *twins])
