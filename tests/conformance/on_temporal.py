"""The Temporal host: plays the script of a case with the engine's own operations, on a real server and a real database."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from temporalio.service import RPCError

from engine.ids import new_id
from tests.conformance.case_changes import moved, slowed, waits_for_a_date
from tests.conformance.case_publishing import prepare
from tests.conformance.case_time import CASE_START, CaseTime
from tests.conformance.memory_world import CaseSecrets
from tests.conformance.observed import Checkpoint, Json, Observed
from tests.conformance.settling import PATIENCE_SECONDS, settled
from tests.conformance.stored_case import StoredRun, StoredWait, stored_case
from tests.conformance.temporal_observing import final_scopes, observed_run, translated_remains, wanted_scopes
from tests.conformance.temporal_script import LOOK_AGAIN_SECONDS, ScriptOperations
from tests.conformance.temporal_world import TemporalWorld

REAL_TIME_MS: Final = 2_000
"""A case whose time moves by less than this is waited for; any other needs a clock that skips."""
_MARGIN_MS: Final = 1_000
"""By how much clocks may differ that show when a case was played."""
_TIMED: Final = ("time", "retry", "event")
_NO_OPEN_WAITS: Final = ("retry", "child")
"""Back-offs and children are phases of their own."""


class NotRunnable(Exception):
    """The case cannot be run on this host, and why."""


class Overtaken(NotRunnable):
    """The clock ran faster than the script."""


def needs_skipping(case: Json) -> bool:
    """Whether the case is for the time-skipping server."""
    passing = sum(operation["ms"] for operation in case.get("script", ()) if operation["op"] == "advance")
    return passing >= REAL_TIME_MS or waits_for_a_date(case)


class TemporalHost:
    """One play of one case, as a tenant of its own."""

    def __init__(self, world: TemporalWorld, case: Json, slowness: int = 1) -> None:
        """``slowness``: by how much longer than its author wrote the case is to last."""
        self._world = world
        self._case = slowed(case, slowness)
        self._slowness = slowness
        self.tenant = new_id()
        self._context = world.context(self.tenant)
        self._time = CaseTime()
        self._runs: list[StoredRun] = []
        self._first_seen: dict[str, int] = {}

    async def play(self) -> Observed:
        """Publish everything, run the script, and tell what happened. Raises NotRunnable and Overtaken."""
        try:
            return await self._play()
        finally:
            await self._clean_up()

    async def _play(self) -> Observed:
        secrets = CaseSecrets(self._case.get("secrets") or {})
        self._world.secrets.of_tenant[self.tenant] = secrets
        case, written = moved(self._case, await self._day_of_the_case())
        self._time = CaseTime(written, self._slowness)
        await prepare(self._world, self._context, case)
        operations = ScriptOperations(self._world, self._context, case)
        observed = Observed(aliases=operations.aliases)
        began = await self._world.clock.now()
        for index, operation in enumerate(case.get("script", ())):
            if operation["op"] == "advance":
                observed.op_results.append(await self._advance(operation["ms"]))
            else:
                self._require_not_overtaken(operation["op"])
                observed.op_results.append(await operations.do(operation))
            await self._settle()
            for run in self._runs:
                self._first_seen.setdefault(run.id, index)
            observed.checkpoints.append(self._checkpoint(operations.aliases.get("main")))
        await self._observe(observed, began)
        observed.secret_reads = secrets.reads
        return observed

    async def _day_of_the_case(self) -> datetime:
        """The case's 1 January. A case that waits for a date is moved to a day that is just beginning."""
        if not waits_for_a_date(self._case):
            return CASE_START
        now = await self._world.clock.now()
        today = datetime.fromtimestamp(now / 1000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        tomorrow = today + timedelta(days=1)
        await self._world.clock.let_pass(round(tomorrow.timestamp() * 1000) - now)
        return tomorrow

    async def _settle(self) -> None:
        self._runs = await settled(self._world, self.tenant)
        self._time.follow(self._runs)

    async def _clean_up(self) -> None:
        # The server is shared: no run may stay on its queue.
        for run in self._runs:
            if run.active:
                with suppress(RPCError):
                    await self._world.handle(run.id).terminate("the case is over")

    def _require_not_overtaken(self, operation: str) -> None:
        """Before anything that a run which went on by itself would meet in another state than the case means."""
        wait = self._time.overtaken_by(self._runs)
        if wait is not None:
            length = self._time.length(wait)
            raise Overtaken(f"on a clock that runs, a {wait.type} wait of {length} ms is over before {operation}")

    def _checkpoint(self, main: str | None) -> Checkpoint | None:
        run = next((run for run in self._runs if run.id == main), None)
        if run is None:
            return None
        rests_in = next((wait for wait in run.waits if not self._time.passed(wait)), None)
        if rests_in is not None and rests_in.ended is not None:
            # So short that it was over before anybody could look; at this time of the case the run was there.
            return Checkpoint(rests_in.phase, "WAITING", _open_waits([rests_in]))
        open_waits = [wait for wait in run.waits if wait.status == "WAITING"]
        return Checkpoint(run.phase, run.status, _open_waits(open_waits))

    # --- time -------------------------------------------------------------------------------------------------------

    async def _advance(self, milliseconds: int) -> Json:
        """Let time pass, stopping where something is due on the way."""
        target = self._time.now + milliseconds
        while True:
            due, wait = self._next_due()
            if wait is None or due > target:
                break
            await self._until_over(wait)
            self._time.now = max(self._time.now, due)
            await self._settle()
        await self._let_pass(target - self._time.now, wait)
        self._time.now = target
        return {"ok": True}

    def _next_due(self) -> tuple[int, StoredWait | None]:
        dues: list[tuple[int, StoredWait | None]] = []
        for run in self._runs:
            for wait in run.waits:
                due = self._time.due(wait)
                if run.active and wait.status == "WAITING" and wait.type in _TIMED and due is not None:
                    dues.append((due, wait))
        return min(dues, key=lambda item: item[0], default=(0, None))

    async def _until_over(self, wait: StoredWait) -> None:
        """Let the clock come to the wait's due time, and look until its run has noticed."""
        clock = self._world.clock
        await clock.let_pass(max(0, (wait.due or 0) - await clock.now()) + 1)
        async with asyncio.timeout(PATIENCE_SECONDS):
            # What is waited for is in Postgres; nothing here could set an event.
            while await self._is_open(wait):  # noqa: ASYNC110 - see above
                await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _is_open(self, wait: StoredWait) -> bool:
        async with self._world.store.connect() as connection:
            status = await connection.execute(_STATUS, {"wait": wait.id})
            return bool(status.scalar_one() == "WAITING")

    async def _let_pass(self, milliseconds: int, next_wait: StoredWait | None) -> None:
        """Time in which nothing is due. The clock keeps away from the next timer, which it is nearer to than the case is."""
        clock = self._world.clock
        if next_wait is not None and next_wait.due is not None:
            milliseconds = min(milliseconds, next_wait.due - clock.margin - await clock.now())
        if milliseconds > 0:
            await clock.let_pass(milliseconds)

    # --- telling what happened --------------------------------------------------------------------------------------

    async def _observe(self, observed: Observed, began: int) -> None:
        world, clock = self._world, self._world.clock
        self._runs, remains = await stored_case(world.store, self.tenant, clock.server_time)
        self._time.follow(self._runs)
        self._require_not_overtaken("the end of the script")
        since, until = began - _MARGIN_MS, await clock.now() + _MARGIN_MS

        def translate(value: Any) -> Any:
            return self._time.translated(value, since, until)

        remains = translated_remains(remains, translate)
        for run in sorted(self._runs, key=self._order):
            if run.launch_state == "failed":
                # A refused launch leaves a row, so that it can be looked at, but starts no run.
                continue
            scopes = await final_scopes(world, self.tenant, run)
            wanted = wanted_scopes(self._case["expect"]) if run.id == observed.aliases.get("main") else []
            if scopes.unknown is not None and wanted:
                raise NotRunnable(f"{' and '.join(wanted)} cannot be known: {scopes.unknown}")
            observed.runs.append(observed_run(self._time, run, scopes, remains, translate))
        observed.calls = translate(world.journals[self.tenant].calls)
        observed.tasks = remains.tasks
        observed.invocations = remains.invocations
        observed.events = remains.events
        observed.quota_used = remains.quota_used

    def _order(self, run: StoredRun) -> tuple[Any, ...]:
        """Of creation. The workflows that one event starts are started at once; their ids make an order of it."""
        by_event = run.trigger_type == "event"
        return (self._first_seen.get(run.id, 0), not by_event, run.workflow_id if by_event else "", run.created_at)


def _open_waits(waits: list[StoredWait]) -> list[Json]:
    return [{"type": wait.type, "path": wait.path} for wait in waits if wait.type not in _NO_OPEN_WAITS]


_STATUS: Final = text("SELECT status FROM workflow_run_waits WHERE wait_id = CAST(:wait AS uuid)")
