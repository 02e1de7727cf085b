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


def competence_table(
    read: pd.DataFrame, signals: pd.DataFrame, gated: Mapping[str, str]
) -> pd.DataFrame:
    """Return how each model reads our own prompts, a line a model and member asked about.

    A model is competent if it reads evidence about the contrast group, or about the other one where
    its gates are about that.

    Args:
        read: `worlds_said.evidence_auroc` by model and asked.
        signals: `misfire_effects.signals` by the same.
        gated: model to the member that its gates are about, where it has any.
    """
    both = read.merge(signals, on=["model", "asked"])
    ends = read.set_index(["model", "asked"])["low"]
    rows = []
    for row in both.to_dict("records"):
        free = "stereotyped" if gated.get(row["model"]) == "contrast" else "contrast"
        competent = ends[row["model"], free] >= COMPETENT_AUROC
        rows.append(
            {
                "stage": row["model"], "asked about": row["asked"],
                "AUROC": f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})",
                "d'": f"{row['d_prime']:.2f}", "criterion": f"{row['criterion']:.2f}",
                "yes on evidence / foil": (
                    f"{100 * row['hit_rate']:.0f} / {100 * row['false_alarm_rate']:.0f}%"
                ),
                "competent": "yes" if competent else "no",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def negation_table(read: pd.DataFrame) -> pd.DataFrame:
    """Return `misfire_stages.by_negation` as the paper prints it."""
    return pd.DataFrame(
        {
            "stage": read["model"],
            "questions": read["negated"].map({True: "negated", False: "plain"}),
            "AUROC": _with_ends(read["value"], read["low"], read["high"]),
            "yes on evidence / foil": [
                f"{100 * a:.0f} / {100 * b:.0f}%"
                for a, b in zip(read["yes_true"], read["yes_false"], strict=True)
            ],
            "unsure %": [f"{100 * share:.0f}" for share in read["unsure"]],
            "n": read["n"].astype(str),
        }
    )


def _with_ends(value: pd.Series, low: pd.Series, high: pd.Series, digits: int = 2) -> list[str]:
    return [
        f"{v:.{digits}f} ({a:.{digits}f} to {b:.{digits}f})"
        for v, a, b in zip(value, low, high, strict=True)
    ]


GATE_TITLES = {"intact": "none", "criterion": "criterion", "information": "information"}


def gates_table(cells: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return what stages changed by kind of gate, a line a stage, measure and gate.

    Args:
        cells: stage to its `misfire_effects.by_cell`.
    """
    rows = []
    for stage, table in cells.items():
        for row in table.to_dict("records"):
            plain = row["cell"] == "intact"
            beyond = f"{row['beyond']:.2f} ({row['beyond_low']:.2f} to {row['beyond_high']:.2f})"
            rows.append(
                {
                    "stage": stage, "measure": row["measure"], "gate": GATE_TITLES[row["cell"]],
                    "change (nats)": f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})",
                    "beyond no gate": "" if plain else beyond,
                    "p": "" if plain else f"{row['p']:.3f}",
                    "pairs in worlds": str(row["n"]),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def signals_table(signals: pd.DataFrame) -> pd.DataFrame:
    """Return d' and criterion by stage, kind of gate and member, as the paper prints them."""
    texts = {
        title: _with_ends(signals[name], signals[f"{name}_low"], signals[f"{name}_high"])
        for name, title in (("d_prime", "d'"), ("criterion", "criterion"))
    }
    found = pd.DataFrame({"stage": signals["stage"], "gate": signals["cell"].map(GATE_TITLES)})
    return found.assign(**{"asked about": signals["side"], **texts, "n": signals["n"].astype(str)})


def stage_rates_table(found: pd.DataFrame) -> pd.DataFrame:
    """Return the published rates of each stage with McNemar's test, a line a stage."""
    wide = found.set_index(["model", "rate"])
    rows = []
    for model in dict.fromkeys(found["model"]):
        line = wide.loc[(model, "net")]
        rates = wide.loc[[(model, "mar"), (model, "bias_rate")]]
        mar, bias = _with_ends(rates["value"], rates["low"], rates["high"], 1)
        rows.append(
            {
                "stage": model, "MAR %": mar, "bias rate %": bias,
                "c": f"{line['c']:.0f}", "b": f"{line['b']:.0f}",
                "net %": f"{line['value']:.1f} ({line['low']:.1f} to {line['high']:.1f})",
                "p (c > b)": f"{line['mcnemar']:.3f}", "q": f"{line['q']:.3f}",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


LEADS = {"neutral": "neutral", "irrelevant_norm": "norm about things",
         "other_group": "about the other group", "same_group": "about this group",
         "evidence": "go by the text"}  # fmt: skip


def priming_table(alone: pd.DataFrame) -> pd.DataFrame:
    """Return the published design of priming: what leads before one member's text change."""
    return pd.DataFrame(
        {
            "stage": alone["model"],
            "lead": alone["kind"].map(LEADS),
            "change (nats)": _with_ends(alone["change"], alone["change_low"], alone["change_high"]),
            "misfires (points)": _with_ends(
                alone["misfire"], alone["misfire_low"], alone["misfire_high"], 1
            ),
            "q (more misfires)": [f"{q:.3f}" for q in alone["q"]],
            "pairs": alone["pairs"].astype(str),
        }
    )


def heads_table(effects: pd.DataFrame) -> pd.DataFrame:
    """Return what ablated heads change by kind of prompt, and how many are answered yes then."""
    return pd.DataFrame(
        {
            "prompts": effects["kind"].map(HEAD_KINDS),
            "heads": effects["ablation"].map(HEAD_SETS),
            "change (nats)": _with_ends(effects["value"], effects["low"], effects["high"]),
            "yes before / after": [
                f"{a:.0f} / {b:.0f}%"
                for a, b in zip(effects["yes_before"], effects["yes"], strict=True)
            ],
            "n": effects["n"].astype(str),
        }
    )


HEAD_KINDS = {"gated": "evidence, gated member", "open": "evidence, other member",
              "foil": "foil, gated member", "control": "evidence, no group"}  # fmt: skip
HEAD_SETS = {"mean_ablated": "chosen, to their means", "zero_ablated": "chosen, to zero",
             "random": "random, to their means"}  # fmt: skip


def published_layers(path: Path, n_layers: int) -> pd.DataFrame:
    """Return where the published gap between members is largest, as a share of depth, a line each.

    Args:
        path: the table of published peaks.
        n_layers: of the embedded model, to say which layer of ours that is.
    """
    table = pd.read_csv(path)
    share = table["layer"] / table["of"]
    return pd.DataFrame(
        {
            "model": table["model"],
            "peak layer": [f"{a} of {b}" for a, b in zip(table["layer"], table["of"], strict=True)],
            "share of depth": [f"{value:.2f}" for value in share],
            "gap (logits)": [f"{value:.1f}" for value in table["gap"]],
            "our layer there": [f"{round(value * n_layers)}" for value in share],
        }
    )


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
            line[f"AUROC, {member}"] = (
                f"{cell['auroc']:.2f} ({cell['low']:.2f} to {cell['high']:.2f})"
            )
        for member in MEMBERS:
            line[f"criterion, {member}"] = f"{wide.loc[(row['model'], member), 'criterion']:z.2f}"
        readable = wide.loc[(row["model"], "contrast"), "low"] >= COMPETENT_AUROC
        line |= {"MAR %": _percent(row["mar"]), "bias rate %": _percent(row["bias_rate"])}
        rows.append(line | {"rates interpretable": "yes" if readable else "no"})
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
