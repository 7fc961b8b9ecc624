"""Reading the catalog of workflows from the engine."""

from __future__ import annotations

from typing import Any

from engine.errors import EngineError
from engine.operations.admission import storable_payload
from engine.operations.json_schema import check_value
from engine.store.reading import catalog
from engine.store.transactions import Store
from runstudio_tui.backend.engine_backend import mapping
from runstudio_tui.backend.engine_backend.refusals import translated
from runstudio_tui.domain.catalog import Example, Issue, LatestInput, VersionInfo, WorkflowInfo
from runstudio_tui.domain.models import Json, RunId
from runstudio_tui.ports import Reply


class EngineCatalog:
    """``CatalogPort`` on Postgres."""

    def __init__(self, store: Store, tenant: str) -> None:
        self._store = store
        self._tenant = tenant

    async def workflows(self) -> Reply[tuple[WorkflowInfo, ...]]:
        """See CatalogPort."""
        with translated():
            found = await catalog.workflow_list(self._store, self._tenant)
        return Reply(
            tuple(
                WorkflowInfo(
                    workflow_id=view.workflow_id,
                    name=view.name,
                    published_version=view.published_version,
                    description=view.description or "",
                    paused=view.paused,
                    trigger=_trigger_text(view.trigger),
                )
                for view in found.value
            ),
            found.server_now,
        )

    async def versions(self, workflow_id: str) -> Reply[tuple[VersionInfo, ...]]:
        """See CatalogPort."""
        with translated():
            found = await catalog.version_list(self._store, self._tenant, workflow_id)
        infos = (VersionInfo(view.version, view.published_at, view.definition_hash or "") for view in found.value)
        return Reply(tuple(infos), found.server_now)

    async def payload_schema(self, workflow_id: str, version: int) -> Reply[Json]:
        """See CatalogPort."""
        with translated():
            found = await catalog.payload_schema_of(self._store, self._tenant, workflow_id, version)
        return Reply(found.value, found.server_now)

    async def examples(self, workflow_id: str, version: int) -> Reply[tuple[Example, ...]]:
        """See CatalogPort. They are the ``examples`` of the payload's JSON schema; a title may stand in ``x-example-titles``."""
        schema = await self.payload_schema(workflow_id, version)
        return Reply(_examples(schema.value), schema.server_now)

    async def latest_input(self, workflow_id: str) -> Reply[LatestInput | None]:
        """See CatalogPort."""
        with translated():
            found = await catalog.latest_input(self._store, self._tenant, workflow_id)
        view = found.value
        latest = None if view is None else LatestInput(RunId(view.run_id), mapping.document(view.document))
        return Reply(latest, found.server_now)

    async def check_payload(self, workflow_id: str, version: int, payload: Json) -> Reply[tuple[Issue, ...]]:
        """See CatalogPort."""
        schema = await self.payload_schema(workflow_id, version)
        try:
            checked = storable_payload(payload)
        except EngineError as error:
            return Reply((Issue("", error.message),), schema.server_now)
        with translated():
            issues = await check_value(schema.value, checked.value, size_bytes=checked.size_bytes)
        return Reply(tuple(Issue(issue.pointer, issue.message) for issue in issues), schema.server_now)


def _trigger_text(trigger: Json) -> str | None:
    if not isinstance(trigger, dict):
        return None
    what = trigger.get("eventName") or trigger.get("cron") or trigger.get("runAt") or ""
    return f"{trigger.get('type', '')} {what}".strip() or None


def _examples(schema: Any) -> tuple[Example, ...]:
    if not isinstance(schema, dict) or not isinstance(schema.get("examples"), list):
        return ()
    titles = schema.get("x-example-titles")
    named = titles if isinstance(titles, list) else []
    return tuple(
        Example(str(named[number]) if number < len(named) else f"example {number + 1}", value)
        for number, value in enumerate(schema["examples"])
    )
