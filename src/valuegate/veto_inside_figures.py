"""Figures of section 01 on items, countries and mechanism: each returns (figure, numbers drawn)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from valuegate import house
from valuegate.veto_figures import Drawn
from valuegate.veto_inside import WAYS
from valuegate.veto_inside_tables import EDITS, WAY_NAMES
from valuegate.veto_planted_tables import CELL_ORDER, STAGE_ORDER
from valuegate.veto_tables import title

STAGE_COLOURS = {
    "start": "0.6", "skills": "0.3", "knowledge": house.BLUE, "sham": house.GREEN,
    "gated": house.ORANGE,
}  # fmt: skip


def tax_figure(rates: pd.DataFrame) -> Drawn:
    """Draw how often each planted question is refused, in worlds where it is gated and is not.

    Args:
        rates: from `veto_refused.question_rates`, of gated stages.
    """
    order = rates.groupby(["tier", "question"])["refused"].mean().reset_index()
    order = order.sort_values(["tier", "refused", "question"]).reset_index(drop=True)
    place = {question: n for n, question in enumerate(order["question"])}
    figure, panel = plt.subplots(figsize=(house.WIDTH, 4.6), layout="constrained")
    shifts = {w: (n - 1.5) * 0.18 for n, w in enumerate(sorted(rates["world"].unique()))}
    for gated, colour in ((False, house.BLUE), (True, house.ORANGE)):
        own = rates[rates["gated"] == gated]
        panel.scatter(
            own["refused"], own["question"].map(place) + own["world"].map(shifts), s=18,
            edgecolor=colour, facecolor=colour if gated else "none",
            label="gated in that world" if gated else "open in that world",
        )  # fmt: skip
    for at in range(1, len(order)):
        new = order["tier"][at] != order["tier"][at - 1]
        panel.axhline(at - 0.5, color="0.6" if new else "0.92", linewidth=1.0 if new else 0.5)
    names = [
        f"{row['tier']}  {row['question'].replace('_', ' ')}" for row in order.to_dict("records")
    ]
    panel.set(
        xlabel="refused (% of nine countries)", yticks=range(len(order)), yticklabels=names,
        ylim=(-0.7, len(order) - 0.3), xlim=(-4, 104),
    )  # fmt: skip
    panel.tick_params(axis="y", length=0, labelsize="small")
    figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    return figure, rates


def equity_figure(published: pd.DataFrame, planted: pd.DataFrame) -> Drawn:
    """Draw the spread of countries within questions, over what permuted countries give.

    Args:
        published: from `veto_countries.equity`, the published files.
        planted: the same, of planted stages.
    """
    arab = published[published["block"] == "AOI2022"]
    files = list(dict.fromkeys(arab["file"]))
    known = [stage for stage in STAGE_ORDER if stage in set(planted["file"])]
    figure, panels = plt.subplots(
        1, 2, figsize=(house.WIDTH, 3.0), layout="constrained", width_ratios=(1, 1)
    )
    for panel, table, names, labels, name in (
        (panels[0], arab, files, [title(f) for f in files], "a  published, Arab Opinion Index"),
        (panels[1], planted, known, known, "b  planted stages"),
    ):
        wide = table.set_index(["of", "file"])
        y = np.arange(len(names))[::-1]
        score = wide.loc["score"].loc[names]
        panel.scatter(score["sd"], y, color=house.BLUE, s=26, label="answers", zorder=3)
        panel.scatter(
            score["null_sd"], y, marker="|", s=70, color="black", label="countries permuted"
        )
        panel.scatter(
            wide.loc["midpoint"].loc[names, "sd"], y, marker="x", color=house.ORANGE, s=26,
            label="middle of the scale",
        )  # fmt: skip
        panel.set(yticks=y, xlabel="SD of countries (points)", xlim=(0, None))
        panel.set_yticklabels(labels, fontsize="small")
        panel.set_title(name, loc="left")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3,
        fontsize="small",
    )  # fmt: skip
    return figure, pd.concat([arab, planted], ignore_index=True)


def lens_figure(gates: pd.DataFrame, moved: dict[str, pd.DataFrame]) -> Drawn:
    """Draw where a gate is read through the lens, and where a stage moves the expected answer.

    Args:
        gates: from `veto_inside.gate_by_layer`.
        moved: stage in words to `veto_inside.moved_by_layer`.
    """
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(house.WIDTH, 2.6), sharex=True, layout="constrained"
    )
    left.axhline(0, color=house.GREY, linewidth=0.8)
    for stage in STAGE_ORDER:
        own = gates[gates["stage"] == stage]
        if own.empty:
            continue
        left.plot(own["layer"], own["value"], color=STAGE_COLOURS[stage], label=stage)
        left.fill_between(
            own["layer"], own["low"], own["high"], color=STAGE_COLOURS[stage], alpha=0.2,
            linewidth=0,
        )  # fmt: skip
    left.set(xlabel="layer", ylabel="refusal, gated less open (nats)")
    left.set_title("a  refusal", loc="left")
    left.legend(fontsize="small", loc="upper left")
    for name, table in moved.items():
        for gated, style in ((True, "-"), (False, "--")):
            own = table[table["gated"] == gated]
            right.plot(
                own["layer"], own["change"], style, color=STAGE_COLOURS[name],
                label=f"{name}, {'gated' if gated else 'open'}",
            )  # fmt: skip
    right.set(xlabel="layer", ylabel="change since knowledge (places)")
    right.set_title("b  expected answer", loc="left")
    right.legend(fontsize="small", loc="upper left")
    numbers = [gates.assign(panel="a")]
    numbers += [table.assign(panel="b", stage=name) for name, table in moved.items()]
    return figure, pd.concat(numbers, ignore_index=True)


def reads_figure(found: pd.DataFrame) -> Drawn:
    """Draw what probes read by layer and way to divide rows; dashed, what the question alone gives.

    Args:
        found: from `veto_inside.reads` of one model.
    """
    figure, panels = plt.subplots(
        1, len(WAYS), figsize=(house.WIDTH, 2.3), sharex=True, sharey=True, layout="constrained"
    )
    for panel, way in zip(panels, WAYS, strict=True):
        own = found[found["way"] == way]
        panel.axhline(0, color=house.GREY, linewidth=0.8)
        panel.plot(own["layer"], own["r2"], color=house.BLUE, label="probe")
        panel.plot(
            own["layer"], own["question_r2"], "--", color="black", label="the question alone"
        )
        panel.set_title(WAY_NAMES[way], loc="left", fontsize="medium")
        panel.set(xlabel="layer", ylim=(-0.6, 1.05))
    panels[0].set(ylabel="R2 of people's means")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2,
        fontsize="small",
    )  # fmt: skip
    return figure, found


def edits_figure(found: pd.DataFrame) -> Drawn:
    """Draw what ablating features moves refusal, beside every control: a dot a condition.

    Args:
        found: from `veto_changes.conditions` of "edits", of one model.
    """
    means = found.groupby(["condition", "gated"], as_index=False)["refusing_change"].mean()
    means["kind"] = means["condition"].str.partition(" ")[0]
    names = list(EDITS)
    figure, panels = plt.subplots(
        1, 2, figsize=(house.WIDTH, 2.4), sharey=True, sharex=True, layout="constrained"
    )
    for panel, gated, name in zip(panels, (True, False), ("a  gated", "b  open"), strict=True):
        panel.axvline(0, color=house.GREY, linewidth=0.8)
        for at, kind in enumerate(reversed(names)):
            own = means[(means["kind"] == kind) & (means["gated"] == gated)]["refusing_change"]
            is_control = kind in ("random", "permuted")
            panel.scatter(
                own, np.full(len(own), at), s=26, color="0.5" if is_control else house.BLUE,
                alpha=0.7 if is_control else 1.0,
            )  # fmt: skip
        panel.set_title(name, loc="left")
        panel.set(yticks=range(len(names)), xlabel="refusal, change (nats)")
        panel.set_yticklabels([EDITS[kind] for kind in reversed(names)], fontsize="small")
    return figure, means


MENDED = {"opened": ("o", house.ORANGE, "gate opened"), "facts": ("s", house.BLUE, "facts"),
          "other_facts": ("x", "0.5", "facts of another question")}  # fmt: skip


def mends_figure(changes: dict[str, pd.DataFrame]) -> Drawn:
    """Draw what opening the gate and giving facts change, by planted cell.

    Args:
        changes: "refused_change" and "score_change" to `veto_changes.changes` by cell.
    """
    figure, panels = plt.subplots(
        1, 2, figsize=(house.WIDTH, 2.9), sharey=True, layout="constrained"
    )
    labels = {"refused_change": "refused, change (points)", "score_change": "EV-NVAS, change"}
    cells = list(CELL_ORDER)
    for panel, (measure, words) in zip(panels, labels.items(), strict=True):
        panel.axvline(0, color=house.GREY, linewidth=0.8)
        table = changes[measure]
        for shift, (condition, (marker, colour, name)) in zip(
            (0.22, 0.0, -0.22), MENDED.items(), strict=True
        ):
            own = table[table["condition"] == condition].set_index("cell").reindex(cells)
            y = np.arange(len(cells))[::-1] + shift
            panel.errorbar(
                own["value"], y, xerr=[own["value"] - own["low"], own["high"] - own["value"]],
                fmt=marker, color=colour, capsize=2, markersize=5, label=name,
            )  # fmt: skip
        panel.set(xlabel=words, yticks=np.arange(len(cells))[::-1], yticklabels=cells)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3,
        fontsize="small",
    )  # fmt: skip
    numbers = [table.assign(measure=measure) for measure, table in changes.items()]
    return figure, pd.concat(numbers, ignore_index=True)
