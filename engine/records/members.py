"""Members of a tenant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from engine.records.stored_word import StoredWord
from engine.records.system import Level


class MemberKind(StoredWord):
    """Whose level it is."""

    PERSON = "person"
    """An account of the system."""
    GROUP = "group"
    """A Unix group: everybody in it."""


@dataclass(frozen=True, slots=True)
class Member:
    """An account or a Unix group, and what it may do in a tenant."""

    kind: MemberKind
    name: str
    level: Level
    set_by: str | None
    """Who gave the level last."""
    set_at: datetime
