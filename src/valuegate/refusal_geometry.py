"""Section 05's geometry: one direction a kind of refusal, and how different they are.

Pure functions of residuals at one layer and position: for each kind of request, prompts to refuse,
their look-alikes, and everyday requests that all kinds share. Source: arXiv 2602.02132, sec. 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from valuegate import stats
from valuegate.errors import ValueGateError

FEWEST = 16  # prompts of a kind and role, below which no direction is fitted
AGAINST = ("everyday", "lookalikes")

Residual = Float[np.ndarray, "prompt d_model"]


@dataclass(frozen=True)
class Kind:
    """Residuals of one kind of request: those to refuse, and their look-alikes."""

    refuse: Residual
    comply: Residual


def by_kind(
    rows: pd.DataFrame, stream: Residual, names: tuple[str, ...]
) -> tuple[dict[str, Kind], Residual]:
    """Return residuals by kind of request, and those of requests of no kind.

    Args:
        rows: from `refusal_items.request_items`: kind and role.
        stream: a residual a row.
        names: of the kinds, in order.
    """
    kind, refuse = rows["kind"].to_numpy(), (rows["role"] == "refuse").to_numpy()
    found = {
        name: Kind(stream[(kind == name) & refuse], stream[(kind == name) & ~refuse])
        for name in names
    }
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
    """Return directions of random halves of all prompts, disjoint within a draw."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        parts: list[dict[str, Kind]] = [{}, {}]
        for name, kind in kinds.items():
            split = [_halved(part, rng) for part in (kind.refuse, kind.comply)]
            for half in (0, 1):
                parts[half][name] = Kind(split[0][half], split[1][half])
        shared = _halved(everyday, rng)
        found.append([directions(parts[half], shared[half], against) for half in (0, 1)])
    return np.array(found)


def _halved(rows: Residual, rng: np.random.Generator) -> tuple[Residual, Residual]:
    order = rng.permutation(len(rows))
    cut = len(rows) // 2
    return rows[order[:cut]], rows[order[cut:]]


def ceilings(halved: Float[np.ndarray, "draw half kind d_model"]) -> Float[np.ndarray, " kind"]:
    """Return each kind's cosine with itself between halves, a mean over draws.

    No cosine between kinds can be expected above the root of their two ceilings' product.
    """
    return (halved[:, 0] * halved[:, 1]).sum(-1).mean(0)


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
    bootstrap over prompts within kind and role. A bootstrap of directions has their noise twice,
    which lowers cosines: intervals are moved by the mean of what it lowers them by.

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
    drawn = np.array(
        [
            means(
                {n: Kind(_drawn(k.refuse, rng), _drawn(k.comply, rng)) for n, k in kinds.items()},
                _drawn(everyday, rng),
            )
            for _ in range(draws)
        ]
    )
    drawn += whole - drawn.mean(0)
    return {
        name: stats.drawn_interval(whole[n], drawn[:, n], count, count)
        for n, name in enumerate((*AGAINST, "difference"))
    }


def _drawn(rows: Residual, rng: np.random.Generator) -> Residual:
    return rows[rng.integers(len(rows), size=len(rows))]


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


def transfer(
    fitted: Float[np.ndarray, "kind d_model"], test: Mapping[str, Kind], *, draws: int
) -> pd.DataFrame:
    """Return how well each kind's direction tells every kind's test prompts: AUROC.

    Columns: direction, kind (of the prompts; those without look-alikes are left out), value, low,
    high (bootstrap over prompts), n.

    Args:
        fitted: directions in the order of `test`'s kinds.
        test: residuals of test prompts by kind.
        draws: of the bootstrap.
    """
    rows = []
    for kind, own in test.items():
        if not (len(own.refuse) and len(own.comply)):
            continue
        scores = np.concatenate([own.refuse, own.comply]).astype(float) @ fitted.T
        labels = np.repeat([1.0, 0.0], [len(own.refuse), len(own.comply)])
        found = stats.cluster_auroc(scores, labels, np.arange(len(labels)), draws=draws)
        for name, area in zip(test, found, strict=True):
            area = stats.with_exact_end(area)
            rows.append((name, kind, area.estimate, area.low, area.high, area.n))
    return pd.DataFrame(rows, columns=["direction", "kind", "value", "low", "high", "n"])


MOST_KL = 0.1  # nats that taking a direction out may move the next token of everyday requests


def selection(table: pd.DataFrame) -> pd.DataFrame:
    """Return what each layer and position's pooled direction does, and which one is chosen.

    Columns: layer, position; `bypass`, the mean refusal score of requests to refuse with the
    direction taken out; `induce`, that of everyday requests with it added; `kl`, of everyday
    requests with it taken out (nats); `admitted`: it induces refusals (above 0) and moves everyday
    requests by less than `MOST_KL`; `chosen`: of the admitted the lowest bypass; where none is
    admitted, the one that induces most. Source: Arditi et al. 2024 (arXiv 2406.11717), selection.

    Args:
        table: from `refusal_steer.select`.
    """
    refuse = (table["role"] == "refuse").to_numpy()
    bypassed, induced, kl = (
        np.stack(table[column].to_list()).astype(float) for column in ("bypassed", "induced", "kl")
    )
    found = pd.DataFrame(
        {
            "layer": [int(layer) for layer in table["layers"].iloc[0].split()],
            "position": table["positions"].iloc[0].split(),
            "bypass": bypassed[refuse].mean(0), "induce": induced[~refuse].mean(0),
            "kl": kl[~refuse].mean(0),
        }
    )  # fmt: skip
    found["admitted"] = (found["induce"] > 0) & (found["kl"] < MOST_KL)
    admitted = found[found["admitted"]]
    best = admitted["bypass"].idxmin() if len(admitted) else found["induce"].idxmax()
    found["chosen"] = found.index == best
    return found


def behaviour(
    rows: pd.DataFrame, stream: Residual, names: tuple[str, ...], fewest: int = FEWEST // 2
) -> pd.DataFrame:
    """Return what directions of a kind are when taken by what the model does, not by labels.

    A row a kind. Columns: kind; refused, answered (requests of the kind, of either role, by the
    sign of the refusal score); cosine, of the difference of their means with that of requests to
    refuse and look-alikes; nan where fewer than `fewest` are refused, or answered.

    Args:
        rows: kind, role, refusing.
        stream: a residual a row.
        names: of the kinds, in order.
        fewest: requests of either sort that a mean is taken of.
    """
    found = []
    for name in names:
        own = (rows["kind"] == name).to_numpy()
        no, refuse = (rows["refusing"] > 0).to_numpy(), (rows["role"] == "refuse").to_numpy()
        cosine = np.nan
        if min((own & no).sum(), (own & ~no).sum()) >= fewest:
            gaps = [stream[own & m].mean(0) - stream[own & ~m].mean(0) for m in (no, refuse)]
            cosine = float(unit(gaps[0]) @ unit(gaps[1]))
        found.append((name, int((own & no).sum()), int((own & ~no).sum()), cosine))
    return pd.DataFrame(found, columns=["kind", "refused", "answered", "cosine"])


def mean_cosine(found: pd.DataFrame) -> stats.Interval:
    """Return the mean cosine of `behaviour` with Student's interval over kinds; nan for none."""
    cosines = found["cosine"].dropna()
    if cosines.empty:
        return stats.drawn_interval(np.nan, np.array([np.nan]), 0, 0)
    return stats.student_mean(cosines)
