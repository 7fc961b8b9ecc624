"""After the faults: everything comes to rest, waits for the same thing in both stores, and goes on when that thing comes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import WorkflowQueryFailedError
from temporalio.service import RPCError

from engine.contract import QUERY_CURRENT_WAIT, workflow_id_for
from engine.errors import EngineError
from engine.operations.diagnosis.diagnose import diagnose_run
from engine.operations.events.events import EventRequest
from engine.store.runs.agreeing import UNHEARD_SECONDS
from tests.engine.workflow.harness import Rows
from tests.faults.installation import Installation
from tests.faults.nemesis.definitions import LARGEST_N
from tests.faults.nemesis.journal import Journal, Violation
from tests.faults.nemesis.operations import Operators
from tests.faults.nemesis.restores import FOUND_SECONDS

STUCK_SECONDS: Final = 300.0
"""Nothing has moved for so long, with every server there: more than any pause between two tries of anything."""
TURNS: Final = 60
"""More waits than a run of ours has one after the other."""
ON_ITS_WAY_SECONDS: Final = 20.0
"""An event that is there and not yet taken may just be on its way."""
RELEASED: Final = 0.7
"""Of the runs that wait get what they wait for; the others are canceled."""

BUSY = """
SELECT 'run' AS kind, run_id::text AS id, status || ' ' || coalesce(waiting_on, '') || ' ' || seq || ' ' || launch_state AS at
FROM workflow_runs r WHERE status IN ('RUNNING', 'WAITING') AND NOT (status = 'WAITING' AND CASE waiting_on
  WHEN 'event' THEN cancel_requested_at IS NULL AND EXISTS (
    SELECT 1 FROM workflow_run_waits w WHERE w.run_id = r.run_id AND w.status = 'WAITING' AND w.timeout_at IS NULL)
  WHEN 'human' THEN cancel_requested_at IS NULL AND EXISTS (
    SELECT 1 FROM workflow_human_tasks t WHERE t.run_id = r.run_id AND t.status IN ('pending', 'claimed'))
  WHEN 'child' THEN cancel_requested_at IS NULL AND EXISTS (
    SELECT 1 FROM workflow_runs c WHERE c.parent_run_id = r.run_id AND c.status IN ('RUNNING', 'WAITING'))
  ELSE false END)
UNION ALL SELECT 'delivery', delivery_id::text, target_kind || ' ' || attempts FROM workflow_event_deliveries
WHERE status = 'pending'
UNION ALL SELECT 'event', event_id, state FROM workflow_runtime_events WHERE state = 'received'
"""
WAITING = """
SELECT w.wait_id::text AS wait_id, w.run_id::text AS run_id, w.step_path, w.wait_type, w.key, w.event_name,
  w.payload -> 'filters' AS filters, t.task_id::text AS task_id
FROM workflow_run_waits w JOIN workflow_runs r USING (run_id)
LEFT JOIN workflow_human_tasks t ON t.run_id = w.run_id AND t.step_path = w.step_path AND t.status IN ('pending', 'claimed')
WHERE w.status = 'WAITING' AND w.wait_type IN ('event', 'human') AND r.status = 'WAITING'
"""
OVERLOOKED = """
SELECT w.run_id::text AS run_id, w.event_name, w.key, e.event_id FROM workflow_run_waits w
JOIN workflow_runs r USING (run_id)
JOIN workflow_runtime_events e ON e.tenant = w.tenant AND e.event_name = w.event_name
  AND (w.key IS NULL OR e.correlation_keys ? w.key)
  AND CASE WHEN r.events_after IS NULL THEN e.created_at > r.started_at ELSE e.arrival > r.events_after END
WHERE w.status = 'WAITING' AND w.wait_type = 'event' AND r.status = 'WAITING'
AND NOT EXISTS (SELECT 1 FROM workflow_run_waits u WHERE u.run_id = w.run_id AND u.matched_event_id = e.event_id)
AND (w.payload -> 'filters' IS NULL OR NOT EXISTS (
  SELECT 1 FROM jsonb_array_elements(w.payload -> 'filters') f WHERE NOT (e.payload -> 'n')::float > (f -> 'value')::float))
"""
"""Waits, with an event that is there, and that they would take. Our filters ask only whether ``n`` is larger than something."""
_KINDS = {"event.wait": "event", "human.task": "human"}


@dataclass
class Settling:
    """The end of a round."""

    installation: Installation
    operators: Operators
    journal: Journal
    chance: Random

    async def end_everything(self) -> None:
        """Until every run is over: bring each to rest, compare, and give it what it waits for, or cancel it."""
        numbers = count()
        for turn in range(TURNS):
            if not await self.rest():
                return
            waiting = await self.waiting()
            if not waiting:
                return
            waiting = await self.compare(waiting)
            self.journal.tell(f"{len(waiting)} runs wait")
            free = asyncio.Semaphore(10)

            async def one(wait: dict[str, Any], given: bool, free: asyncio.Semaphore = free) -> None:
                async with free:
                    await (self._give(wait, next(numbers)) if given else self.operators.cancel(wait["run_id"]))

            # All are canceled in the end, so that a definition that waits very often does not decide how long this takes.
            given = [turn < TURNS // 4 and self.chance.random() < RELEASED for _ in waiting]
            await asyncio.gather(*(one(wait, get) for wait, get in zip(waiting, given, strict=True)))
        self.journal.found.append(Violation("rest", f"there are waits after {TURNS} turns"))

    async def rest(self) -> bool:
        """Wait until nothing moves and nothing has to. False: something has to and does not, which is a violation."""
        last: list[tuple[str, str, str]] = []
        since = time.monotonic()
        quiet = 0
        while quiet < 2:
            busy = [(row["kind"], row["id"], row["at"]) for row in await self._rows(BUSY)]
            quiet = 0 if busy else quiet + 1
            if sorted(busy) != last:
                last, since = sorted(busy), time.monotonic()
            if busy and time.monotonic() - since > STUCK_SECONDS:
                for kind, name, at in busy[:20]:
                    said = await self._why(name) if kind == "run" else ""
                    run_id = name if kind == "run" else None
                    self.journal.found.append(
                        Violation("rest", f"{kind} {name} ({at}) has not moved for {STUCK_SECONDS} s. {said}", run_id)
                    )
                return False
            await asyncio.sleep(0.25)
        return True

    async def _give(self, wait: dict[str, Any], number: int) -> None:
        if wait["wait_type"] == "human":
            if wait["task_id"] is None:
                self.journal.found.append(Violation("same_wait", "a wait for a person has no task", wait["run_id"]))
                return
            await self.operators.answer(wait["task_id"])
            return
        payload = {"n": LARGEST_N + 1}
        await self.operators.send(EventRequest(wait["event_name"], payload, wait["key"], event_id=f"release-{number}"))

    async def waiting(self) -> Rows:
        """The waits for events and people."""
        return await self._rows(WAITING)

    async def compare(self, waiting: Rows) -> Rows:
        """Every run that rests waits at the place its row says, and what it waits for is not there already.

        After a restore the reconciler gets ``FOUND_SECONDS`` for the first of the two, and for the second as long as an event of
        which nothing is heard is not sent again. Returns the waits as they are then.
        """
        restored = self.journal.counts["restore_postgres"] or self.journal.counts["restore_temporal"]
        deadline = time.monotonic() + (FOUND_SECONDS if restored else 0.0)
        while (apart := await self._apart(waiting)) and time.monotonic() < deadline:
            await asyncio.sleep(1)
            waiting = await self.waiting()
        for run_id, said in apart:
            self.journal.found.append(Violation("same_wait", said, run_id))
        # With the rows of a wait is lost which event it took; the run knows, and takes none twice.
        overlooked = [] if self.journal.rows_lost else await self._rows(OVERLOOKED)
        # It may be on its way in this very moment: the router's answer comes after its row. One that a restored Temporal has
        # lost is sent again.
        sent_again = 2 * UNHEARD_SECONDS if self.journal.counts["restore_temporal"] else 0.0
        deadline = time.monotonic() + ON_ITS_WAY_SECONDS + sent_again
        moving = bool(overlooked)
        while overlooked and time.monotonic() < deadline:
            await asyncio.sleep(1)
            still = {(row["run_id"], row["event_id"]) for row in await self._rows(OVERLOOKED)}
            overlooked = [row for row in overlooked if (row["run_id"], row["event_id"]) in still]
        for row in overlooked:
            said = f"it waits for {row['event_name']} of {row['key']}, and {row['event_id']} is there"
            self.journal.found.append(Violation("overlooked", said, row["run_id"]))
        return await self.waiting() if moving else waiting

    async def _apart(self, waiting: Rows) -> list[tuple[str, str]]:
        """Run, and what differs."""
        free = asyncio.Semaphore(8)

        async def one(wait: dict[str, Any]) -> list[tuple[str, str]]:
            async with free:
                known = await self._current_wait(wait["run_id"])
            if known is not None and (_KINDS.get(str(known["type"])), known["stepPath"]) == (
                wait["wait_type"],
                wait["step_path"],
            ):
                return []
            said = f"its row waits at {wait['step_path']} for {wait['wait_type']}, its execution says {known}"
            return [(wait["run_id"], said)]

        return [each for found in await asyncio.gather(*(one(wait) for wait in waiting)) for each in found]

    async def _current_wait(self, run_id: str) -> Any:
        handle = self.installation.bench.client.get_workflow_handle(workflow_id_for(run_id))
        said: Any = "no answer"
        for _ in range(30):
            try:
                return await handle.query(QUERY_CURRENT_WAIT)
            except (RPCError, WorkflowQueryFailedError) as error:
                said = error
                await asyncio.sleep(1)
        return {"type": f"{type(said).__name__}: {said}", "stepPath": None}

    async def _why(self, run_id: str) -> str:
        try:
            found = await diagnose_run(self.operators.context, run_id)
        except EngineError as error:
            return str(error)
        return "; ".join(f"{finding.code}: {finding.sentence}" for finding in found.findings)

    async def _rows(self, sql: str) -> Rows:
        for _ in range(120):
            try:
                return await self.installation.bench.rows(sql)
            except (SQLAlchemyError, OSError):
                await asyncio.sleep(0.5)
        return await self.installation.bench.rows(sql)
