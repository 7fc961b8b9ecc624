"""Who we are, how the parts are, and why a run is not moving."""

from __future__ import annotations

from urllib.parse import urlsplit

from engine.operations.actor import Level as EngineLevel
from engine.operations.context import OperationContext
from engine.operations.diagnose import diagnose_run
from engine.operations.health import system_health
from engine.settings import Settings
from engine.store.reader import open_reader
from runstudio_tui.backend.engine_backend.refusals import translated
from runstudio_tui.domain.catalog import Diagnosis, Finding, Health, HealthPart, Level, PartState, Session
from runstudio_tui.domain.models import RunId
from runstudio_tui.ports import Reply

_LEVELS = {
    EngineLevel.NONE: Level.NONE,
    EngineLevel.READ: Level.READ,
    EngineLevel.OPERATE: Level.OPERATE,
    EngineLevel.ADMIN: Level.ADMIN,
}


class EngineSystem:
    """``SystemPort`` on the engine."""

    def __init__(self, context: OperationContext, settings: Settings) -> None:
        self._context = context
        self._place = _place(settings)

    async def session(self) -> Reply[Session]:
        """See SystemPort."""
        with translated():
            level = await self._context.level()
            async with open_reader(self._context.store, self._context.tenant) as reader:
                now = reader.server_now
        actor = self._context.actor.name
        return Reply(Session(actor, _LEVELS[level], self._context.tenant, self._place), now)

    async def health(self) -> Reply[Health]:
        """See SystemPort. With Postgres down there is no server's clock: its answer is then Unavailable."""
        with translated():
            parts = await system_health(self._context)
            async with open_reader(self._context.store, self._context.tenant) as reader:
                now = reader.server_now
        shown = (HealthPart(part.name, PartState(part.state), part.detail) for part in parts)
        return Reply(Health(tuple(shown)), now)

    async def diagnose(self, run_id: RunId) -> Reply[Diagnosis]:
        """See SystemPort."""
        with translated():
            found = await diagnose_run(self._context, run_id)
        findings = tuple(Finding(item.code, item.sentence, item.evidence, item.advice) for item in found.findings)
        return Reply(Diagnosis(run_id, findings, found.temporal_reachable), found.server_now)


def _place(settings: Settings) -> str:
    """The database's host, as the top line names the deployment: ``local`` for this machine."""
    host = urlsplit(settings.database_url or "").hostname
    return host if host and host not in {"localhost", "127.0.0.1", "::1"} else "local"
