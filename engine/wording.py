"""Sentences put together from parts: one end to each, and nouns that agree with their number."""

from __future__ import annotations

from typing import Final

_ENDS: Final = (".", "!", "?", "…")
_LOOSE: Final = " ,;:"


def counted(number: int, noun: str, nouns: str = "") -> str:
    """``1 worker``, ``2 workers``, ``1,204 tries``; ``nouns`` where it is not ``noun`` with an s."""
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def clause(text: str) -> str:
    """A text to stand inside of a sentence: without the end it may have. Other programs end their messages as they like."""
    return text.strip().rstrip(f"{_LOOSE}.")


def sentence(text: str) -> str:
    """A text as a sentence of its own, with an end."""
    bare = text.strip().rstrip(_LOOSE)
    return bare if not bare or bare.endswith(_ENDS) else f"{bare}."


def sentences(*parts: str) -> str:
    """Texts as sentences, one after the other; empty ones are left out."""
    return " ".join(made for part in parts if (made := sentence(part)))


def span(seconds: float) -> str:
    """A duration as people say it: ``45 s``, ``2 min 5 s``, ``3 h 20 min``, ``4 d 2 h``."""
    whole = max(0, int(seconds))
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    for index, (size, name) in enumerate(units):
        if whole >= size:
            rest = whole % size // units[index + 1][0] if index + 1 < len(units) else 0
            return f"{whole // size} {name}" + (f" {rest} {units[index + 1][1]}" if rest else "")
    return "0 s"
