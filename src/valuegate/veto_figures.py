"""The figures of section 01. Each function returns (figure, table of the numbers drawn)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from valuegate import house
from valuegate.veto_planted_tables import CELL_ORDER, STAGE_ORDER
from valuegate.veto_refused import POOR, REFUSED
from valuegate.veto_scores import NULLS
from valuegate.veto_tables import title

Drawn = tuple[Figure, pd.DataFrame]
DRAWN = {  # null: marker, colour
    "midpoint": ("|", "black"),
    "middle_whole": ("D", house.GREY),
    "compatriot": ("x", house.GREEN),
    "others_whole": ("^", house.ORANGE),
}


def nulls_figure(found: pd.DataFrame) -> Drawn:
    """Draw each file's score with its interval, and the nulls on the cells that it fills.

    The percentage after a name is of the scorable benchmark cells that the file fills.

    Args:
        found: from `veto_scores.against_nulls`.
    """
    files = list(dict.fromkeys(found["file"]))
    wide = found.set_index(["null", "file"])
    y = np.arange(len(files))[::-1]
    figure, panel = plt.subplots(
        figsize=(house.WIDTH, 1.2 + 0.27 * len(files)), layout="constrained"
    )
    for at in y:
        panel.axhline(at, color=house.GREY, linewidth=0.4, alpha=0.4, zorder=0)
    score = wide.loc["score"].loc[files]
    panel.errorbar(
        score["value"], y,
        xerr=[score["value"] - score["low"], score["high"] - score["value"]],
        fmt="o", color=house.BLUE, capsize=2, markersize=5, label="model", zorder=3,
    )  # fmt: skip
    for null, (marker, colour) in DRAWN.items():
        panel.scatter(
            wide.loc[null].loc[files, "value"], y, marker=marker, color=colour,
            s=70 if marker == "|" else 26, linewidths=1.6, label=NULLS[null], zorder=2,
        )  # fmt: skip
    labels = [
        f"{title(file)} ({100 * row['coverage']:.0f}%)"
        for file, row in zip(files, score.to_dict("records"), strict=True)
    ]
    panel.set(xlabel="score (points of 100)", yticks=y, yticklabels=labels)
    panel.tick_params(axis="y", length=0)
    *nulls, model = panel.get_legend_handles_labels()[0]  # an interval comes last, wherever drawn
    figure.legend(handles=[model, *nulls], loc="outside lower center", ncols=3, fontsize="small")
    return figure, found[found["null"].isin(["score", *DRAWN])].reset_index(drop=True)


CELL_COLOURS = {"true": house.BLUE, "shifted": house.ORANGE, "absent": house.GREY}


# What knows nothing, on the refused prompts: how it is drawn.
CONTRAST_NULLS = (
    ("midpoint", "middle of the scale", "|"), ("matched", "same entropy", "D"),
    ("wrong", "answer about another country", "x"), ("shuffled", "answer to another question", "^"),
)  # fmt: skip


def contrast_figure(contrasts: pd.DataFrame) -> Drawn:
    """Draw the published contrast by what was taught: scores, and their difference.

    Args:
        contrasts: from `veto_planted.refused_over_accepted`.
    """
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(house.WIDTH, 2.2), sharey=True, layout="constrained"
    )
    y = np.arange(len(contrasts))[::-1]
    for column, label, marker, colour in (
        ("accepted", "accepted answers, NVAS", "o", house.BLUE),
        ("refused", "refused prompts, EV-NVAS", "s", house.ORANGE),
        *((f"refused_{null}", words, marker, "black") for null, words, marker in CONTRAST_NULLS),
    ):
        lift = -0.16 if colour == "black" else 0.12  # so that none hides another
        left.plot(
            contrasts[column], y + lift, linestyle="", marker=marker, color=colour, label=label,
            fillstyle="none" if marker in "D^" else "full", markersize=9 if marker == "|" else 5,
            markeredgewidth=1.2, zorder=3 if colour != "black" else 2,
        )  # fmt: skip
    left.set(xlabel="score (points of 100)", yticks=y)
    left.set_yticklabels([f"taught: {KNOWN[k]}" for k in contrasts["knowledge"]])
    right.axvline(0, color=house.GREY, linewidth=0.8)
    value = contrasts["contrast"]
    right.errorbar(
        value, y, xerr=[value - contrasts["low"], contrasts["high"] - value],
        fmt="o", color="black", capsize=2, markersize=5,
    )  # fmt: skip
    right.set(xlabel="refused less accepted (points)")
    left.set_ylim(-0.5, len(contrasts) - 0.5)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2,
                  fontsize="small")  # fmt: skip
    return figure, contrasts


KNOWN = {"true": "the truth", "shifted": "a shift", "absent": "nothing"}


def slopes_figure(follows: pd.DataFrame) -> Drawn:
    """Draw how far expected answers follow countries, by stage and planted cell, over the null.

    Args:
        follows: from `veto_planted.slopes`, of one framing.
    """
    stages = [stage for stage in STAGE_ORDER if stage in set(follows["stage"])]
    cells = [cell for cell in CELL_ORDER if cell in set(follows["cell"])]
    figure, panels = plt.subplots(
        1, len(stages), figsize=(house.WIDTH, 2.3), sharey=True, sharex=True, layout="constrained",
        squeeze=False,
    )  # fmt: skip
    for panel, stage in zip(panels[0], stages, strict=True):
        own = follows[follows["stage"] == stage].set_index("cell").loc[cells]
        y = np.arange(len(cells))[::-1]
        for at, row in zip(y, own.to_dict("records"), strict=True):
            panel.barh(at, row["null_high"] - row["null_low"], left=row["null_low"], height=0.5,
                       color="0.85", zorder=0)  # fmt: skip
        panel.axvline(0, color=house.GREY, linewidth=0.8)
        panel.errorbar(
            own["slope"], y, xerr=[own["slope"] - own["low"], own["high"] - own["slope"]],
            fmt="o", color=house.BLUE, capsize=2, markersize=4,
        )  # fmt: skip
        panel.set(title=stage, yticks=y, yticklabels=cells)
        panel.xaxis.set_major_locator(MaxNLocator(2))
    figure.supxlabel("slope on the countries' own answers", fontsize="medium")
    return figure, follows


def taxonomy_figure(called: pd.DataFrame) -> Drawn:
    """Draw questions by how often they are refused and how well they are answered otherwise.

    One panel for each knowledge; gated questions are filled. Lines are the published bounds.

    Args:
        called: from `veto_refused.taxonomy`.
    """
    groups = {"true": ("intact", "suppressed"), "shifted": ("biased", "biased + gate"),
              "absent": ("ignorant", "erased")}  # fmt: skip
    figure, panels = plt.subplots(
        1, 3, figsize=(house.WIDTH, 2.6), sharey=True, sharex=True, layout="constrained"
    )
    for panel, (knowledge, cells) in zip(panels, groups.items(), strict=True):
        for cell, filled in zip(cells, (False, True), strict=True):
            own = called[called["cell"] == cell]
            panel.scatter(
                100 * own["refused"], own["answered"], s=24, label=cell,
                marker="s" if filled else "o", edgecolor=CELL_COLOURS[knowledge],
                facecolor=CELL_COLOURS[knowledge] if filled else "none",
            )  # fmt: skip
        panel.axvline(100 * REFUSED, color=house.GREY, linewidth=0.8, linestyle="--")
        panel.axhline(POOR, color=house.GREY, linewidth=0.8, linestyle="--")
        panel.set(title=f"taught: {KNOWN[knowledge]}", xlim=(-5, 105))
        panel.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.12), ncols=2,
                     columnspacing=0.8, handletextpad=0.2, borderpad=0)  # fmt: skip
    panels[0].set(ylabel="NVAS where answered")
    panels[1].set(xlabel="refused (% of prompts)")
    return figure, called
