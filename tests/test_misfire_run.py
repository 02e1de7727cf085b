"""Section 02's runs on small random models: shapes, and what is known whatever the weights are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tiny import LAYERS, tiny

from valuegate import circuits, misfire_items, misfire_run
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
    found = misfire_run.own(lm, items, fit="own", hash=FIT)
    assert len(found) == 6
    assert (
        {len(row) for row in found["decoded"]}
        == {len(row) for row in found["lens"]}
        == {LAYERS + 1}
    )
    assert found["decoded_last"].tolist() == [row[-1] for row in found["decoded"]]
    # Row by row the same: nothing is fitted on what is read.
    again = misfire_run.own(lm, items.iloc[[4]], fit="own", hash=FIT)
    assert again["decoded_last"].iloc[0] == pytest.approx(found["decoded_last"].iloc[4], abs=1e-4)


def test_patches_from_the_same_run_change_nothing(lm, twins, monkeypatch):
    monkeypatch.setattr(misfire_run, "_loaded", lambda name: lm)
    found = misfire_run.layers(lm, twins, before="itself")
    for row in found.itertuples():
        assert row.before_log_odds == row.log_odds
        assert row.layers == [0, LAYERS]
        assert row.patched_before == pytest.approx([row.log_odds] * 2, abs=1e-4)
        assert row.patched_last[0] == pytest.approx(row.log_odds, abs=1e-4)  # one last token
        assert row.patched_last[-1] == pytest.approx(row.twin_log_odds, abs=1e-4)
        assert row.patched_names[0] == pytest.approx(row.twin_log_odds, abs=1e-4)
        assert row.middle == row.patched_last[len(row.patched_last) // 2]


def test_heads_are_ablated_beside_random_ones(lm, twins):
    items = twins.drop(columns="twin").assign(kind="gated")
    found = misfire_run.heads(lm, items, scenarios=2, top=3, draws=4, hash=FIT)
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


def test_the_heads_chosen_are_those_that_would_make_yes_likelier(lm, twins, monkeypatch):
    parts = np.zeros((LAYERS, lm.n_heads))
    parts[1, 2], parts[0, 3], parts[0, 1] = 2.0, 1.0, -5.0
    monkeypatch.setattr(circuits, "attribution", lambda *_: parts)
    misfire_run._gate_heads.cache_clear()
    chosen, means = misfire_run._gate_heads(lm, 2, 2)
    assert chosen == [(1, 2), (0, 3)]
    assert len(means) == LAYERS * lm.n_heads
    misfire_run._gate_heads.cache_clear()


def test_examples_and_thinking_come_before_the_answer(lm, monkeypatch):
    seen = []

    def scored(lm, prompts, layers):
        seen.append(prompts)
        return log_odds(lm, prompts, layers=layers)

    monkeypatch.setattr(misfire_run, "log_odds", scored)
    items = misfire_items.own_items(1, 0).iloc[:2]
    plain = misfire_run.evidence(lm, items)
    shown = misfire_run.evidence(lm, items, shots=2)
    thought = misfire_run.evidence(lm, items, reasoning=3)
    (first, _), (second, _), (third, _) = seen
    example = misfire_items.demonstrations(2)[0]
    assert example[0] in second
    assert example[0] not in first
    assert second.index(example[0]) < second.index(items["text"].iloc[0])
    assert misfire_run.THINK in third
    assert third.endswith(misfire_run.THEREFORE)
    for found in (plain, shown, thought):
        assert len(found) == 2
        assert np.isfinite(found["log_odds"]).all()
    assert not np.allclose(plain["log_odds"], shown["log_odds"])
