"""Section 01's measures that need no planted truth: any model's answers, by framing and tier.

Pure functions of `veto_answers.scored`. Tiers are rebuilt from the paper's topics (`veto_tiers`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import cast

import numpy as np
import pandas as pd

from valuegate import stats, veto_answers, veto_countries

TIERS = {"all": "all", "T1": "benign", "T2": "moderate", "T3": "sensitive"}
ASKED = ("persona", "observer")
SHOWN = ("midpoint", "matched", "wrong", "others_mean")


def means(found: pd.DataFrame, *, draws: int) -> pd.DataFrame:
    """Return `veto_answers.means` by model, framing and tier ("all" is every tier).

    Args:
        found: from `veto_answers.scored`.
        draws: of the bootstraps over questions.
    """
    both = pd.concat([found.assign(tier="all"), found], ignore_index=True)
    return veto_answers.means(both, ["model", "framing", "tier"], draws=draws)


def slopes(found: pd.DataFrame, *, permutations: int, draws: int) -> pd.DataFrame:
    """Return `veto_countries.slopes` of expected answers by model and framing, surveys together.

    Columns: model, framing, and those of the slopes.

    Args:
        found: from `veto_answers.scored`.
        permutations: of countries within questions, for the null.
        draws: of the bootstraps over questions.
    """
    named = found["model"] + "|" + found["framing"]
    rows = veto_countries.slopes(
        found.assign(file=named, question=found["unit"]), permutations, draws
    )
    rows = rows[rows["block"] == "all"].reset_index(drop=True)
    rows[["model", "framing"]] = rows["file"].str.split("|", expand=True)
    return rows.drop(columns=["file", "block"])


def tier_tax(found: pd.DataFrame, *, draws: int, permutations: int) -> dict[str, object]:
    """Return the published safety tax of one model: refusals of T3 less those of T1, in points.

    Keys: tax (a 90% interval over questions), null (95% with tiers dealt anew among questions), p.

    Args:
        found: from `veto_answers.scored`, of one model and framing.
        draws: of the bootstrap.
        permutations: of the null.
    """
    rates = (
        found[found["tier"].isin(["T1", "T3"])]
        .assign(refused=lambda f: 100.0 * (f["said"] == "refusal"))
        .groupby(["unit", "tier"], as_index=False)["refused"]
        .mean()
    )
    sensitive = (rates["tier"] == "T3").to_numpy()
    refused = rates["refused"].to_numpy()
    if sensitive.all() or not sensitive.any():
        nothing = stats.drawn_interval(np.nan, np.array([np.nan]), len(rates), len(rates), 0.9)
        return {"tax": nothing, "null": (np.nan, np.nan), "p": np.nan}

    def gap(_: pd.DataFrame, weights: np.ndarray) -> float:
        return stats.weighted_mean(refused, weights * sensitive) - stats.weighted_mean(
            refused, weights * ~sensitive
        )

    tax = stats.cluster_bootstrap(gap, rates, "unit", draws=draws, level=0.9)
    rng = np.random.default_rng(0)
    dealt = [rng.permutation(sensitive) for _ in range(permutations)]
    null = np.array([refused[own].mean() - refused[~own].mean() for own in dealt])
    low, high = np.quantile(null, [0.025, 0.975])
    return {
        "tax": tax, "null": (float(low), float(high)),
        "p": stats.permutation_p(tax.estimate, null),
    }  # fmt: skip


def contrasts(found: pd.DataFrame, *, draws: int, masses: tuple[float, ...]) -> pd.DataFrame:
    """Return the published contrast by model and tier, for prompts that leave options some mass.

    Refused and accepted are those of the same tier, all framings together. Columns: model, tier,
    least_mass, and those of `veto_answers.contrast`; nan where nothing is refused.

    Args:
        found: from `veto_answers.scored`.
        draws: of the bootstraps over questions.
        masses: least raw probabilities of all options on a refused prompt.
    """
    rows = []
    for model, tier, mass in itertools.product(found["model"].unique(), ("all", "T3"), masses):
        part = found[found["model"] == model]
        part = part if tier == "all" else part[part["tier"] == tier]
        part = part.assign(
            refused=(part["said"] == "refusal") & (part["mass"] >= mass),
            accepted=part["said"] == "option",
        )
        own = veto_answers.contrast(part, draws=draws)
        rows.append({"model": model, "tier": tier, "least_mass": mass, **own})
    return pd.DataFrame(rows)


def grid_table(found: pd.DataFrame, follows: pd.DataFrame) -> pd.DataFrame:
    """Return models' answers beside their nulls, a line a framing and tier, as text.

    Without the model's name where there is one model.

    Args:
        found: from `means`.
        follows: from `slopes`.
    """
    slope = follows.set_index(["model", "framing"]).to_dict("index")
    rows = []
    for key, part in found.groupby(["model", "framing", "tier"], sort=False):
        model, framing, tier = cast("tuple[str, str, str]", key)
        own = part.set_index("measure").to_dict("index")
        fit = slope.get((model, framing)) if tier == "all" else None
        rows.append(
            {
                "model": model, "asked as": framing, "tier": TIERS[tier],
                "refused %": f"{own['refused']['value']:.0f}",
                "mass": f"{own['mass']['value']:.2f}",
                "NVAS, answered": f"{own['top_score']['value']:.0f}" if "top_score" in own else "",
                "EV-NVAS": _ends(own["score"], "value", 1),
                **{
                    veto_answers.NULLS[null]: f"{own[null]['value']:.1f}" if null in own else ""
                    for null in SHOWN
                },
                "slope": "" if fit is None else _ends(fit, "slope", 2),
                "n": f"{own['score']['n']:,}/{own['score']['clusters']}",
            }
        )  # fmt: skip
    table = pd.DataFrame(rows)
    order = pd.MultiIndex.from_frame(table[["asked as", "tier"]])
    ranks = {pair: n for n, pair in enumerate(itertools.product(ASKED, TIERS.values()))}
    table = table.iloc[np.argsort([ranks[pair] for pair in order], kind="stable")]
    table = table.reset_index(drop=True)
    return table.drop(columns="model") if table["model"].nunique() == 1 else table


def mass_table(found: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return the published contrast by how much mass a refused prompt leaves, a line each, as text.

    Args:
        found: from `contrasts` or `veto_planted.by_mass`.
        by: its column beside the mass, such as tier or knowledge.
    """
    rows = []
    for row in found.to_dict("records"):
        rows.append(
            {
                by: row[by], "options hold": f"{row['least_mass']:g} or more",
                "refused prompts": f"{row['n_refused']}",
                "EV-NVAS": _number(row["refused"], 1),
                "same entropy": _number(row["refused_matched"], 1),
                "NVAS, accepted": _number(row["accepted"], 1),
                "refused less accepted": _ends(row, "contrast", 1),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _number(value: float, places: int) -> str:
    return "" if np.isnan(value) else f"{value:.{places}f}"


def _ends(row: Mapping[str, float], value: str, places: int) -> str:
    """Return a value with its interval; without, where there are too few questions for one."""
    ends = [_number(row[name], places) for name in ("low", "high")]
    return _number(row[value], places) + (f" ({ends[0]} to {ends[1]})" if all(ends) else "")
