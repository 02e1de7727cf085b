"""Which module plans which section. Imports them only when asked, and they load no model."""

from __future__ import annotations

import importlib

from valuegate.config import Run
from valuegate.measure import Measurement

MODULES = {
    "01_alignment_veto": "veto_plan",
    "02_misfired_alignment": "misfire_items",
    "03_moral_indifference": "moral_plan",
    "04_neutral_mask": "mask_plan",
    "05_refusal_geometry": "refusal_plan",
    "A1_items": "items_texts",
    "A2_worlds": "worlds_items",
}


def plan(run: Run) -> list[Measurement]:
    """Return the measurements of a run's sections."""
    return [
        measurement
        for section in run.sections
        for measurement in importlib.import_module(f"valuegate.{MODULES[section]}").plan(run)
    ]
