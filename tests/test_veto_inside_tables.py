"""The printed tables and figures of the mechanism say what the numbers say."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from test_veto_changes import WORLDS, edited
from test_veto_inside import personas

from valuegate import veto_changes, veto_inside, veto_inside_figures, veto_inside_tables, veto_items
from valuegate.veto_planted_tables import CELL_ORDER


def test_probes_are_printed_at_their_best_layer():
    slots = personas(lambda rows, truth: truth)
    found = {"gated-s1": veto_inside.reads(slots)}
    printed = veto_inside_tables.reads_table(found)
    assert printed["best layer"].tolist() == ["0", "0", "0"]
    assert printed["R2"].tolist() == ["1.00"] * 3
    figure, numbers = veto_inside_figures.reads_figure(found["gated-s1"])
    assert len(numbers) == 6
    plt.close(figure)


def test_edits_are_printed_by_kind_of_prompt():
    table = edited()
    extra = [
        table[table["condition"] == "features"].assign(condition=name)
        for name in ("feature", "permuted 0", "gate", "refusal")
    ]
    printed = veto_inside_tables.edits_table(pd.concat([table, *extra]), 20)
    assert len(printed) == 2 * len(veto_inside_tables.EDITS)
    best = printed[printed["edit"] == "the best features"]
    line = best[best["prompts"] == "gated"].iloc[0]
    assert line["refusal (nats)"] == "-2.00 (-2.00 to -2.00)"
    assert set(printed["model"]) == {"gated-s1"}
    figure, means = veto_inside_figures.edits_figure(pd.concat([table, *extra]))
    assert set(means["kind"]) >= {"features", "random"}
    plt.close(figure)


def test_firing_is_printed_beside_chance():
    row = {"model": "m", "f1": 0.6, "dealt_f1": 0.5, "dealt_low": 0.4, "dealt_high": 0.7, "p": 0.2,
           "rate_gated": 50.0, "rate_open": 25.0, "gap": 25.0, "low": -10.0, "high": 60.0,
           "dealt_gap": 12.0, "n_gated": 6, "n_open": 6}  # fmt: skip
    line = veto_inside_tables.firing_table(pd.DataFrame([row])).iloc[0]
    assert line["F1, gates dealt anew"] == "0.50 (0.40 to 0.70)"
    assert line["gated less open"] == "25 (-10 to 60)"
    assert line["n"] == "6 and 6"


def test_mends_are_printed_by_cell():
    rows = veto_items.edit_items(1).drop(columns="text")
    names = veto_items.MENDS
    score = np.linspace(0, 0.6, len(names))
    table = rows.assign(
        conditions=",".join(names), kl=[score] * len(rows), edited_expected=[score] * len(rows),
        edited_refusing=[score] * len(rows), edited_mass=[score] * len(rows),
        edited_refused=[(score < 0.05).astype(float)] * len(rows),
    )  # fmt: skip
    found = veto_changes.conditions({"gated-s1": table}, WORLDS)
    printed = veto_inside_tables.mends_table(found, 20)
    assert len(printed) == len(veto_inside_tables.CONDITIONS) * len(CELL_ORDER)
    assert printed["refused, change (points)"].str.startswith("-100").all()
    changed = {
        measure: veto_changes.changes(found, ["cell"], measure, draws=20)
        for measure in ("refused_change", "score_change")
    }
    figure, numbers = veto_inside_figures.mends_figure(changed)
    assert set(numbers["measure"]) == set(changed)
    plt.close(figure)


def test_countries_that_get_one_answer_are_printed():
    places = pd.DataFrame({"question": ["a", "a"], "country": ["x", "y"], "place": [0.5, 0.5]})
    line = veto_inside_tables.collapse_table({"people": places}, 20).iloc[0]
    assert line["one answer for all %"].startswith("100 (")
    assert line["countries"] == "2"
