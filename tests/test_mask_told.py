"""Sides planted at one layer: found there on fit issues, told on test issues, and by cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from valuegate import mask_figures, mask_panels, mask_tables, mask_told
from valuegate.mask_items import POSITIONS

LAYERS, WIDTH = 3, 16


def statements(gap=3.0, seed=0, name="left_right", issues=12, each=4, flip=()):
    """Return a table whose side is told by the mean, at layer 1, and nowhere else."""
    rng = np.random.default_rng(seed)
    rows = []
    for issue in range(issues):
        for label in (0.0, 1.0):
            for _ in range(each):
                places = rng.normal(size=2 * LAYERS)
                sign = -1 if issue in flip else 1
                places[LAYERS + 1] += sign * gap * (label - 0.5)
                residual = rng.normal(size=WIDTH)
                residual[0] += gap * (label - 0.5)
                rows.append(
                    {
                        "item": f"{name} {len(rows)}", "set": name, "issue": f"{name} {issue}",
                        "label": label, "fitted": True, "split": ("fit", "test")[issue % 2],
                        "lda": places, "means": places, "residual": residual.astype("float16"),
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def test_the_place_is_chosen_on_fit_issues_and_read_on_test_issues():
    found = mask_told.told(statements(), "left_right", "lda", draws=100)
    assert (found.position, found.layer) == ("mean", 1)
    assert found.test.low > 0.8
    assert found.apart.low > 1
    assert found.p < 0.1
    assert found.test.clusters == 6
    # Test issues that say the opposite do not choose another place.
    odd = mask_told.told(statements(flip=(1, 3, 5, 7, 9, 11)), "left_right", "lda", draws=50)
    assert (odd.position, odd.layer) == ("mean", 1)
    assert odd.test.high < 0.2


def test_two_models_are_compared_on_the_same_statements():
    tables = [statements(), statements(gap=0.0)]
    told = [mask_told.told(t, "left_right", "lda", draws=20) for t in tables]
    gap = mask_told.less((tables[0], told[0]), (tables[1], told[1]), "left_right", "lda", draws=100)
    assert gap.low > 0.2
    assert gap.n == 48
    same = (tables[0], told[0])
    none = mask_told.less(same, same, "left_right", "lda", draws=20)
    assert (none.estimate, none.low, none.high) == (0, 0, 0)


def test_axes_agree_but_for_noise():
    one, other = statements(gap=2.0, seed=0), statements(gap=2.0, seed=1)
    found = mask_told.cosine(one, other, "left_right")
    assert 0.5 < found.cosine < 1
    assert found.corrected.low < 1 < found.corrected.high
    assert np.argmax(np.abs(mask_told.axis(one, "left_right"))) == 0
    assert mask_told.logistic(one, "left_right", draws=50).estimate > 0.7


def test_cells_show_what_is_encoded_and_what_is_said():
    table = statements(name="parties", issues=16)
    table.loc[table["issue"].isin(["parties 2", "parties 3"]), "fitted"] = False
    told = mask_told.told(statements(name="parties"), "parties", "lda", draws=20)
    cells = {f"parties {n}": ("intact", "suppressed")[n % 2] for n in range(16)}
    named = pd.DataFrame(
        [
            {
                "issue": f"parties {n}", "pole": pole, "opens": -0.1 if n % 2 == 0 else -5.0,
                "mass": -0.1, "log_odds": 2.0 if pole == "first" else -2.0,
            }
            for n in range(16) for pole in ("first", "second")
        ]
    )  # fmt: skip
    holders = {issue: "first_party" for issue in cells}
    answers = mask_told.said(named, holders)
    assert (answers["leans"] == 2).all()
    assert answers["says"].iloc[0] == pytest.approx(-0.2 + np.log(1 / (1 + np.exp(-2))))
    other = mask_told.said(named, {issue: "second_party" for issue in cells})
    assert (other["leans"] == -2).all()
    sides = mask_told.places(table, "parties", "lda", told)
    assert len(sides[0]) == 128  # what is not taught is read, too
    found = mask_told.by_cell(sides, answers, cells, draws=50).set_index("cell")
    assert (found["told"] > 0.8).all()
    assert found.loc["suppressed", "says"] < found.loc["intact", "says"] - 4
    gates = {issue: cell == "suppressed" for issue, cell in cells.items()}
    gap = mask_told.less_told(sides, gates, draws=50)
    assert abs(gap.estimate) < 0.2
    called = mask_told.called(found.reset_index())
    truth = mask_told.suppressed_cells()
    assert (called["called"] == called["cell"].map(truth)).all()
    assert truth["biased + gate"]
    assert not truth["erased"]
    printed = mask_tables.cells_table({"m": called}).set_index("cell")
    assert printed["n"].tolist() == ["8", "8"]
    assert printed.loc["suppressed", "called suppressed"] == "yes"


def prompts(shrink, seed=3):
    rng = np.random.default_rng(seed)
    rows = []
    for template in ("raw", "chat"):
        drawn = np.random.default_rng(9).normal(size=(24, WIDTH))
        drawn[:, 0] *= shrink
        for n, residual in enumerate(drawn + 0.01 * rng.normal(size=drawn.shape)):
            rows.append(
                {
                    "prompt": f"p{n}", "issue": f"i{n % 6}", "template": template,
                    "topic": "policy" if n < 18 else "science", "split": "test",
                    "residual": residual.astype("float16"),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def every(gap, seed):
    return pd.concat(
        [statements(gap, seed, name, 8) for name in ("left_right", "parties", "control")],
        ignore_index=True,
    )


def test_a_panel_finds_the_axis_that_shrank_and_figures_draw_it():
    tables = {"before": every(6.0, 0), "after": every(6.0, 1)}
    asked = {"before": prompts(1.0), "after": prompts(0.2)}
    panel = mask_panels.panel(
        "p", (tables["before"], asked["before"], "chat"), (tables["after"], asked["after"], "chat"),
        draws=40, directions=50,
    )  # fmt: skip
    assert panel.beside["own"].high < -0.3
    assert panel.published["own"].low > 30
    assert len(panel.tastes) == 8
    table = mask_tables.compression_table([panel])
    assert list(table["axis"]) == ["each its own", "of the first", "of the second"]
    figure, drawn = mask_figures.compression_figure([panel])
    assert set(drawn["direction"]) >= {"tastes", "principal", "axis each its own"}
    both = {m: (tables[m], asked[m]) for m in tables}
    figure, drawn = mask_figures.scores_figure(both, directions=20)
    assert len(drawn) == 2 * 2 * 24
    spread = drawn[drawn["template"] == "chat"].groupby("model")["place"].std()
    assert spread["after"] < 0.6 * spread["before"]
    gates = {f"i{n}": n % 2 == 0 for n in range(6)}
    gap = mask_panels.gate_change(both["before"], both["after"], gates, draws=30)
    assert abs(gap.estimate) < 1
    assert gap.clusters == 6
    words = {
        name: mask_told.words(
            tables["before"],
            pd.Series(tables["before"]["item"].to_list(), tables["before"]["item"]), name, draws=20,
        )
        for name in mask_tables.SETS
    }  # fmt: skip
    figure, drawn = mask_figures.layers_figure(tables, words, "lda")
    assert len(drawn) == 2 * 2 * len(POSITIONS) * LAYERS
    assert len(figure.axes) == 2
