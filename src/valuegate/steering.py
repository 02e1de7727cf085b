"""Runs the part of a model above a layer again and again, on residuals that were changed there.

A sweep over strengths or directions changes one layer of the same prompts: all below it is run
once, and above it what all prompts begin with is run once a change. Which directions and strengths
is the sections'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from transformers import Cache, DynamicCache

from valuegate.errors import ValueGateError
from valuegate.hooks import check_layers
from valuegate.models import LanguageModel
from valuegate.residual import logit_lens
from valuegate.scoring import METER, prompt_rows
from valuegate.sharing import common_prefix

Residual = Float[torch.Tensor, "prompt position d_model"]
Change = Callable[[Residual], Residual]


def unchanged(residual: Residual) -> Residual:
    """Return the residual as it is."""
    return residual


def adding(vector: Float[torch.Tensor, " d_model"]) -> Change:
    """Return the change that adds a vector at every position."""
    return lambda residual: residual + vector


def projecting(unit: Float[torch.Tensor, " d_model"]) -> Change:
    """Return the change that projects a direction of length 1 out at every position."""
    return lambda residual: residual - (residual @ unit).unsqueeze(-1) * unit


class Above:
    """What runs above a layer on some prompts, ready to be run on other residuals of them."""

    def __init__(self, lm: LanguageModel, texts: Sequence[str], layer: int) -> None:
        """Run the prompts once, up to the top.

        Args:
            lm: the model.
            texts: prompts, as `LanguageModel.chat` returns them; one batch.
            layer: 0 is the embedding, i the output of block i; the last has nothing above it.

        Raises:
            ValueGateError: no such layer, nothing above it, or no prompt.
        """
        check_layers(lm, [layer])
        if layer == lm.n_layers:
            raise ValueGateError(f"{lm.name}: nothing runs above layer {layer}")
        rows = prompt_rows(lm, texts)
        if not rows:
            raise ValueGateError(f"{lm.name}: no prompts to run above layer {layer}")
        self._lm, self._layer, self._prompts = lm, layer, len(rows)
        common = common_prefix(rows)
        self._ends = torch.tensor([row.reads[0] - common for row in rows])
        ids = torch.zeros(len(rows), int(self._ends.max()) + 1, dtype=torch.long)
        for place, row in enumerate(rows):
            ids[place, : len(row.ids) - common] = torch.tensor(row.ids[common:])
        # What lies before the first block above, and what all blocks above are told beside it, of
        # the opening that all prompts share (when there is one), then of the rest of each.
        self._parts: list[tuple[Residual, list[dict[str, Any]]]] = []
        cache = None
        if common:
            cache = DynamicCache(config=lm.config)
            self._see(torch.tensor([rows[0].ids[:common]]), cache, torch.ones(1, common))
            cache.batch_repeat_interleave(len(rows))
        mask = torch.arange(common + ids.shape[1]) <= common + self._ends[:, None]
        self._see(ids, cache, mask, first=common)

    def _see(
        self, ids: torch.Tensor, cache: DynamicCache | None, mask: torch.Tensor, first: int = 0
    ) -> None:
        """Run token ids through the model; keep what the blocks above the layer are given."""
        lm = self._lm
        seen: list[torch.Tensor] = []
        given: list[dict[str, Any]] = []

        def keep(_block: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            # Masks and places are the same in every run.
            seen.append(args[0].detach())
            given.append(kwargs)

        handles = [
            block.register_forward_pre_hook(keep, with_kwargs=True)
            for block in lm.blocks[self._layer :]
        ]
        METER.tokens += ids.numel()
        try:
            with torch.no_grad():
                lm.decoder(
                    input_ids=ids.to(lm.device), attention_mask=mask.long().to(lm.device),
                    position_ids=torch.arange(first, first + ids.shape[1])[None].to(lm.device),
                    past_key_values=cache, use_cache=cache is not None,
                )  # fmt: skip
        finally:
            for handle in handles:
                handle.remove()
        self._parts.append((seen[0], given))

    @torch.no_grad()
    def logits(
        self, change: Change = unchanged, tokens: Sequence[int] | None = None
    ) -> Float[torch.Tensor, "prompt token"]:
        """Return the logits at each prompt's last token with the layer's residual changed.

        Args:
            change: returns the residual that stands in for one, of any prompts and positions.
            tokens: ids of the tokens wanted; all when None.
        """
        lm = self._lm
        cache = DynamicCache(config=lm.config) if len(self._parts) > 1 else None
        for n, (seen, given) in enumerate(self._parts):
            residual = change(seen)
            blocks = lm.blocks[self._layer :]
            METER.tokens += seen.shape[0] * seen.shape[1] * len(blocks) / lm.n_layers
            for block, own in zip(blocks, given, strict=True):
                # The cache, whatever an architecture calls it, is every run's own.
                fresh = {k: cache if isinstance(v, Cache) else v for k, v in own.items()}
                out = block(residual, **fresh)
                residual = out[0] if isinstance(out, tuple) else out
            if cache is not None and n == 0:
                cache.batch_repeat_interleave(self._prompts)
        last = residual[torch.arange(self._prompts), self._ends.to(residual.device)]
        return logit_lens(lm, last, tokens)
