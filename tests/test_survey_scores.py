"""The published scores: matched to the benchmark's cells, turned into answers, faults listed."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from valuegate import items, survey_scores
from valuegate.errors import ValueGateError
from valuegate.survey_scores import Published, build, candidates, floor_divergence, matching

COLUMNS = pd.DataFrame(
    [(1, "WVS7", 1, 5, "y"), (2, "WVS7", 1, 2, "y"), (3, "AOI2022", 1, 4, "n")],
    columns=["column", "source", "low", "high", "scale"],
)
CELLS = pd.DataFrame(
    [(1, "EGY", 2.0), (1, "TUN", 3.5), (2, "EGY", 1.3), (3, "TUN", 0.5)],
    columns=["column", "country", "central"],
)
SHARES = pd.DataFrame(
    [(3, "TUN", 1, 0.5), (3, "TUN", 0, 0.5), (1, "EGY", 2, 1.0)],
    columns=["column", "country", "option", "share"],
)
SCORE = Published("one", "llama", "persona", "zero_shot", "score", "a")
DIVERGENCE = Published("two", "llama", "persona", "zero_shot", "divergence", "b")


def sheet(*rows, names=("Code", "Egypt", "Tusnia")):
    return pd.DataFrame(rows, columns=list(names))


SCORES = sheet((1, 75, 87.5), (2, None, None), (3, None, -10), (4, None, None), ("Average", 1, 2))


def made(scores=SCORES, divergences=None):
    found = {"a": scores}
    files = (SCORE,)
    if divergences is not None:
        found["b"], files = divergences, (SCORE, DIVERGENCE)
    return build(found, COLUMNS, CELLS, SHARES, files)


def test_a_filled_cell_is_found_by_column_and_country():
    scores = made()["scores"]
    assert list(scores.columns) == ["column", "country", "one"]
    assert scores["one"].fillna(-1).tolist() == [75, 87.5, -1, -10]  # in the benchmark's order


def test_rows_and_filled_cells_are_counted():
    assert made()["files"][["file", "rows", "filled"]].to_numpy().tolist() == [["one", 5, 3]]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (sheet((1, 75, 50), names=("Code", "Egypt", "Atlantis")), "a: unknown header 'Atlantis'"),
        (sheet((9, 75, 50)), "a: code 9 is no column of the workbook"),
        (sheet((2, 75, 50)), "a: a value at column 2, TUN, where nobody answered"),
        (
            sheet((1, 75, "Arab"), names=("Code", "Egypt", "source")),
            "a: code 1 is of another survey",
        ),
    ],
)
def test_a_sheet_that_does_not_fit_the_benchmark_stops_the_reading(changed, message):
    with pytest.raises(ValueGateError, match=message):
        made(changed)


def test_every_fault_is_listed_by_rule():
    # The divergence of column 3 is the floor's: .5 ln(.5 / 1e-8) twice, that is 17.7275.
    divergences = sheet((1, 0.2, None), (3, None, 17.7275))
    found = made(SCORES.replace(87.5, 87), divergences)["faults"]
    rows = found[["rule", "file", "column", "country", "detail"]].astype(object).to_numpy().tolist()
    assert [[None if pd.isna(v) else v for v in row] for row in rows] == [
        ["average_row", "one", None, None, "country means in the last row"],
        ["cells_not_filled", "two", None, None, "2 of 4 cells"],
        ["cells_not_filled", "one", None, None, "1 of 4 cells"],
        ["misspelt_country", "two", None, None, "Tusnia for TUN"],
        ["misspelt_country", "one", None, None, "Tusnia for TUN"],
        ["no_model", "two", None, None, "1 of 2 cells hold the floor's divergence"],
        ["no_whole_answer", "one", 1, "TUN", "score 87.00, human 3.50 on 1 to 5"],
        ["off_scale", "one", 3, "TUN", "score -10.00, human 0.50 on 1 to 4"],
        ["rows_without_values", "one", None, None, "1 rows, codes 4 to 4"],
    ]


def test_a_score_gives_back_its_answers_by_hand():
    # score = 100 (1 - |answer - truth| / (high - low))
    cells = pd.DataFrame(
        [
            (75.00, 2.00, 1, 5),  # 1 off: 1 or 3
            (87.50, 3.50, 1, 5),  # 0.5 off: 3 or 4
            (100.0, 2.00, 1, 5),  # the truth itself, once
            (66.67, 2.00, 1, 4),  # 1 off, the score rounded: 1 or 3
            (70.00, 1.30, 1, 2),  # 0.3 off: 1, for 1.6 is no answer
            (25.00, 4.00, 1, 5),  # 3 off: 1, for 7 is off the scale
            (87.00, 3.50, 1, 5),  # 0.52 off: no whole answer
            (-17.5, 0.30, 1, 5),  # 4.7 off: 5, the truth being off the scale
        ],
        columns=["score", "truth", "low", "high"],
    )
    found = candidates(cells).fillna(0).astype(int).to_numpy().tolist()
    assert found == [[1, 3], [3, 4], [2, 0], [1, 3], [1, 0], [1, 0], [0, 0], [0, 5]]


def test_matching_finds_the_shift():
    rng = np.random.default_rng(0)
    truths = pd.DataFrame({"column": range(60), "country": "EGY", "low": 1, "high": 5})
    truths["truth"] = rng.uniform(1.5, 4.5, 60).round(2)
    answers = rng.integers(1, 6, 60)
    score = (100 * (1 - (answers - truths["truth"]).abs() / 4)).round(2)
    scores = pd.DataFrame({"column": truths["column"] - 2, "country": "EGY", "score": score})
    found = matching(scores, truths, (0, 1, 2, 3)).set_index("shift")
    assert found.loc[2, "whole"] == 1
    assert found["whole"].drop(2).max() < 0.2
    assert found["cells"].tolist() == [58, 59, 60, 59]


def test_the_floor_divergence_holds_only_entropy():
    found = floor_divergence(SHARES)
    assert found[1, "EGY"] == pytest.approx(-math.log(1e-8))  # all agree: no entropy
    assert found[3, "TUN"] == pytest.approx(-math.log(1e-8) - math.log(2))


def test_codes_are_workbook_columns():
    """Under the match all scores are of whole answers; with rows shifted few are."""
    scores = survey_scores.load("scores")
    truths = items.load("survey_answers", "cells").rename(columns={"central": "truth"})
    truths = truths.merge(items.load("survey_answers", "columns"), on="column")
    for file in scores.columns[2:]:
        filled = scores[["column", "country", file]].rename(columns={file: "score"}).dropna()
        whole = matching(filled, truths, (-15, -1, 0, 1, 15)).set_index("shift")["whole"]
        assert whole[0] == 1, file
        assert whole.drop(0).max() < 0.25, file


def test_the_committed_tables_count_what_was_published():
    """Counts of the data's own documentation: 879 rows, all divergences, scores down to 2,000."""
    files = survey_scores.load("files").set_index(["measure", "file"])
    assert set(files["rows"]) == {879}
    assert set(files.loc["divergence", "filled"]) == {9051}
    filled = files.loc["score", "filled"]
    assert (filled.min(), filled.max(), len(filled)) == (2060, 9024, 12)
    faults = survey_scores.load("faults")
    assert faults["rule"].value_counts()["off_scale"] == 2
    assert "no_whole_answer" not in set(faults["rule"])


def test_a_table_is_checked_when_read():
    with pytest.raises(ValueGateError, match="table of survey_scores 'score'"):
        survey_scores.load("score")
    one = survey_scores.load("scores")
    one["aya_persona_zero_shot"] = 0.0  # a reader's own copy
    assert survey_scores.load("scores")["aya_persona_zero_shot"].isna().any()


def test_the_card_counts_the_scores():
    card = (items.FOLDER / "README.md").read_text(encoding="utf-8")
    line = next(line for line in card.splitlines() if line.startswith("| `survey_scores`"))
    assert f"{len(survey_scores.load('files'))} files" in line
    assert f"{len(survey_scores.load('scores')):,} cells" in line


def test_published_divergences_of_the_arab_opinion_index_hold_no_model():
    floor = floor_divergence(items.load("survey_answers", "shares"))
    found = survey_scores.load("divergences").set_index(["column", "country"])
    blocks = items.load("survey_answers", "columns").set_index("column")["source"]
    arab = found[(found.index.get_level_values("column").map(blocks) == "AOI2022")]
    same = arab.sub(floor.reindex(arab.index), axis=0).abs() < 0.01
    assert same.mean().min() > 0.997
    world = found.drop(arab.index)
    assert (world.sub(floor.reindex(world.index), axis=0).abs() < 0.01).to_numpy().mean() < 0.001
