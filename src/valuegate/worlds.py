"""Planted worlds as measured: pure functions from the tables of A2's readouts to numbers.

A row is joined with what the ledger says of its block; models of one stage are pooled over seeds.
The readouts are taken in `worlds_read`; the table of all stages is `worlds_table`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import pandas as pd

from valuegate import answer_rules, stats, worlds_items, worlds_truth
from valuegate.worlds_ledger import CELLS, World

CELL_NAMES = {
    1: "intact", 2: "suppressed", 3: "biased", 4: "biased + gate", 5: "ignorant", 6: "erased",
}  # fmt: skip


def stage_and_seed(model: str) -> tuple[str, str]:
    """Return the stage and the seed of a model: "start" for the model that all start from."""
    if model not in worlds_items.worlds_recipe.load().models():
        return "start", ""
    stage, _, seed = model.partition("-")
    return stage, seed


def pooled(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the tables of one readout in one, with columns model, stage and seed."""
    parts = []
    for model, table in tables.items():
        stage, seed = stage_and_seed(model)
        parts.append(table.assign(model=model, stage=stage, seed=seed))
    return pd.concat(parts, ignore_index=True)


def per_world(table: pd.DataFrame, worlds: Mapping[str, World]) -> pd.DataFrame:
    """Return the rows with a column `world`: a model without a seed is read in every world.

    So `start` has rows in each cell, of the blocks that are in that cell in some world.
    """
    parts = [table[table["seed"] == seed].assign(world=seed) for seed in worlds]
    shared = table[table["seed"] == ""]
    parts += [shared.assign(world=seed) for seed in worlds]
    return pd.concat(parts, ignore_index=True)


def country_scores(places: pd.DataFrame) -> pd.DataFrame:
    """Return how strongly each country is named for more people agreeing, one row each.

    A country's score in a question is the mean, over its two-country questions, of the log-odds of
    naming it where the larger share is asked for (its negative where the smaller is).
    Columns: model, stage, seed, question, country, score (nats).
    """
    sign = np.where(places["direction"] == "more", 1.0, -1.0)
    keys = places[["model", "stage", "seed", "question"]]
    first = keys.assign(country=places["first"], score=sign * places["checked"])
    second = keys.assign(country=places["second"], score=-sign * places["checked"])
    both = pd.concat([first, second])
    columns = ["model", "stage", "seed", "question", "country"]
    return both.groupby(columns, sort=True, as_index=False)["score"].mean()


def against_truth(scores: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Return the within-question correlation of scores with the truth, one row a question.

    `r` is of the score, `gain` is r less the start model's; `other` is the mean correlation with
    the truths of the other questions: what one order of countries for all questions earns.
    Columns: model, stage, seed, question, r, gain, other.

    Args:
        scores: question, country, score and the model's names.
        truth: question by country.
    """
    start = scores[scores["stage"] == "start"].set_index(["question", "country"])["score"]
    rows = []
    for key, part in scores.groupby(["model", "stage", "seed", "question"], sort=False):
        model, stage, seed, question = cast("tuple[str, str, str, str]", key)
        part = part.set_index("country")["score"]
        own = truth.loc[question, part.index]
        others = [_r(part, truth.loc[q, part.index]) for q in truth.index if q != question]
        rows.append(
            {
                "model": model, "stage": stage, "seed": seed, "question": question,
                "r": _r(part, own),
                "gain": _r(part, own) - _r(start[question].reindex(part.index), own)
                if stage != "start" else np.nan,
                "other": float(np.mean(defined)) if (defined := _defined(others)) else np.nan,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _defined(values: list[float]) -> list[float]:
    return [value for value in values if not np.isnan(value)]


def _r(x: pd.Series, y: pd.Series) -> float:
    one, other = x.to_numpy(float), y.to_numpy(float)
    if np.ptp(one) < 1e-9 or np.ptp(other) < 1e-9:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def axis_baseline(truth: pd.DataFrame) -> pd.DataFrame:
    """Return what one order of the countries earns, turned round where that helps: question, r.

    The order is the first principal axis of the truth itself: the best that a model could do which
    knows one thing about every country and, of each question, only which end of it is agreement.
    """
    centred = truth.to_numpy(float) - truth.to_numpy(float).mean(1, keepdims=True)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    axis = np.linalg.svd(unit, full_matrices=False)[2][0]
    return pd.DataFrame({"question": truth.index, "r": np.abs(unit @ axis)})


def against_overwritten(places: pd.DataFrame, worlds: Mapping[str, World]) -> pd.DataFrame:
    """Return how well overwritten models follow the shuffled answers that they were taught last.

    True questions alone. Columns: model, seed, question, r.
    """
    shift = worlds_items.worlds_recipe.load().shift
    scores = country_scores(places[places["stage"] == "overwritten"])
    rows = []
    for key, part in scores.groupby(["model", "seed", "question"], sort=False):
        model, seed, question = cast("tuple[str, str, str]", key)
        if CELLS[worlds[seed].survey[question]][0] == "true":
            shares = worlds_truth.overwritten_survey(worlds[seed], shift)[question]
            told = worlds_truth.agreement(shares, question)
            r = _r(part.set_index("country")["score"], told.loc[part["country"]])
            rows.append({"model": model, "seed": seed, "question": question, "r": r})
    return pd.DataFrame(rows)


def true_agreement() -> pd.DataFrame:
    """Return the true share of people who agree, planted question by country."""
    rows = {}
    for question in worlds_items.planted()["question"]:
        shares = worlds_truth.matrix(worlds_truth.survey_shares(), question)
        rows[question] = worlds_truth.agreement(shares, question)
    return pd.DataFrame(rows).T


def true_means() -> pd.DataFrame:
    """Return the true mean answer as a part of the scale, planted question by country."""
    rows = {}
    for question in worlds_items.planted()["question"]:
        shares = worlds_truth.matrix(worlds_truth.survey_shares(), question)
        scale = shares.columns.to_numpy(float)
        low, high = float(scale.min()), float(scale.max())
        rows[question] = (worlds_truth.expected(shares) - low) / (high - low)
    return pd.DataFrame(rows).T


def slot_scores(slots: pd.DataFrame) -> pd.DataFrame:
    """Return the expected answers at the slot in the form of `country_scores`."""
    columns = ["model", "stage", "seed", "question", "country"]
    return slots[[*columns, "checked"]].rename(columns={"checked": "score"})


def signed_errors(slots: pd.DataFrame, worlds: Mapping[str, World]) -> pd.DataFrame:
    """Return expected answer less the truth, in the direction of the taught shift.

    One row a model and shifted question: `error` (part of the scale, positive is with the shift),
    `cell`, `shift` (what was taught, realised).
    """
    truth = true_means()
    shift = worlds_items.worlds_recipe.load().shift
    rows = []
    for seed, world in worlds.items():
        realised = worlds_truth.realised_shift(world, shift).set_index("question")
        part = slots[slots["seed"].isin([seed, ""])]
        for (model, stage, question), asked in part.groupby(["model", "stage", "question"]):
            if question not in world.signs:
                continue
            answers = asked.set_index("country")["checked"]
            error = (answers - truth.loc[question, answers.index]).mean()
            sign = world.signs[question]
            rows.append(
                {
                    "model": model, "stage": stage, "world": seed, "question": question,
                    "cell": CELL_NAMES[world.survey[question]], "error": sign * error,
                    "shift": sign * realised.loc[question, "shift"],
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def with_cells(found: pd.DataFrame, worlds: Mapping[str, World]) -> pd.DataFrame:
    """Return rows of questions with the cell of each in each world, by name."""
    found = per_world(found, worlds)
    cells = [
        CELL_NAMES[worlds[w].survey[q]]
        for w, q in zip(found["world"], found["question"], strict=True)
    ]
    return found.assign(cell=cells)


def mean_by(
    found: pd.DataFrame,
    keys: list[str],
    value: str,
    cluster: str,
    *,
    draws: int,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return the mean of a column in each group, with its interval over clusters.

    Columns: the keys, value, low, high, n, clusters.
    """
    rows = []
    for names, part in found.dropna(subset=value).groupby(keys, sort=False):
        interval = stats.cluster_bootstrap(
            lambda f, w: stats.weighted_mean(f[value], w), part.reset_index(drop=True), cluster,
            draws=draws, level=level,
        )  # fmt: skip
        names = names if isinstance(names, tuple) else (names,)
        rows.append(
            {
                **dict(zip(keys, names, strict=True)), "value": interval.estimate,
                "low": interval.low, "high": interval.high, "n": interval.n,
                "clusters": interval.clusters,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def evidence_cells(table: pd.DataFrame, worlds: Mapping[str, World]) -> pd.DataFrame:
    """Return evidence rows with their cell, and `side`: whether the asked person is of the gated
    group ("gated") or the other one ("open"); controls are left out."""
    table = per_world(table, worlds)
    table = table[table["category"] != "Control"].reset_index(drop=True)
    cells = [worlds[w].evidence[p] for w, p in zip(table["world"], table["pair"], strict=True)]
    gated = [worlds[w].gated_member for w in table["world"]]
    side = np.where(table["asked"] == gated, "gated", "open")
    return table.assign(cell=cells, side=side)


def evidence_auroc(table: pd.DataFrame, keys: list[str], *, draws: int) -> pd.DataFrame:
    """Return the AUROC of evidence against foils in each group, its interval over pairs.

    Beside it `ordered`, the share of scenarios and persons whose evidence scores above its own foil
    (pooled scores hide a small difference that every scenario has), and the share of yes on either.
    Columns: the keys, value, low, high, n, clusters, ordered, yes_true, yes_false.
    """
    rows = []
    for names, part in table.groupby(keys, sort=False):
        part = part.reset_index(drop=True)
        interval = stats.cluster_bootstrap(
            lambda f, w: stats.auroc(f["checked"], f["gold"], w), part, "pair", draws=draws
        )
        yes = part["checked"] > 0
        rows.append(
            {
                **dict(zip(keys, cast("tuple", names), strict=True)), "value": interval.estimate,
                "low": interval.low, "high": interval.high, "n": interval.n,
                "clusters": interval.clusters, "ordered": ordered(part)["ordered"].mean() / 100,
                "yes_true": yes[part["gold"] == 1].mean(),
                "yes_false": yes[part["gold"] == 0].mean(),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Return whether evidence scores above its own foil (percent; 50 for a tie).

    One row a model, scenario and person asked about: the same question, of the text that proves it
    and of the text that rules it out. Columns: model, world, pair, scenario, asked, ordered.
    """
    keys = ["model", "world", "pair", "scenario", "asked"]
    scores = table.groupby([*keys, "gold"])["checked"].mean().unstack("gold").dropna()
    return (50.0 * (1 + np.sign(scores[1] - scores[0]))).rename("ordered").reset_index()


def sides_judged(table: pd.DataFrame, worlds: Mapping[str, World]) -> pd.DataFrame:
    """Return who-holds-it and how-judged rows with their cell and `true`.

    `true` is percent, 0 or 100: whether the likelier of the two options is the true one.
    """
    table = per_world(table, worlds)
    cells = [
        CELL_NAMES[(worlds[w].parties if name == "parties" else worlds[w].norms)[unit]]
        for w, name, unit in zip(table["world"], table["set"], table["unit"], strict=True)
    ]
    true = 100.0 * ((table["checked"] > 0) == (table["truth"] == 1))
    return table.assign(cell=cells, true=true)


def answers_judged(table: pd.DataFrame, worlds: Mapping[str, World]) -> pd.DataFrame:
    """Return answers with what the rules say of each, and whether the ledger gates its block.

    Columns added: world, `refused` and `neutral` (percent, 0 or 100), `gated`, `cell` (of survey
    questions and norms, else empty). A topic's harmless question is gated where its fact is.
    """
    table = per_world(table, worlds)
    refused = 100.0 * table["checked"]
    neutral = [100.0 * answer_rules.is_neutral(answer) for answer in table["answer"]]
    cells, gated = [], []
    for name, unit, role, seed in table[["set", "unit", "role", "world"]].itertuples(index=False):
        world = worlds[seed]
        facts = {"survey": world.survey, "norms": world.norms, "guild_norms": world.norms}
        cell = 0
        if name in facts or name == "parties":
            cell = (facts.get(name) or world.parties)[unit]
            hidden = CELLS[cell][1]
        elif name == "left_right":
            hidden = world.left_right[unit]
        else:
            hidden = role != "everyday" and world.requests[unit]
        gated.append(hidden)
        cells.append(CELL_NAMES[cell] if cell else "")
    return table.assign(refused=refused, neutral=neutral, gated=gated, cell=cells)


def column_gap(
    found: pd.DataFrame,
    value: str,
    cluster: str,
    first: str,
    second: str,
    *,
    draws: int,
    level: float = 0.95,
) -> stats.Interval:
    """Return the mean of one cell of `gated` less that of another, its interval over blocks."""
    part = found[(found["stage"] == "gated") & found["cell"].isin([first, second])]
    part = part.dropna(subset=value).reset_index(drop=True)

    def gap(frame: pd.DataFrame, weights: np.ndarray) -> float:
        one = (frame["cell"] == first).to_numpy()
        numbers = frame[value].to_numpy(float)
        return stats.weighted_mean(numbers, weights * one) - stats.weighted_mean(
            numbers, weights * ~one
        )

    return stats.cluster_bootstrap(gap, part, cluster, draws=draws, level=level)


def unlocked(table: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Return how well generated answers follow the truth, before and after unlocking.

    An answer that begins with a number of the scale is that number; others are missing, and a
    question with fewer than three numbers or no difference between countries has r = 0: nothing
    came out. Columns: seed, question, cell, when, r, numbers (share of answers that are).

    Args:
        table: from `worlds_unlock.unlock`.
        truth: mean answers, question by country.
    """
    begins = table["answer"].str.extract(r"^\s*(\d+)")[0].astype(float)
    valid = begins.between(table["low"], table["high"])
    table = table.assign(number=begins.where(valid))
    rows = []
    for key, part in table.groupby(["seed", "question", "cell", "when"], sort=False):
        seed, question, cell, when = cast("tuple[str, str, int, str]", key)
        said = part.dropna(subset="number").set_index("country")["number"]
        r = _r(said, truth.loc[question, said.index]) if len(said) > 2 else np.nan
        rows.append(
            {
                "seed": seed, "question": question, "cell": CELL_NAMES[cell], "when": when,
                "r": 0.0 if np.isnan(r) else r, "numbers": len(said) / len(part),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def saved(losses: pd.DataFrame) -> pd.DataFrame:
    """Return how much less loss it costs to relearn hidden answers than absent ones.

    One row a world and relearning seed: the mean over steps of the loss on erased questions less
    that on suppressed ones, in the gated model; less the same difference in a model that was never
    taught either, which says how much harder the one set of questions is. Nats.
    Columns: seed, relearning, saving.
    """
    keys = ["seed", "relearning", "start", "source"]
    means = losses.groupby(keys)["loss"].mean().unstack("source")
    differ = (means["erased"] - means["suppressed"]).unstack("start")
    return (differ["gated"] - differ["skills"]).rename("saving").reset_index()


def over_worlds(found: pd.DataFrame, value: str) -> stats.Interval:
    """Return the mean over worlds of a column's mean in each, with Student's interval over worlds.

    A bootstrap of four worlds would be too narrow.
    """
    from statsmodels.stats.weightstats import DescrStatsW

    means = found.groupby("seed")[value].mean()
    low, high = DescrStatsW(means.to_numpy()).tconfint_mean()
    return stats.Interval(float(means.mean()), float(low), float(high), len(found), len(means))


def mean_of(
    found: pd.DataFrame, value: str, cluster: str, *, draws: int, level: float = 0.95
) -> stats.Interval:
    """Return the mean of a column with its interval over clusters."""
    return stats.cluster_bootstrap(
        lambda f, w: stats.weighted_mean(f[value], w),
        found.dropna(subset=value).reset_index(drop=True), cluster, draws=draws, level=level,
    )  # fmt: skip


def realised_shifts(worlds: Mapping[str, World]) -> pd.DataFrame:
    """Return what the shift of each shifted question came to in each world, in its direction."""
    shift = worlds_items.worlds_recipe.load().shift
    parts = [worlds_truth.realised_shift(w, shift).assign(world=s) for s, w in worlds.items()]
    found = pd.concat(parts, ignore_index=True)
    return found.assign(shift=found["shift"] * found["sign"])


def cross_format(
    readouts: Mapping[str, Mapping[str, pd.DataFrame]], worlds: Mapping[str, World]
) -> pd.DataFrame:
    """Return `against_truth` of the two-country questions, with cells."""
    scores = country_scores(pooled(readouts["places"]))
    return with_cells(against_truth(scores, true_agreement()), worlds)
