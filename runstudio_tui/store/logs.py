"""The log of one run: the newest lines, more as they come, older ones when asked for."""

from __future__ import annotations

from typing import Final

from engine.records import LogLine, LogPage, LogQuery
from runstudio_tui.ports import RunsPort

_PAGE: Final = 200


class LogsStore:
    """Lines of one run under one query, oldest first."""

    def __init__(self, port: RunsPort, run_id: str) -> None:
        self._port = port
        self._run_id = run_id
        self.query = LogQuery()
        self.lines: tuple[LogLine, ...] = ()
        self.loaded = False
        self._older: str | None = None
        self._newer: str | None = None

    @property
    def has_older(self) -> bool:
        """True while there are lines before the first loaded one."""
        return self._older is not None

    def ask(self, query: LogQuery) -> None:
        """Another selection: what was loaded is forgotten."""
        if query != self.query:
            self.query = query
            self.lines, self.loaded = (), False
            self._older = self._newer = None

    async def read_new(self) -> bool:
        """Read what came since the last read; True when there was anything. Raises EngineError."""
        query = self.query
        page = await self._port.logs(self._run_id, query, cursor=self._newer, limit=_PAGE)
        if query != self.query:
            return False
        fresh = not self.loaded
        if fresh:
            self._older = page.older
        self.loaded = True
        self._newer = page.newer
        return self._add(page, before=False) or fresh

    async def read_older(self) -> bool:
        """Read the lines before the first loaded one; True when there were any. Raises EngineError."""
        if self._older is None:
            return False
        query = self.query
        page = await self._port.logs(self._run_id, query, cursor=self._older, older=True, limit=_PAGE)
        if query != self.query:
            return False
        self._older = page.older
        return self._add(page, before=True)

    def _add(self, page: LogPage, *, before: bool) -> bool:
        known = {entry.log_id for entry in self.lines}
        added = tuple(entry for entry in page.rows if entry.log_id not in known)
        self.lines = (*added, *self.lines) if before else (*self.lines, *added)
        return bool(added)
