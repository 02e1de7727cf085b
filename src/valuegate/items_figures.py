"""The figures of appendix A1. Each function returns (figure, table of the numbers drawn)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from valuegate import house

Drawn = tuple[Figure, pd.DataFrame]
SPLIT_COLOURS = {
    "plant": house.GREEN, "fit": house.BLUE, "test": house.ORANGE, "read": house.GREY,
}  # fmt: skip


def lengths_figure(texts: pd.DataFrame) -> Drawn:
    """Draw the token counts of every kind of text, by split: median, 5th to 95th percentile."""
    texts = texts[texts["split"].isin(list(SPLIT_COLOURS))]
    names = (texts["set"] + ", " + texts["table"]).str.replace("_", " ")
    spread = (
        texts.assign(name=names)
        .groupby(["name", "split"])["tokens"]
        .describe(percentiles=[0.05, 0.5, 0.95])[["count", "5%", "50%", "95%"]]
        .reset_index()
    )
    order = spread.groupby("name")["50%"].max().sort_values().index.tolist()
    figure, axes = plt.subplots(figsize=(house.WIDTH, 4.2))
    for place, (split, colour) in enumerate(SPLIT_COLOURS.items()):
        rows = spread[spread["split"] == split]
        y = rows["name"].map(order.index) + 0.2 * (1.5 - place)
        below, above = rows["50%"] - rows["5%"], rows["95%"] - rows["50%"]
        axes.errorbar(
            rows["50%"], y, xerr=[below, above], fmt="os^D"[place], color=colour, markersize=4,
            linewidth=1.2, label=split,
        )  # fmt: skip
    axes.set(yticks=range(len(order)), yticklabels=order, xlabel="tokens of a text")
    axes.set_xlim(0, None)
    axes.legend(title="split", loc="lower right", fontsize="small", title_fontsize="small")
    return figure, spread


def give_aways_figure(tasks: pd.DataFrame, kinds: pd.DataFrame) -> Drawn:
    """Draw what a classifier of the surface knows of each label, and of each kind of request."""
    figure, panels = plt.subplots(
        1, 2, figsize=(house.WIDTH, 3.6), width_ratios=[1, 1], layout="constrained"
    )
    titles = ("a  labels of all sets", "b  requests, by kind")
    for axes, table, title in zip(panels, (tasks, kinds), titles, strict=True):
        order = table["label"].unique().tolist()[::-1]
        for place, (surface, rows) in enumerate(table.groupby("surface", sort=False)):
            y = rows["label"].map(order.index) + (0.14 if place == 0 else -0.14)
            errors = [(rows["auroc"] - rows["low"]).clip(0), (rows["high"] - rows["auroc"]).clip(0)]
            axes.errorbar(
                rows["auroc"], y, xerr=errors, fmt="os"[place], markersize=4, linewidth=1.2,
                color=(house.BLUE, house.ORANGE)[place], label=surface,
            )  # fmt: skip
        axes.axvline(0.5, color=house.GREY, linewidth=0.8)
        names = [name.replace("_", " ") for name in order]
        axes.set(yticks=range(len(order)), yticklabels=names, xlabel="AUROC within units")
        low = min(0.35, float(table["low"].min()) - 0.03)
        axes.set(
            xlim=(low, max(0.9, float(table["high"].max()) + 0.03)), ylim=(-0.6, len(order) - 0.4)
        )
        axes.set_title(title)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize="small")
    return figure, pd.concat([tasks, kinds], ignore_index=True)


def planted_figure(answers: pd.DataFrame) -> Drawn:
    """Draw the share of people on the agreeing side: planted questions by country."""
    wide = answers.pivot_table(index=["tier", "question"], columns="country", values="share")
    wide = wide.sort_index()
    countries = wide.mean().sort_values().index
    figure, axes = plt.subplots(figsize=(house.WIDTH, 5.2))
    sns.heatmap(
        100 * wide[countries], ax=axes, cmap="cividis", vmin=0, vmax=100, linewidths=0.4,
        rasterized=True,  # as paths its cells would be most of the notebook
        cbar_kws={"label": "% on the agreeing side"},
    )  # fmt: skip
    names = [f"{question.replace('_', ' ')}  ({tier})" for tier, question in wide.index]
    axes.set_yticklabels(names, fontsize="x-small")
    axes.set(xlabel="country", ylabel="")
    tiers = [tier for tier, _ in wide.index]
    for place in np.flatnonzero(np.array(tiers[1:]) != np.array(tiers[:-1])) + 1:
        axes.axhline(place, color="white", linewidth=3)
    return figure, wide.reset_index()
