"""Articles and capitals for the sentences that the evidence builder makes."""

from __future__ import annotations

import re

_VOWEL_SOUND = re.compile(r"^(?:hour|honest|(?!eu|one)[aeio]|un(?!i)|u(?![ns]))", re.IGNORECASE)


def indefinite(phrase: str) -> str:
    """Return the phrase with "a" or "an" by the sound of its first word."""
    return f"{'an' if _VOWEL_SOUND.match(phrase) else 'a'} {phrase}"


def definite(phrase: str) -> str:
    """Return the phrase with "the"."""
    return f"the {phrase}"


def sentence(text: str) -> str:
    """Return the text with a capital first letter."""
    return text[:1].upper() + text[1:]
