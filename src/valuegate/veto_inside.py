"""Section 01's mechanism: at which layer a gate is read, and what probes read of people's answers.

Pure functions of the tables that `veto_run.slots` makes; what interventions change is in
`veto_changes`. Places on a scale run from 0 to 1, refusals are in nats.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from valuegate import stats, veto_items, worlds
from valuegate.worlds_ledger import World


def gate_by_layer(found: pd.DataFrame, *, draws: int) -> pd.DataFrame:
    """Return the refusal log-odds of gated less open questions through the lens, by layer.

    Columns: stage, layer, value, low, high (95%), low90, high90 (bootstrap over questions), n,
    clusters; nats.

    Args:
        found: from `veto_planted.in_cells`, of one framing.
        draws: of the bootstrap.
    """
    rows = []
    for stage, part in found.groupby("stage", sort=False):
        by_layer = np.stack(part["lens_refusing"].to_list()).astype(float)
        layers = part["layers"].iloc[0]
        gated = part["gated"].to_numpy()
        codes, times = stats.drawn_clusters(part["question"], len(part), draws)
        count = times.shape[1]
        sizes = [np.bincount(codes[own], minlength=count) for own in (gated, ~gated)]
        for layer, values in zip(layers, by_layer.T, strict=True):
            sums = [np.bincount(codes[own], values[own], count) for own in (gated, ~gated)]
            with np.errstate(invalid="ignore"):  # a draw may hold no gated question
                means = [
                    times @ total / (times @ size) for total, size in zip(sums, sizes, strict=True)
                ]
            drawn = means[0] - means[1]
            gap = values[gated].mean() - values[~gated].mean()
            wide, narrow = (
                stats.drawn_interval(gap, drawn, len(part), count, level) for level in (0.95, 0.9)
            )
            rows.append(
                {
                    "stage": stage, "layer": int(layer), "value": gap, "low": wide.low,
                    "high": wide.high, "low90": narrow.low, "high90": narrow.high, "n": wide.n,
                    "clusters": count,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def moved_by_layer(late: pd.DataFrame, early: pd.DataFrame, world: World) -> pd.DataFrame:
    """Return how far a stage moved the expected answer to the same prompt, by layer and gate.

    Columns: layer, gated, change (mean absolute, places of the scale), n (prompts).

    Args:
        late: rows of "slots" of a stage.
        early: of the stage before it.
        world: of both.
    """
    keys = ["question", "country", "framing"]
    both = late.merge(early[[*keys, "lens"]], on=keys, suffixes=("", "_before"))
    both = both[both["framing"] != "neutral"]
    both = worlds.with_cells(both.assign(seed=""), {"one": world})
    gated = both["cell"].isin(GATED)
    before, after = (np.stack(both[c].to_list()).astype(float) for c in ("lens_before", "lens"))
    rows = []
    for is_gated in (True, False):
        change = np.abs(after - before)[gated == is_gated]
        for layer, value in zip(both["layers"].iloc[0], change.mean(0), strict=True):
            rows.append((int(layer), is_gated, value, len(change)))
    return pd.DataFrame(rows, columns=["layer", "gated", "change", "n"])


GATED = ("suppressed", "biased + gate", "erased")
WAYS = ("plain", "question", "country")


def reads(slots: pd.DataFrame) -> pd.DataFrame:
    """Return how well probes read people's mean answer, by layer and by how rows were divided.

    Columns: way (of `WAYS`), layer, `r2` (of places, over all rows), `within` (the correlation of
    what is read with people's means, both less their question's mean), `question_r2`: what a
    question's other rows alone give, a mean over the same folds without a model. Source: arXiv
    2510.13154, release (probes of the residual stream), whose folds were plain.

    Args:
        slots: rows of "slots" of one model.
    """
    rows = slots[slots["framing"] == "persona"].reset_index(drop=True)
    means = worlds.true_means()
    truth = np.array([means.loc[q, c] for q, c in rows[["question", "country"]].to_numpy()])
    spread = ((truth - truth.mean()) ** 2).sum()
    question = pd.factorize(rows["question"])[0]
    folds = veto_items.folds(rows)
    found = []
    for way in WAYS:
        baseline = _of_the_question(truth, question, folds[way].to_numpy())
        base_r2 = 1 - ((truth - baseline) ** 2).sum() / spread
        reads = np.stack(rows[f"read_{way}"].to_list()).astype(float)
        for layer, read in zip(rows["layers"].iloc[0], reads.T, strict=True):
            own, true = _centred(read, question), _centred(truth, question)
            norm = np.sqrt((own**2).sum() * (true**2).sum())
            found.append(
                {
                    "way": way, "layer": int(layer),
                    "r2": 1 - ((truth - read) ** 2).sum() / spread,
                    "within": float(own @ true / norm) if norm > 1e-9 else np.nan,
                    "question_r2": base_r2,
                }
            )  # fmt: skip
    return pd.DataFrame(found)


def read_over_question(slots: pd.DataFrame, way: str, *, draws: int) -> stats.Interval:
    """Return the probe's R2 at its best layer less that of the question alone.

    Bootstrap over questions, the layer chosen anew in every draw.

    Args:
        slots: rows of "slots" of one model.
        way: how rows were divided, of `WAYS`.
        draws: of the bootstrap.
    """
    return _r2(slots, way, draws=draws, beyond_question=True)


def explained(slots: pd.DataFrame, way: str, *, draws: int) -> stats.Interval:
    """Return the probe's R2 at its best layer, as `read_over_question` without the question's."""
    return _r2(slots, way, draws=draws, beyond_question=False)


def _r2(slots: pd.DataFrame, way: str, *, draws: int, beyond_question: bool) -> stats.Interval:
    rows = slots[slots["framing"] == "persona"].reset_index(drop=True)
    means = worlds.true_means()
    truth = np.array([means.loc[q, c] for q, c in rows[["question", "country"]].to_numpy()])
    folds = veto_items.folds(rows)[way].to_numpy()
    baseline = _of_the_question(truth, pd.factorize(rows["question"])[0], folds)
    read = np.stack(rows[f"read_{way}"].to_list()).astype(float)
    errors = np.column_stack([(truth[:, None] - read) ** 2, (truth - baseline) ** 2])
    codes, times = stats.drawn_clusters(rows["question"], len(rows), draws)
    count = times.shape[1]
    sums = np.stack([np.bincount(codes, column, count) for column in errors.T], axis=1)
    first, second = np.bincount(codes, truth, count), np.bincount(codes, truth**2, count)
    sizes = np.bincount(codes, minlength=count)

    def gain(weights: np.ndarray) -> np.ndarray:
        spread = weights @ second - (weights @ first) ** 2 / (weights @ sizes)
        left = weights @ sums
        whole = left[:, -1] if beyond_question else spread
        return (whole - left[:, :-1].min(1)) / spread

    whole = float(gain(np.ones((1, count)))[0])
    return stats.drawn_interval(whole, gain(times), len(rows), count)


def _of_the_question(truth: np.ndarray, question: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the mean of the other folds' rows of a question; of all of them where it has none."""
    found = np.empty(len(truth))
    for row in range(len(truth)):
        fit = folds != folds[row]
        own = fit & (question == question[row])
        found[row] = truth[own if own.any() else fit].mean()
    return found


def _centred(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    return values - (np.bincount(codes, values) / np.bincount(codes))[codes]
