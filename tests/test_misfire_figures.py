"""Section 02's figures: drawn without a warning, with the numbers they draw, equal each time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from valuegate import house, misfire, misfire_figures, misfire_tables, paths
from valuegate.data import sha256
from valuegate.misfire_figures import (
    evidence_figure,
    lens_figure,
    published_figure,
    rates_figure,
    stages_figure,
)

DRAWS = 40


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    house.use()
    yield
    plt.close("all")


def scores(lean: float = 0.0, scenarios: int = 12) -> pd.DataFrame:
    """Return a small per-item table; `lean` is added to every log-odds."""
    rng = np.random.default_rng(4)
    rows = [
        {"pair": f"p{i}", "scenario": f"s{i}", "category": "A", "negated": False, "member": member,
         "probe": probe, "gold": int(probe == "evidence"),
         "log_odds": rng.normal() + (probe == "evidence") + lean}
        for i in range(scenarios) for member in misfire.MEMBERS for probe in ("evidence", "foil")
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    table["lens"] = [np.array([0, v / 2, v], "float32") for v in table["log_odds"]]
    return table


def rates_of(table: pd.DataFrame, balanced: bool = False) -> pd.DataFrame:
    return misfire.misfire_rates(misfire.outcomes(table, balanced=balanced), DRAWS)


def theirs() -> pd.DataFrame:
    return misfire_tables.published(paths.DATA / "items/misfire_published.csv")


def ours(**changes: float) -> pd.DataFrame:
    row = {"model": "m", "starred": "", "mar": 10.0, "bias_rate": 12.0, "interpretable": False}
    row |= {"accuracy_stereotyped": 50.0, "accuracy_contrast": 50.0}
    return pd.DataFrame([row | changes])


def texts(figure: plt.Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def draw(name: str, lean: float = 0.0) -> misfire_figures.Drawn:
    table = scores(lean)
    match name:
        case "evidence":
            return evidence_figure(table, misfire.evidence_reading(table, DRAWS))
        case "rates":
            return rates_figure(rates_of(table), rates_of(table, balanced=True))
        case "lens":
            return lens_figure(misfire.lens_curves(table, DRAWS))
        case _:
            return published_figure(theirs(), misfire_tables.summary_rows({"m": table}))


FIGURES = ("evidence", "rates", "lens", "published")


# A model that answers, one that always says no, one that always says yes.
@pytest.mark.parametrize(
    ("name", "lean"),
    [*((name, lean) for name in FIGURES for lean in (0.0, -50.0)), ("rates", 50.0)],
)
def test_drawn_without_a_warning_and_equal_each_time(tmp_path, name, lean):
    saved = []
    for folder in (tmp_path / "one", tmp_path / "two")[: 1 if lean else 2]:  # a second each
        figure, table = draw(name, lean)
        assert not table.empty
        assert house.save(figure, table, f"02_{name}", folder) == folder / f"02_{name}.svg"
        saved.append({path.name: path.read_bytes() for path in sorted(folder.iterdir())})
    assert list(saved[0]) == [f"02_{name}.{kind}" for kind in ("csv", "json", "pdf", "png", "svg")]
    for file, content in saved[0].items():
        assert content == saved[-1][file], file
        assert len(content) > 100, file
    manifest = json.loads(saved[0][f"02_{name}.json"])
    assert manifest["files"] == {
        f"02_{name}.{kind}": sha256(tmp_path / f"one/02_{name}.{kind}")
        for kind in ("svg", "pdf", "png", "csv")
    }


def test_another_table_is_another_picture(tmp_path):
    for lean in (0.0, 0.5):
        house.save(*draw("evidence", lean), "02_evidence", tmp_path / str(lean))
    one, two = ((tmp_path / str(lean) / "02_evidence.svg").read_bytes() for lean in (0.0, 0.5))
    assert one != two


def test_evidence_figure_draws_its_numbers():
    table = scores()
    reading = misfire.evidence_reading(table, DRAWS)
    figure, numbers = evidence_figure(table, reading)
    pd.testing.assert_frame_equal(numbers.set_index("member"), reading)
    left, right = figure.axes
    curves = {line.get_label(): line.get_xydata() for line in left.get_lines()}
    for member in misfire.MEMBERS:
        for probe in ("evidence", "foil"):
            wanted = table[(table["member"] == member) & (table["probe"] == probe)]["log_odds"]
            drawn = curves[f"{member}, {probe}"]
            assert (drawn[0].tolist(), drawn[-1].tolist()) == ([min(wanted), 0], [max(wanted), 1])
            middle = drawn[len(drawn) // 2]
            assert middle.tolist() == pytest.approx([wanted.median(), 0.5])
    points = [container[0].get_xydata()[0] for container in right.containers]
    assert [tuple(p) for p in points] == [
        (reading.loc[member, "auroc"], y) for y, member in enumerate(misfire.MEMBERS)
    ]


def test_rates_figure_draws_its_numbers_and_names_what_is_undefined():
    table = scores(lean=-50)  # always no: no pair enters either denominator
    as_answered, balanced = rates_of(table), rates_of(table, balanced=True)
    figure, numbers = rates_figure(as_answered, balanced)
    names = list(misfire_figures.RATE_LABELS)
    assert list(numbers["rate"]) == names * 2
    assert list(numbers["criterion"]) == ["as answered"] * 5 + ["balanced"] * 5
    expected = [*as_answered.loc[names, "value"], *balanced.loc[names, "value"]]
    np.testing.assert_array_equal(numbers["value"], expected)
    assert np.isnan(numbers.loc[numbers["rate"] == "mar", "value"].iloc[0])
    assert texts(figure) == ["undefined (no such pair)"] * 2  # MAR and bias rate, as answered
    for axes, rates in zip(figure.axes, (as_answered, balanced), strict=True):
        drawn = {round(c[0].get_xydata()[0][1]): c[0].get_xydata()[0][0] for c in axes.containers}
        labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
        wanted = {
            labels.index(misfire_figures.RATE_LABELS[name]): rates.loc[name, "value"]
            for name in names
            if not np.isnan(rates.loc[name, "value"])
        }
        assert drawn == pytest.approx(wanted)


def test_an_interval_that_is_undefined_is_still_drawn(tmp_path):
    rates = rates_of(scores())
    rates.loc["mar", ["low", "high"]] = np.nan
    house.save(*rates_figure(rates, rates), "02_rates", tmp_path)
    text = (tmp_path / "02_rates.csv").read_text().splitlines()
    assert text[1].startswith("as answered,mar,")
    assert ",,," in text[1]  # what is undefined is empty, not a number


def test_lens_figure_draws_its_numbers():
    curves = misfire.lens_curves(scores(), DRAWS)
    figure, numbers = lens_figure(curves)
    assert numbers is curves
    left, right = figure.axes
    drawn = {line.get_label(): line.get_ydata() for line in (*left.get_lines(), *right.get_lines())}
    np.testing.assert_array_equal(drawn["contrast minus stereotyped"], curves["gap_sd"])
    for member in misfire.MEMBERS:
        np.testing.assert_array_equal(drawn[member], curves[f"auroc_{member}"])


@pytest.mark.parametrize(
    ("changes", "inside"),
    [({}, 1), ({"mar": np.nan}, 0), ({"bias_rate": np.nan}, 0), ({"mar": 90.0}, 0)],
)
def test_published_figure_draws_every_model(changes, inside):
    figure, numbers = published_figure(theirs(), ours(**changes))
    assert len(numbers) == 26
    points = {c.get_label(): np.asarray(c.get_offsets()) for c in figure.axes[0].collections}
    assert {label: len(found) for label, found in points.items()} == {
        "published, neither starred": 10,
        "published, MAR starred": 9,
        "published, bias rate starred": 6,
        "ours": inside,
    }
    assert [25.0, 18.9] in points["published, bias rate starred"].tolist()  # GPT-5.4-nano
    if inside:
        assert points["ours"].tolist() == [[12, 10]]


# Saving ------------------------------------------------------------------------------------------


def test_numbers_are_saved_to_six_digits_and_text_as_it_is(tmp_path):
    figure, _ = plt.subplots()
    table = pd.DataFrame(
        {"name": ["0.123456789", "b"], "value": [1 / 3, 2e-9], "n": [1234567, 2], "no": [np.nan, 1]}
    )
    house.save(figure, table, "02_x", tmp_path)
    lines = (tmp_path / "02_x.csv").read_text().splitlines()
    assert lines[0] == "name,value,n,no"
    assert lines[1].startswith("0.123456789,0.333333,123457")
    assert lines[2].startswith("b,2e-09,2")
    assert table["value"][0] == 1 / 3  # the caller's table is not touched


def test_a_printed_table_is_saved_as_it_is_printed(tmp_path):
    table = pd.DataFrame({"model": ["a, b"], "MAR %": ["17.6*"]})
    path = house.save_table(table, "02_models", tmp_path)
    assert path.read_text() == 'model,MAR %\n"a, b",17.6*\n'
    manifest = json.loads((tmp_path / "02_models.json").read_text())
    assert manifest["files"] == {"02_models.csv": sha256(path)}
    first = manifest["numbers"]
    house.save_table(table.assign(model="c"), "02_models", tmp_path)
    assert json.loads((tmp_path / "02_models.json").read_text())["numbers"] != first


def test_groups_differ_in_colour_and_in_shape():
    assert set(house.GROUP_COLOURS) == set(house.GROUP_MARKERS) == set(misfire.MEMBERS)
    assert len(set(house.GROUP_COLOURS.values())) == len(set(house.GROUP_MARKERS.values())) == 2


def test_no_dates_in_files(tmp_path: Path):
    house.save(*draw("lens"), "02_lens", tmp_path)
    assert b"dc:date" not in (tmp_path / "02_lens.svg").read_bytes()
    assert b"CreationDate" not in (tmp_path / "02_lens.pdf").read_bytes()


def test_a_picture_keeps_its_scales_and_rounds_its_places():
    svg = '<path d="M 127.474174 6.17606 L -12.3456 0.123456" transform="scale(0.015625 -0.1)"/>'
    rounded = '<path d="M 127.47 6.18 L -12.35 0.123456" transform="scale(0.015625 -0.1)"/>'
    assert house.shorter(svg) == rounded
    assert house.shorter('id="m1234567.svg" v="1.10.10312"') == 'id="m1234567.svg" v="1.10.10312"'


def test_a_picture_loses_what_is_not_drawn():
    svg = """<metadata>
  <x/>
 </metadata>
 <g id="axes_1">
  <!-- 0.4 -->
  <use id="m1a" xlink:href="#m1a"/>
  <text transform="rotate(-0 1 2)">two words</text>
 </g>"""
    drawn = '<g><use id="m1a" xlink:href="#m1a"/><text>two words</text></g>'
    assert house.shorter(svg).strip() == drawn


def test_every_stage_is_drawn_with_the_table_of_its_numbers():
    models = {"smollm2-135m-instruct": scores(), "qwen3-8b": scores(lean=-2)}
    readings = misfire.stage_readings(models, DRAWS)
    assert list(readings["model"]) == [name for name in models for _ in misfire.MEMBERS]
    figure, drawn = stages_figure(readings)
    assert drawn is readings
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [*models][::-1]
    printed = misfire_tables.stages_table(readings, misfire_tables.summary_rows(models))
    assert printed["stage"].tolist() == list(models)
    first = readings.iloc[0]
    cell = f"{first['auroc']:.2f} ({first['low']:.2f} to {first['high']:.2f})"
    assert printed.loc[0, f"AUROC, {first['member']}"] == cell
    assert printed.loc[0, "rates interpretable"] == "no"
