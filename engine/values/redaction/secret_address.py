"""What may be shown of a URL whose holder may use it, such as that of a webhook: whom it calls, and not with what."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from engine.values.redaction.placeholder import PLACEHOLDER

_SHORTEST: Final = 8


def shown_address(url: str) -> str:
    """The URL without parts of its path that are no words, and without what stands after the path; other texts as they are."""
    parts = urlsplit(url)
    if not parts.scheme or not parts.netloc:
        return url
    path = "/".join(segment if _is_word(segment) else PLACEHOLDER for segment in parts.path.split("/"))
    rest = f"?{PLACEHOLDER}" if parts.query or parts.fragment else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}{rest}"


def _is_word(segment: str) -> bool:
    """Letters alone, or too short to be a secret."""
    return len(segment) < _SHORTEST or all(sign.isalpha() or sign in "-_." for sign in segment)
