"""Replays: what one starts from, its preview, sending it once; and replays of several runs with their original inputs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from engine.errors import EngineError
from engine.records import Original, ReplayBase, ReplayPreview, RunRow, Started
from runstudio_tui.domain.done_before import Done, done_before
from runstudio_tui.domain.replay_edit import Edit
from runstudio_tui.store.session import Studio
from runstudio_tui.store.targets import Outcome, Result, Target, TargetsFlow

BASE_CHANGED: Final = "REPLAY_BASE_CHANGED"
"""Code of an edit whose original is shown differently now."""
NO_INPUT: Final = "INPUT_NOT_STORED"


@dataclass(frozen=True, slots=True)
class Offer:
    """What a replay of one run can start from."""

    base: ReplayBase
    versions: tuple[int, ...]
    """The run's own first, then the one published now, then the others, newest first."""
    published: int | None
    paused: bool
    """Nothing starts as long as its workflow is paused."""
    done: tuple[Done, ...]
    """What the run did to the world outside, as far as it was recorded."""


class ReplayFlow:
    """One replay of one run. Its idempotency key stays the same until a refusal that trying again cannot change."""

    def __init__(self, studio: Studio, row: RunRow) -> None:
        self._runs = studio.backend.runs
        self._workflows = studio.backend.workflows
        self._clock = studio.clock
        self._key = studio.clock.unique()
        self.row = row

    async def offer(self) -> Offer:
        """Ask what there is. Raises EngineError: Conflict (INPUT_NOT_STORED) when the run cannot be replayed."""
        run_id, workflow_id, own = self.row.run_id, self.row.workflow_id, self.row.version
        base = await self._runs.replay_base(run_id)
        workflows, versions, attempts, steps = await asyncio.gather(
            self._workflows.list(),
            self._workflows.versions(workflow_id),
            self._runs.attempts(run_id),
            self._runs.steps(run_id),
        )
        workflow = next((known for known in workflows if known.workflow_id == workflow_id), None)
        published = workflow.published_version if workflow is not None else None
        numbers = [info.version for info in versions]
        first = [version for version in (own, published) if version in numbers]
        return Offer(
            base,
            tuple(dict.fromkeys([*first, *numbers])),
            published,
            workflow is not None and workflow.paused,
            done_before(attempts, steps.rows),
        )

    async def base(self) -> ReplayBase:
        """The original as it is shown now. Raises EngineError."""
        return await self._runs.replay_base(self.row.run_id)

    async def preview(self, edit: Edit, version: int) -> ReplayPreview:
        """What the replay would do; nothing is executed. Raises EngineError."""
        return await self._runs.preview(self.row.run_id, edit.input, version=self._other(version))

    async def send(self, reason: str, edit: Edit, version: int) -> Started:
        """Start the replay; sending the same again after an outage starts nothing twice. Raises EngineError."""
        try:
            return await self._runs.replay(
                self.row.run_id,
                reason.strip(),
                edit.input,
                version=self._other(version),
                idempotency_key=self._key,
            )
        except EngineError as error:
            if not error.retryable:
                self._key = self._clock.unique()
            raise

    def _other(self, version: int) -> int | None:
        return None if version == self.row.version else version


class ReplayManyFlow(TargetsFlow):
    """Replays frozen targets, each in its own version and with its original input."""

    WORDS: ClassVar[dict[Outcome, str]] = {
        Outcome.DONE: "replayed",
        Outcome.ASKED: "accepted, start pending",
        Outcome.SKIPPED: "skipped",
        Outcome.FAILED: "failed",
        Outcome.PENDING: "not sent",
    }

    def __init__(self, studio: Studio, rows: Sequence[RunRow], changed: Callable[[], None]) -> None:
        super().__init__(studio, rows, changed)
        self._keys = {row.run_id: studio.clock.unique() for row in rows}
        """Idempotency keys: the same when a replay is sent again after an outage."""

    def why_not(self, row: RunRow) -> str:
        """See TargetsFlow: a run can be replayed in any state, also one from before the cutover."""
        return ""

    async def act(self, target: Target, reason: str) -> Result:
        """See TargetsFlow."""
        run_id = target.row.run_id
        try:
            started = await self._studio.backend.runs.replay(
                run_id, reason, Original(), idempotency_key=self._keys[run_id]
            )
        except EngineError as error:
            if not error.retryable:
                self._keys[run_id] = self._studio.clock.unique()
            raise
        if started.pending:
            return Result(Outcome.ASKED, "accepted, starts when Temporal is back", started.run_id)
        return Result(Outcome.DONE, "replayed as" if started.created else "replayed before, as", started.run_id)

    def refused(self, error: EngineError) -> Result:
        """See TargetsFlow."""
        if error.code == NO_INPUT:
            return Result(Outcome.SKIPPED, "skipped: its input was never stored")
        return super().refused(error)
