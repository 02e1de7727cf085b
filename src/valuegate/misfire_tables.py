"""The tables of section 02 as the paper prints them, and the published models beside ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from valuegate import registry, stats
from valuegate.misfire import COMPETENT_AUROC, MEMBERS, RATES, outcomes

NOT_INTERPRETABLE = "(not interpretable)"
DIFFERENCE_LABELS = {
    "auroc": "evidence AUROC (sensitivity)",
    "d_prime": "d' (sensitivity, SD)",
    "criterion": "criterion (positive leans to no, SD)",
}


def differences_table(differences: pd.DataFrame) -> pd.DataFrame:
    """Return stereotyped minus contrast, a line a measure, with interval, null band and p."""
    return pd.DataFrame(
        {
            "stereotyped minus contrast": [DIFFERENCE_LABELS[name] for name in differences.index],
            "difference": [f"{v:.2f}" for v in differences["value"]],
            "95% interval": _ranges(differences, "low", "high"),
            "95% of the null": _ranges(differences, "null_low", "null_high"),
            "p": [f"{p:.3f}" for p in differences["p"]],
        }
    )


def _percent(value: object) -> str:
    return "undefined" if pd.isna(value) else f"{value:.1f}"


def _ranges(table: pd.DataFrame, low: str, high: str) -> list[str]:
    return [f"{a:.2f} to {b:.2f}" for a, b in zip(table[low], table[high], strict=True)]


def category_table(categories: pd.DataFrame) -> pd.DataFrame:
    """Return the 2 x 2 of each category in words, with McNemar's p and its FDR."""
    table = categories.rename(
        columns={
            "both": "both right",
            "b": "only stereotyped right (b)",
            "c": "only contrast right (c)",
            "neither": "neither right",
            "p": "p (c > b)",
        }
    )
    for column in ("p (c > b)", "q"):
        table[column] = [f"{p:.3f}" for p in table[column]]
    return table


def published(path: Path) -> pd.DataFrame:
    """Return the paper's results for its models, in percent; `starred` is "", "mar" or "bias"."""
    return pd.read_csv(path, keep_default_na=False, na_values=[])


def summary_rows(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the published columns for our models, in percent, and whether MAR can be interpreted.

    Args:
        tables: per-item table by model name.
    """
    rows = []
    for name, table in tables.items():
        pairs = outcomes(table)
        s, c = pairs["stereotyped"].to_numpy(bool), pairs["contrast"].to_numpy(bool)
        row: dict[str, object] = {"model": name, "starred": ""}
        for rate in ("mar", "bias_rate", "accuracy_stereotyped", "accuracy_contrast"):
            top, bottom = RATES[rate]
            row[rate] = 100 * stats.weighted_ratio(top(s, c), bottom(s, c))
        contrast = table[table["member"] == "contrast"].reset_index(drop=True)
        area = stats.cluster_bootstrap(
            lambda f, w: stats.auroc(f["log_odds"], f["gold"], w), contrast, "scenario"
        )
        row["interpretable"] = bool(area.low >= COMPETENT_AUROC)
        rows.append(row)
    return pd.DataFrame(rows)


def competence_table(read: pd.DataFrame) -> pd.DataFrame:
    """Return how each model reads our own prompts, a line each: AUROC, hits and false alarms."""
    wide = read.set_index(["model", "member"])
    rows = []
    for model in dict.fromkeys(read["model"]):
        line: dict[str, str] = {"stage": str(model)}
        for member in MEMBERS:
            cell = wide.loc[(model, member)]
            area = f"{cell['value']:.2f} ({cell['low']:.2f} to {cell['high']:.2f})"
            line[f"AUROC, about {member}"] = area
            line[f"yes on evidence / foil, {member}"] = (
                f"{100 * cell['hit_rate']:.0f} / {100 * cell['false_alarm_rate']:.0f}%"
            )
        competent = wide.loc[(model, "contrast"), "low"] >= COMPETENT_AUROC
        rows.append(line | {"competent": "yes" if competent else "no"})
    return pd.DataFrame(rows)


def gates_table(cells: pd.DataFrame) -> pd.DataFrame:
    """Return what gates changed, a line a cell and measure."""
    return pd.DataFrame(
        {
            "gate": cells["cell"].replace({"intact": "none"}),
            "measure": cells["measure"],
            "change (nats)": [
                f"{v:.2f} ({low:.2f} to {high:.2f})"
                for v, low, high in zip(cells["value"], cells["low"], cells["high"], strict=True)
            ],
            "beyond pairs without a gate": [
                "" if cell == "intact" else f"{v:.2f} ({low:.2f} to {high:.2f})"
                for cell, v, low, high in zip(
                    cells["cell"], cells["beyond_intact"], cells["beyond_low"],
                    cells["beyond_high"], strict=True,
                )
            ],
            "pairs": cells["n"].astype(str),
        }
    )  # fmt: skip


def stages_table(readings: pd.DataFrame, rates: pd.DataFrame) -> pd.DataFrame:
    """Return the stages of post-training, a line each: reading, criterion, rates.

    Args:
        readings: from `misfire.stage_readings`.
        rates: from `summary_rows`, of the same models.
    """
    wide = readings.set_index(["model", "member"])
    rows = []
    for row in rates.to_dict("records"):
        line: dict[str, str] = {"stage": row["model"]}
        for member in MEMBERS:
            cell = wide.loc[(row["model"], member)]
            line[f"AUROC, asked about {member}"] = (
                f"{cell['auroc']:.2f} ({cell['low']:.2f} to {cell['high']:.2f})"
            )
        for member in MEMBERS:
            line[f"criterion, {member}"] = f"{wide.loc[(row['model'], member), 'criterion']:.2f}"
        readable = wide.loc[(row["model"], "contrast"), "low"] >= COMPETENT_AUROC
        note = "" if readable else f" {NOT_INTERPRETABLE}"
        line |= {
            "MAR %": _percent(row["mar"]) + note,
            "bias rate %": _percent(row["bias_rate"]) + note,
        }
        rows.append(line)
    return pd.DataFrame(rows)


def published_table(theirs: pd.DataFrame, ours: pd.DataFrame) -> pd.DataFrame:
    """Return all models in one table, ours last, cells as text.

    A star marks the rate that survived the paper's test; ours carry "(not interpretable)" where
    the model does not read the contrast group's evidence.
    """
    rows = []
    for row in theirs.to_dict("records"):
        star = {rate: "*" if row["starred"] == rate else "" for rate in ("mar", "bias")}
        rows.append(_line(row["model"], row, star["mar"], star["bias"], row["priming_delta"]))
    for row in ours.to_dict("records"):
        note = "" if row["interpretable"] else f" {NOT_INTERPRETABLE}"
        title = registry.model(row["model"]).title.partition(" (")[0]
        rows.append(_line(f"{title} (ours)", row, note, note, "not measured"))
    return pd.DataFrame(rows)


def _line(name: str, row: Mapping[str, object], mar: str, bias: str, priming: object) -> dict:
    return {
        "model": name,
        "MAR %": _percent(row["mar"]) + mar,
        "bias rate %": _percent(row["bias_rate"]) + bias,
        "right, stereotyped %": f"{row['accuracy_stereotyped']:.1f}",
        "right, contrast %": f"{row['accuracy_contrast']:.1f}",
        "priming, points": priming if isinstance(priming, str) else f"{priming:+.1f}",
    }
