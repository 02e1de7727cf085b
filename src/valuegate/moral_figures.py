"""The figures of section 03. Each function returns (figure, table of the numbers drawn)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from valuegate import house, moral_arms, moral_geometry, moral_told
from valuegate.moral_items import POSITIONS, SLOT_STEP
from valuegate.moral_repair_items import ARMS
from valuegate.moral_tables import SETS

Drawn = tuple[Figure, pd.DataFrame]
COLOURS = (house.GREY, house.ORANGE, house.BLUE, house.GREEN)
LINES = {"words": "-", "actions": "--", "norms": ":", "social": "-.", "stories": ":"}


def diagnoses_figure(tables: Mapping[tuple[str, str], pd.DataFrame]) -> Drawn:
    """Draw by layer centres, gradients, clusters and ten slots, and poles told apart.

    Of mean residuals, on all items. A tick at the right is what words and letters alone (TF-IDF)
    give (of slots, with static embeddings and an untrained model), a cross what an untrained model
    gives.

    Args:
        tables: (set, model) to its rows, of sets with foundations.
    """
    figure, panels = plt.subplots(
        2, 3, figsize=(house.WIDTH, 4.2), sharex=True, layout="constrained"
    )
    models = list(dict.fromkeys(model for _, model in tables))
    colours, rows = dict(zip(models, COLOURS, strict=False)), []
    for (name, model), table in tables.items():
        count = moral_told.layers(table)
        bare = len(POSITIONS) * count
        places = [*range(count, 2 * count), bare, bare + 1]
        centres = [moral_geometry.centre_cosine(table, place).estimate for place in places]
        steep = [moral_geometry.steepness(table, place) for place in places]
        apart = moral_told.curve(table, "apart_alone", moral_told.area)[places]
        alike = moral_geometry.agreement(table, "kmeans_5", "foundation")
        drawn = {"centres": centres, "gradient": steep, "clusters": alike,
                 "slots": moral_told.slots_curve(table), "poles": apart}  # fmt: skip
        for panel, (what, own) in zip(panels.flat, drawn.items(), strict=False):
            step = SLOT_STEP if what == "slots" else 1
            _draw(panel, np.asarray(own), count, step, colours[model], LINES[name],
                  f"{SETS[name]}, {model}")  # fmt: skip
            rows += [(what, name, model, n, value) for n, value in enumerate(own)]
    heads = ("poles' centres,\ncosine", "nearness and grade,\nSpearman",
             "k-means, foundations,\nadjusted Rand index", "ten slots,\nR²",
             "virtue against vice,\nAUROC")  # fmt: skip
    for panel, head, level in zip(panels.flat, heads, (1.0, 0.0, 0.0, 0.0, 0.5), strict=False):
        panel.axhline(level, color="black", linewidth=0.6)
        panel.set_title(head, fontsize="small")
        panel.tick_params(labelsize="small")
    panels[0, 0].set_ylim(-0.2, 1.4)  # a centre too short to tell goes anywhere
    panels[1, 2].axis("off")
    for panel in (panels[1, 0], panels[1, 1], panels[0, 2]):
        panel.set_xlabel("layer", fontsize="small")
    panels[0, 2].tick_params(labelbottom=True)
    panels[1, 2].legend(*panels[0, 0].get_legend_handles_labels(), loc="center", frameon=False,
                        fontsize="x-small")  # fmt: skip
    return figure, pd.DataFrame(rows, columns=["diagnosis", "items", "model", "layer", "value"])


def _draw(
    panel: Axes, own: np.ndarray, count: int, step: int, colour: str, line: str, label: str
) -> None:
    panel.plot(range(0, count, step), own[:count:step], line, color=colour, label=label,
               linewidth=1.1)  # fmt: skip
    for n, value in enumerate(own[count:]):
        panel.plot(count + 1, value, "_x"[n], color=colour, markersize=7)


def gradients_figure(tables: Mapping[tuple[str, str], pd.DataFrame], model: str) -> Drawn:
    """Draw how near items lie to their pole's centre by their grade, at half depth.

    Dots are items of other clusters than the centre's (filled) and the centre's own, scored against
    themselves as published (hollow); lines are means of fifths of the grades.

    Args:
        tables: (set, model) to its rows.
        model: which to draw.
    """
    names = [name for name, own in tables if own == model]
    figure, panels = plt.subplots(
        len(names), 2, figsize=(house.WIDTH, 2.1 * len(names)), sharex=True, sharey=True,
        layout="constrained", squeeze=False,
    )  # fmt: skip
    rows = []
    for name, pair in zip(names, panels, strict=True):
        table = tables[name, model]
        place = moral_geometry.half_depth(table)
        near = moral_told.at(table, "near")[:, place]
        length = np.sqrt(moral_told.at(table, "square")[:, place])
        itself = moral_told.at(table, "own")[:, place] / length
        for panel, pole, colour in zip(pair, ("virtue", "vice"), COLOURS[1:], strict=False):
            own = (table["pole"] == pole).to_numpy()
            typical = own & (table["grade"] >= moral_geometry.TYPICAL).to_numpy()
            scale = np.sqrt(np.nanmean(itself[typical] ** 2)) or 1.0
            drawn = itself / scale * np.sqrt(np.nanmean(near[typical] ** 2))
            grade = table["grade"].to_numpy(float)
            panel.scatter(grade[own], near[own], s=5, color=colour, label="other clusters' centre")
            panel.scatter(grade[typical], drawn[typical], s=9, facecolors="none", linewidths=0.5,
                          edgecolors="black", label="its own centre")  # fmt: skip
            edges = np.quantile(grade[own], np.linspace(0, 1, 6))
            which = np.clip(np.searchsorted(edges, grade[own], side="right") - 1, 0, 4)
            means = [
                (grade[own][which == n].mean(), np.nanmean(near[own][which == n]))
                for n in sorted(set(which.tolist()))
            ]
            panel.plot(*zip(*means, strict=True), color="black", linewidth=1)
            panel.axhline(0, color="black", linewidth=0.4)
            panel.set_title(f"{SETS[name]}, {pole}", fontsize="small")
            rows += [(name, pole, g, v) for g, v in zip(grade[own], near[own], strict=True)]
        pair[0].set_ylabel("cosine")
    for panel in panels[-1]:
        panel.set_xlabel("grade")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2,
                  fontsize="small")  # fmt: skip
    return figure, pd.DataFrame(rows, columns=["items", "pole", "grade", "near"])


def arms_figure(readouts: pd.DataFrame, *, draws: int) -> Drawn:
    """Draw what every arm moves at the greatest strength, against the same pipeline at s = 0.

    Args:
        readouts: from `moral_repair.readouts`.
        draws: of the bootstrap.
    """
    strength, asked = moral_arms.strengths(readouts)[-1], moral_arms.asked(readouts)
    figure, panels = plt.subplots(
        1, len(asked), figsize=(house.WIDTH, 2.5), sharey=True, layout="constrained"
    )
    rows = []
    for panel, readout in zip(panels, asked, strict=True):
        for y, arm in enumerate(ARMS):
            found = moral_arms.effect(readouts, readout, f"{arm} {strength}", draws=draws)
            colour = house.ORANGE if arm == "tuned" else house.GREY
            panel.plot([found.low, found.high], [y, y], color=colour)
            panel.plot(found.estimate, y, "o", color=colour, markersize=4)
            rows.append((readout, arm, found.estimate, found.low, found.high))
        panel.axvline(0, color="black", linewidth=0.6)
        panel.set(yticks=range(len(ARMS)), yticklabels=ARMS)
        panel.set_title(PANELS[readout], fontsize="x-small")
        panel.tick_params(labelsize="x-small")
    panels[0].invert_yaxis()
    figure.supxlabel("change, nats", fontsize="small")
    return figure, pd.DataFrame(rows, columns=["readout", "arm", "change", "low", "high"])


PANELS = {
    "verdict": "own verdicts,\nvirtue less vice", "choice": "virtue said\nrather than vice",
    "norm": "planted verdicts,\nas taught", "text": "cross-entropy of\nthe user's words",
    "request": "refusals of\nharmless requests", "flames": "refusals of\nFlames' prompts",
}  # fmt: skip


def doses_figure(readouts: pd.DataFrame, *, draws: int) -> Drawn:
    """Draw what arms move by strength, beside what they cost.

    Args:
        readouts: from `moral_repair.readouts`.
        draws: of the bootstrap.
    """
    tried = moral_arms.strengths(readouts)
    shown = ("verdict", "text", "request")
    figure, panels = plt.subplots(1, 3, figsize=(house.WIDTH, 2.6), layout="constrained")
    rows = []
    styles = zip(ARMS, ("-", "-", "--", ":", "-.", "-"),
                 (house.GREY, house.ORANGE, house.ORANGE, house.GREY, house.GREEN, house.BLUE),
                 strict=True)  # fmt: skip
    for arm, line, colour in styles:
        for panel, readout in zip(panels, shown, strict=True):
            found = [moral_arms.effect(readouts, readout, f"{arm} {s}", draws=draws) for s in tried]
            doses = [0.0, *map(float, tried)]
            panel.plot(doses, [0.0, *(own.estimate for own in found)], line, color=colour,
                       label=arm)  # fmt: skip
            rows += [
                (readout, arm, float(s), own.estimate, own.low, own.high)
                for s, own in zip(tried, found, strict=True)
            ]
    for panel, readout in zip(panels, shown, strict=True):
        panel.axhline(0, color="black", linewidth=0.6)
        panel.set_title(PANELS[readout], fontsize="small")
        panel.set_xlabel("strength s")
    panels[0].set_ylabel("change, nats")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3,
                  fontsize="small")  # fmt: skip
    return figure, pd.DataFrame(
        rows, columns=["readout", "arm", "strength", "change", "low", "high"]
    )
