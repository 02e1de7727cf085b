"""The tables of section 03, as the paper prints them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from valuegate import moral_arms, moral_geometry, moral_norms, moral_told, stats
from valuegate.house import ends
from valuegate.moral_items import POSITIONS
from valuegate.moral_repair_items import ARMS, CODERS
from valuegate.moral_told import Told

SETS = {
    "words": "rated words", "actions": "graded actions", "norms": "planted norms",
    "social": "Social-Chem-101", "stories": "Moral Stories",
}  # fmt: skip
METHODS = {
    "hdbscan": "HDBSCAN", "kmeans_3": "k-means, 3", "kmeans_5": "k-means, 5",
    "kmeans_10": "k-means, 10", "gmm_5": "mixture, 5",
}  # fmt: skip


def place_name(table: pd.DataFrame, place: int) -> str:
    """Return a place as position and layer."""
    position, layer = divmod(place, moral_told.layers(table))
    return f"{POSITIONS[position]}, {layer}"


def told_table(
    tables: Mapping[tuple[str, str], pd.DataFrame],
    alone: Mapping[tuple[str, str], Told],
    joint: Mapping[tuple[str, str], Told],
) -> pd.DataFrame:
    """Return how well something is told, a line a set and model: the layer, what else, and both.

    Args:
        tables: (set, model) to its rows.
        alone: the same to what the layer tells alone.
        joint: the same to what it tells together with words, static embeddings and an untrained
            model.
    """
    return pd.DataFrame(
        [
            {
                "items": SETS[name], "model": model,
                "place": place_name(tables[name, model], own.place),
                "layer alone": ends(own.test), "without it": ends(joint[name, model].base),
                "both": ends(joint[name, model].test), "added": ends(joint[name, model].more),
                "n": f"{own.test.n}/{own.test.clusters}",
            }
            for (name, model), own in alone.items()
        ]
    )  # fmt: skip


def dimensions_table(
    found: Mapping[tuple[str, str], Mapping[str, Told]], layers: Sequence[int]
) -> pd.DataFrame:
    """Return R2 of ten slots, a line a set and model.

    Args:
        found: (set, model) to kind ("slots", "slots_alone", "slots_published", "slots_stepped") to
            what is told.
        layers: that are stored.
    """
    return pd.DataFrame(
        [
            {
                "items": SETS[name], "model": model, "layer": str(layers[own["slots_alone"].place]),
                "ridge": ends(own["slots_alone"].test), "without it": ends(own["slots"].base),
                "both": ends(own["slots"].test), "added": ends(own["slots"].more),
                "published probe": ends(own["slots_published"].test),
                "it, first token left out": ends(own["slots_stepped"].test),
                "n": f"{own['slots_alone'].test.n}/{own['slots_alone'].test.clusters}",
            }
            for (name, model), own in found.items()
        ]
    )  # fmt: skip


def centres_table(tables: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """Return cosines of centres at half depth, a line a set and model; and across foundations.

    Args:
        tables: (set, model) to its rows.
    """
    rows = []
    for (name, model), table in tables.items():
        place = moral_geometry.half_depth(table)
        same, other = moral_geometry.across(table, place)
        usual = moral_geometry.half_depth(table, published=True)
        published = moral_geometry.centre_cosine(table, usual, corrected=False)
        last = place - moral_told.layers(table)
        raw = moral_geometry.centre_cosine(table, place, corrected=False)
        rows.append(
            {
                "items": SETS[name], "model": model, "as published": ends(published),
                "first token left out": ends(raw),
                "corrected": ends(moral_geometry.centre_cosine(table, place)),
                "last token, corrected": ends(moral_geometry.centre_cosine(table, last)),
                "same pole, other foundation": f"{same:.2f}",
                "other pole, other foundation": f"{other:.2f}",
                "n": f"{published.n}/{published.clusters}",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def gradients_table(
    tables: Mapping[tuple[str, str], pd.DataFrame],
    found: Mapping[tuple[str, str, str], tuple[int, stats.Interval]],
) -> pd.DataFrame:
    """Return gradients, a line a set and model.

    Args:
        tables: (set, model) to its rows.
        found: (set, model, way) to the place and the correlation; ways are "left out", "published"
            and "polar".
    """
    rows = []
    for (name, model), table in tables.items():
        place, own = found[name, model, "left out"]
        rows.append(
            {
                "items": SETS[name], "model": model, "place": place_name(table, place),
                "other clusters' centre": ends(own),
                "its own centre": ends(found[name, model, "published"][1]),
                "other clusters', polar alone": ends(found[name, model, "polar"][1]),
                "n": f"{own.n}/{own.clusters}",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def clusters_table(tables: Mapping[tuple[str, str], pd.DataFrame], *, draws: int) -> pd.DataFrame:
    """Return how far clusters agree with labels at the best layer, a line a set, model and method.

    Args:
        tables: (set, model) to its rows.
        draws: of shuffled labels, whose best layer is taken, too.
    """
    rows = []
    for (name, model), table in tables.items():
        for method, label in METHODS.items():
            line = {"items": SETS[name], "model": model, "clusters": label}
            for labels, head in (("pole", "three poles"), ("foundation", "five foundations")):
                layer, found, null = moral_geometry.best_agreement(
                    table, method, labels, draws=draws
                )
                high = float(np.nanquantile(null, 0.95))
                line[head] = f"{found:.2f} (layer {layer}; shuffled {high:.2f})"
            share = moral_geometry.noise_share(table).mean() if method == "hdbscan" else np.nan
            rows.append(line | {"noise %": "" if np.isnan(share) else f"{100 * share:.0f}"})
    return pd.DataFrame(rows)


def norms_table(found: Mapping[str, moral_norms.Planted]) -> pd.DataFrame:
    """Return how well planted verdicts are told, a line a model."""
    return pd.DataFrame(
        [
            {
                "model": model, "test norms": ends(own.told.test),
                "without the layer": ends(own.told.base), "open": ends(own.open),
                "gated": ends(own.gated), "gated less open": ends(own.gap),
                "never taught": ends(own.absent),
                "n": f"{own.told.test.n}/{own.told.test.clusters}",
            }
            for model, own in found.items()
        ]
    )  # fmt: skip


def quality_table(readouts: pd.DataFrame, pools: pd.DataFrame, *, draws: int) -> pd.DataFrame:
    """Return how well every autoencoder stands in for the layer, and what its pools hold."""
    strength = moral_arms.strengths(readouts)[-1]
    rows = []
    for n, coder in enumerate(CODERS):
        means = sum(own[n] for own in pools["missed"]) / pools["spread"].sum()
        change = moral_arms.typicality_change(pools, coder, draws=draws)
        rows.append(
            {
                "autoencoder": coder,
                "unexplained, tokens": ends(moral_arms.unexplained(readouts, n, draws=draws)),
                "unexplained, means": f"{means:.2f}",
                f"recovered (s = {strength})": ends(
                    moral_arms.recovered(readouts, f"{coder} {strength}", draws=draws)
                ),
                "typicality before": f"{moral_arms.typicality(pools, f'before_{coder}'):.2f}",
                "typicality": f"{moral_arms.typicality(pools, coder):.2f}",
                "change": ends(change) if coder != "pretrained" else "",
            }
        )
    return pd.DataFrame(rows)


def losses_table(pools: pd.DataFrame) -> pd.DataFrame:
    """Return every tuned autoencoder's validation losses by term, before tuning and after."""
    records = json.loads(pools["losses"].iloc[0])
    return pd.DataFrame(
        [
            {"autoencoder": coder, "steps": f"{own['steps']:.0f}"}
            | {
                term: f"{own[f'before_{term}']:.3g} to {own[f'after_{term}']:.3g}"
                for term in (key.removeprefix("before_") for key in own if "before_" in key)
            }
            for coder, own in records.items()
        ]
    )


def arms_table(readouts: pd.DataFrame, *, draws: int) -> pd.DataFrame:
    """Return what every arm moves at the greatest strength, a line an arm, and of it what share.

    Shares are of the tuned arm's effect on the model's own verdicts.
    """
    strength = moral_arms.strengths(readouts)[-1]
    rows = []
    for arm in ARMS:
        name = f"{arm} {strength}"
        line = {"arm": arm}
        for readout in moral_arms.asked(readouts):
            line[HEADS[readout]] = ends(moral_arms.effect(readouts, readout, name, draws=draws))
        share = moral_arms.share(readouts, "verdict", name, f"tuned {strength}", draws=draws)
        rows.append(line | {"share of tuned": ends(share)})
    return pd.DataFrame(rows)


HEADS = {
    "verdict": "verdicts", "choice": "choice", "norm": "planted", "text": "cross-entropy",
    "request": "refusals", "flames": "refusals, Flames",
}  # fmt: skip


def raters_table(tables: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """Return the most that R2 of words' values could be, for assumed raters.

    MoralStrength publishes means alone, so that neither column is known.
    """
    table = next(own for (name, _), own in tables.items() if name == "words")
    variance = float((4 * table["value"]).var(ddof=0))  # on the scale of 1 to 9
    rows = []
    for spread in (1.0, 1.5, 2.0):
        line = {"raters' standard deviation": f"{spread:.1f}"}
        for raters in (5, 10, 20):
            most = moral_geometry.rater_ceiling(variance, spread, raters)
            line[f"{raters} raters"] = f"{most:.2f}"
        rows.append(line)
    return pd.DataFrame(rows)
