"""«Did you mean»: the nearest of the names there are."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like ``name``, None when none is like it: one letter off in short names, up to three in long ones."""
    wanted = name.lower()
    allowed = 1 if len(wanted) <= 4 else 2 if len(wanted) <= 8 else 3
    best: str | None = None
    for candidate in sorted(set(candidates)):
        if candidate == name:
            return None
        distance = _distance(wanted, candidate.lower(), allowed)
        if distance <= allowed:
            best, allowed = candidate, distance - 1
    return best


def containing(text: str, candidates: Iterable[str], limit: int = 5) -> tuple[str, ...]:
    """Candidates that contain ``text``, or a part of it between points, ignoring case; at most ``limit``."""
    parts = [part for part in text.lower().split(".") if len(part) > 2] or [text.lower()]
    found = [name for name in sorted(set(candidates)) if any(part in name.lower() for part in parts)]
    return tuple(found[:limit])


def _distance(one: str, other: str, limit: int) -> int:
    """Levenshtein distance, or any number above ``limit`` when it is above."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    previous = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        current = [row]
        for column, opposite in enumerate(other, start=1):
            substituted = previous[column - 1] + (letter != opposite)
            current.append(min(previous[column] + 1, current[-1] + 1, substituted))
        if min(current) > limit:
            return limit + 1
        previous = current
    return previous[-1]
