"""Runs section 01's prompts on a model: one row of scores a prompt.

The prompts are made in `veto_items`; what the scores mean is in `veto_answers`, `veto_inside`
and `veto_words`. What edits a layer is in `veto_edits`.
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
    Lists by layer (`layers`: every second from 0, the embedding, and the last): `lens` and
    `lens_refusing`, the expected answer and the refusal log-odds through the logit lens; and for
    personas what ridge regressions read of people's mean place on the scale, fitted on the other
    folds of all rows: `read_plain`, `read_question`, `read_country` (`veto_items.folds`).
    """
    every = layers(lm)
    found, residual = answered(lm, rows, every)
    found["layers"] = [every] * len(found)
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
    """Return what `slots` does at the output alone: other forms or languages, or many prompts."""
    return answered(lm, rows)[0]


def answered(
    lm: LanguageModel, rows: pd.DataFrame, every: Sequence[int] = ()
) -> tuple[pd.DataFrame, torch.Tensor]:
    """Return what `slots` does at the output, and the last token's residual of some layers.

    The residual is (prompt, layer, d_model), on the CPU; empty without layers.
    """
    prompts = [tuple(lm.encode(lm.chat(text))) for text in rows["text"]]
    spelled = [[tuple(lm.option_ids(mark)) for mark in line.split()] for line in rows["marks"]]
    refusals = first_tokens(lm)
    asked = [Row(ids, (len(ids) - 1,)) for ids in prompts]
    longer = []  # rows that spell out an option of several tokens: row, option
    for r, options in enumerate(spelled):
        for o, ids in enumerate(options):
            if len(ids) > 1:
                start = len(prompts[r]) - 1
                asked.append(Row(prompts[r] + ids[:-1], tuple(range(start, start + len(ids)))))
                longer.append((r, o))
    found: list[dict[str, object]] = [{} for _ in prompts]
    marked = [np.full(len(options), -np.inf) for options in spelled]
    no = np.empty(len(prompts))
    residual = torch.empty(len(prompts), len(every), lm.config.hidden_size)
    for reading in readings(lm, asked, layers=every):
        assert reading.logits is not None
        log_probs = reading.logits.double().log_softmax(-1).cpu().numpy()
        if reading.index >= len(prompts):
            r, o = longer[reading.index - len(prompts)]
            marked[r][o] = sum(log_probs[k, token] for k, token in enumerate(spelled[r][o]))
            continue
        r, last = reading.index, log_probs[0]
        firsts = {ids[0] for ids in spelled[r]}
        for o, ids in enumerate(spelled[r]):
            if len(ids) == 1:
                marked[r][o] = last[ids[0]]
        others = [token for token in refusals if token not in firsts]
        no[r] = np.logaddexp.reduce(last[others])
        top = int(last.argmax())
        said = "option" if top in firsts else "refusal" if top in others else "other"
        found[r] = {"top": lm.tokenizer.decode([top]), "said": said}
        if reading.residual is not None:
            residual[r] = reading.residual[0].cpu()
    for r, own in enumerate(found):
        log_probs = _apart(marked[r], spelled[r])
        expected, refusing = _slot(log_probs, no[r : r + 1])
        own |= {
            "log_probs": log_probs.astype("float32"), "mass": float(np.exp(log_probs).sum()),
            "expected": float(expected), "refusing": float(refusing),
        }  # fmt: skip
    kept = rows.drop(columns="text").reset_index(drop=True)
    columns = ["log_probs", "mass", "expected", "top", "said", "refusing"]
    return pd.concat([kept, pd.DataFrame(found)[columns]], axis=1), residual


def _apart(log_probs: np.ndarray, spelled: Sequence[tuple[int, ...]]) -> np.ndarray:
    """Return the options' log-probabilities where some begin as others do: 1 without 10."""
    found = log_probs.copy()
    for o, ids in enumerate(spelled):
        on = [k for k, own in enumerate(spelled) if len(own) > len(ids) and own[: len(ids)] == ids]
        if on:
            rest = np.exp(log_probs[o]) - np.exp(log_probs[on]).sum()
            found[o] = np.log(max(rest, 1e-30))
    return found


def _slot(options: np.ndarray, refusals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the expected place and the refusal log-odds of logits, (..., token) each."""
    likely = np.exp(options - options.max(-1, keepdims=True))
    scale = np.linspace(0, 1, options.shape[-1])
    refusing = np.logaddexp.reduce(refusals, -1) - np.logaddexp.reduce(options, -1)
    return likely @ scale / likely.sum(-1), refusing


def layers(lm: LanguageModel) -> list[int]:
    """Return the layers that are read: every second one, and the last."""
    return sorted({*range(0, lm.n_layers + 1, 2), lm.n_layers})


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
