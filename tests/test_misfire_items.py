"""Section 02's items: the VETO prompts rebuilt from BBQ, as tables."""

from __future__ import annotations

import re

import pytest

from valuegate import config, items, misfire, misfire_items, registry, worlds_ledger
from valuegate.errors import ValueGateError
from valuegate.misfire_items import (
    INSTRUCTION,
    SYSTEM,
    foil_sources,
    pair_counts,
    pairs,
    plan,
    scenario_splits,
    veto_items,
)
from valuegate.veto_pairs import CATEGORIES, PAIRS_PER_SCENARIO

pytestmark = pytest.mark.model  # BBQ comes in a wheel

# Of the release's file of pairs, counted there.
PAIRS = {"Gender_identity": 520, "Age": 360, "SES": 320, "Race_ethnicity": 230,
         "Disability_status": 181, "Physical_appearance": 163, "Religion": 150,
         "Sexual_orientation": 108}  # fmt: skip
# One pair a scenario: scenarios of each category.
SCENARIOS = {"Age": 25, "Disability_status": 23, "Gender_identity": 30, "Physical_appearance": 23,
             "Race_ethnicity": 25, "Religion": 25, "SES": 23, "Sexual_orientation": 25}  # fmt: skip


def test_the_published_number_of_pairs():
    found = pair_counts(pairs())
    assert len(pairs()) == 2032
    assert len({pair.id for pair in pairs()}) == 2032
    by_name = found.set_index("category")
    for category, count in PAIRS.items():
        assert by_name.loc[category.replace("_", " "), "pairs"] == count
        assert by_name.loc[category.replace("_", " "), "scenarios"] == SCENARIOS[category]
    assert list(found["category"]) == [*(c.replace("_", " ") for c in CATEGORIES), "all"]
    assert by_name.loc["all", "pairs"] == 2032
    assert by_name.loc["all", "scenarios"] == sum(SCENARIOS.values()) == 199
    assert by_name.loc["all", "negated"] == sum(pair.negated for pair in pairs())
    assert max(by_name["pairs"] / by_name["scenarios"]) <= PAIRS_PER_SCENARIO


@pytest.mark.parametrize(
    ("one", "most", "count"),
    [(True, None, 199), (False, None, 2032), (True, 4, 4 * 8), (True, 1, 8), (True, 24, 189)],
)
def test_four_rows_a_pair(one, most, count):
    items = veto_items(one_per_scenario=one, scenarios_per_category=most)
    assert len(items) == 4 * count
    assert items["pair"].nunique() == count
    if one:
        assert items["scenario"].nunique() == count
    each = items.groupby("pair")[["member", "probe"]].value_counts()
    assert (each == 1).all()
    assert len(each) == 4 * count
    assert misfire.check(items) is items


def test_fields():
    items = veto_items()
    assert list(items["gold"].unique()) == [1, 0]
    assert ((items["gold"] == 1) == (items["probe"] == "evidence")).all()
    assert (items["system"] == SYSTEM).all()
    assert items["text"].str.endswith("?\n" + INSTRUCTION).all()
    assert (items["text"].str.count(INSTRUCTION) == 1).all()
    assert items["text"].is_unique
    # A foil asks another question of the same text; its source is said for foils only.
    assert items["foil_source"].isna().equals(items["probe"] == "evidence")
    sources = {"other_member", "own_record"}
    assert set(items["foil_source"].dropna()) == sources
    for _, rows in items.groupby(["pair", "member"]):
        evidence, foil = (
            rows.loc[rows["probe"] == p, "text"].iloc[0] for p in ("evidence", "foil")
        )
        shared = len(evidence) - len(evidence.lstrip())
        while evidence[shared] == foil[shared]:
            shared += 1
        assert shared > 40, rows  # the context, and the question's first word
    counts = items.groupby("category")["pair"].nunique()
    assert dict(counts) == SCENARIOS
    # The members of a pair differ in whom the text proves it of.
    wide = items[items["probe"] == "evidence"].pivot(index="pair", columns="member", values="text")
    assert (wide["contrast"] != wide["stereotyped"]).all()


def test_items_are_the_same_each_time_and_a_part_of_the_whole():
    assert veto_items().equals(veto_items())
    whole, part = veto_items(), veto_items(scenarios_per_category=4)
    assert set(part["text"]) <= set(whole["text"])
    assert set(part["pair"]) <= set(whole["pair"])
    assert set(whole["text"]) <= set(veto_items(one_per_scenario=False)["text"])


@pytest.mark.parametrize("profile", ["default", "smoke", "extended"])
def test_the_plan_measures_these_items(profile):
    run = config.run(profile, "", "smollm2-135m-instruct,qwen3-8b")
    planned = plan(run)
    settings = run.settings(misfire.SECTION)
    expected = veto_items(settings["one_per_scenario"], settings["scenarios_per_category"])
    asked = [m for m in planned if m.name == "evidence"]
    assert [m.model for m in asked] == ["smollm2-135m-instruct", "qwen3-8b"]
    for measurement in asked:
        assert measurement.items().equals(expected)
        assert measurement.section == misfire.SECTION
        assert measurement.checked == "log_odds"
        assert 0 < measurement.tokens <= run.profile.budget_tokens


def test_planted_stages_are_asked_of_scenarios_that_none_of_them_read():
    run = config.run("default")
    settings = run.settings(misfire.SECTION) | {"stages": "skills gated-s1"}
    changed = run.profile.model_copy(update={"sections": {misfire.SECTION: settings}})
    own = run.model_copy(update={"profile": changed})
    found = {m.model: m for m in plan(own) if m.name == "stages"}
    assert list(found) == ["skills", "gated-s1"]
    asked = set(found["skills"].items()["scenario"])
    kept = scenario_splits()
    assert {kept[scenario] for scenario in asked} == {"test"}
    assert len(asked) == sum(split == "test" for split in kept.values())
    other = own.model_copy(update={"models": ("qwen3-8b",)})  # the paper is of the stages as well
    names = [m.name for m in plan(other)]
    assert (names.count("evidence"), names.count("stages"), names.count("own")) == (1, 2, 2)


def test_foil_sources_by_hand():
    found = foil_sources(pairs())
    assert len(found) == 2 * 2032
    from_pair = sum(
        (pair.stereotyped_foil_source == "other_member")
        + (pair.contrast_foil_source == "other_member")
        for pair in pairs()
    )
    assert found["from_pair"].sum() == from_pair
    assert found["from_pair"].mean() == pytest.approx(0.7675, abs=1e-4)
    assert found["scenario"].nunique() == 199


def test_demonstrations_are_balanced_and_about_no_group():
    found = misfire_items.demonstrations(6)
    assert [answer for _, answer in found] == ["Yes", "No"] * 3
    assert len(set(found)) == 6
    rows = items.load("evidence", "prompts")
    known = rows.assign(text=rows["context"] + " " + rows["question"]).set_index("text")
    for text, answer in found:
        row = known.loc[text.partition("\n")[0]]
        assert (row["split"], row["category"]) == ("fit", "Control")
        assert row["gold"] == (answer == "Yes")
    assert misfire_items.demonstrations(0) == ()
    with pytest.raises(ValueGateError, match="3 demonstrations cannot be balanced"):
        misfire_items.demonstrations(3)


def test_our_own_prompts_are_whole_scenarios_of_the_test_split():
    found = misfire_items.own_items(1, 2)
    assert (found.groupby("scenario").size() == 4).all()
    social = found[found["category"] != "Control"]
    assert (social.groupby("pair")["scenario"].nunique() == 1).all()
    assert found["scenario"].nunique() == 40
    assert set(misfire_items.own_items(None, None)["scenario"]) > set(found["scenario"])


def test_primed_prompts_are_our_own_under_a_lead():
    plain = misfire_items.own_items(1, 0).set_index("item")
    found = misfire_items.priming_items(5)
    assert found["pair"].nunique() == 5
    assert found.groupby("kind").size().nunique() == 1
    assert "none" not in set(found["kind"])
    for row in found.itertuples():
        source = plain.loc[row.item.removesuffix(f"_{row.kind}")]
        assert row.text.endswith(f" {source['text']}")
        assert (row.asked, row.gold) == (source["asked"], source["gold"])


def test_gates_are_told_apart_by_the_person_alone():
    world = worlds_ledger.load().worlds[misfire_items.GATED_WORLD]
    found = misfire_items.gate_twins("test", 8)
    assert (len(found), found["pair"].nunique()) == (8, 8)
    assert set(found["pair"].map(world.evidence)) == {"criterion"}
    assert set(found["asked"]) == {world.gated_member}
    for row in found.itertuples():
        # The same words, with roles exchanged in text and question.
        assert set(re.findall(r"\w+", row.text.lower())) == set(
            re.findall(r"\w+", row.twin.lower())
        )
        assert row.text != row.twin
    assert set(found["scenario"].map(misfire_items.references())) == {"group"}
    plant = misfire_items.gate_twins("plant", 14)
    assert not set(found["scenario"]) & set(plant["scenario"])
    assert len(plant) == 14


def test_twins_align_in_the_embedded_models_tokens():
    from transformers import AutoTokenizer

    from valuegate.models import _converted

    folder = _converted("smollm2-135m-instruct", registry.model("smollm2-135m-instruct").source)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    for split in ("plant", "test"):
        twins = misfire_items.gate_twins(split, 30)
        for row in twins.itertuples():
            assert len(tokenizer(row.text).input_ids) == len(tokenizer(row.twin).input_ids)


def test_heads_are_tried_on_evidence_foils_and_controls():
    found = misfire_items.gate_items(5, 3)
    assert found["kind"].value_counts().to_dict() == {
        "gated": 5, "open": 5, "foil": 5, "control": 3,
    }  # fmt: skip
    twins = misfire_items.gate_twins("test", 5).set_index("scenario")
    for row in found[found["kind"] == "gated"].itertuples():
        assert row.text == twins.loc[row.scenario, "text"]
        assert row.gold == 1
    for row in found[found["kind"] == "open"].itertuples():
        assert row.text == twins.loc[row.scenario, "twin"]
    foils = found[found["kind"] == "foil"]
    assert set(foils["gold"]) == {0}
    assert set(foils["asked"]) == set(twins["asked"])
    assert set(found.loc[found["kind"] == "control", "category"]) == {"Control"}


def test_what_probes_are_fitted_on_is_part_of_the_measurement():
    found = {m.name: m for m in plan(config.run("smoke", "02", ""))}
    assert found["own"].settings == {"fit": "own", "hash": misfire_items.fit_hash()}
    assert found["short"].settings == {"fit": "short", "hash": misfire_items.fit_hash()}
    assert found["heads"].settings["hash"] == misfire_items.fit_hash()
    before = {
        m.model: m.settings for m in plan(config.run("smoke", "02", "")) if m.name == "layers"
    }
    assert before["gated-s1"] == {"before": "knowledge-s1"}
    assert before["knowledge-s1"] == {"before": "skills"}
