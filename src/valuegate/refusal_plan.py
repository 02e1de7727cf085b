"""Section 05's plan: which models are asked, steered and read, and what it costs.

The items are in `refusal_items`. Never loads torch.
"""

from __future__ import annotations

from typing import Any

from valuegate import refusal_items
from valuegate.config import Run
from valuegate.measure import Measurement

SECTION = "05_refusal_geometry"
# Forward tokens a prompt, counted on the embedded model, with what prompts share run once.
TOKENS = {"fit": 20, "test": 20, "layers": 46, "select": 44, "curves": 19, "bank": 690,
          "ablated": 26, "latents": 0}  # fmt: skip
CANDIDATES = 24  # layers and positions that are tried
DIRECTIONS = 11 + 1 + 4  # kinds, pooled, controls
ANSWERED = 830  # tokens a prompt of "curves": answers along all directions, and their losses


def plan(run: Run) -> list[Measurement]:
    """Return the section's measurements.

    Residuals of requests that directions are fitted on ("fit") and of others ("test"), and what
    directions are like at all layers ("layers"), of the models `asked`. In those `steered` layer
    and position are chosen ("select"), every direction is added at several strengths ("curves") and
    projected out ("ablated"), and refusals are scored over the whole bank ("bank"). In
    `latent_stages` an autoencoder's active latents are read ("latents").
    """
    s = run.settings(SECTION)
    source: dict[str, Any] = {"source": s["requests"]}
    depth = {"depth": s["depth"], "position": s["position"]}
    fit: dict[str, Any] = {"split": "fit", "each": s["fit"], "everyday": s["everyday"], **source}
    test: dict[str, Any] = {"split": "test", "each": s["test"], "everyday": s["test_everyday"]}
    test |= source
    fitted: dict[str, Any] = {"prompts": s["fit"], "everyday": s["everyday"], **source}
    fitted["hash"] = refusal_items.fingerprint(str(s["requests"]))
    curve, strengths = {"prompts": s["curve"], **source}, str(s["strengths"]).split()
    above = 1 - float(str(s["depth"]))
    found = []
    for model in asked(run):
        found += [
            _measurement("fit", model, "residuals", "request_items", fit, depth, whole=True),
            _measurement("test", model, "residuals", "request_items", test, depth),
            _measurement("layers", model, "layers", "kind_items", source,
                         {**fitted, "test": s["test"]}, times=int(str(s["test"]))),
        ]  # fmt: skip
        if model in stages(run, "latent_stages"):
            place = {"position": s["position"]}
            found.append(
                _measurement("latents", model, "latents", "request_items", fit, place, whole=True)
            )
    for model in steered(run):
        swept = DIRECTIONS * len(strengths) * above
        found += [
            _measurement("select", model, "select", "select_items",
                         {"prompts": s["select"], **source}, fitted, times=CANDIDATES),
            _measurement("curves", model, "curves", "curve_items", curve,
                         {**depth, **fitted, "strengths": s["strengths"]}, whole=True,
                         times=swept + ANSWERED / TOKENS["curves"]),
            _measurement("bank", model, "bank", "curve_items", {**curve, "prompts": s["bank"]}, {}),
            _measurement("ablated", model, "ablated", "refuse_items", curve,
                         {**depth, **fitted, "strength": s["strength"], "pairs": s["pairs"]},
                         times=14 + 30 * above),
        ]  # fmt: skip
    return found


def asked(run: Run) -> list[str]:
    """Return the models whose requests are read: the run's own, then planted stages."""
    return list(dict.fromkeys([*run.models, *stages(run), *steered(run)]))


def steered(run: Run) -> list[str]:
    """Return the models that are steered: planted stages, then the run's own if it says so."""
    own = run.models if run.settings(SECTION)["steer_models"] else []
    return list(dict.fromkeys([*stages(run, "steer_stages"), *own]))


def stages(run: Run, which: str = "stages") -> list[str]:
    """Return the planted stages that a run of this section reads, whichever its own models are."""
    return str(run.settings(SECTION)[which] or "").split()


def _measurement(
    name: str,
    model: str,
    function: str,
    load: str,
    options: dict[str, Any],
    settings: dict[str, Any],
    *,
    times: float = 1.0,
    whole: bool = False,
) -> Measurement:
    module = {"select": "refusal_ablate", "ablated": "refusal_ablate", "curves": "refusal_steer"}
    place = module.get(name, "refusal_run")
    # Public requests are counted as our own are: a plan reads no source.
    rows = len(getattr(refusal_items, load)(**options | {"source": "own"}))
    return Measurement(
        section=SECTION, name=name, model=model, function=f"{place}:{function}",
        load_items=f"refusal_items:{load}", item_settings=options, settings=settings,
        checked={"latents": "count", "layers": "top"}.get(name, "refusing"), whole=whole,
        tokens=round(rows * TOKENS[name] * times),
    )  # fmt: skip
