"""Trains the shared autoencoders: on which texts, at which layer, and the call that makes one.

The trainer and the architecture (TopK) are SAELens'; activations, quality and files are `sae`'s.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from valuegate import items, items_texts, sae, sae_records, splits, stats
from valuegate.errors import ValueGateError
from valuegate.models import LanguageModel
from valuegate.residual import capture
from valuegate.sae_records import Record

if TYPE_CHECKING:
    from sae_lens import TopKSAE

MODELS = ("knowledge-s1", "gated-s1")  # before and after a gate; both at one layer
LAYERS = range(6, 28, 2)
TOLERANCE = 0.03  # of AUROC: about one standard error of the mean over both questions


@dataclass(frozen=True)
class Settings:
    """How an autoencoder is trained.

    Attributes:
        latents: how many it has.
        k: how many are active at a token.
        steps: of the optimiser (Adam).
        batch: tokens a step.
        learning_rate: peak, after a warm-up of a twentieth; the last fifth decays to zero.
        seed: of the first weights and of the order of tokens.
    """

    latents: int = 2048
    k: int = 32
    steps: int = 2000
    batch: int = 1024
    learning_rate: float = 1e-3
    seed: int = 0


def corpus(
    lm: LanguageModel, split: Sequence[str] = ("plant", "fit"), *, held_out: bool = False
) -> list[str]:
    """Return prompts made of the embedded texts, each as a user's turn in the model's template.

    There is no general web text among them: the autoencoders know the item sets' wordings and
    nothing else. Answers of the bank are no prompts and are left out.

    Args:
        lm: the model, for its template.
        split: whose texts; "test" is refused.
        held_out: False for nine units in ten of every set, which autoencoders train on; True for
            the tenth, for quality only. Texts of one unit never stand on both sides.

    Raises:
        ValueGateError: `split` holds "test".
    """
    if "test" in split:
        raise ValueGateError("an autoencoder's corpus may not hold texts of the split 'test'")
    texts = items_texts.texts()
    texts = texts[(texts["table"] != "answers") & (texts["split"] != "test")]
    units = texts["set"] + "/" + texts["unit"]
    strata = dict(zip(units, texts["set"], strict=True))
    sides = splits.assign(strata, {"train": 9, "held out": 1}, "sae")
    side = units.map(sides) == ("held out" if held_out else "train")
    return [lm.chat(text) for text in texts[texts["split"].isin(split) & side]["text"]]


def choose_layer(lm: LanguageModel, layers: Sequence[int]) -> tuple[int, pd.DataFrame]:
    """Return the layer that tells best what the paper is about, and how well each layer does.

    Of two questions: a request to refuse from its look-alike, a virtue from a vice of its topic.
    On texts of the split fit alone, the difference of means of one half of the units scores the
    other half, at the prompt's last token. The lowest layer wins whose mean over both is within
    `TOLERANCE` of the best: the later a layer, the less the model still does with a change of it.

    Returns:
        The layer, and a table with a row a layer: layer, requests, moral (AUROC), mean.
    """
    requests = items.load("requests", "prompts")
    requests = requests[(requests["split"] == "fit") & (requests["kind"] != "benign")]
    actions = items.load("moral", "actions")
    actions = actions[(actions["split"] == "fit") & (actions["pole"] != "neutral")]
    questions = {
        "requests": (requests["text"], requests["unit"], requests["role"] == "refuse"),
        "moral": (actions["text"], actions["topic"], actions["pole"] == "virtue"),
    }
    table = pd.DataFrame({"layer": list(layers)})
    for name, (texts, units, label) in questions.items():
        found = capture(lm, [lm.chat(text) for text in texts], layers)[:, 0].double().numpy()
        halves = splits.assign(dict.fromkeys(units, ""), {"one": 1, "other": 1}, "sae")
        first = (units.map(halves) == "one").to_numpy()
        table[name] = [
            _separation(found[:, place], label.to_numpy(), first) for place in range(len(layers))
        ]
    table["mean"] = table[list(questions)].mean(axis=1)
    good = table[table["mean"] >= table["mean"].max() - TOLERANCE]
    return int(good["layer"].min()), table


def _separation(
    residual: Float[np.ndarray, "prompt d_model"], label: np.ndarray, first: np.ndarray
) -> float:
    """Return the mean AUROC of each half's difference of means on the other half."""
    found = []
    for half in (first, ~first):
        direction = residual[half & label].mean(0) - residual[half & ~label].mean(0)
        found.append(stats.auroc(residual[~half] @ direction, label[~half]))
    return float(np.mean(found))


def train(
    residual: Float[torch.Tensor, "token d_model"], settings: Settings | None = None
) -> TopKSAE:
    """Return an autoencoder of these activations, ready to use; prints ten lines on its way.

    It is trained on centred activations of mean square 1; centre and scale are folded into its
    weights, so it reads and writes the residual as it is. Decoder rows have length 1: a latent's
    value is what it adds, in the residual's units. Matrices are rounded to bfloat16, as they are
    stored. The same activations, settings and number of threads give the same weights.

    Raises:
        ValueGateError: fewer activations than a batch, or activations that are all the same.
    """
    settings = settings or Settings()
    if len(residual) < settings.batch:
        raise ValueGateError(
            f"{len(residual)} tokens are fewer than a batch of {settings.batch}; give more texts"
        )
    d_model = residual.shape[1]
    centre = residual.mean(0)
    spread = float((residual - centre).square().mean().sqrt())
    if not spread > 0:
        raise ValueGateError("all activations are the same; there is nothing to encode")
    lens = sae.lens()
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        model = lens.TopKTrainingSAE(
            lens.TopKTrainingSAEConfig(d_in=d_model, d_sae=settings.latents, k=settings.k)
        )
    trainer = lens.SAETrainer(
        cfg=lens.config.SAETrainerConfig(
            total_training_samples=settings.steps * settings.batch,
            train_batch_size_samples=settings.batch,
            lr=settings.learning_rate,
            lr_end=settings.learning_rate,  # asked for, without effect on a constant schedule
            lr_warm_up_steps=max(2, settings.steps // 20),
            lr_decay_steps=settings.steps // 5,
            # A latent that was silent for one pass over the texts gets the auxiliary loss.
            dead_feature_window=len(residual) // settings.batch,
        ),
        sae=model,
        data_provider=_batches(residual, centre, spread, settings),
    )
    began = time.monotonic()
    for step in range(1, settings.steps + 1):
        out = trainer.step(next(trainer.data_provider))
        trainer.n_training_steps = step
        if step % max(1, settings.steps // 10) == 0:
            print(
                f"autoencoder: step {step}/{settings.steps}, "
                f"variance unexplained {out.losses['mse_loss'].item() / d_model:.3f}, "
                f"dead {int(trainer.dead_neurons.sum())}, {time.monotonic() - began:.0f} s",
                flush=True,
            )
    return _finished(model, centre, spread)


def _batches(
    residual: torch.Tensor, centre: torch.Tensor, spread: float, settings: Settings
) -> Iterator[torch.Tensor]:
    """Yield batches for ever, every pass over the tokens in a new order."""
    draw = torch.Generator().manual_seed(settings.seed)
    while True:
        order = torch.randperm(len(residual), generator=draw)
        for chosen in order.split(settings.batch):
            if len(chosen) == settings.batch:
                yield (residual[chosen] - centre) / spread


@torch.no_grad()
def _finished(model, centre: torch.Tensor, spread: float) -> TopKSAE:
    """Return the autoencoder for use: centre, scale and decoder norms folded in, rounded."""
    lens = sae.lens()
    model.fold_activation_norm_scaling_factor(1 / spread)
    model.b_dec += centre.to(model.b_dec)
    model.fold_W_dec_norm()
    cfg = model.cfg
    with torch.random.fork_rng():  # first weights are drawn, and replaced at once
        found = lens.TopKSAE(lens.TopKSAEConfig(d_in=cfg.d_in, d_sae=cfg.d_sae, k=cfg.k))
    found.load_state_dict(model.state_dict())
    for matrix in (found.W_enc, found.W_dec):
        matrix.copy_(matrix.bfloat16().float())
    return found.eval().requires_grad_(False)


def run(name: str, layer: int, settings: Settings | None = None) -> Record:
    """Return the record of the autoencoder of a planted model, after training and storing it.

    Raises:
        ValueGateError: no such model, or its adapters are not there.
    """
    from valuegate import worlds_stages

    settings = settings or Settings()
    lm = worlds_stages.load("recipe", name)
    residual = sae.activations(lm, corpus(lm), layer)
    print(f"{name}: {len(residual)} tokens read at layer {layer}", flush=True)
    trained = train(residual, settings)
    seen = sae.reconstruction(trained, residual)
    facts = {"tokens": len(residual)} | {key: round(value, 5) for key, value in seen.items()}
    held = sae.quality(lm, trained, corpus(lm, ("fit",), held_out=True), layer)
    fingerprint = worlds_stages.fingerprint("recipe", name)
    return sae.save(
        name, trained, fingerprint=fingerprint, layer=layer, quality=held,
        training=asdict(settings) | facts,
    )  # fmt: skip


def run_all() -> dict[str, Record]:
    """Return the records of the shared autoencoders, training those that are missing.

    One is missing that was trained on other weights than those of its model now. The layer is
    chosen on the first model and serves both.

    Raises:
        ValueGateError: a model is not trained yet.
    """
    from valuegate import worlds_stages

    wanted = {name: worlds_stages.fingerprint("recipe", name) for name in MODELS}
    known = sae_records.records()
    left = [m for m in MODELS if m not in known or known[m].fingerprint != wanted[m]]
    if left:
        layer, table = choose_layer(worlds_stages.load("recipe", MODELS[0]), LAYERS)
        print(table.round(3).to_string(index=False), flush=True)
        for name in left:
            run(name, layer)
    return {name: sae_records.records()[name] for name in MODELS}
