"""The Latin letters that a name seems to have: letters of other alphabets that look the same, full width, accents."""

from __future__ import annotations

import unicodedata
from typing import Final

_SAME: Final = str.maketrans(
    "АВЕЅКМНОРСТХУІЈаеѕкморстхуіјԁԛԝһΑΒΕΖΗΙΚΜΝΟΡΤΥΧαεικνορτυχωıɡɩʟ",
    "ABESKMHOPCTXYIJaeskmopctxyijdqwhABEZHIKMNOPTYXaeikvoptuxwigil",
)
"""Cyrillic and Greek letters, and a few others, and the Latin ones they look like."""


def plain_letters(name: str) -> str:
    """``name`` with such letters as the Latin ones; marks and characters that cannot be seen are left out."""
    apart = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", name))
    seen = (sign for sign in apart if unicodedata.category(sign) not in ("Mn", "Cf"))
    return "".join(seen).translate(_SAME)
