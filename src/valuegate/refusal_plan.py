"""Section 05's plan: which models are asked, steered and read, and what it costs.

The items are in `refusal_items`. Never loads torch.
"""

from __future__ import annotations

from typing import Any

from valuegate import refusal_items
from valuegate.config import Run
from valuegate.measure import Measurement, frame_hash

SECTION = "05_refusal_geometry"
# Forward tokens a prompt, counted on the embedded model: with shared prefixes, or (of "curves" and
# "ablated") of a prompt whole, times the share of the model above the layer.
TOKENS = {"fit": 20, "test": 20, "select": 20, "bank": 330, "latents": 20, "whole": 45}
CANDIDATES = 24  # layers and positions that are tried
DIRECTIONS = 11 + 1 + 4  # kinds, pooled, controls
ANSWER = 24  # tokens


def plan(run: Run) -> list[Measurement]:
    """Return the section's measurements.

    Residuals of requests that directions are fitted on ("fit") and of others ("test"), of the run's
    own models and of `stages`. In `steer_stages` layer and position are chosen ("select"), every
    direction is added at eight strengths or more ("curves") and projected out ("ablated"), and
    refusals are scored over the whole bank ("bank"). In `latent_stages` an autoencoder's active
    latents are read ("latents").
    """
    s = run.settings(SECTION)
    depth = {"depth": s["depth"], "position": s["position"]}
    fitted = {"prompts": s["fit"], "everyday": s["everyday"]}
    hashed = {"hash": frame_hash(refusal_items.request_items("fit", **_ints(s, "fit", "everyday")))}
    fit = {"split": "fit", "each": s["fit"], "everyday": s["everyday"]}
    test = {"split": "test", "each": s["test"], "everyday": s["test_everyday"]}
    curve, strengths = {"prompts": s["curve"]}, str(s["strengths"]).split()
    above = 1 - float(str(s["depth"]))
    found = []
    for model in dict.fromkeys([*run.models, *stages(run)]):
        found += [
            _measurement("fit", model, "residuals", "request_items", fit, depth),
            _measurement("test", model, "residuals", "request_items", test, depth),
        ]
    for model in stages(run, "steer_stages"):
        steered = {**depth, **fitted}
        found += [
            _measurement("select", model, "select", "select_items", {"prompts": s["select"]},
                         {**fitted, **hashed}, times=1.5 * CANDIDATES),
            _measurement("curves", model, "curves", "curve_items", curve,
                         {**steered, **hashed, "strengths": s["strengths"]}, whole=True,
                         tokens="whole", times=DIRECTIONS * len(strengths) * above + 10),
            _measurement("bank", model, "bank", "curve_items", curve, {}),
            _measurement("ablated", model, "ablated", "refuse_items", curve,
                         {**steered, **hashed, "strength": s["strength"], "pairs": s["pairs"]},
                         tokens="whole", times=14 * 0.5 + 30 * above),
        ]  # fmt: skip
    for model in stages(run, "latent_stages"):
        place = {"position": s["position"]}
        found.append(_measurement("latents", model, "latents", "request_items", fit, place))
    return found


def stages(run: Run, which: str = "stages") -> list[str]:
    """Return the planted stages that a run of this section reads, whichever its own models are."""
    return str(run.settings(SECTION)[which] or "").split()


def _ints(settings: dict[str, Any], each: str, everyday: str) -> dict[str, int]:
    return {"each": int(settings[each]), "everyday": int(settings[everyday])}


def _measurement(
    name: str,
    model: str,
    function: str,
    load: str,
    options: dict[str, Any],
    settings: dict[str, Any],
    *,
    tokens: str = "",
    times: float = 1.0,
    whole: bool = False,
) -> Measurement:
    module = "refusal_steer" if name in ("select", "curves", "ablated") else "refusal_run"
    rows = len(getattr(refusal_items, load)(**options))
    return Measurement(
        section=SECTION, name=name, model=model, function=f"{module}:{function}",
        load_items=f"refusal_items:{load}", item_settings=options, settings=settings,
        checked="count" if name == "latents" else "refusing", whole=whole,
        tokens=round(rows * TOKENS[tokens or name] * times),
    )  # fmt: skip
