"""What was done to one run, newest first, as far back as somebody wants to see."""

from __future__ import annotations

from typing import Final

from engine.records import AuditRecord
from runstudio_tui.ports import RunsReading

PAGE: Final = 25


class AuditStore:
    """The audited operations of a run that were read so far."""

    def __init__(self, runs: RunsReading, run_id: str) -> None:
        self._runs = runs
        self._run_id = run_id
        self.entries: tuple[AuditRecord, ...] = ()
        """Newest first."""
        self.loaded = False
        self._older: str | None = None

    @property
    def has_older(self) -> bool:
        """Whether there are entries before the last one read."""
        return self._older is not None

    async def read_new(self) -> bool:
        """Read what came since; True when anything did. Raises EngineError."""
        page = await self._runs.audit(self._run_id, limit=PAGE)
        known = {entry.audit_id for entry in self.entries}
        new = tuple(entry for entry in page.rows if entry.audit_id not in known)
        if not known or (len(new) == len(page.rows) and page.next is not None):
            # Nothing was known, or more came than one page has: begin anew rather than leave a gap.
            self.entries, self._older = page.rows, page.next
        else:
            self.entries = (*new, *self.entries)
        changed = bool(new) or not self.loaded
        self.loaded = True
        return changed

    async def read_older(self) -> bool:
        """Read the page before the last entry; True when there was one. Raises EngineError."""
        if self._older is None:
            return False
        page = await self._runs.audit(self._run_id, after=self._older, limit=PAGE)
        self.entries, self._older = (*self.entries, *page.rows), page.next
        return bool(page.rows)
