"""Arms of a repair by hand: effects against the same pipeline, shares, and what a coder leaves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from valuegate import moral_arms, moral_figures, moral_tables
from valuegate.moral_items import FOUNDATIONS
from valuegate.moral_repair_items import ARMS, CODERS

NAMES = ["plain", *(f"{arm} {s}" for arm in ARMS for s in ("0.5", "1.0")), "zero"]


def readouts():
    rng = np.random.default_rng(0)
    rows = []
    for readout in ("verdict", "choice", "norm", "text", "request"):
        for n in range(12):
            value = (1.0, -1.0)[n % 2] if readout in ("verdict", "norm") else 1.0
            scores = np.zeros(len(NAMES))
            scores[NAMES.index("tuned 1.0")] = 2.0 * value
            scores[NAMES.index("pretrained 1.0")] = 0.5 * value
            if readout == "text":
                scores[:] = -1.0
                scores[NAMES.index("pretrained 1.0")] = -2.0
                scores[-1] = -5.0
            rows.append(
                {
                    "item": f"{readout} {n}", "readout": readout, "cluster": f"c{n // 2}",
                    "value": value, "arms": ";".join(NAMES),
                    "scores": scores + 1e-3 * rng.normal(size=len(scores)),
                    "missed": np.array([1.0, 3.0, 2.0, 2.0]), "spread": 10.0,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def pools(items=60):
    rng = np.random.default_rng(0)
    rows = []
    for n in range(items):
        pole = ("virtue", "vice", "neutral")[n % 3]
        grade = 0.0 if pole == "neutral" else float(rng.choice([1 / 3, 2 / 3, 1.0]))
        home = FOUNDATIONS[n % 5]
        own = np.zeros(10)
        slot = 2 * (n % 5) + ("virtue", "vice").index(pole) if grade else 0
        own[slot] = grade
        rows.append(
            {
                "foundation": home, "pole": pole, "grade": grade, "cluster": f"t{n // 3}",
                **{name: rng.normal(size=10) for name in CODERS},
                **{f"before_{name}": rng.normal(size=10) for name in CODERS},
                "losses": '{"tuned": {"before_align": 0.5, "after_align": 0.25, "steps": 75.0}}',
                "tuned": own + 0.01 * rng.normal(size=10),
                "missed": np.ones(4), "spread": 2.0, "latents": np.array([6, 3, 1, 8, 1, 1]),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def test_effects_are_against_the_pipeline_at_no_strength():
    table = readouts()
    assert moral_arms.arms(table) == NAMES
    assert moral_arms.strengths(table) == ["0.5", "1.0"]
    # Virtues up by two and vices down by two: four nats apart.
    verdict = moral_arms.effect(table, "verdict", "tuned 1.0", draws=50)
    assert verdict.estimate == pytest.approx(4, abs=0.01)
    assert verdict.clusters == 6
    assert moral_arms.effect(table, "norm", "tuned 1.0", draws=50).estimate == pytest.approx(
        2, abs=0.01
    )
    more = moral_arms.effect(table, "verdict", "tuned 1.0", "pretrained 1.0", draws=50)
    assert more.estimate == pytest.approx(3, abs=0.01)
    cost = moral_arms.effect(table, "text", "pretrained 1.0", draws=50)
    assert cost.estimate == pytest.approx(1, abs=0.01)
    own = moral_arms.share(table, "verdict", "pretrained 1.0", "tuned 1.0", draws=50)
    assert own.estimate == pytest.approx(0.25, abs=0.01)
    none = moral_arms.share(table, "verdict", "pretrained 1.0", "noise 1.0", draws=50)
    assert np.isnan(none.estimate)


def test_what_an_autoencoder_leaves_and_recovers():
    table = readouts()
    assert moral_arms.unexplained(table, 1, draws=20).estimate == pytest.approx(0.3)
    assert moral_arms.more_unexplained(table, draws=20).estimate == pytest.approx(0.2)
    back = moral_arms.recovered(table, "pretrained 1.0", draws=20)
    assert back.estimate == pytest.approx(0.75, abs=0.01)


def test_pools_follow_grades_where_they_were_made_to():
    table = pools()
    assert moral_arms.typicality(table, "tuned") > 0.8
    assert abs(moral_arms.typicality(table, "shuffled")) < 0.4
    gap = moral_arms.typicality_change(table, "tuned", draws=50)
    assert gap.low > 0.3
    gap = moral_arms.typicality_change(table, "tuned", "shuffled", draws=50)
    assert gap.low > 0.1
    # What its pools gave before is no change: a coder that was not tuned has none.
    same = table.assign(before_tuned=table["tuned"])
    assert moral_arms.typicality_change(same, "tuned", draws=20).estimate == 0
    assert moral_arms.latents(table).tolist() == [[60, 30, 10], [80, 10, 10]]


def test_tables_and_figures_hold_every_arm():
    table = readouts()
    assert moral_tables.arms_table(table, draws=20)["arm"].tolist() == list(ARMS)
    quality = moral_tables.quality_table(table, pools(), draws=20)
    assert quality["autoencoder"].tolist() == list(CODERS)
    assert quality["unexplained, means"].tolist() == ["0.50"] * 4
    _, drawn = moral_figures.arms_figure(table, draws=20)
    assert len(drawn) == len(ARMS) * 5  # Flames' prompts were not asked
    assert moral_tables.losses_table(pools())["align"].tolist() == ["0.5 to 0.25"]
    _, drawn = moral_figures.doses_figure(table, draws=20)
    assert set(drawn["strength"]) == {0.5, 1.0}
