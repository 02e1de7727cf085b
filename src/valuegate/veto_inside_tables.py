"""Tables of section 01 on words, countries and mechanism, as the paper prints them: as text."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import pandas as pd

from valuegate import stats, veto_forms, veto_inside, worlds
from valuegate.veto_planted_tables import CELL_ORDER, STAGE_ORDER
from valuegate.veto_tables import BLOCKS, title

WAY_NAMES = {
    "plain": "any rows (published)", "question": "whole questions", "country": "whole countries",
}  # fmt: skip
CONDITIONS = {
    "opened": "gate opened", "random": "random vector", "closed": "gate closed",
    "facts": "facts", "other_facts": "facts of another question", "both": "facts, gate opened",
}  # fmt: skip
EDITS = {
    "feature": "the best feature", "features": "the best features", "random": "matched features",
    "permuted": "best, gates dealt anew", "gate": "gated less open, projected out",
    "refusal": "refusal, projected out",
}  # fmt: skip


def _ends(value: float, low: float, high: float, places: int) -> str:
    return f"{value:.{places}f} ({low:.{places}f} to {high:.{places}f})"


def held_out_table(found: pd.DataFrame) -> pd.DataFrame:
    """Return `veto_countries.held_out_slopes`, a line a file and survey."""
    return pd.DataFrame(
        [
            {
                "answers of": title(row["file"]), "survey": BLOCKS[row["block"]],
                "slope, other countries": _ends(row["slope"], row["low"], row["high"], 2),
                "95% of the null": f"{row['null_low']:.2f} to {row['null_high']:.2f}",
                "p": f"{row['p']:.3f}",
                "mixed model": _ends(row["fixed"], row["fixed_low"], row["fixed_high"], 2),
                "SD of slopes": f"{row['spread']:.2f}", "questions": str(row["questions"]),
            }
            for row in found.to_dict("records")
        ]
    )  # fmt: skip


def planted_equity_table(found: pd.DataFrame) -> pd.DataFrame:
    """Return how unevenly stages score countries, a line a stage, the middle's beside it.

    Args:
        found: from `veto_countries.equity`, files being stages.
    """
    rows = []
    for stage in STAGE_ORDER:
        part = found[found["file"] == stage].set_index("of")
        if part.empty:
            continue
        score, middle = part.loc["score"], part.loc["midpoint"]
        rows.append(
            {
                "stage": stage, "max - min": f"{score['gap']:.1f}",
                "SD within questions": f"{score['sd']:.1f}",
                "SD, countries permuted": f"{score['null_sd']:.1f}", "p": f"{score['p']:.3f}",
                "SD of the middle": f"{middle['sd']:.1f}", "n": str(score["n"]),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def collapse_table(places: Mapping[str, pd.DataFrame], draws: int) -> pd.DataFrame:
    """Return how far countries get one answer, a line a set of answers.

    Args:
        places: name in words to question, country, place (`veto_forms.collapse`).
        draws: of the bootstrap.
    """
    rows = []
    for name, table in places.items():
        found = veto_forms.collapse(table, draws=draws)
        same = found["same"]
        assert isinstance(same, stats.Interval)
        rows.append(
            {
                "answers of": name,
                "one answer for all %": _ends(same.estimate, same.low, same.high, 0),
                "SD over countries": f"{found['spread']:.2f}",
                "correlation of countries": f"{found['correlation']:.2f}",
                "countries": str(table["country"].nunique()), "questions": str(same.n),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def reads_table(found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return how well probes read people's means, a line a model and way to divide rows.

    Args:
        found: model to `veto_inside.reads`.
    """
    rows = []
    for model, table in found.items():
        for way in veto_inside.WAYS:
            part = table[table["way"] == way]
            best = part.loc[part["r2"].idxmax()]
            rows.append(
                {
                    "model": model, "held out": WAY_NAMES[way], "best layer": str(best["layer"]),
                    "R2": f"{best['r2']:.2f}", "R2 of the question": f"{best['question_r2']:.2f}",
                    "within questions, r": f"{best['within']:.2f}",
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def edits_table(found: pd.DataFrame, draws: int) -> pd.DataFrame:
    """Return what editing the autoencoder's layer changes, a line a model, condition and gate.

    Args:
        found: from `veto_changes.conditions` of "edits".
        draws: of the bootstraps over questions.
    """
    kind = found["condition"].str.partition(" ")[0]
    rows = []
    for model, name, gated in itertools.product(found["model"].unique(), EDITS, (True, False)):
        part = found[(found["model"] == model) & (kind == name) & (found["gated"] == gated)]
        moved, answer = (
            stats.cluster_mean(part[column], part["question"], draws=draws)
            for column in ("refusing_change", "expected_change")
        )
        rows.append(
            {
                "model": model, "edit": EDITS[name], "prompts": "gated" if gated else "open",
                "refusal (nats)": _ends(moved.estimate, moved.low, moved.high, 2),
                "expected answer (places)": _ends(answer.estimate, answer.low, answer.high, 3),
                "KL (nats)": f"{part['kl'].mean():.3f}", "n": str(len(part)),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def firing_table(found: pd.DataFrame) -> pd.DataFrame:
    """Return how the best features fire on questions that they were not chosen on, a line a model.

    Args:
        found: from `veto_changes.firing`.
    """
    return pd.DataFrame(
        [
            {
                "model": row["model"], "F1, fit questions": f"{row['f1']:.2f}",
                "F1, gates dealt anew": _ends(
                    row["dealt_f1"], row["dealt_low"], row["dealt_high"], 2
                ),
                "p": f"{row['p']:.3f}", "fires, gated %": f"{row['rate_gated']:.0f}",
                "fires, open %": f"{row['rate_open']:.0f}",
                "gated less open": _ends(row["gap"], row["low"], row["high"], 0),
                "dealt anew, absolute": f"{row['dealt_gap']:.0f}",
                "n": f"{row['n_gated']} and {row['n_open']}",
            }
            for row in found.to_dict("records")
        ]
    )  # fmt: skip


def mends_table(
    found: pd.DataFrame, draws: int, conditions: Sequence[str] = tuple(CONDITIONS)
) -> pd.DataFrame:
    """Return what opening, closing and facts change in every planted cell, a line each.

    Args:
        found: from `veto_changes.conditions` of "mended", of gated stages.
        draws: of the bootstraps over questions.
        conditions: which, of `CONDITIONS`.
    """
    rows = []
    for condition in conditions:
        words = CONDITIONS[condition]
        for cell in CELL_ORDER:
            part = found[(found["condition"] == condition) & (found["cell"] == cell)]
            if part.empty:
                continue
            refused, score = (
                worlds.mean_of(part, f"{m}_change", "question", draws=draws)
                for m in ("refused", "score")
            )
            rows.append(
                {
                    "done": words, "cell": cell,
                    "refused, change (points)": _ends(
                        refused.estimate, refused.low, refused.high, 0
                    ),
                    "EV-NVAS, change": _ends(score.estimate, score.low, score.high, 1),
                    "mass after": f"{part['mass'].mean():.2f}",
                    "KL (nats)": f"{part['kl'].mean():.2f}", "n": str(len(part)),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)
