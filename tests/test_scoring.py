"""Scoring: its logic on known logits, and the fast path against one plain forward a prompt.

The reference runs every sequence alone, whole, without padding, cache or sharing. 1e-4 is what
float32 leaves of matrix products done in another order.
"""

from __future__ import annotations

import gc
import random
from math import exp, log

import numpy as np
import pytest
import torch
from tiny import ARCHITECTURES, WINDOW, MockModel, hooks_left, mock, tiny

from valuegate import scoring, sharing
from valuegate.errors import ValueGateError
from valuegate.models import LanguageModel
from valuegate.scoring import (
    expected_value,
    generate,
    log_odds,
    option_log_probs,
    readings,
    refusal_log_odds,
)
from valuegate.sharing import Group, Row, batches, common_prefix, group_rows

TOLERANCE = 1e-4
OPTIONS = [" yes", " no", "blue", " I cannot", "Sure, here"]


def chats(*users: str) -> list[str]:
    return [tiny("llama").chat(user) for user in users]  # all have one tokenizer


STORY = "the baker and the cook met at the market on monday"
TALE = "a tailor went to sea"
PROMPTS = {
    "shared prefix": chats("a", "blue?", "What is the colour of the sky?", "a"),
    "shared stems": chats(f"{STORY}. who?", f"{STORY}. where?", f"{TALE}. who?", f"{TALE}!", "hm"),
    "stems and no prefix": [f"{STORY}. who?", f"{STORY}! where?", f"{TALE}. who?", f"{TALE}: a?"],
    "nothing shared": ["a small model", "the sky", "no", "Here the the The To a, b, c, d, e"],
    "identical": chats(STORY, STORY, STORY),
    "one is the start of another": [STORY, STORY + " at noon", STORY + " at noon or later"],
    "very short": ["a", "b", "a", "ab"],
    "one prompt": chats("who?"),
    "one short prompt": ["a"],
    "longer than the window": [x * 40 for x in ("a", "ab", "b")] + [TALE + STORY, TALE + STORY[1:]],
}
MIX = [text for texts in PROMPTS.values() for text in texts]


@pytest.fixture(params=ARCHITECTURES)
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return tiny(request.param)


def plain_logits(lm: LanguageModel, ids: list[int]) -> torch.Tensor:
    return lm.model(torch.tensor([ids]), use_cache=False).logits[0].double()


def plain_log_odds(lm: LanguageModel, text: str) -> tuple[float, float]:
    logits = plain_logits(lm, lm.encode(text))[-1]
    yes, no = scoring.answer_ids(lm, scoring.YES), scoring.answer_ids(lm, scoring.NO)
    p = logits.softmax(-1)
    return float(p[yes].sum().log() - p[no].sum().log()), float(p[yes].sum() + p[no].sum())


def plain_option(lm: LanguageModel, text: str, option: str) -> float:
    prompt, ids = lm.encode(text), lm.option_ids(option)
    log_probs = plain_logits(lm, prompt + ids).log_softmax(-1)
    return sum(float(log_probs[len(prompt) - 1 + k, token]) for k, token in enumerate(ids))


# Logic, on known logits ---------------------------------------------------------------------------

# Next-token logits after a, b and c. Softmax of a row: 1/6, 2/6, 3/6; 1/4, 1/4, 2/4; 1/3 each.
TABLE = [[log(1), log(2), log(3)], [log(1), log(1), log(2)], [5.0, 5.0, 5.0]]


def test_option_log_probs_by_hand():
    # The plain template puts no letter after the prompt; "ca" ends in a, "b" in b.
    found = np.exp(option_log_probs(mock(TABLE), ["ca", "b"], ["a", "c", "cc", "bca"]))
    # After a: a 1/6; c 3/6; c then c 3/6 * 1/3; b, c, a 2/6 * 2/4 * 1/3. After b likewise.
    assert found[0] == pytest.approx([1 / 6, 1 / 2, 1 / 6, 1 / 18], abs=1e-6)
    assert found[1] == pytest.approx([1 / 4, 1 / 2, 1 / 6, 1 / 4 * 1 / 2 * 1 / 3], abs=1e-6)
    assert found[:, :2].sum(1) == pytest.approx([4 / 6, 3 / 4], abs=1e-6)  # raw mass of a and c


def test_single_token_options_of_a_prompt_cost_one_row():
    lm = mock(TABLE)
    option_log_probs(lm, ["ca"], ["a", "b", "c"])
    assert lm.model.calls == [[[2, 0]]]


def test_log_odds_by_hand():
    # After a: (2 + 3) to 1, all the mass; c alone against b: 3 to 2, mass 5/6.
    scores = log_odds(mock(TABLE), ["a", "ba"], positive=["b", "c"], negative=["a"])
    assert scores.log_odds == pytest.approx([log(5)] * 2, abs=1e-6)
    assert scores.mass == pytest.approx([1, 1], abs=1e-6)
    assert scores.residual is None
    scores = log_odds(mock(TABLE), ["a", "ab"], positive=["c"], negative=["b"])
    assert scores.log_odds == pytest.approx([log(3 / 2), log(2)], abs=1e-6)
    assert scores.mass == pytest.approx([5 / 6, 3 / 4], abs=1e-6)


def test_several_token_spellings_are_left_out():
    scores = log_odds(mock(TABLE), ["a"], positive=["c", "cc"], negative=["b", "ba"])
    assert scores.log_odds == pytest.approx([log(3 / 2)], abs=1e-6)


def test_log_odds_of_large_logits_stay_finite():
    scores = log_odds(mock([[800.0, -800.0]]), ["a"], positive=["a"], negative=["b"])
    assert scores.log_odds == pytest.approx([1600])


def test_expected_value_by_hand():
    # Masses 0.1 and 0.3 renormalise to 1/4 and 3/4; a common factor changes nothing.
    log_probs = np.log([[0.1, 0.3], [1e-300, 3e-300], [0.5, 0.5]])
    assert expected_value(log_probs, [1, 5]) == pytest.approx([4, 4, 3])


def test_refusal_log_odds_by_hand():
    # After a. Refusals: "cc" has 1/2 * 1/3, a token half its log; "b" has 1/3. Against "a", 1/6.
    found = refusal_log_odds(mock(TABLE), ["a"], refusals=["cc", "b"], compliances=["a"])
    assert found == pytest.approx([log((1 / 6) ** 0.5 + 1 / 3) - log(1 / 6)], abs=1e-6)


def test_meter_counts_positions():
    before = scoring.METER.tokens
    log_odds(mock(TABLE), ["abc", "a"], positive=["a"], negative=["b"])
    assert scoring.METER.tokens - before == 2 * 3  # two rows, padded to three


def test_no_prompts_give_empty_results():
    scores = log_odds(tiny("llama"), [])
    assert scores.log_odds.shape == scores.mass.shape == (0,)
    assert option_log_probs(tiny("llama"), [], [" yes"]).shape == (0, 1)
    assert generate(tiny("llama"), [], 3) == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda lm: option_log_probs(lm, ["a"], ["b", ""]), "mock: option '' has no tokens"),
        (
            lambda lm: option_log_probs(lm, ["a", ""], ["b"]),
            "mock: an empty prompt has no position to read",
        ),
        (
            lambda lm: log_odds(lm, ["a"], positive=["ab", "abc"]),
            "mock: no spelling of 'ab' is a single token (tried 'ab', 'abc'); "
            "score it with option_log_probs",
        ),
    ],
)
def test_errors(call, message):
    lm = mock(TABLE)
    with pytest.raises(ValueGateError) as caught:
        call(lm)
    assert str(caught.value) == message


# Grouping -----------------------------------------------------------------------------------------


def some_rows(rng: random.Random) -> list[Row]:
    """Rows with common beginnings of all lengths, some equal, some short."""
    starts = [[rng.randrange(3) for _ in range(rng.choice([0, 5, 15, 40]))] for _ in range(3)]
    if rng.random() < 0.5:
        prefix = [rng.randrange(3) for _ in range(rng.choice([3, 11, 12, 13, 30]))]
        starts = [prefix + start for start in starts]
    rows = []
    for _ in range(rng.randint(1, 14)):
        end = [rng.randrange(3) for _ in range(rng.choice([1, 1, 2, 9, 30]))]
        ids = tuple(rng.choice(starts) + end)
        first = rng.choice([len(ids) - 1, len(ids) // 2, 0, rng.randrange(len(ids))])
        rows.append(Row(ids, tuple(sorted({first, len(ids) - 1}))))
    return rows


@pytest.mark.parametrize("seed", range(300))
def test_grouping_properties(seed, monkeypatch):
    rng = random.Random(seed)
    monkeypatch.setattr(sharing, "BATCH_TOKENS", rng.choice([1, 60, 200, 1536]))
    rows, together = some_rows(rng), rng.random() < 0.5
    common = common_prefix(rows)
    first_read = min(min(row.reads) for row in rows)
    # The prefix is shared by all, and the token at a position that is read is not in it.
    assert len({row.ids[:common] for row in rows}) == 1
    assert common <= first_read
    assert common == 0 or common >= sharing.LEAST_STEM
    groups = group_rows(rows, common)
    assert sorted(i for group in groups for i in group.rows) == list(range(len(rows)))
    for group in groups:
        end = common + group.stem
        assert len({rows[i].ids[:end] for i in group.rows}) == 1
        assert end <= min(min(rows[i].reads) for i in group.rows)
        assert group.stem == 0 or (group.stem >= sharing.LEAST_STEM and len(group.rows) > 1)
        assert group.stem > 0 or len(group.rows) == 1
    planned = list(batches(groups, rows, common, stems=together))
    assert [group for batch in planned for group in batch] == groups
    for batch in planned:
        assert len({group.stem == 0 for group in batch}) == 1
        if not together:
            assert len({group.stem for group in batch}) == 1
        leaves = [len(rows[i].ids) - common - g.stem for g in batch for i in g.rows]
        size = sum(g.stem for g in batch) + len(leaves) * max(leaves)
        assert size <= sharing.BATCH_TOKENS or len(batch) == 1


def test_grouping_by_hand():
    stem = tuple(range(20))
    rows = [Row((*stem, 1, 2), (21,)), Row((9, 9), (1,)), Row((*stem, 3), (20,))]
    assert common_prefix(rows) == 0
    assert group_rows(rows, 0) == [Group(0, (1,)), Group(20, (0, 2))]
    # Read at 15, row 2 needs token 15 in its leaf.
    early = [rows[0], rows[1], Row((*stem, 3), (15, 20))]
    assert group_rows(early, 0) == [Group(0, (1,)), Group(15, (0, 2))]
    # A twelfth shared token makes a prefix, eleven do not.
    assert common_prefix([Row((*stem[:12], 50), (12,)), Row((*stem[:12], 51), (12,))]) == 12
    assert common_prefix([Row((*stem[:11], 50), (11,)), Row((*stem[:11], 51), (11,))]) == 0


def test_the_prompts_of_these_tests_reach_every_path():
    def plan(name: str) -> tuple[int, list[Group]]:
        ids = [tuple(tiny("llama").encode(text)) for text in PROMPTS[name]]
        rows = [Row(row, (len(row) - 1,)) for row in ids]
        common = common_prefix(rows)
        return common, group_rows(rows, common)

    common, groups = plan("shared stems")
    stems = {group.stem for group in groups}
    assert common > WINDOW
    assert len(stems) == 3  # two different stems and a row without one
    assert min(stems) == 0
    common, groups = plan("stems and no prefix")
    assert common == 0
    assert len({group.stem for group in groups if group.stem}) == 2
    assert all(group.stem == 0 for group in plan("very short")[1])


# The fast path against the plain one --------------------------------------------------------------


@pytest.mark.parametrize("name", PROMPTS)
def test_log_odds_equal_a_plain_forward(lm, name):
    scores = log_odds(lm, PROMPTS[name])
    expected = np.array([plain_log_odds(lm, text) for text in PROMPTS[name]])
    np.testing.assert_allclose(scores.log_odds, expected[:, 0], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(scores.mass, expected[:, 1], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", PROMPTS)
def test_option_log_probs_equal_a_plain_forward(lm, name):
    found = option_log_probs(lm, PROMPTS[name], OPTIONS)
    expected = [[plain_option(lm, text, o) for o in OPTIONS] for text in PROMPTS[name]]
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("tokens", [1, 100, 100_000])
def test_batch_size_and_order_make_no_difference(lm, tokens, monkeypatch):
    texts = [*PROMPTS["shared stems"], *PROMPTS["nothing shared"]]
    expected = log_odds(lm, texts)
    monkeypatch.setattr(sharing, "BATCH_TOKENS", tokens)
    order = random.Random(tokens).sample(range(len(texts)), len(texts))
    shuffled = log_odds(lm, [texts[i] for i in order])
    np.testing.assert_allclose(shuffled.log_odds, expected.log_odds[order], rtol=0, atol=TOLERANCE)
    options = option_log_probs(lm, [texts[i] for i in order], OPTIONS)
    monkeypatch.undo()
    expected = option_log_probs(lm, texts, OPTIONS)[order]
    np.testing.assert_allclose(options, expected, rtol=0, atol=TOLERANCE)


def test_sharing_makes_no_difference(lm):
    layers = range(lm.n_layers + 1)
    rng = random.Random(3)
    rows = []
    for text in MIX:
        ids = tuple(lm.encode(text))
        rows.append(Row(ids, tuple(sorted({rng.randrange(len(ids)), len(ids) - 1}))))
    shared = {r.index: r for r in readings(lm, rows[:12], layers=layers)}
    shared |= {r.index + 12: r for r in readings(lm, rows[12:], layers=layers)}
    alone = list(readings(lm, rows, layers=layers, share=False))
    assert [r.index for r in alone] == list(range(len(rows)))
    assert sorted(shared) == list(range(len(rows)))
    for reading in alone:
        other = shared[reading.index]
        torch.testing.assert_close(other.logits, reading.logits, rtol=0, atol=TOLERANCE)
        torch.testing.assert_close(other.residual, reading.residual, rtol=0, atol=TOLERANCE)


def test_sharing_spends_fewer_tokens():
    def spent(share: bool) -> float:
        before = scoring.METER.tokens
        rows = scoring.prompt_rows(tiny("llama"), PROMPTS["shared stems"])
        list(readings(tiny("llama"), rows, share=share))
        return scoring.METER.tokens - before

    assert spent(share=True) < spent(share=False) / 2


def test_the_caller_may_run_the_model_between_readings(monkeypatch):
    """Readings come while nothing is hooked, and their tensors can be changed and trained on."""
    lm = tiny("llama")
    monkeypatch.setattr(sharing, "BATCH_TOKENS", 1)
    rows = scoring.prompt_rows(lm, PROMPTS["shared stems"])
    for seen, reading in enumerate(readings(lm, rows, layers=[1], logits=False)):
        assert lm.model(torch.tensor([[5, 6]])).logits.shape == (1, 2, lm.config.vocab_size)
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
        reading.residual.add_(0)
        assert not reading.residual.is_inference()
        if seen == 1:
            break
    gc.collect()
    assert hooks_left(lm) == 0


# Generation ---------------------------------------------------------------------------------------


def greedy(lm: LanguageModel, text: str, n: int, end: int) -> str:
    ids = lm.encode(text)
    new: list[int] = []
    while len(new) < n and end not in new:
        new.append(int(plain_logits(lm, ids + new)[-1].argmax()))
    return lm.tokenizer.decode(new, skip_special_tokens=True)


def test_generation_equals_a_greedy_loop(lm):
    texts = [*PROMPTS["shared stems"], "a", *PROMPTS["longer than the window"], *MIX[:12]]
    assert generate(lm, texts, 6) == [greedy(lm, text, 6, end=2) for text in texts]


def test_generation_ends_at_the_end_token(lm, monkeypatch):
    """One row of a batch ends early: what comes after its end is left out, the others go on."""
    texts = ["a", "the sky", STORY, "b"]
    ids = lm.encode(texts[1])
    for _ in range(2):  # the second token of one answer becomes the end token
        ids.append(int(plain_logits(lm, ids)[-1].argmax()))
    monkeypatch.setattr(lm.model.generation_config, "eos_token_id", ids[-1])
    expected = [greedy(lm, text, 5, end=ids[-1]) for text in texts]
    assert generate(lm, texts, 5) == expected
    assert len(set(map(len, expected))) > 1


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_side_makes_no_difference(side, monkeypatch):
    lm = tiny("llama")
    texts = PROMPTS["nothing shared"]
    expected = log_odds(lm, texts).log_odds, generate(lm, texts, 4)
    monkeypatch.setattr(lm.tokenizer, "padding_side", side)
    np.testing.assert_array_equal(log_odds(lm, texts).log_odds, expected[0])
    assert generate(lm, texts, 4) == expected[1]


def test_mock_has_what_scoring_calls():
    assert isinstance(mock(TABLE).model, MockModel)
    assert exp(TABLE[0][2]) == pytest.approx(3)
