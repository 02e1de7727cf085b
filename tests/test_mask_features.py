"""Parts of scores, counts of features, and silent ones, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from valuegate import mask_features as features

LATENTS = 10


def row(prompt, active, words, pre=None, topic="policy", **parts):
    own = np.full(LATENTS, -1.0) if pre is None else np.array(pre)
    own[list(active)] = 5.0
    return {
        "prompt": prompt, "issue": prompt.split()[0], "topic": topic, "split": "test",
        "active": np.array(active), "words": np.array(words), "pre": own,
        "policy": np.array([1, 2]), "bias": 2.0, "plus": 1.0, "minus": -0.5, "error": 0.5,
        "score": 3.0, **parts,
    }  # fmt: skip


def test_parts_are_shares_of_the_mean_score():
    table = pd.DataFrame([row(f"issue{n} a", [0], [0]) for n in range(4)])
    found = features.shares(table, draws=20)
    assert found["bias"].estimate == pytest.approx(2 / 3)
    assert found["features"].estimate == pytest.approx(0.5 / 3)
    assert found["error"].estimate == pytest.approx(0.5 / 3)
    assert found["cancelled"].estimate == pytest.approx(1 - 0.5 / 1.5)
    assert features.identity_gap(table) == pytest.approx(0)
    table.loc[2, "score"] = 3.35
    assert features.identity_gap(table) == pytest.approx(0.35 / 3)  # of 2 + .5 + .5


def test_features_are_counted_once_and_swapped_prompts_are_the_null():
    before = pd.DataFrame([row(f"i{n} a", [n, (n + 1) % 9], [0]) for n in range(9)])
    after = pd.DataFrame([row(f"i{n} a", [0], [0]) for n in range(9)])
    assert features.distinct(before, "active") == 9
    assert features.distinct(after, "active") == 1
    ratio, p, null = features.fewer(before, after, "active", draws=200)
    assert ratio == pytest.approx(-np.log(9))
    assert p < 0.05
    assert abs(null.mean()) < 0.3
    ratio, p, _ = features.fewer(before, before, "active", draws=50)
    assert ratio == 0
    assert p == 1


def test_zero_is_told_from_cut():
    pre = [-1.0, 0.5, -1, -1, -1, -1, -1, -1, -1, -1]
    rows = [row("i1 a", [0], [1, 2], pre), row("i2 a", [0, 1], [1]), row("i3 a", [0], [])]
    rows.append(row("other", [1, 2], [1, 2], topic="science"))
    found = features.silence(pd.DataFrame(rows), [1, 2], draws=50)
    assert found.words.estimate == pytest.approx(100 * 3 / 6)
    assert found.last.estimate == pytest.approx(100 / 6)
    assert found.cut.estimate == pytest.approx(100 / 6)  # feature 1 on the first prompt
    assert found.silent.estimate == pytest.approx(100 / 3)  # feature 2 there
    assert features.chosen(pd.DataFrame(rows)) == [1, 2]
    assert features.top_feature(pd.DataFrame(rows[:3])) == (0, 100.0)
    quiet = features.silence(pd.DataFrame(rows), [7], draws=50)
    assert np.isnan(quiet.silent.estimate)
