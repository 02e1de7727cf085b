"""What kind of answer the rules see, by hand, and how far readers agree."""

import pandas as pd
import pytest

from valuegate import veto_words as veto
from valuegate.items_readers import text_hash


@pytest.mark.parametrize(
    ("answer", "cut", "kind"),
    [
        ("3", False, "answer"), ("3 = 3,333", True, "answer"), ("I say 2.", False, "answer"),
        ("7", False, "format"), ("222222", True, "format"), ("What a day", False, "format"),
        ("On the whole, people there would", True, "cut off"),
        ("I'm sorry, I cannot say 3", False, "refusal"),
        ("It depends on whom you ask", False, "hedge"), ("2 or 3", False, "hedge"),
        ("Between 1 and 2, I think", False, "hedge"),
    ],
)  # fmt: skip
def test_kinds_of_answers(answer, cut, kind):
    assert veto.kind(answer, 1, 4, cut=cut) == kind


def test_the_published_rule_takes_any_digit_for_an_answer():
    assert not veto.published_refusal("22222", 1, 4)
    assert not veto.published_refusal("I cannot say 3", 1, 4)
    assert veto.published_refusal("What a day", 1, 4)


def said():
    answers = ["1", "I'm sorry, no.", "What a day", "2"]
    rows = pd.DataFrame(
        {
            "item": list("abcd"), "question": list("qrst"), "country": "EGY",
            "framing": "persona", "low": 1, "high": 4, "answer": answers, "cut": False,
            "kind": ["answer", "refusal", "format", "answer"],
        }
    )  # fmt: skip
    labels = pd.DataFrame(
        {
            "model": "gated-s1", "item": list("abcd"),
            "text_hash": [text_hash(a) for a in [*answers[:3], "another text"]],
            "one": ["answer", "refusal", "format", "answer"],
            "other": ["answer", "refusal", "cut off", "answer"],
        }
    )  # fmt: skip
    return {"gated-s1": rows}, labels


def test_labels_hold_for_the_text_that_was_read():
    found = veto.beside_labels(*said())
    assert found["item"].tolist() == ["a", "b", "c"]
    assert found["published"].tolist() == [False, True, True]
    # 2 of 3 alike; by chance 1/9 + 1/9 are (answer, refusal).
    kappa = veto.kappa(found, "one", "other", draws=20)
    assert kappa.estimate == pytest.approx((2 / 3 - 2 / 9) / (1 - 2 / 9))
    agreed = veto.agreed(found)
    assert agreed["label"].tolist() == ["answer", "refusal"]
    counts = veto.confusion(agreed).set_index("readers")
    assert counts.loc["refusal", "refusal"] == 1
    assert counts["refused, published rule"].sum() == 1


def test_refusal_log_odds_tell_refusals():
    found = veto.agreed(veto.beside_labels(*said()))
    slots = said()[0]["gated-s1"][["question", "country", "framing"]].assign(
        refusing=[-3.0, 2.0, 0.0, 0.0]
    )
    assert veto.refusals_told(found, {"gated-s1": slots}, draws=20).estimate == 1
