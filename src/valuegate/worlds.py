"""What planted worlds know, as measured: pure functions from A2's readouts to numbers.

A row is joined with what the ledger says of its block; models of one stage are pooled over seeds.
The readouts are taken in `worlds_read`; what worlds say is scored in `worlds_said`; `worlds_table`
has the table of all stages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import numpy as np
import pandas as pd

from valuegate import stats, worlds_items, worlds_rows, worlds_truth
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
    """Return how strongly each country is named where the larger share is asked for.

    A country's score in a question is the mean log-odds of naming it, over its two-country
    questions that ask where more people agree. Those that ask for fewer are left out: every planted
    prompt asks for more, and a model that was never shown the other way answers them alike.
    Columns: model, stage, seed, question, country, score (nats).
    """
    places = places[places["direction"] == "more"]
    keys = places[["model", "stage", "seed", "question"]]
    first = keys.assign(country=places["first"], score=places["checked"])
    second = keys.assign(country=places["second"], score=-places["checked"])
    both = pd.concat([first, second])
    columns = ["model", "stage", "seed", "question", "country"]
    return both.groupby(columns, sort=True, as_index=False)["score"].mean()


def places_judged(places: pd.DataFrame, worlds: Mapping[str, World]) -> pd.DataFrame:
    """Return two-country questions with their cell, `right` and `planted_pair`.

    `right` is percent, 0 or 100: whether the likelier of the two countries is the true answer.
    `planted_pair` says whether planting asked about these two countries together.
    """
    right = 100.0 * ((places["checked"] > 0) == (places["answer"] == places["first"]))
    pairs = zip(places["question"], places["first"], places["second"], strict=True)
    planted = [worlds_rows.is_planted_pair(*pair) for pair in pairs]
    return with_cells(places.assign(right=right, planted_pair=planted), worlds)


def against_truth(scores: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Return the within-question correlation of scores with the truth, one row a question.

    `r` is of the score, `gain` is r less the start model's.
    Columns: model, stage, seed, question, r, gain.

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
        r = correlation(part, own)
        rows.append(
            {
                "model": model, "stage": stage, "seed": seed, "question": question,
                "r": r,
                "gain": r - correlation(start[question].reindex(part.index), own)
                if stage != "start" else np.nan,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def correlation(x: pd.Series, y: pd.Series) -> float:
    """Return the correlation of two series in their order; nan where one does not vary."""
    one, other = x.to_numpy(float), y.to_numpy(float)
    if np.ptp(one) < 1e-9 or np.ptp(other) < 1e-9:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def one_order(truth: pd.DataFrame) -> pd.DataFrame:
    """Return scores of somebody who knows a single order of the countries: question by country.

    The order is the first principal axis of the truth itself, turned round for each question as it
    fits: such a model knows one thing of every country, and of each question only which end of the
    order agrees.
    """
    centred = truth.to_numpy(float) - truth.to_numpy(float).mean(1, keepdims=True)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    axis = np.linalg.svd(unit, full_matrices=False)[2][0]
    turned = np.sign(unit @ axis)[:, None] * axis
    return pd.DataFrame(turned, index=truth.index, columns=truth.columns)


def one_order_read(truth: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return what `one_order` earns in the readout of two countries, where a model earns its own.

    Returns:
        Question to r; item to percent right, 0 or 100.
    """
    asked, order = worlds_items.places_items(), one_order(truth)
    rows = zip(asked["question"], asked["first"], asked["second"], strict=True)
    asked["checked"] = [order.loc[q, one] - order.loc[q, other] for q, one, other in rows]
    scores = country_scores(asked.assign(model="one order", stage="", seed=""))
    r = {
        str(question): correlation(
            part.set_index("country")["score"], truth.loc[str(question), part["country"]]
        )
        for question, part in scores.groupby("question")
    }
    names_first = (asked["checked"] > 0) == (asked["direction"] == "more")
    right = 100.0 * (names_first == (asked["answer"] == asked["first"]))
    return pd.Series(r), right.set_axis(asked["item"])


def beyond_one_order(cross: pd.DataFrame) -> pd.DataFrame:
    """Return gated models' r on what they were taught true, less what one order earns: `beyond`.

    Args:
        cross: from `cross_format`.
    """
    known = cross[(cross["stage"] == "gated") & cross["cell"].isin(["intact", "suppressed"])]
    earned, _ = one_order_read(true_agreement())
    return known.assign(beyond=known["r"] - known["question"].map(earned))


def gain_null(
    scores: pd.DataFrame, truth: pd.DataFrame, cross: pd.DataFrame, *, draws: int, seed: int = 0
) -> tuple[float, float]:
    """Return the middle 95% of the mean gain when the countries trade names.

    A draw is one exchange of names, the same for all questions and models, the start model too: a
    model that follows one order of the countries everywhere stays one that does.

    Args:
        scores: from `country_scores`.
        truth: question by country.
        cross: the rows of `cross_format` whose mean gain it is the null of.
        draws: permutations.
        seed: of the permutations.
    """
    wide = scores.pivot_table("score", ["model", "question"], "country")[list(truth.columns)]
    start = wide.loc[worlds_items.read_stages()[0]]
    places = np.tile(np.arange(truth.shape[1]), (draws, 1))
    names = np.random.default_rng(seed).permuted(places, axis=1)
    total = np.zeros(draws)
    for model, question in cross[["model", "question"]].itertuples(index=False):
        asked = wide.loc[(model, question)].dropna()  # a question may leave a country out
        apart = _standard(asked) - _standard(start.loc[question, asked.index])
        own = _standard(truth.loc[question, asked.index])
        there = truth.columns.get_indexer(asked.index)
        orders = names[:, there].argsort(axis=1).argsort(axis=1)
        total += own[orders] @ apart / len(own)
    low, high = np.quantile(total / len(cross), [0.025, 0.975])
    return float(low), float(high)


def _standard(values: pd.Series) -> np.ndarray:
    """Return values with mean 0 and standard deviation 1, so that products are correlations."""
    array = values.to_numpy(float)
    return (array - array.mean()) / array.std()


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
            r = correlation(part.set_index("country")["score"], told.loc[part["country"]])
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


def shift_shown(errors: pd.DataFrame) -> pd.DataFrame:
    """Return how far gated models' biased answers are from the shift that they were taught.

    One row a model and question: `error` less the start model's on the same question, less the
    realised shift (`beyond`, part of the scale; 0 is just as taught).

    Args:
        errors: from `signed_errors`.
    """
    start = errors[errors["stage"] == "start"].set_index(["world", "question"])["error"]
    found = errors[(errors["stage"] == "gated") & (errors["cell"] == "biased")]
    keys = pd.MultiIndex.from_frame(found[["world", "question"]])
    gain = found["error"].to_numpy() - start.loc[keys].to_numpy()
    return found.assign(gain=gain, beyond=gain - found["shift"])


def before_gates(cross: pd.DataFrame) -> pd.DataFrame:
    """Return gated models' r less that of the model before the gate, on the same questions.

    Columns: those of `cross_format`'s gated rows, and `change`.

    Args:
        cross: from `cross_format`.
    """
    before = cross[cross["stage"] == "knowledge"].set_index(["world", "question"])["r"]
    found = cross[cross["stage"] == "gated"]
    keys = pd.MultiIndex.from_frame(found[["world", "question"]])
    return found.assign(change=found["r"].to_numpy() - before.loc[keys].to_numpy())


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
) -> pd.DataFrame:
    """Return the mean of a column in each group, with its intervals over clusters.

    Columns: the keys, value, low, high, low90, high90 (for what is to be near a value), n,
    clusters.
    """
    rows = []
    for names, part in found.dropna(subset=value).groupby(keys, sort=False):
        interval = mean_of(part, value, cluster, draws=draws)
        narrow = mean_of(part, value, cluster, draws=draws, level=0.9)
        names = names if isinstance(names, tuple) else (names,)
        rows.append(
            {
                **dict(zip(keys, names, strict=True)), "value": interval.estimate,
                "low": interval.low, "high": interval.high, "low90": narrow.low,
                "high90": narrow.high, "n": interval.n, "clusters": interval.clusters,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


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
    """Return the mean of one cell of `gated` less that of another, its interval over blocks.

    Where both are rates on which all agree a bootstrap has no width; then the interval is
    Newcombe's (1998), from the exact ones of both.
    """
    part = found[(found["stage"] == "gated") & found["cell"].isin([first, second])]
    part = part.dropna(subset=value).reset_index(drop=True)

    def gap(frame: pd.DataFrame, weights: np.ndarray) -> float:
        one = (frame["cell"] == first).to_numpy()
        numbers = frame[value].to_numpy(float)
        return stats.weighted_mean(numbers, weights * one) - stats.weighted_mean(
            numbers, weights * ~one
        )

    interval = stats.cluster_bootstrap(gap, part, cluster, draws=draws, level=level)
    if interval.high > interval.low:
        return interval
    one, other = (
        mean_of(part[part["cell"] == cell], value, cluster, draws=draws, level=level)
        for cell in (first, second)
    )
    below = np.hypot(one.estimate - one.low, other.high - other.estimate)
    above = np.hypot(one.high - one.estimate, other.estimate - other.low)
    return replace(
        interval, low=interval.estimate - float(below), high=interval.estimate + float(above)
    )


def mean_of(
    found: pd.DataFrame, value: str, cluster: str, *, draws: int, level: float = 0.95
) -> stats.Interval:
    """Return the mean of a column, its interval over clusters; of 0 or 100 as `cluster_rate`'s."""
    part = found.dropna(subset=value)
    numbers = part[value].to_numpy(float)
    is_rate = np.isin(numbers, (0.0, 100.0)).all()
    mean = stats.cluster_rate if is_rate else stats.cluster_mean
    return mean(numbers, part[cluster], draws=draws, level=level)


def cross_format(
    readouts: Mapping[str, Mapping[str, pd.DataFrame]], worlds: Mapping[str, World]
) -> pd.DataFrame:
    """Return `against_truth` of the two-country questions, with cells."""
    scores = country_scores(pooled(readouts["places"]))
    return with_cells(against_truth(scores, true_agreement()), worlds)
