"""``engine.workflows``: the catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from engine.actions.registry import ActionRegistry
from engine.errors import EngineError
from engine.operations.catalog import bundles, publish
from engine.operations.context import OperationContext
from engine.operations.json_schema import check_value
from engine.operations.progress import Progress, untold
from engine.operations.runs.admission import storable_payload
from engine.records import Caller, Example, Json, LatestInput, Level, Published, SchemaIssue, Version, Workflow
from engine.store.catalog import reading


class Workflows:
    """Workflows of one tenant."""

    def __init__(self, context: OperationContext, registry: Callable[[], ActionRegistry]) -> None:
        """``registry`` gives the actions that definitions are checked against; it is asked when first needed."""
        self._registry = registry
        self._context = context
        self._tenant = context.tenant

    async def list(self) -> tuple[Workflow, ...]:
        """All workflows by name."""
        return await reading.workflow_list(await self._context.readable(), self._tenant)

    async def get(self, workflow_id: str) -> Workflow:
        """One workflow. Raises ``NotFound`` (WORKFLOW_NOT_FOUND)."""
        return await reading.workflow_of(await self._context.readable(), self._tenant, workflow_id)

    async def callers(self, workflow_id: str) -> tuple[Caller, ...]:
        """The workflows whose latest version starts this one, by name. Raises ``NotFound`` (WORKFLOW_NOT_FOUND)."""
        return await reading.callers_of(await self._context.readable(), self._tenant, workflow_id)

    async def versions(self, workflow_id: str) -> tuple[Version, ...]:
        """Published versions, newest first. Raises ``NotFound`` (WORKFLOW_NOT_FOUND)."""
        return await reading.version_list(await self._context.readable(), self._tenant, workflow_id)

    async def definition(self, workflow_id: str, version: int) -> Json:
        """The definition as published, redacted. Raises ``NotFound`` (VERSION_NOT_FOUND)."""
        return await reading.definition_of(await self._context.readable(), self._tenant, workflow_id, version)

    async def payload_schema(self, workflow_id: str, version: int) -> Json:
        """The JSON schema frozen with a version, redacted; None accepts any object. Raises ``NotFound`` (VERSION_NOT_FOUND)."""
        return await reading.payload_schema_of(await self._context.readable(), self._tenant, workflow_id, version)

    async def examples(self, workflow_id: str, version: int) -> tuple[Example, ...]:
        """The ``examples`` of the payload's schema, redacted; titles stand in its ``x-example-titles``."""
        schema = await self.payload_schema(workflow_id, version)
        if not isinstance(schema, dict) or not isinstance(schema.get("examples"), list):
            return ()
        titles = schema.get("x-example-titles")
        named = titles if isinstance(titles, list) else []
        return tuple(
            Example(str(named[number]) if number < len(named) else f"example {number + 1}", value)
            for number, value in enumerate(schema["examples"])
        )

    async def latest_input(self, workflow_id: str) -> LatestInput | None:
        """Input of the newest run that has one, redacted; None when there is none."""
        return await reading.latest_input(await self._context.readable(), self._tenant, workflow_id)

    async def check_payload(self, workflow_id: str, version: int, payload: Json) -> tuple[SchemaIssue, ...]:
        """What a start would refuse in ``payload``; empty when it would be accepted. Needs the level operate.

        Raises ``NotFound`` (VERSION_NOT_FOUND).
        """
        await self._context.require(Level.OPERATE)
        store = await self._context.readable()
        schema = await reading.stored_payload_schema(store, self._tenant, workflow_id, version)
        try:
            checked = storable_payload(payload)
        except EngineError as error:
            return (SchemaIssue("", error.message),)
        return await check_value(schema, checked.value, size_bytes=checked.size_bytes)

    async def publish(
        self,
        definition: Mapping[str, Json],
        *,
        payload_schema: Json = None,
        examples: Mapping[str, Json] | None = None,
        only_if_changed: bool = False,
    ) -> Published:
        """Publish a definition as the next version of its workflow. Needs the level admin. Raises as ``publish_definition``.

        ``payload_schema``: JSON schema registered under the definition's payloadSchemaRef first. ``examples``: payloads to start
        from, by title. ``only_if_changed``: do nothing when the newest version is the same.
        """
        request = publish.PublishRequest(definition, payload_schema, examples or {}, only_if_changed)
        return await publish.publish_definition(self._context, request, self._registry())

    async def pause(self, workflow_id: str, *, reason: str | None = None) -> None:
        """Hold new runs: refuse those by hand, queue those of triggers, let parents wait. Needs the level admin.

        Raises as ``pause_workflow``."""
        await publish.pause_workflow(self._context, workflow_id, paused=True, reason=reason)

    async def unpause(self, workflow_id: str, *, reason: str | None = None) -> None:
        """Accept new runs again. Needs the level admin. Raises as ``pause_workflow``."""
        await publish.pause_workflow(self._context, workflow_id, paused=False, reason=reason)

    async def limit(self, workflow_id: str, runs: int, *, when_busy: str | None = None) -> None:
        """Set how many runs may be active at once; 0: no limit. Needs the level admin. Raises as ``limit_concurrency``.

        ``when_busy``: what a trigger does that meets a full limit or a pause: queue, skip or replace; None: as it is.
        """
        await publish.limit_concurrency(self._context, workflow_id, runs, when_busy=when_busy)

    async def export_bundle(self, workflow_ids: Sequence[str], *, progress: Progress = untold) -> dict[str, Json]:
        """Workflows with all their versions as one JSON document; ``progress`` is told how many of them are read.

        Raises as ``export_bundle``.
        """
        return await bundles.export_bundle(self._context, workflow_ids, progress=progress)

    async def import_bundle(
        self, bundle: Json, *, force: bool = False, progress: Progress = untold
    ) -> tuple[bundles.ImportedWorkflow, ...]:
        """Create the workflows of a bundle, all or none. Needs the level admin. Raises as ``import_bundle``.

        ``progress`` counts every workflow twice: when it is put in place, and when it is checked there.
        """
        return await bundles.import_bundle(self._context, bundle, self._registry(), force=force, progress=progress)
