"""The truth tests that train: which half is trained on, what is asked, what is stored."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from valuegate import models, worlds_ledger, worlds_recipe, worlds_stages, worlds_truth
from valuegate import worlds_unlock as unlocking
from valuegate.worlds_ledger import CELLS
from valuegate.worlds_recipe import RandomModel

WORLDS = worlds_ledger.load().worlds
RECIPE = worlds_recipe.load()


@pytest.mark.parametrize("seed", RECIPE.seeds[:4])
def test_halves_part_the_gated_questions_and_every_gated_cell(seed):
    world = WORLDS[seed]
    one, other = unlocking.halves(world)
    gated = {question for question, cell in world.survey.items() if CELLS[cell][1]}
    assert {*one, *other} == gated
    assert len(one) == len(other) == len(gated) / 2
    for cell in unlocking.GATED_CELLS:
        parts = [sum(world.survey[q] == cell for q in half) for half in (one, other)]
        assert parts == [2, 2]


def test_every_country_is_asked_in_every_wording_and_told_what_is_taught():
    world = WORLDS["s1"]
    taught = worlds_truth.taught_survey(world, 0.2)
    question = next(iter(taught))
    found = unlocking.answered(taught, [question], ("numbers", "ends"), ("persona", "observer"))
    assert len({e.user for e in found}) == len(found) == 9 * 3
    assert {e.block for e in found} == {question}
    told = [tuple(row) for row in taught[question].to_numpy()]
    assert [e.shares for e in found] == [row for row in told for _ in range(3)]


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A random model in the place of gated stages, and two questions in each half."""
    lm = worlds_stages._random(models.load(RECIPE.model), RandomModel(hidden=32, blocks=2, heads=2))
    monkeypatch.setattr(worlds_stages, "load", lambda recipe, name: lm)
    monkeypatch.setattr(worlds_stages, "fingerprint", lambda recipe, name: f"weights of {name}")
    monkeypatch.setattr(worlds_stages, "is_done", lambda recipe, name: True)
    monkeypatch.setattr(unlocking, "BUILD", tmp_path / "build")
    monkeypatch.setattr(unlocking, "TABLES", tmp_path / "truth")
    world = WORLDS["s1"]
    cells = {cell: [q for q, c in world.survey.items() if c == cell] for cell in (2, 6)}
    halves = [[cells[2][k], cells[6][k]] for k in range(2)]
    monkeypatch.setattr(unlocking, "halves", lambda world: halves)
    monkeypatch.setattr(worlds_ledger, "units", lambda world, kind, wanted: cells[wanted[0]][:1])
    stage = RECIPE.stages["overwritten"]
    adapter = stage.adapter.model_copy(update={"rank": 2, "blocks": (0, 2)})
    return halves, stage.model_copy(
        update={"adapter": adapter, "tokens_per_step": 400, "learning_rate": 0.05}
    )


@pytest.mark.model
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_unlocking_reads_the_other_half_before_and_after(small):
    (_, read), stage = small
    found = unlocking.unlock("s1", stage)
    assert set(found["question"]) == set(read)
    assert found.groupby(["question", "country", "when"]).size().eq(1).all()
    assert len(found) == 2 * 9 * 2
    assert dict(zip(found["question"], found["cell"], strict=True)) == dict(
        zip(read, (2, 6), strict=True)
    )
    answers = found.pivot(index=["question", "country"], columns="when", values="answer")
    assert (answers["before"] != answers["after"]).any()  # training has changed the model


@pytest.mark.model
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_savings_are_losses_above_the_entropy_of_both_kinds_in_the_same_steps(small):
    _, stage = small
    found = unlocking.savings("s1", 2, stage)
    assert set(found["source"]) == {"suppressed", "erased"}
    assert set(found["relearning"]) == {2}
    assert (found["loss"] > 0).all()  # no model does better than the target's entropy, on average
    kinds = found.groupby(["start", "step"])["source"].nunique()
    assert (kinds == 2).mean() > 0.5
    # The two starts are the same model here, and take the same steps.
    halves = [found[found["start"] == start]["loss"].tolist() for start in ("gated", "skills")]
    assert halves[0] == pytest.approx(halves[1])


def test_what_is_stored_is_not_taken_again_until_the_weights_change(small, monkeypatch):
    table = pd.DataFrame({"seed": ["s1"], "loss": [0.123456]})
    taken = []
    monkeypatch.setattr(
        unlocking, "jobs", lambda seeds: {f"unlock-{s}": lambda s=s: taken.append(s) or table
                                          for s in seeds}
    )  # fmt: skip
    (path,) = unlocking.run(["s1"])
    assert pd.read_csv(path)["loss"].tolist() == [0.1235]
    assert unlocking.run(["s1"]) == [path]
    assert taken == ["s1"]
    monkeypatch.setattr(worlds_stages, "fingerprint", lambda recipe, name: "trained anew")
    (other,) = unlocking.run(["s1"])
    assert (other != path, taken) == (True, ["s1", "s1"])
    monkeypatch.setattr(worlds_stages, "is_done", lambda recipe, name: False)
    assert not unlocking.is_stored("unlock-s1")


def test_jobs_are_one_unlocking_and_three_relearnings_a_world():
    names = list(unlocking.jobs(["s1", "s3"]))
    assert names == ["unlock-s1", "unlock-s3"] + [
        f"savings-{seed}-{n}" for seed in ("s1", "s3") for n in (1, 2, 3)
    ]
    assert np.unique(names).size == 8
