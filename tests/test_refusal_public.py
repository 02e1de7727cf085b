"""Requests of public sets: the written table of kinds, what is dropped, and splits that hold."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from valuegate import paths, refusal_items, refusal_public, registry, splits
from valuegate.errors import ValueGateError


def at_hand(name: str) -> bool:
    """Return whether a file can be read without the network."""
    owner, short = name.split("/", 1)
    wanted = registry.dataset(owner).source.files[short]
    cached = paths.cache() / "files" / wanted.sha256[:16] / Path(wanted.path).name
    mirror = paths.mirror()
    return cached.exists() or bool(mirror and (mirror / owner).is_dir())


ABSENT = [name for name in refusal_public.READ if not at_hand(name)]
public = pytest.mark.skipif(
    bool(ABSENT), reason=f"VALUEGATE_MIRROR and the cache lack {', '.join(ABSENT)}"
)


def table(*rows: tuple[str, str, str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["set", "file", "category", "kind", "role"])


def requests(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["category", "text"])


def test_the_table_is_whole():
    rows = refusal_public.written()
    assert not rows.duplicated(["set", "file", "category"]).any()
    assert rows["why"].ne("").all()
    assert set(rows["kind"]) == {*refusal_items.kinds(), ""}
    assert set(rows["role"]) == {"refuse", "comply", ""}
    assert rows["kind"].eq("").equals(rows["role"].eq(""))
    for name, file in zip(rows["set"], rows["file"], strict=True):
        assert file in registry.dataset(name).source.files
    used = rows[rows["kind"] != ""]
    assert set(used["set"] + "/" + used["file"]) == set(refusal_public.READ)


def test_every_row_has_one_fate():
    files = {
        "own/a": requests(
            ("x", "Paint a fence."), ("y", "Sing!"), ("x", "paint a fence"),
            ("x", "?!"), ("x", "??"),
        ),
        "own/b": requests(("x", "Sing"), ("x", "PAINT a fence"), ("x", " ")),
    }  # fmt: skip
    written = table(
        ("own", "a", "x", "incomplete", "refuse"), ("own", "a", "y", "", ""),
        ("own", "b", "x", "unsupported", "comply"),
    )  # fmt: skip
    found = refusal_public.sort_out(files, written)
    assert found["fate"].tolist() == [
        "used", "left out", "repeated", "used", "used", "used", "repeated", "no text",
    ]  # fmt: skip
    assert found["item"].tolist()[4:6] == ["own/a/5", "own/b/1"]
    assert found.loc[5, ["kind", "role"]].tolist() == ["unsupported", "comply"]


def test_a_category_that_the_table_lacks_is_named():
    with pytest.raises(ValueGateError, match="add category 'y' of own/a"):
        refusal_public.sort_out(
            {"own/a": requests(("y", "Sing."))}, table(("own", "a", "x", "incomplete", "refuse"))
        )


@pytest.mark.parametrize(
    ("request_", "fine"),
    [
        ("Draw a cat.", True),
        ("What is on https://example.org/cats?", True),
        ("Rewrite this.\nUser: hello", True),
        ("User: hello\nAssistant: hi\nUser: sing", False),
        ("See https://example.org/a/cat.jpg?x=1", False),
        (" \n", False),
        (["User: hello"], False),
        (float("nan"), False),
    ],
)
def test_what_is_text(request_, fine):
    assert refusal_public.is_text(request_) is fine


def test_twins_are_one_unit():
    names = ["homonyms", "homonyms", "contrast_homonyms", "contrast_homonyms", "contrast_discr"]
    found = refusal_public.units("xstest/p", [*names, "real_group_nons_discr", "privacy_public"])
    assert found[:2] == found[2:4] == ["xstest/p/homonyms/1", "xstest/p/homonyms/2"]
    assert found[4] == found[5]
    assert len(set(found)) == 4
    assert refusal_public.units("own/a", ["x", "x"]) == ["own/a/1", "own/a/2"]


def rows_of(kind: str, refuse: int, comply: int) -> list[tuple[str, ...]]:
    return [
        (f"{kind}{role}{n}", kind, role, f"{kind}{n}", f"{kind} {role} {n}")
        for role, count in (("refuse", refuse), ("comply", comply))
        for n in range(count)
    ]


def frame(*rows: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["item", "kind", "role", "unit", "text"])


def test_splits_are_halves_and_keep_units_and_kin_together():
    chain = [
        ("k1", "incomplete", "refuse", "k1", "one two three four five six seven eight"),
        ("k2", "incomplete", "refuse", "k2", "a one two three four five six seven eight nine"),
        ("k3", "humanizing", "comply", "k3", "b two three four five six seven eight nine"),
        ("k4", "incomplete", "refuse", "k4", "four five six seven eight nine ten"),
    ]
    rows = frame(*rows_of("incomplete", 40, 30), *rows_of("humanizing", 21, 0), *chain)
    heads = refusal_public.kin(rows)
    assert heads["k1"] == heads["k2"] == heads["k3"] == "k1"
    assert heads["k4"] == "k4"
    found = refusal_public.dealt(rows)
    assert (found.groupby("unit")["split"].nunique() == 1).all()
    assert found[found["item"].isin(["k1", "k2", "k3"])]["split"].nunique() == 1
    for kind, role, count in (("incomplete", "comply", 30), ("humanizing", "refuse", 21)):
        own = found[(found["kind"] == kind) & (found["role"] == role)]
        assert abs((own["split"] == "fit").sum() - count / 2) <= 1.5


def test_kinds_and_lookalikes_that_are_too_few_are_left_out(monkeypatch):
    rows = pd.concat([
        frame(*rows_of("incomplete", 20, 16)).assign(split="fit"),
        frame(*rows_of("humanizing", 16, 3)).assign(split="fit"),
        frame(*rows_of("hate_speech", 15, 40)).assign(split="fit"),
        frame(*rows_of("incomplete", 9, 9)).assign(split="test"),
        frame(*rows_of("benign", 0, 30)).assign(split="fit"),
    ])  # fmt: skip
    monkeypatch.setattr(refusal_public, "requests", lambda: rows)
    for cached in (refusal_items._every, refusal_items._requests, refusal_items.kinds):
        cached.cache_clear()
    try:
        assert refusal_items.left_out("public") == {
            "humanizing, comply": 3, "hate_speech, refuse": 15,
        }  # fmt: skip
        assert refusal_items.kinds("public") == ("incomplete", "humanizing")
        drawn = refusal_items.request_items("fit", 18, 5, "public")
        assert drawn.groupby(["kind", "role"]).size().to_dict() == {
            ("incomplete", "refuse"): 18, ("incomplete", "comply"): 16,
            ("humanizing", "refuse"): 16, ("benign", "comply"): 5,
        }  # fmt: skip
        few = refusal_items.request_items("fit", 4, 0, "public")
        assert set(few["item"]) < set(drawn["item"]), "more are drawn by going on"
    finally:
        for cached in (refusal_items._every, refusal_items._requests, refusal_items.kinds):
            cached.cache_clear()


@pytest.mark.parametrize("name", refusal_public.READ)
def test_a_file_is_read_as_category_and_text(tmp_path, monkeypatch, name):
    text, *categories = refusal_public.READ[name]
    rows = [{"x": "0", text: f"Sing {n}.", **dict.fromkeys(categories, f"NA{n}")} for n in range(2)]
    path = tmp_path / ("tiny.jsonl" if name.startswith("coconot") else "tiny.csv")
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pd.DataFrame(rows).to_csv(path, index=False)
    monkeypatch.setattr(refusal_public.data, "file", lambda *_: path)
    found = refusal_public.read(name)
    assert found["text"].tolist() == ["Sing 0.", "Sing 1."]
    assert found["category"].tolist() == ["/".join([f"NA{n}"] * len(categories)) for n in range(2)]


@public
def test_the_table_has_the_categories_of_the_files_and_no_other():
    rows = refusal_public.written()
    for name in refusal_public.READ:
        listed = rows.loc[rows["set"] + "/" + rows["file"] == name, "category"]
        assert set(refusal_public.read(name)["category"]) == set(listed), name


@public
def test_every_public_row_is_accounted_for():
    found = refusal_public.fates()
    for name in refusal_public.READ:
        assert found.loc[name].sum() == len(refusal_public.read(name)), name
    used = refusal_public.requests()
    assert found["used"].sum() == (used["kind"] != refusal_items.EVERYDAY).sum()
    assert found["no text"].sum() == 1  # a link to a picture
    assert found["repeated"].sum() > 30, "AdvBench is repeated in other files"


@public
def test_public_splits_share_no_text():
    rows = refusal_public.requests()
    fit, test = (rows[rows["split"] == split] for split in ("fit", "test"))
    assert rows["item"].is_unique
    assert rows["text"].map(splits.normalised).is_unique
    assert not set(fit["unit"]) & set(test["unit"])
    assert splits.leaks(rows.assign(set="public", content=rows["text"])).empty
    assert set(rows["kind"]) == {*refusal_items.kinds(), refusal_items.EVERYDAY}
    assert set(rows["role"]) == {"refuse", "comply"}
    twins = rows[rows["item"].str.startswith("xstest/")].groupby("unit")["role"].agg(set)
    assert (twins == {"refuse", "comply"}).sum() == 200


@public
def test_public_requests_stand_in_for_our_own():
    assert refusal_items.left_out("public") == {
        "unqualified_advice, refuse": 5,
        **{
            f"{kind}, comply": 0
            for kind in (
                "indeterminate", "humanizing", "hate_speech", "crime_assistance", "general_harm",
                "inappropriate", "unqualified_advice",
            )
        },
    }  # fmt: skip
    found = refusal_items.request_items("fit", 24, 60, "public")
    assert list(found.columns) == refusal_items.COLUMNS
    counts = found.groupby(["kind", "role"]).size()
    assert len(counts) == 10 + 4 + 1
    assert (counts.drop(refusal_items.EVERYDAY) == 24).all()
    own = refusal_items.request_items("fit", 24, 20)
    plain = refusal_items.request_items("fit", 1, 20, "public")
    assert set(plain[plain["kind"] == "benign"]["item"]) == set(
        own[own["kind"] == "benign"]["item"]
    )
