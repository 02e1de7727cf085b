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


UNMADE = """\
---
title: T
abstract: |
  First. The value of a is {{a.x:.1f}}. That of a
  too is {{a.y:.1f}}, really. Last.
---

# One {#sec:one}

See @fig:kept, @fig:gone, @tbl:gone and @tbl:kept. {{a.x:.1f}}, {{pub.y}}.

{{a.y:.1f}} is in a paragraph that goes.

![C {{a.x:.1f}}](figures/01_kept.svg){#fig:kept}

![C](figures/01_gone.svg){#fig:gone}

{{table.01_gone}}

: A caption. {#tbl:gone}

{{table.01_kept}}

: Another. {#tbl:kept}

| what | here |
|:--|:--|
| x | {{a.x:.1f}} |
| y | {{a.y:.1f}} |

: By hand. {#tbl:hand}
"""


def test_passages_go_that_need_what_was_not_made():
    text, some = parts.without_unmade(UNMADE, {"a.x"}, {"01_kept"}, {"01_kept"})
    assert some
    assert "a.y" not in text
    assert "First. The value of a is {{a.x:.1f}}. Last." in " ".join(text.split())
    assert "01_gone" not in text
    assert "A caption" not in text
    assert "See @fig:kept, a part that was not made, a part that was not made and" in text
    assert "| x | {{a.x:.1f}} |\n\n: By hand. {#tbl:hand}" in text
    assert ": Another. {#tbl:kept}" in text
    every = parts.without_unmade(
        UNMADE, {"a.x", "a.y"}, {"01_kept", "01_gone"}, {"01_kept", "01_gone"}
    )
    assert not every[1]
    assert every[0].split() == UNMADE.split()
