"""Partial runs: which parts of the paper are left out, and what is said in their place."""

from __future__ import annotations

import pytest

from valuegate import parts

TEXT = """\
---
title: T
abstract: |
  First. The value of a is {{a.x:.1f}}. That of b
  is {{b.x:.1f}}, really. Last.
---

Before.

# One {#sec:one}

See @sec:two, @fig:two and @tbl:twofold; {{a.x:.1f}}, {{pub.y}}, {{table.01_a}}.

# Two {#sec:two}

{{b.x:.1f}} ![C](f.svg){#fig:two}

## Below

More.

# Three

No claims.
"""


def test_a_part_whose_claims_are_missing_is_left_out():
    text, left_out = parts.without_missing(TEXT, {"a"})
    assert left_out == ["Two"]
    assert "b.x" not in text
    assert "Below" not in text
    assert "# One {#sec:one}" in text
    assert "# Three" in text
    assert text.startswith(
        "---\ntitle: T\nabstract: |\n  First. The value of a is {{a.x:.1f}}. Last."
    )
    assert "See a part that was not run, a part that was not run and @tbl:twofold" in text


@pytest.mark.parametrize("measured", [{"a", "b"}, {"a", "b", "c"}])
def test_nothing_is_left_out_where_all_is_measured(measured):
    assert parts.without_missing(TEXT, measured) == (TEXT, [])


def test_a_text_without_headings_stays():
    text = "---\ntitle: T\n---\nOnly {{a.x:.1f}} words.\n"
    assert parts.without_missing(text, set()) == (text, [])
