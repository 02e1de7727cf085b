"""The stored readouts of all stages: taken once, kept as tables, checked by scoring a part again.

A whole readout of every stage costs an hour on two cores, more than a reader's run may; so the
tables are part of the repository, and every run of the paper scores a part of their rows anew.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from valuegate import answer_rules, data, paths, registry, worlds_recipe
from valuegate.errors import ValueGateError
from valuegate.measure import Measurement, frame_hash, resolve, write_table

FOLDER = worlds_recipe.FOLDER / "readouts"
PARTS = paths.ROOT / "build" / "worlds" / "readouts"
READOUTS = {
    "places": "worlds_items:places_items",
    "slots": "worlds_items:slot_items",
    "evidence": "worlds_items:evidence_items",
    "short": "worlds_items:short_items",
    "answers": "worlds_items:answer_items",
    "sides": "worlds_items:sides_items",
}
TOLERANCE = 1e-3  # of a log-odds or a part of a scale, against the stored value


def read(models: list[str]) -> list[Path]:
    """Take every readout of some models that is not there yet; return the files of new parts.

    What is stored, or lies there as a part, was taken with the weights and items of now, or it is
    read anew. That the code still gives the stored scores is what taking rows again tells.
    """
    from valuegate import models as loader

    PARTS.mkdir(parents=True, exist_ok=True)
    written = []
    for model in models:
        left = [name for name in READOUTS if taken(name, model) is None]
        lm = loader.load(model) if left else None
        for name in left:
            rows = items(name)
            written.append(_part(name, model))
            write_table(resolve(f"worlds_read:{name}")(lm, rows), written[-1])
            print(f"{model}: {name}, {len(rows)} rows", flush=True)
    return written


def size() -> int:
    """Return about how many forward tokens all readouts of one model cost."""
    from valuegate.worlds_items import TOKENS

    return sum(len(items(name)) * TOKENS[name] for name in READOUTS)


def is_stored(model: str) -> bool:
    """Return whether every readout of a registered model was taken with its weights of now."""
    return all(_stored(name, model) is not None for name in READOUTS)


def taken(readout: str, model: str) -> pd.DataFrame | None:
    """Return a model's rows of a readout, from its part or the stored table; None if not taken."""
    part = _part(readout, model)
    return pd.read_parquet(part) if part.exists() else _stored(readout, model)


def _stored(readout: str, model: str) -> pd.DataFrame | None:
    try:
        table = pd.read_parquet(data.file("worlds_readouts", readout))
    except ValueGateError:  # no table yet
        return None
    rows = table[(table["model"] == model) & (table["known"] == known(readout, model))]
    return None if rows.empty else rows.drop(columns=["model", "known"]).reset_index(drop=True)


@functools.cache
def items(readout: str) -> pd.DataFrame:
    """Return all items of a readout."""
    return resolve(READOUTS[readout])()


def known(readout: str, model: str) -> str:
    """Return what identifies a stored readout: a hash of the model's weights and of the items."""
    text = f"{registry.fingerprint(model)} {frame_hash(items(readout))}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _part(readout: str, model: str) -> Path:
    return PARTS / f"{readout}--{model}--{known(readout, model)}.parquet"


def gather(models: list[str]) -> list[Path]:
    """Write the readouts of some models, one table a readout, and return the files.

    Raises:
        ValueGateError: a readout of a model has not been taken.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    written = []
    for name in READOUTS:
        parts = []
        for model in models:
            rows = taken(name, model)
            if rows is None:
                raise ValueGateError(f"{model}: no readout {name} yet; run `make worlds-truth`")
            parts.append(rows.assign(model=model, known=known(name, model)))
        written.append(FOLDER / f"{name}.parquet")
        write_table(pd.concat(parts, ignore_index=True), written[-1])
    return written


def load(readout: str) -> dict[str, pd.DataFrame]:
    """Return the stored table of a readout, model to its rows in the order of the items.

    Raises:
        ValueGateError: an altered file, or rows of another model than the one registered now.
    """
    table = pd.read_parquet(data.file("worlds_readouts", readout))
    found = {}
    for model, rows in table.groupby("model", sort=False):
        if set(rows["known"]) != {known(readout, str(model))}:
            raise ValueGateError(
                f"worlds_readouts: {readout} of {model} was taken with other weights or items than "
                "those of now; run `make worlds-truth`"
            )
        found[str(model)] = rows.drop(columns=["model", "known"]).reset_index(drop=True)
    return found


def sample(readout: str, rows: int) -> pd.DataFrame:
    """Return some items of a readout, spread evenly, with their place in it (`row`)."""
    whole = items(readout)
    step = max(1, len(whole) // rows)
    chosen = whole.iloc[step // 2 :: step].head(rows)
    return chosen.assign(row=chosen.index).reset_index(drop=True)


def differences(readout: str, again: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return how far rows scored again are from the stored ones, one row each.

    Columns: readout, model, row, difference (absolute; of answers 1 where the rules judge the words
    otherwise than before).
    """
    stored = load(readout)
    rows = []
    for model, table in again.items():
        old = stored[model].iloc[table["row"]]
        apart = np.abs(old["checked"].to_numpy() - table["checked"].to_numpy())
        if readout == "answers":
            judged = [answer_rules.kinds(answer) for answer in old["answer"]]
            now = [answer_rules.kinds(answer) for answer in table["answer"]]
            apart = np.fmax(apart, [float(a != b) for a, b in zip(judged, now, strict=True)])
        for row, difference in zip(table["row"], apart, strict=True):
            rows.append({"readout": readout, "model": model, "row": row, "difference": difference})
    return pd.DataFrame(rows)


def load_all() -> dict[str, dict[str, pd.DataFrame]]:
    """Return every stored readout: readout to model to rows."""
    return {readout: load(readout) for readout in READOUTS}


def again(model: str, rows: int) -> pd.DataFrame:
    """Return `differences` of some rows of every readout of a model, scored again now."""
    from valuegate import models as loader

    lm = loader.load(model)
    parts = []
    for readout in READOUTS:
        scored = resolve(f"worlds_read:{readout}")(lm, sample(readout, rows))
        parts.append(differences(readout, {model: scored}))
    return pd.concat(parts, ignore_index=True)


def register(files: list[Path]) -> None:
    """Write the hashes of the stored tables into the registry."""
    path = paths.DATA / "registry.yml"
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition("  worlds_readouts:\n")
    if rest:
        following = re.search(r"^(?:  \w|\w)", rest, flags=re.MULTILINE)
        rest = rest[following.start() :] if following else ""
    else:
        head, _, rest = text.partition("\nmodels:\n")
        head, rest = head + "\n", "models:\n" + rest
    entries = "".join(
        f"        {file.stem}:\n"
        f"          path: {file.relative_to(paths.ROOT)}\n"
        f"          sha256: {data.sha256(file)}\n"
        for file in files
    )
    entry = f"""  worlds_readouts:
    title: Readouts and truth tests of the planted stages
    licence: CC-BY-4.0
    citation: The valuegate authors 2026, this repository; made by `make worlds-truth`.
    used_by:
    - A2_worlds
    source:
      kind: embedded
      files:
{entries}"""
    path.write_text(f"{head}{entry}{rest}", encoding="utf-8")
    registry.load.cache_clear()


def compared(
    table: Callable[[str, str], pd.DataFrame], measurements: Sequence[Measurement]
) -> pd.DataFrame:
    """Return `differences` of all rows that a run has scored again.

    Args:
        table: from a measurement's name and model to its rows.
        measurements: of the run.
    """
    return pd.concat(
        [differences(m.name, {m.model: table(m.name, m.model)}) for m in measurements],
        ignore_index=True,
    )


def trained() -> dict[str, pd.DataFrame]:
    """Return the stored tables of the truth tests that train: "unlock" and "savings"."""
    files = data.files("worlds_readouts")
    return {
        test: pd.concat(
            [
                pd.read_csv(path, dtype={"answer": str}, keep_default_na=False)
                for name, path in files.items()
                if name.startswith(test)
            ],
            ignore_index=True,
        )
        for test in ("unlock", "savings")
    }
