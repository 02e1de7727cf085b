"""The figures of section 01. Each function returns (figure, table of the numbers drawn)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from valuegate import house
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
