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
        table: from `misfire_run.own`; all its rows are of one group.
        draws: of the bootstrap.
    """
    table = table.reset_index(drop=True)
    gold = table["gold"].to_numpy()
    rows = []
    for name, column in INSTRUMENTS.items():
        scores = np.stack(table[column].to_list()).astype(float)
        areas = stats.cluster_auroc(scores, gold, table["pair"], draws=draws)
        for layer, area in enumerate(areas):
            found = stats.with_exact_end(area)
            rows.append(
                {
                    "instrument": name, "layer": layer, "auroc": found.estimate, "low": found.low,
                    "high": found.high, "n": found.n, "pairs": found.clusters,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def below_less_output(table: pd.DataFrame, layer: int, *, draws: int = 500) -> stats.Interval:
    """Return the AUROC of the probe at a layer less that of the lens at the last one.

    Above zero, evidence is there at that layer and not said at the output. Bootstrap over pairs.
    """
    table = table.reset_index(drop=True)
    gold = table["gold"].to_numpy()
    there = np.stack(table["decoded"].to_list()).astype(float)[:, layer]
    said = np.stack(table["lens"].to_list()).astype(float)[:, -1]
    return stats.cluster_bootstrap(
        lambda _, w: stats.auroc(there, gold, w) - stats.auroc(said, gold, w),
        table, "pair", draws=draws,
    )  # fmt: skip


def gaps(table: pd.DataFrame, gated: str) -> pd.DataFrame:
    """Return the lens's gap between members on evidence, by scenario (rows) and layer (columns).

    The log-odds about the other member less those about the gated one, nats. The index has
    category, pair and scenario.
    """
    evidence = table[table["gold"] == 1]
    lens = np.stack(evidence["lens"].to_list()).astype(float)
    keys = ["category", "pair", "scenario", "asked"]
    wide = pd.DataFrame(lens, index=pd.MultiIndex.from_frame(evidence[keys]))
    other = "contrast" if gated == "stereotyped" else "stereotyped"
    return wide.xs(other, level="asked") - wide.xs(gated, level="asked")


def gap_over_controls(
    table: pd.DataFrame, gated: str, *, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Return the lens's gap between members, over what controls spread, by layer.

    Controls have two members who belong to no group, and their gaps' standard deviation at a layer
    is the unit. `band`: the 95% point of the largest absolute gap of any layer when members are
    exchanged by pair. Columns: layer, gap, low, high (SD of controls; bootstrap over pairs), band,
    n.

    Args:
        table: from `misfire_run.own`: some pairs, and the controls.
        gated: the member that gates are about.
        draws: of bootstrap and null.
        seed: of both.
    """
    found = gaps(table, gated)
    is_control = found.index.get_level_values("category") == "Control"
    spread = found[is_control].std(ddof=1).to_numpy()
    own = found[~is_control].groupby(level="pair").mean().to_numpy()
    scale = np.where(spread > 1e-9, spread, np.inf)  # at the embedding all prompts end alike
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(own), size=(draws, len(own)))
    boot = own[drawn].mean(1) / scale
    flips = rng.integers(2, size=(draws, len(own))) * 2 - 1
    null = np.abs(flips @ own / len(own) / scale).max(1)
    low, high = np.quantile(boot, [0.025, 0.975], axis=0)
    return pd.DataFrame(
        {
            "layer": range(own.shape[1]), "gap": own.mean(0) / scale, "low": low, "high": high,
            "band": np.quantile(null, 0.95), "n": len(own),
        }
    )  # fmt: skip


def gap_added(after: pd.DataFrame, before: pd.DataFrame, gated: str) -> stats.Interval:
    """Return how much larger the gap is at the last layer after a gate than before it.

    Nats, Student's interval over pairs. Controls are left out.
    """
    change = (gaps(after, gated) - gaps(before, gated)).iloc[:, -1]
    change = change[change.index.get_level_values("category") != "Control"]
    return stats.student_mean(change.groupby(level="pair").mean())


PLACES = ("last", "names", "before")


def patched_curve(table: pd.DataFrame, place: str) -> pd.DataFrame:
    """Return how far another run's residual at a layer moves the answer towards yes.

    Nats, patched less as it is, mean over scenarios with Student's intervals. Columns: layer,
    moved, low, high, n.

    Args:
        table: from `misfire_run.layers`.
        place: "last" or "names" (of the twin), or "before" (the model before its gate).
    """
    moved = _moved(table, place)
    rows = []
    for number, layer in enumerate(table["layers"].iloc[0]):
        mean = stats.student_mean(moved[:, number])
        rows.append((layer, mean.estimate, mean.low, mean.high, mean.n))
    return pd.DataFrame(rows, columns=["layer", "moved", "low", "high", "n"])


def patched_at(
    table: pd.DataFrame, place: str, layer: int, less: int | None = None, level: float = 0.95
) -> stats.Interval:
    """Return what patching a layer moves, less what another layer does; nats, over scenarios."""
    layers = list(table["layers"].iloc[0])
    moved = _moved(table, place)
    values = moved[:, layers.index(layer)]
    return stats.student_mean(
        values if less is None else values - moved[:, layers.index(less)], level=level
    )


def _moved(table: pd.DataFrame, place: str) -> np.ndarray:
    patched = np.stack(table[f"patched_{place}"].to_list()).astype(float)
    return patched - table["log_odds"].to_numpy(float)[:, None]


ABLATIONS = ("mean_ablated", "zero_ablated", "random")


def head_effects(table: pd.DataFrame) -> pd.DataFrame:
    """Return what ablating heads changes by kind of prompt: the chosen heads and random ones.

    Changes of log-odds, after less before, nats, with Student's intervals over prompts (a scenario
    has one of a kind); of random heads the mean over draws. `yes_before` and `yes`: percent
    answered yes. Columns: kind, ablation, value, low, high, low90, high90, n, yes_before, yes.
    """
    rows = []
    for kind, part in table.groupby("kind", sort=False):
        before = part["log_odds"].to_numpy(float)
        for ablation in ABLATIONS:
            after = np.vstack(part[ablation].map(np.atleast_1d).to_list()).astype(float)
            changes = after.mean(1) - before
            wide, narrow = (stats.student_mean(changes, level=at) for at in (0.95, 0.9))
            rows.append(
                {
                    "kind": kind, "ablation": ablation, "value": wide.estimate, "low": wide.low,
                    "high": wide.high, "low90": narrow.low, "high90": narrow.high, "n": wide.n,
                    "yes_before": 100 * (before > 0).mean(), "yes": 100 * (after > 0).mean(),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def beyond_random(
    table: pd.DataFrame, kind: str
) -> tuple[stats.Interval, tuple[float, float], float]:
    """Return how much more the chosen heads move prompts of a kind to yes than random heads do.

    Student's interval over prompts, of ablation to the mean; the middle 95% of what single draws of
    random heads do beyond their mean; and p, the share of draws, the chosen set counted, whose mean
    change is as large (one-sided).
    """
    part = table[table["kind"] == kind]
    before = part["log_odds"].to_numpy(float)
    chosen = part["mean_ablated"].to_numpy(float) - before
    draws = np.stack(part["random"].to_list()).astype(float) - before[:, None]
    p = (1 + int((draws.mean(0) >= chosen.mean()).sum())) / (1 + draws.shape[1])
    low, high = np.quantile(draws.mean(0) - draws.mean(), [0.025, 0.975])
    return stats.student_mean(chosen - draws.mean(1)), (float(low), float(high)), float(p)


def recovered_reading(table: pd.DataFrame) -> stats.Interval:
    """Return what ablating the chosen heads moves evidence beyond its foil, about the gated member.

    Heads that hide what is read move evidence and leave foils; heads that lean to no move both
    alike. Nats, Student's 90% interval over scenarios, of ablation to the mean.
    """
    moved = table["mean_ablated"] - table["log_odds"]
    wide = table.assign(moved=moved).pivot(index="scenario", columns="kind", values="moved")
    return stats.student_mean((wide["gated"] - wide["foil"]).dropna(), level=0.9)
