"""Section 02's estimands: criterion and sensitivity by stage, by gate and under priming.

Log-odds of yes are read as evidence, group and their product. *Group* says who is asked about: a
leaning to no about one member is a shift of criterion (negative here, in nats; the criterion of
signal detection is positive then). *Evidence x group* says whether evidence
moves the answer less for one member: a loss of sensitivity. The two need different mends. Rows are
by the person asked about; evidence and foil are the same question of both texts of a scenario.
Tables have the columns category, pair, scenario, asked (member), gold (0 or 1), log_odds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import pandas as pd

from valuegate import stats
from valuegate.worlds_ledger import World

TERMS = {
    "Intercept": "level", "evidence": "reading", "group": "leaning",
    "evidence:group": "sensitivity",
}  # fmt: skip
MEASURES = ("leaning", "sensitivity")
NO_LEAD = "none"


def effects(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the mixed model of every model's log-odds: evidence x group, random scenarios.

    Codes are +-1/2, so `leaning` is the difference of groups (negative leans to no about the
    stereotyped member), `reading` the effect of evidence, and `sensitivity` how much larger that
    is for the stereotyped member; nats. The design is balanced, so estimates are means over pairs
    of groups; the model knows scenarios alone, and pairs are what repeats, so intervals are
    Student's over pairs. Columns: model, term, estimate, low, high, low90, high90, se (of the
    mixed model), converged, n, pairs. Controls, whose members are no groups, are left out.

    Args:
        tables: model to its rows.
    """
    rows = []
    for model, table in tables.items():
        table = table[table["category"] != "Control"]
        coded = table.assign(
            evidence=table["gold"] - 0.5, group=np.where(table["asked"] == "stereotyped", 0.5, -0.5)
        )
        found = stats.mixed_model("log_odds ~ evidence * group", coded, "scenario")
        found["term"] = found["term"].map(TERMS)
        found = found[["term", "estimate", "se", "converged"]].set_index("term")
        by_pair = pair_measures(table, "stereotyped").set_index("pair")
        for term in found.index:
            for level, end in ((0.95, ""), (0.9, "90")):
                mean = stats.student_mean(by_pair[term], level=level)
                found.loc[term, [f"low{end}", f"high{end}"]] = mean.low, mean.high
        rows.append(found.reset_index().assign(model=model, n=len(table), pairs=len(by_pair)))
    return pd.concat(rows, ignore_index=True)


def pair_measures(table: pd.DataFrame, first: str | Mapping[str, str]) -> pd.DataFrame:
    """Return leaning and sensitivity of each pair of groups, about one member less the other.

    Columns: pair, level, reading (of both members), leaning, sensitivity; nats.

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
            "level": lean.mean(axis=1), "reading": reading.mean(axis=1),
            "leaning": lean["first"] - lean["second"],
            "sensitivity": reading["first"] - reading["second"],
        }
    ).reset_index()  # fmt: skip


def gate_changes(
    tables: Mapping[str, pd.DataFrame], worlds: Mapping[str, World], stage: str = "gated"
) -> pd.DataFrame:
    """Return what a stage changed in each pair of each world, over the knowledge before it.

    About the member that the world's gates are about, less the other one. `sham` has no gates: read
    by the same cells it is a negative control. Columns: world, pair, category, cell ("intact",
    "criterion", "information"), level, reading, leaning, sensitivity (nats).

    Args:
        tables: model to its rows; a world whose stage is not among them is left out.
        worlds: seed to its world.
        stage: "gated" or "sham".
    """
    parts = []
    for seed, world in worlds.items():
        if f"{stage}-{seed}" in tables:
            late, early = (
                pair_measures(tables[model], world.gated_member).set_index("pair")
                for model in (f"{stage}-{seed}", f"knowledge-{seed}")
            )
            found = (late - early).reset_index()
            found.insert(0, "world", seed)
            category = tables[f"{stage}-{seed}"].drop_duplicates("pair").set_index("pair")
            found["category"] = found["pair"].map(category["category"])
            cells = found["pair"].map(world.evidence)  # controls are in none
            parts.append(found.assign(cell=cells).dropna(subset="cell"))
    return pd.concat(parts, ignore_index=True)


def by_cell(changes: pd.DataFrame, *, draws: int = 2000) -> pd.DataFrame:
    """Return the mean change of each cell and what of it goes beyond the pairs without a gate.

    `beyond` is the cell's mean less that of *intact* pairs of the same models: what training
    changed everywhere is not the gate's. Intervals are bootstraps over pairs of groups, each of
    which turns through the cells from world to world. `p`: the ledger dealt places in that turn to
    the pairs of a category by a draw; places are dealt again, which is exact where no gate does
    anything. Columns: cell, measure, value, low, high, beyond, beyond_low, beyond_high,
    beyond_low90, beyond_high90, p, n (pairs in worlds), pairs.
    """
    dealt = _dealt_again(changes, draws)
    rows = []
    for measure in MEASURES:
        for cell, part in changes.groupby("cell"):
            mean = stats.cluster_mean(part[measure], part["pair"], draws=draws)
            row = {
                "cell": str(cell), "measure": measure, "value": mean.estimate, "low": mean.low,
                "high": mean.high, "n": mean.n, "pairs": mean.clusters,
            }  # fmt: skip
            if cell != "intact":
                row |= _beyond_intact(changes, str(cell), measure, dealt)
            rows.append(row)
    return pd.DataFrame(rows)


def _beyond_intact(
    changes: pd.DataFrame, cell: str, measure: str, dealt: list[np.ndarray]
) -> dict[str, float]:
    values = changes[measure].to_numpy(float)

    def gap(cells: np.ndarray, weights: np.ndarray) -> float:
        own, other = weights * (cells == cell), weights * (cells == "intact")
        return stats.weighted_mean(values, own) - stats.weighted_mean(values, other)

    cells, one = changes["cell"].to_numpy(), np.ones(len(changes))
    found = {}
    for level, end in ((0.95, ""), (0.9, "90")):
        interval = stats.cluster_bootstrap(
            lambda _, w: gap(cells, w), changes, "pair", draws=len(dealt), level=level
        )
        found |= {f"beyond_low{end}": interval.low, f"beyond_high{end}": interval.high}
    observed = gap(cells, one)
    p = stats.permutation_p(observed, [gap(again, one) for again in dealt])
    return {"beyond": observed, "p": p, **found}


def _dealt_again(changes: pd.DataFrame, draws: int) -> list[np.ndarray]:
    """Return the cells of all rows with the places of a category's pairs dealt again, by draw."""
    by_pair = changes.pivot(index="pair", columns="world", values="cell")
    row = by_pair.index.get_indexer(changes["pair"])
    column = by_pair.columns.get_indexer(changes["world"])
    category = changes.drop_duplicates("pair").set_index("pair")["category"].loc[by_pair.index]
    groups = [np.flatnonzero(category == name) for name in category.unique()]
    rng, cells, found = np.random.default_rng(0), by_pair.to_numpy(), []
    for _ in range(draws):
        place = np.arange(len(by_pair))
        for group in groups:
            place[group] = rng.permutation(group)
        found.append(cells[place[row], column])
    return found


def signals(table: pd.DataFrame, keys: list[str], *, draws: int = 2000) -> pd.DataFrame:
    """Return signal detection in each group of rows: the answers' d' and criterion.

    Each is taken within a model, whose leaning is its own, and is the mean over models.

    Columns: the keys, d_prime, d_prime_low, d_prime_high, criterion, criterion_low, criterion_high
    (log-linear correction, bootstraps over pairs; a positive criterion leans to no), hit_rate,
    false_alarm_rate, n, pairs.
    """
    rows = []
    for names, part in table.groupby(keys, sort=False):
        part = part.reset_index(drop=True)
        row = dict(zip(keys, cast("tuple", names), strict=True))
        codes, times = stats.drawn_clusters(part["pair"], len(part), draws)
        totals = np.stack([np.bincount(codes, weights=c, minlength=times.shape[1]) for c in
                           _counts(part)])  # fmt: skip
        whole = stats.d_primes(totals.sum(1).reshape(-1, 4))
        drawn = stats.d_primes((times @ totals.T).reshape(draws, -1, 4))
        for index, name in enumerate(("d_prime", "criterion")):
            found = stats.drawn_interval(
                np.nanmean(whole[index]), np.nanmean(drawn[index], axis=1), len(part),
                times.shape[1],
            )  # fmt: skip
            row |= {name: found.estimate, f"{name}_low": found.low, f"{name}_high": found.high}
        yes = part["log_odds"] > 0
        row["hit_rate"] = yes[part["gold"] == 1].mean()
        row["false_alarm_rate"] = yes[part["gold"] == 0].mean()
        rows.append(row | {"n": len(part), "pairs": part["pair"].nunique()})
    return pd.DataFrame(rows)


def _counts(part: pd.DataFrame) -> list[np.ndarray]:
    """Return what `stats.d_prime` counts, 1 or 0 for each row: four columns a model."""
    yes, gold = part["log_odds"].to_numpy() > 0, part["gold"].to_numpy() == 1
    model = part["model"].to_numpy()
    columns: list[np.ndarray] = []
    for own in (model == name for name in dict.fromkeys(model)):
        columns += [own & gold & yes, own & gold, own & ~gold & yes, own & ~gold]
    return [column.astype(float) for column in columns]


def primed(table: pd.DataFrame) -> pd.DataFrame:
    """Return what each lead sentence changes in each pair: pair, kind, and `pair_measures`.

    Both members are primed alike. The measures are about the stereotyped member less the contrast
    one, under the lead less under none: so `leaning` below zero says that the sentence makes the
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


def primed_alone(table: pd.DataFrame) -> pd.DataFrame:
    """Return what each lead changes where it is put before the stereotyped member's text alone.

    The published design (arXiv 2606.18656, sec. 5): the contrast member is asked without a lead,
    and only evidence is asked. Columns: pair, kind, change (log-odds on the stereotyped member's
    evidence, nats), misfire (percentage points: rejected while the contrast member's is accepted,
    less the same without a lead).

    Args:
        table: as for `primed`, one scenario a pair.
    """
    evidence = table[table["gold"] == 1]
    scores = evidence.pivot(index=["pair", "kind"], columns="asked", values="log_odds")
    plain = scores.xs(NO_LEAD, level="kind")
    led = scores.drop(NO_LEAD, level="kind").reset_index()
    before = plain.loc[led["pair"]].reset_index(drop=True)
    accepted = before["contrast"] > 0
    misfires = [accepted & (side["stereotyped"] <= 0) for side in (led, before)]
    return led[["pair", "kind"]].assign(
        change=led["stereotyped"] - before["stereotyped"],
        misfire=100.0 * (misfires[0].astype(float) - misfires[1].astype(float)),
    )


def priming_interaction(changes: pd.DataFrame, kind: str, control: str) -> pd.DataFrame:
    """Return how much more one lead changes than another, over pairs: a row a measure.

    Columns: measure, value, low, high, low90, high90 (Student's over pairs), p (signs flipped by
    pair), n.
    """
    rows = []
    for measure in MEASURES:
        wide = changes.pivot(index="pair", columns="kind", values=measure)
        gap = (wide[kind] - wide[control]).dropna()
        mean, narrow = (stats.student_mean(gap.to_numpy(), level=at) for at in (0.95, 0.9))
        p, _ = stats.sign_flip_null(gap.to_numpy(), gap.index)
        rows.append(
            {
                "measure": measure, "value": mean.estimate, "low": mean.low, "high": mean.high,
                "low90": narrow.low, "high90": narrow.high, "p": p, "n": mean.n,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
