"""Small models for tests: random ones of every architecture, and one whose logits are known.

The random ones are built from their configuration and a seed, in float32; nothing is downloaded.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Olmo2Config,
    Olmo3Config,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

from valuegate.models import LanguageModel

torch.set_num_threads(1)  # threads cost these models more than they save

VOCABULARY = 384
WINDOW = 8
LAYERS = 2
TEMPLATE = (
    "{% if messages[0].role != 'system' %}<|system|>You are a small model that answers."
    "<|end|>{% endif %}"
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# Trained on, so that these words are one token and other words several.
CORPUS = ["yes Yes YES no No NO I cannot Sure Here the The to To a small model"] * 50

COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED = {**COMMON, "num_key_value_heads": 2}
HYBRID = ["sliding_attention", "full_attention"] * (LAYERS // 2)
GEMMA = {**GROUPED, "head_dim": 12, "sliding_window": WINDOW, "layer_types": HYBRID}
GEMMA |= {"query_pre_attn_scalar": 12}

CONFIGS: dict[str, tuple[Any, dict[str, Any]]] = {
    "llama": (LlamaConfig, {**GROUPED, "attention_bias": True, "tie_word_embeddings": False}),
    "qwen3": (Qwen3Config, {**GROUPED, "head_dim": 16, "tie_word_embeddings": True}),
    "gemma3": (Gemma3TextConfig, GEMMA),
    "gemma3-capped": (Gemma3TextConfig, {**GEMMA, "final_logit_softcapping": 2.0}),
    "olmo2": (Olmo2Config, {**COMMON, "tie_word_embeddings": False}),
    "olmo3": (Olmo3Config, {**COMMON, "sliding_window": WINDOW, "layer_types": HYBRID}),
    "mistral": (MistralConfig, {**GROUPED, "sliding_window": WINDOW}),
    # A window that no prompt of these tests fills, so that stems may be padded together.
    "mistral-wide": (MistralConfig, {**GROUPED, "sliding_window": 400}),
    "gpt-neox": (GPTNeoXConfig, {**COMMON, "tie_word_embeddings": False}),
}
ARCHITECTURES = tuple(CONFIGS)


@functools.cache
def tokenizer() -> PreTrainedTokenizerFast:
    """Return a byte-level tokenizer; any text can be encoded, a few words are one token."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    special = ["<pad>", "<bos>", "<eos>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        chat_template=TEMPLATE,
    )


@functools.cache
def tiny(architecture: str) -> LanguageModel:
    """Return the random model of an architecture, always the same one."""
    make, settings = CONFIGS[architecture]
    model = AutoModelForCausalLM.from_config(make(**settings), dtype=torch.float32)
    random = torch.Generator().manual_seed(sum(map(ord, architecture)))
    with torch.no_grad():
        for weight in model.parameters():
            # Wide enough for attention to look somewhere; norms and biases are not left at 1 and 0.
            scale = 0.1 if weight.ndim == 1 else weight.shape[-1] ** -0.5
            noise = scale * torch.randn(weight.shape, generator=random)
            weight.copy_(weight + noise if weight.ndim == 1 else 1.5 * noise)
    return LanguageModel(architecture, model.eval().requires_grad_(False), tokenizer())


def hooks_left(lm: LanguageModel) -> int:
    """Hooks of this package; transformers leaves some of its own once hidden states were asked."""
    return sum(
        getattr(hook, "__module__", "").startswith("valuegate")
        for module in lm.model.modules()
        for hook in [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
    )


class MockModel:
    """A transformers model whose next-token logits are a table: `table[token]`, nothing else.

    It has just what `scoring` calls. Tokens are the characters of the text: "a" is 0, "b" is 1.
    """

    def __init__(self, table: list[list[float]]) -> None:
        self.table = torch.tensor(table)
        self.device = torch.device("cpu")
        self.config = LlamaConfig(num_hidden_layers=1)  # what DynamicCache reads
        self.calls: list[list[list[int]]] = []

    def get_decoder(self) -> MockModel:
        return self

    def __call__(
        self, input_ids: torch.Tensor, logits_to_keep: torch.Tensor | None = None, **_: Any
    ) -> SimpleNamespace:
        self.calls.append(input_ids.tolist())
        kept = input_ids if logits_to_keep is None else input_ids[:, logits_to_keep]
        return SimpleNamespace(logits=self.table[kept])


class LetterTokenizer:
    """Encodes "abc" as [0, 1, 2]."""

    chat_template = None

    def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) - ord("a") for letter in text]}

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [chr(i + ord("a")) for i in ids]


def mock(table: list[list[float]]) -> LanguageModel:
    """Return a language model over letters with these next-token logits, a row a letter."""
    return LanguageModel("mock", MockModel(table), LetterTokenizer(), "plain")
