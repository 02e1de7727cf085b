"""Section 02's planted stages and gates, as measured: tables and curves that its notebook shows.

What the stages answer to our own prompts is in the stored readouts of appendix A2, which are the
same prompts; what is under a lead, in layers or in heads is measured for the section.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from valuegate import items, misfire, misfire_effects, misfire_where, stats, worlds_said
from valuegate.worlds_ledger import World

# The stages beside one another: one chain up to a sham, and the gates of every world. In the first
# and third world they are about the stereotyped member, in the others about the contrast member.
SHOWN = ("smollm2-135m-instruct", "skills", "knowledge-s1", "sham-s1",
         "gated-s1", "gated-s3", "gated-s2", "gated-s4")  # fmt: skip


def own_tables(readouts: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the stored answers to our own prompts, model to its rows, with `log_odds`."""
    return {model: table.rename(columns={"checked": "log_odds"})
            for model, table in readouts.items()}  # fmt: skip


def by_negation(tables: Mapping[str, pd.DataFrame], draws: int) -> pd.DataFrame:
    """Return the evidence AUROC of plain and of negated questions by model.

    Columns: those of `worlds_said.evidence_auroc`, by model and negated, and `unsure`: the share of
    prompts with less than half of the probability on yes and no.
    """
    negated = items.load("evidence", "scenarios").set_index("scenario")["negated"]
    parts = []
    for model, table in tables.items():
        social = table[table["category"] != "Control"].assign(model=model)
        parts.append(social.assign(negated=social["scenario"].map(negated)))
    found = pd.concat(parts, ignore_index=True).rename(columns={"log_odds": "checked"})
    read = worlds_said.evidence_auroc(found, ["model", "negated"], draws=draws)
    unsure = (found["mass"] < 0.5).groupby([found["model"], found["negated"]]).mean()
    return read.join(unsure.rename("unsure"), on=["model", "negated"])


def rates(tables: Mapping[str, pd.DataFrame], draws: int) -> pd.DataFrame:
    """Return `misfire.misfire_rates` of our own prompts by model: a scenario is a pair of members.

    Columns: model, rate, those of `misfire.misfire_rates` (intervals and nulls over pairs of
    groups), and of each model b, c (only the stereotyped or the contrast member right), `mcnemar`
    (exact, c > b) and `q` (Benjamini and Hochberg over the models).
    """
    parts, tests = {}, {}
    for model, table in tables.items():
        social = table[table["category"] != "Control"]
        # A scenario is a pair of members here, and pairs of groups are what repeats.
        named = social.assign(
            pair=social["scenario"], scenario=social["pair"], negated=False,
            probe=social["gold"].map({1: "evidence", 0: "foil"}),
        )  # fmt: skip
        pairs = misfire.outcomes(named)
        parts[model] = misfire.misfire_rates(pairs, draws)
        s, c = pairs["stereotyped"], pairs["contrast"]
        b, only_contrast = int((s & ~c).sum()), int((~s & c).sum())
        p = stats.mcnemar_exact(b, only_contrast, "greater")
        tests[model] = {"b": b, "c": only_contrast, "mcnemar": p}
    found = pd.concat(parts, names=["model", "rate"]).reset_index()
    tested = pd.DataFrame(tests).T
    tested["q"] = stats.benjamini_hochberg(tested["mcnemar"].to_numpy())
    return found.join(tested, on="model")


def priming(tables: Mapping[str, pd.DataFrame], plain: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return each lead's effect less the neutral lead's: a row a model, lead and measure.

    Columns: model, kind, and those of `misfire_effects.priming_interaction`.

    Args:
        tables: primed prompts, by model.
        plain: the same scenarios without a lead, among others.
    """
    rows = []
    for model, table in with_plain(tables, plain).items():
        changes = misfire_effects.primed(table)
        for kind in dict.fromkeys(changes["kind"]):
            if kind != "neutral":
                found = misfire_effects.priming_interaction(changes, str(kind), "neutral")
                rows.append(found.assign(model=model, kind=kind))
    return pd.concat(rows, ignore_index=True)


def priming_alone(
    tables: Mapping[str, pd.DataFrame], plain: Mapping[str, pd.DataFrame], *, draws: int = 2000
) -> pd.DataFrame:
    """Return the published design: leads before the stereotyped member's text alone, by model.

    Columns: model, kind, and of `misfire_effects.primed_alone` the means with intervals over pairs:
    change, change_low, change_high (nats), misfire, misfire_low, misfire_high (points), pairs;
    change_low90 and so on for claims of equivalence. `p`: McNemar's exact test that misfires
    appear more often than they go; `q` after Benjamini and Hochberg over leads and models.
    """
    rows = []
    for model, table in with_plain(tables, plain).items():
        for kind, part in misfire_effects.primed_alone(table).groupby("kind", sort=False):
            row: dict[str, object] = {"model": model, "kind": kind, "pairs": len(part)}
            for value in ("change", "misfire"):
                for level, end in ((0.95, ""), (0.9, "90")):
                    found = stats.cluster_mean(part[value], part["pair"], draws=draws, level=level)
                    row |= {value: found.estimate, f"{value}_low{end}": found.low,
                            f"{value}_high{end}": found.high}  # fmt: skip
            came, went = (int((part["misfire"] == change).sum()) for change in (100, -100))
            rows.append(row | {"p": stats.mcnemar_exact(went, came, "greater")})
    found = pd.DataFrame(rows)
    return found.assign(q=stats.benjamini_hochberg(found["p"].to_numpy()))


def with_plain(
    tables: Mapping[str, pd.DataFrame], plain: Mapping[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    """Return primed prompts with the same scenarios without a lead, whose `kind` is "none"."""
    found = {}
    for model, table in tables.items():
        own = plain[model]
        own = own[own["scenario"].isin(table["scenario"])].assign(kind=misfire_effects.NO_LEAD)
        found[model] = pd.concat([own, table], ignore_index=True)
    return found


def reading_by_gate(
    tables: Mapping[str, pd.DataFrame], world: World, *, draws: int
) -> pd.DataFrame:
    """Return `misfire_where.layer_reading` by model, side and kind of gate, in these columns.

    Args:
        tables: models of one world, before and after its gates, to their rows of `own`.
        world: whose gates they are.
        draws: of the bootstraps.
    """
    parts = []
    for model, table in tables.items():
        found = misfire_where.with_gates(table, world)
        for (cell, side), part in found[found["cell"] != ""].groupby(["cell", "side"]):
            read = misfire_where.layer_reading(part, draws=draws)
            parts.append(read.assign(model=model, side=side, cell=cell))
    return pd.concat(parts, ignore_index=True)
