"""The paper's text: what every token becomes, and that no other number gets by."""

from __future__ import annotations

import re
from math import nan
from pathlib import Path
from typing import Any

import pytest

from valuegate import claims, paper, paths
from valuegate.claims import Claim, Declaration
from valuegate.errors import ValueGateError
from valuegate.paper import fill, pipe_table, unbound

CONSTANTS = """\
- {text: Five layers, reason: counted in code}
- {text: at 95%, reason: a level}
- {text: the two apart, reason: two answers}
"""
PUBLISHED = """\
- {id: pairs, value: "2,032", source: deng2026, locator: abstract}
- {id: rate, value: "4.7", source: deng2026, locator: "main results table"}
"""
DECLARED = [
    ("x.plain", {"above": 0}, None),
    ("x.below", {"below": 0}, None),
    ("x.baseline", {"above": 60}, None),
    ("x.within", {"within": (-1, 1)}, None),
    ("x.nulled", {"above": 0}, None),
    ("x.count", {"equals": 2032}, None),
    ("x.gate", {"above": 0.75}, None),
    ("x.gated", {"above": 0}, "x.gate"),
    ("x.undefined", {"above": 0}, None),
    ("x.undefined_gated", {"above": 0}, "x.gate"),
]


def claim(id: str, value: float, **fields: Any) -> Claim:
    known = {"ci": None, "n": 1234, "clusters": 25, "unit": "%", "test": "", "null": None}
    known |= {"p": None, "model": "", "provenance": {}}
    return Claim(id=id, value=value, **{**known, **fields})


FOUND = {
    entry.id: entry
    for entry in [
        claim("x.plain", 12.345, ci=(10.04, 14.96), p=0.0123, null=(-3.3, 3.3)),
        claim("x.baseline", 80.0, ci=(75, 85), null=(69.9, 69.9)),
        claim("x.below", -2.5, ci=(-3.25, -1.75), clusters=None),
        claim("x.within", 0.5, ci=(-0.5, 0.9)),
        claim("x.nulled", 1.0, ci=(0.5, 1.5), null=(-2, 2)),
        claim("x.count", 2032, n=2032),
        claim("x.gate", 0.5, ci=(0.4, 0.6)),
        claim("x.gated", -7.04, ci=(-9, 5)),
        claim("x.undefined", nan, ci=(nan, nan)),
        claim("x.undefined_gated", nan),
    ]
}
ENTRIES = {
    id: Declaration(
        id=id, says="s", expect=expect, tolerance=0.1, testable="anywhere", needs=needs
    )
    for id, expect, needs in DECLARED
}  # fmt: skip


@pytest.fixture
def tables(tmp_path, monkeypatch) -> Path:
    """Return a folder of printed tables; constants and published numbers are those above."""
    monkeypatch.setattr(paths, "PAPER", tmp_path / "paper")
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper/constants.yml").write_text(CONSTANTS)
    (tmp_path / "paper/published.yml").write_text(PUBLISHED)
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "02_rows.csv").write_text("name,MAR %\na,17.6*\n")
    return folder


def filled(text: str, tables: Path) -> str:
    return fill(text, FOUND, ENTRIES, tables).markdown


# Tokens ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("{{x.plain:.1f}}", "12.3"),
        ("{{x.plain:.0f}}", "12"),
        ("{{x.plain:+.2f}}", "+12.35"),
        ("{{x.plain:.1f}}%", "12.3%"),  # the unit belongs to the number
        ("{{x.count:,.0f}}", "2,032"),
        ("{{x.plain.ci:.1f}}", "10.0 to 15.0"),
        ("{{x.plain.ci:.1f}}%", "10.0 to 15.0%"),
        ("{{x.plain.null:.1f}}", "−3.3 to 3.3"),
        ("{{x.baseline.null:.0f}}%", "70%"),  # a baseline is one number
        ("{{x.plain.p:.3f}}", "0.012"),
        ("{{x.plain.n}}", "1,234"),
        ("{{x.plain.clusters}}", "25"),
        ("{{x.plain.verdict}}", "supported"),
        ("{{x.below:.1f}}", "−2.5"),  # a minus sign, not a hyphen
        ("{{x.below.ci:.2f}}", "−3.25 to −1.75"),
        ("{{x.below.verdict}}", "supported"),
        ("{{x.within.verdict}}", "supported"),
        ("{{x.within.expected}}", "within −1 and 1"),
        ("{{x.nulled.verdict}}", "explained by a null"),
        ("{{x.gate.verdict}}", "not supported"),
        ("{{x.gated.verdict}}", "not testable at this scale"),
        # What its needs do not carry cannot be read as a result.
        ("{{x.gated:.1f}}", "−7.0 (not interpretable)"),
        ("{{x.gated:.1f}}%", "−7.0% (not interpretable)"),
        ("{{x.gated.ci:.1f}}", "−9.0 to 5.0"),
        ("{{x.gated.n}}", "1,234"),
        ("{{x.undefined:.1f}}", "undefined"),
        ("{{x.undefined:.1f}}%", "undefined"),
        ("{{x.undefined.ci:.1f}}", "undefined"),
        ("{{x.undefined.verdict}}", "not supported"),
        ("{{x.undefined_gated:.1f}}", "undefined"),
    ],
)
def test_a_claim_in_print(tables, token, expected):
    id = token.strip("{}").split(":")[0].rstrip("%}")
    id = ".".join(id.split(".")[:2])
    text = filled(f"So {token} it is.", tables)
    assert text == f'So [{expected}]{{.claim data-claim="{id}"}} it is.'


def test_a_published_number_comes_with_its_place(tables):
    assert filled("Of {{pub.pairs}} pairs.", tables) == "Of 2,032 [@deng2026, abstract] pairs."
    assert filled("{{pub.rate}}% or so.", tables) == "4.7% [@deng2026, main results table] or so."


def test_a_table_in_print(tables):
    text = filled("Before.\n\n{{table.02_rows}}\n\n: Caption.", tables)
    assert text == "Before.\n\n| name | MAR % |\n| :-- | --: |\n| a | 17.6\\* |\n\n: Caption."


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("{{x.plian:.1f}}", "unknown claim in paper/paper.md 'x.plian'; nearest: x.plain"),
        ("{{x.plain.cl:.1f}}", "unknown part of x.plain 'cl'; nearest: "),
        ("{{x.plain.value:.1f}}", "unknown part of x.plain 'value'"),
        ("{{pub.pair}}", "unknown published number 'pair'; nearest: pairs"),
        ("{{table.02_row}}", "paper/paper.md: no table 02_row; no notebook printed it"),
        ("{{x.plain:.1z}}", "paper/paper.md: x.plain: format '.1z': "),
        ("{{x.plain}}", "paper/paper.md: x.plain needs a format, such as {{x.plain:.2f}}"),
        ("{{x.plain.ci}}", "paper/paper.md: x.plain needs a format"),
        ("{{x.below.p:.3f}}", "paper/paper.md: x.below has no p"),
        ("{{x.below.clusters}}", "paper/paper.md: x.below has no clusters"),
        ("{{x.count.ci:.1f}}", "paper/paper.md: x.count has no ci"),
        ("{{plain:.1f}}", "paper/paper.md: cannot read {{plain:.1f}}"),
        ("{{x.plain :.1f}}", "paper/paper.md: cannot read {{x.plain :.1f}}"),
        ("{{X.plain:.1f}}", "paper/paper.md: cannot read {{X.plain:.1f}}"),
        ("{{}}", "paper/paper.md: cannot read {{}}"),
    ],
)
def test_a_token_that_cannot_be_filled_is_named(tables, token, message):
    with pytest.raises(ValueGateError) as error:
        filled(f"So {token} it is.", tables)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_claim_that_nobody_declared_stops_the_build(tables):
    with pytest.raises(ValueGateError, match=r"declare it in paper/claims\.yml\) 'x\.new'"):
        fill("So {{x.new:.1f}}.", {**FOUND, "x.new": claim("x.new", 1.0)}, ENTRIES, tables)


# Numbers bound to nothing ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("It misfires in 12.5 of cases.", ["12.5"]),
        ("In 2,032 pairs and 7 more.", ["2,032", "7"]),
        ("It has 93% right.", ["93"]),
        ("Seven models fail twice as often, a third of them by half.", 
         ["Seven", "twice", "third", "half"]),
        ("TWO, dozens of others, a hundred, six-fold.", ["TWO", "dozens", "hundred", "six"]),
        ("Someone often alone; the tenor of phone calls.", []),  # words that only hold one
        ("_Two_ and **three** and *four*.", ["Two", "three", "four"]),
        ("x½ of them, 10⁹ items, H₂O, ⅔.", ["½", "10", "⁹", "₂", "⅔."]),
        ("٣ items.", ["٣"]),
        ("A version v2 and GPT-5.4.", ["2", "5.4."]),
        ("# 4 results\n\n## Twelve models {#sec:a}", ["4", "Twelve"]),
        ("abstract: |\n  We find 12.3 percent.", ["12.3"]),
        ("![A gap of 15.9.](figures/a.svg){#fig:a}", ["15.9."]),
        (": Rates of 25 models. {#tbl:a}", ["25"]),
        ("| model | MAR |\n| :-- | --: |\n| a | 17.6 |", ["17.6"]),
        ("- 1st item\n- [^1]: a note of 5", ["1", "1", "5"]),
        ("date: 12 models\n", ["12"]),
        ("{{x.plain:.1f}} of 30", ["30"]),
        ("{x.plain:.1f}", [".1"[1:]]),  # single braces are no token
        ("It cost $5 and then 37 more of the $ left.", ["5", "37"]),  # as pandoc reads dollars
        ("It cost $5 to $6.", ["5", "6."]),
        ("A ` tick and 12 more.", ["12"]),
        ("<b>12</b> and <span title=\"a\">7</span>", ["12", "7"]),
        ("[@deng2026] found 12.", ["12."]),
        ("at 950 degrees, at 95 degrees", ["950", "95"]),  # not the constant "at 95%"
        ("the two aparts", ["two"]),
        ("SmolLM2-360M", ["2", "360"]),  # not registered
    ],
)  # fmt: skip
def test_unbound_numbers_are_found(tables, text, numbers):
    found = [re.search(r"number '([^']+)'", problem)[1] for problem in unbound(text)]
    assert found == numbers
    if numbers:
        with pytest.raises(ValueGateError, match="is bound to nothing"):
            filled(text, tables)


@pytest.mark.parametrize(
    "text",
    [
        "{{x.plain:.2f}}% and {{x.plain.n}} and {{pub.pairs}} and {{table.02_rows}}",
        "[@deng2026; @hautus1995] and @benjamini1995 and [-@fig:two_2] and @tbl:counts2.",
        "`paper/02.json` and ``",
        "```\nfive = 5\n```",
        "$d' = 1.5$ and $x_2$ and $5$.",
        "![Caption.](figures/02_lens.svg){#fig:lens2 width=50%}",
        "# Method {#sec:method2}",
        "See [the page](https://example.org/2024/5).",
        "SmolLM2-135M-Instruct, qwen3-8b, gemma-3-27b-it, twinviews_13k and xstest.",
        "<!-- 5 of these\nare 6 -->",
        "date: 2026-11-21\n",
        "Five layers are reported, at 95% unless said.",
        "Five\nlayers of audit tell the\ntwo apart.",  # constants may break over a line
        "No number at all.",
    ],
)
def test_numbers_that_are_accounted_for(tables, text):
    assert unbound(text) == []


def test_an_unbound_number_is_told_with_its_line_and_surroundings(tables):
    text = "First line.\n\nSecond `code 5`\nthen a rate of 12.3 percent here.\n"
    assert unbound(text) == [
        "paper/paper.md:4: number '12.3' is bound to nothing: "
        "econd `code 5` then a rate of 12.3 percent here."
    ]  # fmt: skip


def test_the_build_stops_before_it_fills(tables):
    with pytest.raises(ValueGateError, match=r"paper\.md:1: number '7' is bound to nothing"):
        filled("{{x.none:.1f}} of 7", tables)


# Sentences ---------------------------------------------------------------------------------------


def test_sentences_are_those_a_reader_sees(tables):
    text = """\
---
abstract: |
  A rate of {{x.plain:.1f}}% was found. Nothing else.
---

# Head {#sec:head}

The *rate* is {{x.plain:.1f}}% ({{x.plain.ci:.1f}}; n = {{x.plain.n}}), below
{{x.below:.1f}} [@deng2026]. Is it {{x.within.verdict}}? See @fig:one: `code` and {{x.below:.2f}}.

![Caption with {{x.count:,.0f}}.](figures/a.svg){#fig:one}
"""
    found = fill(text, FOUND, ENTRIES, tables).sentences
    assert found["x.plain"][1] == "The rate is 12.3% (10.0 to 15.0; n = 1,234), below −2.5 ."
    assert found["x.plain"][0].endswith("A rate of 12.3% was found.")
    assert len(found["x.plain"]) == 2
    assert found["x.below"] == [
        found["x.plain"][1],
        "See the figure: code and −2.50.",
    ]
    assert found["x.within"] == ["Is it supported?"]
    assert found["x.count"] == ["Caption with 2,032."]
    assert "x.gate" not in found


# Tables ------------------------------------------------------------------------------------------


def test_pipe_tables(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        "model,rate,mixed,interval,note\n"
        'a|b,"1,234",x,-0.5 to 0.5,-\n'
        "*c*,-0.5*,2,0.1 to 0.2,\n"
        "NA,+7,y,-,nan\n"
    )
    assert pipe_table(path).splitlines() == [
        "| model | rate | mixed | interval | note |",
        "| :-- | --: | :-- | :-- | :-- |",  # columns of numbers to the right
        r"| a\|b | 1,234 | x | −0.5 to 0.5 | - |",
        r"| \*c\* | −0.5\* | 2 | 0.1 to 0.2 |  |",
        "| NA | +7 | y | - | nan |",  # text stays text
    ]


def test_every_row_of_a_pipe_table_has_as_many_cells(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a|,b\n|,||\n")
    rows = pipe_table(path).splitlines()
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}


# The real paper ----------------------------------------------------------------------------------


def test_the_paper_has_no_unbound_number_and_cites_every_claim():
    text = paper.source()
    assert unbound(text) == []
    cited = {match["id"] for match in paper.TOKEN.finditer(text)}
    ids = claims.declarations().keys()
    assert ids <= cited
    others = cited - ids
    assert {id.partition(".")[0] for id in others} <= {"pub", "table"}
    known = paper.published_numbers().keys()
    assert {id.partition(".")[2] for id in others if id.startswith("pub.")} <= known


def test_every_constant_of_the_paper_is_used():
    from valuegate.paper import Constant
    from valuegate.schema import read_yaml

    text = re.sub(r"\s+", " ", paper.source())
    for constant in read_yaml(paths.PAPER / "constants.yml", list[Constant]):
        assert constant.text in text
        assert constant.reason


def test_every_published_number_of_a_declaration_exists():
    known = paper.published_numbers()
    sources = (paths.PAPER / "references.bib").read_text()
    for entry in claims.declarations().values():
        assert entry.published is None or entry.published in known
    for number in known.values():
        assert f"{{{number.source}," in sources


def test_records_lie_where_readers_and_runs_keep_them():
    there = paper.published_record()
    assert (there.claims, there.results) == (paths.PAPER / "claims", paths.RESULTS)
    ours = paper.run_record("smoke")
    assert ours.claims == paths.build("smoke") / "claims"
    assert ours.notebooks == paths.build("smoke") / "notebooks"


def test_front_matter_says_what_the_copy_was_computed_with(tmp_path):
    record = paper.run_record("none")
    text = "---\ntitle: T\ndate: 2026-11-21\n---\nBody --- with a rule.\n\n---\n\nEnd.\n"
    found = paper.front_matter(text, record, "smoke (a few)", ["smollm2-135m-instruct"])
    assert found.endswith("---\nBody --- with a rule.\n\n---\n\nEnd.\n")
    assert "profile: smoke (a few)" in found
    assert "models: SmolLM2-135M-Instruct" in found
    assert "date: '2026-11-21'" in found
    assert "items: 0 prompts" in found
