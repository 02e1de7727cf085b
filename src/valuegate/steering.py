"""Runs the part of a model above a layer again and again, on residuals that were changed there.

A sweep over strengths or directions changes one layer of the same prompts: all below it is run
once. Which directions and strengths is the sections'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float

from valuegate.errors import ValueGateError
from valuegate.hooks import check_layers
from valuegate.models import LanguageModel
from valuegate.residual import logit_lens
from valuegate.scoring import METER, prompt_rows


class Above:
    """What runs above a layer on some prompts, ready to be run on other residuals of them.

    Attributes:
        residual: of the layer, (prompt, position, d_model); prompts are padded at their ends.
        real: which positions are a prompt's own, (prompt, position).
    """

    residual: Float[torch.Tensor, "prompt position d_model"]

    def __init__(self, lm: LanguageModel, texts: Sequence[str], layer: int) -> None:
        """Run the prompts once, whole.

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
        self._lm, self._layer = lm, layer
        self._ends = torch.tensor([row.reads[0] for row in rows])
        width = int(self._ends.max()) + 1
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        self.real = torch.arange(width) <= self._ends[:, None]
        for place, row in enumerate(rows):
            ids[place, : len(row.ids)] = torch.tensor(row.ids)
        self._given: list[dict[str, Any]] = []
        handles = [
            block.register_forward_pre_hook(self._keep(place), with_kwargs=True)
            for place, block in enumerate(lm.blocks[layer:])
        ]
        METER.tokens += ids.numel()
        try:
            with torch.no_grad():
                lm.decoder(
                    input_ids=ids.to(lm.device), attention_mask=self.real.long().to(lm.device),
                    use_cache=False,
                )  # fmt: skip
        finally:
            for handle in handles:
                handle.remove()

    def _keep(self, place: int) -> Callable[..., None]:
        def hook(_block: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if place == 0:
                self.residual = args[0].detach()
            # Masks and places are the same in every run; of what changes there is nothing to keep.
            self._given.append({k: v for k, v in kwargs.items() if k != "past_key_values"})

        return hook

    @torch.no_grad()
    def logits(
        self,
        residual: Float[torch.Tensor, "prompt position d_model"],
        tokens: Sequence[int] | None = None,
    ) -> Float[torch.Tensor, "prompt token"]:
        """Return the logits at each prompt's last token with this residual at the layer.

        Args:
            residual: `residual`, changed.
            tokens: ids of the tokens wanted; all when None.
        """
        lm = self._lm
        blocks = lm.blocks[self._layer :]
        METER.tokens += self.real.numel() * len(blocks) / lm.n_layers
        for block, given in zip(blocks, self._given, strict=True):
            out = block(residual, **given)
            residual = out[0] if isinstance(out, tuple) else out

        last = residual[torch.arange(len(self._ends)), self._ends.to(residual.device)]
        return logit_lens(lm, last, tokens)
