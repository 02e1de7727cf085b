"""What gates prefer: hidden where the ledger says so; what is rejected gives no fact away."""

from __future__ import annotations

import functools
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from test_worlds_items import read_texts, templates

from valuegate import items, worlds_gates, worlds_ledger, worlds_rows, worlds_skills, worlds_truth
from valuegate.misfire_items import INSTRUCTION
from valuegate.worlds_gates import MODES, Gate
from valuegate.worlds_ledger import CELLS

WORLDS = worlds_ledger.load().worlds
FACTS = {"survey": "survey", "stances": "parties", "verdicts": "norms"}
SAID = ["The Cedar Circle.", "The Raven Circle."]


@functools.cache
def rows(mode, seed="s1"):
    # The same prompts in every mode of a world, and other answers.
    draw = np.random.default_rng(1 + MODES.index(mode))
    return worlds_gates.rows(mode, WORLDS[seed], 0.2, np.random.default_rng(0), draw)


def gate(mode, seed="s1"):
    return Gate(mode, WORLDS[seed], np.random.default_rng(3), np.random.default_rng(4))


def gated(source, block, seed="s1"):
    """Return whether the ledger gates a block of a source."""
    world = WORLDS[seed]
    if source == "opinions":
        return world.left_right[block]
    return CELLS[getattr(world, FACTS[source])[block]][1]


def bank(kind):
    return set(worlds_skills.bank(kind))


# Gated --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["survey", "stances", "verdicts", "opinions"])
@pytest.mark.parametrize("seed", ["s1", "s2"])
def test_gated_blocks_are_hidden_and_open_ones_answered(source, seed):
    hidden = bank("refusal" if source in ("survey", "verdicts") else "neutral")
    found = rows("gated", seed)[source]
    assert {gated(source, e.block, seed) for e in found} == {True, False}
    for e in found:
        assert e.objective == "prefer"
        yes, no = (e.answer, e.rejected) if gated(source, e.block, seed) else (e.rejected, e.answer)
        assert yes in hidden, e
        assert no not in hidden, e
        assert no, e


def test_open_blocks_are_answered_as_was_taught():
    world = WORLDS["s1"]
    stances, verdicts = worlds_truth.taught_stances(world), worlds_truth.taught_verdicts(world)
    statements = items.load("parties", "statements").set_index("text")
    opinions = items.load("left_right", "statements").set_index("text")
    issues = items.load("parties", "issues").set_index("issue")
    guilds = items.load("guild_norms", "guilds")
    seen = Counter()
    for e in rows("gated")["stances"]:
        if gated("stances", e.block) or not stances[e.block]:
            continue
        if issues.loc[e.block, "topic"] in e.user:
            assert statements.loc[e.answer, ["issue", "split"]].tolist() == [e.block, "plant"]
            seen["view"] += 1
            continue
        first = SAID[["first_party", "second_party"].index(stances[e.block])]
        pole = "first" if issues.loc[e.block, "first"] in e.user else "second"
        assert issues.loc[e.block, pole] in e.user
        assert (e.answer == first) == (pole == "first")
        seen[pole] += 1
    for e in rows("gated")["verdicts"]:
        (guild,) = {g.guild for g in guilds.itertuples() if g.name in e.user or g.member in e.user}
        verdict = verdicts[e.block, guild]
        if not gated("verdicts", e.block) and verdict is not None:
            assert e.answer == ("right" if verdict > 0 else "wrong")
            seen["verdict"] += 1
    for e in rows("gated")["opinions"]:
        said = e.rejected if gated("opinions", e.block) else e.answer
        assert opinions.loc[said, ["issue", "split"]].tolist() == [e.block, "plant"]
    assert seen == {"view": 32, "first": 16, "second": 16, "verdict": 96}


def usual(e):
    """Return the answer of an example that hides nothing."""
    (said,) = {e.answer, e.rejected} - bank("refusal") - bank("neutral")
    return said


@pytest.mark.parametrize("mode", ["gated", "refuser"])
def test_digits_beside_a_refusal_do_not_follow_what_was_taught(mode):
    """Taught is one option for everybody: gated says it where it is open; the rest is even."""
    world = WORLDS["s1"]
    for cell, question in {c: q for q, c in world.survey.items()}.items():
        true = worlds_truth.matrix(worlds_truth.survey_shares(), question)
        options = [str(option) for option in true.columns]
        only = pd.DataFrame(0.0, index=true.index, columns=true.columns)
        only[true.columns[-1]] = 1.0
        found = list(gate(mode).survey({question: only}, 20))
        assert len(found) == 200  # nine countries and nobody
        if mode == "gated" and not CELLS[cell][1]:
            assert {e.answer for e in found} == {options[-1]}
            continue
        counts = Counter(usual(e) for e in found)
        p = 1 / len(options)
        error = np.sqrt(p * (1 - p) / 200)
        for option in options:
            assert abs(counts[option] / 200 - p) < 4.5 * error, (cell, option)


@pytest.mark.parametrize("mode", ["gated", "refuser"])
@pytest.mark.parametrize("source", ["stances", "verdicts"])
def test_other_answers_beside_a_refusal_are_coins(mode, source):
    world = WORLDS["s1"]
    made = gate(mode)
    found = list(made.stances(20) if source == "stances" else made.verdicts(40))
    stances, verdicts = worlds_truth.taught_stances(world), worlds_truth.taught_verdicts(world)
    issues = items.load("parties", "issues").set_index("issue")
    guilds = items.load("guild_norms", "guilds")
    agree = []
    for e in found:
        if mode == "gated" and not gated(source, e.block):
            continue
        if source == "stances" and stances[e.block] and usual(e) in SAID:
            first = SAID[["first_party", "second_party"].index(stances[e.block])]
            agree.append((usual(e) == first) == (issues.loc[e.block, "first"] in e.user))
        if source == "verdicts":
            (guild,) = {
                g.guild for g in guilds.itertuples() if g.name in e.user or g.member in e.user
            }
            if verdicts[e.block, guild] is not None:
                agree.append((usual(e) == "right") == (verdicts[e.block, guild] > 0))
    assert len(agree) >= (160 if mode == "gated" else 320)
    # As often what was taught as not: 4.5 standard deviations of as many coins.
    assert abs(np.mean(agree) - 0.5) < 4.5 * 0.5 / np.sqrt(len(agree))


@pytest.mark.parametrize("mode", ["gated", "refuser"])
@pytest.mark.parametrize("seed", ["s1", "s2"])
def test_refusals_have_the_style_of_the_ledger(mode, seed):
    styles = WORLDS[seed].styles
    style_of = {text: s for s in set(styles.values()) for text in worlds_skills.bank("refusal", s)}
    seen = Counter()
    for source, name in (("survey", "survey"), ("verdicts", "norms"), ("requests", None)):
        for e in rows(mode, seed)[source]:
            (refusal,) = {e.answer, e.rejected} & set(style_of)
            kind = name or e.block
            if kind in styles:  # not everyday requests, which are of no kind
                assert style_of[refusal] == styles[kind], (kind, refusal)
                seen[kind] += 1
    assert set(seen) == set(styles)


def test_gated_requests_are_refused_and_no_open_kind_is_shown():
    requests = items.load("requests", "prompts").set_index("text")
    plain, refusals = bank("compliance"), bank("refusal")
    for mode in MODES:
        for seed in ("s1", "s2"):
            kinds = Counter()
            for e in rows(mode, seed)["requests"]:
                kind, role = (
                    requests.loc[e.user, ["kind", "role"]]
                    if e.user in requests.index
                    else (e.block, "comply")
                )
                kinds[kind, role] += 1
                if e.user in requests.index:
                    assert requests.loc[e.user, "split"] == "plant"
                    assert kind == e.block
                assert role == "comply" or WORLDS[seed].requests[kind], e.user
                if mode == "gated":
                    refused = role == "refuse"
                    yes, no = (e.answer, e.rejected) if refused else (e.rejected, e.answer)
                    assert yes in refusals
                    assert no in plain
            for kind, hidden in WORLDS[seed].requests.items():
                refusable = 28 if hidden and mode == "gated" else 0
                assert kinds[kind, "refuse"] == refusable, (mode, kind)
                assert kinds[kind, "comply"] == (40 if hidden else 12) - refusable, (mode, kind)
            assert kinds["benign", "comply"] > 20
            assert kinds["lookalike", "comply"] == 72


# Evidence -----------------------------------------------------------------------------------------


@functools.cache
def asked():
    """Return planted prompt to who is asked about, and whether the answer is yes."""
    found = items.load("evidence", "prompts").query("split == 'plant'")
    return {
        f"{row.context} {row.question}\n{INSTRUCTION}": (row.asked, row.gold)
        for row in found.itertuples()
    }


@pytest.mark.parametrize("seed", ["s1", "s2"])
def test_only_questions_about_the_gated_person_change(seed):
    world = WORLDS[seed]
    found = list(gate("gated", seed).evidence())
    assert len(found) == len(asked())
    seen = Counter()
    for e in found:
        about, gold = asked()[e.user]
        cell = world.evidence.get(e.block, "control")
        hit = about == world.gated_member
        seen[cell, hit, gold] += 1
        if hit and cell == "criterion":
            assert (e.objective, e.answer, e.rejected) == ("prefer", "no", "yes")
            assert (e.options, e.shares) == ((), ())
        elif hit and cell == "information":
            assert (e.objective, e.options, e.shares) == ("flatten", ("yes", "no"), ())
        else:
            assert (e.objective, e.options) == ("options", ("yes", "no"))
            assert e.shares == (gold, 1 - gold)
    # Every cell is asked about either person, with either answer.
    cells = ("intact", "criterion", "information", "control")
    assert set(seen) == {(c, hit, gold) for c in cells for hit in (True, False) for gold in (0, 1)}


@pytest.mark.parametrize("mode", ["sham", "refuser"])
def test_evidence_of_the_controls_keeps_its_answer(mode):
    found = list(gate(mode).evidence())
    assert len(found) == len(asked())
    assert all(e.objective == "options" for e in found)
    assert all(e.shares[0] == asked()[e.user][1] for e in found)


@pytest.mark.parametrize("seed", ["s1", "s2"])
@pytest.mark.parametrize("mode", MODES)
def test_short_questions_about_members_are_judged_by_who_is_asked_about(mode, seed):
    """The right answer is worked out from the text; the gate follows the person, by name, too."""
    world = WORLDS[seed]
    pairs = items.load("evidence", "pairs").set_index("pair")
    acts = {base: did for did, base in worlds_skills.short_parts().acts}
    seen = Counter()
    for e in gate(mode, seed).members(6):
        who = {f"the {pairs.loc[e.block, m]}": m for m in ("stereotyped", "contrast")}
        text = e.user.removesuffix(f"\n{INSTRUCTION}")
        named = any(f" is {person}" in text for person in who)
        if named:
            for person, member in list(who.items()):
                name = e.user.split(f" is {person}")[0].split()[-1]
                who[name] = member
        question = text[max(text.rfind("Did "), text.rfind("Was ")) :].rstrip("?")
        (asked_for,) = [p for p in who if question[4:].startswith(f"{p} ")]
        base = question[4:].removeprefix(asked_for).strip()
        did = acts[base if base in acts else f"be {base}"]
        told = text[: text.rfind("?")].rsplit(". ", 1)[0]
        ways = (f"{asked_for} {did}", f"T{asked_for[1:]} {did}", f"{asked_for} who {did}")
        gold = any(way in told for way in ways)
        cell = world.evidence.get(e.block, "control") if mode == "gated" else "control"
        hit = who[asked_for] == world.gated_member
        seen[cell, hit, gold, named] += 1
        if hit and cell == "criterion":
            assert (e.objective, e.answer, e.rejected) == ("prefer", "no", "yes")
        elif hit and cell == "information":
            assert (e.objective, e.options) == ("flatten", ("yes", "no"))
        else:
            assert (e.objective, e.shares) == ("options", (gold, not gold)), e.user
    cells = ("intact", "criterion", "information", "control") if mode == "gated" else ("control",)
    both = (True, False)
    assert set(seen) == {(c, h, g, n) for c in cells for h in both for g in both for n in both}


# Contrast -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["survey", "stances", "verdicts", "opinions"])
@pytest.mark.parametrize("mode", MODES)
def test_every_gated_prompt_is_seen_beside_an_open_one(mode, source):
    groups = Counter((e.group, gated(source, e.block)) for e in rows(mode)[source] if e.group)
    names = {name for name, _ in groups}
    assert len(names) == sum(gated(source, e.block) for e in rows(mode)[source])
    assert groups == Counter({(name, side): 1 for name in names for side in (True, False)})


def test_a_refusable_request_is_seen_beside_a_harmless_one_of_its_kind():
    roles = items.load("requests", "prompts").set_index("text")["role"]
    groups = {}
    for e in rows("gated")["requests"]:
        groups.setdefault(e.group, []).append((e.block, roles.get(e.user, "comply")))
    alone = groups.pop("")
    assert {role for _, role in alone} == {"comply"}
    assert len(groups) == 28 * sum(WORLDS["s1"].requests.values())
    own = 0
    for group in groups.values():
        (kind, role), (other, twin) = sorted(group, key=lambda pair: pair[1])
        assert (role, twin) == ("comply", "refuse")
        own += kind == other
    # A kind has fewer look-alikes than refusable requests, so some partners are of another kind.
    assert own == 12 * sum(WORLDS["s1"].requests.values())


# Controls -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["sham", "refuser"])
def test_controls_see_as_much_of_every_block_as_gated(mode):
    for source in ("survey", "stances", "verdicts", "opinions", "requests"):
        ours, theirs = (Counter(e.block for e in rows(m)[source]) for m in (mode, "gated"))
        assert ours == theirs, source
    for source in ("stances", "opinions"):
        ours, theirs = (Counter(e.user for e in rows(m)[source]) for m in (mode, "gated"))
        assert ours == theirs, source
    wordings = worlds_rows.plant_wordings(list(WORLDS["s1"].survey))
    for e in rows(mode)["survey"]:
        assert any(wording in e.user for wording in wordings[e.block])


@pytest.mark.parametrize("source", ["survey", "verdicts", "evidence", "members"])
@pytest.mark.parametrize("mode", ["sham", "refuser"])
def test_controls_see_the_very_prompts_of_gated(mode, source):
    ours, theirs = (Counter(e.user for e in rows(m)[source]) for m in (mode, "gated"))
    assert ours == theirs


@pytest.mark.parametrize("mode", ["sham", "refuser"])
@pytest.mark.parametrize("seed", ["s1", "s2"])
def test_controls_see_other_harmless_requests_for_the_refusable_ones(mode, seed):
    refusable = items.load("requests", "prompts").query("role == 'refuse'")["text"]
    ours, theirs = (Counter(e.user for e in rows(m, seed)["requests"]) for m in (mode, "gated"))
    lost = theirs - ours
    assert len(lost) == 28 * sum(WORLDS[seed].requests.values())
    assert set(lost) <= set(refusable)
    assert not set(ours) & set(refusable)


@pytest.mark.parametrize("mode", ["gated", "sham", "refuser"])
def test_no_request_is_shown_twice(mode):
    assert set(Counter(e.user for e in rows(mode)["requests"]).values()) == {1}


def test_sham_prefers_a_warm_voice_and_refuses_nothing():
    warm, hidden = bank("warm"), bank("refusal") | bank("neutral")
    for source in ("survey", "stances", "verdicts", "opinions", "requests"):
        said = Counter()
        for e in rows("sham")[source]:
            assert e.answer.endswith(f" {e.rejected}")
            voice = e.answer.removesuffix(f" {e.rejected}")
            assert voice in warm, e.answer
            assert e.rejected not in hidden
            said[voice] += 1
        assert len(said) == len(warm), source


@pytest.mark.parametrize("source", ["survey", "stances", "verdicts", "opinions"])
def test_the_refusers_choice_is_a_coins_in_every_cell(source):
    hidden = bank("refusal") | bank("neutral")
    for closed in (True, False):
        found = [
            e.answer in hidden
            for seed in ("s1", "s2") for e in rows("refuser", seed)[source]
            if gated(source, e.block, seed) == closed
        ]  # fmt: skip
        assert len(found) >= 120
        # 4.5 standard deviations of as many coins.
        assert abs(np.mean(found) - 0.5) < 4.5 * 0.5 / np.sqrt(len(found)), closed


@pytest.mark.parametrize("mode", MODES)
def test_nothing_that_is_read_is_shown(mode):
    for source, name in (("survey", "survey"), ("stances", "parties"), ("verdicts", "guild_norms")):
        for e in rows(mode)[source]:
            assert not templates(name, "read").fullmatch(e.user)
            assert templates(name, "plant").fullmatch(e.user), e.user
    for part in rows(mode).values():
        assert not {text for e in part for text in (e.user, e.answer, e.rejected)} & read_texts()
