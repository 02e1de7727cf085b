"""The figures of section 02. Each function returns (figure, table of the numbers drawn)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from valuegate import house
from valuegate.misfire import COMPETENT_AUROC, MEMBERS
from valuegate.misfire_effects import MEASURES
from valuegate.misfire_tables import HEAD_KINDS, HEAD_SETS, LEADS

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


TERMS = {"reading": "evidence: reading", "leaning": "group: leaning",
         "sensitivity": "evidence x group: sensitivity"}  # fmt: skip


def effects_figure(effects: pd.DataFrame) -> Drawn:
    """Draw the terms of the mixed model by stage."""
    names = list(dict.fromkeys(effects["model"]))
    figure, panels = plt.subplots(
        1, 3, figsize=(house.WIDTH, 0.9 + 0.3 * len(names)), sharey=True, layout="constrained"
    )
    for panel, (term, title) in zip(panels, TERMS.items(), strict=True):
        part = effects[effects["term"] == term].set_index("model").loc[names]
        _bars(panel, part["estimate"], part["low"], part["high"], names)
        panel.set(xlabel="nats")
        panel.set_title(title, fontsize="small")
    return figure, effects


def _bars(panel: plt.Axes, value: pd.Series, low: pd.Series, high: pd.Series, names: list) -> None:
    """Draw values with intervals from the top down, a line at 0."""
    y = np.arange(len(names))[::-1]
    below, above = (value - low).clip(lower=0), (high - value).clip(lower=0)
    panel.errorbar(
        value, y, xerr=[below, above], fmt="o", color=house.BLUE, capsize=2, markersize=4
    )
    panel.axvline(0, color=house.GREY, linewidth=0.8)
    panel.set(yticks=y, yticklabels=names, ylim=(-0.6, len(names) - 0.4))


def gates_figure(cells: Mapping[str, pd.DataFrame]) -> Drawn:
    """Draw what gates changed in their own pairs beyond pairs without a gate; `sham` beside it.

    Args:
        cells: stage to its `misfire_effects.by_cell`.
    """
    found = pd.concat(cells, names=["stage"]).reset_index(level=0).reset_index(drop=True)
    found = found[found["cell"] != "intact"]
    labels = {(s, c): f"{s}: {c}" for s in cells for c in ("criterion", "information")}
    figure, panels = plt.subplots(
        1, 2, figsize=(house.WIDTH, 1.0 + 0.3 * len(labels)), sharey=True, layout="constrained"
    )
    for panel, measure in zip(panels, MEASURES, strict=True):
        part = found[found["measure"] == measure].set_index(["stage", "cell"]).loc[list(labels)]
        _bars(panel, part["beyond"], part["beyond_low"], part["beyond_high"], list(labels.values()))
        panel.set(xlabel="nats, beyond no gate")
        panel.set_title(measure)
    return figure, found


def stage_rates_figure(found: pd.DataFrame) -> Drawn:
    """Draw MAR over all pairs, its reverse and net misfires of each stage, over the net's null."""
    wide = found.set_index(["rate", "model"])
    names = list(dict.fromkeys(found["model"]))
    figure, panels = plt.subplots(
        1, 3, figsize=(house.WIDTH, 0.9 + 0.28 * len(names)), sharey=True, layout="constrained"
    )
    titles = {"mar_all": "misfires", "reverse_all": "the reverse", "net": "net"}
    y = np.arange(len(names))[::-1]
    for panel, (rate, title) in zip(panels, titles.items(), strict=True):
        part = wide.loc[rate].loc[names]
        for at, name in zip(y, names, strict=True):
            low, high = part.loc[name, "null_low"], part.loc[name, "null_high"]
            panel.fill_betweenx([at - 0.3, at + 0.3], low, high, color=house.GREY, alpha=0.3, lw=0)
        _bars(panel, part["value"], part["low"], part["high"], names)
        panel.set(xlabel="% of scenarios")
        panel.set_title(title)
    return figure, found


def priming_figure(leads: pd.DataFrame) -> Drawn:
    """Draw what each lead changes over a neutral one, by stage: criterion and sensitivity."""
    figure, panels = plt.subplots(
        1, 2, figsize=(house.WIDTH, 2.6), sharey=True, layout="constrained"
    )
    names, kinds = (list(dict.fromkeys(leads[column])) for column in ("model", "kind"))
    y = np.arange(len(kinds))[::-1]
    colours = (house.BLUE, house.ORANGE, house.GREEN)
    for panel, measure in zip(panels, MEASURES, strict=True):
        for number, name in enumerate(names):
            rows = leads[(leads["model"] == name) & (leads["measure"] == measure)]
            part = rows.set_index("kind").loc[kinds]
            panel.errorbar(
                part["value"], y + 0.2 * (1 - number),
                xerr=[part["value"] - part["low"], part["high"] - part["value"]],
                fmt="os^"[number % 3], color=colours[number % 3], capsize=2, markersize=4,
                label=name, linestyle="none",
            )  # fmt: skip
        panel.axvline(0, color=house.GREY, linewidth=0.8)
        panel.set(xlabel="nats, over a neutral sentence", yticks=y)
        panel.set_yticklabels([LEADS[kind] for kind in kinds])
        panel.set_title(measure)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small")
    return figure, leads


def reading_figure(layers: pd.DataFrame) -> Drawn:
    """Draw where evidence about the gated member is read, by kind of gate: lens and probe.

    The last model is drawn in colour, the models before it in grey.
    """
    gated = layers[layers["side"] == "gated"]
    cells, models = (list(dict.fromkeys(gated[column])) for column in ("cell", "model"))
    figure, panels = plt.subplots(
        1, len(cells), figsize=(house.WIDTH, 2.7), sharey=True, layout="constrained"
    )
    for panel, cell in zip(np.atleast_1d(panels), cells, strict=True):
        for model in models:
            for instrument, colour, style in (
                ("lens", house.ORANGE, "-"), ("probe", house.BLUE, "--"),
            ):  # fmt: skip
                rows = (gated["cell"] == cell) & (gated["model"] == model)
                part = gated[rows & (gated["instrument"] == instrument)]
                last = model == models[-1]
                if last:
                    panel.fill_between(
                        part["layer"], part["low"], part["high"], color=colour, alpha=0.2, lw=0
                    )
                panel.plot(
                    part["layer"], part["auroc"], style, color=colour if last else house.GREY,
                    label=f"{instrument}, {model}", linewidth=1.3 if last else 0.9,
                )  # fmt: skip
        panel.axhline(0.5, color=house.GREY, linewidth=0.8)
        panel.set(xlabel="layer", ylim=(0, 1.02))
        panel.set_title("no gate" if cell == "intact" else f"{cell} gate")
    first = np.atleast_1d(panels)[0]
    first.set(ylabel="evidence AUROC")
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize="small")
    return figure, layers


def gap_figure(gaps: Mapping[str, pd.DataFrame]) -> Drawn:
    """Draw the lens's gap between members by layer, in units of what controls spread, by model."""
    figure, panel = plt.subplots(figsize=(0.75 * house.WIDTH, 2.5), layout="constrained")
    *_, (last, band) = gaps.items()
    panel.fill_between(band["layer"], -band["band"], band["band"], color=house.GREY, alpha=0.25,
                       lw=0, label=f"null, any layer ({last})")  # fmt: skip
    for (name, part), colour in zip(gaps.items(), (house.BLUE, house.ORANGE), strict=False):
        panel.fill_between(part["layer"], part["low"], part["high"], color=colour, alpha=0.25, lw=0)
        panel.plot(part["layer"], part["gap"], color=colour, label=name)
    panel.axhline(0, color=house.GREY, linewidth=0.8)
    panel.set(xlabel="layer", ylabel="other less gated member\n(SD of controls)")
    panel.legend(fontsize="small")
    return figure, pd.concat(gaps, names=["model"]).reset_index(level=0)


def patching_figure(curves: Mapping[str, Mapping[str, pd.DataFrame]]) -> Drawn:
    """Draw how far another run's residual moves the answer, by layer and place; a panel a model."""
    figure, panels = plt.subplots(
        1, len(curves), figsize=(house.WIDTH, 2.9), sharey=True, layout="constrained"
    )
    looks = {"last": (house.BLUE, "-", "from the other member's prompt, at the last token"),
             "names": (house.ORANGE, "--", "from the same, where the names differ"),
             "before": (house.GREEN, ":", "from the model before, at the last token")}  # fmt: skip
    for panel, (model, own) in zip(np.atleast_1d(panels), curves.items(), strict=True):
        for place, (colour, style, label) in looks.items():
            curve = own[place]
            panel.fill_between(
                curve["layer"], curve["low"], curve["high"], color=colour, alpha=0.2, lw=0
            )
            panel.plot(curve["layer"], curve["moved"], style, color=colour, label=label)
        panel.axhline(0, color=house.GREY, linewidth=0.8)
        panel.set(xlabel="layer patched")
        panel.set_title(model)
    first = np.atleast_1d(panels)[0]
    first.set(ylabel="nats towards yes")
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", fontsize="small")
    drawn = [
        curve.assign(model=model, place=place)
        for model, own in curves.items() for place, curve in own.items()
    ]  # fmt: skip
    return figure, pd.concat(drawn, ignore_index=True)


def heads_figure(effects: pd.DataFrame) -> Drawn:
    """Draw what ablating the chosen heads changes by kind of prompt, and random heads beside it."""
    kinds = list(dict.fromkeys(effects["kind"]))
    figure, panels = plt.subplots(
        1, len(kinds), figsize=(house.WIDTH, 1.8), sharey=True, sharex=True, layout="constrained"
    )
    for panel, kind in zip(np.atleast_1d(panels), kinds, strict=True):
        part = effects[effects["kind"] == kind].set_index("ablation").loc[list(HEAD_SETS)]
        _bars(panel, part["value"], part["low"], part["high"], list(HEAD_SETS.values()))
        panel.set(xlabel="nats towards yes")
        panel.set_title(HEAD_KINDS[kind].replace(", ", ",\n"), fontsize="small")
    return figure, effects
