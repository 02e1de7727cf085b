"""Answers at the slot, by hand: their scores, and every null of them."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from valuegate import veto_answers as veto
from valuegate import veto_items, veto_planted, worlds_items, worlds_truth

approx = pytest.approx
COUNTRIES = worlds_items.survey_countries()
CELLS = veto.cells()
PLANTED = worlds_items.planted()["question"]


def slots(places, said="option", model="gated-s1"):
    """Return rows of "slots" whose answers are one place of the scale, by question and country."""
    rows = veto_items.slot_items().drop(columns="text")
    log_probs = []
    for row in rows.itertuples():
        scale = np.linspace(0, 1, row.high - row.low + 1)
        aim = places(row.question, row.country)
        p = np.exp(-40 * (scale - aim) ** 2) + 1e-9
        log_probs.append(np.log(p / p.sum() * 0.8).astype("float32"))
    expected = []
    for p in log_probs:
        weights = np.exp(p.astype(float))
        expected.append(weights @ np.linspace(0, 1, len(p)) / weights.sum())
    kind = [said if isinstance(said, str) else said(row) for row in rows.itertuples()]
    return {
        model: rows.assign(
            log_probs=log_probs, expected=expected, mass=0.8, said=kind, top="1",
            refusing=[2.0 if k == "refusal" else -2.0 for k in kind],
        )
    }  # fmt: skip


def truth(question, country):
    found = CELLS.set_index(["question", "country"])
    row = found.loc[(question, country if country else COUNTRIES[0])]
    return (row["truth"] - row["low"]) / (row["high"] - row["low"])


@pytest.fixture(scope="module")
def knowing():
    return veto.scored(slots(truth))


@pytest.fixture(scope="module")
def flat():
    return veto.scored(slots(lambda question, country: 0.5))


def gated_says_no(row):
    cell = worlds_items.worlds()["s1"].survey[row.question]
    return "refusal" if cell in (2, 4, 6) else "option"


def test_the_planted_cells_are_the_benchmarks():
    cells = CELLS[CELLS["question"].isin(PLANTED) & CELLS["country"].isin(COUNTRIES)]
    assert len(cells) == 24 * 9
    assert CELLS["excluded"].isna().all()


def test_every_question_that_can_be_scored_is_there_once_as_published():
    published = CELLS[CELLS["question"].str.startswith("column ")]
    assert (published["question"] == "column " + published["column"].astype(str)).all()
    assert not published.duplicated(["question", "country"]).any()
    assert published["unit"].nunique() <= published["question"].nunique()
    own = CELLS[~CELLS["question"].str.startswith("column ")]
    assert own.groupby("question")["column"].nunique().max() == 1
    pair = own.merge(published, on=["column", "country"], suffixes=("", "_published"))
    assert len(pair) == len(own)
    assert (pair["midpoint"] == pair["midpoint_published"]).all()


def test_random_distributions_have_the_entropy_that_was_asked_for():
    for p in (0.5, 0.8, 0.99):
        entropy = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
        places = veto._of_entropy(2, entropy)  # of two options there are p and 1 - p
        np.testing.assert_allclose(np.abs(places - 0.5), abs(p - 0.5), atol=5e-3)
        assert places.mean() == approx(0.5)
    assert veto._of_entropy(4, 2.0) == approx(np.full(veto.RANDOM, 0.5), abs=1e-6)
    sharp = veto._of_entropy(5, 0.0) * 4
    np.testing.assert_allclose(sharp, sharp.round(), atol=1e-3)


def test_more_orders_than_can_be_listed_are_drawn():
    few, many = veto._dealt(4), veto._dealt(10)
    assert len(few) == 24
    assert len(many) == veto.ORDERS
    assert np.allclose(np.sort(many, axis=1), np.linspace(0, 1, 10))


def test_a_contrast_is_refused_less_accepted_and_undefined_without_either(knowing):
    some = knowing[knowing["framing"] == "persona"].reset_index(drop=True)
    half = np.arange(len(some)) % 2 == 0
    found = veto.contrast(some.assign(refused=half, accepted=~half), draws=20)
    gap = some.loc[half, "score"].mean() - some.loc[~half, "top_score"].mean()
    assert found["contrast"] == approx(gap)
    assert found["refused_matched"] == approx(some.loc[half, "matched"].mean())
    nothing = veto.contrast(some.assign(refused=False, accepted=True), draws=20)
    assert np.isnan(nothing["contrast"])
    assert nothing["n_accepted"] == len(some)


def test_scores_and_nulls_of_one_row_by_hand(knowing):
    row = knowing.iloc[5]
    table = slots(truth)["gated-s1"]
    table = table[table["framing"] == row["framing"]].set_index(["question", "country"])
    own = table.loc[(row["question"], row["country"])]
    p = np.exp(own["log_probs"].astype(float))
    p /= p.sum()
    scale = np.linspace(0, 1, len(p))
    place = (row["truth"] - row["low"]) / (row["high"] - row["low"])
    assert row["score"] == approx(100 * (1 - abs(p @ scale - place)))
    assert row["top_score"] == approx(100 * (1 - abs(scale[p.argmax()] - place)))
    assert row["answer"] == approx(row["low"] + p @ scale * (row["high"] - row["low"]))
    assert row["entropy"] == approx(-(p * np.log2(p)).sum(), abs=1e-6)
    people = worlds_truth.matrix(worlds_truth.survey_shares(), row["question"]).loc[row["country"]]
    assert row["jsd"] == approx(jensenshannon(p, people))
    others = [c for c in COUNTRIES if c != row["country"]]
    wrong = [100 * (1 - abs(table.loc[(row["question"], c), "expected"] - place)) for c in others]
    assert row["wrong"] == approx(np.mean(wrong))


def test_a_flat_answer_scores_as_the_middle_and_as_itself_dealt_anew(flat):
    middle = flat[np.isclose(flat["expected"], 0.5)]
    assert len(middle) > 100
    assert middle["score"].to_numpy() == approx(middle["midpoint"].to_numpy())
    two = flat[flat["high"] - flat["low"] == 1]
    assert two["score"].to_numpy() == approx(two["permuted"].to_numpy(), abs=1e-6)


def test_means_by_cell_leave_refused_answers_out_of_nvas():
    worlds = {"s1": worlds_items.worlds()["s1"]}
    found = veto_planted.in_cells(veto.scored(slots(truth, gated_says_no)), worlds)
    means = veto.means(found, ["stage", "cell"], draws=20).set_index(["cell", "measure"])
    assert means.loc[("suppressed", "refused"), "value"] == 100
    assert ("suppressed", "top_score") not in means.index
    assert means.loc[("intact", "refused"), "value"] == 0
    assert means.loc[("intact", "score"), "n"] == 4 * 9 * 2


def test_people_are_the_nearest_whole_answers(knowing):
    found = veto.people(knowing)
    assert len(found) == 24 * 9
    row = knowing.iloc[0]
    own = found.set_index(["question", "country"]).loc[(row["question"], row["country"]), "place"]
    steps = row["high"] - row["low"]
    assert own * steps == approx(round(own * steps))
    assert abs(own - (row["truth"] - row["low"]) / steps) <= 0.5 / steps + 1e-9
