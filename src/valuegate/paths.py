"""Where things are. Knows folders and nothing about what is in them."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(os.environ.get("VALUEGATE_ROOT") or Path(__file__).resolve().parents[2])
SRC = Path(__file__).resolve().parent
NOTEBOOKS = ROOT / "notebooks"
PROFILES = NOTEBOOKS / "profiles"
DATA = ROOT / "data"
RESULTS = DATA / "results"
FIGURES = ROOT / "figures"
PAPER = ROOT / "paper"


def build(profile: str) -> Path:
    """Return the folder that every run of a profile writes under (`build/<profile>`)."""
    return ROOT / "build" / profile


def cache() -> Path:
    """Return the folder of downloads and converted models, shared by all clones of one user.

    `VALUEGATE_CACHE` overrides the operating system's cache folder.
    """
    if given := os.environ.get("VALUEGATE_CACHE"):
        return Path(given).expanduser()
    import pooch

    return Path(pooch.os_cache("valuegate"))


def mirror() -> Path | None:
    """Return the folder named by `VALUEGATE_MIRROR`, read before any network, or None."""
    given = os.environ.get("VALUEGATE_MIRROR")
    return Path(given).expanduser() if given else None
