"""Correlation keys and names of events: the one form in which what is waited for and what comes are stored and compared."""

from __future__ import annotations

import unicodedata
from typing import Any, Final

from engine.values.javascript import WHITESPACE, text

_TRIMMED: Final = WHITESPACE + "\x1c\x1d\x1e\x1f\x85"
"""What JavaScript and Python take for white space."""


def normal_key(key: str) -> str:
    """The key, or the name of an event, in Unicode's composed form (NFC), without white space at its ends."""
    return unicodedata.normalize("NFC", key).strip(_TRIMMED)


def key_of(value: Any) -> str:
    """The key a JSON value is: a text, a number, true or false.

    Raises ValueError, with a message, for null, an object, an array, and what is blank: two of those are no more the same thing
    than two others.
    """
    if value is None or isinstance(value, dict | list | tuple):
        raise ValueError(f"A correlation key is a text or a number, not {_NAMES.get(type(value), 'an array')}.")
    key = normal_key(text(value))
    if not key:
        raise ValueError("A correlation key is not empty.")
    return key


_NAMES: Final = {dict: "an object", type(None): "null"}
