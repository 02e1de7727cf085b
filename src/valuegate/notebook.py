"""What a section's notebook calls: its tables, its claims, its figures.

A notebook works alike in three places: run by papermill (tables are stored, torch stays out), in
replay (tables are those of a record) and by hand in JupyterLab (a missing table is computed).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pandas as pd
from IPython.display import SVG, display
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from valuegate import claims, config, house, paths, results
from valuegate.measure import Store
from valuegate.sections import plan


class Section:
    """One section's notebook at work.

    Attributes:
        run: the run it belongs to.
        settings: the profile's settings of this section.
        subject: the model that the section's claims are about; the run's first.
    """

    def __init__(self, name: str, profile: str = "default", models: str = "") -> None:
        self.name = name
        self.run = config.run(profile, name, models)
        self.settings = self.run.settings(name)
        self.subject = self.run.models[0]
        self.measurements = plan(self.run)
        self.folder = Path(os.environ.get("VALUEGATE_OUT") or paths.build(self.run.name))
        ledger = claims.Ledger(self.run, name, self.measurements, self.folder / "claims")
        self.claim, self.rests_on = ledger.claim, ledger.rests_on
        house.use()

    def table(self, name: str, model: str = "") -> pd.DataFrame:
        """Return the per-item table of a measurement, for the subject if no model is named."""
        model = model or self.subject
        wanted = next(m for m in self.measurements if (m.name, m.model) == (name, model))
        if record := os.environ.get("VALUEGATE_REPLAY"):
            return results.table(Path(record), wanted.label)
        store = Store.of(self.run.name)
        if store.has(wanted):
            return store.table(wanted)
        print(f"{wanted.label} is not measured yet; computing it here", file=sys.stderr)
        from valuegate import models, scoring

        return store.compute(wanted, models.load(model), _progress, lambda: scoring.METER.tokens)

    def figure(self, drawn: tuple[Figure, pd.DataFrame], name: str) -> None:
        """Save a figure with the numbers behind it, and show it."""
        figure, table = drawn
        house.save(figure, table, f"{self.name[:2]}_{name}", self.folder / "figures")
        display(SVG(house.inline(figure)))
        plt.close(figure)

    def print_table(self, table: pd.DataFrame, name: str) -> pd.DataFrame:
        """Save a table as the paper prints it, and return it to be shown."""
        house.save_table(table, f"{self.name[:2]}_{name}", self.folder / "figures")
        return table


def _progress(done: int, total: int) -> None:
    print(json.dumps({"done": done, "total": total}), file=sys.stderr)
