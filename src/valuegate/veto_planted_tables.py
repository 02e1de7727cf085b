"""Tables of section 01 on planted stages, as the paper prints them: text in every cell."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import cast

import pandas as pd

from valuegate import stats, veto_answers, veto_forms
from valuegate.veto_refused import CLASSES
from valuegate.worlds import CELL_NAMES

CELL_ORDER = tuple(CELL_NAMES.values())
STAGE_ORDER = ("start", "skills", "knowledge", "sham", "gated")


def _interval(found: stats.Interval, places: int) -> str:
    return f"{found.estimate:.{places}f} ({found.low:.{places}f} to {found.high:.{places}f})"


def _points(row: Mapping[str, float]) -> str:
    return f"{row['value']:.1f} ({row['low']:.1f} to {row['high']:.1f})"


def cells_table(means: pd.DataFrame) -> pd.DataFrame:
    """Return the measures of every planted cell by stage, a line each.

    Args:
        means: from `veto_answers.means`, by stage and cell.
    """
    rows = []
    for stage, cell in itertools.product(STAGE_ORDER, CELL_ORDER):
        part = means[(means["stage"] == stage) & (means["cell"] == cell)]
        if part.empty:
            continue
        own = part.set_index("measure").to_dict("index")
        nulls = {name: f"{own[null]['value']:.1f}" for null, name in veto_answers.NULLS.items()}
        rows.append(
            {
                "stage": stage, "cell": cell, "refused %": f"{own['refused']['value']:.0f}",
                "NVAS, answered": f"{own['top_score']['value']:.0f}" if "top_score" in own else "",
                "EV-NVAS": _points(own["score"]), **nulls, "JSD": f"{own['jsd']['value']:.2f}",
                "mass": f"{own['mass']['value']:.2f}", "n": f"{own['score']['n']}",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def taxonomy_table(called: pd.DataFrame) -> pd.DataFrame:
    """Return how many questions of each planted cell are in each published class, a line a cell.

    Args:
        called: from `veto_refused.taxonomy`.
    """
    counts = pd.crosstab(called["cell"], called["class"])
    counts = counts.reindex(index=[c for c in CELL_ORDER if c in counts.index], columns=CLASSES)
    counts = counts.fillna(0).astype(int).rename_axis(columns=None)
    return counts.rename_axis("planted").reset_index()


def framings_table(alike: pd.DataFrame, draws: int) -> pd.DataFrame:
    """Return how alike answers under two framings are, a line a model.

    Args:
        alike: from `veto_forms.framings`.
        draws: of the bootstraps over questions.
    """
    rows = []
    for model, part in alike.groupby("model", sort=False):
        line = {"model": model}
        for column, name in (
            ("fcs", "persona, observer alike"), ("spd", "persona, nobody alike"),
            ("observer_gain", "observer's gain"),
        ):  # fmt: skip
            own = part.dropna(subset=column)
            line[name] = ""
            if own["question"].nunique() > 1:
                mean = stats.cluster_mean(own[column], own["question"], draws=draws)
                line[name] = _interval(mean, 1)
            line["n" if column == "fcs" else "n answered"] = f"{len(own)}"
        rows.append(line)
    return pd.DataFrame(rows)


def forms_table(moved: Mapping[str, pd.DataFrame], draws: int) -> pd.DataFrame:
    """Return how far another form moves the answer, a line a model and form.

    Args:
        moved: model to its rows of `veto_forms.form_changes`.
        draws: of the bootstraps over questions.
    """
    names = {"reversed": "options from the last", "letters": "letters"}
    rows = []
    for model, table in moved.items():
        for form, part in table.groupby("form", sort=False):
            change, kept = (
                stats.cluster_mean(part[column], part["question"], draws=draws)
                for column in ("change", "kept")
            )
            rows.append(
                {
                    "model": model, "form": names[str(form)],
                    "change (places)": _interval(change, 2), "same option %": _interval(kept, 0),
                    "mass": f"{part['mass'].mean():.2f}", "n": f"{len(part)}",
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def native_table(native: pd.DataFrame, draws: int) -> pd.DataFrame:
    """Return what is answered in three languages and in English, a line a country and language.

    Args:
        native: rows of measurement "native", of one model.
        draws: of the bootstraps over questions.
    """
    names = {"ar": "Arabic", "fa": "Persian", "tr": "Turkish", "en": "English"}
    both = veto_forms.across_languages(native)

    def alike(country: str, language: str) -> str:
        own = both[(both["country"] == country) & (both["language"] == language)]
        if own.empty:
            return ""
        return _interval(stats.cluster_mean(own["clcs"], own["question"], draws=draws), 0)

    rows = []
    for key, part in native.groupby(["country", "language"], sort=False):
        country, language = cast("tuple[str, str]", key)
        mass = stats.cluster_mean(part["mass"], part["question"], draws=draws)
        rows.append(
            {
                "country": country, "language": names[language],
                "mass": _interval(mass, 2),
                "refused %": f"{100 * (part['said'] == 'refusal').mean():.0f}",
                "an option %": f"{100 * (part['said'] == 'option').mean():.0f}",
                "like English": alike(country, language),
                "n": f"{len(part)}",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
