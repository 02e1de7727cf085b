"""Section 01's plan: which stages and models are asked which items, and what it costs.

The items are in `veto_items`. Never loads torch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pandas as pd

from valuegate import veto_items, worlds
from valuegate.config import Run
from valuegate.measure import Measurement

SECTION = "01_alignment_veto"
# Forward tokens a prompt, counted on the embedded model with shared prefixes; of "edits" and
# "mended" a prompt and condition.
TOKENS = {
    "slots": 60,
    "grid": 74,
    "forms": 47,
    "native": 136,
    "answers": 90,
    "edits": 71,
    "mended": 84,
}


def plan(run: Run) -> list[Measurement]:
    """Return the section's measurements; the published scores need no model.

    The run's own models are asked all survey questions in every framing ("grid"), or the planted
    ones alone ("slots"), as `grid` says. Of the planted stages, whichever models are named, those
    of `stages` are asked all planted questions in every framing ("slots"), those of
    `persona_stages` as a persona alone; `form_stages` some in other forms ("forms"),
    `native_stages` in other languages ("native"), `answer_stages` some to be answered in words
    ("answers"). In `edit_stages` features of the autoencoder are ablated ("edits"), in
    `mend_stages` gates are opened and facts given ("mended").
    """
    settings = run.settings(SECTION)
    chosen = {"per_cell": settings["per_cell"]}
    whole = list(stages(run))
    found = []
    for model in run.models:
        if grid_name(run) == "slots":
            whole += [] if model in whole else [model]
        else:
            asked = {"questions": settings["grid"], "every": settings["grid_every"]}
            found.append(_measurement("grid", model, "grid_items", asked, function="forms"))
    found += [_measurement("slots", model, "slot_items", chosen) for model in whole]
    for model in sorted({*stages(run, "persona_stages")} - {*whole}):
        found.append(_measurement("slots", model, "slot_items", chosen | {"framings": "persona"}))
    for model in stages(run, "form_stages"):
        counted = {"questions": settings["form_questions"]}
        found.append(_measurement("forms", model, "form_items", counted))
    for model in stages(run, "native_stages"):
        every = {"every": settings["native_every"]}
        found.append(_measurement("native", model, "native_items", every, function="forms"))
    for model in stages(run, "answer_stages"):
        asked = {"prompts": settings["answers"]}
        found.append(_measurement("answers", model, "answer_items", asked, checked="refuses"))
    for model in stages(run, "edit_stages"):
        drawn = {"draws": settings["edit_draws"], "hash": veto_items.fit_hash()}
        some = {"countries": settings["edit_countries"]}
        conditions = 2 * int(str(settings["edit_draws"])) + len(veto_items.EDITS)
        found.append(
            _measurement("edits", model, "edit_items", some, settings=drawn, times=conditions)
        )
    for model in stages(run, "mend_stages"):
        _, seed = worlds.stage_and_seed(model)
        source = {"source": f"gated-{seed}", "hash": veto_items.fit_hash()}
        some = {"countries": settings["mend_countries"]}
        conditions = len(veto_items.MENDS) + 1
        found.append(
            _measurement("mended", model, "mend_items", some, settings=source, times=conditions)
        )
    return found


LOADERS: dict[str, Callable[..., pd.DataFrame]] = {
    load.__name__: load
    for load in (
        veto_items.slot_items,
        veto_items.answer_items,
        veto_items.form_items,
        veto_items.native_items,
        veto_items.edit_items,
        veto_items.mend_items,
    )
}


def _measurement(
    name: str,
    model: str,
    load: str,
    options: dict[str, Any],
    *,
    function: str = "",
    settings: dict[str, Any] | None = None,
    checked: str = "expected",
    times: int = 1,
) -> Measurement:
    module = "veto_edits" if name in ("edits", "mended") else "veto_run"
    return Measurement(
        section=SECTION, name=name, model=model, function=f"{module}:{function or name}",
        load_items=f"veto_items:{load}", item_settings=options, settings=settings or {},
        checked=checked, whole=name == "slots",
        tokens=_size(load, tuple(options.items())) * TOKENS[name] * times,
    )  # fmt: skip


@functools.cache
def _size(load: str, options: tuple[tuple[str, Any], ...]) -> int:
    if load == "grid_items":
        return veto_items.grid_size(**dict(options))
    return len(LOADERS[load](**dict(options)))


def grid_name(run: Run) -> str:
    """Return the measurement that the run's own models are compared on, "slots" or "grid"."""
    return "slots" if run.settings(SECTION)["grid"] == "planted" else "grid"


def stages(run: Run, which: str = "stages") -> list[str]:
    """Return the planted stages that a run of this section reads, whichever its own models are."""
    return str(run.settings(SECTION)[which] or "").split()
