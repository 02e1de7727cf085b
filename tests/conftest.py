"""Checks shapes and types of the code that touches tensors while the tests run."""

from __future__ import annotations

import os

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a test that reached for the hub would hang or lie

typechecked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a fine float

install_import_hook(
    ["valuegate.hooks", "valuegate.residual", "valuegate.scoring"], "conftest.typechecked"
)
