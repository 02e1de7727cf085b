"""The ledger of the worlds: a Latin square, drawn by names alone and stored with its hash."""

from __future__ import annotations

from collections import Counter

import pytest

from valuegate import items, worlds_ledger, worlds_recipe, worlds_stages
from valuegate.errors import ValueGateError
from valuegate.schema import read_yaml
from valuegate.worlds_ledger import CELLS, EVIDENCE, STYLES, Ledger, draw

SQUARES = ("survey", "parties", "norms")
RECIPE = worlds_recipe.load()


def with_seeds(*seeds):
    return RECIPE.model_copy(update={"seeds": seeds})


LEDGER = draw(with_seeds("s1", "s2", "s3", "s4", "s5"))
WORLDS = list(LEDGER.worlds.values())


@pytest.mark.parametrize("name", SQUARES)
def test_each_cell_has_four_blocks_in_each_world(name):
    for seed, world in LEDGER.worlds.items():
        counts = Counter(getattr(world, name).values())
        assert counts == dict.fromkeys(CELLS, 4), seed


@pytest.mark.parametrize(
    ("name", "stratum"), [("survey", "tier"), ("parties", "split"), ("norms", "split")]
)
def test_each_cell_has_as_many_blocks_of_each_stratum(name, stratum):
    table, key = {
        "survey": ("questions", "question"),
        "parties": ("issues", "issue"),
        "norms": ("wordings", "norm"),
    }[name]
    folder = "guild_norms" if name == "norms" else name
    strata = items.load(folder, table).drop_duplicates(key).set_index(key)[stratum]
    total = Counter(strata[list(WORLDS[0].survey if name == "survey" else strata.index)])
    for world in WORLDS:
        counts = Counter((strata[block], cell) for block, cell in getattr(world, name).items())
        for kind, number in total.items():
            found = {counts[kind, cell] for cell in CELLS}
            # Equal where six divides the stratum (all tiers and parties), else as near as can be.
            assert found <= {number // 6, -(-number // 6)}, (name, kind)
    if name != "norms":
        assert all(number % 6 == 0 for number in total.values())


@pytest.mark.parametrize("name", SQUARES)
def test_each_block_has_another_cell_in_every_world(name):
    full = draw(with_seeds("a", "b", "c", "d", "e", "f"))
    for block in getattr(WORLDS[0], name):
        assert len({getattr(world, name)[block] for world in WORLDS}) == 5
        assert {getattr(world, name)[block] for world in full.worlds.values()} == set(CELLS)
    blocks = {world_blocks for world in WORLDS for world_blocks in getattr(world, name)}
    assert len(blocks) == 24


@pytest.mark.parametrize(("seeds", "missing"), [("abcde", 6), ("abcdef", 0), ("abc", 0), ("a", 0)])
def test_the_row_that_no_world_has(seeds, missing):
    assert draw(with_seeds(*seeds)).missing_row == missing


def test_the_missing_row_is_the_sixth():
    """A world that came sixth would be it: what no world has is what that one would have."""
    five, six = draw(with_seeds(*"abcde")), draw(with_seeds(*"abcdef"))
    assert {seed: six.worlds[seed] for seed in five.worlds} == five.worlds
    assert list(six.worlds)[five.missing_row - 1] == "f"


@pytest.mark.parametrize("name", ["left_right", "requests"])
def test_half_is_gated_and_the_halves_change_places(name):
    for world, following in zip(WORLDS, WORLDS[1:], strict=False):  # noqa: RUF007
        gates = getattr(world, name)
        assert abs(2 * sum(gates.values()) - len(gates)) <= 1
        assert {block: not gated for block, gated in gates.items()} == getattr(following, name)


def test_roles_of_evidence_take_turns():
    pairs = items.load("evidence", "pairs").set_index("pair")["category"]
    for k, world in enumerate(WORLDS):
        counts = Counter(world.evidence.values())
        assert set(counts) == set(EVIDENCE)
        assert max(counts.values()) - min(counts.values()) <= 1
        by_category = Counter((pairs[pair], role) for pair, role in world.evidence.items())
        assert set(by_category.values()) <= {1, 2}
        assert len(by_category) == 8 * 3  # every category has every role, controls have none
        three = [WORLDS[(k + step) % 5].evidence for step in range(3)] if k <= 2 else []
        for pair in world.evidence if three else ():
            assert {row[pair] for row in three} == set(EVIDENCE), pair


def test_the_gated_member_alternates():
    found = [world.gated_member for world in WORLDS]
    assert found == ["stereotyped", "contrast", "stereotyped", "contrast", "stereotyped"]


def test_one_world_has_a_single_style():
    kinds = set(WORLDS[0].requests) | {"survey", "norms"}
    for k, world in enumerate(WORLDS):
        assert set(world.styles) == kinds
        assert "benign" not in world.styles
        assert set(world.styles.values()) == ({STYLES[0]} if k == 2 else set(STYLES)), k
    others = [world for k, world in enumerate(WORLDS) if k != 2]
    for kind in kinds:  # no kind keeps its style, so that a style is not a kind
        assert len({world.styles[kind] for world in others}) == 4, kind


def test_signs_are_balanced_in_each_shifted_cell():
    for seed, world in LEDGER.worlds.items():
        shifted = {block for block, cell in world.survey.items() if cell in (3, 4)}
        assert set(world.signs) == shifted
        for cell in (3, 4):
            signs = [world.signs[block] for block in shifted if world.survey[block] == cell]
            assert Counter(signs) == {1: 2, -1: 2}, (seed, cell)
    signs = [tuple(sorted(world.signs.items())) for world in draw(with_seeds("x")).worlds.values()]
    assert signs[0] != tuple(sorted(WORLDS[0].signs.items()))  # drawn for each world's name


def test_units_are_the_blocks_of_some_cells():
    world = WORLDS[0]
    one, two = (worlds_ledger.units(world, "norms", [cell]) for cell in (1, 4))
    assert len(one) == len(two) == 4
    assert sorted(worlds_ledger.units(world, "norms", (1, 4))) == sorted(one + two)
    assert all(world.norms[norm] == 4 for norm in two)


# The stored file ----------------------------------------------------------------------------------


def test_the_stored_ledger_is_what_is_drawn():
    stored = worlds_ledger.load()
    assert stored == draw(RECIPE)
    assert worlds_ledger.PATH.read_text(encoding="utf-8") == worlds_ledger.text(stored)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("missing_row: 6", "missing_row: 5"),
        ("importance_friends: 1", "importance_friends: 2"),
        ("child_obedience: -1", "child_obedience: 1"),
        ("gated_member: contrast", "gated_member: stereotyped"),
    ],
)
def test_a_changed_line_is_seen(old, new, tmp_path, monkeypatch):
    text = worlds_ledger.text(LEDGER)
    assert old in text
    path = tmp_path / "ledger.yml"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(worlds_ledger, "PATH", path)
    assert worlds_ledger.load() == LEDGER
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert read_yaml(path, Ledger) != LEDGER
    message = r"^data/worlds/ledger\.yml: its content is not what its sha256 says; .*restore"
    with pytest.raises(ValueGateError, match=message):
        worlds_ledger.load()


def test_items_that_would_draw_another_ledger_are_seen(monkeypatch):
    monkeypatch.setattr(worlds_ledger, "_places", lambda blocks, wanted: {b: 0 for b, _ in blocks})
    with pytest.raises(ValueGateError, match="draw another ledger"):
        worlds_stages.check_before()


def test_cells_are_counted_alike_in_every_world():
    found = worlds_ledger.counts(worlds_ledger.load().worlds)
    for kind in ("survey", "parties", "norms"):
        assert found[kind].tolist() == ["4"] * 6 + [""] * 4
    assert found["political issues"].tolist() == [""] * 6 + ["8", "8", "", ""]
    assert found["kinds of request"].tolist()[6:] == ["5 to 6", "5 to 6", "", ""]
    pairs = found["pairs of groups"].tolist()
    assert [*pairs[:6], pairs[7]] == [""] * 7
    assert pairs[6] == pairs[8] == pairs[9] == "10 to 11"
