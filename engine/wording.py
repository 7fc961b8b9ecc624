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
