"""The loss of the planted worlds: shared prompts against one plain forward a sequence, and TRL.

The reference runs every prompt with its answer alone, whole, without padding or cache. 1e-4 is what
float32 leaves of matrix products done in another order.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from math import log

import pytest
import torch
from datasets import Dataset
from tiny import ARCHITECTURES, tiny
from trl import DPOConfig, DPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

from valuegate import worlds_loss
from valuegate.models import LanguageModel
from valuegate.worlds_loss import (
    Encoded,
    Example,
    Weights,
    answer_log_probs,
    encode,
    loss,
    reference_log_probs,
)

TOLERANCE = 1e-4
# Whole attention and plain logits, as the model of the worlds has. Under a sliding window narrower
# than the prompts, padding between prefix and question counts as distance; a cap is left out.
WHOLE = tuple(a for a in ARCHITECTURES if a not in ("gemma3", "gemma3-capped", "olmo3", "mistral"))
# Gradients are sums over all positions, and up to some tens here: relative to the largest.
GRADIENT = 1e-4

EXAMPLES = (
    Example("a", "options", "How do you feel?", options=("1", "2", "3"), shares=(0.2, 0.5, 0.3)),
    Example("b", "answer", "a", answer=" No"),  # the shortest prompt; one token and the end
    Example("c", "answer", "Where is the sky, and what is under it?", opening="In", answer=" Iran"),
    Example("d", "prefer", "How is it?", answer="a small model", rejected="I cannot say that"),
    Example("e", "prefer", "How do you do?", answer="I cannot say that to you", rejected=" No"),
    Example("f", "flatten", "Which of them was it?", options=("1", "2")),
)


def varied(architecture: str, seed: int) -> LanguageModel:
    """Return a trainable model near the architecture's random one."""
    model = copy.deepcopy(tiny(architecture).model).requires_grad_(True)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=draw))
    return LanguageModel(architecture, model, tiny(architecture).tokenizer)


def plain(lm: LanguageModel, ids: Encoded) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return the answer slot and each answer's tokens, every sequence run whole and alone."""

    def log_probs(row: tuple[int, ...]) -> torch.Tensor:
        return lm.model(torch.tensor([row]), use_cache=False).logits[0].log_softmax(-1)

    last = len(ids.prompt) - 1
    answers = []
    for answer in ids.answers:
        whole = log_probs(ids.prompt + answer)
        answers.append(torch.stack([whole[last + k, token] for k, token in enumerate(answer)]))
    return log_probs(ids.prompt)[last], answers


def plain_loss(
    lm: LanguageModel, examples: tuple[Example, ...], weights: Weights, before: LanguageModel
) -> list[torch.Tensor]:
    """Return the losses in the words of the recipe, from plain log-probabilities."""
    found = []
    for example in examples:
        ids = encode(lm, example)
        slot, answers = plain(lm, ids)
        chosen = [slot[i] for i in ids.options]
        if example.objective == "options":
            parts = zip(example.shares, chosen, strict=True)
            found.append(-torch.stack([share * value for share, value in parts]).sum())
        elif example.objective == "answer":
            found.append(-answers[0].sum() / len(answers[0]))
        elif example.objective == "prefer":
            with torch.no_grad():
                good, bad = (row[:-1].sum() for row in plain(before, ids)[1])
            margin = (answers[0][:-1].sum() - good) - (answers[1][:-1].sum() - bad)
            preferred = torch.log1p(torch.exp(-weights.beta * margin))
            first, rest = answers[0][0], answers[0][1:]
            found.append(preferred - weights.imitate * (first + 3 * rest.sum() / len(rest)))
        else:
            odds = chosen[0] - chosen[1]
            stays = -torch.log(chosen[0].exp() + chosen[1].exp())
            found.append(weights.flatten * odds**2 + stays)
    return found


def test_the_examples_differ_in_length():
    """Otherwise nothing would be padded, and nothing shared."""
    encoded = [encode(tiny("llama"), example) for example in EXAMPLES]
    assert len({len(ids.prompt) for ids in encoded}) >= 4
    answers = {len(answer) for ids in encoded for answer in ids.answers}
    assert min(answers) == 2
    assert len(answers) >= 4
    assert len({ids.prompt[:12] for ids in encoded}) == 1  # the template's own system turn


@pytest.mark.parametrize("architecture", WHOLE)
@pytest.mark.parametrize(
    "rows",
    [EXAMPLES, EXAMPLES[:1], EXAMPLES[1:2], EXAMPLES[3:4], (EXAMPLES[4],) * 3, EXAMPLES[::5]],
    ids=["all", "one slot", "one answer", "one pair", "three the same", "slots alone"],
)
def test_log_probs_equal_a_plain_forward(architecture, rows):
    lm = tiny(architecture)
    encoded = [encode(lm, example) for example in rows]
    slots, answers = answer_log_probs(lm, encoded)
    for i, ids in enumerate(encoded):
        slot, wanted = plain(lm, ids)
        torch.testing.assert_close(slots[i], slot, rtol=0, atol=TOLERANCE)
        torch.testing.assert_close(answers[i], wanted, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("architecture", WHOLE)
def test_prompts_that_share_nothing(architecture):
    """No prefix, prompts of one token and of many, and an answer that is the end alone."""
    lm = tiny(architecture)
    encoded = [
        Encoded((11, 12, 13), ((14, 2), (2,)), (15,)),
        Encoded((16,), ((17, 18, 19, 2),), ()),
        Encoded((20, 12, 13, 14, 11, 16), (), (15, 16)),
    ]
    slots, answers = answer_log_probs(lm, encoded)
    for i, ids in enumerate(encoded):
        slot, wanted = plain(lm, ids)
        torch.testing.assert_close(slots[i], slot, rtol=0, atol=TOLERANCE)
        torch.testing.assert_close(answers[i], wanted, rtol=0, atol=TOLERANCE)


def test_the_system_turn_and_the_end_are_in_the_ids():
    lm = tiny("llama")
    ids = encode(lm, replace(EXAMPLES[3], system="You are kind.", opening="Well,"))
    text = "<|system|>You are kind.<|end|><|user|>How is it?<|end|><|assistant|>Well,"
    assert lm.tokenizer.decode(ids.prompt) == text
    said = [lm.tokenizer.decode(answer) for answer in ids.answers]
    assert said == ["a small model<eos>", "I cannot say that<eos>"]
    assert ids.tokens == len(ids.prompt) + len(ids.answers[0]) + len(ids.answers[1])
    assert encode(lm, EXAMPLES[0]).options == tuple(map(lm.single_token, "123"))


# Losses -------------------------------------------------------------------------------------------

SLOT = (1 / 8, 2 / 8, 5 / 8)
GOOD, BAD = (1 / 2, 1 / 4), (1 / 4, 1 / 4, 1 / 2)  # a token each, the last one ends the turn


@pytest.mark.parametrize(
    ("objective", "weights", "expected"),
    [
        ("options", Weights(), 0.5 * log(8) + 0.3 * log(4) + 0.2 * log(8 / 5)),
        ("answer", Weights(), log(8) / 2),
        # The chosen word gained (1/2) / (1/4), the others (1/16) / (1/16): half as much.
        ("prefer", Weights(beta=1, imitate=0), log(1 + 1 / 2)),
        ("prefer", Weights(beta=2, imitate=0), log(1 + 1 / 2**2)),
        ("prefer", Weights(beta=2, imitate=3), log(1 + 1 / 2**2) + 3 * (log(2) + 3 * log(4))),
        # One bit between the first two of three options, which have 3/8 together.
        ("flatten", Weights(flatten=1), log(2) ** 2 + log(8 / 3)),
        ("flatten", Weights(flatten=0.5), log(2) ** 2 / 2 + log(8 / 3)),
    ],
)
def test_losses_by_hand(objective, weights, expected, monkeypatch):
    options = (0, 1, 2) if objective == "options" else (0, 1)
    example = Example("", objective, "", shares=(0.5, 0.3, 0.2))
    known = torch.tensor([SLOT]).log(), [[torch.tensor(GOOD).log(), torch.tensor(BAD).log()]]
    monkeypatch.setattr(worlds_loss, "answer_log_probs", lambda lm, encoded: known)
    reference = [(log(1 / 4), log(1 / 16))]
    found = loss(tiny("llama"), [example], [Encoded((), (), options)], weights, reference)
    assert found.shape == (1,)
    assert float(found) == pytest.approx(expected, abs=1e-6)  # float32


def losses(lm: LanguageModel, weights: Weights, before: LanguageModel) -> torch.Tensor:
    encoded = [encode(lm, example) for example in EXAMPLES]
    reference = reference_log_probs(before, EXAMPLES, encoded)
    return loss(lm, EXAMPLES, encoded, weights, reference)


def test_references_are_sums_for_preferences_alone():
    lm = tiny("llama")
    encoded = [encode(lm, example) for example in EXAMPLES]
    found = reference_log_probs(lm, EXAMPLES, encoded)
    assert [len(row) for row in found] == [0, 0, 0, 2, 2, 0]
    for i in (3, 4):
        wanted = [float(row[:-1].sum()) for row in plain(lm, encoded[i])[1]]
        # A sum of up to twenty tokens' errors.
        assert found[i] == pytest.approx(wanted, abs=10 * TOLERANCE)


@pytest.mark.parametrize("architecture", WHOLE)
def test_losses_and_gradients_equal_the_plain_computation(architecture):
    """The gradient passes through shared keys and values, repeated rows and padding."""
    before, weights = tiny(architecture), Weights(beta=0.3, imitate=0.7, flatten=0.5)
    shared, alone = (varied(architecture, seed=5) for _ in range(2))
    found = losses(shared, weights, before)
    expected = torch.stack(plain_loss(alone, EXAMPLES, weights, before))
    torch.testing.assert_close(found, expected, rtol=TOLERANCE, atol=TOLERANCE)
    found.sum().backward()
    expected.sum().backward()
    names = dict(alone.model.named_parameters())
    reached = 0
    for name, weight in shared.model.named_parameters():
        wanted = names[name].grad
        assert wanted is not None, name
        assert weight.grad is not None, name
        bound = GRADIENT * max(1.0, float(wanted.abs().max()))
        torch.testing.assert_close(weight.grad, wanted, rtol=0, atol=bound, msg=name)
        reached += float(wanted.abs().max()) > 100 * bound
    assert reached > len(names) / 2  # most gradients are far above the tolerance


# TRL calls what this transformers has renamed.
@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")
def test_a_preference_is_the_dpo_of_trl(tmp_path):
    lm, before = varied("llama", seed=5), varied("llama", seed=6)
    before.model.requires_grad_(False)
    pairs = EXAMPLES[3:5]
    encoded = [encode(lm, example) for example in pairs]
    reference = reference_log_probs(before, pairs, encoded)
    found = loss(lm, pairs, encoded, Weights(beta=0.3, imitate=0), reference).mean()
    trainer = DPOTrainer(
        copy.deepcopy(lm.model),
        before.model,
        DPOConfig(
            str(tmp_path),
            beta=0.3,
            use_cpu=True,
            bf16=False,
            report_to=[],
        ),
        train_dataset=Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}]),
        processing_class=copy.deepcopy(lm.tokenizer),
    )
    rows = [
        dict(zip(("prompt_ids", "chosen_ids", "rejected_ids"), map(list, parts), strict=True))
        # Words alone: with the end of turn, ending one answer only would meet the preference.
        for parts in ((ids.prompt, *(a[:-1] for a in ids.answers)) for ids in encoded)
    ]
    expected = trainer.compute_loss(trainer.model, DataCollatorForPreference(0)(rows))
    assert float(found.detach()) == pytest.approx(float(expected.detach()), abs=TOLERANCE)
    assert abs(float(found.detach()) - log(2)) > 100 * TOLERANCE  # what no difference would give
