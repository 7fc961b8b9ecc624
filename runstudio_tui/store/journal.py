"""What was said to the operator in this session: messages vanish from the screen, not from here."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from runstudio_tui.clock import Clock
from runstudio_tui.text import safe_block

_KEPT: Final = 500


class Weight(StrEnum):
    """How much a message matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Entry:
    """One message. Safe to draw."""

    at: datetime
    weight: Weight
    text: str


class Journal:
    """The last messages, newest last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: deque[Entry] = deque(maxlen=_KEPT)

    def note(self, text: str, weight: Weight = Weight.INFO) -> Entry:
        """Keep a message and return it."""
        entry = Entry(self._clock.now(), weight, safe_block(text))
        self._entries.append(entry)
        return entry

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Oldest first."""
        return tuple(self._entries)
