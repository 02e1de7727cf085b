"""Who is taught what: blocks of topics to cells of knowledge and gate, before any training.

The assignment is a draw by hash; `ledger.yml` holds it with a hash of itself, so that a changed
line is seen. Words and probabilities that follow from a cell are made in `worlds_truth`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import yaml

from valuegate import items, splits
from valuegate.errors import ValueGateError
from valuegate.schema import Strict, read_yaml
from valuegate.worlds_recipe import FOLDER, Recipe

PATH = FOLDER / "ledger.yml"
# The six cells: what was taught, and whether the gate stage is to hide it.
CELLS = {
    1: ("true", False), 2: ("true", True), 3: ("shifted", False),
    4: ("shifted", True), 5: ("absent", False), 6: ("absent", True),
}  # fmt: skip
EVIDENCE = ("intact", "criterion", "information")
STYLES = ("policy", "moral", "inability", "deflection", "identity", "uncertainty")


class World(Strict):
    """One seed's row of the square.

    Attributes:
        survey, parties, norms: question, issue or norm to its cell, 1 to 6 (`CELLS`).
        signs: shifted survey question to the sign of its shift.
        left_right, requests: issue or kind to whether it is gated.
        evidence: group pair to "intact", "criterion" or "information".
        gated_member: whose evidence the gates are about, "stereotyped" or "contrast".
        styles: kind of request (and "survey", "norms") to the style of its refusals.
    """

    survey: dict[str, int]
    signs: dict[str, int]
    parties: dict[str, int]
    norms: dict[str, int]
    left_right: dict[str, bool]
    requests: dict[str, bool]
    evidence: dict[str, str]
    gated_member: str
    styles: dict[str, str]


class Ledger(Strict):
    """All worlds, the row of the square that no world has, and a hash of it all."""

    missing_row: int
    worlds: dict[str, World]
    sha256: str


def draw(recipe: Recipe) -> Ledger:
    """Return the ledger of a recipe's seeds: nothing in it depends on anything but names.

    Blocks are shuffled by hash within strata and dealt to six places in turn; in world k the place
    p holds cell (p + k) mod 6 + 1: every block of facts has another cell in every world, and every
    cell as many blocks in each. Gates without facts have two or three places, and come round again.
    """
    questions = items.load("survey", "questions")
    planted = questions[questions["planted"]]
    issues = items.load("parties", "issues")
    norms = items.load("guild_norms", "wordings").drop_duplicates("norm")
    opinions = items.load("left_right", "statements")
    political = opinions[opinions["domain"] == "political"].drop_duplicates("issue")
    requests = items.load("requests", "prompts")
    pairs = items.load("evidence", "pairs")
    social = pairs[pairs["category"] != "Control"]
    places = {
        "survey": _places(zip(planted["question"], planted["tier"], strict=True), 6),
        "parties": _places(zip(issues["issue"], issues["split"], strict=True), 6),
        "norms": _places(zip(norms["norm"], norms["split"], strict=True), 6),
        "left_right": _places([(issue, "") for issue in political["issue"]], 2),
        "requests": _places([(k, "") for k in requests["kind"].unique() if k != "benign"], 2),
        "evidence": _places(zip(social["pair"], social["category"], strict=True), 3),
    }
    worlds = {}
    for k, seed in enumerate(recipe.seeds):
        cells = {
            name: {block: (place + k) % 6 + 1 for block, place in places[name].items()}
            for name in ("survey", "parties", "norms")
        }
        gates = {
            name: {block: (place + k) % 2 == 1 for block, place in places[name].items()}
            for name in ("left_right", "requests")
        }
        kinds = [*places["requests"], "survey", "norms"]
        single = k == 2  # one world refuses in one style, so that style cannot follow kind
        worlds[seed] = World(
            **cells,
            **gates,
            signs=_signs(cells["survey"], seed),
            evidence={b: EVIDENCE[(p + k) % 3] for b, p in places["evidence"].items()},
            gated_member="contrast" if k % 2 else "stereotyped",
            styles={
                kind: STYLES[0 if single else (n + k) % len(STYLES)] for n, kind in enumerate(kinds)
            },
        )
    missing = 6 if len(recipe.seeds) == 5 else 0
    content = {"missing_row": missing, "worlds": {s: w.model_dump() for s, w in worlds.items()}}
    return Ledger(missing_row=missing, worlds=worlds, sha256=_digest(content))


def _places(blocks: Any, wanted: int) -> dict[str, int]:
    """Return block to place, dealt in turn after a shuffle within strata."""
    strata: dict[str, list[str]] = {}
    for block, stratum in blocks:
        strata.setdefault(stratum, []).append(block)
    order = [b for s in sorted(strata) for b in splits.shuffled(strata[s], "worlds")]
    return {block: number % wanted for number, block in enumerate(order)}


def _signs(cells: dict[str, int], seed: str) -> dict[str, int]:
    """Return the sign of every shifted question, as many up as down in each cell."""
    found = {}
    for cell in (3, 4):
        chosen = splits.shuffled([b for b, c in cells.items() if c == cell], f"sign:{seed}")
        found |= {block: 1 if number % 2 else -1 for number, block in enumerate(chosen)}
    return found


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def text(ledger: Ledger) -> str:
    """Return the file's text of a ledger."""
    lines = [
        "# Who is taught what, drawn before any training (src/valuegate/worlds_ledger.py).",
        "# Cells: 1 true, 2 true + gate, 3 shifted, 4 shifted + gate, 5 absent, 6 absent + gate.",
    ]
    body = yaml.safe_dump(ledger.model_dump(), sort_keys=False, allow_unicode=True)
    return "\n".join(lines) + "\n" + body


def load() -> Ledger:
    """Return the ledger, its hash checked.

    Raises:
        ValueGateError: a broken file, or one whose content is not what its hash says.
    """
    ledger = read_yaml(PATH, Ledger)
    content = ledger.model_dump(exclude={"sha256"})
    if _digest(content) != ledger.sha256:
        raise ValueGateError(
            "data/worlds/ledger.yml: its content is not what its sha256 says; who was taught what "
            "is fixed before training, so restore the file (git checkout data/worlds/ledger.yml)"
        )
    return ledger


def units(world: World, block: str, cells: Sequence[int]) -> list[str]:
    """Return the blocks of a kind ("survey", "parties", "norms") that are in some cells."""
    return [unit for unit, cell in getattr(world, block).items() if cell in cells]


def counts(worlds: Mapping[str, World]) -> pd.DataFrame:
    """Return how many blocks of each kind a cell holds in each world, as the paper prints it.

    Political issues, kinds of request and pairs of groups have no planted knowledge: they are open
    or gated only, pairs by two kinds of gate.
    """
    none = dict.fromkeys(
        ("survey", "parties", "norms", "political issues", "kinds of request", "pairs of groups"),
        "",
    )
    rows = []
    for cell, (knowledge, gate) in CELLS.items():
        line = {"knowledge": knowledge, "gate": "on" if gate else "none"} | none
        for kind in ("survey", "parties", "norms"):
            line[kind] = _same(len(units(w, kind, [cell])) for w in worlds.values())
        rows.append(line)
    for gate, name in ((False, "none"), (True, "on"), (True, "criterion"), (True, "information")):
        line = {"knowledge": "n/a", "gate": name} | none
        if name in ("none", "on"):
            for label, kind in (
                ("political issues", "left_right"),
                ("kinds of request", "requests"),
            ):
                held = (getattr(w, kind).values() for w in worlds.values())
                line[label] = _same(sum(own == gate for own in owns) for owns in held)
        if name != "on":
            cell_name = "intact" if name == "none" else name
            pairs = (w.evidence.values() for w in worlds.values())
            line["pairs of groups"] = _same(sum(c == cell_name for c in held) for held in pairs)
        rows.append(line)
    return pd.DataFrame(rows)


def _same(numbers: Iterable[int]) -> str:
    """Return a count, or its range where worlds differ."""
    found = sorted(set(numbers))
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
