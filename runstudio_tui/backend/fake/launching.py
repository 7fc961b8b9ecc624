"""Starting runs in the fake world: the checks of a launch, then a run whose script begins now."""

from __future__ import annotations

from dataclasses import dataclass

from engine import advice
from engine.errors import Conflict, Invalid, NotFound
from engine.records import MAX_PAYLOAD_BYTES, Document, Started
from engine.wording import clause, counted
from runstudio_tui.backend.fake.calls import Calls
from runstudio_tui.backend.fake.run import new_run
from runstudio_tui.backend.fake.workflows import FakeWorkflows
from runstudio_tui.domain.replay_edit import size_bytes


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start; equal requests with one key start one run."""

    workflow_id: str
    version: int | None
    """None: the published one."""
    payload: Document
    replay_of: str | None = None
    trigger: str | None = None


class Launches:
    """Starts runs, and remembers which key started which."""

    def __init__(self, calls: Calls, workflows: FakeWorkflows) -> None:
        self._calls = calls
        self._world = calls.world
        self._workflows = workflows
        self._keys: dict[str, tuple[Launch, Started]] = {}

    def start(self, launch: Launch, key: str | None) -> Started:
        """The run of a launch. Raises Invalid, NotFound, Conflict as the engine does."""
        if key is not None and key in self._keys:
            known, started = self._keys[key]
            if known != launch:
                raise Conflict(
                    "IDEMPOTENCY_KEY_REUSED",
                    f"The key belongs to another request, which started run {started.run_id}.",
                    "Use a new key for a new request.",
                    {"runId": started.run_id},
                )
            return Started(started.run_id, started.version, created=False)
        started = Started(*self._checked_and_begun(launch))
        if key is not None:
            self._keys[key] = (launch, started)
        self._calls.stirred.set()
        return started

    def _checked_and_begun(self, launch: Launch) -> tuple[str, int]:
        workflow = self._workflows.find(launch.workflow_id)
        version = launch.version if launch.version is not None else workflow.info.published_version
        if workflow.info.paused:
            told = f"The workflow {launch.workflow_id} is paused, it starts no runs."
            raise Conflict(
                "WORKFLOW_PAUSED", told, advice.UNPAUSE.to("Wait, or unpause it", workflow=launch.workflow_id)
            )
        if version is None:
            told = f"The workflow {launch.workflow_id} has no published version."
            raise Conflict("NOT_PUBLISHED", told, advice.PUBLISH.to("Publish it first"))
        if version not in workflow.definitions:
            raise NotFound(
                "VERSION_NOT_FOUND",
                f"The workflow {launch.workflow_id} has no version {version}.",
                f"The latest is {max(workflow.definitions)}.",
            )
        if 0 < workflow.info.limit <= (active := self._world.active_runs()[launch.workflow_id]):
            raise Conflict(
                "CONCURRENCY_LIMIT",
                f"The workflow {launch.workflow_id} has {counted(active, 'active run')}; "
                f"its limit is {workflow.info.limit}.",
                advice.LIMIT.to("Wait until one ends, or raise the limit", workflow=launch.workflow_id),
                {"active": active, "limit": workflow.info.limit},
            )
        self._check_payload(launch, version)
        now = self._world.now()
        run = new_run(
            self._world.fresh_id(now),
            launch.workflow_id,
            version,
            now,
            launch.payload.value,
            masked=launch.payload.masked,
            replay_of=launch.replay_of,
            trigger=launch.trigger,
        )
        return self._world.add(run, workflow.script), version

    def _check_payload(self, launch: Launch, version: int) -> None:
        value = launch.payload.value
        if not isinstance(value, dict):
            raise Invalid(
                "PAYLOAD_NOT_OBJECT", "The payload is no JSON object.", "Send a JSON object; {} is an empty payload."
            )
        size = size_bytes(value)
        if size > MAX_PAYLOAD_BYTES:
            raise Invalid(
                "PAYLOAD_TOO_LARGE",
                f"The payload has {size} bytes; {MAX_PAYLOAD_BYTES} are allowed.",
                "Store large data elsewhere and send a reference to it.",
                {"bytes": size, "limit": MAX_PAYLOAD_BYTES},
            )
        issues = self._workflows.issues(launch.workflow_id, version, value)
        if issues:
            raise Invalid(
                "PAYLOAD_REJECTED",
                f"The payload does not fit its schema: {issues[0].pointer or '/'} {clause(issues[0].message)}.",
                f"Correct the payload; the schema is that of the workflow {launch.workflow_id}.",
                {"issues": [issue.to_json() for issue in issues]},
            )
