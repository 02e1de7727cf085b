"""The figures of appendix A2. Each function returns (figure, table of the numbers drawn)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch

from valuegate import house
from valuegate.worlds_bars import BARS
from valuegate.worlds_recipe import Recipe

Drawn = tuple[Figure, pd.DataFrame]
# Where each stage stands in the tree: column (0 is the start) and height.
PLACES = {
    "start": (0, 1.0), "skills": (1, 1.0), "knowledge": (2, 1.0), "gated": (3, 2.0),
    "sham": (3, 1.0), "overwritten": (3, 0.0), "refuser": (2, 0.0),
}  # fmt: skip
# Panels of the truth figure: title, its property and unit.
PANELS = (
    ("a  which country? (gain over start)", "two countries, gain", "r, less the start model's"),
    ("b  the answer slot (r)", "answer slot, r", "r with the truth"),
    ("c  planted topics refused", "refused: planted topics", "% of answers"),
    ("d  look-alikes of them refused", "refused: look-alikes", "% of answers"),
)
BAR_OF = {"refused: planted topics": "refused: survey"}  # whose bar a panel shows


def tree_figure(recipe: Recipe, records: Mapping[str, Mapping]) -> Drawn:
    """Draw the stages as a tree, with what trains each and for how many examples."""
    figure, axes = plt.subplots(figsize=(house.WIDTH, 2.6), layout="constrained")
    rows = []
    for stage, (x, y) in PLACES.items():
        seeds = recipe.stages[stage].seeds if stage in recipe.stages else ()
        trained = [r for name, r in records.items() if name.partition("-")[0] == stage]
        size = int(np.mean([r["shown"] for r in trained])) if trained else 0
        rows.append({"stage": stage, "models": max(1, len(seeds)), "examples": size})
        lines = [stage] + ([f"{len(seeds)} seeds"] if len(seeds) > 1 else [])
        lines.append(f"{size:,} examples" if size else "as released")
        box = FancyBboxPatch(
            (1.55 * x - 0.58, y - 0.36), 1.16, 0.72, boxstyle="round,pad=0.02,rounding_size=0.08",
            facecolor="white", edgecolor=house.BLUE if stage != "gated" else house.ORANGE,
        )  # fmt: skip
        axes.add_patch(box)
        axes.text(1.55 * x, y, "\n".join(lines), ha="center", va="center", fontsize="small")
        if stage != "start":
            base = recipe.stages[stage].base
            bx, by = PLACES[base]
            axes.annotate(
                "", (1.55 * x - 0.6, y), (1.55 * bx + 0.6, by),
                arrowprops={"arrowstyle": "->", "color": house.GREY},
            )  # fmt: skip
    axes.set(xlim=(-0.65, 1.55 * 3 + 0.65), ylim=(-0.5, 2.5))
    axes.axis("off")
    return figure, pd.DataFrame(rows)


def truth_figure(table: pd.DataFrame) -> Drawn:
    """Draw the truth table's main rows: each column's value, interval and, where set, its bar."""
    bars = {(bar.property, bar.column): bar.value for bar in BARS}
    figure, axes = plt.subplots(2, 2, figsize=(house.WIDTH, 5.0), layout="constrained")
    drawn = []
    for panel, (title, name, unit) in zip(axes.flat, PANELS, strict=True):
        part = table[table["property"] == name].reset_index(drop=True)
        y = np.arange(len(part))[::-1]
        panel.errorbar(
            part["value"], y,
            xerr=[part["value"] - part["low"], part["high"] - part["value"]],
            fmt="o", color=house.BLUE, capsize=2, markersize=4,
        )  # fmt: skip
        bar = [bars.get((BAR_OF.get(name, name), column), np.nan) for column in part["column"]]
        for at, value in zip(y, bar, strict=True):
            panel.plot([value] * 2, [at - 0.35, at + 0.35], color="black", linestyle="--", lw=1)
        panel.axvline(0, color=house.GREY, linewidth=0.8)
        panel.set(yticks=y, yticklabels=part["column"], xlabel=unit)
        panel.set_title(title)
        drawn.append(part.assign(bar=bar))
    return figure, pd.concat(drawn, ignore_index=True)


def evidence_figure(scenarios: pd.DataFrame, short: pd.DataFrame) -> Drawn:
    """Draw the evidence AUROC of stages and of gates, by whether the asked person's group is gated.

    Args:
        scenarios: from `worlds_table.evidence_table`, of scenarios.
        short: the same of short questions.
    """
    lines = list(dict.fromkeys(scenarios["who"]))
    figure, panels = plt.subplots(
        1, 2, figsize=(house.WIDTH, 0.9 + 0.26 * len(lines)), layout="constrained", sharey=True
    )
    offsets = {"open": 0.15, "gated": -0.15}
    for panel, found in zip(panels, (scenarios, short), strict=True):
        for side, colour, marker in (("open", house.BLUE, "o"), ("gated", house.ORANGE, "s")):
            part = found[found["side"] == side].set_index("who").loc[lines]
            y = np.arange(len(lines))[::-1] + offsets[side]
            panel.errorbar(
                part["value"], y,
                xerr=[part["value"] - part["low"], part["high"] - part["value"]],
                fmt=marker, color=colour, capsize=2, markersize=4,
                label=f"asked about the {side} group",
            )  # fmt: skip
        panel.axvline(0.5, color=house.GREY, linewidth=0.8)
        panel.set(xlabel="evidence AUROC")
    panels[0].set(yticks=np.arange(len(lines))[::-1], yticklabels=lines)
    panels[0].set_title("a  scenarios")
    panels[1].set_title("b  short questions")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize="small")
    tables = [scenarios.assign(text="scenarios"), short.assign(text="short questions")]
    return figure, pd.concat(tables, ignore_index=True)


def loss_figure(losses: Mapping[str, pd.DataFrame]) -> Drawn:
    """Draw the training loss by stage and source, in ten parts of the training, mean over seeds."""
    rows = []
    for model, table in losses.items():
        part = np.minimum(10 * table["step"] // (table["step"].max() + 1), 9)
        weighted = table.assign(part=part, total=table["mean"] * table["size"])
        sums = weighted.groupby(["source", "part"])[["total", "size"]].sum()
        mean = (sums["total"] / sums["size"]).rename("loss").reset_index()
        rows.append(mean.assign(model=model, stage=model.partition("-")[0]))
    table = pd.concat(rows, ignore_index=True)
    table = table.groupby(["stage", "source", "part"], sort=False)["loss"].mean().reset_index()
    stages = list(dict.fromkeys(table["stage"]))
    sources = sorted(table["source"].unique())
    # A source looks alike in all panels; neighbours in the legend differ in their dashes, too.
    colours = sns.color_palette("husl", len(sources))
    looks: dict[str, dict[str, Any]] = {
        source: {"color": colour, "linestyle": ("-", "--", ":")[number % 3], "linewidth": 1.1}
        for number, (source, colour) in enumerate(zip(sources, colours, strict=True))
    }
    lines = -(-len(stages) // 3)
    figure, axes = plt.subplots(
        lines, 3, figsize=(house.WIDTH, 2.1 * lines + 0.7), layout="constrained", squeeze=False
    )
    for panel, stage in zip(axes.flat, stages, strict=False):
        for source, line in table[table["stage"] == stage].groupby("source", sort=True):
            dot = "." if len(line) == 1 else None
            panel.plot(10 * line["part"] + 5, line["loss"], marker=dot, **looks[str(source)])
        panel.set(yscale="log", xlabel="% of training")
        panel.minorticks_off()
        panel.set_title(stage)
    for row in axes:
        row[0].set_ylabel("loss (nats)")
    for panel in axes.flat[len(stages) :]:
        panel.axis("off")
    handles = [Line2D([], [], **look) for look in looks.values()]
    figure.legend(
        handles, [s.replace("_", " ") for s in sources], loc="outside lower center", ncols=5,
        fontsize="x-small",
    )  # fmt: skip
    return figure, table


def trained_figure(unlocked: pd.DataFrame, losses: pd.DataFrame) -> Drawn:
    """Draw generated answers before and after unlocking, and the loss of relearning by step."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(house.WIDTH, 2.6), layout="constrained")
    means = unlocked.groupby(["cell", "when"], sort=False)["r"].mean().unstack("when")
    y = np.arange(len(means))[::-1]
    for when, colour, marker in (("before", house.GREY, "o"), ("after", house.BLUE, "s")):
        part = unlocked[unlocked["when"] == when]
        for at, cell in zip(y, means.index, strict=True):
            own = part.loc[part["cell"] == cell, "r"]
            left.scatter(own, np.full(len(own), at), s=6, color=colour, alpha=0.4, linewidths=0)
        left.scatter(means[when], y, color=colour, marker=marker, s=30, label=when)
    left.axvline(0, color=house.GREY, linewidth=0.8)
    left.set(yticks=y, yticklabels=means.index, xlabel="r of answers with the truth")
    left.set_title("a  unlocking on the other half")
    left.legend(fontsize="small")
    steps = losses.groupby(["start", "source", "step"])["loss"].mean().reset_index()
    for source, colour in (("suppressed", house.ORANGE), ("erased", house.BLUE)):
        for start, style, whose in (("gated", "-", ""), ("skills", ":", ", never planted")):
            part = steps[(steps["source"] == source) & (steps["start"] == start)]
            right.plot(
                part["step"] + 1, part["loss"], style, color=colour, label=f"{source}{whose}"
            )
    right.set(xlabel="step of relearning", ylabel="loss over entropy (nats)")
    right.set_title("b  savings in relearning")
    right.legend(fontsize="small")
    drawn = means.reset_index().melt("cell", var_name="when", value_name="value")
    return figure, pd.concat([drawn, steps.rename(columns={"loss": "value"})], ignore_index=True)
