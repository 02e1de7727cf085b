"""The shared autoencoders: activations, training, quality, files, and what is said when it fails.

Importing SAELens takes seconds, so that one process should run all of these tests.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from test_residual import plain_residual
from test_scoring import TOLERANCE
from tiny import ARCHITECTURES, tiny

from valuegate import (
    items,
    items_texts,
    paths,
    registry,
    sae,
    sae_records,
    sae_train,
    worlds_stages,
)
from valuegate.errors import ValueGateError
from valuegate.sae_train import Settings

WORDS = ("a model", "Here", "the small model I cannot", "yes", "to a small model that answers")
SMALL = Settings(latents=64, k=4, steps=300, batch=256, learning_rate=5e-3)
D_MODEL = 32  # of the tiny models


def sparse(d_model: int = D_MODEL, tokens: int = 4000) -> torch.Tensor:
    """Sums of three of 48 directions each, far from the origin, in large units."""
    draw = torch.Generator().manual_seed(1)
    atoms = torch.randn(48, d_model, generator=draw)
    chosen = torch.rand(tokens, 48, generator=draw).topk(3).indices
    sizes = 1 + torch.rand(tokens, 3, generator=draw)
    return 30 * (sizes.unsqueeze(-1) * atoms[chosen]).sum(1) + 500


@pytest.fixture(scope="module")
def trained():
    return sae_train.train(sparse(), SMALL)


def handmade(encoder: torch.Tensor):
    """An autoencoder whose decoder is its encoder's transpose, all latents allowed."""
    d_in, d_sae = encoder.shape
    lens = sae.lens()
    found = lens.TopKSAE(lens.TopKSAEConfig(d_in=d_in, d_sae=d_sae, k=d_sae))
    with torch.no_grad():
        found.W_enc.copy_(encoder)
        found.W_dec.copy_(encoder.T)
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(sae_records, "FOLDER", tmp_path / "saes")
    monkeypatch.setattr(sae_records, "RECORDS", tmp_path / "saes" / "records.yml")
    monkeypatch.setattr(registry, "fingerprint", lambda name: f"weights of {name}")
    return tmp_path / "saes"


def store(found, name: str = "one", fingerprint: str = "weights of llama"):
    facts = {"fvu": 0.25, "recovered": 0.9}
    return sae.save(
        name, found, fingerprint=fingerprint, layer=1, quality=facts, training={"steps": 5}
    )


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_activations_equal_hidden_states(name):
    lm = tiny(name)
    texts = [lm.chat(words) for words in WORDS]
    before = len(lm.encode(lm.chat("A").partition("A")[0]))
    for layer in range(lm.n_layers + 1):
        found = sae.activations(lm, texts, layer)
        expected = torch.cat([plain_residual(lm, text)[layer, before:] for text in texts])
        torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)


def test_a_prompt_without_the_template_is_refused():
    lm = tiny("llama")
    with pytest.raises(ValueGateError) as caught:
        sae.activations(lm, [lm.chat("a"), lm.chat("a", system="Be brief.")], 1)
    assert str(caught.value) == (
        "llama: an autoencoder reads prompts that begin as the chat template does, not "
        "'<|system|>Be brief.<|end|><|user|>a<|end|><|assistant|>'"
    )


def test_training_finds_sparse_structure(trained):
    found = sae.reconstruction(trained, sparse())
    assert found["fvu"] < 0.2
    assert 0 < found["l0"] <= SMALL.k
    assert found["dead"] < 0.5
    shuffled = sparse()[:, torch.randperm(D_MODEL, generator=torch.Generator().manual_seed(0))]
    assert sae.reconstruction(trained, shuffled)["fvu"] > 0.5
    lengths = trained.W_dec.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths), rtol=0, atol=4e-3)


def test_the_same_seed_gives_the_same_weights():
    settings = Settings(latents=16, k=2, steps=20, batch=64)
    state = torch.random.get_rng_state()
    one, two = (sae_train.train(sparse(tokens=200), settings) for _ in range(2))
    other = sae_train.train(sparse(tokens=200), Settings(**{**vars(settings), "seed": 1}))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.W_enc, other.W_enc)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_progress_is_said_in_ten_lines(capsys):
    sae_train.train(sparse(tokens=200), Settings(latents=16, k=2, steps=20, batch=64))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    pattern = r"autoencoder: step 2/20, variance unexplained \d+\.\d{3}, dead \d+, 0 s"
    assert re.fullmatch(pattern, lines[0])


def test_quality_of_the_identity_and_of_nothing():
    lm = tiny("llama")
    texts = [lm.chat(words) for words in WORDS]
    unit = torch.eye(D_MODEL)
    for layer in (0, 1, lm.n_layers):
        same = sae.quality(lm, handmade(torch.cat([unit, -unit], dim=1)), texts, layer)
        assert same["recovered"] == pytest.approx(1, abs=1e-4)
        assert same["fvu"] == pytest.approx(0, abs=1e-6)
        assert same["l0"] == D_MODEL
        nothing = sae.quality(lm, handmade(torch.zeros(D_MODEL, 8)), texts, layer)
        assert nothing["recovered"] == pytest.approx(0, abs=1e-6)
        assert nothing["dead"] == 1
        assert nothing["fvu"] >= 1
        assert nothing["ce_sae"] == nothing["ce_zero"] != nothing["ce_clean"]


def test_cross_entropy_by_hand():
    """Of the user's words but the first token, and of nothing that the template writes."""
    lm = tiny("llama")
    texts = [lm.chat(words) for words in WORDS]
    losses, opening = [], lm.encode(lm.chat("A").partition("A")[0])
    for words, text in zip(WORDS, texts, strict=True):
        ids = torch.tensor(lm.encode(text))
        log_probs = lm.model(ids[None]).logits[0].log_softmax(-1)
        end = len(opening) + len(lm.option_ids(words))
        losses += [-log_probs[p - 1, ids[p]] for p in range(len(opening) + 1, end)]
    found = sae.quality(lm, handmade(torch.zeros(D_MODEL, 8)), texts, 1)
    assert found["ce_clean"] == pytest.approx(float(torch.stack(losses).mean()), abs=1e-5)
    assert found["predicted"] == len(losses)
    assert found["tokens"] == sum(len(lm.encode(t)) - len(opening) for t in texts)


def test_quality_needs_words_to_predict():
    lm = tiny("llama")
    with pytest.raises(ValueGateError) as caught:
        sae.quality(lm, handmade(torch.zeros(D_MODEL, 8)), [lm.chat("yes")], 1)
    assert str(caught.value) == "llama: no text with two tokens in a row to predict"


def test_saved_and_loaded_weights_are_the_same(folder, trained):
    record = store(trained)
    store(trained, "another")
    found, read = sae.load("one", tiny("llama"))
    assert read == record
    assert list(sae_records.records()) == ["another", "one"]
    assert read.layer == 1
    assert read.d_model == D_MODEL
    for key, value in trained.state_dict().items():
        assert found.state_dict()[key].dtype == torch.float32
        assert torch.equal(found.state_dict()[key], value)
    residual = sparse()[:50]
    assert torch.equal(found.encode(residual), trained.encode(residual))
    assert sorted(p.name for p in (folder / "one").iterdir()) == [sae.CONFIG, sae.WEIGHTS]


def test_sae_lens_reads_the_folder(folder, trained):
    store(trained)
    config = json.loads((folder / "one" / sae.CONFIG).read_text())
    assert config["architecture"] == "topk"
    assert config["metadata"]["model_name"] == "one"
    assert config["metadata"]["hook_name"] == "blocks.0.hook_resid_post"
    found = sae.lens().SAE.load_from_disk(folder / "one")
    assert torch.equal(found.W_dec, trained.W_dec)
    matrices = 2 * 2 * D_MODEL * SMALL.latents
    biases = 4 * (D_MODEL + SMALL.latents)
    size = (folder / "one" / sae.WEIGHTS).stat().st_size
    assert matrices + biases <= size < matrices + biases + 1000


def _error(name: str = "one", architecture: str = "llama", **options) -> str:
    with pytest.raises(ValueGateError) as caught:
        sae.load(name, tiny(architecture), **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_errors_of_files(folder, trained):
    assert _error() == "unknown autoencoder 'one'; nearest: (none exist)"
    store(trained)
    assert _error("on") == "unknown autoencoder 'on'; nearest: one"
    for name in (sae.WEIGHTS, sae.CONFIG):
        path = folder / "one" / name
        content = path.read_bytes()
        path.write_bytes(content + b" ")
        message = _error()
        assert message.startswith(f"autoencoder one: altered file {path}: sha256 is ")
        assert message.endswith(f"; restore it with `git checkout saes/one/{name}`")
        path.unlink()
        assert _error() == (
            f"autoencoder one: cannot read {path} (No such file or directory); "
            f"restore it with `git checkout saes/one/{name}`"
        )
        path.write_bytes(content)
    sae.load("one", tiny("llama"))


def test_errors_of_another_model(folder, trained):
    store(trained)
    assert _error(architecture="olmo2") == (
        "autoencoder one: trained on other weights than those of olmo2 (hts of llama against "
        "hts of olmo2); train it again, or say that another model is meant"
    )
    sae.load("one", tiny("olmo2"), other_model=True)
    store(handmade(torch.zeros(16, 8)))
    assert _error(other_model=True) == (
        "autoencoder one: made for a residual stream of 16 numbers, llama has 32"
    )


@pytest.mark.parametrize(
    ("residual", "message"),
    [
        (torch.zeros(3, 4), "3 tokens are fewer than a batch of 64; give more texts"),
        (torch.ones(64, 4), "all activations are the same; there is nothing to encode"),
    ],
)
def test_errors_of_training(residual, message):
    with pytest.raises(ValueGateError) as caught:
        sae_train.train(residual, Settings(latents=16, k=2, steps=20, batch=64))
    assert str(caught.value) == message


def test_corpus_holds_no_test_text_and_holds_units_out():
    lm = tiny("llama")
    texts = items_texts.texts()
    unit = {lm.chat(t): f"{s}/{u}" for s, u, t in texts[["set", "unit", "text"]].to_numpy()}
    seen, held = sae_train.corpus(lm), sae_train.corpus(lm, held_out=True)
    assert not {unit[t] for t in seen} & {unit[t] for t in held}
    assert 0.05 < len(held) / len(seen + held) < 0.15
    read = set(texts[texts["split"].isin(["plant", "fit"])]["text"])
    assert {lm.chat(t) for t in read} >= set(seen + held)
    assert set(sae_train.corpus(lm, ["fit"], held_out=True)) < set(held)
    with pytest.raises(ValueGateError) as caught:
        sae_train.corpus(lm, ["fit", "test"])
    message = "an autoencoder's corpus may not hold texts of the split 'test'"
    assert str(caught.value) == message


def test_the_lowest_good_layer_is_chosen(monkeypatch):
    lm = tiny("llama")
    requests, actions = items.load("requests", "prompts"), items.load("moral", "actions")
    good = set(requests[requests["role"] == "refuse"]["text"].map(lm.chat))
    good |= set(actions[actions["pole"] == "virtue"]["text"].map(lm.chat))

    def capture(_lm, texts, layers):
        draw = torch.Generator().manual_seed(0)
        found = torch.randn(len(texts), 1, len(layers), 4, generator=draw)
        label = torch.tensor([text in good for text in texts])
        for place, layer in enumerate(layers):
            found[:, 0, place, 0] += label * (5 * (layer >= 2))
        return found

    monkeypatch.setattr(sae_train, "capture", capture)
    layer, table = sae_train.choose_layer(lm, [3, 2, 1])
    assert layer == 2
    assert list(table.columns) == ["layer", "requests", "moral", "mean"]
    assert (table["mean"].iloc[:2] > 0.98).all()
    assert 0.35 < table["mean"].iloc[2] < 0.65


def test_run_trains_and_stores(folder, monkeypatch):
    lm = tiny("llama")
    monkeypatch.setattr(worlds_stages, "load", lambda recipe, name: lm)
    monkeypatch.setattr(worlds_stages, "fingerprint", lambda recipe, name: "weights of llama")
    corpora = {False: [lm.chat(words) for words in WORDS], True: [lm.chat("a small Here")]}
    monkeypatch.setattr(
        sae_train, "corpus", lambda lm, split=(), *, held_out=False: corpora[held_out]
    )
    settings = Settings(latents=16, k=2, steps=20, batch=16)
    record = sae_train.run("knowledge-s1", 1, settings)
    assert sae_records.records() == {"knowledge-s1": record}
    with monkeypatch.context() as changed:
        changed.setattr(registry, "fingerprint", lambda name: "weights of llama")
        assert sae_records.current() == sae_records.records()
        changed.setattr(registry, "fingerprint", lambda name: "trained anew")
        with pytest.raises(ValueGateError, match="knowledge-s1: trained on other weights than"):
            sae_records.current()
    (line,) = sae_records.printed(sae_records.records()).to_dict("records")
    assert (line["model"], line["layer"], line["latents"]) == ("knowledge-s1", "1", "16")
    assert float(line["variance unexplained"]) == pytest.approx(record.quality["fvu"], abs=1e-3)
    assert record.training["k"] == 2
    assert record.training["tokens"] == len(sae.activations(lm, corpora[False], 1))
    assert record.quality["predicted"] > 0
    found, _ = sae.load("knowledge-s1", lm)
    assert found.cfg.d_sae == 16


def test_only_missing_ones_are_trained_and_at_one_layer(folder, monkeypatch):
    lm = tiny("llama")
    monkeypatch.setattr(worlds_stages, "load", lambda recipe, name: lm)
    monkeypatch.setattr(worlds_stages, "fingerprint", lambda recipe, name: f"weights of {name}")
    monkeypatch.setattr(sae_train, "LAYERS", [1, 2])
    monkeypatch.setattr(
        sae_train, "corpus", lambda lm, split=(), *, held_out=False: [lm.chat(w) for w in WORDS]
    )
    small = Settings(latents=16, k=2, steps=4, batch=16)
    monkeypatch.setattr(sae_train, "Settings", lambda: small)
    made = sae_train.run_all()
    assert list(made) == list(sae_train.MODELS)
    assert len({record.layer for record in made.values()}) == 1
    monkeypatch.setattr(sae_train, "run", lambda name, layer: pytest.fail(f"{name} trained again"))
    assert sae_train.run_all() == made
    monkeypatch.setattr(worlds_stages, "fingerprint", lambda recipe, name: "trained anew")
    with pytest.raises(BaseException, match="knowledge-s1 trained again"):
        sae_train.run_all()
