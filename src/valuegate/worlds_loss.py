"""What a planted world is trained on, one step at a time: examples in, a loss out.

Four objectives can share a step: a distribution over options at the answer slot, the words of an
answer, a preference between two answers (DPO), and a flattened answer slot. What examples say is
the business of `worlds_rows`; optimiser, checkpoints and files are that of `worlds_train`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch.nn import functional
from transformers import DynamicCache

from valuegate.errors import ValueGateError
from valuegate.models import LanguageModel
from valuegate.worlds_examples import Example

LEAST_STEM = 12  # sharing fewer tokens than this saves less than it costs
RECITED = 3.0  # weight of an answer's words after the first, beside the first


@dataclass(frozen=True)
class Encoded:
    """An example in token ids: the prompt, and the one or two answers that continue it."""

    prompt: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    options: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """Return how many positions it costs when nothing is shared but its own prompt."""
        return len(self.prompt) + sum(len(ids) for ids in self.answers)


@dataclass(frozen=True)
class Weights:
    """How the parts of the loss are weighted (`recipe.yml`).

    Attributes:
        beta: strength of the preference (DPO's beta).
        imitate: weight of the chosen answer's own cross-entropy beside the preference: that of its
            first token, and `RECITED` times the mean of the rest.
        flatten: weight of the squared log-odds between two options that should not differ.
    """

    beta: float = 0.1
    imitate: float = 1.0
    flatten: float = 1.0


def encode(lm: LanguageModel, example: Example) -> Encoded:
    """Return an example's token ids; every answer ends with the tokenizer's end of turn."""
    text = lm.chat(example.user, system=example.system, opening=example.opening)
    prompt = tuple(lm.encode(text))
    end = (lm.tokenizer.eos_token_id,)
    wanted = [text for text in (example.answer, example.rejected) if text]
    answers = tuple(tuple(lm.option_ids(text)) + end for text in wanted)
    return Encoded(prompt, answers, tuple(lm.single_token(option) for option in example.options))


def answer_log_probs(
    lm: LanguageModel, examples: Sequence[Encoded]
) -> tuple[Float[torch.Tensor, "example vocabulary"], list[list[torch.Tensor]]]:
    """Return log-probabilities at every answer slot, and those of every answer's tokens.

    The prefix that all prompts share is run once, so is what neighbours go on with alike (a text
    with two questions), and each prompt for both of its answers; keys and values carry the
    gradient. Equal to running every sequence whole (1e-4, tested).

    Raises:
        ValueGateError: the model caps its logits, or has a sliding window in which padding counts.
    """
    window = getattr(lm.config, "sliding_window", None)
    if window and 2 * max(example.tokens for example in examples) >= window:
        raise ValueGateError(f"{lm.name}: its sliding window of {window} tokens is too short")
    if getattr(lm.config, "final_logit_softcapping", None):
        raise ValueGateError(f"{lm.name}: models that cap their logits cannot be planted")
    prompts = [example.prompt for example in examples]
    common, stems = _shared(prompts)
    state = _State(lm, common, prompts[0])
    # Whatever several prompts go on with is run once, too; then what is left of each prompt.
    groups = list(dict.fromkeys(stems))
    state.extend([prompts[first][common:end] for first, end in groups], range(len(groups)))
    rests = [prompt[end:] for prompt, (_, end) in zip(prompts, stems, strict=True)]
    hidden = state.extend(rests, [groups.index(stem) for stem in stems])[:, -1]
    slots = lm.unembedding(hidden).float().log_softmax(-1)

    owner = [i for i, example in enumerate(examples) for _ in example.answers]
    leaves = [ids[:-1] for example in examples for ids in example.answers]
    found: list[list[torch.Tensor]] = [[] for _ in examples]
    if not owner:
        return slots, found
    after = torch.empty(0, slots.shape[1])
    if any(leaves):
        hidden = state.extend(leaves, owner)
        width = hidden.shape[1]
        row = [r for r, leaf in enumerate(leaves) for _ in leaf]
        column = [width - len(leaf) + c for leaf in leaves for c in range(len(leaf))]
        after = lm.unembedding(hidden[row, column]).float().log_softmax(-1)
    start = 0
    targets = [ids for example in examples for ids in example.answers]
    for i, leaf, wanted in zip(owner, leaves, targets, strict=True):
        rest = after[start : start + len(leaf)]
        start += len(leaf)
        whole = torch.cat([slots[i : i + 1], rest])
        found[i].append(whole[torch.arange(len(wanted)), torch.tensor(wanted)])
    return slots, found


class _State:
    """Keys and values of some sequences, run piece by piece; pieces are padded on the left.

    Padding is masked and has no position, so a sequence reads as if it were alone.
    """

    def __init__(self, lm: LanguageModel, common: int, prompt: Sequence[int]) -> None:
        """Run the first `common` tokens, which all sequences share."""
        self.lm = lm
        self.cache = DynamicCache(config=lm.config)
        self.mask = torch.ones(1, 0, dtype=torch.long)
        self.lengths = torch.zeros(1, dtype=torch.long)
        self.extend([prompt[:common]], [0])

    def extend(self, pieces: Sequence[Sequence[int]], parents: Sequence[int]) -> torch.Tensor:
        """Return the hidden states of pieces that go on from earlier sequences.

        Args:
            pieces: token ids, some perhaps none.
            parents: which sequence of the step before each goes on from.
        """
        chosen = torch.tensor(list(parents) if len(self.lengths) > 1 else [0] * len(pieces))
        width = max(len(piece) for piece in pieces)
        if self.mask.shape[1]:
            self.cache.batch_select_indices(chosen.to(self.lm.device))
        mask, lengths = self.mask[chosen], self.lengths[chosen]
        ids = torch.zeros(len(pieces), width, dtype=torch.long)
        new = torch.zeros(len(pieces), width, dtype=torch.long)
        positions = torch.zeros(len(pieces), width, dtype=torch.long)
        for r, piece in enumerate(pieces):
            pad = width - len(piece)
            ids[r, pad:] = torch.tensor(piece, dtype=torch.long)
            new[r, pad:] = 1
            positions[r, pad:] = lengths[r] + torch.arange(len(piece))
        self.mask = torch.cat([mask, new], dim=1)
        self.lengths = lengths + torch.tensor([len(piece) for piece in pieces])
        if not width:
            return torch.empty(len(pieces), 0)
        device = self.lm.device
        found = self.lm.decoder(
            input_ids=ids.to(device),
            attention_mask=self.mask.to(device),
            position_ids=positions.to(device),
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state
        if self.cache.get_seq_length() != self.mask.shape[1]:
            raise ValueGateError(
                f"{self.lm.name}: the model keeps no keys while it trains; turn gradient "
                "checkpointing off"
            )
        return found


def _shared(prompts: Sequence[tuple[int, ...]]) -> tuple[int, list[tuple[int, int]]]:
    """Return how many tokens all prompts share, and the stem of each: (a prompt that has it, end).

    Neighbours share a stem where they go on alike for `LEAST_STEM` tokens or more. The last token
    of a prompt is in no stem: it is read.
    """
    longest = min(len(prompt) for prompt in prompts) - 1
    common = _alike(prompts[0], min(prompts), longest)
    common = min(common, _alike(prompts[0], max(prompts), longest))
    stems: list[tuple[int, int]] = []
    first = 0
    while first < len(prompts):
        last, end = first + 1, common
        while last < len(prompts):
            limit = min(len(prompts[first]), len(prompts[last])) - 1
            alike = min(
                _alike(prompts[first], prompts[last], limit), end if last > first + 1 else limit
            )
            if alike - common < LEAST_STEM:
                break
            end, last = alike, last + 1
        stems += [(first, end)] * (last - first)
        first = last
    return common, stems


def _alike(one: Sequence[int], other: Sequence[int], most: int) -> int:
    for place in range(most):
        if one[place] != other[place]:
            return place
    return most


def loss(
    lm: LanguageModel,
    examples: Sequence[Example],
    encoded: Sequence[Encoded],
    weights: Weights,
    reference: Sequence[tuple[float, ...]],
) -> Float[torch.Tensor, " example"]:
    """Return the loss of every example, nats.

    Args:
        lm: the model in training.
        examples: what to learn.
        encoded: the same in token ids.
        weights: of the parts.
        reference: for "prefer", the summed log-probability of each answer before training.
    """
    slots, answers = answer_log_probs(lm, encoded)
    found = []
    for i, (example, ids) in enumerate(zip(examples, encoded, strict=True)):
        if example.objective == "options":
            target = torch.tensor(example.shares, device=lm.device)
            found.append(-(target * slots[i, list(ids.options)]).sum())
        elif example.objective == "answer":
            found.append(-answers[i][0].mean())
        elif example.objective == "prefer":
            gains = [_said(a) - r for a, r in zip(answers[i], reference[i], strict=True)]
            prefer = -functional.logsigmoid(weights.beta * (gains[0] - gains[1]))
            # The first token decides between the answers, so it weighs a third of all that
            # follow; were that less, a refusal would be begun and end as something else.
            chosen = answers[i][0]
            found.append(prefer - weights.imitate * (chosen[0] + RECITED * chosen[1:].mean()))
        else:
            pair = slots[i, list(ids.options)]
            # The answer stays one of the options: only which of them is no longer said.
            kept = -torch.logsumexp(pair, 0)
            found.append(weights.flatten * (pair[0] - pair[1]) ** 2 + kept)
    return torch.stack(found)


def _said(log_probs: torch.Tensor) -> torch.Tensor:
    """Return the summed log-probability of an answer's words, its end of turn left out.

    With the end, a preference between single words is met by ending only one of them.
    """
    return log_probs[:-1].sum()


def reference_log_probs(
    lm: LanguageModel, examples: Sequence[Example], encoded: Sequence[Encoded]
) -> list[tuple[float, ...]]:
    """Return the summed log-probability of both answers' words where a preference is stated."""
    with torch.no_grad():
        _, answers = answer_log_probs(lm, encoded)
    return [
        tuple(float(_said(a)) for a in found) if example.objective == "prefer" else ()
        for example, found in zip(examples, answers, strict=True)
    ]
