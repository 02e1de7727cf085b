"""Section 01's measures of the asking: framing, order and marks of options, language, country.

How alike answers are under two ways to ask, and whether they differ between countries at all. Pure
functions of the tables that `veto_run` makes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from valuegate import stats


def framings(found: pd.DataFrame, neutral: pd.DataFrame) -> pd.DataFrame:
    """Return how alike answers are under two framings, by model, question and country.

    Columns: model, question, country, `fcs` (persona beside observer, 100 (1 - |a - b|)), `spd`
    (persona beside nobody; alike, in spite of its name), `observer_gain` (the observer's NVAS less
    the persona's, the published suppression index, nan where either is not answered), all of the
    likeliest option. Source: arXiv 2510.13154, FCS, SPD, SUP.

    Args:
        found: from `scored`.
        neutral: the rows of "slots" that are asked of nobody, with model.
    """
    keys = ["model", "question", "country"]
    wide = found.pivot(index=keys, columns="framing", values=["place", "top_score", "said"])
    nobody = neutral.assign(place=[np.argmax(p) / (len(p) - 1) for p in neutral["log_probs"]])
    nobody = nobody.set_index(["model", "question"])["place"]
    alone = nobody.reindex(wide.index.droplevel("country")).to_numpy()
    persona, observer = (wide["place", f].astype(float) for f in ("persona", "observer"))
    gain = wide["top_score", "observer"].astype(float) - wide["top_score", "persona"].astype(float)
    given = (wide["said", "persona"] == "option") & (wide["said", "observer"] == "option")
    return pd.DataFrame(
        {
            "fcs": 100 * (1 - (persona - observer).abs()),
            "spd": 100 * (1 - (persona - alone).abs()),
            "observer_gain": gain.where(given),
        },
        index=wide.index,
    ).reset_index()


def framing_rates(found: pd.DataFrame, *, draws: int) -> stats.Interval:
    """Return how many points more gated questions are refused as an observer than as a persona.

    A 90% interval over questions, for an equivalence.

    Args:
        found: from `in_cells`, of one stage.
        draws: of the bootstrap.
    """
    rates = found[found["gated"]].assign(refused=lambda f: 100.0 * (f["said"] == "refusal"))
    wide = rates.pivot_table(index=["world", "question"], columns="framing", values="refused")
    change = wide["observer"] - wide["persona"]
    return stats.cluster_mean(
        change, change.index.get_level_values("question"), draws=draws, level=0.9
    )


def form_changes(forms: pd.DataFrame, slots: pd.DataFrame) -> pd.DataFrame:
    """Return how far another form of the same prompt moves the expected answer.

    Columns: question, country, form, `change` (absolute, places of the scale), `kept` (percent, 0
    or 100: the likeliest option is the same), mass.

    Args:
        forms: rows of measurement "forms".
        slots: of the same model, measurement "slots".
    """
    keys = ["question", "country", "framing"]
    both = forms.merge(slots[[*keys, "expected", "log_probs"]], on=keys, suffixes=("", "_plain"))
    top = [np.argmax(p) for p in both["log_probs"]]
    plain = [np.argmax(p) for p in both["log_probs_plain"]]
    return pd.DataFrame(
        {
            "question": both["question"], "country": both["country"], "form": both["form"],
            "change": (both["expected"] - both["expected_plain"]).abs(),
            "kept": 100.0 * np.equal(top, plain), "mass": both["mass"],
        }
    )  # fmt: skip


def across_languages(native: pd.DataFrame) -> pd.DataFrame:
    """Return how alike answers in a country's language and in English are, `clcs` (100 is alike).

    100 (1 - |a - b|) of the likeliest options' places. Columns: question, country, language, clcs.
    Source: arXiv 2510.13154, CLCS.

    Args:
        native: rows of measurement "native" of one model.
    """
    places = native.assign(place=[np.argmax(p) / (len(p) - 1) for p in native["log_probs"]])
    keys = ["question", "country"]
    english = places[places["language"] == "en"].set_index(keys)["place"]
    own = places[places["language"] != "en"].set_index([*keys, "language"])["place"].reset_index()
    apart = own["place"].to_numpy() - english.loc[own.set_index(keys).index].to_numpy()
    return own.drop(columns="place").assign(clcs=100 * (1 - np.abs(apart)))


def collapse(places: pd.DataFrame, *, draws: int) -> dict[str, stats.Interval | float]:
    """Return how far countries get one answer: identical answers, spread, correlation.

    Keys: `same`, percent of questions whose likeliest answer is one for all countries (interval
    over questions); `spread`, the mean standard deviation of answers over a question's countries
    (places); `correlation`, the mean correlation of two countries' answers over questions. Source:
    arXiv 2510.13154, language collapse.

    Args:
        places: question, country, place (of the answer on its scale); one row each.
        draws: of the bootstrap.
    """
    wide = places.pivot(index="question", columns="country", values="place")
    same = 100.0 * (wide.max(axis=1) == wide.min(axis=1))
    pairs = wide.corr().to_numpy()[np.triu_indices(wide.shape[1], 1)]
    return {
        "same": stats.cluster_rate(same, wide.index, draws=draws),
        "spread": float(wide.std(axis=1, ddof=1).mean()),
        "correlation": float(np.nanmean(pairs)) if np.isfinite(pairs).any() else float("nan"),
    }
