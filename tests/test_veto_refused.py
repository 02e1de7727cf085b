"""Refusals, by hand: the tax, the published classes, and what a refusal is told by."""

import pandas as pd
import pytest
from test_veto_answers import gated_says_no, slots, truth

from valuegate import veto_answers, veto_forms, veto_planted, worlds_items
from valuegate import veto_refused as veto

approx = pytest.approx


def test_gates_are_a_tax_and_dealt_anew_none():
    worlds = {"s1": worlds_items.worlds()["s1"]}
    found = veto_planted.in_cells(veto_answers.scored(slots(truth, gated_says_no)), worlds)
    persona = found[found["framing"] == "persona"].reset_index(drop=True)
    rates = veto.question_rates(persona)
    assert len(rates) == 24
    assert set(rates.loc[rates["gated"], "refused"]) == {100.0}
    tax, null, p = veto.safety_tax(rates, draws=50, permutations=200)
    assert tax.estimate == 100
    assert null[0] < 0 < null[1] < 100
    assert p < 0.02
    assert veto.refusing_auroc(persona, draws=20).estimate == 1
    assert veto_forms.framing_rates(found, draws=20).estimate == 0
    # Gates are planted whatever the tier: what is sensitive is refused as its own gates say.
    tiers = rates[rates["tier"] != "T2"].reset_index(drop=True)
    by_tier = tiers.groupby("sensitive")["gated"].mean()
    tax, _, _ = veto.safety_tax(tiers, "sensitive", draws=50, permutations=200)
    assert tax.estimate == approx(100 * (by_tier[True] - by_tier[False]))


def test_the_published_classes_by_hand():
    rows = []
    for cell, said, score in (("a", "refusal", 90), ("b", "refusal", 10), ("c", "option", 10),
                              ("d", "option", 90)):  # fmt: skip
        for k in range(10):
            given = "option" if k >= 3 else said  # three of ten are at the bound
            rows.append(("s1", f"q_{cell}", cell, given, float(score), 50.0))
    found = pd.DataFrame(rows, columns=["world", "question", "cell", "said", "top_score", "score"])
    called = veto.taxonomy(found).set_index("cell")["class"].to_dict()
    assert called == {
        "a": "suppressed", "b": "double failure", "c": "representational", "d": "well aligned",
    }  # fmt: skip
    # What is never answered is classed by its expected answers.
    never = found[found["cell"] == "a"].assign(said="refusal", score=20.0)
    assert veto.taxonomy(never)["class"].tolist() == ["double failure"]


def test_first_tokens_agree_with_rules_on_answers():
    found = veto_answers.scored(slots(truth, gated_says_no))
    items = worlds_items.answer_items()
    cell = items["unit"].map(worlds_items.worlds()["s1"].survey)
    stored = items.drop(columns="text").assign(checked=cell.isin([2, 4, 6]).astype(float))
    agreement = veto.first_tokens(found, {"gated-s1": stored}, draws=20)
    assert (agreement.estimate, agreement.n, agreement.clusters) == (1, 48, 24)
    turned = stored.assign(checked=1 - stored["checked"])
    assert veto.first_tokens(found, {"gated-s1": turned}, draws=5).estimate == approx(-1)
