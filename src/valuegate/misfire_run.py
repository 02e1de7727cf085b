"""Runs section 02's prompts on a model: one row of scores a prompt.

The prompts are made in `misfire_items`; what the scores mean is in `misfire`.
"""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import torch

from valuegate import circuits, directions, misfire_items
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


def own(lm: LanguageModel, items: pd.DataFrame) -> pd.DataFrame:
    """Return `evidence`, and what a linear probe reads at the last token of every layer.

    Column `decoded`: the probe's score by layer, above 0 for an answer of yes. It is fitted on our
    own scenarios of the split fit, in the same model.
    """
    found, residual = _scored(lm, items)
    scores = directions.probe_scores(residual.numpy(), _probe(lm))
    return found.assign(decoded=list(scores.astype("float32")))


@functools.lru_cache(maxsize=1)
def _probe(lm: LanguageModel) -> tuple[np.ndarray, np.ndarray]:
    fit = misfire_items.own_items(1, 0, split="fit")
    prompts = [
        lm.chat(text, system=system)
        for text, system in zip(fit["text"], fit["system"], strict=True)
    ]
    residual = capture(lm, prompts, range(lm.n_layers + 1))[:, 0].numpy()
    return directions.ridge(residual, fit["gold"].to_numpy(float))


def layers(lm: LanguageModel, items: pd.DataFrame) -> pd.DataFrame:
    """Return the log-odds of yes with each layer's residual put in from the twin.

    Columns: those of the items without texts; `log_odds` (the prompt's own), `twin_log_odds`;
    `patched_last` and `patched_names`, lists by layer, 0 (embedding) to n_layers: at the last
    token, and wherever prompt and twin differ, which is at the names that changed roles.
    """
    found = items.drop(columns=["text", "twin", "system"]).reset_index(drop=True)
    prompts, twins = _twins(lm, items)
    found["log_odds"] = log_odds(lm, prompts).log_odds
    found["twin_log_odds"] = log_odds(lm, twins).log_odds
    both = list(zip(prompts, twins, strict=True))
    names = [circuits.differences(lm, prompt, twin) for prompt, twin in both]
    for name, places in (("last", [[-1]] * len(both)), ("names", names)):
        found[f"patched_{name}"] = [
            circuits.patched_layers(lm, prompt, twin, at).astype("float32")
            for (prompt, twin), at in zip(both, places, strict=True)
        ]
    return found


def heads(
    lm: LanguageModel, items: pd.DataFrame, *, scenarios: int, top: int, draws: int
) -> pd.DataFrame:
    """Return what ablating the heads that matter most does, beside random heads of their blocks.

    Heads are ranked by attribution on twins of the split fit, and ablated on the items, which are
    of the split test: put to their means on the fit prompts, and to zero. Columns: those of the
    items without texts; `log_odds` and `twin_log_odds` as they are; `mean_ablated`, `zero_ablated`
    and the same of the twin (`twin_...`): the chosen heads; `random`, `twin_random`: lists by draw,
    random heads put to their means; `chosen`: the heads, as "block.head".

    Args:
        lm: the model.
        items: from `misfire_items.twin_items`.
        scenarios: of the split fit, to rank heads on.
        top: how many heads.
        draws: sets of random heads.
    """
    fit = misfire_items.twin_items("fit", scenarios)
    fit_prompts, fit_twins = _twins(lm, fit)
    parts = [
        circuits.attribution(lm, prompt, twin)
        for prompt, twin in zip(fit_prompts, fit_twins, strict=True)
    ]
    score = -np.mean(parts, axis=0)  # what makes yes likelier here than in the twin
    order = np.argsort(-score.ravel())[:top]
    chosen = [(int(k) // lm.n_heads, int(k) % lm.n_heads) for k in order]
    means = circuits.head_means(lm, [*fit_prompts, *fit_twins])
    found = items.drop(columns=["text", "twin", "system"]).reset_index(drop=True)
    for prefix, texts in zip(("", "twin_"), _twins(lm, items), strict=True):
        found[f"{prefix}log_odds"] = log_odds(lm, texts).log_odds
        found[f"{prefix}mean_ablated"] = circuits.ablated(lm, texts, chosen, means)
        found[f"{prefix}zero_ablated"] = circuits.ablated(lm, texts, chosen)
        others = [
            circuits.ablated(lm, texts, drawn, means)
            for drawn in circuits.matched_heads(chosen, lm.n_heads, draws)
        ]
        found[f"{prefix}random"] = list(np.stack(others, axis=1).astype("float32"))
    return found.assign(chosen=" ".join(f"{b}.{h}" for b, h in chosen))


def _twins(lm: LanguageModel, items: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the prompts and their twins in the model's template."""
    rows = list(zip(items["text"], items["twin"], items["system"], strict=True))
    prompts = [lm.chat(text, system=system) for text, _, system in rows]
    return prompts, [lm.chat(twin, system=system) for _, twin, system in rows]
