"""Section 05's requests: pairs stay together, kinds take turns, splits stay apart."""

from valuegate import refusal_items as refusal


def test_there_are_eleven_kinds_and_everyday_requests_are_none():
    assert len(refusal.kinds()) == 11
    assert refusal.EVERYDAY not in refusal.kinds()


def test_a_request_is_drawn_with_its_lookalike():
    rows = refusal.request_items("fit", 24, 60)
    assert len(rows) == 11 * 48 + 60
    pairs = rows[rows["kind"] != refusal.EVERYDAY].groupby("unit")["role"].agg(set)
    assert (pairs == {"refuse", "comply"}).all()
    few = refusal.request_items("test", 3, 2)
    assert few.groupby("kind").size().to_dict() == {
        **dict.fromkeys(refusal.kinds(), 6), refusal.EVERYDAY: 2,
    }  # fmt: skip
    assert set(few["split"]) == {"test"}


def test_steered_requests_are_of_all_kinds():
    rows = refusal.curve_items(30)
    assert rows["role"].value_counts().to_dict() == {"refuse": 30, "comply": 30}
    asked = rows[rows["role"] == "refuse"].groupby("kind").size()
    assert len(asked) == 11
    assert asked.between(2, 3).all()
    assert (rows["kind"] == refusal.EVERYDAY).sum() == 7
    assert not set(rows["item"]) & set(refusal.request_items("fit", 24, 60)["item"])


def test_layer_and_position_are_chosen_on_fit_requests():
    rows = refusal.select_items(16)
    assert set(rows["split"]) == {"fit"}
    assert rows["item"].is_unique
    assert (rows["role"] == "refuse").sum() == 16
