"""Section 03's items: vectors by hand, splits, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from valuegate import moral_items, moral_public, moral_repair_items
from valuegate.errors import ValueGateError


def social_row(**changed):
    return {
        "rot-bad": 0, "m": 1, "action": "helping out.", "rot-moral-foundations": "care-harm",
        "action-moral-judgment": 1.0, "action-agree": 3.0, **changed,
    }  # fmt: skip


def test_social_chem_is_cleaned_as_released():
    rows = pd.DataFrame(
        [
            social_row(), social_row(m=5), social_row(**{"rot-bad": 1}),
            social_row(**{"action-agree": None}), social_row(action="b"),
        ]
    )  # fmt: skip
    found = moral_public.cleaned(rows)
    assert found["id"].tolist() == ["socialchem_000000", "socialchem_000001"]
    assert found["action"].tolist() == ["helping out.", "b"]


def test_vectors_are_judgement_times_agreement_in_every_tagged_foundation():
    rows = pd.DataFrame(
        [
            social_row(**{"rot-moral-foundations": "care-harm|loyalty-betrayal"}),
            social_row(**{"action-moral-judgment": -2.0, "action-agree": 4.0}),
            social_row(**{"action-moral-judgment": -1.0, "action-agree": 0.0}),
        ]
    )  # fmt: skip
    found = moral_public.human_vectors(moral_public.cleaned(rows))
    assert found["foundation"].tolist() == ["care", "loyalty", "care", "care"]
    assert found["virtue"].tolist() == [0.375, 0.375, 0, 0]
    assert found["vice"].tolist() == [0, 0, 1.0, 0]  # nobody agrees: neutral, however bad
    for changed, word in (
        ({"action-agree": 5.0}, "scale"), ({"rot-moral-foundations": "taste"}, "taste"),
    ):  # fmt: skip
        bad = moral_public.cleaned(pd.DataFrame([social_row(**changed)]))
        with pytest.raises(ValueGateError, match=word):
            moral_public.human_vectors(bad)


def test_a_text_has_the_slots_of_all_its_rows():
    rows = pd.DataFrame(
        {
            "foundation": ["care", "sanctity", "care", ""],
            "value": [0.5, -1.0, 0.125, 1.0], "text": ["a", "a", "b", "c"],
        }
    )  # fmt: skip
    found = moral_items.vectors(rows)
    assert found.shape == (4, 10)
    assert found[0].tolist() == found[1].tolist() == [0.5, 0, 0, 0, 0, 0, 0, 0, 0, 1.0]
    assert found[2].tolist() == [0.125] + 9 * [0]  # too small for a pole, and a value all the same
    assert not found[3].any()


def test_actions_and_norms_are_graded_from_vice_to_virtue():
    actions = moral_items.actions()
    assert len(actions) == 480
    assert actions["value"].abs().max() == 1
    assert (np.sign(actions["value"]) == actions["pole"].map(
        {"virtue": 1, "vice": -1, "neutral": 0}
    )).all()  # fmt: skip
    norms = moral_items.norms("s1")
    assert len(norms) == 192
    assert norms["fitted"].mean() == pytest.approx(2 / 3)
    assert all(text.startswith("By the custom of the ") for text in norms["text"])
    assert not any(text.endswith(" is") for text in norms["text"])
    assert len(moral_items.norms("s1", every=3)) == 64
    with pytest.raises(ValueGateError, match="world"):
        moral_items.norms("s99")


def test_a_foundation_without_a_pole_is_refused():
    rows = moral_items.actions()
    moral_items.check(rows)
    with pytest.raises(ValueGateError, match="loyalty: no item is a vice"):
        moral_items.check(rows[(rows["foundation"] != "loyalty") | (rows["pole"] != "vice")])
    with pytest.raises(ValueGateError, match="care: no item is a virtue or vice"):
        moral_items.check(rows[rows["foundation"] != "care"])
    off = rows.assign(value=np.where(rows.index == 3, 1.5, rows["value"]))
    with pytest.raises(ValueGateError, match="off the scale"):
        moral_items.check(off)


def test_a_repair_is_tried_on_other_items_than_it_is_fitted_on():
    fitted, tried = moral_repair_items.fitted(0, 1), moral_repair_items.tried()
    asked = moral_repair_items.readouts()
    assert not set(fitted["cluster"]) & set(tried["cluster"])
    assert not set(fitted["cluster"]) & set(asked["cluster"])
    assert asked["item"].is_unique
    assert asked["readout"].value_counts().to_dict() == {
        "verdict": 80, "norm": 48, "choice": 40, "text": 16, "request": 8,
    }  # fmt: skip
    said = asked[asked["readout"] == "choice"]
    assert (said["first"].str.len() > 5).all()
    with pytest.raises(ValueGateError, match="requests"):
        moral_repair_items.readouts(requests="others")
