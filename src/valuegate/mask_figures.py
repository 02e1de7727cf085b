"""The figures of section 04. Each function returns (figure, table of the numbers drawn)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from valuegate import house, mask_doses, mask_told, stats
from valuegate.mask_doses import Cue, Pushed
from valuegate.mask_items import POSITIONS
from valuegate.mask_panels import Panel
from valuegate.mask_tables import SETS, WHOSE

Drawn = tuple[Figure, pd.DataFrame]


def _colours(models: Sequence[str]) -> dict[str, str]:
    return dict(zip(models, (house.GREY, house.ORANGE, house.BLUE, house.GREEN), strict=False))


def layers_figure(
    tables: Mapping[str, pd.DataFrame], words: Mapping[str, stats.Interval], kind: str
) -> Drawn:
    """Draw how well either side is told on test issues, by layer and position.

    Args:
        tables: model to its rows of "statements".
        words: set to the AUROC of a bag of words.
        kind: of the axis.
    """
    figure, panels = plt.subplots(
        1, len(SETS), figsize=(house.WIDTH, 2.7), sharey=True, layout="constrained"
    )
    colours, rows = _colours(list(tables)), []
    for panel, (name, label) in zip(panels, SETS.items(), strict=True):
        for model, table in tables.items():
            found = mask_told.areas(table, name, kind, "test")
            for position, own, line in zip(POSITIONS, found, ("-", ":"), strict=True):
                panel.plot(own, line, color=colours[model], label=f"{model}, {position}")
                rows += [(name, model, position, n, area) for n, area in enumerate(own)]
        panel.axhline(0.5, color="black", linewidth=0.6)
        panel.axhline(
            words[name].estimate, color="black", linewidth=0.8, linestyle="--", label="words alone"
        )
        panel.set(xlabel="layer", title=label)
    panels[0].set_ylabel("AUROC, test issues")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3,
                  fontsize="small")  # fmt: skip
    return figure, pd.DataFrame(rows, columns=["sides", "model", "position", "layer", "auroc"])


def scores_figure(
    tables: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]], *, directions: int
) -> Drawn:
    """Draw where prompts lie along each model's axis of left and right, in either template.

    In units of the prompts' whole spread, about their mean; the grey band is how far a direction
    that is drawn as residuals spread puts the middle 95% of them.

    Args:
        tables: model to its rows of "statements" and "prompts".
        directions: that the band is taken of.
    """
    templates = ("raw", "chat")
    figure, panels = plt.subplots(
        1, 2, figsize=(house.WIDTH, 2.5), sharex=True, sharey=True, layout="constrained"
    )
    rng, rows = np.random.default_rng(0), []
    for panel, template in zip(panels, templates, strict=True):
        for y, (model, (statements, prompts)) in enumerate(tables.items()):
            own = prompts[prompts["template"] == template]
            stream = np.stack(own["residual"].to_list()).astype(float)
            centred = stream - stream.mean(0)
            scale = np.sqrt((centred**2).mean())
            places = centred @ mask_told.axis(statements, "left_right") / scale
            drawn = rng.normal(size=(directions, len(centred))) @ centred
            drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
            half = 1.96 * float((centred @ drawn.T / scale).std())
            panel.fill_betweenx([y - 0.38, y + 0.38], -half, half, color="0.9", lw=0)
            policy = (own["topic"] == "policy").to_numpy()
            jitter = y + rng.uniform(-0.25, 0.25, len(places))
            for kept, colour, label in (
                (policy, house.ORANGE, "policy"), (~policy, house.BLUE, "science, everyday"),
            ):  # fmt: skip
                panel.scatter(places[kept], jitter[kept], s=6, color=colour, label=label)
            rows += [
                (template, model, prompt, place, half)
                for prompt, place in zip(own["prompt"], places, strict=True)
            ]
        panel.set(yticks=range(len(tables)), yticklabels=list(tables), xlabel="place on the axis")
        panel.set_title({"raw": "raw text", "chat": "chat template"}[template])
        panel.invert_yaxis() if template == "raw" else None
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles[:2], labels[:2], loc="outside lower center", ncols=2, fontsize="small")
    return figure, pd.DataFrame(rows, columns=["template", "model", "prompt", "place", "band"])


def compression_figure(panels: Sequence[Panel]) -> Drawn:
    """Draw how much less prompts spread along an axis than all do, beside other directions.

    Axes with their intervals; of other directions the median and the middle 95%.

    Args:
        panels: from `mask_panels.panel`.
    """
    across = 2
    figure, grid = plt.subplots(
        -(-len(panels) // across), across, figsize=(house.WIDTH, 2.1 * -(-len(panels) // across)),
        sharex=True, sharey=True, layout="constrained", squeeze=False,
    )  # fmt: skip
    rows = []
    heads = [f"axis {name}" for name in WHOSE.values()]
    heads += ["drawn as residuals", "drawn alike", "principal", "tastes"]
    for drawn, own in zip(grid.flat, panels, strict=False):
        lines = [
            (f"axis {WHOSE[who]}", found.estimate, found.low, found.high)
            for who, found in own.beside.items()
        ]
        for label, values in (
            ("drawn as residuals", own.null.covariance), ("drawn alike", own.null.isotropic),
            ("principal", own.null.principal), ("tastes", own.tastes),
        ):  # fmt: skip
            low, high = np.quantile(values, [0.025, 0.975])
            lines.append((label, float(np.median(values)), low, high))
        for label, middle, low, high in lines:
            y = heads.index(label)
            axis = label.startswith("axis")
            drawn.plot([low, high], [y, y], color=house.ORANGE if axis else house.GREY)
            drawn.plot(middle, y, "o" if axis else "|", color=house.ORANGE if axis else "black")
            rows.append((own.name, label, middle, low, high))
        drawn.axvline(0, color="black", linewidth=0.6)
        drawn.set(yticks=range(len(heads)), yticklabels=heads)
        drawn.tick_params(labelsize="small")
        drawn.set_title(own.name.replace(" to ", "\nto "), fontsize="small")
    for drawn in grid.flat[len(panels) :]:
        drawn.set_visible(False)
    grid.flat[0].invert_yaxis()
    figure.supxlabel("log ratio of spreads, beside all directions'", fontsize="small")
    return figure, pd.DataFrame(rows, columns=["panel", "direction", "middle", "low", "high"])


def parts_figure(tables: Mapping[str, pd.DataFrame]) -> Drawn:
    """Draw what the mean place of the prompts is made of: bias, features either way, error.

    Args:
        tables: model to its rows of "features".
    """
    figure, panel = plt.subplots(figsize=(house.WIDTH, 0.8 + 0.42 * len(tables)))
    names = {"bias": ("bias", house.GREY), "plus": ("features that add", house.ORANGE),
             "minus": ("features that take", house.BLUE),
             "error": ("error", house.GREEN)}  # fmt: skip
    rows = []
    for y, (model, table) in enumerate(tables.items()):
        right, left = 0.0, 0.0
        for column, (label, colour) in names.items():
            value = float(table[column].mean())
            start = right if value > 0 else left
            panel.barh(y, value, left=start, color=colour, height=0.6,
                       label=label if y == 0 else None)  # fmt: skip
            right, left = right + max(value, 0), left + min(value, 0)
            rows.append((model, label, value))
        score = float(table["score"].mean())
        panel.plot(score, y, "D", color="black", markersize=5, label="score" if y == 0 else None)
        rows.append((model, "score", score))
    panel.axvline(0, color="black", linewidth=0.6)
    panel.set(yticks=range(len(tables)), yticklabels=list(tables), xlabel="along the axis, mean")
    panel.invert_yaxis()
    figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=5,
                  fontsize="small")  # fmt: skip
    return figure, pd.DataFrame(rows, columns=["model", "part", "mean"])


def doses_figure(
    panels: Mapping[str, Mapping[str, tuple[Pushed, np.ndarray]]], stems: Mapping[str, str]
) -> Drawn:
    """Draw how log-odds move with a push, over the root of its KL; and as far with random ones.

    Args:
        panels: title to model to what pushes did and a sign an item.
        stems: direction's stem to its line style.
    """
    figure, axes = plt.subplots(
        1, len(panels), figsize=(house.WIDTH, 2.7), layout="constrained", squeeze=False
    )
    rows = []
    for drawn, (title, models) in zip(axes.flat, panels.items(), strict=True):
        colours = _colours(list(models))
        for model, (found, signs) in models.items():
            for stem, line in stems.items():
                own = [n for n, name in enumerate(found.names) if mask_doses.stem(name) == stem]
                if not own:
                    continue
                change = found.change[:, own] * signs[:, None, None]
                dose = np.sign(found.strengths) * np.sqrt(found.kl[:, own].clip(0))
                # The middle of the curve is no push: nothing is added, nothing moves.
                x, y = (np.r_[0, v.mean((0, 1))] for v in (dose, change))
                order = np.argsort(x)
                drawn.plot(x[order], y[order], line, color=colours[model], marker=".",
                           label=f"{model}, {stem}")  # fmt: skip
                rows += [
                    (title, model, stem, a, b) for a, b in zip(x[order], y[order], strict=True)
                ]
        drawn.axhline(0, color="black", linewidth=0.6)
        drawn.axvline(0, color="black", linewidth=0.6)
        drawn.set(xlabel="push (root of KL)", title=title)
        drawn.title.set_fontsize("small")
    axes.flat[0].set_ylabel("change of log-odds (nats)")
    named: dict[str, Artist] = {}
    for drawn in axes.flat:
        handles, labels = drawn.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=3,
                  fontsize="small")  # fmt: skip
    return figure, pd.DataFrame(rows, columns=["panel", "model", "direction", "push", "change"])


def cues_figure(found: Mapping[str, Cue]) -> Drawn:
    """Draw what telling a side moves, how much of it goes through the axis, and through others.

    Args:
        found: model to `mask_doses.cue`.
    """
    figure, panel = plt.subplots(figsize=(house.WIDTH, 0.9 + 0.55 * len(found)))
    rows = []
    for y, (model, own) in enumerate(found.items()):
        for shift, label, value, colour in (
            (-0.2, "in all", own.total, house.BLUE), (0, "through the axis", own.indirect,
                                                      house.ORANGE),
        ):  # fmt: skip
            panel.plot([value.low, value.high], [y + shift] * 2, color=colour)
            panel.plot(value.estimate, y + shift, "o", color=colour,
                       label=label if y == 0 else None)  # fmt: skip
            rows.append((model, label, value.estimate, value.low, value.high))
        panel.plot(own.random, [y + 0.2] * len(own.random), "|", color="black", markersize=9,
                   label="through random directions" if y == 0 else None)  # fmt: skip
        rows += [(model, "random", value, np.nan, np.nan) for value in own.random]
    panel.axvline(0, color="black", linewidth=0.6)
    panel.set(yticks=range(len(found)), yticklabels=list(found),
              xlabel="stance after a right cue less a left one (nats a token)")  # fmt: skip
    panel.invert_yaxis()
    figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=3,
                  fontsize="small")  # fmt: skip
    return figure, pd.DataFrame(rows, columns=["model", "effect", "value", "low", "high"])
