"""Section 02's planted stages and gates, as measured: tables and curves that its notebook shows.

Arranges what `misfire`, `misfire_effects` and `misfire_where` compute from the per-item tables.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from valuegate import misfire, misfire_effects, misfire_where, stats
from valuegate.worlds_ledger import World

# Which planted model comes before which, in the first world.
BEFORE = {"skills": "smollm2-135m-instruct", "knowledge-s1": "skills", "gated-s1": "knowledge-s1",
          "sham-s1": "knowledge-s1"}  # fmt: skip


def competence(tables: Mapping[str, pd.DataFrame], draws: int) -> pd.DataFrame:
    """Return the evidence AUROC of our own prompts by model and by the member asked about.

    Columns: model, member, value, low, high (bootstrap over pairs), n, pairs, hit_rate,
    false_alarm_rate.
    """
    rows = []
    for model, table in tables.items():
        social = table[table["category"] != "Control"]
        for member, part in social.groupby("asked"):
            part = part.reset_index(drop=True)
            found = stats.cluster_bootstrap(
                lambda f, w: stats.auroc(f["log_odds"], f["gold"], w), part, "pair", draws=draws
            )
            low, high = found.low, found.high
            if found.estimate in (0.0, 1.0):  # no bootstrap there; as many pairs that all agree
                edge = 0.025 ** (1 / found.clusters)
                low, high = (edge, 1.0) if found.estimate else (0.0, 1 - edge)
            yes = part["log_odds"] > 0
            rows.append(
                {
                    "model": model, "member": member, "value": found.estimate, "low": low,
                    "high": high, "n": found.n, "pairs": found.clusters,
                    "hit_rate": yes[part["gold"] == 1].mean(),
                    "false_alarm_rate": yes[part["gold"] == 0].mean(),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def rates(tables: Mapping[str, pd.DataFrame], draws: int) -> pd.DataFrame:
    """Return `misfire.misfire_rates` of our own prompts by model: a scenario is a pair of members.

    Columns: model, rate, and those of `misfire.misfire_rates`; intervals and nulls over pairs of
    groups.
    """
    parts = {}
    for model, table in tables.items():
        social = table[table["category"] != "Control"]
        # A scenario is a pair of members here, and pairs of groups are what repeats.
        named = social.assign(pair=social["scenario"], scenario=social["pair"], negated=False)
        parts[model] = misfire.misfire_rates(misfire.outcomes(named), draws)
    return pd.concat(parts, names=["model", "rate"]).reset_index()


def gates(
    tables: Mapping[str, pd.DataFrame], model: str, world: World, level: float = 0.95
) -> pd.DataFrame:
    """Return what training a model changed in each cell of its world, over the model before it.

    Columns: those of `misfire_effects.by_cell`.
    """
    changes = misfire_effects.gate_changes(tables[model], tables[BEFORE[model]], world)
    return misfire_effects.by_cell(changes, level)


def priming(tables: Mapping[str, pd.DataFrame], plain: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return each lead's effect less the neutral lead's: a row a model, lead and measure.

    Columns: model, kind, and those of `misfire_effects.priming_interaction`.

    Args:
        tables: primed prompts, by model.
        plain: the same scenarios without a lead, among `own`'s.
    """
    rows = []
    for model, table in tables.items():
        own = plain[model]
        own = own[own["scenario"].isin(table["scenario"])].assign(kind=misfire_effects.NO_LEAD)
        changes = misfire_effects.primed(pd.concat([own, table], ignore_index=True))
        for kind in dict.fromkeys(changes["kind"]):
            if kind != "neutral":
                found = misfire_effects.priming_interaction(changes, str(kind), "neutral")
                rows.append(found.assign(model=model, kind=kind))
    return pd.concat(rows, ignore_index=True)


def reading_by_gate(table: pd.DataFrame, world: World, *, draws: int) -> pd.DataFrame:
    """Return `misfire_where.layer_reading` about gated members, by kind of gate: column `cell`."""
    found = misfire_where.with_gates(table, world)
    found = found[(found["side"] == "gated") & (found["cell"] != "")]
    parts = {
        str(cell): misfire_where.layer_reading(part, draws=draws)
        for cell, part in found.groupby("cell")
    }
    return pd.concat(parts, names=["cell"]).reset_index(level=0).reset_index(drop=True)
