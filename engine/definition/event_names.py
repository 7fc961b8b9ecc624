"""The names of events in a definition: written as they are stored and compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.definition.issues import Issue, Place
from engine.values.event_key import normal_key


def event_name_issues(pointer: str, name: Any, place: Place) -> Iterator[Issue]:
    """EVENT_NAME_NOT_NORMAL for a name that no event can have: it looks the same, and would never be met."""
    if isinstance(name, str) and name != normal_key(name):
        message = (
            f"{pointer}: No event can have this name: white space at its ends, or accents as characters of their own."
        )
        yield place.error(
            "EVENT_NAME_NOT_NORMAL", message, "Write it in Unicode's composed form (NFC), without such space."
        )
