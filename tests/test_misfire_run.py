"""Section 02's runs on small random models: shapes, and what is known whatever the weights are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tiny import LAYERS, tiny

from valuegate import misfire_items, misfire_run
from valuegate.scoring import log_odds

FIT = misfire_items.fit_hash()


@pytest.fixture
def lm():
    return tiny("llama")


@pytest.fixture
def few(monkeypatch):
    """Cut what probes and heads are fitted on: a random model learns nothing from more."""
    whole = misfire_items.own_items
    monkeypatch.setattr(
        misfire_items, "own_items", lambda *a, **k: whole(*a, **k).groupby("pair").head(4)
    )


@pytest.fixture
def twins(monkeypatch):
    """Scenarios whose two texts align under any tokenizer: names of three letters, exchanged."""
    rows = [
        (f"s{k}", f"A fig {act} and a wig did not. Did the fig {act}?", act)
        for k, act in enumerate(("run", "sit", "hum"))
    ]
    found = pd.DataFrame(rows, columns=["scenario", "text", "act"])
    swap = {"fig": "wig", "wig": "fig"}
    found["twin"] = found["text"].str.replace("fig|wig", lambda m: swap[m.group()], regex=True)
    found = found.assign(
        item=found["scenario"], pair="p", category="Age", asked="stereotyped",
        system=misfire_items.SYSTEM,
    )  # fmt: skip
    monkeypatch.setattr(misfire_items, "gate_twins", lambda split, n: found.head(n))
    return found


def test_probes_are_read_at_every_layer(lm, few):
    items = misfire_items.own_items(1, 1).iloc[:6]
    found = misfire_run.own(lm, items, fit=FIT)
    assert len(found) == 6
    assert (
        {len(row) for row in found["decoded"]}
        == {len(row) for row in found["lens"]}
        == {LAYERS + 1}
    )
    assert found["decoded_last"].tolist() == [row[-1] for row in found["decoded"]]
    # Row by row the same: nothing is fitted on what is read.
    again = misfire_run.own(lm, items.iloc[[4]], fit=FIT)
    assert again["decoded_last"].iloc[0] == pytest.approx(found["decoded_last"].iloc[4], abs=1e-4)


def test_patches_from_the_same_run_change_nothing(lm, twins, monkeypatch):
    monkeypatch.setattr(misfire_run, "_loaded", lambda name: lm)
    found = misfire_run.layers(lm, twins, before="itself")
    for row in found.itertuples():
        assert row.before_log_odds == row.log_odds
        assert row.patched_before == pytest.approx([row.log_odds] * (LAYERS + 1), abs=1e-4)
        assert row.patched_last[0] == pytest.approx(row.log_odds, abs=1e-4)  # one last token
        assert row.patched_last[-1] == pytest.approx(row.twin_log_odds, abs=1e-4)
        assert row.patched_names[0] == pytest.approx(row.twin_log_odds, abs=1e-4)
        assert row.middle == row.patched_last[len(row.patched_last) // 2]


def test_heads_are_ablated_beside_random_ones(lm, twins):
    items = twins.drop(columns="twin").assign(kind="gated")
    found = misfire_run.heads(lm, items, scenarios=2, top=3, draws=4, fit=FIT)
    chosen = found["chosen"].unique()
    assert len(chosen) == 1
    assert len(chosen[0].split()) == 3
    blocks = [head.partition(".")[0] for head in chosen[0].split()]
    assert (
        max(blocks.count(b) for b in blocks) <= lm.n_heads // 2
    )  # others are left to compare with
    assert {len(row) for row in found["random"]} == {4}
    plain = log_odds(lm, misfire_run._prompts(lm, items, "text")).log_odds
    assert found["log_odds"].to_numpy() == pytest.approx(plain)
    assert not np.allclose(found["mean_ablated"], plain)
    assert not np.allclose(found["zero_ablated"], found["mean_ablated"])
