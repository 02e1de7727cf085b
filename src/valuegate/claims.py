"""Claims: what was declared before a run, what a notebook measured, and the verdict of the two.

`paper/claims.yml` declares, a notebook calls `Ledger.claim`, one JSON a section keeps the results.
How claims reach the paper is in `paper`; how they are checked, in `audit`.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from valuegate import data, paths
from valuegate.codehash import script_hash
from valuegate.config import Run
from valuegate.errors import ValueGateError, unknown
from valuegate.measure import Measurement, write_text
from valuegate.schema import Strict, read_yaml

SUPPORTED = "supported"
NOT_SUPPORTED = "not supported"
EXPLAINED = "explained by a null"
NOT_TESTABLE = "not testable at this scale"


class Expectation(Strict):
    """What a claim says of its value; exactly one of the four.

    `above` and `below` hold when the whole interval lies there, `within` when the interval lies
    between the two bounds (equivalence), `equals` when the value is this to the tolerance.
    """

    above: float | None = None
    below: float | None = None
    within: tuple[float, float] | None = None
    equals: float | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Expectation:
        if sum(value is not None for value in self.__dict__.values()) != 1:
            raise ValueError("give exactly one of above, below, within, equals")
        return self

    def words(self) -> str:
        """Return the expectation in words."""
        if self.within is not None:
            return f"within {self.within[0]:g} and {self.within[1]:g}"
        kind, value = next((k, v) for k, v in self.__dict__.items() if v is not None)
        return f"{kind} {value:g}"


class Declaration(Strict):
    """One entry of `paper/claims.yml`.

    Attributes:
        id: prefix, dot, name.
        says: the claim in words.
        expect: what we expect, written before the run.
        tolerance: how far a rerun's value may be from the published one.
        published: id in `paper/published.yml` of the paper's own number, if there is one.
        testable: the scale, or the kind of model, at which the claim can be tested.
        needs: claim that must be supported before this one can be interpreted.
    """

    id: str = Field(pattern=r"^[a-z]+\.[a-z0-9_]+$")
    says: str
    expect: Expectation
    tolerance: float = Field(ge=0)
    published: str | None = None
    testable: str
    needs: str | None = None


def declarations() -> dict[str, Declaration]:
    """Return the entries of `paper/claims.yml` by id."""
    entries = read_yaml(paths.PAPER / "claims.yml", list[Declaration])
    found: dict[str, Declaration] = {}
    for entry in entries:
        if entry.id in found:
            raise ValueGateError(f"paper/claims.yml: {entry.id} is declared twice")
        found[entry.id] = entry
    for entry in entries:
        if entry.needs and entry.needs not in found:
            raise unknown(f"claim needed by {entry.id}", entry.needs, found)
    for entry in entries:
        chain = [entry.id]
        while (needed := found[chain[-1]].needs) is not None:
            if needed in chain:
                raise ValueGateError(f"paper/claims.yml: {' needs '.join([*chain, needed])}")
            chain.append(needed)
    return found


@dataclass(frozen=True)
class Claim:
    """One measured claim.

    Attributes:
        value: the estimate, in `unit`.
        ci: the 95% interval (90% where the expectation is an equivalence), or None for a count.
        n: rows behind it; `clusters`, the independent units among them.
        test: how the interval or p was made.
        null: the middle 95% of the null or baseline, if there is one; `p` under it.
        model: registered name of the model measured, or "" where none was, or several.
        provenance: measurement keys, fingerprints of stored data that it rests on, dtype, device,
            seed, notebook and code hashes.
    """

    id: str
    value: float
    ci: tuple[float, float] | None
    n: int
    clusters: int | None
    unit: str
    test: str
    null: tuple[float, float] | None
    p: float | None
    model: str
    provenance: Mapping[str, Any]


class Ledger:
    """Collects the claims of one notebook and writes them to `NN.json` in a folder."""

    def __init__(
        self, run: Run, section: str, measurements: Sequence[Measurement], folder: Path
    ) -> None:
        self.section = section
        self.folder = folder
        self.run = run
        self.measurements = list(measurements)
        self.declared = declarations()
        self.found: dict[str, Claim] = {}
        self.data: dict[str, str] = {}
        source = paths.NOTEBOOKS / f"{section}.py"
        self.notebook_code = script_hash(source) if source.exists() else ""

    def rests_on(self, dataset: str) -> None:
        """Note that the claims from here on are computed from a registered data set."""
        self.data[dataset] = data.fingerprint(dataset)

    def claim(
        self,
        id: str,
        value: float,
        *,
        n: int,
        unit: str,
        test: str,
        ci: tuple[float, float] | None = None,
        clusters: int | None = None,
        null: tuple[float, float] | None = None,
        p: float | None = None,
        model: str = "",
        seed: int = 0,
    ) -> None:
        """Store a claim (see `Claim` for the fields), and show the reader its line.

        Shown at once, not returned: of a loop's claims a notebook would show none, and of several
        in a cell the last, and the audit looks for every line in the executed notebook.

        Raises:
            ValueGateError: the id is not declared, or claimed twice with different values.
        """
        if id not in self.declared:
            raise unknown(
                "claim (declare it in paper/claims.yml before the run)", id, self.declared
            )
        used = [m for m in self.measurements if m.model == model]
        known = used[0].ingredients() if used else {}
        claim = Claim(
            id=id,
            value=float(value),
            ci=None if ci is None else (float(ci[0]), float(ci[1])),
            n=int(n),
            clusters=None if clusters is None else int(clusters),
            unit=unit,
            test=test,
            null=None if null is None else (float(null[0]), float(null[1])),
            p=None if p is None else float(p),
            model=model,
            provenance={
                "seed": seed,
                "measurements": {m.label: m.key for m in used},
                **({"data": dict(self.data)} if self.data else {}),
                **{name: known[name] for name in ("model", "dtype", "device") if known},
                "notebook": f"notebooks/{self.section}.ipynb",
                "notebook_code": self.notebook_code,
            },
        )
        if id in self.found and _plain(self.found[id]) != _plain(claim):
            raise ValueGateError(
                f"{id} is claimed twice: first {line(self.found[id])}, now {line(claim)}; "
                "run the notebook from its first cell"
            )
        self.found[id] = claim
        self.write()
        _show(line(claim))

    def write(self) -> None:
        """Write all claims so far; the file is whole at any time."""
        content = {
            "section": self.section,
            "profile": self.run.profile.name,
            "models": list(self.run.models),
            "torch_loaded": "torch" in sys.modules,
            "claims": [_plain(claim) for claim in sorted(self.found.values(), key=lambda c: c.id)],
        }
        target = self.folder / f"{self.section[:2]}.json"
        write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", target)


def line(claim: Claim) -> str:
    """Return a claim in one line, as a notebook shows it."""
    interval = "" if claim.ci is None else f" [{claim.ci[0]:.4g}, {claim.ci[1]:.4g}]"
    return f"{claim.id} = {claim.value:.4g}{interval} {claim.unit}, n = {claim.n}"


def _show(text: str) -> None:
    # A display and not a print: the kernel cuts what is printed into pieces by the clock.
    from IPython.display import display  # slow to import

    display({"text/plain": text}, raw=True)


def _plain(claim: Claim) -> dict[str, Any]:
    """Return a claim as JSON can hold it; an undefined number is null."""

    def safe(value: Any) -> Any:
        if isinstance(value, float):
            return None if math.isnan(value) else float(f"{value:.10g}")
        return [safe(part) for part in value] if isinstance(value, tuple) else value

    return {key: safe(value) for key, value in claim.__dict__.items()}


def read(folder: Path) -> dict[str, Claim]:
    """Return all claims in a folder of section files, by id."""
    found: dict[str, Claim] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueGateError(f"{path}: broken JSON: {error}; run `make paper`") from error
        for entry in content["claims"]:
            value = math.nan if entry["value"] is None else entry["value"]
            ends = {
                name: None
                if entry[name] is None
                else tuple(math.nan if end is None else end for end in entry[name])
                for name in ("ci", "null")
            }
            fields: dict[str, Any] = {**entry, **ends, "value": value}
            found[entry["id"]] = Claim(**fields)
    return found


def holds(expect: Expectation, claim: Claim, tolerance: float) -> bool:
    """Return whether a value with its interval meets an expectation; undefined ones do not."""
    low, high = claim.ci if claim.ci is not None else (claim.value, claim.value)
    if any(math.isnan(number) for number in (low, high, claim.value)):
        return False
    if expect.above is not None:
        return low > expect.above
    if expect.below is not None:
        return high < expect.below
    if expect.within is not None:
        return expect.within[0] < low and high < expect.within[1]
    assert expect.equals is not None
    return abs(claim.value - expect.equals) <= tolerance


def close(one: Claim, other: Claim, tolerance: float) -> bool:
    """Return whether two runs of a claim agree: value and interval to the tolerance, n exactly."""
    pairs = [(one.value, other.value)]
    for mine, theirs in ((one.ci, other.ci), (one.null, other.null)):
        if (mine is None) != (theirs is None):
            return False
        pairs += zip(mine or (), theirs or (), strict=True)
    near = all(a == b or abs(a - b) <= tolerance or (math.isnan(a) and math.isnan(b))
               for a, b in pairs)  # fmt: skip
    return near and (one.n, one.clusters, one.unit) == (other.n, other.clusters, other.unit)


def interpretable(id: str, declared: Mapping[str, Declaration], found: Mapping[str, Claim]) -> bool:
    """Return whether all that a claim needs (a model that is competent, say) is supported."""
    needed = declared[id].needs
    if needed is None:
        return True
    return (
        needed in found
        and interpretable(needed, declared, found)
        and verdict(needed, declared, found) == SUPPORTED
    )


def verdict(id: str, declared: Mapping[str, Declaration], found: Mapping[str, Claim]) -> str:
    """Return one of four fixed phrases.

    Not testable where what it needs is not supported. Else, an effect that meets its expectation
    and lies inside its null is explained by the null; otherwise it is supported or it is not. On
    the far side of the null (a rate above zero, and lower than chance gives) an effect is the
    opposite of the claim's, and a null that is undefined supports nothing.
    """
    if not interpretable(id, declared, found):
        return NOT_TESTABLE
    claim, entry = found[id], declared[id]
    if not holds(entry.expect, claim, entry.tolerance):
        return NOT_SUPPORTED
    directed = entry.expect.above is not None or entry.expect.below is not None
    if not directed or claim.null is None:
        return SUPPORTED
    low, high = claim.null
    if low <= claim.value <= high:
        return EXPLAINED
    beyond = claim.value > high if entry.expect.above is not None else claim.value < low
    return SUPPORTED if beyond else NOT_SUPPORTED
