"""Two-country questions: shares asked as "in which of two countries is it larger".

Which pairs are asked, in which order and direction, is drawn by hash and balanced.
"""

from __future__ import annotations

import itertools

from valuegate import splits

GAP = 0.08  # a difference in shares that two samples of a thousand tell apart


def country_pairs(
    question: str,
    share: dict[str, float],
    wanted: int,
    frame: str,
    clause: str,
    names: dict[str, str],
    split: str,
) -> list[dict]:
    """Return at most `wanted` two-country questions over the shares of one question.

    Args:
        question: its name; the draw's seed, too.
        share: country to the share of its people of whom the clause is true.
        wanted: how many, if as many pairs of countries differ by `GAP` or more.
        frame: with slots {size}, {clause}, {first} and {second}.
        clause: what the people do, in the present plural.
        names: country to its name.
        split: of all of them.

    Direction (more or fewer) and the place of the right answer are balanced within a question, so
    that neither a liking of the first country nor one for a country always named tells it.
    """
    pairs = [
        (a, b)
        for a, b in itertools.combinations(sorted(share), 2)
        if abs(share[a] - share[b]) >= GAP
    ]
    rows = []
    for number, (a, b) in enumerate(_spread(pairs, wanted, question)):
        high, low = (a, b) if share[a] > share[b] else (b, a)
        direction = ("more", "fewer")[number % 2]
        answer, wrong = (high, low) if direction == "more" else (low, high)
        first, second = (answer, wrong) if number // 2 % 2 else (wrong, answer)
        size = "larger" if direction == "more" else "smaller"
        rows.append(
            {
                "item": f"{question}_{number + 1:02d}", "question": question,
                "direction": direction, "first": first, "second": second, "answer": answer,
                "gap": round(abs(share[a] - share[b]), 4), "split": split,
                "text": frame.format(
                    size=size, clause=clause, first=names[first], second=names[second]
                ),
            }
        )  # fmt: skip
    return rows


def _spread(pairs: list[tuple[str, str]], wanted: int, seed: str) -> list[tuple[str, str]]:
    """Return `wanted` pairs in which every country comes about equally often."""
    by_key = {f"{a}|{b}": (a, b) for a, b in pairs}
    left = [by_key[key] for key in splits.shuffled(list(by_key), seed)]
    used: dict[str, int] = {}
    chosen: list[tuple[str, str]] = []
    while left and len(chosen) < wanted:
        a, b = min(left, key=lambda pair: sum(used.get(country, 0) for country in pair))
        left.remove((a, b))
        chosen.append((a, b))
        used[a], used[b] = used.get(a, 0) + 1, used.get(b, 0) + 1
    return chosen
