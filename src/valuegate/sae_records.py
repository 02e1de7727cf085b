"""What is on record of the autoencoders that ship, without loading them or torch."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from valuegate import paths, registry
from valuegate.errors import ValueGateError
from valuegate.registry import Sha256
from valuegate.schema import Strict, read_yaml

FOLDER = paths.DATA / "saes"
RECORDS = FOLDER / "records.yml"


class Record(Strict):
    """What `records.yml` says of one autoencoder.

    Attributes:
        files: the sha256 of its weights and its config, by file name.
        fingerprint: of the model whose residual stream it was trained on.
        layer: 0 is the embedding, i the output of block i.
        d_model: width of that stream.
        quality: what `quality` found on held-out texts of the split fit.
        training: settings, tokens, and the share of latents dead on the texts trained on.
    """

    files: dict[str, Sha256]
    fingerprint: str
    layer: int
    d_model: int
    quality: dict[str, float]
    training: dict[str, int | float]


def records() -> dict[str, Record]:
    """Return the record of every autoencoder that ships; empty where none was trained yet."""
    return read_yaml(RECORDS, dict[str, Record]) if RECORDS.exists() else {}


def current() -> dict[str, Record]:
    """Return `records`, checked to be of the models that are registered now.

    Raises:
        ValueGateError: one was trained on other weights.
    """
    found = records()
    for name, record in found.items():
        if record.fingerprint != registry.fingerprint(name):
            raise ValueGateError(
                f"autoencoder {name}: trained on other weights than those registered now; "
                "run `make saes`"
            )
    return found


def printed(found: Mapping[str, Record]) -> pd.DataFrame:
    """Return a line for each autoencoder as the paper prints it; quality is on held-out texts."""
    rows = [
        {
            "model": name,
            "layer": str(record.layer),
            "latents": f"{record.training['latents']:,}",
            "active a token": f"{record.quality['l0']:.1f}",
            "never active, %": f"{100 * record.quality['dead']:.1f}",
            "variance unexplained": f"{record.quality['fvu']:.3f}",
            "cross-entropy recovered": f"{record.quality['recovered']:.3f}",
            "tokens": f"{record.quality['tokens']:,.0f}",
        }
        for name, record in found.items()
    ]
    return pd.DataFrame(rows)
