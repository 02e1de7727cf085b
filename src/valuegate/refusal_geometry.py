"""Section 05's geometry: one direction a kind of refusal, and how different they are.

Pure functions of residuals at one layer and position: for each kind of request, prompts to refuse,
their look-alikes, and everyday requests that all kinds share. Source: arXiv 2602.02132, sec. 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from valuegate import stats
from valuegate.errors import ValueGateError

FEWEST = 16  # prompts of a kind and role, below which no direction is fitted
AGAINST = ("everyday", "lookalikes")

Residual = Float[np.ndarray, "prompt d_model"]


@dataclass(frozen=True)
class Kind:
    """Residuals of one kind of request: those to refuse, and their look-alikes.

    `paired`: whether the n-th look-alike is that of the n-th request.
    """

    refuse: Residual
    comply: Residual
    paired: bool = False


def by_kind(
    rows: pd.DataFrame, stream: Residual, names: tuple[str, ...]
) -> tuple[dict[str, Kind], Residual]:
    """Return residuals by kind of request, and those of requests of no kind.

    Args:
        rows: from `refusal_items.request_items`: kind, role and unit.
        stream: a residual a row.
        names: of the kinds, in order.
    """
    kind, refuse = rows["kind"].to_numpy(), (rows["role"] == "refuse").to_numpy()
    unit = rows["unit"].to_numpy()
    found = {}
    for name in names:
        ours, other = (kind == name) & refuse, (kind == name) & ~refuse
        paired = np.array_equal(unit[ours], unit[other])
        found[name] = Kind(stream[ours], stream[other], paired)
    return found, stream[~np.isin(kind, names)]


def check(kinds: Mapping[str, Kind]) -> None:
    """Raise a ValueGateError that names the kinds with too few prompts for a direction."""
    short = [
        f"{name} ({len(kind.refuse)} to refuse)"
        for name, kind in kinds.items()
        if len(kind.refuse) < FEWEST
    ]
    if short:
        raise ValueGateError(
            f"too few prompts for a direction, {FEWEST} to refuse are needed: {', '.join(short)}"
        )


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors of length 1, along the last axis; a zero vector stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=~(length <= 1e-9))


def directions(
    kinds: Mapping[str, Kind], everyday: Residual, against: str
) -> Float[np.ndarray, "kind d_model"]:
    """Return the unit difference of means of each kind, in the order of `kinds`.

    nan for a kind without look-alikes, against these.

    Args:
        kinds: residuals by kind.
        everyday: residuals of requests that are harmless and of no kind.
        against: "everyday", the same for all kinds, as published; or "lookalikes", each kind's own.
    """
    if against not in AGAINST:
        raise ValueGateError(f"against: one of {AGAINST}, got {against!r}")
    shared = everyday.mean(0)
    found = []
    for kind in kinds.values():
        if against == "everyday":
            found.append(kind.refuse.mean(0) - shared)
        elif not len(kind.comply):
            found.append(np.full(len(shared), np.nan))
        else:
            found.append(kind.refuse.mean(0) - kind.comply.mean(0))
    return unit(np.stack(found).astype(float))


def cosines(vectors: Float[np.ndarray, "kind d_model"]) -> Float[np.ndarray, "kind kind"]:
    """Return the cosine of every pair of directions."""
    length_one = unit(vectors)
    return length_one @ length_one.T


def centred(vectors: Float[np.ndarray, "kind d_model"]) -> Float[np.ndarray, "kind d_model"]:
    """Return the directions less their mean.

    What all kinds share is gone; so is one dimension: k unrelated directions that are centred have
    cosines of -1 / (k - 1) on average, whatever they are.
    """
    return vectors - np.nanmean(vectors, axis=0)


def halves(
    kinds: Mapping[str, Kind], everyday: Residual, against: str, *, draws: int, seed: int = 0
) -> Float[np.ndarray, "draw half kind d_model"]:
    """Return directions of random halves of all prompts, disjoint within a draw; pairs together."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        parts: list[dict[str, Kind]] = [{}, {}]
        for name, kind in kinds.items():
            refuse, comply = _orders(kind, rng.permutation)
            for half in (0, 1):
                parts[half][name] = Kind(
                    _half(kind.refuse[refuse], half), _half(kind.comply[comply], half)
                )
        mixed = everyday[rng.permutation(len(everyday))]
        shared = _half(mixed, 0), _half(mixed, 1)
        found.append([directions(parts[half], shared[half], against) for half in (0, 1)])
    return np.array(found)


def _half(rows: Residual, half: int) -> Residual:
    cut = len(rows) // 2
    return rows[cut:] if half else rows[:cut]


def _orders(
    kind: Kind, draw: Callable[[int], Int[np.ndarray, " prompt"]]
) -> tuple[Int[np.ndarray, " prompt"], Int[np.ndarray, " prompt"]]:
    """Return drawn places of a kind's requests and of its look-alikes: the same of pairs.

    Requests and look-alikes of a pair share their topic; drawn apart, a half has more noise than
    the whole.
    """
    refuse = draw(len(kind.refuse))
    return refuse, refuse if kind.paired else draw(len(kind.comply))


def ceilings(halved: Float[np.ndarray, "draw half kind d_model"]) -> Float[np.ndarray, " kind"]:
    """Return each kind's cosine with itself between halves, a mean over draws.

    No cosine between kinds can be expected above the root of their two ceilings' product.
    """
    return (halved[:, 0] * halved[:, 1]).sum(-1).mean(0)


def corrected(
    cosines: Float[np.ndarray, "kind kind"], ceiling: Float[np.ndarray, " kind"]
) -> float:
    """Return the mean cosine of two kinds without what noise takes from it.

    Divided by the root of both kinds' reliabilities, those of all their prompts by the formula of
    Spearman and Brown, from `ceilings` of halves. nan where a ceiling is not above 0.
    """
    if not (ceiling > 0).all():
        return float("nan")
    whole = 2 * ceiling / (1 + ceiling)
    above = np.triu_indices(len(cosines), 1)
    return float((cosines / np.sqrt(np.outer(whole, whole)))[above].mean())


def effective_rank(halved: Float[np.ndarray, "draw half kind d_model"]) -> float:
    """Return the participation ratio of the directions' cross-covariance between halves.

    (sum s)^2 / sum s^2 of the singular values of the kinds' products across halves, averaged over
    draws first: noise, which halves do not share, has no part in it. 1 is one direction, the number
    of kinds as many as there are.
    """
    across = np.einsum("dkm,dlm->kl", halved[:, 0], halved[:, 1]) / len(halved)
    values = np.linalg.svd((across + across.T) / 2, compute_uv=False)
    return float(values.sum() ** 2 / (values**2).sum())


def mean_cosines(
    kinds: Mapping[str, Kind], everyday: Residual, *, draws: int, seed: int = 0
) -> dict[str, stats.Interval]:
    """Return the mean cosine of two kinds' directions, by what they are taken against.

    Keys: those of `AGAINST`, and "difference", the first less the second. 95% intervals of a
    bootstrap over prompts within kind and role, over pairs where there are pairs. A bootstrap of
    directions has their noise twice, which lowers cosines: intervals are moved by the mean of what
    it lowers them by.

    Args:
        kinds: residuals by kind.
        everyday: as for `directions`.
        draws: of the bootstrap.
        seed: of the bootstrap.
    """
    rng = np.random.default_rng(seed)
    count = sum(len(kind.refuse) + len(kind.comply) for kind in kinds.values()) + len(everyday)

    def means(own: Mapping[str, Kind], plain: Residual) -> np.ndarray:
        above = np.triu_indices(len(own), 1)
        both = [np.nanmean(cosines(directions(own, plain, against))[above]) for against in AGAINST]
        return np.array([*both, both[0] - both[1]])

    whole = means(kinds, everyday)

    def again(rows: int) -> np.ndarray:
        return rng.integers(rows, size=rows)

    drawn = np.empty((draws, len(whole)))
    for row in drawn:
        orders = {name: _orders(kind, again) for name, kind in kinds.items()}
        own = {n: Kind(k.refuse[orders[n][0]], k.comply[orders[n][1]]) for n, k in kinds.items()}
        row[:] = means(own, everyday[again(len(everyday))])
    drawn += whole - drawn.mean(0)
    return {
        name: stats.drawn_interval(whole[n], drawn[:, n], count, count)
        for n, name in enumerate((*AGAINST, "difference"))
    }


def beyond_null(
    vectors: Float[np.ndarray, "kind d_model"], null: Float[np.ndarray, "draw kind kind"]
) -> tuple[float, tuple[float, float], float]:
    """Return the spread of centred cosines, the middle 95% of it under the null, and p.

    The mean of centred cosines is the same whatever the kinds are; how far pairs differ is not.
    """
    above = np.triu_indices(len(vectors), 1)
    own = float(cosines(centred(vectors))[above].std())
    others = null[:, above[0], above[1]].std(axis=1)
    low, high = np.quantile(others, [0.025, 0.975])
    return own, (float(low), float(high)), stats.permutation_p(own, others)


def cosine_null(
    kinds: Mapping[str, Kind], everyday: Residual, against: str, *, draws: int, seed: int = 0
) -> Float[np.ndarray, "draw kind kind"]:
    """Return cosines of centred directions with the kinds of prompts dealt anew.

    Prompts to refuse and look-alikes are dealt in pairs of places, so that each keeps its role.

    Args:
        kinds: residuals by kind.
        everyday: as for `directions`.
        against: as for `directions`.
        draws: of the null.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    refuse = np.concatenate([kind.refuse for kind in kinds.values()])
    comply = np.concatenate([kind.comply for kind in kinds.values()])
    ends = np.cumsum([[len(k.refuse), len(k.comply)] for k in kinds.values()], axis=0)[:-1]
    found = []
    for _ in range(draws):
        dealt = {
            name: Kind(one, other)
            for name, one, other in zip(
                kinds, np.split(rng.permutation(refuse), ends[:, 0]),
                np.split(rng.permutation(comply), ends[:, 1]), strict=True,
            )
        }  # fmt: skip
        found.append(cosines(centred(directions(dealt, everyday, against))))
    return np.array(found)
