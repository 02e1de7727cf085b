"""The printed tables and the figures of planted stages say what the numbers say."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from valuegate import house, veto_figures, veto_planted_tables
from valuegate.veto_answers import MEANS, NULLS
from valuegate.veto_refused import CLASSES

CELLS = ("erased", "intact", "suppressed")


def test_a_line_a_cell_in_the_order_of_the_truth():
    rows = [
        {"stage": stage, "cell": cell, "measure": measure, "value": 10.0 * k + j, "low": 1.0,
         "high": 99.0, "n": 36, "clusters": 4}
        for k, stage in enumerate(("knowledge", "gated"))
        for cell in CELLS
        for j, measure in enumerate(MEANS)
        if (cell, measure) != ("suppressed", "top_score")
    ]  # fmt: skip
    printed = veto_planted_tables.cells_table(pd.DataFrame(rows))
    assert printed["stage"].tolist() == ["knowledge"] * 3 + ["gated"] * 3
    assert printed["cell"].tolist() == ["intact", "suppressed", "erased"] * 2
    first = printed.iloc[0]
    assert first["refused %"] == "0"
    assert first["EV-NVAS"] == "1.0 (1.0 to 99.0)"
    assert first["middle"] == f"{MEANS.index('midpoint'):.1f}"
    assert printed["NVAS, answered"].tolist()[1] == ""  # nothing is answered there
    assert first["n"] == "36"


def called():
    rows = [
        ("s1", "a", "suppressed", 0.9, 80.0, "suppressed"),
        ("s1", "b", "suppressed", 0.1, 30.0, "representational"),
        ("s1", "c", "erased", 1.0, 70.0, "suppressed"),
        ("s1", "d", "biased", 0.0, 50.0, "representational"),
    ]
    return pd.DataFrame(rows, columns=["world", "question", "cell", "refused", "answered", "class"])


def test_classes_are_counted_by_what_was_planted():
    printed = veto_planted_tables.taxonomy_table(called()).set_index("planted")
    assert list(printed.columns) == list(CLASSES)
    assert printed.loc["suppressed"].tolist() == [0, 1, 1, 0]
    assert printed.loc["erased"].tolist() == [0, 1, 0, 0]
    assert printed.to_numpy().sum() == 4


def test_framings_are_printed_where_there_are_answers():
    alike = pd.DataFrame(
        {
            "model": ["m"] * 4, "question": ["a", "a", "b", "b"], "fcs": [100.0, 90, 80, 70],
            "spd": [50.0] * 4, "observer_gain": [np.nan] * 4,
        }
    )  # fmt: skip
    line = veto_planted_tables.framings_table(alike, 50).iloc[0]
    assert line["persona, observer alike"].startswith("85.0 (")
    assert line["observer's gain"] == ""
    assert line["n"] == "4"


def test_forms_and_languages_are_printed():
    moved = pd.DataFrame(
        {
            "question": ["a", "b"], "country": ["EGY"] * 2, "form": ["letters"] * 2,
            "change": [0.1, 0.3], "kept": [0.0, 100.0], "mass": [0.5, 0.7],
        }
    )  # fmt: skip
    line = veto_planted_tables.forms_table({"m": moved}, 50).iloc[0]
    assert line["form"] == "letters"
    assert line["change (places)"].startswith("0.20 (")
    assert line["same option %"].startswith("50 (")
    assert line["mass"] == "0.60"
    native = pd.DataFrame(
        {
            "country": ["IRN"] * 4, "language": ["fa", "fa", "en", "en"],
            "question": ["a", "b", "a", "b"], "mass": [0.2, 0.4, 0.9, 0.9],
            "said": ["refusal", "option", "option", "option"],
            "log_probs": [np.log([0.9, 0.1]), np.log([0.1, 0.9])] + [np.log([0.1, 0.9])] * 2,
        }
    )  # fmt: skip
    line = veto_planted_tables.native_table(native, 50).iloc[0]
    assert line["like English"].startswith("50 (")
    assert line[["language", "refused %", "an option %", "n"]].tolist() == [
        "Persian", "50", "50", "2",
    ]  # fmt: skip


def test_the_contrast_is_drawn_by_what_was_taught():
    contrasts = pd.DataFrame(
        {
            "knowledge": ["true", "shifted", "absent"], "refused": [80.0, 70, 75],
            "accepted": [70.0, 72, 60], "contrast": [10.0, -2, 15], "low": [5.0, -5, 10],
            "high": [15.0, 1, 20], **{f"refused_{null}": [79.0, 71, 76] for null in NULLS},
        }
    )  # fmt: skip
    figure, table = veto_figures.contrast_figure(contrasts)
    left, right = figure.axes
    labels = [text.get_text() for text in left.get_yticklabels()]
    assert labels == ["taught: the truth", "taught: a shift", "taught: nothing"]
    assert right.containers[0].lines[0].get_xdata().tolist() == [10, -2, 15]
    assert table.equals(contrasts)
    plt.close(figure)


def test_slopes_are_drawn_over_their_null():
    follows = pd.DataFrame(
        [
            {"stage": stage, "cell": cell, "slope": 0.1 * k, "low": 0.1 * k - 0.1,
             "high": 0.1 * k + 0.1, "null_low": -0.2, "null_high": 0.2}
            for stage in ("knowledge", "gated")
            for k, cell in enumerate(CELLS)
        ]
    )  # fmt: skip
    house.use()
    figure, _ = veto_figures.slopes_figure(follows)
    titles = [panel.get_title(loc="left") for panel in figure.axes]
    assert titles == ["knowledge", "gated"]
    panel = figure.axes[0]
    assert [text.get_text() for text in panel.get_yticklabels()] == [
        "intact", "suppressed", "erased",
    ]  # fmt: skip
    drawn = next(c for c in panel.containers if hasattr(c, "has_xerr")).lines[0].get_xdata()
    np.testing.assert_allclose(np.asarray(drawn, dtype=float), [0.1, 0.2, 0.0])
    assert {round(bar.get_width(), 3) for bar in panel.patches} == {0.4}
    plt.close(figure)


def test_questions_are_drawn_in_the_panel_of_what_was_taught():
    figure, _ = veto_figures.taxonomy_figure(called())
    truth, shifted, absent = figure.axes
    points = [c.get_offsets().data.tolist() for c in truth.collections]
    assert points == [[], [[90.0, 80.0], [10.0, 30.0]]]  # intact, suppressed
    assert len(shifted.collections[0].get_offsets()) == 1
    assert absent.collections[1].get_offsets().data.tolist() == [[100.0, 70.0]]
    plt.close(figure)
