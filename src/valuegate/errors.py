"""The one error that users see, as a single line: what was wrong, where, and the mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ValueGateError(Exception):
    """A mistake in the input or the surroundings; the command line prints it and exits 2."""


def unknown(kind: str, name: str, known: Iterable[str]) -> ValueGateError:
    """Return the error for a name that does not exist, with the nearest names that do.

    Args:
        kind: what the name should have been, such as "profile".
        name: what the user wrote.
        known: the names that exist.
    """
    options = sorted(known)
    close = difflib.get_close_matches(name.lower(), options, n=3, cutoff=0.4) or options[:8]
    return ValueGateError(f"unknown {kind} {name!r}; nearest: {', '.join(close) or '(none exist)'}")
