"""Tables of section 05 as the paper prints them: text in every cell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float

from valuegate import stats
from valuegate.refusal_curves import Knob
from valuegate.refusal_figures import words


def _ends(value: float, low: float, high: float, places: int) -> str:
    if np.isnan(value):
        return ""
    if np.isnan(low):
        return f"{value:.{places}f}"
    return f"{value:.{places}f} ({low:.{places}f} to {high:.{places}f})"


def geometry_table(
    means: Mapping[str, Mapping[str, stats.Interval]],
    ceilings: Mapping[str, Float[np.ndarray, " kind"]],
    ranks: Mapping[str, float],
    corrected: Mapping[str, float],
) -> pd.DataFrame:
    """Return how alike directions are, a line a model.

    Args:
        means: model to `refusal_geometry.mean_cosines`.
        ceilings: model to `refusal_geometry.ceilings`, against everyday requests.
        ranks: model to `refusal_geometry.effective_rank`.
        corrected: model to `refusal_geometry.corrected`, against everyday requests.
    """
    rows = []
    for model, own in means.items():
        cells = {
            name: _ends(own[key].estimate, own[key].low, own[key].high, 2)
            for key, name in (
                ("everyday", "mean cosine, everyday"), ("lookalikes", "mean cosine, look-alikes"),
                ("difference", "difference"),
            )
        }  # fmt: skip
        rows.append(
            {
                "model": model, **cells, "without noise": f"{corrected[model]:.2f}",
                "ceilings": f"{ceilings[model].min():.2f} to {ceilings[model].max():.2f}",
                "effective rank": f"{ranks[model]:.1f}", "n": str(own["everyday"].n),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def transfer_table(found: pd.DataFrame) -> pd.DataFrame:
    """Return how well each direction tells requests of its own kind and of others, a line each.

    Args:
        found: from `refusal_tells.transfer`.
    """
    rows = []
    for direction, part in found.groupby("direction", sort=False):
        # A kind without look-alikes (some public ones) has nothing of its own to be tried on.
        own = [
            (_ends(row["value"], row["low"], row["high"], 2), str(row["n"]))
            for row in part[part["kind"] == direction].to_dict("records")
        ] or [("", "")]
        others = part[part["kind"] != direction]["value"]
        rows.append(
            {
                "direction": words(str(direction)),
                "own kind": own[0][0],
                "other kinds, mean": f"{others.mean():.2f}",
                "least": f"{others.min():.2f}", "most": f"{others.max():.2f}",
                "n": own[0][1],
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def rates_table(tables: Mapping[str, pd.DataFrame], *, draws: int) -> pd.DataFrame:
    """Return refusal and over-refusal by kind, a line a kind and a column pair a model.

    Args:
        tables: model to its rows of "test".
        draws: of the bootstraps over requests.
    """
    kinds = list(dict.fromkeys(next(iter(tables.values()))["kind"]))
    rows = []
    for kind in kinds:
        line = {"kind": words(kind)}
        for model, table in tables.items():
            for role, name in (("refuse", "refused"), ("comply", "over-refused")):
                part = table[(table["kind"] == kind) & (table["role"] == role)]
                cell = ""
                if len(part):
                    rate = stats.cluster_rate(
                        100.0 * (part["refusing"] > 0), part["unit"], draws=draws
                    )
                    cell = _ends(rate.estimate, rate.low, rate.high, 0)
                line[f"{model}, {name} %"] = cell
        rows.append(line)
    return pd.DataFrame(rows)


def knob_table(found: Knob) -> pd.DataFrame:
    """Return what every direction costs, a line each.

    Args:
        found: from `refusal_curves.knob`.
    """
    return pd.DataFrame(
        [
            {
                "direction": words(row["direction"]),
                "strength": "" if np.isnan(row["strength"]) else f"{row['strength']:.2f}",
                "over-refusal %": _ends(
                    100 * row["cost"], 100 * row["low"], 100 * row["high"], 0
                ),
                "partial area": _ends(row["area"], row["area_low"], row["area_high"], 2),
                "draws that reach it %": f"{100 * row['reached']:.0f}",
            }
            for row in found.table.to_dict("records")
        ]
    )  # fmt: skip


def coherence_table(found: pd.DataFrame) -> pd.DataFrame:
    """Return how coherent steered answers are, a line a direction.

    Args:
        found: from `refusal_said.coherence`.
    """
    return pd.DataFrame(
        [
            {
                "direction": words(row["direction"]), "strength": f"{row['strength']:.2f}",
                "loss (nats a token)": _ends(row["loss"], row["loss_low"], row["loss_high"], 2),
                "loops %": f"{row['loops']:.0f}", "n": str(row["n"]),
            }
            for row in found.to_dict("records")
        ]
    )  # fmt: skip


def overlap_table(found: Mapping[str, Mapping[str, float]], length: int) -> pd.DataFrame:
    """Return how far lists of a fixed length agree, a line a way to make them.

    Args:
        found: a way, in words, to `refusal_latents.overlap`.
        length: of a list.
    """
    return pd.DataFrame(
        [
            {
                "lists": name, "in any list": f"{own['union']:.0f}",
                "in all lists": f"{own['intersection']:.0f}",
                "two lists share %": f"{100 * own['pair'] / length:.0f}",
            }
            for name, own in found.items()
        ]
    )  # fmt: skip


def behaviour_table(found: pd.DataFrame) -> pd.DataFrame:
    """Return directions by behaviour beside those by label, a line a kind.

    Args:
        found: from `refusal_tells.behaviour`.
    """
    return pd.DataFrame(
        [
            {
                "kind": words(row["kind"]), "refused": str(row["refused"]),
                "answered": str(row["answered"]),
                "cosine": "" if np.isnan(row["cosine"]) else f"{row['cosine']:.2f}",
            }
            for row in found.to_dict("records")
        ]
    )  # fmt: skip
