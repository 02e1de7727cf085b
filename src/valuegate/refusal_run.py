"""Runs section 05's requests on a model: residuals, refusal scores, active latents.

Items are made in `refusal_items`; what is steered is in `refusal_steer`, what the numbers mean in
`refusal_geometry` and `refusal_latents`.
"""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from valuegate import items, sae
from valuegate.models import LanguageModel
from valuegate.residual import capture, logit_lens
from valuegate.scoring import option_log_probs

POSITIONS = ("last", "end")  # of the prompt, and of the user's words


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
    layer = at_depth(lm, depth)
    texts = [lm.chat(text) for text in rows["text"]]
    found = rows.drop(columns="text").reset_index(drop=True)
    stream = capture(lm, texts, [layer, lm.n_layers], [place(lm, position), -1])
    own = stream[:, 0, 0].numpy()
    found["refusing"] = _first_token_scores(lm, stream[:, 1, 1])
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


def _first_token_scores(
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
    last = capture(lm, texts, [lm.n_layers])[:, 0, 0]
    return rows.drop(columns="text").reset_index(drop=True).assign(
        refusing=_first_token_scores(lm, last),
        bank=np.logaddexp.reduce(own, 1) - usual,
        styles=list(np.stack(by_style, axis=1).astype("float32")),
    )  # fmt: skip


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
    texts = [lm.chat(text) for text in rows["text"]]
    stream = capture(lm, texts, [record.layer], [place(lm, position)])[:, 0, 0]
    codes = encoder.encode(stream.to(encoder.device)).cpu()
    active = [np.flatnonzero(code.numpy() > 0).astype("int32") for code in codes]
    return (
        rows.drop(columns="text")
        .reset_index(drop=True)
        .assign(active=active, count=[float(len(own)) for own in active], latents=codes.shape[1])
    )
