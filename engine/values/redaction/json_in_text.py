"""JSON that a text is."""

from __future__ import annotations

import json
from typing import Any, Final

Json = Any

MAX_INNER_CHARACTERS: Final = 1024 * 1024
"""A longer text is not looked into as JSON, only for shapes."""


def json_in(text: str) -> Json:
    """The object or list that a text is the JSON of, or the text that it is the JSON of; None when it is neither."""
    if len(text) > MAX_INNER_CHARACTERS or not text.lstrip().startswith(("{", "[", '"')):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list | str) else None
