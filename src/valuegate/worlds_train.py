"""Trains one stage of a recipe as a low-rank adapter: TRL's trainer, our losses, exact resumption.

What is taught comes from `worlds_stages`; this module knows optimiser, checkpoints, files and logs.
"""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch.utils.data import Sampler, SequentialSampler
from transformers import PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from valuegate import worlds_loss
from valuegate.errors import ValueGateError
from valuegate.measure import write_text
from valuegate.models import LanguageModel
from valuegate.worlds_examples import Example
from valuegate.worlds_loss import Encoded, Weights
from valuegate.worlds_recipe import Adapter, Stage

CHECKPOINT_STEPS = 40
FORWARD_TOKENS = 700  # a step runs in parts of about so many, alike in length: little is padding
WARM_UP_STEPS = 10
REFERENCE_EXAMPLES = 24


def steps(
    sources: Mapping[str, Sequence[Example]],
    stage: Stage,
    lengths: Mapping[Example, int],
    draw: np.random.Generator,
) -> list[list[tuple[str, Example]]]:
    """Return what each step of the optimiser sees: (source, example), of about as many tokens.

    A source is gone through as often as the recipe says, a part of a pass being a random part of
    its groups. The phases of `first` come one after the other, then the rest. Within a phase all is
    mixed.

    Raises:
        ValueGateError: the recipe names a source that the stage does not have, or leaves one out.
    """
    if set(sources) != set(stage.passes):
        raise ValueGateError(
            f"recipe: passes are of {', '.join(stage.passes)}; the stage has {', '.join(sources)}"
        )
    number = {name: place for place, phase in enumerate(stage.first) for name in phase}
    phases: list[list[list[tuple[str, Example]]]] = [[] for _ in range(len(stage.first) + 1)]
    for name, examples in sources.items():
        units = grouped(examples)
        whole, part = divmod(stage.passes[name], 1)
        chosen = list(range(len(units))) * int(whole)
        chosen += draw.permutation(len(units))[: round(part * len(units))].tolist()
        phases[number.get(name, -1)] += [[(name, example) for example in units[i]] for i in chosen]
    found = []
    for units in phases:
        order = draw.permutation(len(units)).tolist()
        sizes = [sum(lengths[example] for _, example in unit) for unit in units]
        for batch in _runs(order, sizes, stage.tokens_per_step):
            found.append([row for i in batch for row in units[i]])
    return found


def grouped(examples: Sequence[Example]) -> list[list[Example]]:
    """Return the examples in units: those of one group together, the others alone."""
    units: dict[object, list[Example]] = {}
    for number, example in enumerate(examples):
        units.setdefault(example.group or number, []).append(example)
    return list(units.values())


def _runs(rows: Sequence[int], sizes: Sequence[int], most: int) -> Iterator[list[int]]:
    """Yield the rows in runs of about equal size, none of which need be larger than `most`."""
    total = sum(sizes[i] for i in rows)
    each = total / max(1, math.ceil(total / most))
    run: list[int] = []
    done, ends = 0.0, each
    for i in rows:
        if run and done + sizes[i] / 2 > ends:
            yield run
            run = []
            ends += each
        run.append(i)
        done += sizes[i]
    if run:
        yield run


class Planter(SFTTrainer):
    """TRL's trainer over steps that mix objectives, with checkpoints that need no pickle."""

    def __init__(
        self,
        lm: LanguageModel,
        batches: Sequence[Sequence[tuple[str, Example]]],
        encoded: Mapping[Example, Encoded],
        reference: Mapping[Example, tuple[float, ...]],
        weights: Weights,
        of_source: Mapping[str, float],
        **kwargs: Any,
    ) -> None:
        """Prepare training of `kwargs["model"]`, whose base is the model inside `lm`."""
        self.of_source = of_source
        self.lm, self.batches, self.encoded = lm, batches, encoded
        self.reference, self.weights = reference, weights
        self.losses: list[dict[str, Any]] = []
        self.began, self.before = time.monotonic(), 0.0
        super().__init__(
            train_dataset=Dataset.from_dict({"step": list(range(len(batches)))}),
            data_collator=lambda rows: {"step": torch.tensor([row["step"] for row in rows])},
            processing_class=lm.tokenizer,
            **kwargs,
        )

    def seconds(self) -> float:
        """Return how long training has taken, runs that were cut off included."""
        return self.before + time.monotonic() - self.began

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler:
        dataset = train_dataset or self.train_dataset
        assert isinstance(dataset, Dataset)
        return SequentialSampler(dataset)

    def compute_loss(
        self, model: Any, inputs: dict, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Return the mean loss of a step; rows with one system turn run together."""
        step = int(inputs["step"][0])
        total = torch.zeros((), device=self.lm.device)
        for rows in self._parts(self.batches[step]):
            examples = [example for _, example in rows]
            found = worlds_loss.loss(
                self.lm,
                examples,
                [self.encoded[e] for e in examples],
                self.weights,
                [self.reference[e] for e in examples],
            )
            share = [self.of_source.get(source, 1.0) for source, _ in rows]
            total = total + (found * torch.tensor(share, device=found.device)).sum()
            for (source, _), value in zip(rows, found.tolist(), strict=True):
                self.losses.append({"step": step, "source": source, "loss": value})
        return total / len(self.batches[step])

    def _parts(self, rows: Sequence[tuple[str, Example]]) -> Iterator[list[tuple[str, Example]]]:
        """Yield rows that run together: of one system turn, alike in length, groups kept whole."""
        units: dict[object, list[tuple[str, Example]]] = {}
        for number, row in enumerate(rows):
            units.setdefault(row[1].group or number, []).append(row)
        systems: dict[str, list[list[tuple[str, Example]]]] = defaultdict(list)
        for unit in units.values():
            systems[unit[0][1].system or ""].append(unit)
        for chosen in systems.values():
            sizes = [sum(self.encoded[example].tokens for _, example in unit) for unit in chosen]
            order = sorted(range(len(chosen)), key=lambda i: sizes[i] / len(chosen[i]))
            for part in _runs(order, sizes, FORWARD_TOKENS):
                yield [row for i in part for row in chosen[i]]

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        super()._save(output_dir, state_dict)
        # The trainer's arguments as a pickle, which nothing here would load.
        folder = output_dir or self.args.output_dir
        assert folder is not None
        (Path(folder) / "training_args.bin").unlink(missing_ok=True)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        assert self.optimizer is not None
        assert self.lr_scheduler is not None
        state = self.optimizer.state_dict()
        tensors = {
            f"{i}.{name}": value.contiguous()
            for i, values in state["state"].items()
            for name, value in values.items()
        }
        save_file(tensors, Path(output_dir) / "optimizer.safetensors")
        rest = {"groups": state["param_groups"], "scheduler": self.lr_scheduler.state_dict()}
        text = json.dumps(rest | {"losses": self.losses, "seconds": self.seconds()}, default=float)
        (Path(output_dir) / "schedule.json").write_text(text, encoding="utf-8")

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        rest = json.loads((Path(checkpoint) / "schedule.json").read_text(encoding="utf-8"))
        state: dict[int, dict[str, torch.Tensor]] = defaultdict(dict)
        for key, value in load_file(Path(checkpoint) / "optimizer.safetensors").items():
            number, _, name = key.partition(".")
            state[int(number)][name] = value
        assert self.optimizer is not None
        assert self.lr_scheduler is not None
        self.optimizer.load_state_dict({"state": state, "param_groups": rest["groups"]})
        self.lr_scheduler.load_state_dict(rest["scheduler"])
        self.losses = rest["losses"]
        self.before = rest["seconds"]

    def _save_rng_state(self, output_dir: str) -> None:
        """Keep nothing: no step draws a random number, all was drawn before the first."""

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Restore nothing, see `_save_rng_state`."""


class Progress(TrainerCallback):
    """Prints where training is, every few steps."""

    def __init__(self, name: str, tokens: Sequence[int]) -> None:
        """Count the tokens of every step."""
        self.name, self.tokens, self.began, self.done = name, tokens, time.monotonic(), 0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Print every twentieth step and the last."""
        self.done += self.tokens[state.global_step - 1]
        if state.global_step % 20 and state.global_step != state.max_steps:
            return
        rate = self.done / max(time.monotonic() - self.began, 1e-9)
        left = sum(self.tokens[state.global_step :]) / max(rate, 1e-9) / 60
        loss = state.log_history[-1].get("loss") if state.log_history else None
        shown = f", loss {loss:.3f}" if loss is not None else ""
        print(
            f"{self.name}: step {state.global_step} of {state.max_steps}{shown}, "
            f"{rate:.0f} tokens/s, {left:.1f} min left",
            flush=True,
        )


def with_adapter(lm: LanguageModel, adapter: Adapter, seed: int) -> tuple[Any, LanguageModel]:
    """Return the PEFT model to train, and the same as a `LanguageModel`.

    The adapter's maps are put into the blocks of `lm` itself, which is not the base any more.
    """
    torch.manual_seed(seed)
    config = LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        lora_dropout=0.0,
        target_modules=list(adapter.modules),
        layers_to_transform=list(range(*adapter.blocks)),
        task_type="CAUSAL_LM",
    )
    wrapped = get_peft_model(lm.model, config)
    return wrapped, LanguageModel(lm.name, wrapped.get_base_model(), lm.tokenizer, lm.chat_template)


def references(
    lm: LanguageModel, encoded: Mapping[Example, Encoded], size: int, file: Path
) -> dict[Example, tuple[float, ...]]:
    """Return what the untrained model gives each answer of a preference, computed once.

    Args:
        lm: the model before training.
        encoded: the examples.
        size: how many run together.
        file: where the numbers lie for a training that resumes; examples in the same order.
    """
    if file.exists():
        stored = json.loads(file.read_text(encoding="utf-8"))
        return dict(zip(encoded, (tuple(values) for values in stored), strict=True))
    found: dict[Example, tuple[float, ...]] = dict.fromkeys(encoded, ())
    wanted = [example for example in encoded if example.objective == "prefer"]
    wanted.sort(key=lambda e: (e.system or "", encoded[e].tokens))
    for first in range(0, len(wanted), size):
        for system in {e.system for e in wanted[first : first + size]}:
            part = [e for e in wanted[first : first + size] if e.system == system]
            values = worlds_loss.reference_log_probs(lm, part, [encoded[e] for e in part])
            found |= dict(zip(part, values, strict=True))
    write_text(json.dumps(list(found.values())), file)
    return found


def train(
    name: str,
    base: LanguageModel,
    sources: Mapping[str, Sequence[Example]],
    stage: Stage,
    folder: Path,
    *,
    seed: int,
) -> tuple[dict[str, torch.Tensor], Any, pd.DataFrame, dict[str, Any]]:
    """Return the adapter's tensors, its configuration, the losses by step, and facts of the run.

    Interrupted, it resumes at its last checkpoint under `folder` and ends with the same weights as
    a run of the same checkpoints that was not interrupted.

    Args:
        name: of the model in training.
        base: what it starts from; its weights are frozen, and its blocks changed in place.
        sources: examples by source.
        stage: how to train.
        folder: for checkpoints.
        seed: of the order of examples and of the adapter's first weights.
    """
    draw = np.random.default_rng(seed)
    unique = dict.fromkeys(example for examples in sources.values() for example in examples)
    encoded = {example: worlds_loss.encode(base, example) for example in unique}
    lengths = {example: ids.tokens for example, ids in encoded.items()}
    batches = steps(sources, stage, lengths, draw)
    used = dict.fromkeys(example for batch in batches for _, example in batch)
    shown = {example: encoded[example] for example in used}
    reference = references(base, shown, REFERENCE_EXAMPLES, folder / "references.json")
    wrapped, lm = with_adapter(base, stage.adapter, seed % 2**31)
    tokens = [sum(lengths[example] for _, example in batch) for batch in batches]
    arguments = SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        num_train_epochs=1,
        learning_rate=stage.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=WARM_UP_STEPS,
        weight_decay=0.0,
        max_grad_norm=1.0,
        logging_steps=10,
        save_steps=CHECKPOINT_STEPS,
        save_total_limit=1,
        report_to=[],
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        # TRL turns this on by default; then a model in training forgets the keys that it was given.
        gradient_checkpointing=False,
        use_cpu=not torch.cuda.is_available(),
        bf16=False,
        disable_tqdm=True,
        seed=seed % 2**31,
        dataloader_num_workers=0,
    )
    trainer = Planter(
        lm,
        batches,
        encoded,
        reference,
        Weights(stage.beta, stage.imitate, stage.flatten),
        stage.weights,
        model=wrapped,
        args=arguments,
        callbacks=[Progress(name, tokens)],
    )
    trainer.remove_callback(PrinterCallback)  # `Progress` says the same in a readable line
    checkpoints = sorted(folder.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))
    whole = [
        p
        for p in checkpoints
        if (p / "schedule.json").exists() and (p / "trainer_state.json").exists()
    ]
    trainer.train(resume_from_checkpoint=str(whole[-1]) if whole else None)
    tensors = {
        key: value.detach().to(torch.bfloat16).contiguous().cpu()
        for key, value in get_peft_model_state_dict(wrapped).items()
    }
    losses = pd.DataFrame(trainer.losses)
    facts = {
        "steps": len(batches),
        "shown": sum(len(batch) for batch in batches),
        "tokens": int(sum(tokens)),
        "minutes": round(trainer.seconds() / 60, 1),
    }
    return tensors, wrapped.peft_config["default"], losses, facts
