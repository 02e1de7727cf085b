"""Latents that kinds of refusal share, by hand, and lists that ties fill."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from valuegate import refusal_latents as refusal

approx = pytest.approx
REFUSE = np.arange(20) < 10


def kind(*marks):
    """Return which of 40 latents fire: those marked on every request to refuse, 39 on all."""
    on = np.zeros((20, 40), dtype=bool)
    on[:, 39] = True
    on[:10, list(marks)] = True
    return on, REFUSE


def test_active_lists_become_a_table():
    on = refusal.fires(pd.Series([[0, 2], []]), 4)
    assert on.tolist() == [[True, False, True, False], [False] * 4]


def test_scores_and_tests_of_a_latent():
    on, refuse = kind(3)
    on[5:, 4] = True  # on 5 of 10 to refuse, on all others
    gaps = refusal.rate_gaps(on, refuse)
    assert gaps[[3, 4, 39, 0]].tolist() == [1, -0.5, 0, 0]
    p = refusal.fisher(on, refuse)
    for latent in (3, 4):
        hits, total = on[refuse, latent].sum(), on[:, latent].sum()
        table = [[hits, 10 - hits], [total - hits, 10 - total + hits]]
        assert p[latent] == approx(scipy_stats.fisher_exact(table, alternative="greater")[1])
    assert p[0] == p[39] == 1


def test_what_all_kinds_share_is_told_from_what_one_has():
    kinds = {"a": kind(1, 2), "b": kind(1, 5), "c": kind(1)}
    found = refusal.shared(kinds, draws=20)
    assert found.counts.tolist() == [37, 2, 0, 1]
    assert found.found == {"a": 2, "b": 2, "c": 1}
    assert found.null[:, 3].max() == 0
    assert (found.null.sum(1) == 40).all()


def test_ties_by_number_fill_lists_alike_and_ties_at_random_do_not():
    gaps = np.zeros((3, 1000))
    gaps[0, 900], gaps[1, 901], gaps[2, 902] = 1, 1, 1
    lists = refusal.top_lists(gaps, 100)
    assert refusal.overlap(lists) == {"union": 102, "intersection": 99, "pair": 99}
    rng = np.random.default_rng(0)
    assert refusal.overlap(refusal.top_lists(gaps, 100, rng))["intersection"] < 10
    made = refusal.filled(
        latents=16384, kinds=11, scored=75, common=22, length=1000, rng=np.random.default_rng(0)
    )
    assert made["pair"] > 900  # with a true overlap of 22
    assert made["intersection"] > 500
