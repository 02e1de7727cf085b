"""The figures of section 02. Each function returns (figure, table of the numbers drawn)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from valuegate import house
from valuegate.misfire import COMPETENT_AUROC, MEMBERS

Drawn = tuple[Figure, pd.DataFrame]


def evidence_figure(table: pd.DataFrame, reading: pd.DataFrame) -> Drawn:
    """Draw the yes/no log-odds on evidence and foils, and the AUROC that tells them apart."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(house.WIDTH, 2.7), width_ratios=[1.7, 1], layout="constrained"
    )
    for member in MEMBERS:
        for probe, style in (("evidence", "-"), ("foil", ":")):
            chosen = (table["member"] == member) & (table["probe"] == probe)
            shares = np.linspace(0, 1, 81)  # as many points as the eye tells apart
            left.plot(
                table.loc[chosen, "log_odds"].quantile(shares),
                shares,
                style,
                color=house.GROUP_COLOURS[member],
                label=f"{member}, {probe}",
            )
    left.axvline(0, color=house.GREY, linewidth=0.8)
    left.set(xlabel="log-odds of yes (nats)", ylabel="share of prompts at or below")
    left.set_title("a  evidence (solid) against foils (dotted)")
    left.legend(fontsize="small", loc="upper left")
    for y, member in enumerate(MEMBERS):
        row = reading.loc[member]
        right.fill_betweenx(
            [y - 0.3, y + 0.3], row["null_low"], row["null_high"], color=house.GREY, alpha=0.3, lw=0
        )
        _interval(right, y, row["auroc"], row["low"], row["high"], member)
    right.axvline(0.5, color=house.GREY, linewidth=0.8)
    right.axvline(COMPETENT_AUROC, color="black", linewidth=0.8, linestyle="--")
    right.annotate(
        "competent", (COMPETENT_AUROC, 1.45), xytext=(-3, 0), textcoords="offset points",
        ha="right", va="center", fontsize="small",
    )  # fmt: skip
    right.set(yticks=range(len(MEMBERS)), yticklabels=MEMBERS, ylim=(-0.6, 1.7))
    right.set(xlabel="evidence AUROC", xlim=_auroc_limits(reading[["low", "high"]]))
    right.set_title("b  is the evidence read?")
    return figure, reading.reset_index()


def stages_figure(readings: pd.DataFrame) -> Drawn:
    """Draw how well each stage of post-training reads the evidence, and where its criterion is."""
    names = list(dict.fromkeys(readings["model"]))[::-1]
    height = 0.9 + 0.32 * len(names)
    figure, panels = plt.subplots(
        1, 2, figsize=(house.WIDTH, height), sharey=True, layout="constrained"
    )
    columns = (("auroc", "low", "high"), ("criterion", "criterion_low", "criterion_high"))
    for axes, (value, low, high) in zip(panels, columns, strict=True):
        for member, shift in zip(MEMBERS, (0.13, -0.13), strict=True):
            part = readings[readings["member"] == member].set_index("model")
            for y, name in enumerate(names):
                row = part.loc[name]
                _interval(axes, y + shift, row[value], row[low], row[high], member)
            axes.plot(
                [], [], house.GROUP_MARKERS[member], color=house.GROUP_COLOURS[member],
                label=member, markersize=4,
            )  # fmt: skip
    left, right = panels
    left.axvline(0.5, color=house.GREY, linewidth=0.8)
    left.axvline(COMPETENT_AUROC, color="black", linewidth=0.8, linestyle="--")
    left.set(yticks=range(len(names)), yticklabels=names, ylim=(-0.5, len(names) - 0.5))
    left.set(xlabel="evidence AUROC", xlim=_auroc_limits(readings[["low", "high"]]))
    left.set_title("a  is the evidence read?")
    right.axvline(0, color=house.GREY, linewidth=0.8)
    right.set(xlabel="criterion (SD; positive leans to no)")
    right.set_title("b  which way the answer leans")
    right.legend(fontsize="small")
    return figure, readings


def _auroc_limits(values: pd.DataFrame) -> tuple[float, float]:
    """Return axis limits that hold chance, the gate of competence and every value."""
    numbers = values.to_numpy(float)
    return min(0.38, float(np.nanmin(numbers)) - 0.03), max(0.82, float(np.nanmax(numbers)) + 0.03)


def _interval(axes: plt.Axes, y: float, value: float, low: float, high: float, member: str) -> None:
    axes.errorbar(
        value,
        y,
        xerr=[[max(value - low, 0)], [max(high - value, 0)]],
        fmt=house.GROUP_MARKERS[member],
        color=house.GROUP_COLOURS[member],
        capsize=2,
        markersize=4,
    )


RATE_LABELS = {
    "mar": "MAR, as published",
    "bias_rate": "bias rate, its mirror",
    "mar_all": "MAR over all pairs",
    "reverse_all": "its reverse",
    "net": "net of the two",
}


def rates_figure(rates: pd.DataFrame, balanced: pd.DataFrame) -> Drawn:
    """Draw the rates with their label-permutation nulls, as answered and at a balanced criterion.

    A rate with an empty denominator is written as undefined.
    """
    figure, panels = plt.subplots(
        1, 2, figsize=(house.WIDTH, 2.3), sharey=True, sharex=True, layout="constrained"
    )
    names = list(RATE_LABELS)
    titles = ("a  as answered", "b  at a balanced criterion")
    for axes, title, table in zip(panels, titles, (rates, balanced), strict=True):
        axes.axvline(0, color=house.GREY, linewidth=0.8)
        for y, name in enumerate(reversed(names)):
            row = table.loc[name]
            if np.isnan(row["value"]):
                axes.annotate("undefined (no such pair)", (2, y), va="center", fontsize="small")
                continue
            axes.fill_betweenx(
                [y - 0.3, y + 0.3], row["null_low"], row["null_high"],
                color=house.GREY, alpha=0.3, lw=0,
            )  # fmt: skip
            _interval(axes, y, row["value"], row["low"], row["high"], "stereotyped")
        axes.set(
            yticks=range(len(names)), yticklabels=[RATE_LABELS[name] for name in reversed(names)]
        )
        axes.set(xlabel="percent of pairs", ylim=(-0.6, len(names) - 0.4))
        axes.set_title(title)
    both = {"as answered": rates.loc[names], "balanced": balanced.loc[names]}
    return figure, pd.concat(both, names=["criterion", "rate"]).reset_index()


def lens_figure(curves: pd.DataFrame) -> Drawn:
    """Draw the logit lens by layer: the gap between groups, and whether evidence is read."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(house.WIDTH, 2.6), layout="constrained")
    layers = curves["layer"]
    left.fill_between(
        layers, -curves["band"], curves["band"], color=house.GREY, alpha=0.25, lw=0,
        label="null, any layer",
    )  # fmt: skip
    left.fill_between(
        layers, curves["low_sd"], curves["high_sd"], color=house.GREEN, alpha=0.3, lw=0
    )
    left.plot(layers, curves["gap_sd"], color=house.GREEN, label="contrast minus stereotyped")
    left.axhline(0, color=house.GREY, linewidth=0.8)
    reach = 1.25 * float(np.nanmax(np.abs(curves[["low_sd", "high_sd", "band"]].to_numpy())))
    left.set(xlabel="layer", ylabel="gap (SD at that layer)", ylim=(-reach, 1.35 * reach))
    left.set_title("a  gap on evidence prompts")
    left.legend(fontsize="small", loc="upper left")
    for member in MEMBERS:
        right.plot(
            layers,
            curves[f"auroc_{member}"],
            color=house.GROUP_COLOURS[member],
            linestyle="-" if member == "contrast" else "--",
            label=member,
        )
    right.axhline(0.5, color=house.GREY, linewidth=0.8)
    right.axhline(COMPETENT_AUROC, color="black", linewidth=0.8, linestyle="--")
    right.annotate("competent", (0, COMPETENT_AUROC), xytext=(0, 3), textcoords="offset points",
                   fontsize="small")  # fmt: skip
    read = curves[[f"auroc_{member}" for member in MEMBERS]]
    right.set(xlabel="layer", ylabel="evidence AUROC", ylim=_auroc_limits(read))
    right.set_title("b  evidence against foils")
    right.legend(fontsize="small", loc="lower left", ncols=2)
    return figure, curves


def published_figure(published: pd.DataFrame, ours: pd.DataFrame) -> Drawn:
    """Draw the published models' MAR against their bias rate, with ours beside them.

    On the diagonal a model fails the stereotyped member exactly as often as the other one.
    """
    figure, axes = plt.subplots(figsize=(house.WIDTH * 0.72, 3.6), layout="constrained")
    top = 1.08 * float(max(published["bias_rate"].max(), published["mar"].max()))
    axes.plot([0, top], [0, top], color=house.GREY, linewidth=0.8)
    axes.annotate("no difference", (top * 0.83, top * 0.86), rotation=45, color=house.GREY,
                  fontsize="small", ha="center", va="center")  # fmt: skip
    starred = published["starred"]
    for chosen, colour, marker, label in (
        (starred == "", house.GREY, "o", "neither starred"),
        (starred == "mar", house.ORANGE, "s", "MAR starred"),
        (starred == "bias", house.BLUE, "^", "bias rate starred"),
    ):
        axes.scatter(
            published.loc[chosen, "bias_rate"],
            published.loc[chosen, "mar"],
            color=colour,
            marker=marker,
            s=22,
            label=f"published, {label}",
        )
    for name in ("GPT-5.4", "GPT-5.4-nano", "Llama-3.2-3B", "Qwen3-4B"):
        row = published[published["model"] == name].iloc[0]
        axes.annotate(name, (row["bias_rate"], row["mar"]), xytext=(5, 4),
                      textcoords="offset points", fontsize="x-small")  # fmt: skip
    inside = ours[(ours["bias_rate"] <= top) & (ours["mar"] <= top)]
    axes.scatter(
        inside["bias_rate"],
        inside["mar"],
        color="black",
        marker="*",
        s=70,
        label="ours",
        clip_on=False,
        zorder=3,
    )
    axes.set(xlabel="bias rate (%)", ylabel="MAR, as published (%)", xlim=(0, top), ylim=(0, top))
    axes.set_aspect("equal")
    figure.legend(fontsize="small", loc="outside lower center", ncols=2)
    return figure, pd.concat([published, ours], ignore_index=True)
