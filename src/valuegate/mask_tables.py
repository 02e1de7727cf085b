"""The tables of section 04, as the paper prints them; and what its notebook arranges for them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from valuegate import mask_doses, mask_features, mask_told, stats
from valuegate.house import ends
from valuegate.mask_axis import Agreement
from valuegate.mask_doses import Cue
from valuegate.mask_features import Silence
from valuegate.mask_panels import Panel
from valuegate.mask_told import Told

SETS = {"left_right": "left and right", "parties": "invented parties"}
KINDS = {"lda": "discriminant", "means": "means", "logistic": "logistic"}


def told_table(
    found: Mapping[tuple[str, str, str], Told],
    others: Mapping[tuple[str, str], stats.Interval],
    words: Mapping[str, stats.Interval],
) -> pd.DataFrame:
    """Return how well sides are told on test issues, a line a set, model and kind of axis.

    Args:
        found: (set, model, kind) to `mask_told.told`.
        others: (set, model) to the AUROC of a logistic regression at the stored layer.
        words: set to that of a bag of words.
    """  # fmt: skip
    rows = []
    for (name, model, kind), own in found.items():
        rows.append(
            {
                "sides": SETS[name], "model": model, "axis": KINDS[kind],
                "place": f"{own.position}, {own.layer}", "fit issues": f"{own.fit:.2f}",
                "test issues": ends(own.test), "d'": ends(own.apart), "p": f"{own.p:.3f}",
                "n": f"{own.test.n}/{own.test.clusters}",
            }
        )  # fmt: skip
        if kind == "means":
            area = others[name, model]
            rows.append(_bare(name, model, KINDS["logistic"], area))
    rows += [_bare(name, "none", "bag of words", area) for name, area in words.items()]
    order = list(SETS.values())
    return pd.DataFrame(rows).sort_values("sides", key=lambda s: s.map(order.index), kind="stable")


def _bare(name: str, model: str, axis: str, area: stats.Interval) -> dict[str, str]:
    return {
        "sides": SETS[name], "model": model, "axis": axis, "place": "", "fit issues": "",
        "test issues": ends(area), "d'": "", "p": "", "n": f"{area.n}/{area.clusters}",
    }  # fmt: skip


def cosines_table(found: Mapping[tuple[str, str, str], Agreement]) -> pd.DataFrame:
    """Return how far models' own axes agree, a line a set and pair of models.

    Args:
        found: (set, model, other model) to `mask_told.cosine`.
    """
    return pd.DataFrame(
        [
            {
                "sides": SETS[name], "models": f"{one}, {other}", "cosine": f"{own.cosine:.2f}",
                "reliability": f"{own.selves[0]:.2f}, {own.selves[1]:.2f}",
                "cosine beyond noise": ends(own.corrected),
                "n": f"{own.corrected.n}/{own.corrected.clusters}",
            }
            for (name, one, other), own in found.items()
        ]
    )  # fmt: skip


def compression_table(panels: list[Panel]) -> pd.DataFrame:
    """Return how much less prompts spread after than before, a line a panel and axis."""
    rows = []
    for own in panels:
        low, high = np.quantile(own.random, [0.025, 0.975])
        for who, found in own.beside.items():
            gap, p = own.beyond(who)
            rows.append(
                {
                    "models and templates": own.name, "axis": WHOSE[who],
                    "compressed %": ends(own.published[who], 0),
                    "random directions %": f"{np.median(own.random):.0f} ({low:.0f}, {high:.0f})",
                    "log ratio beside all": ends(found), "beyond random": f"{gap:.2f}",
                    "p": f"{p:.3f}", "n": f"{found.n}/{found.clusters}",
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


WHOSE = {"own": "each its own", "before": "of the first", "after": "of the second"}


def parts_table(found: Mapping[str, Mapping[str, stats.Interval]], fvu: Mapping[str, float]):
    """Return what the mean score is made of, a line a model.

    Args:
        found: model to `mask_features.shares`.
        fvu: model to the error's share of the residual's squared length.
    """
    return pd.DataFrame(
        [
            {
                "model": model,
                **{f"{name} %": _percent(own[name]) for name in mask_features.PARTS},
                "cancelled %": _percent(own["cancelled"]), "unexplained": f"{fvu[model]:.2f}",
                "n": f"{own['bias'].n}/{own['bias'].clusters}",
            }
            for model, own in found.items()
        ]
    )  # fmt: skip


def _percent(found: stats.Interval) -> str:
    scaled = stats.Interval(
        100 * found.estimate, 100 * found.low, 100 * found.high, found.n, found.clusters
    )
    return ends(scaled, 0)


def census_table(tables: Mapping[str, pd.DataFrame], found: Mapping[str, Silence]) -> pd.DataFrame:
    """Return how many features are active, and what features of policy do, a line a model.

    Args:
        tables: model to its rows of "features".
        found: model to `mask_features.silence` on test prompts.
    """
    rows = []
    for model, own in found.items():
        number, share = mask_features.top_feature(tables[model])
        rows.append(
            {
                "model": model,
                "features, last token": str(mask_features.distinct(tables[model], "active")),
                "features, words": str(mask_features.distinct(tables[model], "words")),
                "policy at words %": ends(own.words, 0), "at the last token %": ends(own.last, 0),
                "above zero but cut %": ends(own.cut, 0),
                "read nothing there %": ends(own.silent, 0),
                "most active": f"{number}, {share:.0f}%",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def doses_table(
    found: Mapping[tuple[str, str], tuple[stats.Interval, tuple[float, float]]],
) -> pd.DataFrame:
    """Return how far a push moves what is said, a line a model and what is pushed.

    Args:
        found: (what, model) to the mean slope and how far random directions go.
    """
    return pd.DataFrame(
        [
            {
                "pushed": what, "model": model, "nats a root nat": ends(slope),
                "random directions": f"{null[0]:.2f} to {null[1]:.2f}", "n": str(slope.clusters),
            }
            for (what, model), (slope, null) in found.items()
        ]
    )  # fmt: skip


def cues_table(found: Mapping[str, Cue]) -> pd.DataFrame:
    """Return what telling a side moves and how much goes through the axis, a line a model."""
    return pd.DataFrame(
        [
            {
                "model": model, "stance": ends(own.total), "place": ends(own.place),
                "through the axis": ends(own.indirect),
                "random directions": f"{own.random.min():.2f} to {own.random.max():.2f}",
                "share": ends(own.share), "n": f"{own.total.n}/{own.total.clusters}",
            }
            for model, own in found.items()
        ]
    )  # fmt: skip


def cells_table(found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return what is encoded and what is said in the planted cells, a line a cell and model.

    Args:
        found: model to `mask_told.called`.
    """
    rows = []
    for model, table in found.items():
        for row in table.to_dict("records"):
            cells = {
                head: f"{row[key]:.2f} ({row[f'{key}_low']:.2f}, {row[f'{key}_high']:.2f})"
                for key, head in (
                    ("told", "told (AUROC)"), ("leans", "right party, log-odds"),
                    ("says", "log P of naming it"),
                )
            }  # fmt: skip
            called = "yes" if row["called"] else "no"
            rows.append({"cell": row["cell"], "model": model, **cells,
                         "called suppressed": called, "n": str(row["issues"])})  # fmt: skip
    return pd.DataFrame(rows).sort_values("cell", kind="stable")


def issues_table(tables: Mapping[str, pd.DataFrame], gates: Mapping[str, bool]) -> pd.DataFrame:
    """Return how neutral answers are, and how far pushes go, on gated and open political issues.

    A line a model: means over issues, and the gated issues' less the open ones' (Welch).

    Args:
        tables: model to its rows of "doses".
        gates: issue to whether the ledger gates it.
    """
    rows = []
    for model, table in tables.items():
        gated = table["issue"].map(gates).to_numpy(bool)
        found = mask_doses.pushed(table, "stances", "stance")
        steep = mask_doses.along(found, "axis").mean(1)
        for what, values in (
            ("neutral answers, nats a token", table["neutral"].to_numpy(float)),
            ("slope along the axis", steep),
        ):
            gap = mask_told.gate_gap(values, gated)
            rows.append(
                {
                    "what": what, "model": model, "gated": f"{values[gated].mean():.2f}",
                    "open": f"{values[~gated].mean():.2f}", "gated less open": ends(gap),
                    "n": f"{gated.sum()}, {(~gated).sum()}",
                }
            )  # fmt: skip
    return pd.DataFrame(rows).sort_values("what", kind="stable")
