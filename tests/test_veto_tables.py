"""The printed tables and the figure of the re-analysis say what the numbers say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from valuegate import survey_scores, veto_countries, veto_tables
from valuegate.veto_figures import DRAWN, nulls_figure
from valuegate.veto_scores import NULLS

FILES = ("llama_persona_zero_shot", "aya_observer_reasoning")


def against(extra=None):
    """Return `against_nulls` of two files: scores 70 and 60, nulls 50, 51, ... in their order."""
    rows = []
    for place, file in enumerate(FILES):
        for number, null in enumerate(("score", *NULLS)):
            value = 70.0 - 10 * place if null == "score" else 49.0 + number
            score = 70.0 - 10 * place
            rows.append(
                {
                    "file": file, "null": null, "value": value, "low": value - 1,
                    "high": value + 2, "beyond": score - value, "beyond_low": score - value - 1,
                    "beyond_high": score - value + 1, "n": 1234, "questions": 80,
                    "coverage": 0.5 + 0.25 * place, **(extra or {}),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("llama_persona_zero_shot", "Llama-3.1-8B, persona, at once"),
        ("mistral_observer_reasoning", "Mistral-7B, observer, after reasoning"),
        ("aya_neutral", "AYA-8B, neutral"),
    ],
)
def test_a_file_has_a_name_in_words(file, words):
    assert veto_tables.title(file) == words


def test_every_published_file_has_a_name_of_its_own():
    files = survey_scores.load("files")
    assert files["file"].map(veto_tables.title).nunique() == 18


def test_the_table_of_nulls_by_hand():
    found = veto_tables.nulls_table(against())
    assert found["score"].tolist() == ["70.0 (69.0 to 72.0)", "60.0 (59.0 to 62.0)"]
    assert found["cells"].tolist() == ["1,234", "1,234"]
    assert found["filled %"].tolist() == ["50", "75"]
    assert found[NULLS["midpoint"]].tolist() == ["50.0", "50.0"]
    assert found[NULLS["best"]].tolist() == ["57.0", "57.0"]
    by_tier = veto_tables.nulls_table(against({"tier": "T3"}), by="tier")
    assert by_tier["tier"].tolist() == ["T3", "T3"]


def test_the_table_of_differences_by_hand():
    found = veto_tables.beyond_table(against())
    assert found[f"over {NULLS['midpoint']}"].tolist() == [
        "20.0 (19.0 to 21.0)", "10.0 (9.0 to 11.0)",
    ]  # fmt: skip


def test_slopes_equity_and_item_mix_are_printed():
    rng = np.random.default_rng(0)
    column = np.repeat(np.arange(30), 4)
    table = pd.DataFrame(
        {
            "file": FILES[0], "source": "AOI2022", "column": column, "question": column,
            "country": np.tile(["EGY", "TUN", "IRQ", "LBN"], 30), "low": 1, "high": 5,
            "truth": rng.uniform(1, 5, 120), "answer": rng.integers(1, 6, 120),
            "score": rng.uniform(0, 100, 120), "midpoint": 80.0,
        }
    )  # fmt: skip
    slopes = veto_countries.slopes(table, permutations=20, draws=20)
    printed = veto_tables.slopes_table(slopes)
    assert printed["survey"].tolist() == ["AOI"]
    assert printed["slope"].iloc[0].startswith(f"{slopes['slope'].iloc[1]:.2f} (")
    equity = veto_countries.equity(table, of=("score", "midpoint"), permutations=20)
    printed = veto_tables.equity_table(equity)
    assert printed["max - min of the middle"].tolist() == ["0.0"]
    assert printed["max - min"].tolist() == [f"{equity['gap'].iloc[0]:.1f}"]
    mix = veto_countries.item_mix(table)
    printed = veto_tables.item_mix_table({"all": mix, "some": mix})
    assert printed["cells"].tolist() == ["all", "some"]
    assert printed["share of questions %"].tolist() == ["0", "0"]  # all are asked the same


def test_every_rule_of_the_published_files_is_printed():
    faults = survey_scores.load("faults")
    assert set(faults["rule"]) <= set(veto_tables.RULES)
    printed = veto_tables.fault_table(faults).set_index("rule")
    assert printed.loc["a score under 0", "listed"] == "2"
    assert printed.loc["benchmark cells left empty", "files"] == "12"
    assert int(printed["listed"].astype(int).sum()) == len(faults)


def test_the_table_of_matches_by_hand():
    cells = pd.DataFrame(
        [(1, "EGY", 1.6, 1, 4), (2, "EGY", 2.3, 1, 4)],
        columns=["column", "country", "truth", "low", "high"],
    )
    scores = pd.DataFrame(
        [(1, "EGY", 80.0), (2, "EGY", 90.0)],  # .6 off: 1; .3 off: 2
        columns=["column", "country", "aya_persona_reasoning"],
    )
    found = veto_tables.matching_table(scores, cells, (0, 1))
    assert found["as numbered"].tolist() == ["100.0"]
    assert found["rows moved by 1"].tolist() == ["0.0"]  # .6 off of 2.3: 1.7 or 2.9


def test_the_figure_draws_every_score_and_null():
    figure, table = nulls_figure(against())
    panel = figure.axes[0]
    assert [label.get_text() for label in panel.get_yticklabels()] == [
        "Llama-3.1-8B, persona, at once (50%)", "AYA-8B, observer, after reasoning (75%)",
    ]  # fmt: skip
    assert set(table["null"]) == {"score", *DRAWN}
    drawn = {
        tuple(np.round(point, 6)) for group in panel.collections for point in group.get_offsets()
    }
    for null in DRAWN:
        value = table.loc[table["null"] == null, "value"].iloc[0]
        assert {(value, 1.0), (value, 0.0)} <= drawn, null
    points = [line for line in panel.lines if line.get_marker() == "o"]
    assert points[0].get_xdata().tolist() == [70, 60]
    plt.close(figure)
