"""What programs and operators do with the runs of a round, each of it again and again until it was accepted or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import psycopg
from sqlalchemy import make_url

from engine.actions.registry import load_actions
from engine.errors import Conflict, EngineError, NotFound, Unavailable
from engine.operations.catalog.publish import PublishRequest, pause_workflow, publish_definition
from engine.operations.context import OperationContext
from engine.operations.events.correlation_paths import set_correlation_paths
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.runs.cancel import cancel_run
from engine.operations.runs.launch import LaunchRequest, launch_in_transaction, launch_published_run
from engine.operations.runs.replay import replay_run
from engine.operations.tasks.tasks import complete_task
from engine.records import Original
from engine.store.database.callers_connection import CallersConnection
from tests.engine.operations.conftest import definition
from tests.faults import ledger, rude_actions
from tests.faults.nemesis.definitions import Definition
from tests.faults.nemesis.journal import Journal, Violation
from tests.faults.nemesis.plan import Order, Sent

T = TypeVar("T")
ACCEPTED_SECONDS = 600.0
"""How long servers may be away, one after the other, before a request that is repeated must have been accepted."""
BLOCKED_SECONDS = 12.0
NOT_NOW = {"WORKFLOW_PAUSED", "LAUNCH_RACED"}
"""Refusals that the same request does not meet later."""


@dataclass
class Operators:
    """Programs and people, who write down what was accepted."""

    context: OperationContext
    url: str
    journal: Journal

    async def publish(self, definitions: Sequence[Definition]) -> None:
        """The first version of each workflow, while nothing fails yet."""
        await set_correlation_paths(self.context, {"*": ["order"]})
        registry = load_actions([ledger.__name__, rude_actions.__name__])
        for known in definitions:
            body = definition(known.workflow_id, steps=known.steps)
            if known.trigger is not None:
                body["trigger"] = known.trigger
            request = PublishRequest(body, payload_schema={"type": "object"})
            published = await publish_definition(self.context, request, registry)
            self.journal.note("publish", f"{published.workflow_id} {published.definition_hash[:8]}")

    async def carry_out(self, order: Order, then: Callable[[], None]) -> None:
        """Everything that is done with one order; ``then`` after each part of it."""
        await asyncio.sleep(order.pause)
        run_id = await self._launch(order)
        then()
        if order.cancel == "at once":
            await self._cancel(run_id, order)
        for index, sent in enumerate(order.events):
            await asyncio.sleep(sent.pause)
            await self._send(order, index, sent)
            then()
        if order.cancel not in (None, "at once"):
            await self._cancel(run_id, order)
        if order.replayed and run_id is not None:
            await self._replay(run_id)
        then()

    # --- runs -------------------------------------------------------------------------------------------------------

    async def _launch(self, order: Order) -> str | None:
        key = f"o-{order.number}"
        until = datetime.now(UTC) + timedelta(seconds=order.deadline)
        payload = {"order": key, "n": order.n, "deadline": until.isoformat().replace("+00:00", "Z")}
        request = LaunchRequest(order.workflow_id, payload, idempotency_key=key)
        if order.how == "by an event":
            event = EventRequest("FIRE", payload, key, event_id=f"fire-{key}")
            await self.accepted("event", lambda: submit_event(self.context, event), event.event_id)
            self.journal.events.add(f"fire-{key}")
            self.journal.fired.add(f"fire-{key}")
            return None
        if order.how == "in a transaction":
            await self._in_a_transaction(lambda rows: launch_in_transaction(self.context, request, rows), 0.0)
        together = 3 if order.how == "twice" else 1
        started = await asyncio.gather(*(
            self.accepted("launch", lambda: launch_published_run(self.context, request), key) for _ in range(together)
        ))  # fmt: skip
        ids = {answer.run_id for answer in started if answer is not None}
        if len(ids) > 1:
            self.journal.found.append(Violation("launches", f"one key started {sorted(ids)}"))
        [run_id] = list(ids)[:1] or [None]
        if run_id is not None:
            self.journal.launches[key] = run_id
        return run_id

    async def _cancel(self, run_id: str | None, order: Order) -> None:
        if run_id is None:
            return
        times = 3 if order.cancel == "again and again" else 1
        if order.cancel == "while it is blocked":
            async with self._locked(run_id):
                canceling = asyncio.create_task(self.cancel(run_id))
                await asyncio.sleep(BLOCKED_SECONDS)
            await canceling
            return
        await asyncio.gather(*(self.cancel(run_id) for _ in range(times)))

    async def cancel(self, run_id: str) -> None:
        """Ask for the end of a run."""
        request = lambda: cancel_run(self.context, run_id, "no longer wanted", settle_seconds=0)  # noqa: E731
        if await self.accepted("cancel", request, run_id) is not None:
            self.journal.canceled.add(run_id)

    def _locked(self, run_id: str) -> _Locked:
        """The row of a run, locked by somebody else for as long as the block lasts."""
        return _Locked(self.url, run_id)

    async def _replay(self, run_id: str) -> None:
        key = f"replay-{run_id}"
        replayed = await self.accepted(
            "replay", lambda: replay_run(self.context, run_id, "once more", Original(), idempotency_key=key), run_id
        )
        if replayed is not None:
            self.journal.replays[key] = replayed.run_id

    async def pause(self, workflow_id: str, seconds: float) -> None:
        """Pause a workflow, and let it go on later."""
        for paused, word in ((True, "pause"), (False, "unpause")):
            await self.accepted(
                word, lambda now=paused: pause_workflow(self.context, workflow_id, paused=now), workflow_id
            )
            await asyncio.sleep(seconds if paused else 0)
        self.journal.paused[workflow_id] += 1

    async def answer(self, task_id: str) -> None:
        """Complete a person's task."""
        request = lambda: complete_task(self.context, task_id, {"ok": True})  # noqa: E731
        if await self.accepted("answer", request, task_id) is not None:
            self.journal.answered.add(task_id)

    # --- events -----------------------------------------------------------------------------------------------------

    async def send(self, request: EventRequest) -> None:
        """Submit an event."""
        await self.accepted("event", lambda: submit_event(self.context, request), str(request.event_id))
        self.journal.events.add(str(request.event_id))

    async def _send(self, order: Order, index: int, sent: Sent) -> None:
        key = f"o-{order.number}"
        payload = {"n": sent.n, "order": key, "text": "x" * sent.characters}
        # Every second one leaves it to the paths of the tenant to find its key.
        request = EventRequest(sent.name, payload, key if index % 2 else None, event_id=f"{key}-{index}")
        if sent.how == "committed late":
            await self._in_a_transaction(lambda rows: submit_event(self.context, request, rows), 3.0)
        await asyncio.gather(*(self.send(request) for _ in range(3 if sent.how == "thrice at once" else 1)))
        if sent.how == "with other content":
            other = EventRequest(sent.name, {"n": -1}, key, event_id=request.event_id)
            taken = await self.accepted("other content", lambda: submit_event(self.context, other))
            # After a restore the first one may be gone.
            if taken is not None and not self.journal.rows_lost:
                self.journal.found.append(Violation("events", f"{request.event_id} was accepted with other content"))

    # --- how --------------------------------------------------------------------------------------------------------

    async def _in_a_transaction(self, work: Callable[[CallersConnection], Awaitable[Any]], seconds: float) -> None:
        """Do it in a transaction of the caller's, which is committed so many seconds later, or lost; then it is done again."""
        with suppress(psycopg.Error, EngineError):
            async with await psycopg.AsyncConnection.connect(_plain(self.url)) as connection:
                await work(connection)
                await asyncio.sleep(seconds)
                await connection.commit()
                self.journal.counts["transaction of a caller"] += 1

    async def accepted(self, word: str, request: Callable[[], Awaitable[T]], about: str = "") -> T | None:
        """Repeat a request until it is accepted; None when it was refused. Whatever else comes of it is a violation."""
        try:
            async with asyncio.timeout(ACCEPTED_SECONDS):
                while True:
                    try:
                        answer = await request()
                    except Unavailable as away:
                        self.journal.counts["told that a server is away"] += 1
                        self.journal.tell(f"{word} {about}: {away.code}")
                    except Conflict as refused:
                        if refused.code not in NOT_NOW:
                            self.journal.note(f"{word} refused", f"{about}: {refused.code}")
                            return None
                    else:
                        self.journal.note(word, about)
                        return answer
                    await asyncio.sleep(0.3)
        except TimeoutError:
            self.journal.found.append(Violation("answers", f"{word} {about} was not answered in {ACCEPTED_SECONDS} s"))
        except NotFound as unknown:
            # After a restore there may be no such run or task any more.
            if not self.journal.rows_lost:
                self.journal.found.append(Violation("answers", f"{word} {about}: {unknown}"))
        except Exception as error:  # noqa: BLE001 - a program is told of everything in the engine's own words
            self.journal.found.append(Violation("answers", f"{word} {about}: {type(error).__name__}: {error}"[:2000]))
        return None


class _Locked:
    def __init__(self, url: str, run_id: str) -> None:
        self._url, self._run_id = url, run_id
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def __aenter__(self) -> None:
        with suppress(psycopg.Error):
            self._connection = await psycopg.AsyncConnection.connect(_plain(self._url))
            statement = "SELECT 1 FROM workflow_runs WHERE run_id = %s FOR UPDATE"
            await self._connection.execute(statement, [self._run_id])

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                await self._connection.close()


def _plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
