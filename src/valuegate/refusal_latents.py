"""Section 05's latents: which features of an autoencoder the kinds of refusal share.

Pure functions of which latents are active on which prompts. Source of the claim: arXiv 2602.02132,
sec. 6 (difference of firing rates, lists of a fixed length, their union and intersection).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy import stats as scipy_stats

from valuegate import stats

Fires = Bool[np.ndarray, "prompt latent"]


def fires(active: pd.Series, latents: int) -> Fires:
    """Return which latents are active on which prompts, from lists of the active ones."""
    found = np.zeros((len(active), latents), dtype=bool)
    for row, own in enumerate(active):
        found[row, np.asarray(own, dtype=int)] = True
    return found


def rate_gaps(on: Fires, refuse: Bool[np.ndarray, " prompt"]) -> Float[np.ndarray, " latent"]:
    """Return the published score of latents: firing rate on requests to refuse less on others."""
    return on[refuse].mean(0) - on[~refuse].mean(0)


def fisher(on: Fires, refuse: Bool[np.ndarray, " prompt"]) -> Float[np.ndarray, " latent"]:
    """Return p that a latent fires no more on requests to refuse (Fisher's exact test, one-sided).

    1 for a latent that never fires.
    """
    hits, total = on[refuse].sum(0), on.sum(0)
    return scipy_stats.hypergeom.sf(hits - 1, len(refuse), total, refuse.sum())


@dataclass(frozen=True)
class Shared:
    """In how many kinds latents are found, over permuted labels.

    `counts[k]`: latents found in exactly k kinds (k from 0); `null`: the same with labels permuted
    within kinds, a row a draw; `found`: latents found in each kind.
    """

    counts: Int[np.ndarray, " kinds"]
    null: Int[np.ndarray, "draw kinds"]
    found: dict[str, int]


def shared(
    kinds: Mapping[str, tuple[Fires, Bool[np.ndarray, " prompt"]]],
    *,
    draws: int,
    rate: float = 0.05,
    seed: int = 0,
) -> Shared:
    """Return how many latents are found in how many kinds, at a false discovery rate in each.

    Args:
        kinds: kind to which latents fire on its prompts, and which of these are to be refused.
        draws: of labels permuted within kinds, for the null.
        rate: of false discoveries within a kind (Benjamini and Hochberg 1995).
        seed: of the null.
    """
    rng = np.random.default_rng(seed)

    def found(labels: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            name: stats.benjamini_hochberg(fisher(on, labels[name])) <= rate
            for name, (on, _) in kinds.items()
        }

    def counted(hits: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.bincount(sum(own.astype(int) for own in hits.values()), minlength=len(kinds) + 1)

    own = found({name: refuse for name, (_, refuse) in kinds.items()})
    null = [
        counted(found({name: rng.permutation(refuse) for name, (_, refuse) in kinds.items()}))
        for _ in range(draws)
    ]
    return Shared(counted(own), np.array(null), {name: int(hit.sum()) for name, hit in own.items()})


def top_lists(
    gaps: Float[np.ndarray, "kind latent"], length: int, rng: np.random.Generator | None = None
) -> list[set[int]]:
    """Return the latents of the highest scores in each kind, as many in every list.

    Args:
        gaps: from `rate_gaps`, a row a kind.
        length: of a list.
        rng: breaks ties at random; without it ties go by the latent's number, so that kinds whose
            latents mostly score nothing share what fills their lists.
    """
    found = []
    for own in gaps:
        tie = np.arange(len(own)) if rng is None else rng.permutation(len(own))
        found.append(set(np.lexsort((tie, -own))[:length].tolist()))
    return found


def overlap(lists: list[set[int]]) -> dict[str, float]:
    """Return how far lists agree: union and intersection (latents), mean overlap of two lists."""
    pairs = [len(one & other) for one, other in itertools.combinations(lists, 2)]
    return {
        "union": float(len(set.union(*lists))),
        "intersection": float(len(set.intersection(*lists))),
        "pair": float(np.mean(pairs)),
    }


def filled(
    *, latents: int, kinds: int, scored: int, common: int, length: int, rng: np.random.Generator
) -> dict[str, float]:
    """Return the overlap of lists whose latents score nothing but for a few, a part of them common.

    Args:
        latents: of the autoencoder.
        kinds: lists.
        scored: latents with a score above 0 in a kind.
        common: of these, those that all kinds share.
        length: of a list; what is not scored fills it by number.
        rng: places the scored latents.
    """
    gaps = np.zeros((kinds, latents))
    same = rng.choice(latents, common, replace=False)
    rest = np.setdiff1d(np.arange(latents), same)
    for own in gaps:
        own[same] = rng.random(common) + 0.01
        own[rng.choice(rest, scored - common, replace=False)] = rng.random(scored - common) + 0.01
    return overlap(top_lists(gaps, length))
