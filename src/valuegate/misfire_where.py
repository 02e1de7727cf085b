"""Where section 02's answers are made: by layer, patched layers, heads. Pure functions of tables.

What runs is in `misfire_run`; figures are in `misfire_figures`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from valuegate import stats
from valuegate.worlds_ledger import World

INSTRUMENTS = {"lens": "lens", "probe": "decoded"}  # to their columns


def with_gates(table: pd.DataFrame, world: World) -> pd.DataFrame:
    """Return rows with `cell` of the pair and `side`: whether the asked person's group is gated.

    Controls are in no cell and keep "".
    """
    side = np.where(table["asked"] == world.gated_member, "gated", "open")
    return table.assign(cell=table["pair"].map(world.evidence).fillna(""), side=side)


def layer_reading(table: pd.DataFrame, *, draws: int = 500) -> pd.DataFrame:
    """Return the AUROC of evidence against foils at every layer, by lens and by probe.

    Columns: instrument, layer, auroc, low, high (bootstrap over pairs, the same draws at every
    layer), n, pairs.

    Args:
        table: from `misfire_run.own`; all its rows.
        draws: of the bootstrap.
    """
    table = table.reset_index(drop=True)
    gold = table["gold"].to_numpy()
    rows = []
    for instrument, scored in INSTRUMENTS.items():
        scores = np.stack(table[scored].to_list()).astype(float)
        for layer in range(scores.shape[1]):
            column = scores[:, layer]
            found = stats.cluster_bootstrap(
                lambda _, w, c=column: stats.auroc(c, gold, w), table, "pair", draws=draws
            )
            rows.append(
                {
                    "instrument": instrument, "layer": layer, "auroc": found.estimate,
                    "low": found.low, "high": found.high, "n": found.n, "pairs": found.clusters,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def gap_over_controls(table: pd.DataFrame, *, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Return the lens's gap between members on evidence, over what controls spread, by layer.

    The gap is contrast less stereotyped log-odds within a scenario; controls have two members who
    belong to no group, and their gaps' standard deviation at a layer is the unit. `band`: the 95%
    point of the largest absolute gap of any layer when members are exchanged by pair. Columns:
    layer, gap, low, high (SD of controls; bootstrap over pairs), band, n.
    """
    evidence = table[table["gold"] == 1]
    lens = np.stack(evidence["lens"].to_list()).astype(float)
    keys = ["category", "pair", "scenario", "asked"]
    wide = pd.DataFrame(lens, index=pd.MultiIndex.from_frame(evidence[keys]))
    gaps = wide.xs("contrast", level="asked") - wide.xs("stereotyped", level="asked")
    is_control = gaps.index.get_level_values("category") == "Control"
    spread = gaps[is_control].std(ddof=1).to_numpy()
    own = gaps[~is_control].groupby(level="pair").mean().to_numpy()
    scale = np.where(spread > 1e-9, spread, np.inf)  # at the embedding all prompts end alike
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(own), size=(draws, len(own)))
    boot = own[drawn].mean(1) / scale
    flips = rng.integers(2, size=(draws, len(own))) * 2 - 1
    null = np.abs(flips @ own / len(own) / scale).max(1)
    low, high = np.quantile(boot, [0.025, 0.975], axis=0)
    return pd.DataFrame(
        {
            "layer": range(lens.shape[1]), "gap": own.mean(0) / scale, "low": low, "high": high,
            "band": np.quantile(null, 0.95), "n": len(own),
        }
    )  # fmt: skip


def patched_curve(table: pd.DataFrame, place: str, *, draws: int = 2000) -> pd.DataFrame:
    """Return how far the twin's residual at a layer moves the answer towards the twin's.

    A ratio of sums over scenarios: 0 where patching changes nothing, 1 where it gives the twin's
    answer, beyond either where it overshoots. A scenario whose two answers are nearly one weighs
    little, and none is left out. Columns: layer, recovery, low, high (bootstrap over scenarios), n.

    Args:
        table: from `misfire_run.layers`.
        place: "last" or "names", the tokens that are patched.
        draws: of the bootstrap.
    """
    table = table.reset_index(drop=True)
    own = table["log_odds"].to_numpy(float)
    apart = table["twin_log_odds"].to_numpy(float) - own
    patched = np.stack(table[f"patched_{place}"].to_list()).astype(float)
    rows = []
    for layer in range(patched.shape[1]):
        moved = patched[:, layer] - own
        found = stats.cluster_bootstrap(
            lambda _, w, m=moved: stats.weighted_ratio(m, apart, w), table, "scenario", draws=draws
        )
        rows.append((layer, found.estimate, found.low, found.high, found.n))
    return pd.DataFrame(rows, columns=["layer", "recovery", "low", "high", "n"])


ABLATIONS = ("mean_ablated", "zero_ablated", "random")


def head_effects(table: pd.DataFrame) -> pd.DataFrame:
    """Return what ablating heads changes, on held-out scenarios: chosen heads and random ones.

    `reading` is the prompt's log-odds less its twin's: how much evidence moves the answer; `lean`
    their mean. Changes are after less before, nats, with Student's interval over scenarios; of
    random heads the mean over draws in each scenario. Columns: ablation, measure, value, low, high,
    n, before.
    """
    before = _parts(table["log_odds"], table["twin_log_odds"])
    rows = []
    for ablation in ABLATIONS:
        own, twin = table[ablation], table[f"twin_{ablation}"]
        if ablation == "random":
            own, twin = own.map(np.mean), twin.map(np.mean)
        for measure, after in _parts(own, twin).items():
            found = stats.student_mean(after - before[measure])
            rows.append(
                {
                    "ablation": ablation, "measure": measure, "value": found.estimate,
                    "low": found.low, "high": found.high, "n": found.n,
                    "before": float(before[measure].mean()),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def beyond_random(table: pd.DataFrame, measure: str = "reading") -> tuple[stats.Interval, float]:
    """Return what the chosen heads change beyond random heads of their blocks, and its rank p.

    The interval is Student's over scenarios, of mean ablation. p: the share of random draws, the
    chosen set counted, whose mean change is as negative (one-sided, as reading should fall).
    """
    before = _parts(table["log_odds"], table["twin_log_odds"])[measure]
    chosen = _parts(table["mean_ablated"], table["twin_mean_ablated"])[measure] - before
    one = np.stack(table["random"].to_list()).astype(float)
    other = np.stack(table["twin_random"].to_list()).astype(float)
    draws = (one - other if measure == "reading" else (one + other) / 2) - before[:, None]
    p = (1 + int((draws.mean(0) <= chosen.mean()).sum())) / (1 + draws.shape[1])
    return stats.student_mean(chosen - draws.mean(1)), float(p)


def _parts(own: pd.Series, twin: pd.Series) -> dict[str, np.ndarray]:
    a, b = own.to_numpy(float), twin.to_numpy(float)
    return {"reading": a - b, "lean": (a + b) / 2}
