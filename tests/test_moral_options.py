"""The options outside the default: triplets that are learned, and judges that see both orders."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import tiny

from valuegate import moral_judge, moral_likeness, moral_repair_items, moral_triplet
from valuegate.errors import ValueGateError


def test_triplets_are_of_one_foundation_and_closer_by_value():
    values = np.zeros((5, 10))
    values[:, 0] = [0.0, 0.1, 1.0, 0.5, 0.5]
    homes = ["care", "care", "care", "loyalty", "loyalty"]
    found = moral_triplet.triplets(values, homes, count=40)
    assert set(found.ravel().tolist()) == {0, 1, 2}
    for i, j, k in found:
        closer, farther = (abs(values[i, 0] - values[o, 0]) for o in (j, k))
        assert farther - closer >= moral_triplet.APART
    with pytest.raises(ValueGateError, match="differ enough"):
        moral_triplet.triplets(values[3:], homes[3:], count=5)


def test_the_loss_is_bradley_and_terrys_of_cosines():
    # Centred, the first two lie one way and the third the other: cosines 1 and -1.
    residual = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-2.0, 0.0]])
    chosen = torch.tensor([[0, 1, 2]])
    expected = math.log1p(math.exp(-(2 - 0.05) / 0.1))
    assert moral_triplet.triplet_loss(residual, chosen).item() == pytest.approx(expected)
    back = moral_triplet.triplet_loss(residual, torch.tensor([[0, 2, 1]]))
    assert back.item() == pytest.approx((2 + 0.05) / 0.1, rel=1e-4)


def test_training_lowers_the_loss_and_leaves_the_model_alone():
    lm = tiny("llama")
    rows = moral_repair_items.fitted(0, 8)
    texts = list(rows["text"])
    values = np.zeros((len(rows), 10))
    values[:, 0] = (rows["pole"] == "virtue").astype(float)
    chosen = moral_triplet.triplets(values, list(rows["foundation"]), count=200)
    kept = [p.clone() for p in lm.model.parameters()]
    recipe = moral_triplet.Recipe(steps=40, learning_rate=1e-3, replay=0.1)
    own = moral_triplet.train(lm, texts, chosen, [lm.n_layers], recipe)
    losses = []
    for model in (lm, own):
        with torch.no_grad():
            stream = moral_triplet._last(model, texts, [lm.n_layers])[:, 0]
        losses.append(moral_triplet.triplet_loss(stream, torch.tensor(chosen)).item())
    assert losses[1] < losses[0] - 0.05
    assert all(torch.equal(p, q) for p, q in zip(kept, lm.model.parameters(), strict=True))
    assert not any(p.requires_grad for p in own.model.parameters())


def test_likeness_follows_value_where_it_was_planted():
    rng = np.random.default_rng(0)
    value = rng.uniform(-1, 1, 60)
    stream = np.concatenate([5 * value[:, None], 0.3 * rng.normal(size=(60, 3))], 1)
    table = pd.DataFrame(
        {
            "foundation": ["care"] * 60, "value": value, "after": list(stream),
            "before": list(rng.normal(size=(60, 4))),
        }
    )  # fmt: skip
    assert moral_likeness.similarity(table, "after") > 0.5
    assert abs(moral_likeness.similarity(table, "before")) < 0.15
    rows = moral_repair_items.tried(8)
    found = moral_triplet.trained(tiny("llama"), rows, every=8, steps=2, depth=0.5)
    assert set(found) >= {"before", "after", "shuffled"}
    assert len(found) == len(rows)


def test_a_win_holds_in_both_orders(monkeypatch):
    pairs = pd.DataFrame(
        {
            "item": ["a", "b", "c"], "prompt": "p", "treated": ["good", "same", "bad"],
            "plain": ["x", "x", "x"],
        }
    )  # fmt: skip
    judges = [tiny("llama"), tiny("qwen3")]
    # The first judge prefers by content, the second always what stands first.
    taste = {"good": 2.0, "bad": -2.0, "same": 0.0, "x": 0.0}

    def scored(judge, texts, *, positive, negative):
        assert (positive, negative) == moral_judge.LETTERS
        found = []
        for text in texts:
            first, second = (text.split(f"\n\n{letter}. ")[1].split("\n")[0] for letter in "AB")
            own = 1.0 if judge.name == "qwen3" else taste[first] - taste[second]
            found.append(own)
        return type("Scores", (), {"log_odds": np.array(found)})

    monkeypatch.setattr(moral_judge, "log_odds", scored)
    table = moral_judge.judged(judges, pairs)
    own = table[table["judge"] == "llama"].set_index("item")["outcome"]
    assert own.to_dict() == {"a": "win", "b": "tie", "c": "lose"}
    assert set(table.loc[table["judge"] == "qwen3", "outcome"]) == {"tie"}
    found = moral_judge.rates(table, draws=20).set_index("judge")
    assert found.loc["qwen3", ["win", "tie", "lose"]].tolist() == [0, 100, 0]
    assert found.loc["qwen3", "first"] == 100
    assert found.loc["llama", "win"] == pytest.approx(100 / 3)
    assert moral_judge.kappa(table) == pytest.approx(0)
    with pytest.raises(ValueGateError, match="two judges"):
        moral_judge.judged(judges[:1], pairs)
