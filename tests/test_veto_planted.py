"""Measures on planted stages, by hand: what is known, hidden and absent."""

import pytest
from test_veto_answers import gated_says_no, slots, truth

from valuegate import veto_answers, worlds_items
from valuegate import veto_planted as veto

approx = pytest.approx


@pytest.fixture(scope="module")
def knowing():
    return veto_answers.scored(slots(truth))


@pytest.fixture(scope="module")
def flat():
    return veto_answers.scored(slots(lambda question, country: 0.5))


def test_slopes_know_who_follows_the_countries(knowing, flat):
    worlds = worlds_items.worlds()
    for table, low, high in ((knowing, 0.3, 2.0), (flat, -0.01, 0.01)):
        found = veto.slopes(veto.in_cells(table, worlds), permutations=40, draws=40)
        assert found["slope"].between(low, high).all()
        assert set(found["framing"]) == {"persona", "observer"}
    persona = veto.in_cells(knowing, worlds).query("framing == 'persona'")
    gap = veto.slope_difference(persona, "suppressed", "erased", draws=40)
    own = veto.slopes(persona, permutations=5, draws=5).set_index("cell")["slope"]
    assert gap.estimate == approx(own["suppressed"] - own["erased"])


def test_the_published_contrast_needs_no_knowledge():
    worlds = {"s1": worlds_items.worlds()["s1"]}
    # Open questions are answered at the low end, refused ones flat: nobody knows anything.
    flat = slots(lambda q, c: 0.5 if worlds["s1"].survey[q] in (2, 4, 6) else 0.0, gated_says_no)
    found = veto.in_cells(veto_answers.scored(flat), worlds)
    found = found[found["framing"] == "persona"].reset_index(drop=True)
    contrasts = veto.refused_over_accepted(found, draws=40).set_index("knowledge")
    assert set(contrasts.index) == {"true", "shifted", "absent"}
    for knowledge, cell, other in (("true", 2, 1), ("absent", 6, 5)):
        by = found["question"].map(worlds["s1"].survey)
        refused, accepted = (
            found[by == cell]["score"].mean(),
            found[by == other]["top_score"].mean(),
        )
        assert contrasts.loc[knowledge, "contrast"] == approx(refused - accepted)
        assert contrasts.loc[knowledge, ["n_refused", "n_accepted"]].tolist() == [36, 36]
    # All options hold .8 here: a bound under it keeps every prompt, one over it none.
    assert veto.refused_over_accepted(found, draws=5, least_mass=0.5)["n_refused"].sum() == 108
    assert veto.refused_over_accepted(found, draws=5, least_mass=0.9)["n_refused"].sum() == 0
    by_mass = veto.by_mass(found, draws=5)
    assert by_mass.groupby("least_mass").size().to_dict() == dict.fromkeys(veto.MASSES, 3)


def test_the_same_prompts_are_scored_before_and_after():
    late = slots(lambda q, c: 0.5, gated_says_no)
    early = slots(truth, model="knowledge-s1")
    found = veto_answers.scored({**late, **early})
    persona = found[found["framing"] == "persona"]
    gap = veto.same_cells(persona, "gated-s1", "knowledge-s1", draws=20)
    refused = persona[(persona["model"] == "gated-s1") & (persona["said"] == "refusal")]
    keys = ["question", "country"]
    before = persona[persona["model"] == "knowledge-s1"].set_index(keys)["score"]
    expected = refused["score"].to_numpy() - before.loc[refused.set_index(keys).index].to_numpy()
    assert gap.estimate == approx(expected.mean())
    assert gap.n == 12 * 9
