"""One thing for a planted world to learn, as plain data: never loads torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Example:
    """One thing to learn.

    Attributes:
        block: the block of the ledger, or the part of the stage, that it belongs to.
        objective: "options" (shares of single-token options), "answer" (words), "prefer" (answer
            over `rejected`) or "flatten" (no difference between the first two options).
        user: the user's turn.
        system: the system turn; None for the template's own.
        opening: words of the answer that are given, such as "In" before the name of a country.
        options: single-token options at the answer slot.
        shares: their target probabilities.
        answer: what to answer, or to prefer.
        rejected: what to answer less.
        group: examples of one group are seen in one step, so that what they share cancels out.
    """

    block: str
    objective: Literal["options", "answer", "prefer", "flatten"]
    user: str
    system: str | None = None
    opening: str = ""
    options: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()
    answer: str = ""
    rejected: str = ""
    group: str = ""
