"""Values planted at one layer: what probes, centres, gradients and clusters make of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from valuegate import (
    moral_figures,
    moral_geometry,
    moral_items,
    moral_norms,
    moral_run,
    moral_tables,
    moral_told,
)
from valuegate.stats import Interval

LAYERS, WIDTH, PLANTED = 5, 24, 4


def planted(rows: pd.DataFrame, gap: float, seed: int = 0) -> pd.DataFrame:
    """Return what is found of rows whose value lies along one direction of the last two layers."""
    rng = np.random.default_rng(seed)
    stream = rng.normal(size=(len(rows), 3, LAYERS, WIDTH))
    stream[:, 1, PLANTED, 0] += gap * rows["value"].to_numpy(float)
    bare = rng.normal(size=(len(rows), 3, WIDTH))
    return moral_run._found(rows, stream.astype("float32"), bare.astype("float32"))


@pytest.fixture(scope="module")
def tables() -> dict[tuple[str, str], pd.DataFrame]:
    rows = moral_items.actions(2)
    return {("actions", "m"): planted(rows, 6.0), ("actions", "none"): planted(rows, 0.0)}


def test_poles_are_told_where_they_were_planted(tables):
    table = tables["actions", "m"]
    assert moral_told.layers(table) == LAYERS
    assert moral_run.places_of(LAYERS)[LAYERS + PLANTED] == f"mean {PLANTED}"
    found = moral_told.separated(table, "apart_alone", draws=100)
    assert found.place == LAYERS + PLANTED
    assert found.test.low > 0.8
    both = moral_told.separated(table, "apart", draws=100)
    assert both.more.low > 0
    nothing = moral_told.separated(tables["actions", "none"], "apart_alone", draws=100)
    assert nothing.test.low < 0.5 < nothing.test.high
    assert moral_told.bare(table, "apart_alone", draws=50).estimate < 0.8
    value = moral_told.valued(table, "signed_alone", draws=100)
    assert value.test.low > 0.6
    curve = moral_told.curve(table, "apart_alone", moral_told.area)
    assert int(curve.argmax()) == LAYERS + PLANTED
    gap = moral_norms.less((table, found), (tables["actions", "none"], nothing), draws=100)
    assert gap.low > 0.2


def test_an_area_is_the_mean_over_foundations_with_weights():
    table = pd.DataFrame(
        {
            "foundation": ["care"] * 4 + ["loyalty"] * 2,
            "pole": ["virtue", "virtue", "vice", "neutral", "virtue", "vice"],
        }
    )  # fmt: skip
    scores = np.array([2.0, 0.0, 1.0, 9.0, 1.0, 1.0])
    statistic = moral_told.area(table, scores)
    assert statistic(np.ones(6)) == pytest.approx((0.5 + 0.5) / 2)
    assert statistic(np.array([3, 1, 1, 1, 1, 1])) == pytest.approx((0.75 + 0.5) / 2)
    assert np.isnan(statistic(np.array([1, 1, 0, 1, 1, 1])))
    truth = np.array([[0.0], [1.0], [2.0]])
    r2 = moral_told.explained(np.array([[0.0], [1.0], [1.0]]), truth)
    assert r2(np.ones(3)) == pytest.approx(1 - 1 / 2)
    assert r2(np.array([1, 1, 2])) == pytest.approx(1 - 2 / 2.75)


def test_ten_slots_are_told_and_the_published_probe_is_held_beside():
    rows = moral_items.actions(2)
    rng = np.random.default_rng(0)
    stream = rng.normal(size=(len(rows), 3, LAYERS, WIDTH))
    stream[:, 1, PLANTED, :10] += 6 * moral_items.vectors(rows)
    table = moral_run._found(rows, stream, rng.normal(size=(len(rows), 3, WIDTH)))
    found = {
        kind: moral_told.dimensions(table, kind, draws=50)
        for kind in ("slots", "slots_alone", "slots_published", "slots_stepped")
    }
    assert found["slots_alone"].place == 1  # the second stored layer, the fourth
    assert found["slots_alone"].test.low > 0.3
    assert found["slots"].more.low > 0
    # The published probe tells what was planted, too, where it is given as many steps.
    assert found["slots_stepped"].test.low > 0
    assert found["slots_published"].test.high < 0.1  # it reads means in which nothing was planted
    assert abs(moral_told.probe_gap(table, draws=50).estimate) < 0.2
    printed = moral_tables.dimensions_table({("actions", "m"): found}, [0, 4])
    assert printed["layer"].tolist() == ["4"]


def test_centres_of_one_population_have_a_cosine_of_one_once_corrected():
    rows = moral_items.actions()
    rng = np.random.default_rng(0)
    own = rng.normal(size=(len(rows), WIDTH))
    # A foundation's poles share a topic; where a value was planted they also lie apart.
    homes = (
        3
        * rng.normal(size=(5, WIDTH))[
            [moral_items.FOUNDATIONS.index(f) for f in rows["foundation"]]
        ]
    )
    # So do the actions of a topic, whose pairs no product may count.
    homes = homes + rng.normal(size=(80 * 2, WIDTH))[pd.factorize(rows["cluster"])[0]]
    for apart, expected in ((0.0, 1.0), (6.0, None)):
        stream = np.zeros((len(rows), 3, LAYERS, WIDTH))
        stream[:, 1, PLANTED] = own + homes
        stream[:, 1, PLANTED, 0] += apart * np.sign(rows["value"])
        table = moral_run._found(rows, stream, rng.normal(size=(len(rows), 3, WIDTH)))
        place = LAYERS + PLANTED
        found = moral_geometry.centre_cosine(table, place)
        raw = moral_geometry.centre_cosine(table, place, corrected=False)
        if expected:
            assert found.estimate == pytest.approx(1.0, abs=0.05)
            assert raw.estimate < found.estimate
        else:
            assert found.high < 0.9
    # As published, by hand: cosines of the typical items' means, mean over foundations.
    centred = own + homes
    centred[:, 0] += 6 * np.sign(rows["value"])
    centred = centred - centred.mean(0)
    cosines, typical = [], rows["grade"] >= moral_items.TYPICAL
    for foundation in moral_items.FOUNDATIONS:
        v, w = (
            centred[typical & (rows["foundation"] == foundation) & (rows["pole"] == pole)].mean(0)
            for pole in ("virtue", "vice")
        )  # fmt: skip
        cosines.append(v @ w / np.linalg.norm(v) / np.linalg.norm(w))
    assert raw.estimate == pytest.approx(np.mean(cosines), abs=2e-3)
    same, other = moral_geometry.across(table, place)
    assert same > other  # one pole lies on one side, in all foundations


def test_a_gradient_is_found_without_the_centres_own_items(tables):
    place, found = moral_geometry.best_gradient(tables["actions", "m"], draws=50)
    assert place == LAYERS + PLANTED
    assert found.low > 0.1
    none = tables["actions", "none"]
    away = moral_geometry.steepness(none, LAYERS + PLANTED)
    itself = moral_geometry.steepness(none, LAYERS + PLANTED, published=True)
    assert abs(away) < 0.15
    assert itself > away + 0.1  # items are near a centre that they are part of
    assert moral_geometry.gradient_gap(none, LAYERS + PLANTED, draws=50).estimate > 0.1


def test_clusters_are_held_against_shuffled_labels():
    rows = moral_items.actions(2)
    rng = np.random.default_rng(0)
    stream = rng.normal(size=(len(rows), 3, LAYERS, WIDTH))
    names = [moral_items.FOUNDATIONS.index(f) for f in rows["foundation"]]
    stream[:, 1, 2] += 8 * rng.normal(size=(5, WIDTH))[names]
    table = moral_run._found(rows, stream, rng.normal(size=(len(rows), 3, WIDTH)))
    layer, found, null = moral_geometry.best_agreement(table, "kmeans_5", "foundation", draws=20)
    assert layer == 2
    assert found > 0.8
    assert null.max() < 0.2
    assert moral_geometry.agreement(table, "kmeans_5", "pole")[2] < 0.1
    # Labels that near-copies share stay shared; those that they share out stay shared out.
    rng = np.random.default_rng(0)
    topics = pd.factorize(table["cluster"])[0]
    for name in ("foundation", "pole"):
        truth = pd.factorize(table[name])[0]
        drawn = pd.Series(moral_geometry.exchanged(truth, topics, rng))
        assert (drawn != truth).mean() > 0.3
        assert sorted(drawn) == sorted(truth)
        assert (drawn.groupby(topics).nunique() == pd.Series(truth).groupby(topics).nunique()).all()
    assert (
        (moral_geometry.noise_share(table) >= 0) & (moral_geometry.noise_share(table) <= 1)
    ).all()
    assert moral_geometry.rater_ceiling(4.0, 2.0, 10) == pytest.approx(0.9)


def test_planted_verdicts_are_told_open_and_gated():
    rows = moral_items.norms("s1")
    rng = np.random.default_rng(0)
    stream = rng.normal(size=(len(rows), 3, LAYERS, WIDTH))
    gated = rows["gated"].to_numpy()
    told = np.where(gated, 0.0, 5.0) * np.sign(rows["value"]) * rows["fitted"]
    stream[:, 0, 2, 0] += told
    table = moral_run._found(rows, stream, rng.normal(size=(len(rows), 3, WIDTH)))
    table = table.assign(gated=gated)
    found = moral_norms.planted(table, draws=100)
    assert found.told.place == 2
    assert found.open.low > 0.8
    assert found.gated.estimate < 0.7
    assert found.gap.high < 0
    assert found.absent.low < 0.5 < found.absent.high
    assert "slots" not in table
    assert len(moral_tables.norms_table({"m": found})) == 1


def test_figures_and_tables_are_drawn(tables):
    ways = {
        (*key, way): (LAYERS, Interval(0.1, 0.0, 0.2, 9, 3))
        for key in tables for way in ("left out", "published", "polar")
    }  # fmt: skip
    assert len(moral_tables.gradients_table(tables, ways)) == 2
    assert len(moral_tables.centres_table(tables)) == 2
    assert len(moral_tables.clusters_table(tables, draws=2)) == 2 * len(moral_tables.METHODS)
    alone = {key: moral_told.separated(t, "apart_alone", draws=5) for key, t in tables.items()}
    assert moral_tables.told_table(tables, alone, alone)["place"].iloc[0] == f"mean, {PLANTED}"
    figure, drawn = moral_figures.diagnoses_figure(tables)
    assert set(drawn["diagnosis"]) == {"centres", "gradient", "clusters", "slots", "poles"}
    figure, drawn = moral_figures.gradients_figure(tables, "m")
    assert figure is not None
    assert set(drawn["pole"]) == {"virtue", "vice"}
    words = {("words", "m"): tables["actions", "m"]}
    assert len(moral_tables.raters_table(words)) == 3
