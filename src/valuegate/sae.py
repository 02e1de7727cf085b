"""Sparse autoencoders of the residual stream: what they read, how good they are, their files.

Two of them ship (`data/saes`) and all sections share them. Texts, layer and weights are
`sae_train`'s; what a latent means is left to the sections.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml
from jaxtyping import Float

from valuegate import data, hooks, paths, registry, sae_records
from valuegate.errors import ValueGateError, unknown
from valuegate.models import LanguageModel
from valuegate.sae_records import Record
from valuegate.scoring import readings
from valuegate.sharing import Row

if TYPE_CHECKING:
    from sae_lens import TopKSAE

WEIGHTS = "sae_weights.safetensors"  # the two names that SAELens reads
CONFIG = "cfg.json"
CHUNK = 4096  # tokens encoded at once: 32 MB of 2,048 latents


def lens() -> Any:
    """Return the package sae_lens, imported late (seconds) and without its imports' warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import sae_lens
    return sae_lens


def _encoded(lm: LanguageModel, texts: Sequence[str]) -> tuple[list[tuple[int, ...]], int, int]:
    """Return token ids, and how many the template puts before and after the user's words."""
    one, other = lm.encode(lm.chat("A")), lm.encode(lm.chat("b"))
    before, after = _agreement(one, other), _agreement(one[::-1], other[::-1])
    rows = [tuple(lm.encode(text)) for text in texts]
    for ids, text in zip(rows, texts, strict=True):
        if list(ids[:before]) != one[:before]:
            raise ValueGateError(
                f"{lm.name}: an autoencoder reads prompts that begin as the chat template does, "
                f"not {text[:60]!r}"
            )
    return rows, before, after


def opening_length(lm: LanguageModel) -> int:
    """Return how many tokens the template opens every prompt with: positions not read."""
    return _encoded(lm, [])[1]


def closing_length(lm: LanguageModel) -> int:
    """Return how many tokens the template puts after the user's words."""
    return _encoded(lm, [])[2]


def _agreement(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two sequences that differ begin with in common."""
    return next(i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)


def activations(
    lm: LanguageModel, texts: Sequence[str], layer: int
) -> Float[torch.Tensor, "token d_model"]:
    """Return the residual at every position after the template's opening, text after text.

    Float32, on the CPU; the opening is the same in all prompts (the system turn and the user's
    header), so its positions are left out.

    Args:
        lm: the model.
        texts: prompts, as `LanguageModel.chat` returns them without a system turn of their own.
        layer: 0 is the embedding, i the output of block i (before the final norm).

    Raises:
        ValueGateError: no such layer, or a prompt that begins otherwise.
    """
    hooks.check_layers(lm, [layer])
    encoded, before, _ = _encoded(lm, texts)
    rows = [Row(ids, tuple(range(before, len(ids)))) for ids in encoded]
    found: list[torch.Tensor] = [torch.empty(0)] * len(rows)
    for reading in readings(lm, rows, layers=[layer], logits=False):
        assert reading.residual is not None
        found[reading.index] = reading.residual[:, 0].cpu()
    return torch.cat(found) if found else torch.empty(0, lm.config.hidden_size)


@torch.no_grad()
def reconstruction(
    sae: TopKSAE, residual: Float[torch.Tensor, "token d_model"]
) -> dict[str, float]:
    """Return `fvu`, `l0` and `dead` of an autoencoder on these activations.

    The fraction of variance unexplained (0 is perfect, 1 no better than the mean), active latents
    a token, and the share of latents that are active at no token.
    """
    error, active = 0.0, torch.zeros(sae.cfg.d_sae, device=sae.device)
    for chunk in residual.to(sae.device).split(CHUNK):
        latents = sae.encode(chunk)
        error += float((sae.decode(latents) - chunk).double().square().sum())
        active += (latents > 0).sum(0)
    spread = float((residual - residual.mean(0)).double().square().sum())
    return {
        "fvu": error / spread,
        "l0": float(active.sum()) / len(residual),
        "dead": float((active == 0).float().mean()),
    }


def quality(lm: LanguageModel, sae: TopKSAE, texts: Sequence[str], layer: int) -> dict[str, float]:
    """Return how well an autoencoder stands in for a layer, on texts it was not trained on.

    `fvu`, `l0`, `dead` (see `reconstruction`) and `tokens`; then the cross-entropy of the next
    token of the user's words, in nats, with the layer as it is (`ce_clean`), rebuilt (`ce_sae`) and
    zeroed (`ce_zero`) after the template's opening, over `predicted` tokens; and `recovered`,
    (zero - rebuilt) / (zero - clean): 1 is as good as the layer itself. The template's closing
    tokens are not predicted: they are certain, and would flatter.

    Raises:
        ValueGateError: no text has two tokens of the user's.
    """
    encoded, before, after = _encoded(lm, texts)
    ends = [len(ids) - after for ids in encoded]
    rows = [
        Row(ids, tuple(range(before, end - 1)))
        for ids, end in zip(encoded, ends, strict=True)
        if end - 1 > before
    ]
    if not rows:
        raise ValueGateError(f"{lm.name}: no text with two tokens in a row to predict")
    residual = activations(lm, texts, layer)

    def rebuilt(stream: torch.Tensor) -> torch.Tensor:
        coded = sae.decode(sae.encode(stream[:, before:].float()))
        return torch.cat([stream[:, :before], coded.to(stream)], dim=1)

    def zeroed(stream: torch.Tensor) -> torch.Tensor:
        return torch.cat([stream[:, :before], torch.zeros_like(stream[:, before:])], dim=1)

    clean = _cross_entropy(lm, rows, {})
    code = _cross_entropy(lm, rows, {layer: rebuilt})
    zero = _cross_entropy(lm, rows, {layer: zeroed})
    return reconstruction(sae, residual) | {
        "tokens": len(residual),
        "ce_clean": clean,
        "ce_sae": code,
        "ce_zero": zero,
        "recovered": (zero - code) / (zero - clean),
        "predicted": sum(len(row.reads) for row in rows),
    }


def _cross_entropy(
    lm: LanguageModel,
    rows: Sequence[Row],
    changes: dict[int, Callable[[torch.Tensor], torch.Tensor | None]],
) -> float:
    """Return the mean negative log-probability of the token after each position read, in nats."""
    total = 0.0
    with hooks._hooked(lm, changes):
        # Whole rows: a shared opening would run on its own, and `changes` count from the start.
        for reading in readings(lm, rows, share=False):
            assert reading.logits is not None
            row = rows[reading.index]
            wanted = torch.tensor([row.ids[p + 1] for p in row.reads], device=reading.logits.device)
            chosen = reading.logits.gather(1, wanted[:, None])[:, 0]
            total += float((reading.logits.logsumexp(-1) - chosen).double().sum())
    return total / sum(len(row.reads) for row in rows)


def save(
    name: str,
    sae: TopKSAE,
    *,
    fingerprint: str,
    layer: int,
    quality: dict[str, float],
    training: dict[str, int | float],
) -> Record:
    """Return the record of an autoencoder after writing its two files and `records.yml`.

    Both matrices are stored as bfloat16, biases as float32, in the files of SAELens' own format
    (`sae_lens.SAE.load_from_disk` reads the folder); `sae_train.train` has rounded them already, so
    that nothing is lost here.

    Args:
        name: of the model, and of the folder under `data/saes`.
        sae: what to store.
        fingerprint: `registry.fingerprint` of the model.
        layer: that it reads.
        quality: found by `quality`.
        training: settings and facts of its training.
    """
    from safetensors.torch import save_file

    folder = sae_records.FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        key: (value.bfloat16() if value.ndim == 2 else value.float()).cpu().contiguous()
        for key, value in sae.state_dict().items()
    }
    hook = f"blocks.{layer - 1}.hook_resid_post" if layer else "blocks.0.hook_resid_pre"
    about = sae.cfg.metadata.to_dict() | {"model_name": name, "hook_name": hook}
    config = sae.cfg.to_dict() | {"device": "cpu", "dtype": "float32", "metadata": about}
    save_file(tensors, folder / f"{WEIGHTS}.part")
    os.replace(folder / f"{WEIGHTS}.part", folder / WEIGHTS)
    text = json.dumps(config, indent=1, sort_keys=True) + "\n"
    (folder / CONFIG).write_text(text, encoding="utf-8")
    record = Record(
        files={file: data.sha256(folder / file) for file in (WEIGHTS, CONFIG)},
        fingerprint=fingerprint,
        layer=layer,
        d_model=sae.cfg.d_in,
        quality={key: round(value, 5) for key, value in quality.items()},
        training=training,
    )
    ordered = {
        key: r.model_dump() for key, r in sorted((sae_records.records() | {name: record}).items())
    }
    sae_records.RECORDS.write_text(
        "# What each autoencoder is: its files' hashes, its model, how good it is, how made.\n"
        + yaml.safe_dump(ordered, sort_keys=False),
        encoding="utf-8",
    )
    return record


def load(name: str, lm: LanguageModel, *, other_model: bool = False) -> tuple[TopKSAE, Record]:
    """Return a shipped autoencoder, in float32 on the model's device, and its record.

    Args:
        name: of the model that it was trained on.
        lm: the model that it will read.
        other_model: whether `lm` may be another model of the same width, on purpose.

    Raises:
        ValueGateError: no such autoencoder; a file that is missing or altered; another width than
            the model's, or another model than the one it was trained on.
    """
    known = sae_records.records()
    if name not in known:
        raise unknown("autoencoder", name, known)
    record, folder = known[name], sae_records.FOLDER / name
    for file, expected in record.files.items():
        _check(folder / file, expected, name)
    if lm.config.hidden_size != record.d_model:
        raise ValueGateError(
            f"autoencoder {name}: made for a residual stream of {record.d_model} numbers, "
            f"{lm.name} has {lm.config.hidden_size}"
        )
    found = registry.fingerprint(lm.name)
    if found != record.fingerprint and not other_model:
        raise ValueGateError(
            f"autoencoder {name}: trained on other weights than those of {lm.name} "
            f"({record.fingerprint[-12:]} against {found[-12:]}); train it again, or say that "
            "another model is meant"
        )
    sae = lens().SAE.load_from_disk(folder, device=str(lm.device), dtype="float32")
    return sae.eval().requires_grad_(False), record


def _check(path: Path, expected: str, name: str) -> None:
    where = path.relative_to(paths.ROOT) if path.is_relative_to(paths.ROOT) else path
    data.check(path, expected, f"autoencoder {name}", f"restore it with `git checkout {where}`")
