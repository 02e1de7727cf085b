"""Section 01's scores and nulls over all benchmark cells: valuegate beside a loop over rows.

The loop scores one row at a time in plain Python, as the published analysis does; both are given
the same tables and must agree to 1e-9. Run with `python tests/bench/bench_veto.py`.
"""

from __future__ import annotations

import time

import numpy as np

from valuegate import items, survey_scores, veto_countries, veto_scores


def loop(cells):
    """Return the scores of the middle of the scale and of the other countries' mean, row by row."""
    rows = cells.to_dict("records")
    by_column = {}
    for row in rows:
        by_column.setdefault(row["column"], []).append(row["truth"])
    found = []
    for row in rows:
        span, own = row["high"] - row["low"], by_column[row["column"]]
        middle = 100 * (1 - abs((row["low"] + row["high"]) / 2 - row["truth"]) / span)
        others = (sum(own) - row["truth"]) / (len(own) - 1) if len(own) > 1 else float("nan")
        found.append((middle, 100 * (1 - abs(others - row["truth"]) / span)))
    return np.array(found)


def main() -> None:
    """Print seconds for all metrics, and the ratio to the loop on the two nulls that it knows."""
    columns, shares, answers = (
        items.load("survey_answers", name) for name in ("columns", "shares", "cells")
    )
    scores = survey_scores.load("scores")
    start = time.perf_counter()
    cells = veto_scores.benchmark(columns, answers, shares)
    nulls = time.perf_counter() - start
    table = veto_scores.scored(cells, scores)
    best = table[table["file"] == "llama_persona_zero_shot"]
    veto_countries.equity(best, permutations=1)
    veto_countries.slopes(best, permutations=1, draws=1)
    veto_scores.against_nulls(table, cells, draws=1)
    whole = time.perf_counter() - start
    start = time.perf_counter()
    theirs = loop(cells)
    slow = time.perf_counter() - start
    ours = cells[["midpoint", "others_mean"]].to_numpy()
    assert np.allclose(ours, theirs, atol=1e-9, equal_nan=True)
    start = time.perf_counter()
    middle = (cells["low"] + cells["high"]) / 2
    veto_scores.nvas(middle, cells["truth"], cells["low"], cells["high"])
    sums = cells.groupby("column")["truth"].transform("sum")
    others = cells.groupby("column")["truth"].transform("size") - 1
    veto_scores.nvas(
        (sums - cells["truth"]) / others.where(others > 0), cells["truth"], cells["low"],
        cells["high"],
    )  # fmt: skip
    fast = time.perf_counter() - start
    print(f"cells of the benchmark: {len(cells)}, of twelve files: {len(table)}")
    print(f"nine nulls of every cell: {nulls:.2f} s")
    print(f"nulls, twelve files, slopes and equity without resampling: {whole:.2f} s")
    print(f"two nulls: {fast * 1e3:.1f} ms, the loop {slow * 1e3:.1f} ms, ratio {slow / fast:.1f}")


if __name__ == "__main__":
    main()
