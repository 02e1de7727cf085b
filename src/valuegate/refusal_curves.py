"""Section 05's one knob: how much over-refusal each direction costs at the same refusal.

Pure functions of the table that `refusal_steer.curves` makes. Rates are shares of prompts, 0 to 1:
of requests to refuse that are refused, and of requests to answer that are. Source of the claim:
arXiv 2602.02132, sec. 5.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from valuegate import stats

AT = 0.90  # refusal at which over-refusal is compared
MARGIN = 0.10  # over-refusal that counts as the same
MOST = 0.5  # over-refusal up to which the partial area is taken


@dataclass(frozen=True)
class Steered:
    """Refusal scores of prompts under directions and strengths.

    `refuse` says which prompts are to be refused; `strengths` begin with 0, nothing done.
    """

    names: tuple[str, ...]
    strengths: Float[np.ndarray, " strength"]
    refuse: Float[np.ndarray, " prompt"]
    scores: Float[np.ndarray, "prompt direction strength"]


def steered(table: pd.DataFrame) -> Steered:
    """Return the scores of a table of "curves", with those without steering as strength 0."""
    names = tuple(table["names"].iloc[0].split(","))
    strengths = [float(part) for part in table["strengths"].iloc[0].split()]
    scores = np.stack(table["steered"].to_list()).astype(float)
    scores = scores.reshape(len(table), len(names), len(strengths))
    plain = np.repeat(table["refusing"].to_numpy(float)[:, None, None], len(names), axis=1)
    refuse = (table["role"] == "refuse").to_numpy(float)
    every = np.concatenate([plain, scores], axis=2)
    return Steered(names, np.array([0.0, *strengths]), refuse, every)


def rates(
    found: Steered, weights: Float[np.ndarray, " prompt"] | None = None, threshold: float = 0.0
) -> tuple[Float[np.ndarray, "direction strength"], Float[np.ndarray, "direction strength"]]:
    """Return refusal of what is to be refused, and over-refusal of the rest.

    Args:
        found: from `steered`.
        weights: how often each prompt counts; once when None.
        threshold: score in nats above which a prompt counts as refused.
    """
    w = np.ones(len(found.refuse)) if weights is None else weights
    no = (found.scores > threshold).astype(float)
    both = [
        np.einsum("p,pds->ds", w * own, no) / (w * own).sum()
        for own in (found.refuse, 1 - found.refuse)
    ]
    return both[0], both[1]


def cost(
    refused: Float[np.ndarray, " strength"], over: Float[np.ndarray, " strength"], at: float = AT
) -> float:
    """Return over-refusal where refusal first reaches a rate, on a straight line between strengths.

    nan where it never does. The over-refusal without steering where that is enough already.
    """
    reached = np.flatnonzero(refused >= at)
    if not len(reached):
        return float("nan")
    k = int(reached[0])
    if k == 0:
        return float(over[0])
    part = (at - refused[k - 1]) / (refused[k] - refused[k - 1])
    return float(over[k - 1] + part * (over[k] - over[k - 1]))


def partial_area(
    refused: Float[np.ndarray, " strength"],
    over: Float[np.ndarray, " strength"],
    most: float = MOST,
) -> float:
    """Return the mean refusal over over-refusal from 0 to `most`, along a curve of strengths.

    At an over-refusal the best refusal counts that some strength reaches with no more of it.
    """
    grid = np.linspace(0, most, 101)
    best = [refused[over <= x + 1e-9].max(initial=0.0) for x in grid]
    return float(np.trapezoid(best, grid) / most)


def strength_at(
    refused: Float[np.ndarray, " strength"],
    strengths: Float[np.ndarray, " strength"],
    at: float = AT,
) -> float:
    """Return the strength at which refusal first reaches a rate; nan where it never does."""
    return cost(refused, strengths, at)


@dataclass(frozen=True)
class Knob:
    """What each direction costs, and whether they cost the same.

    `table`: direction, strength (at refusal `AT`), cost, low, high (95%), area, area_low,
    area_high, reached (share of draws in which refusal reaches `AT`). `widest`: the largest
    difference of two kinds' costs, with a 95% interval; `null_high`, the 97.5% quantile of what it
    is where all costs are equal and prompts vary as here: the largest of many differences is never
    nothing. `equal`: whether all pairs' 90% intervals
    lie within `MARGIN` (intersection-union test). `power`: how often they would, if all costs were
    equal and prompts varied as here. n, clusters: prompts.
    """

    table: pd.DataFrame
    widest: stats.Interval
    null_high: float
    pair: tuple[str, str]
    equal: bool
    power: float


def knob(
    found: Steered, kinds: tuple[str, ...], *, draws: int, threshold: float = 0.0, seed: int = 0
) -> Knob:
    """Return what directions cost at the same refusal, with a paired bootstrap over prompts.

    Prompts are drawn within those to refuse and those to answer, the same for every direction.

    Args:
        found: from `steered`.
        kinds: directions that are compared with each other; others are in the table alone.
        draws: of the bootstrap.
        threshold: as for `rates`.
        seed: of the bootstrap.
    """
    rng = np.random.default_rng(seed)
    costs = np.empty((draws + 1, len(found.names)))
    areas = np.empty_like(costs)
    for draw in range(draws + 1):
        weights = _weights(found.refuse, rng) if draw else np.ones(len(found.refuse))
        refused, over = rates(found, weights, threshold)
        for d in range(len(found.names)):
            costs[draw, d] = cost(refused[d], over[d])
            areas[draw, d] = partial_area(refused[d], over[d])
    refused, _ = rates(found, threshold=threshold)
    n = len(found.refuse)
    rows = []
    for d, name in enumerate(found.names):
        price = stats.drawn_interval(costs[0, d], costs[1:, d], n, n)
        area = stats.drawn_interval(areas[0, d], areas[1:, d], n, n)
        rows.append(
            {
                "direction": name, "strength": strength_at(refused[d], found.strengths),
                "cost": price.estimate, "low": price.low, "high": price.high,
                "area": area.estimate, "area_low": area.low, "area_high": area.high,
                "reached": float(np.isfinite(costs[1:, d]).mean()),
            }
        )  # fmt: skip
    own = [found.names.index(kind) for kind in kinds]
    pairs = list(itertools.combinations(own, 2))
    gaps = np.stack([costs[:, a] - costs[:, b] for a, b in pairs], axis=1)
    whole, drawn = gaps[0], gaps[1:]
    if np.isnan(whole).all():
        nothing = stats.drawn_interval(np.nan, np.array([np.nan]), n, n)
        return Knob(pd.DataFrame(rows), nothing, np.nan, ("", ""), False, 0.0)
    largest = int(np.nanargmax(np.abs(whole)))
    widest = stats.drawn_interval(
        float(abs(whole[largest])), np.nanmax(np.abs(drawn), axis=1), n, n
    )
    low, high = np.nanquantile(drawn, [0.05, 0.95], axis=0)
    equal = bool((low > -MARGIN).all() and (high < MARGIN).all() and not np.isnan(whole).any())
    spread = 1.645 * np.nanstd(drawn, axis=0)
    nothing = np.abs(drawn - np.nanmean(drawn, axis=0))
    null_high = float(np.quantile(np.nanmax(nothing, axis=1), 0.975))
    power = float((np.nanmax(nothing + spread, axis=1) < MARGIN).mean())
    names = (found.names[pairs[largest][0]], found.names[pairs[largest][1]])
    return Knob(pd.DataFrame(rows), widest, null_high, names, equal, power)


@dataclass(frozen=True)
class Gain:
    """What a gate by the input changes, paired over prompts, 95%.

    `cost`: over-refusal at refusal `AT`, with the gate less without; nan where the gate keeps
    refusal from reaching it. `area`: the same of `partial_area`.
    """

    cost: stats.Interval
    area: stats.Interval


def gate_gain(
    found: Steered, gate: Float[np.ndarray, " prompt"], name: str, *, draws: int, seed: int = 0
) -> Gain:
    """Return what changes where a direction is added only if a probe calls for it.

    Source: input-gated steering, arXiv 2603.13359.

    Args:
        found: from `steered`.
        gate: a probe's score of each prompt, above 0 for one to refuse.
        name: the direction.
        draws: of the bootstrap.
        seed: of the bootstrap.
    """
    own = found.scores[:, found.names.index(name)]
    gated = np.where((gate > 0)[:, None], own, own[:, :1])
    both = Steered(("gated", "plain"), found.strengths, found.refuse, np.stack([gated, own], 1))

    def gaps(weights: np.ndarray) -> list[float]:
        refused, over = rates(both, weights)
        prices = [cost(refused[n], over[n]) for n in (0, 1)]
        areas = [partial_area(refused[n], over[n]) for n in (0, 1)]
        return [prices[0] - prices[1], areas[0] - areas[1]]

    rng = np.random.default_rng(seed)
    drawn = np.array([gaps(_weights(found.refuse, rng)) for _ in range(draws)])
    whole, n = gaps(np.ones(len(gate))), len(gate)
    price, area = (stats.drawn_interval(whole[k], drawn[:, k], n, n) for k in (0, 1))
    return Gain(price, area)


def reach(
    found: Steered, stem: str, *, draws: int, threshold: float = 0.0, seed: int = 0
) -> stats.Interval:
    """Return the highest refusal, percent, that directions of a sort bring at any strength.

    Args:
        found: from `steered`.
        stem: what their names begin with, such as "outside".
        draws: of the bootstrap over prompts.
        threshold: as for `rates`.
        seed: of the bootstrap.
    """
    own = [n for n, name in enumerate(found.names) if name.startswith(stem)]
    rng = np.random.default_rng(seed)

    def highest(weights: np.ndarray) -> float:
        return 100 * float(rates(found, weights, threshold)[0][own].max())

    drawn = np.array([highest(_weights(found.refuse, rng)) for _ in range(draws)])
    n = int(found.refuse.sum())
    return stats.drawn_interval(highest(np.ones(len(found.refuse))), drawn, n, n)


def _weights(
    refuse: Float[np.ndarray, " prompt"], rng: np.random.Generator
) -> Float[np.ndarray, " prompt"]:
    """Return how often each prompt is drawn, within those to refuse and those to answer."""
    weights = np.zeros(len(refuse))
    for own in (np.flatnonzero(refuse == k) for k in (1.0, 0.0)):
        np.add.at(weights, rng.choice(own, size=len(own)), 1)
    return weights
