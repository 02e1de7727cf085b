"""Runs section 01's prompts on a model: one row of scores a prompt.

The prompts are made in `veto_items`; what the scores mean is in `veto_planted`, `veto_inside` and
`veto_words`. What edits a layer is in `veto_edits`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from valuegate import directions, items, veto_items, veto_words, worlds
from valuegate.models import LanguageModel
from valuegate.residual import logit_lens
from valuegate.scoring import generate, readings
from valuegate.sharing import Row

MOST_TOKENS = 24


def slots(lm: LanguageModel, rows: pd.DataFrame) -> pd.DataFrame:
    """Return what a model would answer at the slot, and whether it would answer.

    Columns: those of the items without text; `log_probs`, of each option in the scale's order
    (nats, raw); `mass`, of all options together; `expected`, the expected answer as a place on the
    scale (0 to 1) with the options' probabilities made to sum to one; `top`, the likeliest first
    token of all; `said`: "option" if that is one, "refusal" if a refusal of the bank begins with
    it, "other"; `refusing`, the log-odds of the first tokens of refusals against options (nats).
    Lists by layer, every second from 0 (the embedding) to the last: `lens` and `lens_refusing`,
    the expected answer and the refusal log-odds through the logit lens; and for personas what
    ridge regressions read of people's mean place on the scale, fitted on the other folds of these
    rows: `read_plain`, `read_question`, `read_country` (`veto_items.folds`).
    """
    every = layers(lm)
    found, residual = answered(lm, rows, every)
    lens, no = [], first_tokens(lm)
    for own, stream in zip(option_tokens(lm, rows), residual, strict=True):
        refusals = [token for token in no if token not in own]
        logits = logit_lens(lm, stream, [*own, *refusals]).double().numpy()
        lens.append(_slot(logits[:, : len(own)], logits[:, len(own) :]))
    found["lens"] = [expected.astype("float32") for expected, _ in lens]
    found["lens_refusing"] = [refusing.astype("float32") for _, refusing in lens]
    asked = (found["framing"] == "persona").to_numpy()
    target = worlds.true_means()
    for name in ("plain", "question", "country"):
        found[f"read_{name}"] = None
        if not asked.any():
            continue
        own = found[asked]
        places = np.array([target.loc[q, c] for q, c in own[["question", "country"]].to_numpy()])
        folds = veto_items.folds(own)[name]
        read = directions.held_out(residual[asked].numpy(), places, list(folds))
        found.loc[asked, f"read_{name}"] = pd.Series(list(read.astype("float32")), own.index)
    return found


def forms(lm: LanguageModel, rows: pd.DataFrame) -> pd.DataFrame:
    """Return what `slots` does at the output alone, for prompts in other forms or languages."""
    return answered(lm, rows)[0]


def answered(
    lm: LanguageModel, rows: pd.DataFrame, every: Sequence[int] = ()
) -> tuple[pd.DataFrame, torch.Tensor]:
    """Return what `slots` does at the output, and the last token's residual of some layers.

    The residual is (prompt, layer, d_model), on the CPU; empty without layers.
    """
    prompts = [tuple(lm.encode(lm.chat(text))) for text in rows["text"]]
    marks, refusals = option_tokens(lm, rows), first_tokens(lm)
    said: list[dict[str, object]] = [{} for _ in prompts]
    residual = torch.empty(len(prompts), len(every), lm.config.hidden_size)
    for reading in readings(lm, [Row(ids, (len(ids) - 1,)) for ids in prompts], layers=every):
        assert reading.logits is not None
        own = marks[reading.index]
        log_probs = reading.logits[0].double().log_softmax(-1).cpu().numpy()
        no = [token for token in refusals if token not in own]
        expected, refusing = _slot(log_probs[own], log_probs[no])
        top = int(log_probs.argmax())
        said[reading.index] = {
            "log_probs": log_probs[own].astype("float32"),
            "mass": float(np.exp(log_probs[own]).sum()), "expected": float(expected),
            "top": lm.tokenizer.decode([top]),
            "said": "option" if top in own else "refusal" if top in no else "other",
            "refusing": float(refusing),
        }  # fmt: skip
        if reading.residual is not None:
            residual[reading.index] = reading.residual[0].cpu()
    kept = rows.drop(columns="text").reset_index(drop=True)
    return pd.concat([kept, pd.DataFrame(said)], axis=1), residual


def _slot(options: np.ndarray, refusals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the expected place and the refusal log-odds of logits, (..., token) each."""
    likely = np.exp(options - options.max(-1, keepdims=True))
    scale = np.linspace(0, 1, options.shape[-1])
    refusing = np.logaddexp.reduce(refusals, -1) - np.logaddexp.reduce(options, -1)
    return likely @ scale / likely.sum(-1), refusing


def layers(lm: LanguageModel) -> list[int]:
    """Return the layers that are read: every second one."""
    return list(range(0, lm.n_layers + 1, 2))


def option_tokens(lm: LanguageModel, rows: pd.DataFrame) -> list[list[int]]:
    """Return the tokens of each row's options, in the scale's order."""
    return [[lm.single_token(mark) for mark in line.split()] for line in rows["marks"]]


def first_tokens(lm: LanguageModel) -> list[int]:
    """Return the first tokens of the bank's refusals, in order."""
    bank = items.load("requests", "answers")
    openings = bank.loc[bank["answer"] == "refusal", "opening"]
    return sorted({lm.option_ids(opening)[0] for opening in openings})


def answers(lm: LanguageModel, rows: pd.DataFrame) -> pd.DataFrame:
    """Return what a model answers in words, greedily, in `MOST_TOKENS` tokens at most.

    Columns: those of the items without text; `answer`; `cut`, whether it was cut off there; `kind`,
    what `veto_words.kind` says of it; `refuses`, 1 where that is a refusal.
    """
    found = rows.drop(columns="text").reset_index(drop=True)
    found["answer"] = generate(lm, [lm.chat(text) for text in rows["text"]], MOST_TOKENS)
    found["cut"] = [len(lm.option_ids(answer)) >= MOST_TOKENS for answer in found["answer"]]
    found["kind"] = [
        veto_words.kind(answer, low, high, cut=cut)
        for answer, low, high, cut in zip(
            found["answer"], found["low"], found["high"], found["cut"], strict=True
        )
    ]
    return found.assign(refuses=(found["kind"] == "refusal").astype(float))
