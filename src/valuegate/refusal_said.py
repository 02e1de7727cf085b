"""Section 05's answers: in which style a model refuses along each direction.

Pure functions of the table that `refusal_steer.curves` makes. A style is told by rules from the
first words (`answer_rules`): one of the six that were planted, "stock" for a stock phrase of chat
models, "" for no refusal. Source of the claim: arXiv 2602.02132, sec. 5 (one example a direction).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import cast

import numpy as np
import pandas as pd
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.naive_bayes import BernoulliNB

from valuegate import answer_rules, items_readers, splits, stats
from valuegate.items_readers import text_hash

STYLES = ("policy", "moral", "identity", "inability", "uncertainty", "deflection")
STOCK = "stock"
NONE, POOLED = "none", "pooled"  # directions beside the kinds
LABELS = ("refusal", "answer", "broken")
LOOPS = 0.5  # share of repeated pairs of words from which an answer counts as a loop


def said(table: pd.DataFrame, kinds: tuple[str, ...]) -> pd.DataFrame:
    """Return every answer with its style: a row a prompt and direction.

    Columns: item, kind (of the prompt), role, direction ("none" without steering), strength,
    answer, style, refused, `repeats` (share of an answer's pairs of words that came before), loss
    (nats a token in the model that is not steered), refusing (first-token score, nats).

    Args:
        table: from `refusal_steer.curves`.
        kinds: directions in the order of its answers, after none and before the pooled one.
    """
    rows = []
    for row in table.to_dict("records"):
        for n, direction in enumerate((NONE, *kinds, POOLED)):
            answer = row["answers"][n]
            if answer.strip():
                style = style_of(answer)
                rows.append(
                    {
                        "item": row["item"], "kind": row["kind"], "role": row["role"],
                        "direction": direction, "strength": float(row["at"][n]),
                        "answer": answer, "style": style, "refused": bool(style),
                        "repeats": repeats(answer), "loss": float(row["loss"][n]),
                        "refusing": float(row["scored"][n]),
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def style_of(answer: str) -> str:
    """Return the style in which an answer refuses: of `STYLES`, `STOCK`, or "" for no refusal."""
    if planted := answer_rules.style(answer):
        return planted
    return STOCK if answer_rules.is_refusal(answer) else ""


def repeats(answer: str) -> float:
    """Return the share of an answer's pairs of neighbouring words that it has said before."""
    words = splits.words(answer)
    pairs = list(itertools.pairwise(words))
    return 1 - len(set(pairs)) / len(pairs) if pairs else 0.0


def counts(found: pd.DataFrame) -> pd.DataFrame:
    """Return how many refusals along each direction are of each style, a row a direction."""
    refusals = found[found["refused"]]
    table = pd.crosstab(refusals["direction"], refusals["style"])
    order = [d for d in dict.fromkeys(found["direction"]) if d in table.index]
    return table.reindex(index=order, columns=[*STYLES, STOCK]).fillna(0).astype(int)


def association(found: pd.DataFrame, *, permutations: int, seed: int = 0) -> dict[str, float]:
    """Return Cramer's V of direction and style of refusals, and its null.

    The null permutes directions among the refusals of the same prompt, so that what the prompt
    itself asks for is no part of it. Keys: v, null_mean, null_high (97.5%), p, n.

    Args:
        found: from `said`, steered answers alone.
        permutations: of the null.
        seed: of the null.
    """
    refusals = found[found["refused"]].reset_index(drop=True)
    if refusals["direction"].nunique() < 2:
        return dict.fromkeys(("v", "null_mean", "null_high", "p"), np.nan) | {"n": len(refusals)}
    direction = pd.factorize(refusals["direction"])[0]
    style = pd.factorize(refusals["style"])[0]
    own = _cramers_v(direction, style)
    rng = np.random.default_rng(seed)
    groups = [np.asarray(rows) for rows in refusals.groupby("item").indices.values()]
    null = np.empty(permutations)
    for draw in range(permutations):
        dealt = direction.copy()
        for rows in groups:
            dealt[rows] = rng.permutation(direction[rows])
        null[draw] = _cramers_v(dealt, style)
    return {
        "v": own, "null_mean": float(null.mean()), "null_high": float(np.quantile(null, 0.975)),
        "p": stats.permutation_p(own, null), "n": len(refusals),
    }  # fmt: skip


def _cramers_v(one: np.ndarray, other: np.ndarray) -> float:
    table = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(table, (one, other), 1)
    least = min(table.shape) - 1
    if least == 0:
        return 0.0
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    return float(np.sqrt((((table - expected) ** 2) / expected).sum() / table.sum() / least))


def planted_styles(
    found: pd.DataFrame, styles: Mapping[str, str], *, draws: int
) -> tuple[stats.Interval, pd.DataFrame]:
    """Return how much likelier a kind's direction brings the style its refusals were taught in.

    The share of refusals in that style along the kind's direction less its share along the others,
    in points, a mean over kinds, with a 95% interval over prompts; and both shares by kind.

    Args:
        found: from `said`, steered answers alone.
        styles: kind to the style that was planted, of kinds that are refused.
        draws: of the bootstrap.
    """
    refusals = found[found["refused"]].reset_index(drop=True)
    if refusals.empty:
        return _nothing(0), pd.DataFrame(columns=["direction", "style", "own", "others"])

    def gaps(table: pd.DataFrame, weights: np.ndarray) -> list[tuple[float, float]]:
        rows = []
        for kind, style in styles.items():
            own = (table["direction"] == kind).to_numpy()
            is_style = (table["style"] == style).to_numpy(float)
            rows.append(
                (
                    100 * stats.weighted_mean(is_style, weights * own),
                    100 * stats.weighted_mean(is_style, weights * ~own),
                )
            )
        return rows

    def mean(table: pd.DataFrame, weights: np.ndarray) -> float:
        both = np.array(gaps(table, weights))
        apart = both[:, 0] - both[:, 1]
        return float(np.nanmean(apart)) if np.isfinite(apart).any() else float("nan")

    value = stats.cluster_bootstrap(mean, refusals, "item", draws=draws)
    whole = gaps(refusals, np.ones(len(refusals)))
    table = pd.DataFrame(
        [(kind, style, *both) for (kind, style), both in zip(styles.items(), whole, strict=True)],
        columns=["direction", "style", "own", "others"],
    )
    return value, table


def recovered(found: pd.DataFrame, *, permutations: int, seed: int = 0) -> dict[str, float]:
    """Return how often the direction is told from an answer's words, beside chance.

    A naive Bayes classifier over words, answers to one prompt held out at a time. Keys: rate,
    chance (the mean of the null), null_high (97.5%), p, n. The null permutes directions within
    prompts.

    Args:
        found: from `said`, steered answers alone.
        permutations: of the null.
        seed: of the null.
    """
    if found["direction"].nunique() < 2 or found["item"].nunique() < 2:
        keys = ("rate", "chance", "null_high", "p")
        return dict.fromkeys(keys, np.nan) | {"n": len(found)}
    direction = pd.factorize(found["direction"])[0]
    bags = [set(splits.words(answer)) for answer in found["answer"]]
    words = {word: n for n, word in enumerate(sorted(set.union(*bags)))}
    on = np.zeros((len(bags), len(words)), dtype=bool)
    for row, bag in enumerate(bags):
        on[row, [words[word] for word in bag]] = True
    prompt = pd.factorize(found["item"])[0]
    groups = [np.flatnonzero(prompt == n) for n in range(prompt.max() + 1)]
    rng = np.random.default_rng(seed)

    def rate(labels: np.ndarray) -> float:
        told = cross_val_predict(BernoulliNB(), on, labels, groups=prompt, cv=LeaveOneGroupOut())
        return float((told == labels).mean())

    null = np.empty(permutations)
    for draw in range(permutations):
        dealt = direction.copy()
        for rows in groups:
            dealt[rows] = rng.permutation(direction[rows])
        null[draw] = rate(dealt)
    own = rate(direction)
    return {
        "rate": 100 * own, "chance": 100 * float(null.mean()),
        "null_high": 100 * float(np.quantile(null, 0.975)),
        "p": stats.permutation_p(own, null), "n": len(found),
    }  # fmt: skip


def coherence(found: pd.DataFrame, *, draws: int) -> pd.DataFrame:
    """Return how coherent answers along each direction are: a row a direction.

    Columns: direction, strength, loss (nats a token, mean), loss_low, loss_high (95% over prompts),
    loops (percent of answers that repeat `LOOPS` of their pairs of words), n.
    """
    rows = []
    for direction, part in found.groupby("direction", sort=False):
        loss = stats.cluster_mean(part["loss"], part["item"], draws=draws)
        rows.append(
            {
                "direction": cast("str", direction), "strength": part["strength"].iloc[0],
                "loss": loss.estimate, "loss_low": loss.low, "loss_high": loss.high,
                "loops": 100 * float((part["repeats"] >= LOOPS).mean()), "n": len(part),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def loops(found: pd.DataFrame, *, draws: int) -> stats.Interval:
    """Return the percent of answers that repeat `LOOPS` of their pairs of words, 95%."""
    if found.empty:
        return _nothing(0)
    looped = 100.0 * (found["repeats"] >= LOOPS)
    return stats.cluster_rate(looped, found["item"], draws=draws)


def loss_gap(found: pd.DataFrame, *, draws: int) -> stats.Interval:
    """Return how much less likely answers along the pooled direction are than unsteered ones.

    Nats a token in the model that is not steered; paired by request, 95% bootstrap over requests.

    Args:
        found: from `said`, rows to refuse.
        draws: of the bootstrap.
    """
    losses = found.pivot_table(index="item", columns="direction", values="loss")
    losses = losses.reindex(columns=[NONE, POOLED]).dropna()
    if losses.empty:
        return _nothing(0)
    return stats.cluster_mean(losses[POOLED] - losses[NONE], losses.index, draws=draws)


def beside_labels(found: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return answers with what two language-model readers call them, `one` and `other`.

    Of `LABELS`: "broken" is no sentence, or a loop. The readers knew neither request's kind nor
    direction. A label of an answer that is no longer given is left out: the texts must be equal.

    Args:
        found: from `said`.
        labels: item, direction, text_hash, one, other.
    """
    rows = found.assign(text_hash=[text_hash(answer) for answer in found["answer"]])
    return labels.merge(rows, on=["item", "direction", "text_hash"])


def readers_agree(labelled: pd.DataFrame, *, draws: int) -> stats.Interval:
    """Return Cohen's kappa of the two readers on what is a refusal; 95% bootstrap over requests."""
    pairs = pd.DataFrame(
        {
            "ours": (labelled["one"] == "refusal").astype(int),
            "theirs": (labelled["other"] == "refusal").astype(int), "unit": labelled["item"],
        }
    )  # fmt: skip
    if pairs[["ours", "theirs"]].nunique().min() < 2:
        return _nothing(len(pairs))
    return items_readers.agreement(pairs, draws)


def _nothing(n: int) -> stats.Interval:
    """Return the interval of what cannot be said."""
    return stats.drawn_interval(np.nan, np.array([np.nan]), n, n)


def told(labelled: pd.DataFrame, *, draws: int) -> stats.Interval:
    """Return the AUROC of the first-token score for what both readers call a refusal, or neither.

    95% bootstrap over requests.
    """
    agreed = labelled[(labelled["one"] == "refusal") == (labelled["other"] == "refusal")]
    refused = (agreed["one"] == "refusal").to_numpy(float)
    if len(set(refused)) < 2:
        return _nothing(len(agreed))
    return stats.cluster_auroc(agreed["refusing"], refused, agreed["item"], draws=draws)[0]
