"""The figures of section 05. Each function returns (figure, table of the numbers drawn)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from jaxtyping import Float
from matplotlib.figure import Figure

from valuegate import house, refusal_curves, refusal_said
from valuegate.refusal_items import POSITIONS
from valuegate.refusal_latents import Shared

Drawn = tuple[Figure, pd.DataFrame]


def words(kind: str) -> str:
    """Return a kind's name in words."""
    return kind.replace("_", " ")


def cosines_figure(
    panels: Mapping[str, Float[np.ndarray, "kind kind"]],
    ceilings: Mapping[str, Float[np.ndarray, " kind"]],
    kinds: tuple[str, ...],
) -> Drawn:
    """Draw cosines of every two kinds' directions; on the diagonal each kind's ceiling.

    Args:
        panels: what directions are taken against, in words, to their cosines.
        ceilings: the same to the cosine of each kind with itself between halves.
        kinds: names, in order.
    """
    figure, axes = plt.subplots(
        1, len(panels), figsize=(house.WIDTH, 3.4), sharey=True, layout="constrained"
    )
    rows = []
    names = [words(kind) for kind in kinds]
    for panel, (name, table) in zip(np.atleast_1d(axes), panels.items(), strict=True):
        shown = np.array(table)
        np.fill_diagonal(shown, ceilings[name])
        sns.heatmap(
            shown, ax=panel, vmin=-1, vmax=1, cmap="RdBu_r", square=True, annot=True, fmt=".1f",
            annot_kws={"size": 5}, xticklabels=names, yticklabels=names, linewidths=0.3,
            cbar=panel is np.atleast_1d(axes)[-1], cbar_kws={"shrink": 0.5, "label": "cosine"},
        )  # fmt: skip
        panel.set_title(name)
        panel.tick_params(labelsize=6, length=0)
        panel.set_xticklabels(names, rotation=90)
        for (one, other), value in np.ndenumerate(shown):
            rows.append((name, kinds[one], kinds[other], value, one == other))
    return figure, pd.DataFrame(rows, columns=["against", "kind", "other", "cosine", "ceiling"])


def curves_figure(found: refusal_curves.Steered, kinds: tuple[str, ...]) -> Drawn:
    """Draw over-refusal over refusal along every direction, a line each, strengths along it.

    The shaded band is as wide as the margin of equivalence, at the refusal where costs are
    compared.

    Args:
        found: from `refusal_curves.steered`.
        kinds: directions that are compared; others are controls.
    """
    refused, over = refusal_curves.rates(found)
    figure, panel = plt.subplots(figsize=(house.WIDTH, 3.2), layout="constrained")
    colours = dict(zip(kinds, sns.color_palette("husl", len(kinds)), strict=True))
    controls = {"pooled": ("black", "-"), "inside": (house.GREY, "--"),
                "outside": (house.GREY, ":")}  # fmt: skip
    named = set()
    rows = []
    for d, name in enumerate(found.names):
        stem = name.partition(" ")[0]
        colour, line = controls.get(stem, (colours.get(name, "black"), "-"))
        label = words(name) if name in kinds else stem
        panel.plot(
            100 * refused[d], 100 * over[d], color=colour, linestyle=line, marker=".",
            markersize=4, linewidth=1.1, label=None if label in named else label,
        )  # fmt: skip
        named.add(label)
        for s, strength in enumerate(found.strengths):
            rows.append((name, strength, 100 * refused[d, s], 100 * over[d, s]))
    panel.axvline(100 * refusal_curves.AT, color=house.GREY, linewidth=0.8)
    costs = [refusal_curves.cost(refused[found.names.index(k)], over[found.names.index(k)])
             for k in kinds]  # fmt: skip
    middle = 100 * float(np.nanmedian(costs)) if np.isfinite(costs).any() else np.nan
    if np.isfinite(middle):
        half = 50 * refusal_curves.MARGIN
        panel.fill_between([85, 95], middle - half, middle + half, color="0.85", zorder=0)
    panel.set(
        xlabel="refused of what is to be refused (%)",
        ylabel="refused of what is to be answered (%)",
        xlim=(0, 102),
        ylim=(-2, 102),
    )
    figure.legend(*panel.get_legend_handles_labels(), loc="outside right upper", fontsize="small")
    return figure, pd.DataFrame(rows, columns=["direction", "strength", "refused", "over"])


def styles_figure(counts: pd.DataFrame) -> Drawn:
    """Draw in which styles a model refuses along each direction, percent of its refusals.

    Args:
        counts: from `refusal_said.counts`.
    """
    shares = 100 * counts.div(counts.sum(axis=1), axis=0)
    figure, panel = plt.subplots(
        figsize=(house.WIDTH, 0.9 + 0.24 * len(shares)), layout="constrained"
    )
    left = np.zeros(len(shares))
    y = np.arange(len(shares))[::-1]
    palette = dict(zip((*refusal_said.STYLES, refusal_said.STOCK),
                       sns.color_palette("colorblind", 7), strict=True))  # fmt: skip
    for style in shares.columns:
        panel.barh(y, shares[style], left=left, color=palette[style], label=style, height=0.75)
        left += shares[style].to_numpy()
    panel.set(xlabel="refusals (%)", xlim=(0, 100), yticks=y)
    panel.set_yticklabels(
        [f"{words(str(d))} ({counts.loc[d].sum()})" for d in shares.index], fontsize="small"
    )
    figure.legend(*panel.get_legend_handles_labels(), loc="outside right upper", fontsize="small")
    return figure, shares.reset_index()


def latents_figure(panels: Mapping[str, Shared]) -> Drawn:
    """Draw how many latents are found in how many kinds, over labels permuted within kinds.

    Args:
        panels: what requests to refuse are compared with, in words, to `refusal_latents.shared`.
    """
    figure, axes = plt.subplots(
        1, len(panels), figsize=(house.WIDTH, 2.3), sharey=True, layout="constrained"
    )
    parts = []
    for panel, (name, found) in zip(np.atleast_1d(axes), panels.items(), strict=True):
        kinds = np.arange(1, len(found.counts))
        null = found.null[:, 1:]
        low, high = np.quantile(null, [0.025, 0.975], axis=0)
        table = pd.DataFrame(
            {"against": name, "kinds": kinds, "latents": found.counts[1:], "null": null.mean(0),
             "null_low": low, "null_high": high}
        )  # fmt: skip
        parts.append(table)
        panel.bar(kinds, table["latents"], color=house.BLUE, width=0.6, label="as they are")
        # A rare event's mean may lie beyond its quantiles, so this is no error bar.
        panel.vlines(kinds, low, high, color="black", linewidth=1)
        panel.plot(kinds, table["null"], "_", color="black", label="labels permuted")
        none = "" if table["latents"].any() else ": none is found"
        panel.set(xlabel="kinds in which a latent is found", title=name + none)
        panel.title.set_fontsize("small")
        panel.set_xticks(kinds[::2])
    first = np.atleast_1d(axes)[0]
    first.set(ylabel="latents", ylim=(-0.02 * max(first.get_ylim()[1], 1), None))
    first.legend(fontsize="small")
    return figure, pd.concat(parts, ignore_index=True)


def select_figure(found: pd.DataFrame) -> Drawn:
    """Draw what taking out and adding the pooled direction does, by layer and position.

    Args:
        found: from `refusal_tells.selection`.
    """
    figure, panels = plt.subplots(
        1, 3, figsize=(house.WIDTH, 2.3), sharex=True, layout="constrained"
    )
    names = {"bypass": "taken out: to refuse", "induce": "added: everyday",
             "kl": "taken out: everyday, KL"}  # fmt: skip
    for panel, (column, label) in zip(panels, names.items(), strict=True):
        for position, colour in (("last", house.BLUE), ("end", house.ORANGE)):
            own = found[found["position"] == position]
            panel.plot(own["layer"], own[column], color=colour, marker=".", label=position)
        chosen = found[found["chosen"]]
        panel.scatter(chosen["layer"], chosen[column], s=60, facecolors="none", edgecolors="black")
        panel.set(xlabel="layer", title=label)
        panel.title.set_fontsize("small")
    panels[0].set_ylabel("nats")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2,
                  fontsize="small")  # fmt: skip
    return figure, found


def layers_figure(tables: Mapping[str, pd.DataFrame]) -> Drawn:
    """Draw how alike kinds' directions are at every layer, and what they tell, means over kinds.

    Args:
        tables: model to its rows of "layers".
    """
    names = {"cosine": "cosine between kinds", "ceiling": "with itself, halves",
             "apart": "told apart (SD)"}  # fmt: skip
    figure, panels = plt.subplots(
        1, 3, figsize=(house.WIDTH, 2.4), sharex=True, layout="constrained"
    )
    colours = dict(zip(tables, sns.color_palette("colorblind", len(tables)), strict=True))
    rows = []
    for panel, (column, label) in zip(panels, names.items(), strict=True):
        for model, table in tables.items():
            every = np.stack(table[column].to_list()).astype(float)
            means = every.mean(0).reshape(len(POSITIONS), -1)
            for position, own, line in zip(POSITIONS, means, ("-", ":"), strict=True):
                panel.plot(
                    own, line, color=colours[model], linewidth=1.2, label=f"{model}, {position}"
                )
                rows += [(model, position, n, column, value) for n, value in enumerate(own)]
        panel.set(xlabel="layer", title=label)
        panel.title.set_fontsize("small")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2,
                  fontsize="small")  # fmt: skip
    return figure, pd.DataFrame(rows, columns=["model", "position", "layer", "what", "mean"])
