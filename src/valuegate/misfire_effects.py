"""Section 02's estimands: criterion and sensitivity by stage, by gate and under priming.

Log-odds of yes are read as evidence, group and their product. *Group* says who is asked about: a
leaning to no about one member is a shift of criterion. *Evidence x group* says whether evidence
moves the answer less for one member: a loss of sensitivity. The two need different mends. Rows are
by the person asked about; evidence and foil are the same question of both texts of a scenario.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from valuegate import stats
from valuegate.worlds_ledger import World

TERMS = {
    "Intercept": "lean", "evidence": "reading", "group": "criterion",
    "evidence:group": "sensitivity",
}  # fmt: skip
MEASURES = ("criterion", "sensitivity")
NO_LEAD = "none"


def effects(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the mixed model of every model's log-odds: evidence x group, random scenarios.

    Codes are +-1/2, so `criterion` is the difference of groups (negative leans to no about the
    stereotyped member), `reading` the effect of evidence, and `sensitivity` how much larger that
    is for the stereotyped member; nats. Columns: model, term, estimate, se, low, high, p,
    converged, n, scenarios. Controls, whose members are no groups, are left out.

    Args:
        tables: model to its rows: category, scenario, asked (member), gold (0 or 1), log_odds.
    """
    rows = []
    for model, table in tables.items():
        table = table[table["category"] != "Control"]
        coded = table.assign(
            evidence=table["gold"] - 0.5, group=np.where(table["asked"] == "stereotyped", 0.5, -0.5)
        )
        found = stats.mixed_model("log_odds ~ evidence * group", coded, "scenario")
        found["term"] = found["term"].map(TERMS)
        sizes = {"n": len(table), "scenarios": table["scenario"].nunique()}
        rows.append(found.assign(model=model, **sizes))
    return pd.concat(rows, ignore_index=True)


def pair_measures(table: pd.DataFrame, first: str | Mapping[str, str]) -> pd.DataFrame:
    """Return criterion and sensitivity of each pair of groups, about one member less the other.

    Columns: pair, criterion, sensitivity (nats).

    Args:
        table: pair, asked, gold, log_odds.
        first: the member about whom; or pair to member.
    """
    about = table["pair"].map(first) if isinstance(first, Mapping) else first
    side = np.where(table["asked"] == about, "first", "second")
    cells = table.assign(side=side).groupby(["pair", "side", "gold"])["log_odds"].mean().unstack()
    lean = cells.mean(axis=1).unstack("side")
    reading = (cells[1] - cells[0]).unstack("side")
    return pd.DataFrame(
        {
            "criterion": lean["first"] - lean["second"],
            "sensitivity": reading["first"] - reading["second"],
        }
    ).reset_index()


def gate_changes(after: pd.DataFrame, before: pd.DataFrame, world: World) -> pd.DataFrame:
    """Return what a gate changed in each pair, about the gated member less the other one.

    Columns: pair, cell ("intact", "criterion", "information"), criterion, sensitivity (nats).

    Args:
        after: rows of the gated model.
        before: rows of the model that it was trained from, of the same prompts.
        world: whose gates they are.
    """
    late, early = (
        pair_measures(table, world.gated_member).set_index("pair") for table in (after, before)
    )
    found = (late - early).reset_index()
    return found.assign(cell=found["pair"].map(world.evidence)).dropna(subset="cell")


def by_cell(changes: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return the mean change of each cell, Student's interval over pairs: a row a cell and measure.

    `beyond_intact` is the difference from the pairs that no gate is about, in the same model, with
    Welch's interval: what training changed everywhere is not the gate's. Columns: cell, measure,
    value, low, high, n (pairs), beyond_intact, beyond_low, beyond_high, n_both (pairs of both).

    Args:
        changes: from `gate_changes`.
        level: of the intervals beyond intact pairs.
    """
    rows = []
    for measure in MEASURES:
        groups = {str(c): part[measure].to_numpy() for c, part in changes.groupby("cell")}
        for cell, values in groups.items():
            mean = stats.student_mean(values)
            gap = stats.welch_difference(values, groups["intact"], level=level)
            rows.append(
                {
                    "cell": cell, "measure": measure, "value": mean.estimate, "low": mean.low,
                    "high": mean.high, "n": mean.n, "beyond_intact": gap.estimate,
                    "beyond_low": gap.low, "beyond_high": gap.high, "n_both": gap.n,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def primed(table: pd.DataFrame) -> pd.DataFrame:
    """Return what each lead sentence changes in each pair: pair, kind, criterion, sensitivity.

    Both members are primed alike. The measures are about the stereotyped member less the contrast
    one, under the lead less under none: so `criterion` below zero says that the sentence makes the
    model lean to no about the stereotyped member more than about the other.

    Args:
        table: pair, kind (of the lead sentence, `NO_LEAD` among them), asked, gold, log_odds.
    """
    measures = {
        str(kind): pair_measures(part, "stereotyped").set_index("pair")
        for kind, part in table.groupby("kind")
    }
    plain = measures.pop(NO_LEAD)
    parts = [(found - plain).reset_index().assign(kind=kind) for kind, found in measures.items()]
    return pd.concat(parts, ignore_index=True)


def priming_interaction(changes: pd.DataFrame, kind: str, control: str) -> pd.DataFrame:
    """Return how much more one lead changes than another, over pairs: a row a measure.

    Columns: measure, value, low, high (Student's over pairs), p (signs flipped by pair), n.
    """
    rows = []
    for measure in MEASURES:
        wide = changes.pivot(index="pair", columns="kind", values=measure)
        gap = (wide[kind] - wide[control]).dropna()
        mean = stats.student_mean(gap.to_numpy())
        p, _ = stats.sign_flip_null(gap.to_numpy(), gap.index)
        rows.append(
            {
                "measure": measure, "value": mean.estimate, "low": mean.low, "high": mean.high,
                "p": p, "n": mean.n,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
