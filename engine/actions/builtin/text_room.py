"""The size of a text, computed before the text is made: a small input can ask for gigabytes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from engine.errors import ACTION, StepFailure
from engine.values import javascript
from engine.values.request_limits import MAX_VALUE_BYTES


def too_large() -> StepFailure:
    """What to say of an output above ``MAX_VALUE_BYTES``."""
    return StepFailure(
        ACTION,
        f"The output has more than {MAX_VALUE_BYTES} bytes.",
        code="PAYLOAD_TOO_LARGE",
        details={"limit": MAX_VALUE_BYTES},
    )


def require_room(characters: int) -> None:
    """Raise ``PAYLOAD_TOO_LARGE`` for a text that will have more ``characters`` than an output may have bytes."""
    if characters > MAX_VALUE_BYTES:
        raise too_large()


class Room:
    """What is left for the texts that one output is made of."""

    def __init__(self) -> None:
        self._taken = 0

    def take(self, text: str) -> str:
        """``text``, counted. Raises ``PAYLOAD_TOO_LARGE`` when there is no room for it."""
        self._taken += len(text)
        require_room(self._taken)
        return text


def joined(separator: str, values: Iterable[Any]) -> str:
    """The values as texts, with the separator between them."""
    texts = [javascript.text(value) for value in values]
    require_room(sum(map(len, texts)) + len(separator) * (len(texts) - 1))
    return separator.join(texts)


def require_room_for_json(value: Any, spacing: int) -> None:
    """Raise ``PAYLOAD_TOO_LARGE`` when ``value`` as JSON with ``spacing`` spaces a level has surely no room."""
    size = 0
    pending: list[tuple[Any, int]] = [(value, 1)]
    while pending:
        current, depth = pending.pop()
        if isinstance(current, str):
            size += len(current) + 2
        elif isinstance(current, Mapping):
            size += sum(len(key) + 4 for key in current) + len(current) * spacing * depth
            pending.extend((item, depth + 1) for item in current.values())
        elif isinstance(current, list | tuple):
            size += len(current) * (1 + spacing * depth)
            pending.extend((item, depth + 1) for item in current)
        else:
            size += 1 if not isinstance(current, int) or not current else int(math.log10(abs(current))) + 1
        require_room(size)
