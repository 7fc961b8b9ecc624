"""The engine behind the studio's ports: the only place that knows both."""

from __future__ import annotations

from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.temporal import TemporalConnection
from engine.settings import DEFAULT_TENANT, Settings
from engine.store.engine import create_store_engine
from engine.store.schema_version import require_current_schema
from runstudio_tui.backend.engine_backend.catalog import EngineCatalog
from runstudio_tui.backend.engine_backend.control import EngineControl
from runstudio_tui.backend.engine_backend.feed import EngineFeed
from runstudio_tui.backend.engine_backend.refusals import translated
from runstudio_tui.backend.engine_backend.runs import EngineRuns
from runstudio_tui.backend.engine_backend.system import EngineSystem


class EngineBackend:
    """``Backend`` on Postgres and Temporal. Temporal is connected when it is first asked, so reading works without it."""

    def __init__(self, settings: Settings, *, tenant: str = DEFAULT_TENANT, actor: Actor | None = None) -> None:
        """Connects to nothing yet. Raises ``EngineError`` (DATABASE_URL_MISSING)."""
        url = settings.required_database_url()
        self._store = create_store_engine(url, pool_size=4, max_overflow=4, application_name="runstudio studio")
        self.context = OperationContext(
            self._store, TemporalConnection.from_settings(settings), actor or Actor.of_this_process("ui"), tenant
        )
        self.runs = EngineRuns(self._store, tenant)
        self.control = EngineControl(self.context)
        self.catalog = EngineCatalog(self._store, tenant)
        self.system = EngineSystem(self.context, settings)
        self.feed = EngineFeed(url, tenant)

    async def open(self) -> None:
        """See Backend. Also refuses a database that lacks migrations, with what to do."""
        with translated():
            await require_current_schema(self._store)

    async def close(self) -> None:
        """See Backend."""
        await self._store.dispose()
        await self.context.temporal.close()
