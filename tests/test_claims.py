"""Claims: declarations, the verdict table, and a ledger that loses and forgives nothing."""

from __future__ import annotations

import json
from math import inf, nan
from typing import Any

import pytest

from valuegate import claims, config, paths
from valuegate.claims import (
    EXPLAINED,
    NOT_SUPPORTED,
    NOT_TESTABLE,
    SUPPORTED,
    Claim,
    Declaration,
    Ledger,
    close,
    holds,
    interpretable,
    line,
    verdict,
)
from valuegate.errors import ValueGateError
from valuegate.measure import Measurement


def claim(value: float = 1.0, **fields: Any) -> Claim:
    known = {"id": "x.a", "value": value, "ci": None, "n": 10, "clusters": 5, "unit": "%"}
    known |= {"test": "count", "null": None, "p": None, "model": "", "provenance": {}}
    return Claim(**{**known, **fields})


def declared(id: str = "x.a", needs: str | None = None, **expect: Any) -> Declaration:
    return Declaration(
        id=id, says="It is.", expect=expect or {"above": 0}, tolerance=0.1,
        testable="anywhere", needs=needs,
    )  # fmt: skip


FAR_SIDE = [(2.5, 4), (20, 39), (nan, nan)]  # nulls below that refuse what meets its expectation


# Verdicts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expect", "value", "ci", "null", "expected"),
    [
        # The whole interval has to lie there, not the value alone; the bound itself is outside.
        ({"above": 0}, 2, (1, 3), None, SUPPORTED),
        ({"above": 0}, 2, (-1, 3), None, NOT_SUPPORTED),
        ({"above": 0}, 2, (0, 3), None, NOT_SUPPORTED),
        ({"above": 0}, -2, (-3, -1), None, NOT_SUPPORTED),
        ({"below": 50}, 40, (30, 49), None, SUPPORTED),
        ({"below": 50}, 40, (30, 51), None, NOT_SUPPORTED),
        ({"within": (-1, 1)}, 0.2, (-0.5, 0.9), None, SUPPORTED),
        ({"within": (-1, 1)}, 0.2, (-0.5, 1.1), None, NOT_SUPPORTED),
        ({"within": (-1, 1)}, 0.2, (-1.1, 0.9), None, NOT_SUPPORTED),
        ({"equals": 2}, 2.09, None, None, SUPPORTED),  # tolerance 0.1
        ({"equals": 2}, 2.11, None, None, NOT_SUPPORTED),
        ({"equals": 2}, 1.89, None, None, NOT_SUPPORTED),
        # Without an interval the value stands for it.
        ({"above": 0}, 2, None, None, SUPPORTED),
        ({"above": 0}, 0, None, None, NOT_SUPPORTED),
        # An effect inside its null is the null's, ends included; one that fails is no effect.
        ({"above": 0}, 2, (1, 3), (-1, 1), SUPPORTED),
        ({"above": 0}, 2, (1, 3), (-1, 2.5), EXPLAINED),
        ({"above": 0}, 2, (1, 3), (0, 2), EXPLAINED),
        (
            {"above": 0},
            2,
            (1, 3),
            (2.5, 4),
            NOT_SUPPORTED,
        ),  # above zero, and less than chance gives
        ({"below": 50}, 40, (30, 49), (20, 39), NOT_SUPPORTED),
        ({"below": 50}, 40, (30, 49), (41, 60), SUPPORTED),
        ({"above": 0}, 2, (-1, 3), (-1, 2.5), NOT_SUPPORTED),
        ({"below": 0}, -2, (-3, -1), (-2.5, 1), EXPLAINED),
        # Equivalence is what a null predicts too; there the null explains nothing away.
        ({"within": (-1, 1)}, 0.2, (-0.5, 0.9), (-1, 1), SUPPORTED),
        ({"equals": 2}, 2, None, (1, 3), SUPPORTED),
        # What is undefined supports nothing.
        ({"above": 0}, nan, None, None, NOT_SUPPORTED),
        ({"above": 0}, 2, (nan, nan), None, NOT_SUPPORTED),
        ({"above": 0}, 2, (1, nan), None, NOT_SUPPORTED),
        ({"below": 0}, nan, (-2, -1), None, NOT_SUPPORTED),
        ({"within": (-1, 1)}, nan, None, None, NOT_SUPPORTED),
        ({"equals": 2}, nan, None, None, NOT_SUPPORTED),
        ({"above": 0}, 2, (1, 3), (nan, nan), NOT_SUPPORTED),
        ({"above": 0}, inf, None, None, SUPPORTED),
    ],
)
def test_verdicts(expect, value, ci, null, expected):
    found = {"x.a": claim(value, ci=ci, null=null)}
    assert verdict("x.a", {"x.a": declared(**expect)}, found) == expected
    # `holds` is the same question without the null.
    assert holds(declared(**expect).expect, found["x.a"], 0.1) == (
        expected in (SUPPORTED, EXPLAINED) or null in FAR_SIDE
    )


@pytest.mark.parametrize(
    ("needed", "expected"),
    [
        (claim(1, id="x.gate", ci=(0.5, 2)), SUPPORTED),
        (claim(1, id="x.gate", ci=(-0.5, 2)), NOT_TESTABLE),
        (claim(nan, id="x.gate"), NOT_TESTABLE),
        (claim(1, id="x.gate", ci=(0.5, 2), null=(0, 3)), NOT_TESTABLE),  # explained away
        (None, NOT_TESTABLE),  # not measured
    ],
)
def test_a_claim_whose_need_is_not_supported_is_not_testable(needed, expected):
    entries = {"x.a": declared(needs="x.gate"), "x.gate": declared("x.gate")}
    found = {"x.a": claim(3)} | ({"x.gate": needed} if needed else {})
    assert verdict("x.a", entries, found) == expected
    assert interpretable("x.a", entries, found) == (expected == SUPPORTED)


def test_needs_are_followed_to_their_end():
    entries = {
        "x.a": declared("x.a", needs="x.b"),
        "x.b": declared("x.b", needs="x.c"),
        "x.c": declared("x.c"),
    }
    found = {id: claim(1, id=id) for id in entries}
    assert verdict("x.a", entries, found) == SUPPORTED
    found["x.c"] = claim(-1, id="x.c")
    assert [verdict(id, entries, found) for id in entries] == [
        NOT_TESTABLE, NOT_TESTABLE, NOT_SUPPORTED
    ]  # fmt: skip


# Agreement ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        (claim(1), claim(1), True),
        (claim(1), claim(1.1), True),
        (claim(1), claim(1.11), False),
        (claim(1), claim(-1), False),
        (claim(nan), claim(nan), True),
        (claim(nan), claim(1), False),
        (claim(inf), claim(inf), True),
        (claim(1, ci=(0, 2)), claim(1, ci=(0.1, 1.9)), True),
        (claim(1, ci=(0, 2)), claim(1, ci=(0.2, 2)), False),
        (claim(1, ci=(0, 2)), claim(1, ci=(0, 2.2)), False),
        (claim(1, ci=(0, 2)), claim(1), False),
        (claim(1), claim(1, ci=(0, 2)), False),
        (claim(1, ci=(nan, nan)), claim(1, ci=(nan, nan)), True),
        (claim(1, null=(0, 2)), claim(1, null=(0, 2.2)), False),
        (claim(1, null=(0, 2)), claim(1), False),
        (claim(1, n=10), claim(1, n=11), False),
        (claim(1, clusters=5), claim(1, clusters=6), False),
        (claim(1, unit="%"), claim(1, unit="nats"), False),
        (claim(1, test="count"), claim(1, test="other words"), True),
    ],
)
def test_close(one, other, agree):
    assert close(one, other, 0.1 + 1e-9) is agree
    assert close(other, one, 0.1 + 1e-9) is agree


def test_a_tolerance_of_zero_wants_equality():
    assert close(claim(2032), claim(2032), 0)
    assert not close(claim(2032), claim(2032 + 1e-9), 0)


# Declarations ------------------------------------------------------------------------------------

ENTRY = """\
- id: x.a
  says: It is.
  expect: {above: 0}
  tolerance: 0.1
  testable: anywhere
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a function that writes `paper/claims.yml` and reads it."""
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "PAPER", tmp_path / "paper")
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path / "notebooks")
    (tmp_path / "paper").mkdir()

    def write(text: str) -> dict[str, Declaration]:
        (tmp_path / "paper/claims.yml").write_text(text)
        return claims.declarations()

    return write


def second(**changes: str) -> str:
    """Return a second entry with lines replaced, or added."""
    lines = dict(
        line.strip(" -").split(": ", 1) for line in ENTRY.replace("x.a", "x.b").splitlines()
    )
    lines |= changes
    return ENTRY + "".join(
        f"{'- ' if i == 0 else '  '}{key}: {value}\n"
        for i, (key, value) in enumerate(lines.items())
    )


def test_declarations_are_read_by_id(project):
    found = project(second(needs="x.a", expect="{within: [-1, 1]}"))
    assert list(found) == ["x.a", "x.b"]
    assert found["x.b"].needs == "x.a"
    assert found["x.b"].expect.within == (-1, 1)
    assert found["x.b"].published is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"expect": "{above: 0, below: 1}"}, "paper/claims.yml:8: 1.expect: Value error, give exa"),
        ({"expect": "{}"}, "paper/claims.yml:8: 1.expect: Value error, give exactly one"),
        ({"expect": "{over: 1}"}, "paper/claims.yml:8: 1.expect.over: Extra inputs"),
        ({"expect": "{within: [1]}"}, "paper/claims.yml:8: 1.expect.within"),
        ({"tolerance": "-1"}, "paper/claims.yml:9: 1.tolerance: Input should be greater"),
        ({"id": "X.b"}, "paper/claims.yml:6: 1.id: String should match pattern"),
        ({"id": "plain"}, "paper/claims.yml:6: 1.id: String should match pattern"),
        ({"expects": "1"}, "paper/claims.yml:11: 1.expects: Extra inputs are not permitted"),
        ({"id": "x.a"}, "paper/claims.yml: x.a is declared twice"),
        ({"needs": "x.c"}, "unknown claim needed by x.b 'x.c'; nearest: x."),
        ({"needs": "x.b"}, "paper/claims.yml: x.b needs x.b"),
    ],
)
def test_a_wrong_declaration_is_one_line_with_its_place(project, changes, message):
    with pytest.raises(ValueGateError) as error:
        project(second(**changes))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_needs_in_a_circle_are_an_error(project):
    with pytest.raises(ValueGateError, match=r"claims\.yml: x\.a needs x\.b needs x\.a"):
        project(second(needs="x.a").replace("anywhere\n", "anywhere\n  needs: x.b\n", 1))


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ({"above": 0.75}, "above 0.75"),
        ({"below": 50}, "below 50"),
        ({"equals": 2032}, "equals 2032"),
        ({"within": (-0.05, 0.05)}, "within -0.05 and 0.05"),
    ],
)
def test_expectations_in_words(expect, words):
    assert declared(**expect).expect.words() == words


# The ledger --------------------------------------------------------------------------------------


@pytest.fixture
def ledger(project, tmp_path, monkeypatch, capsys) -> Ledger:
    run = config.Run(
        profile=config.Profile(
            name="default", title="t", budget_tokens=1, models=("m",), sections={"02_x": {}}
        ),
        sections=("02_x",),
        models=("m",),
    )  # fmt: skip
    known = {"model": "weights", "dtype": "float32", "device": "cpu", "items": "h", "code": "h"}
    monkeypatch.setattr(Measurement, "ingredients", lambda self: known)
    project(second())
    measured = Measurement("02_x", "evidence", "m", "a:b", "c:d")
    return Ledger(run, "02_x", [measured], tmp_path / "claims")


def test_what_is_written_is_read_again(ledger, tmp_path):
    ledger.claim("x.b", nan, n=4, unit="% of pairs", test="t", ci=(nan, 1), null=(nan, nan), p=nan)
    ledger.claim(
        "x.a", 1 / 3, n=7, unit="nats", test="bootstrap", ci=(0.1, 0.5), clusters=3,
        null=(-0.2, 0.2), p=0.04, model="m", seed=5,
    )  # fmt: skip
    text = (tmp_path / "claims/02.json").read_text()
    assert "NaN" not in text  # JSON has none; other readers would fail
    content = json.loads(text)
    assert [entry["id"] for entry in content["claims"]] == ["x.a", "x.b"]
    assert (content["section"], content["profile"], content["models"]) == (
        "02_x", "default", ["m"]
    )  # fmt: skip
    assert isinstance(content["torch_loaded"], bool)
    found = claims.read(tmp_path / "claims")
    for id, entry in found.items():
        assert close(entry, ledger.found[id], 1e-9)
        assert close(ledger.found[id], entry, 1e-9)
    assert (found["x.a"].p, found["x.a"].test, found["x.a"].model) == (0.04, "bootstrap", "m")
    assert found["x.a"].provenance == {
        "seed": 5,
        "measurements": {"02_x/evidence/m": ledger.measurements[0].key},
        "model": "weights",
        "dtype": "float32",
        "device": "cpu",
        "notebook": "notebooks/02_x.ipynb",
        "notebook_code": "",
    }
    assert found["x.b"].provenance["measurements"] == {}  # it is about no model


def test_equal_claims_make_equal_bytes(ledger, tmp_path):
    ledger.claim("x.a", 1 / 3, n=7, unit="nats", test="t")
    first = (tmp_path / "claims/02.json").read_bytes()
    ledger.claim("x.a", 1 / 3, n=7, unit="nats", test="t")  # again is no second claim
    assert (tmp_path / "claims/02.json").read_bytes() == first


def test_a_claim_is_shown_where_it_is_made(ledger, capsys):
    assert ledger.claim("x.a", 0.25, ci=(0.125, 1), n=7, unit="nats", test="t") is None
    assert "x.a = 0.25 [0.125, 1] nats, n = 7" in capsys.readouterr().out


def test_an_undeclared_claim_names_the_nearest(ledger, tmp_path):
    with pytest.raises(ValueGateError) as error:
        ledger.claim("x.aa", 1, n=1, unit="", test="")
    assert "declare it in paper/claims.yml before the run" in str(error.value)
    assert "'x.aa'; nearest: x.a" in str(error.value)
    assert not (tmp_path / "claims/02.json").exists()


def test_a_claim_has_one_value(ledger):
    ledger.claim("x.a", 1, n=1, unit="", test="")
    with pytest.raises(ValueGateError, match=r"x\.a is claimed twice: first x\.a = 1 .*x\.a = 2 "):
        ledger.claim("x.a", 2, n=1, unit="", test="")
    assert ledger.found["x.a"].value == 1


def test_line_by_hand():
    assert line(claim(12.34567, ci=(1, 20.5), n=7)) == "x.a = 12.35 [1, 20.5] %, n = 7"
    assert line(claim(2032, unit="pairs", n=2032)) == "x.a = 2032 pairs, n = 2032"
    assert line(claim(nan)) == "x.a = nan %, n = 10"


def test_no_claims_in_an_empty_folder(tmp_path):
    assert claims.read(tmp_path) == {}


def test_a_broken_file_of_claims_is_named(tmp_path):
    (tmp_path / "02.json").write_text('{"claims": [')
    with pytest.raises(ValueGateError, match=r"02\.json: broken JSON"):
        claims.read(tmp_path)


def test_the_declarations_of_this_repository():
    entries = claims.declarations()
    assert all(
        entry.published is None or entry.published
        for entry in entries.values()
    )  # fmt: skip
    assert {id.partition(".")[0] for id in entries} == {
        "misfire",
        "items",
        "veto",
        "mask",
        "moral",
        "refusal",
        "worlds",
    }
