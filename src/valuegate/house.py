"""The house style of figures and tables: fonts, colours, sizes, and files that are reproducible.

Every figure is saved as SVG, PDF and PNG together with the table of numbers behind it.
"""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from valuegate.data import sha256
from valuegate.measure import frame_hash, write_text
from valuegate.stats import Interval

# Okabe and Ito's colours: told apart with any colour vision and, by lightness, in grey.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#7F7F7F"
GROUP_COLOURS = {"stereotyped": ORANGE, "contrast": BLUE}
GROUP_MARKERS = {"stereotyped": "s", "contrast": "o"}
WIDTH = 6.4  # inches; the text width of the paper


def use() -> None:
    """Apply the style to all figures made afterwards."""
    sns.set_theme(context="paper", style="ticks", font="DejaVu Sans", font_scale=0.95)
    mpl.rcParams.update(
        {
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": "medium",
            "axes.titlelocation": "left",
            "legend.frameon": False,
            # Equal input gives equal bytes: no random ids, no dates, outlines for text.
            "svg.hashsalt": "valuegate",
            "svg.fonttype": "path",
            "pdf.fonttype": 42,
        }
    )


def ends(found: Interval, places: int = 2) -> str:
    """Return an estimate and its interval as tables print them; empty where there is none."""
    if np.isnan(found.estimate):
        return ""
    text = f"{found.estimate:.{places}f}"
    if np.isnan(found.low):
        return text
    return f"{text} ({found.low:.{places}f}, {found.high:.{places}f})"


def save(figure: Figure, table: pd.DataFrame, name: str, folder: Path) -> Path:
    """Write `NN_what.{svg,pdf,png,csv}` and its line in `manifest.json`; return the SVG's path.

    Args:
        figure: the picture.
        table: the numbers behind it.
        name: `NN_what`.
        folder: the run's figure folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    no_dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    for kind, metadata in no_dates.items():
        figure.savefig(folder / f"{name}.{kind}", metadata=metadata, dpi=200)
    drawn = folder / f"{name}.svg"
    write_text(shorter(drawn.read_text(encoding="utf-8")), drawn)
    rounded = table.copy()
    numbers = rounded.select_dtypes("number").columns
    rounded[numbers] = rounded[numbers].astype(float).map(lambda v: float(f"{v:.6g}"))
    rounded.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    record(folder, name, [f"{name}.{kind}" for kind in (*no_dates, "csv")], frame_hash(rounded))
    return folder / f"{name}.svg"


def inline(figure: Figure) -> str:
    """Return a figure as an SVG whose text is text: notebooks stay small, and can be searched."""
    drawn = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return shorter(drawn.getvalue())


def shorter(svg: str) -> str:
    """Return an SVG with places to a hundredth of a point and without what is not drawn.

    Numbers below one stay: they may be scales. Notebooks carry their figures, and are kept small.
    """
    for unseen in (r"<metadata>.*?</metadata>", r"<!--.*?-->", r' id="\w+_\d+"',
                   r' transform="rotate\(-0 [^"]*"'):  # fmt: skip
        svg = re.sub(unseen, "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s*\n\s*", " ", svg).replace("> <", "><")
    return re.sub(r"(?<![\w.])-?[1-9]\d*\.\d{3,}", lambda m: f"{float(m.group()):.2f}", svg)


def save_table(table: pd.DataFrame, name: str, folder: Path) -> Path:
    """Write a table that the paper prints as `NN_what.csv`, cells as they are printed."""
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    record(folder, name, [f"{name}.csv"], frame_hash(table))
    return folder / f"{name}.csv"


def record(folder: Path, name: str, files: list[str], numbers: str) -> None:
    """Note the hash of each file and of the numbers behind it in the folder's manifest.

    One file a figure, so that notebooks that run side by side never write to the same one.
    """
    entry = {"numbers": numbers, "files": {file: sha256(folder / file) for file in files}}
    write_text(json.dumps(entry, indent=1) + "\n", folder / f"{name}.json")
