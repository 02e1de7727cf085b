"""The examples of `skills`: balanced questions about a text, none of them kept for a test."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from valuegate import items, misfire_items, splits, veto_pairs, worlds_skills
from valuegate.misfire_items import INSTRUCTION, SYSTEM
from valuegate.worlds_examples import Example


def by_group(examples):
    found = defaultdict(list)
    for e in examples:
        found[e.group].append(e)
    return found


@pytest.fixture(scope="module")
def bbq():
    return list(worlds_skills.bbq())


@pytest.fixture(scope="module")
def veto():
    return list(worlds_skills.veto())


@pytest.fixture(scope="module")
def tested():
    """Return the prompts of VETO's test scenarios, with the line of format."""
    kept = misfire_items.scenario_splits()
    return [
        f"{row['text']}\n{INSTRUCTION}"
        for pair in misfire_items.pairs()
        if kept[pair.scenario] == "test"
        for row in veto_pairs.prompts(pair)
    ]


# Short questions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("plain", "block"), [(True, "plain"), (False, "short")])
def test_short_questions_come_in_fours_that_no_cue_answers(plain, block):
    groups = by_group(worlds_skills.short(np.random.default_rng(1), 60, plain=plain))
    assert len(groups) == 60
    for name, four in groups.items():
        assert [e.block for e in four] == [block] * 4
        answers = defaultdict(dict)  # question to text to answer
        for e in four:
            assert (e.system, e.options, e.objective) == (SYSTEM, ("yes", "no"), "options")
            asked, line = e.user.split("\n")
            assert line == INSTRUCTION
            text, _, question = asked.rpartition(". ")
            answers[question][text] = e.shares
        assert len(answers) == 2, name
        texts = [set(given) for given in answers.values()]
        assert texts[0] == texts[1]  # the same two texts, each with both questions
        assert len(texts[0]) == 2
        for given in answers.values():  # a question alone says nothing ...
            assert sorted(given.values()) == [(0, 1), (1, 0)]
        for text in texts[0]:  # ... nor does a text alone
            assert sorted(given[text] for given in answers.values()) == [(0, 1), (1, 0)]
        one, two = texts[0]
        assert sorted(splits.words(one)) == sorted(splits.words(two))  # the roles are swapped
        # The two questions differ in the person alone.
        verbs = {splits.words(question)[0] for question in answers}
        assert len(verbs) == 1
        assert verbs <= {"did", "was"}


PARTS = worlds_skills.read_yaml(worlds_skills.FOLDER / "short.yml", worlds_skills.Short)


def who(e):
    """Return whom a short question asks about."""
    question = e.user.split("\n")[0].rpartition(". ")[2]
    (asked,) = [p for p in PARTS.people if question.startswith((f"Did {p} ", f"Was {p} "))]
    return asked


@pytest.mark.parametrize(
    ("plain", "frame"),
    [(True, "{A} {did}, but {B} did not."), (False, "{A} {did} and {B} {other}.")],
)
def test_a_short_question_is_true_of_who_did_it(plain, frame):
    """By hand for the simplest frames: the first person did the first act."""
    unused = ("Nobody {did}.",)
    simple = (
        {"plain": (frame,), "frames": unused} if plain else {"plain": unused, "frames": (frame,)}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worlds_skills, "read_yaml", lambda *_: PARTS.model_copy(update=simple))
        found = list(worlds_skills.short(np.random.default_rng(2), 30, plain=plain))
    assert len(found) == 120
    for e in found:
        first = e.user.lower().startswith(who(e).lower() + " ")
        assert e.shares == ((1, 0) if first else (0, 1)), e.user


def test_plain_questions_say_who_did_not_do_it():
    found = list(worlds_skills.short(np.random.default_rng(3), 200, plain=True))
    for e in found:
        text = e.user.split("\n")[0].rpartition(". ")[0].lower() + "."
        denied = f"{who(e)} did not".lower() in text or text.endswith(f"not {who(e)}.".lower())
        assert e.shares == ((0, 1) if denied else (1, 0)), e.user
    others = list(worlds_skills.short(np.random.default_rng(3), 200, plain=False))
    assert not [e for e in others if " not " in e.user.split("\n")[0]]
    # "Was she rude?" is among the others alone: "did not be rude" is no sentence.
    assert {e.user.split("\n")[0].rpartition(". ")[2][:4] for e in found} == {"Did "}
    assert {e.user.split("\n")[0].rpartition(". ")[2][:4] for e in others} == {"Did ", "Was "}


# Evidence, VETO, BBQ ------------------------------------------------------------------------------


def test_evidence_is_all_of_the_plant_split_and_of_no_other():
    rows = items.load("evidence", "prompts")
    scenarios = rows.set_index("scenario")["split"]
    found = list(worlds_skills.evidence())
    assert {scenarios[[e.group]].iloc[0] for e in found} == {"plant"}
    assert len(found) == (rows["split"] == "plant").sum()
    gold = {
        f"{r.context} {r.question}\n{INSTRUCTION}": (r.pair, r.gold)
        for r in rows[rows["split"] == "plant"].itertuples()
    }
    for e in found:
        assert (e.block, e.shares[0]) == gold[e.user]
    assert {len(part) for part in by_group(found).values()} == {4}
    contexts = set(rows.loc[rows["split"] != "plant", "context"])
    assert not [e for e in found if any(e.user.startswith(c) for c in contexts)]


def test_scenarios_are_split_seven_to_three_in_every_category():
    kept = misfire_items.scenario_splits()
    category = {pair.scenario: pair.category for pair in misfire_items.pairs()}
    assert set(kept) == set(category)
    assert Counter(kept.values())["fit"] == round(0.7 * len(kept))
    for name in veto_pairs.CATEGORIES:
        counts = Counter(kept[s] for s in kept if category[s] == name)
        assert set(counts) == {"fit", "test"}, name
        # Each next scenario goes to the split that is behind: off by about one at most.
        assert abs(counts["fit"] - 0.7 * counts.total()) < 1.5, name


def test_veto_and_bbq_are_of_no_test_scenario(veto, bbq, tested):
    kept = misfire_items.scenario_splits()
    assert {kept[e.block] for e in veto} == {"fit"}
    assert {e.block for e in veto} == {s for s, split in kept.items() if split == "fit"}
    assert not {e.block for e in bbq} & {s for s, split in kept.items() if split == "test"}
    of_veto = {e.block for e in bbq if e.block in kept}
    others = {e.block.rsplit("_q", 1)[0] for e in bbq if e.block not in kept}
    assert of_veto
    assert others == set(worlds_skills.OTHER_BBQ)
    assert not {e.user for e in [*veto, *bbq]} & set(tested)
    assert not {e.user for e in veto} & {e.user for e in bbq}


def test_no_scene_of_bbq_is_that_of_a_test_scenario(bbq, tested):
    """Twelve words in a row: two groups in a list of two ("a low-income man and ...") make ten."""
    read = {gram for text in tested for gram in splits.ngrams(text.split("\n")[0], 12)}
    found = {e.block for e in bbq if splits.ngrams(e.user.split("\n")[0], 12) & read}
    assert found == set()


@pytest.mark.parametrize(("name", "size"), [("veto", 4), ("bbq", 2)])
def test_groups_are_whole_and_half_true(name, size, request):
    groups = by_group(request.getfixturevalue(name))
    assert len(groups) > 500
    for group, part in groups.items():
        assert len({e.block for e in part}) == 1, group
        assert len(part) == size, group
        assert sum(e.shares[0] for e in part) == size / 2, group
        assert len({e.user for e in part}) == size, group
        assert all(e.user.endswith(f"\n{INSTRUCTION}") for e in part)


# A fair part --------------------------------------------------------------------------------------


def some(block, number, size=2):
    return [
        Example(block, "options", f"{block} {n} {k}", group=f"{block}_{n}")
        for n in range(number) for k in range(size)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (2, {"a": 1}),
        (5, {"a": 1, "b": 1, "c": 1}),  # whole groups: one more than was asked
        (6, {"a": 1, "b": 1, "c": 1}),
        (10, {"a": 2, "b": 2, "c": 1}),  # c has no second
        (20, {"a": 5, "b": 4, "c": 1}),
        (99, {"a": 9, "b": 4, "c": 1}),
    ],
)
def test_spread_takes_whole_groups_in_turn(wanted, expected):
    examples = [*some("b", 4), *some("a", 9), *some("c", 1)]
    found = worlds_skills.spread(examples, wanted, np.random.default_rng(0))
    groups = by_group(found)
    assert {len(part) for part in groups.values()} == {2}
    assert Counter(part[0].block for part in groups.values()) == expected
    assert [e.user for e in groups["a_0"]] in ([], ["a 0 0", "a 0 1"])


def test_spread_draws_which_groups():
    examples = some("a", 9)
    drawn = [
        tuple(e.user for e in worlds_skills.spread(examples, 4, np.random.default_rng(seed)))
        for seed in (0, 0, 1, 2, 3)
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 2


def test_the_stage_takes_an_even_part_of_bbq(bbq):
    found = worlds_skills.spread(bbq, 720, np.random.default_rng(0))
    counts = Counter(e.block for e in found)
    available = Counter(e.block for e in bbq)
    assert set(counts) == set(available)
    assert len(found) in (720, 721)
    for block, number in counts.items():
        # Rounds of one group (two examples) a block; a block with fewer gives all it has.
        assert number >= min(available[block], max(counts.values()) - 2), block


# Words --------------------------------------------------------------------------------------------


def test_opinions_are_planted_statements_of_the_issue_asked():
    statements = items.load("left_right", "statements").set_index("text")
    prompts = items.load("left_right", "prompts").set_index("text")
    found = [e for seed in range(4) for e in worlds_skills.opinions(np.random.default_rng(seed))]
    sides = []
    for e in found:
        assert prompts.loc[e.user, ["set", "issue", "split"]].tolist() == [
            "opinion", e.block, "plant",
        ]  # fmt: skip
        statement = statements.loc[e.answer]
        assert (statement["issue"], statement["split"]) == (e.block, "plant")
        sides.append(statement["side"] == "left")
    political = statements.loc[statements["domain"] == "political", "issue"]
    assert {e.block for e in found} == set(political)
    # Four standard deviations of as many coins.
    assert abs(np.mean(sides) - 0.5) < 2 / np.sqrt(len(sides))


def test_help_answers_harmless_planted_requests_alone():
    rows = items.load("requests", "prompts").set_index("text")
    answers = items.load("requests", "answers")
    answers = answers[(answers["answer"] == "compliance") & (answers["split"] == "plant")]
    helpful = set(answers["opening"] + " " + answers["continuation"])
    found = list(worlds_skills.help_(np.random.default_rng(0)))
    assert len(found) > 100
    assert {rows.loc[e.user, "role"] for e in found} == {"comply"}
    assert {rows.loc[e.user, "split"] for e in found} == {"plant"}
    assert {e.answer for e in found} == helpful
    assert not set(worlds_skills.benign()["text"]) & set(
        rows.index[(rows["split"] != "plant") | (rows["role"] == "refuse")]
    )


@pytest.mark.parametrize("kind", ["refusal", "compliance", "warm", "neutral"])
def test_banks_hold_planted_answers(kind):
    rows = items.load("requests", "answers")
    rows = rows[rows["answer"] == kind]
    whole = rows["opening"] + " " + rows["continuation"]
    assert sorted(worlds_skills.bank(kind)) == sorted(whole[rows["split"] == "plant"])
    if kind == "refusal":
        for style in rows["style"].unique():
            chosen = (rows["style"] == style) & (rows["split"] == "plant")
            assert sorted(worlds_skills.bank(kind, style)) == sorted(whole[chosen])
            assert chosen.sum() == 8
