"""One object for everything that may be asked of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import TracebackType
from typing import Final, Self

from engine.actions.registry import load_actions
from engine.client.alerts import Alerts
from engine.client.events import Events
from engine.client.jobs import Jobs
from engine.client.members import Members
from engine.client.quota import Quota
from engine.client.redaction import Redaction
from engine.client.retention import Retention
from engine.client.runs import Runs
from engine.client.schedules import Schedules
from engine.client.sync import SyncEngine
from engine.client.system import System
from engine.client.tasks import Tasks
from engine.client.tenant import Tenant
from engine.client.workflows import Workflows
from engine.ids import uuid_text
from engine.operations.actor import Actor, Source
from engine.operations.context import OperationContext
from engine.operations.runs.wait import RunWaits
from engine.settings import Settings
from engine.store.database.connecting import libpq_url
from engine.store.database.engine import create_store_engine
from engine.store.database.schema_version import require_current_schema
from engine.store.database.transactions import writing
from engine.store.tenant.installation import load_installation
from engine.temporal.client import configured_namespace
from engine.temporal.connection import TemporalConnection
from engine.temporal.installation import require_same_name, same_installation

CONNECTIONS: Final = 8


class Engine:
    """Postgres and Temporal as one tenant and one actor see them.

    Make one per process and share it: any number of tasks of the event loop it is opened in may use it at once. Temporal is
    connected when it is first needed, so reading works without it. Programs that are not async use ``Engine.sync()``.

    The groups: ``runs``, ``workflows``, ``events``, ``tasks``, ``schedules``, ``quota``, ``redaction``, ``members``, ``jobs``,
    ``retention``, ``tenant``, ``alerts``, ``system``. Every refusal is an ``EngineError``.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        database_url: str | None = None,
        temporal_address: str | None = None,
        temporal_namespace: str | None = None,
        tenant: str | None = None,
        actor: str | None = None,
        source: Source = "api",
        actions: Sequence[str] = (),
        connections: int = CONNECTIONS,
    ) -> None:
        """Connects to nothing yet. What is not given is read from the environment, as by every program of the engine.

        ``settings``: instead of the environment, for a program that has them. ``tenant``: a UUID; None: the settings'. Who acts
        is the account of this process, or the one that called sudo; ``actor`` is a name beside it, a remark in the audit log that
        decides nothing, and ``source`` the way in. ``actions``: modules with actions, beside those of the settings, for
        publishing. ``connections``: most connections to Postgres, beside the ones that listen.
        Raises ``Invalid`` (DATABASE_URL_MISSING, SETTING_INVALID, ID_INVALID).
        """
        given = {
            "database_url": database_url,
            "temporal_address": temporal_address,
            "temporal_namespace": temporal_namespace,
        }
        named: dict[str, str | None] = {name: value for name, value in given.items() if value is not None}
        if database_url is not None:
            named["direct_database_url"] = None
        known = Settings.load(**named) if settings is None else settings.model_copy(update=named)
        url = known.required_database_url()
        serving = known.tenant if tenant is None else uuid_text(tenant, "tenant")
        self._store = create_store_engine(
            url, pool_size=connections, max_overflow=0, application_name="runstudio client", tenant=serving
        )
        who = Actor.of_this_process(source, remark=actor)
        self._context = OperationContext(
            self._store, TemporalConnection.from_settings(known, same_installation(self._store)), who, serving
        )
        self._settings = known
        self._waits = RunWaits(self._context, known.session_database_url)
        modules = (*known.action_modules, *actions)
        self.runs = Runs(self._context, self._waits)
        self.workflows = Workflows(self._context, cache(lambda: load_actions(modules, known)))
        self.events = Events(self._context)
        self.tasks = Tasks(self._context)
        self.schedules = Schedules(self._context)
        self.quota = Quota(self._context)
        self.redaction = Redaction(self._context)
        self.members = Members(self._context)
        self.jobs = Jobs(self._context)
        self.retention = Retention(self._context)
        self.tenant = Tenant(self._context)
        self.alerts = Alerts(self._context)
        self.system = System(self._context, url, known.session_database_url)

    @classmethod
    def from_env(
        cls,
        *,
        tenant: str | None = None,
        actor: str | None = None,
        source: Source = "api",
        actions: Sequence[str] = (),
        connections: int = CONNECTIONS,
    ) -> Self:
        """An engine to the database and the Temporal that the environment names. Arguments and errors as of ``Engine``."""
        return cls(tenant=tenant, actor=actor, source=source, actions=actions, connections=connections)

    @classmethod
    def sync(
        cls,
        settings: Settings | None = None,
        *,
        database_url: str | None = None,
        temporal_address: str | None = None,
        temporal_namespace: str | None = None,
        tenant: str | None = None,
        actor: str | None = None,
        source: Source = "api",
        actions: Sequence[str] = (),
        connections: int = CONNECTIONS,
    ) -> SyncEngine:
        """The same engine for programs that are not async. Arguments and errors as of ``Engine``."""
        return SyncEngine(
            cls(
                settings,
                database_url=database_url,
                temporal_address=temporal_address,
                temporal_namespace=temporal_namespace,
                tenant=tenant,
                actor=actor,
                source=source,
                actions=actions,
                connections=connections,
            )
        )

    @property
    def database_url(self) -> str:
        """The database as psycopg's ``connect`` takes it, with its password: for a connection of the program's own."""
        return libpq_url(self._store.url)

    async def open(self) -> None:
        """Connect to Postgres. Raises ``Unavailable``, or ``EngineError`` when the database lacks migrations, with what to do;
        ``WrongTemporal`` (INSTALLATION_OTHER) when it belongs to another namespace.
        """
        await require_current_schema(self._store)
        namespace = configured_namespace(self._settings)
        if namespace is not None:
            async with writing(self._store) as connection:
                recorded = await load_installation(connection)
            require_same_name(recorded, namespace)
        # Asked now, so that the first list is one round trip as the others are.
        await self._context.level()

    async def close(self) -> None:
        """Let go of every connection, and end what waits. Harmless when not open."""
        await self._waits.close()
        await self._store.dispose()
        await self._context.temporal.close()

    async def __aenter__(self) -> Self:
        try:
            await self.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
