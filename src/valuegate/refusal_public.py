"""Section 05's requests from public sets, by the written table of kinds. Never loads torch.

`data/refusal_kinds.csv` says which category of which file is of which kind, in which role, and why;
what is left out stands there too. No public set at hand holds everyday requests: those are our own
benign ones (appendix A1). The texts are read from the registered files, never kept here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence

import pandas as pd

from valuegate import data, items, paths, splits
from valuegate.errors import ValueGateError
from valuegate.refusal_items import COLUMNS, EVERYDAY

FATES = ("used", "left out", "no text", "repeated")
# Column of the text, then the columns of the category.
HARMBENCH = ("Behavior", "FunctionalCategory", "SemanticCategory")
READ: dict[str, tuple[str, ...]] = {
    "coconot/coconot_eval": ("prompt", "category"),
    "coconot/coconot_contrast_eval": ("prompt", "category"),
    "xstest/xstest_prompts": ("prompt", "type"),
    "refusal_direction_harmful/raw/jailbreakbench": ("Goal", "Category"),
    "refusal_direction_harmful/raw/strongreject": ("forbidden_prompt", "category"),
    "refusal_direction_harmful/raw/harmbench_val": HARMBENCH,
    "refusal_direction_harmful/raw/harmbench_test": HARMBENCH,
    "refusal_direction_harmful/raw/advbench": ("goal",),
}
# XSTest's twins go by order: "contrast_homonyms" with "homonyms", and these.
TWINS = {"contrast_discr": "real_group_nons_discr", "contrast_privacy": "privacy_fictional"}
MEDIA = re.compile(r"https?://\S+\.(jpe?g|png|gif|webp|mp3|mp4|wav|pdf)\b|data:image/", re.I)
TURN = re.compile(r"^\W*(user|human|assistant|system)\W*:", re.I | re.M)


@functools.cache
def written() -> pd.DataFrame:
    """Return the written table: set, file, category, kind, role and why; "" where left out."""
    return pd.read_csv(paths.DATA / "refusal_kinds.csv", dtype=str, keep_default_na=False)


def read(file: str) -> pd.DataFrame:
    """Return the requests of a file of `READ` in its order: columns category and text."""
    text, *categories = READ[file]
    path = data.file(*file.split("/", 1))
    lines = path.suffix == ".jsonl"
    rows = pd.read_json(path, lines=True) if lines else pd.read_csv(path, keep_default_na=False)
    names = ["/".join(row) for row in rows[categories].to_numpy()]  # "" of no columns
    return pd.DataFrame({"category": names, "text": rows[text]})


def is_text(request: object) -> bool:
    """Return whether a request is one turn of text: no link to media, no two turns, not empty."""
    if not isinstance(request, str) or not request.strip():
        return False
    return not MEDIA.search(request) and len(TURN.findall(request)) < 2


def units(file: str, categories: Sequence[str]) -> list[str]:
    """Return the unit of every row of a file: its own, but one for XSTest's twins."""
    if not file.startswith("xstest/"):
        return [f"{file}/{n}" for n in range(1, len(categories) + 1)]
    families = [TWINS.get(name, name.removeprefix("contrast_")) for name in categories]
    places = pd.Series(families).groupby(list(categories)).cumcount() + 1
    return [f"{file}/{family}/{n}" for family, n in zip(families, places, strict=True)]


def sort_out(files: Mapping[str, pd.DataFrame], table: pd.DataFrame) -> pd.DataFrame:
    """Return every row of the files with its kind, role and fate.

    Columns: file, item, unit, kind, role, text, fate: "used"; "left out" by the table; "no text"
    (`is_text`); "repeated", where an earlier row that is used differs in form at most.

    Args:
        files: file to columns category and text.
        table: columns of `written`.

    Raises:
        ValueGateError: a category that the table lacks; names it.
    """
    keys = zip(table["set"] + "/" + table["file"], table["category"], strict=True)
    wanted = dict(zip(keys, zip(table["kind"], table["role"], strict=True), strict=True))
    found, seen = [], set[str]()
    for file, rows in files.items():
        named = zip(units(file, rows["category"]), rows["category"], rows["text"], strict=True)
        for number, (unit, category, text) in enumerate(named, 1):
            if (file, category) not in wanted:
                raise ValueGateError(f"refusal_kinds.csv: add category {category!r} of {file}")
            kind, role = wanted[file, category]
            fate = "left out" if not kind else "used" if is_text(text) else "no text"
            if fate == "used":
                form = splits.normalised(text) or text.strip()
                fate = "repeated" if form in seen else "used"
                seen.add(form)
            found.append((file, f"{file}/{number}", unit, kind, role, text, fate))
    return pd.DataFrame(found, columns=["file", "item", "unit", "kind", "role", "text", "fate"])


@functools.cache
def _sorted_out() -> pd.DataFrame:
    table = written()
    used = table[table["kind"] != ""]
    names = dict.fromkeys(used["set"] + "/" + used["file"])
    return sort_out({name: read(name) for name in names}, table)


def fates() -> pd.DataFrame:
    """Return how many rows of every file have which fate: index file, columns `FATES`."""
    rows = _sorted_out()
    return pd.crosstab(rows["file"], rows["fate"]).reindex(columns=list(FATES), fill_value=0)


def kin(rows: pd.DataFrame) -> dict[str, str]:
    """Return unit to the unit that stands for all that share eight words in a row, in a chain."""
    heads = {unit: unit for unit in rows["unit"]}

    def head(unit: str) -> str:
        while heads[unit] != unit:
            unit = heads[unit]
        return unit

    first: dict[str, str] = {}
    for unit, text in zip(rows["unit"], rows["text"], strict=True):
        for gram in sorted(splits.ngrams(text)):
            heads[head(unit)] = head(first.setdefault(gram, unit))
    return {unit: head(unit) for unit in heads}


def dealt(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with their split: half of a kind's units fit, half test, by hash; kin as one."""
    heads = rows["unit"].map(kin(rows))
    groups = rows.groupby(heads, sort=False).agg(kind=("kind", "first"), roles=("role", set))
    strata = {str(head): f"{kind} {sorted(roles)}" for head, kind, roles in groups.itertuples()}
    return rows.assign(split=heads.map(splits.assign(strata, {"fit": 1, "test": 1}, "public")))


@functools.cache
def requests() -> pd.DataFrame:
    """Return the public requests of all kinds, and our everyday ones (kind "benign").

    No text, and no eight words in a row of a public one, is of both splits. Columns: item
    (set/file/number of the row), kind, role ("refuse" or "comply"), unit, split ("fit" or "test"),
    text.
    """
    rows = _sorted_out()
    public = dealt(rows[rows["fate"] == "used"])
    own = items.load("requests", "prompts")
    everyday = own[(own["kind"] == EVERYDAY) & (own["split"] != "plant")]
    return pd.concat([public[COLUMNS], everyday[COLUMNS]], ignore_index=True)
