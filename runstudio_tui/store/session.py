"""What every screen is given: the ports, the clocks, who is looking, and what was said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import tzinfo

from engine.records import Level, Session
from runstudio_tui.clock import Clock, ServerTime
from runstudio_tui.ports import Backend
from runstudio_tui.store.feed import ChangeFeed
from runstudio_tui.store.journal import Journal


@dataclass(slots=True)
class Studio:
    """One operator's session on one backend."""

    backend: Backend
    clock: Clock
    zone: tzinfo
    poll_seconds: float
    journal: Journal
    time: ServerTime
    feed: ChangeFeed
    report_bug: Callable[[Exception], None]
    tick_seconds: float = 1.0
    """Seconds between two drawings of what counts seconds."""
    read_only: bool = False
    """True when the operator asked for a session in which nothing can be changed."""
    console: bool = False
    """True in a console: no program is started, no file is read or written for the operator. Whatever would do so asks here."""
    who: Session | None = field(default=None)
    counts: dict[str, str] = field(default_factory=dict)
    """How much waits in each main screen, by its name: drawn in the top line."""
    away: str = ""
    """Parts of the installation that do not answer; drawn in the top line."""
    working: str = ""
    """How many workers ask for work; empty for none, or when nobody can tell."""

    async def open(self) -> None:
        """Connect and learn who is looking. Raises EngineError."""
        await self.backend.open()
        self.who = await self.backend.system.session()
        self.time.observe(self.who.server_now)

    @property
    def level(self) -> Level:
        """What the viewer may do in this session."""
        if self.who is None:
            return Level.NONE
        return min(self.who.level, Level.READ) if self.read_only else self.who.level
