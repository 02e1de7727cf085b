"""Section 01's interventions: what ablating, opening, closing and telling change.

Pure functions of the tables that `veto_edits` makes. Places on a scale run from 0 to 1, scores are
in points, refusals in nats or percent.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from valuegate import stats, veto_items, worlds
from valuegate.veto_inside import GATED
from valuegate.worlds_ledger import World

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


def equal_divergence(found: pd.DataFrame, measure: str, *, draws: int) -> stats.Interval:
    """Return how much more gated prompts change than open ones that were disturbed as much.

    The mean absolute change of gated prompts when the features are ablated, less that of open
    prompts when random vectors are added until their next token has moved by the same KL. Between
    the two lengths that were added, KL and change are followed along a straight line of logarithms;
    beyond them the line goes on, so a change is never read off a single length. A 90% interval over
    questions.

    Args:
        found: from `conditions` of one model.
        measure: a column of changes.
        draws: of the bootstrap.
    """
    rows = found.assign(size=found[measure].abs())
    rows["kind"] = rows["condition"].str.extract(r"^(nudge \S+|features$)", expand=False)
    rows = rows.dropna(subset="kind")
    rows = rows[rows["gated"] == (rows["kind"] == "features")]
    keys = ["kind", "question", "country"]  # random vectors of one length are one disturbance
    means = rows.groupby(keys, as_index=False)[["size", "kl"]].mean()
    low, high = (f"nudge {times:g}" for times in sorted({times for times, _ in veto_items.NUDGES}))

    def beyond(table: pd.DataFrame, weights: np.ndarray) -> float:
        size, kl = (
            {
                kind: stats.weighted_mean(table[column], weights * (table["kind"] == kind))
                for kind in (low, high, "features")
            }
            for column in ("size", "kl")
        )
        part = np.log(kl["features"] / kl[low]) / np.log(kl[high] / kl[low])
        return size["features"] - size[low] * (size[high] / size[low]) ** part

    return stats.cluster_bootstrap(beyond, means, "question", draws=draws, level=0.9)


def firing(
    tables: Mapping[str, pd.DataFrame], planted: Mapping[str, World], *, draws: int
) -> pd.DataFrame:
    """Return how the best features, chosen on fit questions, fire on test questions.

    Columns: model, f1 (of the best on fit questions), dealt_f1, dealt_low, dealt_high (the same
    with gates dealt anew: mean, middle 95%), p (share of deals with as high an F1, the choice's own
    counted), rate_gated, rate_open (percent of test prompts on which it fires), gap, low, high
    (their difference, 95% over questions), dealt_gap (mean absolute gap of features chosen for
    dealt gates), n_gated, n_open, n, clusters.

    Args:
        tables: model to its rows of "edits".
        planted: seed to its world.
        draws: of the bootstrap.
    """
    rows = []
    for model, table in tables.items():
        own = worlds.with_cells(worlds.pooled({model: table}), planted)
        gated = own["cell"].isin(GATED).to_numpy()
        own["fires"] *= 100.0
        apart = stats.cluster_bootstrap(
            lambda f, w, g=gated: (
                stats.weighted_mean(f["fires"], w * g) - stats.weighted_mean(f["fires"], w * ~g)
            ),
            own, "question", draws=draws,
        )  # fmt: skip
        dealt = 100 * np.stack(own["fires_permuted"].to_list()).astype(float)
        f1, others = own["f1"].iloc[0], np.asarray(own["f1_dealt"].iloc[0], float)
        low, high = np.quantile(others, [0.025, 0.975])
        rows.append(
            {
                "model": model, "f1": f1, "dealt_f1": others.mean(), "dealt_low": low,
                "dealt_high": high, "p": (1 + (others >= f1 - 1e-6).sum()) / (1 + len(others)),
                "rate_gated": own.loc[gated, "fires"].mean(),
                "rate_open": own.loc[~gated, "fires"].mean(),
                "gap": apart.estimate, "low": apart.low, "high": apart.high,
                "dealt_gap": np.abs(dealt[gated].mean(0) - dealt[~gated].mean(0)).mean(),
                "n_gated": int(gated.sum()), "n_open": int((~gated).sum()),
                "n": apart.n, "clusters": apart.clusters,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


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
