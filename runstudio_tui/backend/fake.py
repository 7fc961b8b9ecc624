"""A backend without an engine: a deterministic world behind the ports, for the demo, the pictures and every UI test.

Tests can make the next calls fail (``fail_next``), hold them (``hold``), and read what was asked (``calls``).
"""

from __future__ import annotations

import asyncio
import operator
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from runstudio_tui.backend.fake_diagnosis import diagnose
from runstudio_tui.backend.fake_run import FakeRun, new_run
from runstudio_tui.backend.fake_world import World, list_place
from runstudio_tui.clock import Clock
from runstudio_tui.domain.catalog import (
    CancelRequest,
    CancelResult,
    Change,
    ChangeKind,
    Diagnosis,
    Example,
    Health,
    Issue,
    LatestInput,
    Level,
    Session,
    Started,
    StartRequest,
    VersionInfo,
    WorkflowInfo,
)
from runstudio_tui.domain.effective import stuck_row
from runstudio_tui.domain.models import (
    Count,
    Document,
    Invocation,
    InvocationBody,
    InvocationId,
    Json,
    LogLevel,
    LogQuery,
    RunCounts,
    RunId,
    RunRow,
    RunStatus,
    RunSummary,
    StepRowId,
    Wait,
    WaitStatus,
)
from runstudio_tui.domain.query import RunQuery
from runstudio_tui.ports import (
    Conflict,
    Forbidden,
    Invalid,
    LogPage,
    NotFound,
    Page,
    Reply,
    StepsPage,
    TooLarge,
)

COUNT_CAP: Final = 10_000
PAYLOAD_LIMIT: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """One call that reached the backend."""

    name: str
    arguments: tuple[Any, ...]


class FakeBackend:
    """All ports over one world."""

    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self._clock = clock
        self.calls: list[Call] = []
        self._failures: dict[str, deque[Exception]] = defaultdict(deque)
        self._gates: dict[str, asyncio.Event] = {}
        self._keys: dict[str, RunId] = {}
        self._stirred = asyncio.Event()

    # --- for tests ---------------------------------------------------------------------------------------------------

    def fail_next(self, name: str, error: Exception, times: int = 1) -> None:
        """Let the next ``times`` calls of a method raise."""
        self._failures[name].extend([error] * times)

    def hold(self, name: str) -> asyncio.Event:
        """Let calls of a method wait until the event returned is set."""
        self._gates[name] = asyncio.Event()
        return self._gates[name]

    def called(self, name: str) -> list[Call]:
        """The calls of one method so far."""
        return [call for call in self.calls if call.name == name]

    async def _enter(self, name: str, *arguments: Any) -> None:
        self.calls.append(Call(name, arguments))
        gate = self._gates.get(name)
        if gate is not None:
            await gate.wait()
        self.world.catch_up()
        if self._failures[name]:
            raise self._failures[name].popleft()

    # --- Backend -----------------------------------------------------------------------------------------------------

    @property
    def runs(self) -> FakeBackend:
        """RunsPort."""
        return self

    @property
    def control(self) -> FakeBackend:
        """ControlPort."""
        return self

    @property
    def catalog(self) -> FakeBackend:
        """CatalogPort."""
        return self

    @property
    def system(self) -> FakeBackend:
        """SystemPort."""
        return self

    @property
    def feed(self) -> FakeBackend:
        """ChangePort."""
        return self

    async def open(self) -> None:
        """See Backend."""
        await self._enter("open")

    async def close(self) -> None:
        """See Backend."""
        self.calls.append(Call("close", ()))

    def _run(self, run_id: RunId) -> FakeRun:
        run = self.world.runs.get(run_id)
        if run is None:
            raise NotFound("No such run", f"There is no run {run_id}.", code="RUN_NOT_FOUND")
        return run

    def _reply(self, value: Any) -> Reply[Any]:
        return Reply(value, self.world.now())

    # --- RunsPort ----------------------------------------------------------------------------------------------------

    async def page(self, query: RunQuery, after: str | None, limit: int) -> Page[RunRow]:
        """See RunsPort."""
        await self._enter("page", query, after, limit)
        rows = self.world.select(query)
        if after is not None:
            at, separator, run_id = after.partition("~")
            if not separator:
                raise Invalid(
                    "Bad cursor", "This page cannot be continued; read it from its beginning.", code="BAD_CURSOR"
                )
            there, sort = (at, run_id), query.sort
            beyond = operator.lt if sort.descending else operator.gt
            rows = [row for row in rows if beyond(list_place(row, sort), there)]
        chosen = tuple(rows[:limit])
        following = "~".join(list_place(chosen[-1], query.sort)) if limit < len(rows) else None
        return Page(chosen, following, self.world.now())

    async def matching(self, query: RunQuery, run_ids: Sequence[RunId]) -> Reply[tuple[RunRow, ...]]:
        """See RunsPort."""
        await self._enter("matching", query, tuple(run_ids))
        wanted = set(run_ids)
        return self._reply(tuple(row for row in self.world.select(query) if row.run_id in wanted))

    async def rows(self, run_ids: Sequence[RunId]) -> Reply[tuple[RunRow, ...]]:
        """See RunsPort."""
        await self._enter("rows", tuple(run_ids))
        return self._reply(tuple(self.world.runs[key].row for key in run_ids if key in self.world.runs))

    async def counts(self, query: RunQuery) -> Reply[RunCounts]:
        """See RunsPort."""
        await self._enter("counts", query)
        rows = self.world.select(replace(query, statuses=frozenset(), stuck=False))
        found: dict[RunStatus, int] = defaultdict(int)
        for row in rows:
            found[row.status] += 1
        by_status = {status: Count(min(number, COUNT_CAP), number > COUNT_CAP) for status, number in found.items()}
        stuck = sum(1 for row in rows if stuck_row(row, self.world.now()))
        return self._reply(RunCounts(by_status, Count(stuck)))

    async def summary(self, run_id: RunId) -> Reply[RunSummary]:
        """See RunsPort."""
        await self._enter("summary", run_id)
        run = self._run(run_id)
        replays = tuple(row.run_id for row in self.world.select(RunQuery(replay_of=run_id)))
        children = tuple(row.run_id for row in self.world.select(RunQuery(parent=run_id)))[:20]
        return self._reply(replace(run.summary, replayed_by=replays, children=children))

    async def steps(self, run_id: RunId, after: str | None, limit: int) -> StepsPage:
        """See RunsPort."""
        await self._enter("steps", run_id, after, limit)
        run = self._run(run_id)
        start = int(after or 0)
        end = min(start + limit, len(run.written))
        rows = tuple(run.steps[row_id] for row_id in dict.fromkeys(run.written[start:end]))
        return StepsPage(rows, str(end), end < len(run.written), self.world.now())

    async def step_body(self, run_id: RunId, row_id: StepRowId) -> Reply[Document]:
        """See RunsPort."""
        await self._enter("step_body", run_id, row_id)
        step = self._run(run_id).steps.get(row_id)
        if step is None:
            raise NotFound("No such step", f"The run has no step {row_id}.", code="STEP_NOT_FOUND")
        error = None
        if step.error is not None:
            error = {"category": step.error.category, "code": step.error.code, "message": step.error.message}
        return self._reply(Document({"outcome": step.outcome, "error": error}))

    async def invocations(self, run_id: RunId, row_id: StepRowId | None) -> Reply[tuple[Invocation, ...]]:
        """See RunsPort."""
        await self._enter("invocations", run_id, row_id)
        run = self._run(run_id)
        step = run.steps.get(row_id) if row_id is not None else None
        chosen = (
            item
            for item in run.tries.values()
            if step is None or (item.path, item.iteration) == (step.path, step.iteration)
        )
        return self._reply(tuple(chosen)[-500:])

    async def invocation_body(self, run_id: RunId, invocation_id: InvocationId) -> Reply[InvocationBody]:
        """See RunsPort."""
        await self._enter("invocation_body", run_id, invocation_id)
        body = self._run(run_id).bodies.get(invocation_id)
        if body is None:
            raise NotFound("No such try", "", code="INVOCATION_NOT_FOUND")
        return self._reply(body)

    async def waits(self, run_id: RunId) -> Reply[tuple[Wait, ...]]:
        """See RunsPort."""
        await self._enter("waits", run_id)
        newest_first = sorted(self._run(run_id).waits.values(), key=lambda wait: str(wait.created_at), reverse=True)
        newest_first.sort(key=lambda wait: wait.status is not WaitStatus.WAITING)
        return self._reply(tuple(newest_first[:500]))

    async def logs(self, run_id: RunId, query: LogQuery, cursor: str | None, older: bool, limit: int) -> LogPage:
        """See RunsPort."""
        await self._enter("logs", run_id, query, cursor, older, limit)
        everything = self._run(run_id).logs
        levels = list(LogLevel)
        wanted = query.text.casefold()
        found = [
            (place, line)
            for place, line in enumerate(everything)
            if levels.index(line.level) >= levels.index(query.minimum)
            and wanted in f"{line.message} {line.context or ''}".casefold()
        ]
        if cursor is not None:
            found = [item for item in found if (item[0] < int(cursor) if older else item[0] >= int(cursor))]
        chosen = found[:limit] if cursor is not None and not older else found[-limit:]
        first_known = found and chosen[0][0] > found[0][0]
        return LogPage(
            rows=tuple(line for _, line in chosen),
            older=str(chosen[0][0]) if first_known else None,
            newer=str(chosen[-1][0] + 1) if chosen else (cursor or "0"),
            server_now=self.world.now(),
        )

    async def payload(self, run_id: RunId) -> Reply[Document]:
        """See RunsPort."""
        await self._enter("payload", run_id)
        document = self._run(run_id).payload
        if document is None:
            raise NotFound("No payload", "The input of this run was never stored.", code="PAYLOAD_NOT_STORED")
        return self._reply(document)

    async def output(self, run_id: RunId) -> Reply[Document]:
        """See RunsPort."""
        await self._enter("output", run_id)
        document = self._run(run_id).output
        if document is None:
            raise NotFound("No output", "This run has no output.", code="NO_OUTPUT")
        return self._reply(document)

    async def definition(self, workflow_id: str, version: int) -> Reply[Json]:
        """See RunsPort."""
        await self._enter("definition", workflow_id, version)
        workflow = self.world.workflows.get(workflow_id)
        if workflow is None or version not in workflow.definitions:
            raise NotFound(
                "No such definition", f"{workflow_id} version {version} does not exist.", code="NO_DEFINITION"
            )
        return self._reply(workflow.definitions[version])

    # --- CatalogPort -------------------------------------------------------------------------------------------------

    async def workflows(self) -> Reply[tuple[WorkflowInfo, ...]]:
        """See CatalogPort."""
        await self._enter("workflows")
        return self._reply(tuple(sorted((w.info for w in self.world.workflows.values()), key=lambda info: info.name)))

    async def versions(self, workflow_id: str) -> Reply[tuple[VersionInfo, ...]]:
        """See CatalogPort."""
        await self._enter("versions", workflow_id)
        workflow = self._workflow(workflow_id)
        numbers = sorted(workflow.definitions, reverse=True)
        return self._reply(tuple(VersionInfo(number, self.world.now(), f"sha256:{number:064x}") for number in numbers))

    async def payload_schema(self, workflow_id: str, version: int) -> Reply[Json]:
        """See CatalogPort."""
        await self._enter("payload_schema", workflow_id, version)
        return self._reply(self._workflow(workflow_id).schema)

    async def examples(self, workflow_id: str, version: int) -> Reply[tuple[Example, ...]]:
        """See CatalogPort."""
        await self._enter("examples", workflow_id, version)
        return self._reply(self._workflow(workflow_id).examples)

    async def latest_input(self, workflow_id: str) -> Reply[LatestInput | None]:
        """See CatalogPort."""
        await self._enter("latest_input", workflow_id)
        for row in self.world.select(RunQuery(workflow=workflow_id)):
            document = self.world.runs[row.run_id].payload
            if document is not None and row.workflow_id == workflow_id:
                return self._reply(LatestInput(row.run_id, document))
        return self._reply(None)

    async def check_payload(self, workflow_id: str, version: int, payload: Json) -> Reply[tuple[Issue, ...]]:
        """See CatalogPort."""
        await self._enter("check_payload", workflow_id, version, payload)
        return self._reply(self._issues(workflow_id, payload))

    def _workflow(self, workflow_id: str) -> Any:
        workflow = self.world.workflows.get(workflow_id)
        if workflow is None:
            raise NotFound("No such workflow", f"There is no workflow {workflow_id}.", code="WORKFLOW_NOT_FOUND")
        return workflow

    def _issues(self, workflow_id: str, payload: Json) -> tuple[Issue, ...]:
        if not isinstance(payload, dict):
            return (Issue("", "the payload must be a JSON object"),)
        schema = self._workflow(workflow_id).schema
        if schema is None:
            return ()
        from jsonschema import Draft202012Validator  # noqa: PLC0415 - a second of import the demo's first screen need not wait for

        found = Draft202012Validator(schema).iter_errors(payload)
        return tuple(Issue("".join(f"/{part}" for part in error.absolute_path), error.message) for error in found)

    # --- ControlPort -------------------------------------------------------------------------------------------------

    async def start(self, request: StartRequest) -> Reply[Started]:
        """See ControlPort."""
        await self._enter("start", request)
        self._needs(Level.OPERATE)
        known = self._keys.get(request.idempotency_key)
        if known is not None:
            return self._reply(Started(known, created=False))
        workflow = self._workflow(request.workflow_id)
        if request.version not in workflow.definitions:
            raise NotFound(
                "No such version", f"{request.workflow_id} has no version {request.version}.", code="NO_DEFINITION"
            )
        if workflow.info.paused:
            raise Conflict("Workflow is paused", "Unpause it in Workflows, then start again.", code="WORKFLOW_PAUSED")
        if len(str(request.payload)) > PAYLOAD_LIMIT:
            raise TooLarge("Payload too large", "At most 512 KiB.", code="PAYLOAD_TOO_LARGE", limit_bytes=PAYLOAD_LIMIT)
        issues = self._issues(request.workflow_id, request.payload)
        if issues:
            raise Invalid("Payload does not fit the schema", issues[0].message, code="PAYLOAD_INVALID", issues=issues)
        now = self.world.now()
        run = new_run(self.world.fresh_id(now), request.workflow_id, request.version, now, request.payload)
        self._keys[request.idempotency_key] = self.world.add(run, workflow.script)
        self._stirred.set()
        return self._reply(Started(run.row.run_id))

    async def cancel(self, request: CancelRequest) -> Reply[CancelResult]:
        """See ControlPort."""
        await self._enter("cancel", request)
        self._needs(Level.ADMIN)
        run = self._run(request.run_id)
        if run.row.status.ended:
            return self._reply(CancelResult.ALREADY_ENDED)
        if run.row.read_only:
            raise Conflict("Run is read-only", "It is from before the cutover.", code="RUN_READ_ONLY")
        now = self.world.now()
        run.log(now, LogLevel.WARN, "canceled by the operator", context={"reason": request.reason})
        run.finish(now, RunStatus.CANCELED)
        self._stirred.set()
        return self._reply(CancelResult.CANCELED)

    def _needs(self, level: Level) -> None:
        if self.world.session.level < level:
            raise Forbidden("Not allowed", f"This needs the {level.name.lower()} level.", code="FORBIDDEN")

    # --- SystemPort and ChangePort -----------------------------------------------------------------------------------

    async def session(self) -> Reply[Session]:
        """See SystemPort."""
        await self._enter("session")
        return self._reply(self.world.session)

    async def health(self) -> Reply[Health]:
        """See SystemPort."""
        await self._enter("health")
        return self._reply(Health(self.world.health))

    async def diagnose(self, run_id: RunId) -> Reply[Diagnosis]:
        """See SystemPort."""
        await self._enter("diagnose", run_id)
        return self._reply(diagnose(self._run(run_id), self.world))

    async def changes(self) -> AsyncIterator[Change]:
        """See ChangePort."""
        while True:
            self._stirred.clear()
            due = self.world.next_due()
            await self._clock.wait(self._stirred, 3600.0 if due is None else due + 0.001)
            touched = self.world.catch_up()
            if self._stirred.is_set():
                yield Change(ChangeKind.RUN)
            for run_id in touched:
                yield Change(ChangeKind.RUN, run_id)
