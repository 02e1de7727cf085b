"""Context managers that read or change a running model: capture, add, ablate, edit, patch, heads.

Layer 0 is what enters the first block; layer i is the output of block i, before the final norm.
Works on any decoder of transformers whose parts `models` finds; knows nothing about prompts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float

from valuegate.errors import ValueGateError
from valuegate.models import LanguageModel


class _Stop(Exception):
    """Raised inside a forward pass once the last layer that is needed has run."""


class Capture:
    """Keeps the residual of chosen layers at chosen positions of the latest forward pass."""

    def __init__(self, lm: LanguageModel, layers: Sequence[int], *, stop: bool) -> None:
        self.layers = tuple(layers)
        self.last = max(layers) if stop and layers else None
        #: the share of the model's blocks that a pass runs through
        self.depth = 1.0 if self.last is None else self.last / lm.n_layers
        self.keep: Sequence[int] | None = None
        self.found: dict[int, torch.Tensor] = {}

    def see(self, layer: int, residual: torch.Tensor) -> None:
        """Store one layer's residual (called by the hooks), or end the pass after the last."""
        if self.keep is not None:
            self.found[layer] = residual[:, list(self.keep)].detach().clone()
        if layer == self.last:
            raise _Stop

    def run(self, forward: Callable[[], Any], keep: Sequence[int] | None) -> Any:
        """Return what `forward()` returns, or None where it was stopped early.

        Args:
            forward: runs the model once.
            keep: positions to store; None stores nothing.
        """
        self.keep, self.found = keep, {}
        try:
            return forward()
        except _Stop:
            return None

    def stacked(self) -> Float[torch.Tensor, "row position layer d_model"]:
        """Return the stored residuals, layers in the order asked for."""
        return torch.stack([self.found[layer] for layer in self.layers], dim=2)


@contextlib.contextmanager
def capturing(
    lm: LanguageModel, layers: Sequence[int], *, stop: bool = False
) -> Generator[Capture]:
    """Yield a `Capture` of these layers; with `stop`, passes end after the highest of them."""
    check_layers(lm, layers)
    capture = Capture(lm, layers, stop=stop)
    with _hooked(lm, {layer: _seer(capture, layer) for layer in layers}):
        yield capture


def check_layers(lm: LanguageModel, layers: Sequence[int]) -> None:
    """Raise a ValueGateError for a layer that the model does not have."""
    for layer in layers:
        if not 0 <= layer <= lm.n_layers:
            raise ValueGateError(f"{lm.name}: no layer {layer}; it has 0 to {lm.n_layers}")


def _seer(capture: Capture, layer: int) -> Callable[[torch.Tensor], None]:
    return lambda residual: capture.see(layer, residual)


@contextlib.contextmanager
def _hooked(
    lm: LanguageModel, changes: Mapping[int, Callable[[torch.Tensor], torch.Tensor | None]]
) -> Generator[None]:
    """Call `changes[layer]` with a layer's residual; a result that is not None replaces it."""
    check_layers(lm, list(changes))
    handles = []

    def before(change):
        def hook(_module, args):
            changed = change(args[0])
            return None if changed is None else (changed, *args[1:])

        return hook

    def after(change):
        def hook(_module, _args, output):
            # Some blocks return the residual, some a tuple that begins with it.
            whole = isinstance(output, tuple)
            changed = change(output[0] if whole else output)
            if changed is None:
                return None
            return (changed, *output[1:]) if whole else changed

        return hook

    try:
        for layer, change in changes.items():
            if layer == 0:
                handles.append(lm.blocks[0].register_forward_pre_hook(before(change)))
            else:
                handles.append(lm.blocks[layer - 1].register_forward_hook(after(change)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def adding(
    lm: LanguageModel, vectors: Mapping[int, Float[torch.Tensor, " d_model"]]
) -> contextlib.AbstractContextManager[None]:
    """Add a vector to the residual of each layer named, at every position."""
    return _hooked(
        lm,
        {layer: (lambda r, v=vector: r + v.to(r)) for layer, vector in vectors.items()},
    )


def ablating(
    lm: LanguageModel, direction: Float[torch.Tensor, " d_model"], layers: Sequence[int]
) -> contextlib.AbstractContextManager[None]:
    """Project a direction (any length) out of the residual of these layers, at every position."""
    unit = direction / direction.norm()

    def project(residual: torch.Tensor) -> torch.Tensor:
        u = unit.to(residual)
        return residual - (residual @ u).unsqueeze(-1) * u

    return _hooked(lm, dict.fromkeys(layers, project))


@contextlib.contextmanager
def editing(
    lm: LanguageModel,
    layer: int,
    edit: Callable[[torch.Tensor], torch.Tensor],
    start: int = 0,
) -> Generator[None]:
    """Replace the residual of one layer by `edit(residual)` at every position from `start` on.

    Positions are a prompt's own, whether it is run whole or after a shared beginning.

    Args:
        lm: the model.
        layer: 1 to n_layers.
        edit: from (row, position, d_model) to the same shape.
        start: the first position that is edited; those of a template's opening come before it.
    """
    check_layers(lm, [layer])
    if layer == 0:
        raise ValueGateError(f"{lm.name}: the embedding (layer 0) cannot be edited by position")

    def hook(_module: Any, _args: Any, kwargs: dict[str, Any], output: Any) -> Any:
        if kwargs.get("position_ids") is None:
            raise ValueGateError(f"{lm.name}: its blocks are not told positions")
        whole = isinstance(output, tuple)  # some blocks return a tuple that begins with it
        residual = output[0] if whole else output
        later = (kwargs["position_ids"] >= start).unsqueeze(-1).to(residual.device)
        changed = torch.where(later, edit(residual).to(residual), residual)
        return (changed, *output[1:]) if whole else changed

    handle = lm.blocks[layer - 1].register_forward_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def patching(
    lm: LanguageModel,
    layer: int | Sequence[int],
    positions: Sequence[int],
    values: Float[torch.Tensor, "row d_model"],
) -> contextlib.AbstractContextManager[None]:
    """Replace the residual of row r at `positions[r]` by `values[r]`, in one layer or its own.

    Rows must be run whole (`readings(..., share=False)` keeps their order), in one batch.
    Positions count from the start: from the end they would count padding.

    Args:
        lm: the model.
        layer: the layer of all rows, or one a row: a sweep over layers is then a single pass.
        positions: one a row.
        values: one a row.
    """
    layers = [layer] * len(positions) if isinstance(layer, int) else list(layer)
    if min(positions) < 0:
        raise ValueGateError(f"{lm.name}: positions to patch count from 0, got {min(positions)}")

    def replace(own: int) -> Callable[[torch.Tensor], torch.Tensor]:
        rows = torch.tensor([r for r, each in enumerate(layers) if each == own])
        places = torch.tensor(list(positions))[rows]

        def change(residual: torch.Tensor) -> torch.Tensor:
            if residual.shape[0] != len(positions):
                raise ValueGateError(
                    f"patching {len(positions)} rows in a batch of {residual.shape[0]} rows"
                )
            changed = residual.clone()
            changed[rows, places] = values[rows].to(residual)
            return changed

        return change

    return _hooked(lm, {own: replace(own) for own in sorted(set(layers))})


@contextlib.contextmanager
def reading_heads(lm: LanguageModel) -> Generator[dict[int, torch.Tensor]]:
    """Yield block to what its heads give to the output projection: (row, position, heads x d_head).

    Gradients flow through what is read, where they are on.
    """
    found: dict[int, torch.Tensor] = {}

    def reader(block: int) -> Callable[..., None]:
        def hook(_module: Any, args: tuple[torch.Tensor, ...]) -> None:
            found[block] = args[0]

        return hook

    handles = [
        lm.output_projection(block).register_forward_pre_hook(reader(block))
        for block in range(lm.n_layers)
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


@contextlib.contextmanager
def ablating_heads(
    lm: LanguageModel,
    heads: Sequence[tuple[int, int]],
    means: Mapping[tuple[int, int], Float[torch.Tensor, " d_head"]] | None = None,
) -> Generator[None]:
    """Replace the output of attention heads before the output projection mixes them.

    Args:
        lm: the model.
        heads: (block from 0, head from 0) pairs.
        means: what to put in place of each head's output; zero where not given. Slicing the
            output of the attention module instead, after the projection, ablates blocks of
            residual coordinates and no head (the fault of arXiv 2606.18656's released code).
    """
    by_block: dict[int, list[int]] = {}
    for block, head in heads:
        if not (0 <= block < lm.n_layers and 0 <= head < lm.n_heads):
            raise ValueGateError(
                f"{lm.name}: no head {head} in block {block} "
                f"({lm.n_layers} blocks of {lm.n_heads} heads)"
            )
        by_block.setdefault(block, []).append(head)

    def pre_hook(block: int) -> Callable[..., tuple[torch.Tensor, ...]]:
        def hook(_module: Any, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            changed = args[0].clone()
            d_head = changed.shape[-1] // lm.n_heads
            for head in by_block[block]:
                mean = (means or {}).get((block, head))
                columns = slice(head * d_head, (head + 1) * d_head)
                changed[..., columns] = 0 if mean is None else mean.to(changed)
            return (changed, *args[1:])

        return hook

    handles = [
        lm.output_projection(block).register_forward_pre_hook(pre_hook(block)) for block in by_block
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
