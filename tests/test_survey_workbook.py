"""The survey workbook: figures out of cells, and every fault listed."""

from __future__ import annotations

import pytest
from openpyxl import Workbook

from valuegate import items, survey_workbook
from valuegate.errors import ValueGateError

ROWS = (
    "Source",
    "Sub Question",
    "Min",
    "MAX",
    "Scale",
    "Category",
    "Sub Category",
    "Full Question",
)
WVS, AOI = "WVS 7", "The 2022 Arab Opinion Index"


@pytest.fixture
def book(tmp_path):
    """Return a function that writes a workbook of (source, code, low, high, flag, cells)."""

    def write(*columns):
        sheet = (made := Workbook()).active
        for row, name in enumerate([*ROWS, *survey_workbook.COUNTRIES], 1):
            sheet.cell(row, 1, name)
            for place, (source, code, low, high, flag, cells) in enumerate(columns, 2):
                values = dict(
                    zip(ROWS, (source, code, low, high, flag, "A & B", "C-D", "?"), strict=True)
                )
                sheet.cell(row, place, {**values, **cells}.get(name))
        made.save(tmp_path / "book.xlsx")
        return survey_workbook.read(tmp_path / "book.xlsx")

    return write


GOOD = {"Egypt": "(1.3, {'2': '30.00%', '1': '70.00%'})", "Iran": "(No data, {})"}


def test_a_cell_becomes_shares_and_a_central_value(book):
    found = book((WVS, "Q9: Something", 1, 2, "y", GOOD))
    assert found["shares"].values.tolist() == [[1, "EGY", 1, 0.7], [1, "EGY", 2, 0.3]]
    assert found["cells"].values.tolist() == [[1, "EGY", 1.3, 2]]
    assert found["columns"].iloc[0].tolist() == [1, "WVS7", "Q9", 1, 2, "y", "a_b", "c_d"]


def test_the_words_of_questions_are_read_when_asked_for(book, tmp_path, monkeypatch):
    book((WVS, "Q9: Something", 1, 2, "y", GOOD), (AOI, None, 1, 2, "y", GOOD))
    monkeypatch.setattr(survey_workbook.data, "file", lambda *_: tmp_path / "book.xlsx")
    assert survey_workbook.wordings() == {1: "?", 2: "?"}


def test_no_data_is_an_empty_cell_and_not_a_fault(book):
    found = book((WVS, "Q9: Something", 1, 2, "y", GOOD))
    assert found["cells"]["country"].tolist() == ["EGY"]
    assert found["faults"]["rule"].tolist() == ["few_countries"]


@pytest.mark.parametrize(
    ("column", "rule", "detail"),
    [
        (
            (AOI, None, 1, 4, "y", {"Egypt": "(No values <= 4, {})"}),
            "no_values",
            "(No values <= 4, {})",
        ),
        (
            (AOI, None, 1, 4, "y", {"Egypt": "(1.6, {'0': '20.00%', '2': '80.00%'})"}),
            "option_off_scale",
            "option 0 on 1 to 4",
        ),
        (
            (WVS, "Q1: x", 1, 2, "y", {"Egypt": "(1.9, {'1': '70.00%', '2': '30.00%'})"}),
            "central_not_mean",
            "stored 1.90, mean of the shares 1.30",
        ),
        (
            (WVS, "Q1: x", 1, 4, "n", {"Egypt": "(1.0, {'1': '70.00%', '4': '30.00%'})"}),
            "central_is_mode",
            "stored 1.00, mean of the shares 1.90",
        ),
        (
            (WVS, "Q1: x", 1, 2, "y", {"Egypt": "(1.3, {'1': '70.00%', '2': '20.00%'})"}),
            "sum_not_one",
            "shares sum to 0.9000",
        ),
        (
            (
                WVS,
                "Q1: x",
                1,
                10,
                "y",
                {"Egypt": "(1.5, {'1': '60.00%', '2': '30.00%', '3': '10.00%'})"},
            ),
            "narrow_support",
            "3 of 10 numbers used",
        ),
        (
            (
                AOI,
                None,
                1,
                4,
                "y",
                {"Egypt": "(2.0, {'1': '33.33%', '2': '33.33%', '3': '33.33%'})"},
            ),
            "small_sample",
            "shares are whole counts of 3",
        ),
        (
            (
                WVS,
                "Q1: x",
                1,
                4,
                "y",
                {
                    **dict.fromkeys(
                        ["Egypt", "Iran", "Iraq", "Jordan", "Libya"],
                        "(1.3, {'1': '70.00%', '2': '30.00%'})",
                    ),
                    "Turkey": "(3.3, {'3': '70.00%', '4': '30.00%'})",
                },
            ),
            "stands_alone",
            "at 0.77 of the scale, 0.67 from the nearest country",
        ),
        ((WVS, "Q1: x", 1, 10, "y", {}), "long_scale", "scale 1 to 10"),
        ((WVS, "Q1: x", 1, 4, "n", {}), "nominal", "the stored central value is the mode"),
        ((WVS, "Q1: x", 1, 4, "y", {}), "no_answers", "no country has answers"),
        ((WVS, "Q1: x", 1, 2, "y", GOOD), "few_countries", "1 countries"),
    ],
)
def test_every_fault_is_listed_with_its_rule(book, column, rule, detail):
    faults = book(column)["faults"]
    assert (rule, detail) in set(zip(faults["rule"], faults["detail"], strict=True))


def test_a_sound_column_has_no_fault(book):
    cell = "(1.31, {'1': '69.13%', '2': '30.87%'})"
    faults = book(
        (WVS, "Q1: x", 1, 2, "y", dict.fromkeys(["Egypt", "Iran", "Iraq", "Jordan"], cell))
    )
    assert faults["faults"].empty


def test_a_cell_of_another_form_stops_the_reading(book):
    with pytest.raises(ValueGateError, match=r"book.xlsx: column 1, Egypt: '12'"):
        book((WVS, "Q1: x", 1, 2, "y", {"Egypt": "12"}))


def test_the_committed_figures_count_what_was_published():
    """Counts of the data's own documentation and of the method spec's check of the workbook."""
    columns, cells = (items.load("survey_answers", t) for t in ("columns", "cells"))
    faults = items.load("survey_answers", "faults")
    assert columns["source"].value_counts().to_dict() == {"AOI2022": 573, "WVS7": 291}
    assert columns["scale"].value_counts().to_dict() == {"y": 754, "n": 109, "s": 1}
    assert len(cells) == 9051
    counts = faults["rule"].value_counts()
    assert counts["option_off_scale"] == 52
    assert counts["no_answers"] == 3
    assert 864 - counts["no_answers"] - counts["few_countries"] == 774
    wvs = cells.merge(columns, on="column").query("source == 'WVS7'")
    assert sorted(wvs["country"].unique()) == [
        "EGY",
        "IRN",
        "IRQ",
        "JOR",
        "LBN",
        "LBY",
        "MAR",
        "TUN",
        "TUR",
    ]
    per_country = cells["country"].value_counts()
    assert (per_country["IRN"], per_country["LBN"]) == (251, 794)


def test_shares_of_committed_cells_are_whole():
    totals = items.load("survey_answers", "shares").groupby(["column", "country"])["share"].sum()
    assert (totals - 1).abs().max() < 1e-3
    assert len(totals) == 9051
