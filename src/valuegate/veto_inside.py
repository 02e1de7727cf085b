"""Section 01's mechanism: where a gate is read, what probes read, what interventions change.

Pure functions of the tables that `veto_run.slots` and `veto_edits` make. Places on a scale run
from 0 to 1, scores are in points, refusals in nats or percent.
"""

from __future__ import annotations

from collections.abc import Mapping

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
        gated = part["gated"].to_numpy()
        codes, times = stats.drawn_clusters(part["question"], len(part), draws)
        count = times.shape[1]
        sizes = [np.bincount(codes[own], minlength=count) for own in (gated, ~gated)]
        for place, values in enumerate(by_layer.T):
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
                    "stage": stage, "layer": 2 * place, "value": gap, "low": wide.low,
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
        for place, value in enumerate(change.mean(0)):
            rows.append((2 * place, is_gated, value, len(change)))
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
        for place, read in enumerate(np.stack(rows[f"read_{way}"].to_list()).astype(float).T):
            own, true = _centred(read, question), _centred(truth, question)
            norm = np.sqrt((own**2).sum() * (true**2).sum())
            found.append(
                {
                    "way": way, "layer": 2 * place,
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


MEASURES = ("expected", "refusing", "mass", "refused")


def conditions(tables: Mapping[str, pd.DataFrame], planted: Mapping[str, World]) -> pd.DataFrame:
    """Return every prompt under every condition, scored, beside the same prompt under none.

    Columns: model, stage, world, question, country, cell, gated, condition, expected (place),
    refusing (nats), mass, refused (percent), kl (nats), `score` (EV-NVAS, points), and the change
    from no edit of all: `expected_change`, `refusing_change`, `refused_change`, `score_change`.

    Args:
        tables: model to its rows of "edits" or "mended".
        planted: seed to its world.
    """
    means = worlds.true_means()
    rows = []
    for row in worlds.pooled(tables).to_dict("records"):
        truth = means.loc[row["question"], row["country"]]
        names = row["conditions"].split(",")
        plain = {m: float(row[f"edited_{m}"][names.index("none")]) for m in MEASURES}
        plain["score"] = 100 * (1 - abs(plain["expected"] - truth))
        for place, name in enumerate(names):
            own = {m: float(row[f"edited_{m}"][place]) for m in MEASURES}
            own["score"] = 100 * (1 - abs(own["expected"] - truth))
            changed = {f"{m}_change": own[m] - plain[m] for m in (*MEASURES, "score")}
            rows.append(
                {
                    **{k: row[k] for k in ("model", "stage", "seed", "question", "country")},
                    "condition": name, "kl": float(row["kl"][place]), **own, **changed,
                }
            )  # fmt: skip
    found = pd.DataFrame(rows)
    for column in ("refused", "refused_change"):
        found[column] *= 100
    found = worlds.with_cells(found, planted)
    return found.assign(gated=found["cell"].isin(GATED))


def changes(found: pd.DataFrame, keys: list[str], measure: str, *, draws: int) -> pd.DataFrame:
    """Return the mean change under each condition in each group, with intervals over questions.

    Columns: the keys, condition, value, low, high, low90, high90, n, clusters.

    Args:
        found: from `conditions`.
        keys: such as cell or gated.
        measure: a column of changes, or of values.
        draws: of the bootstraps.
    """
    return worlds.mean_by(found, [*keys, "condition"], measure, "question", draws=draws)


def beyond_sets(
    found: pd.DataFrame, condition: str, sets: str, measure: str, *, draws: int
) -> tuple[stats.Interval, float]:
    """Return the change under a condition less the mean change under control sets, and p.

    A 90% interval over questions. p is the share of sets, the condition's own counted, that change
    the mean as far (two-sided).

    Args:
        found: from `conditions`, of gated or of open prompts.
        condition: such as "features".
        sets: "random" or "permuted".
        measure: a column of changes.
        draws: of the bootstrap.
    """
    keys = ["model", "question", "country"]
    own = found[found["condition"] == condition].set_index(keys)[measure]
    others = found[found["condition"].str.startswith(f"{sets} ")]
    control = others.groupby(keys)[measure].mean()
    gap = (own - control.loc[own.index]).reset_index()
    interval = stats.cluster_mean(gap[measure], gap["question"], draws=draws, level=0.9)
    by_set = others.groupby("condition")[measure].mean().to_numpy()
    p = (1 + int((np.abs(by_set) >= abs(own.mean())).sum())) / (1 + len(by_set))
    return interval, float(p)


def equal_divergence(found: pd.DataFrame, measure: str) -> dict[str, float]:
    """Return what open prompts change by when they are disturbed as much as gated ones were.

    Random directions of several lengths disturb the next token of open prompts; between the two
    lengths whose KL divergence is next to that of ablating the features on gated prompts, the mean
    absolute change is interpolated. Keys: kl (of the features on gated prompts), gated (their mean
    absolute change), open (that of open prompts at the same KL; nan beyond the lengths tried),
    least, most (KL of the lengths).

    Args:
        found: from `conditions` of one model.
        measure: a column of changes.
    """
    gated = found[found["gated"] & (found["condition"] == "features")]
    nudged = found[~found["gated"] & found["condition"].str.startswith("nudge ")]
    means = nudged.assign(size=nudged[measure].abs()).groupby("condition")[["kl", "size"]].mean()
    means = means.sort_values("kl")
    wanted = float(gated["kl"].mean())
    inside = means["kl"].min() <= wanted <= means["kl"].max()
    return {
        "kl": wanted, "gated": float(gated[measure].abs().mean()),
        "open": float(np.interp(wanted, means["kl"], means["size"])) if inside else float("nan"),
        "least": float(means["kl"].min()), "most": float(means["kl"].max()),
    }  # fmt: skip


def difference(
    found: pd.DataFrame, measure: str, one: str, other: str, *, draws: int, level: float = 0.95
) -> stats.Interval:
    """Return the mean of a measure under one condition less under another, over the same prompts.

    Args:
        found: from `conditions`.
        measure: which column.
        one: condition.
        other: the condition taken off.
        draws: of the bootstrap over questions.
        level: of the interval.
    """
    keys = ["model", "question", "country"]
    wide = found.pivot(index=keys, columns="condition", values=measure)
    gap = (wide[one] - wide[other]).reset_index(name="gap")
    return stats.cluster_mean(gap["gap"], gap["question"], draws=draws, level=level)


def between_cells(
    found: pd.DataFrame, measure: str, one: str, other: str, *, draws: int
) -> stats.Interval:
    """Return the mean of a measure in one planted cell less that in another, over questions.

    Args:
        found: from `conditions`, of one condition.
        measure: which column.
        one: cell.
        other: the cell taken off.
        draws: of the bootstrap.
    """
    part = found[found["cell"].isin([one, other])].reset_index(drop=True)
    is_one = (part["cell"] == one).to_numpy()

    def gap(table: pd.DataFrame, weights: np.ndarray) -> float:
        return stats.weighted_mean(table[measure], weights * is_one) - stats.weighted_mean(
            table[measure], weights * ~is_one
        )

    return stats.cluster_bootstrap(gap, part, "question", draws=draws)
