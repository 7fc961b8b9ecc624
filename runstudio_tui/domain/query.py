"""Which runs a list shows, as the backend is asked for them. (The text form is in ``filter_text``.)"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from runstudio_tui.domain.models import RunId, RunStatus, WaitKind


class Sort(StrEnum):
    """Order of a run list; ties are broken by run id in the same direction."""

    STARTED_DESC = "started:desc"
    STARTED_ASC = "started:asc"
    UPDATED_DESC = "updated:desc"
    UPDATED_ASC = "updated:asc"

    @property
    def descending(self) -> bool:
        """Newest first."""
        return self in (Sort.STARTED_DESC, Sort.UPDATED_DESC)

    @property
    def by_update(self) -> bool:
        """By the time of the last change instead of the start."""
        return self in (Sort.UPDATED_DESC, Sort.UPDATED_ASC)


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Conditions are joined with AND; an empty one does not restrict."""

    statuses: frozenset[RunStatus] = frozenset()
    stuck: bool = False
    """RUNNING, zero steps, started more than 60 s ago by the server's clock."""
    workflow: str = ""
    """Exact workflow id, or the beginning of its name or id, without case."""
    version: int | None = None
    trigger: str | None = None
    """``event``, ``schedule``, ``recurring``, ``child`` or ``manual``."""
    started_from: datetime | None = None
    """Inclusive."""
    started_before: datetime | None = None
    """Exclusive."""
    waiting_on: frozenset[WaitKind] = frozenset()
    min_attempt: int | None = None
    error_code: str | None = None
    run_id_prefix: str = ""
    wait_key: str | None = None
    """Exact correlation key of any wait of the run."""
    event_id: str | None = None
    """Event that started the run or resolved one of its waits."""
    replay_of: RunId | None = None
    parent: RunId | None = None
    root: RunId | None = None
    text: str = ""
    """Case-insensitive substring of the workflow name."""
    sort: Sort = Sort.STARTED_DESC
