"""The figures of section 05 draw what the tables hold."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from test_refusal_curves import table

from valuegate import refusal_curves, refusal_tables
from valuegate import refusal_figures as figures
from valuegate.refusal_latents import Shared
from valuegate.refusal_said import STOCK, STYLES


def test_the_diagonal_of_cosines_is_the_ceiling():
    own = np.array([[1.0, 0.2], [0.2, 1.0]])
    figure, drawn = figures.cosines_figure({"x": own}, {"x": np.array([0.9, 0.8])}, ("a_b", "c"))
    assert drawn.loc[drawn["ceiling"], "cosine"].tolist() == [0.9, 0.8]
    assert own[0, 0] == 1  # the caller's table stays
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["a b", "c"]
    plt.close(figure)


def test_curves_are_in_percent():
    figure, drawn = figures.curves_figure(refusal_curves.steered(table([0.0, 4.1])), ("a", "b"))
    assert len(drawn) == 8
    assert drawn["refused"].max() == 100
    assert [line.get_label() for line in figure.axes[0].lines][:2] == ["a", "b"]
    plt.close(figure)


def test_styles_add_up_to_all_refusals():
    counts = pd.DataFrame([[2, 2, 0, 0, 0, 0, 0]], index=["a"], columns=[*STYLES, STOCK])
    figure, drawn = figures.styles_figure(counts)
    assert drawn[["policy", "moral"]].to_numpy().tolist() == [[50, 50]]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["a (4)"]
    plt.close(figure)


def test_latents_are_drawn_over_permuted_labels():
    found = Shared(np.array([30, 4, 1]), np.array([[34, 1, 0], [33, 2, 0]]), {"a": 5, "b": 1})
    nothing = Shared(np.array([35, 0, 0]), np.zeros((2, 3), dtype=int), {"a": 0, "b": 0})
    figure, drawn = figures.latents_figure({"x": found, "y": nothing})
    assert drawn["latents"].tolist() == [4, 1, 0, 0]
    assert drawn["null"].tolist() == [1.5, 0, 0, 0]
    titles = [axis.get_title(loc=plt.rcParams["axes.titlelocation"]) for axis in figure.axes]
    assert titles == ["x", "y: none is found"]
    plt.close(figure)


def test_the_chosen_layer_is_ringed():
    found = pd.DataFrame(
        {"layer": [2, 2], "position": ["last", "end"], "bypass": [1.0, 2.0], "induce": [0.0, 1.0],
         "kl": [0.1, 0.2], "chosen": [True, False]}
    )  # fmt: skip
    figure, _ = figures.select_figure(found)
    assert figure.axes[0].collections[0].get_offsets().data.tolist() == [[2, 1]]
    plt.close(figure)


def test_layers_are_drawn_by_position():
    table = pd.DataFrame({k: [[0.0, 1, 2, 3], [2.0, 3, 4, 5]] for k in
                          ("cosine", "ceiling", "apart")})  # fmt: skip
    figure, drawn = figures.layers_figure({"m": table})
    assert drawn.query("what == 'apart' and position == 'end'")["mean"].tolist() == [3, 4]
    assert len(figure.axes[0].lines) == 2
    plt.close(figure)


def test_a_kind_that_cannot_be_tried_on_its_own_has_an_empty_cell() -> None:
    rows = [("one", "two", 0.7, 0.5, 0.9, 16), ("two", "two", 0.8, 0.6, 0.9, 16)]
    found = pd.DataFrame(rows, columns=["direction", "kind", "value", "low", "high", "n"])
    table = refusal_tables.transfer_table(found).set_index("direction")
    assert list(table.loc["one", ["own kind", "n"]]) == ["", ""]
    assert table.loc["one", "other kinds, mean"] == "0.70"
    assert table.loc["two", "own kind"].startswith("0.80")
