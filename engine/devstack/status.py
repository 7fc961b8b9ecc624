"""The status of a development stack: each part is asked, and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from engine.devstack.postgres import DATABASE, EmbeddedPostgres
from engine.devstack.processes import ProcessId
from engine.devstack.state import Part, StackState
from engine.devstack.temporal_server import answers
from engine.devstack.worker_process import is_ready
from engine.store.database.engine import url_without_password

Condition = Literal["running", "not answering", "stopped", "external"]
"""``external``: a variable names a server of the user's own, which the stack neither starts nor stops."""


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part of the stack, as it is now."""

    part: Part
    condition: Condition
    address: str = ""
    """Without a password."""
    pid: int | None = None
    since: datetime | None = None
    log: Path | None = None


@dataclass(frozen=True, slots=True)
class StackStatus:
    """The stack as it is now."""

    data_dir: Path
    parts: tuple[PartStatus, ...]
    holders: tuple[ProcessId, ...]
    """Studios that use it."""
    kept: bool
    """Whether it stays up when no studio uses it."""
    ui_url: str | None

    @property
    def up(self) -> bool:
        """Whether every part works (as far as the stack can know)."""
        return all(part.condition in {"running", "external"} for part in self.parts)


def stack_status(
    *,
    data_dir: Path,
    state: StackState,
    postgres: EmbeddedPostgres,
    database_url: str | None,
    temporal_address: str | None,
    log_of: Callable[[Part], Path],
) -> StackStatus:
    """The parts as they are now, from the record and from their own answers.

    ``database_url``, ``temporal_address``: servers of the user's own, which are not the stack's to look after.
    """

    def part(name: Part, process: ProcessId | None, address: str, works: Callable[[], bool]) -> PartStatus:
        if process is None:
            return PartStatus(name, "stopped", log=log_of(name))
        known = state.part(name)
        since = known.started_at if known is not None and known.process == process else None
        return PartStatus(name, "running" if works() else "not answering", address, process.pid, since, log_of(name))

    def postgres_part() -> PartStatus:
        if database_url is not None:
            return PartStatus("postgres", "external", url_without_password(database_url))
        return part("postgres", postgres.process(), postgres.url(DATABASE), postgres.answers)

    def temporal_part() -> PartStatus:
        if temporal_address is not None:
            return PartStatus("temporal", "external", temporal_address)
        known = state.living("temporal")
        address = "" if known is None else known.address
        return part("temporal", None if known is None else known.process, address, lambda: answers(address))

    def worker_part() -> PartStatus:
        known = state.living("worker")
        port = 0 if known is None or known.port is None else known.port
        address = f"http://127.0.0.1:{port}/health"
        return part("worker", None if known is None else known.process, address, lambda: is_ready(port))

    temporal = state.living("temporal")
    return StackStatus(
        data_dir=data_dir,
        parts=(postgres_part(), temporal_part(), worker_part()),
        holders=state.living_holders(),
        kept=state.kept,
        ui_url=None if temporal is None else temporal.ui_url,
    )
