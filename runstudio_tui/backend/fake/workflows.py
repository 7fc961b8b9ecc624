"""The workflows of the fake world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from engine.errors import Invalid, NotFound
from engine.records import (
    Caller,
    Count,
    Example,
    Json,
    LatestInput,
    Level,
    Pause,
    Published,
    SchemaIssue,
    Version,
    Workflow,
)
from runstudio_tui.backend.fake.calls import Calls
from runstudio_tui.backend.fake.publishing import Publishing, called_versions, publish
from runstudio_tui.backend.fake.redelivery import check_reason
from runstudio_tui.backend.fake.schema import schema_issues
from runstudio_tui.backend.fake.world import FakeWorkflow


class FakeWorkflows:
    """See WorkflowsPort."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._world = calls.world

    async def list(self) -> tuple[Workflow, ...]:
        """See WorkflowsReading."""
        await self._calls.enter("workflows.list")
        active = self._world.active_runs()
        told = (self._told(workflow.info, active) for workflow in self._world.workflows.values())
        return tuple(sorted(told, key=lambda info: (info.name.lower(), info.workflow_id)))

    async def get(self, workflow_id: str) -> Workflow:
        """See WorkflowsReading."""
        await self._calls.enter("workflows.get", workflow_id)
        return self._told(self.find(workflow_id).info, self._world.active_runs())

    def _told(self, info: Workflow, active: Mapping[str, int]) -> Workflow:
        number = active.get(info.workflow_id, 0)
        return replace(info, active=Count(number), schedule=self._world.schedule_of(info.workflow_id))

    async def callers(self, workflow_id: str) -> tuple[Caller, ...]:
        """See WorkflowsReading."""
        await self._calls.enter("workflows.callers", workflow_id)
        self.find(workflow_id)
        found = []
        for workflow in self._world.workflows.values():
            version = max(workflow.definitions, default=0)
            calls = called_versions(workflow.definitions.get(version), workflow_id)
            if calls:
                found.append(Caller(workflow.info.workflow_id, workflow.info.name, version, calls))
        return tuple(sorted(found, key=lambda caller: (caller.name.lower(), caller.workflow_id)))

    async def versions(self, workflow_id: str) -> tuple[Version, ...]:
        """See WorkflowsReading."""
        await self._calls.enter("workflows.versions", workflow_id)
        workflow = self.find(workflow_id)
        numbers = sorted(workflow.definitions, reverse=True)
        return tuple(workflow.published.get(number) or Version(number, None, None) for number in numbers)

    async def definition(self, workflow_id: str, version: int) -> Json:
        """See WorkflowsReading."""
        await self._calls.enter("workflows.definition", workflow_id, version)
        return self._having(workflow_id, version).definitions[version]

    async def payload_schema(self, workflow_id: str, version: int) -> Json:
        """See WorkflowsReading."""
        await self._calls.enter("workflows.payload_schema", workflow_id, version)
        return self._having(workflow_id, version).schema_of(version)

    async def examples(self, workflow_id: str, version: int) -> tuple[Example, ...]:
        """See WorkflowsReading."""
        await self._calls.enter("workflows.examples", workflow_id, version)
        return self._having(workflow_id, version).examples

    async def latest_input(self, workflow_id: str) -> LatestInput | None:
        """See WorkflowsReading."""
        await self._calls.enter("workflows.latest_input", workflow_id)
        for row in self._world.newest(lambda row: row.workflow_id == workflow_id):
            document = self._world.runs[row.run_id].payload
            if document is not None:
                return LatestInput(row.run_id, document)
        return None

    async def check_payload(self, workflow_id: str, version: int, payload: Json) -> tuple[SchemaIssue, ...]:
        """See WorkflowsReading."""
        await self._calls.enter("workflows.check_payload", workflow_id, version, payload)
        self._calls.require(Level.OPERATE)
        self._having(workflow_id, version)
        return self.issues(workflow_id, version, payload)

    async def pause(self, workflow_id: str, *, reason: str | None = None) -> None:
        """See WorkflowsPort."""
        await self._calls.enter("workflows.pause", workflow_id, reason)
        info = self._changeable(workflow_id, reason).info
        if not info.paused:
            pause = Pause(self._world.now(), self._world.session.actor, None if reason is None else reason.strip())
            self._change(workflow_id, paused=True, pause=pause)

    async def unpause(self, workflow_id: str, *, reason: str | None = None) -> None:
        """See WorkflowsPort."""
        await self._calls.enter("workflows.unpause", workflow_id, reason)
        info = self._changeable(workflow_id, reason).info
        if info.paused:
            self._change(workflow_id, paused=False, pause=None)

    async def limit(self, workflow_id: str, runs: int) -> None:
        """See WorkflowsPort."""
        await self._calls.enter("workflows.limit", workflow_id, runs)
        self._calls.require(Level.ADMIN)
        if not 0 <= runs < 2**31:
            raise Invalid("LIMIT_INVALID", f"{runs} is no number of runs.", "Use 0 for no limit, or a positive number.")
        self.find(workflow_id)
        self._change(workflow_id, limit=runs)

    async def publish(
        self,
        definition: Mapping[str, Json],
        *,
        payload_schema: Json = None,
        examples: Mapping[str, Json] | None = None,
        only_if_changed: bool = False,
    ) -> Published:
        """See WorkflowsPort."""
        await self._calls.enter("workflows.publish", definition, payload_schema, examples, only_if_changed)
        self._calls.require(Level.ADMIN)
        asked = Publishing(dict(definition), payload_schema, examples or {}, only_if_changed)
        published = publish(self._world, asked)
        self._calls.stirred.set()
        return published

    def _changeable(self, workflow_id: str, reason: str | None) -> FakeWorkflow:
        self._calls.require(Level.ADMIN)
        if reason is not None:
            check_reason(reason)
        return self.find(workflow_id)

    def _change(self, workflow_id: str, **changes: object) -> None:
        workflow = self._world.workflows[workflow_id]
        info = replace(workflow.info, **changes)  # type: ignore[arg-type]  # fields of Workflow
        self._world.workflows[workflow_id] = replace(workflow, info=info)
        self._calls.stirred.set()

    def find(self, workflow_id: str) -> FakeWorkflow:
        """A workflow. Raises NotFound."""
        workflow = self._world.workflows.get(workflow_id)
        if workflow is None:
            raise NotFound(
                "WORKFLOW_NOT_FOUND",
                f"There is no workflow {workflow_id!r}.",
                "Check the id; `runstudio publish` adds one.",
            )
        return workflow

    def _having(self, workflow_id: str, version: int) -> FakeWorkflow:
        workflow = self.find(workflow_id)
        if version not in workflow.definitions:
            raise version_not_found(workflow_id, version)
        return workflow

    def issues(self, workflow_id: str, version: int, payload: Json) -> tuple[SchemaIssue, ...]:
        """What a version's schema has against a payload."""
        return schema_issues(self.find(workflow_id).schema_of(version), payload)


def version_not_found(workflow_id: str, version: int) -> NotFound:
    """There is no such version."""
    told = f"{workflow_id} has no published version {version}."
    return NotFound("VERSION_NOT_FOUND", told, "Choose a published one.")
