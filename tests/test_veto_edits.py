"""The edits of section 01, by hand: what is chosen, what is matched, what is taken away."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch

from valuegate import veto_edits as veto
from valuegate import veto_items


def test_the_published_f1_ranks_features():
    gated = np.array([1.0, 1, 0, 0])
    fires = np.zeros((4, 12), dtype=bool)
    fires[:, 3] = [1, 1, 0, 0]  # precision 1, recall 1
    fires[:, 5] = [1, 0, 0, 0]  # precision 1, recall 1/2: F1 2/3
    fires[:, 7] = [1, 1, 1, 1]  # precision 1/2, recall 1: F1 2/3, later
    fires[:, 9] = [0, 0, 1, 1]  # never on gated
    best = veto._best(fires, gated)
    assert len(best) == veto.TOP
    assert best[:3] == [3, 5, 7]
    assert 9 not in best[:3]
    f1 = veto._f1(fires, gated)
    assert f1[[3, 5, 7, 9]].tolist() == [1, 2 / 3, 2 / 3, 0]


def test_matched_features_are_near_in_rate_and_length_and_none_is_chosen():
    rng = np.random.default_rng(0)
    rate = np.linspace(0, 1, 200)
    norms = np.ones(200)
    best = [100, 101, 102]
    drawn = veto._matched(best, rate, norms, rng)
    assert len(set(drawn)) == 3
    assert not set(drawn) & set(best)
    assert np.abs(rate[drawn] - rate[100]).max() < 0.12


def test_a_component_is_put_to_a_value_and_all_else_stays():
    unit = torch.tensor([0.6, 0.8, 0.0])
    residual = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    edited = veto._component(unit, 2.5)(residual)
    torch.testing.assert_close(edited @ unit, torch.full((2, 4), 2.5))
    across = torch.tensor([-0.8, 0.6, 0.0])
    torch.testing.assert_close(edited @ across, residual @ across)
    gone = veto._without_direction(unit.numpy())(residual)
    torch.testing.assert_close(gone @ unit, torch.zeros(2, 4), atol=1e-6, rtol=0)


def test_features_are_taken_out_and_the_error_stays():
    decoder = torch.eye(4, 3)
    encoder = SimpleNamespace(encode=lambda x: x @ torch.ones(3, 4), W_dec=decoder)
    residual = torch.ones(1, 2, 3)
    edited = veto._without_features(encoder, [1])(residual)  # every latent is 3 here
    torch.testing.assert_close(edited, torch.tensor([[[1.0, -2, 1]] * 2]))


def test_conditions_lie_side_by_side_and_diverge_from_none():
    rows = veto_items.edit_items(1).head(2)
    log_probs = torch.log(torch.tensor([[0.5, 0.5], [0.9, 0.1]], dtype=torch.float64))
    other = torch.log(torch.tensor([[0.5, 0.5], [0.5, 0.5]], dtype=torch.float64))

    def answers(values, said, probabilities):
        table = pd.DataFrame({"expected": values, "refusing": values, "mass": values, "said": said})
        return veto._Answers(table, probabilities)

    found = veto._side_by_side(
        rows,
        {
            "none": answers([0.1, 0.2], ["option", "refusal"], log_probs),
            "opened": answers([0.3, 0.4], ["option", "option"], other),
        },
    )
    assert found["conditions"].tolist() == ["none,opened"] * 2
    assert found["expected"].tolist() == [0.1, 0.2]
    assert np.stack(found["edited_refused"]).tolist() == [[0, 0], [1, 0]]
    kl = np.stack(found["kl"])
    assert kl[0].tolist() == [0, 0]
    assert np.isclose(kl[1, 1], 0.9 * np.log(1.8) + 0.1 * np.log(0.2))
