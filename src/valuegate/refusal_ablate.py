"""Takes directions out of section 05's requests, and tries which layer and position to take.

What is added is in `refusal_steer`; what the numbers mean in `refusal_geometry` and
`refusal_curves`.
"""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import torch

from valuegate import hooks, refusal_items
from valuegate.models import LanguageModel
from valuegate.refusal_items import POSITIONS
from valuegate.refusal_run import at_depth, first_tokens, fit_requests, odds
from valuegate.refusal_steer import first_scores, fitted
from valuegate.steering import Above, Change, adding, projecting

SELECT = 16  # of either role that layer and position are chosen on, at most


def select(
    lm: LanguageModel, rows: pd.DataFrame, *, prompts: int, everyday: int, source: str, hash: str
) -> pd.DataFrame:
    """Return refusal scores with pooled directions of layers and positions taken out, or added.

    Columns: those of the items without text; `refusing`, the score with nothing done; `layers` and
    `positions`, the candidates; lists in their order: `bypassed`, the score with the direction
    projected out at every layer; `induced`, with the difference of means added at its layer; `kl`
    of the next token, direction projected out, from nothing done (nats). Source: Arditi et al.
    2024 (arXiv 2406.11717), selection of a direction.

    Args:
        lm: the model.
        rows: from `refusal_items.select_items`.
        prompts: of a kind and role that directions are fitted on, these rows left out.
        everyday: requests that they are fitted against.
        source: as in `curves`.
        hash: as in `curves`.
    """
    del hash
    fit = fit_requests(lm, prompts, everyday, source)
    # Those that are tried are left out, all of them, whichever are asked for now.
    tried = refusal_items.select_items(SELECT, source)["item"]
    kept = ~fit.rows["item"].isin(tried).to_numpy()
    refuse, plain = (
        torch.tensor(kept & (fit.rows[column] == value).to_numpy())
        for column, value in (("role", "refuse"), ("kind", refusal_items.EVERYDAY))
    )
    apart = fit.stream[refuse].mean(0) - fit.stream[plain].mean(0)  # position, layer, d_model
    layers = candidates(lm)
    texts = [lm.chat(text) for text in rows["text"]]
    before, whole = first_scores(lm, texts)
    bypassed, induced, kl = [], [], []
    every = range(lm.n_layers + 1)
    for layer in layers:
        for p in range(len(POSITIONS)):
            direction = apart[p, layer]
            with hooks.ablating(lm, direction, every):
                score, after = first_scores(lm, texts)
            bypassed.append(score)
            kl.append((whole.exp() * (whole - after)).sum(1).cpu().numpy())
            with hooks.adding(lm, {layer: direction}):
                induced.append(first_scores(lm, texts)[0])
    found = rows.drop(columns="text").reset_index(drop=True)
    lists = {"bypassed": bypassed, "induced": induced, "kl": kl}
    return found.assign(
        refusing=before,
        layers=" ".join(str(layer) for layer in layers for _ in POSITIONS),
        positions=" ".join(POSITIONS * len(layers)),
        **{k: list(np.stack(v, axis=1).astype("float32")) for k, v in lists.items()},
    )


def candidates(lm: LanguageModel) -> list[int]:
    """Return the layers that a direction may be taken from: twelve, in the first four fifths."""
    return sorted({round(k * 0.8 * lm.n_layers / 12) for k in range(1, 13)} - {0})


def ablated(
    lm: LanguageModel,
    rows: pd.DataFrame,
    *,
    depth: float,
    position: str,
    prompts: int,
    everyday: int,
    source: str,
    strength: float,
    pairs: int,
    hash: str,
) -> pd.DataFrame:
    """Return refusal scores with directions projected out, and one projected out and another added.

    Columns: those of the items without text; `refusing`, with nothing done (nats); `names` of the
    directions; lists in their order: `single`, each projected out at its layer, `every`, at all
    layers. `pairs`, the names of the kinds that are tried against each other; `crossed`, a score
    for each ordered pair of them: the first projected out, the second added at the same layer;
    `alone`, the second added without.

    Args:
        lm: the model.
        rows: requests to refuse.
        depth: of the layer, as a share of the model's.
        position: that directions are fitted at.
        prompts: of a kind and role that they are fitted on.
        everyday: requests that they are fitted against.
        source: as in `curves`.
        strength: of what is added, in mean lengths of the layer's residual.
        pairs: kinds that are tried against each other, the first ones.
        hash: as in `curves`.
    """
    del hash
    layer = at_depth(lm, depth)
    along = fitted(lm, layer, position, prompts, everyday, source)
    kept = [n for n, name in enumerate(along.names) if not name.startswith("inside")]
    vectors = torch.tensor(along.directions[kept], dtype=torch.float32, device=lm.device)
    texts = [lm.chat(text) for text in rows["text"]]
    no, yes = first_tokens(lm)
    above = Above(lm, texts, layer)

    def score(*changes: Change) -> np.ndarray:
        def change(residual: torch.Tensor) -> torch.Tensor:
            return functools.reduce(lambda r, own: own(r), changes, residual)

        return odds(above.logits(change, [*no, *yes]), len(no))

    without = [projecting(vector) for vector in vectors]
    added = [adding(strength * along.length * vector) for vector in vectors]
    single = [score(change) for change in without]
    every = []
    for vector in vectors:
        with hooks.ablating(lm, vector, range(lm.n_layers + 1)):
            every.append(first_scores(lm, texts)[0])
    crossed = [
        score(without[one], added[other])
        for one in range(pairs) for other in range(pairs) if one != other
    ]  # fmt: skip
    alone = [score(added[other]) for other in range(pairs)]
    lists = {"single": single, "every": every, "crossed": crossed, "alone": alone}
    return rows.drop(columns="text").reset_index(drop=True).assign(
        refusing=score(), names=",".join(along.names[n] for n in kept),
        pairs=",".join(along.names[:pairs]),
        **{k: list(np.stack(v, axis=1).astype("float32")) for k, v in lists.items()},
    )  # fmt: skip
