"""What is hidden in one place of a run is hidden wherever it was copied to, in every answer of the front door that shows data."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import pytest
import pytest_asyncio

from engine import Engine, EventFilter, ExportFormat, RunFilter
from engine.operations.actor import Actor
from engine.operations.alerts.alerts import find_and_put
from engine.operations.context import OperationContext
from engine.records import ItemState, Revealable
from engine.settings import Settings
from engine.store.database.engine import create_store_engine
from engine.temporal.connection import TemporalConnection
from tests.engine.client.copies import (
    ATTEMPT,
    CHILD,
    EVENT,
    EVENT_ID,
    JOB,
    NAMED_ATTEMPT,
    OUTPUT,
    PAYLOAD,
    RUN,
    SCHEDULE,
    SECRETS,
    STARTED_RUN,
    STARTING_ID,
    STEP,
    TASK,
    forms,
    insert_copies,
    leaks,
)
from tests.engine.devstack.ports import silent_port

Ask = Callable[[Engine], Awaitable[Any]]
READINGS: Final[dict[str, Ask]] = {
    "runs": lambda e: e.runs.list(),
    "runs by id": lambda e: e.runs.rows([RUN, CHILD, STARTED_RUN]),
    "runs that match": lambda e: e.runs.matching(RunFilter(), [RUN, CHILD]),
    "a run": lambda e: e.runs.get(RUN),
    "a child": lambda e: e.runs.get(CHILD),
    "a run that an event started": lambda e: e.runs.get(STARTED_RUN),
    "steps": lambda e: e.runs.steps(RUN),
    "a step": lambda e: e.runs.step_body(RUN, STEP),
    "attempts": lambda e: e.runs.attempts(RUN),
    "an attempt": lambda e: e.runs.attempt_body(RUN, ATTEMPT),
    "an attempt with a named secret": lambda e: e.runs.attempt_body(RUN, NAMED_ATTEMPT),
    "waits": lambda e: e.runs.waits(RUN),
    "log": lambda e: e.runs.logs(RUN),
    "payload": lambda e: e.runs.payload(RUN),
    "payload of a child": lambda e: e.runs.payload(CHILD),
    "payload of a run that an event started": lambda e: e.runs.payload(STARTED_RUN),
    "output": lambda e: e.runs.output(RUN),
    "related runs": lambda e: e.runs.related(CHILD),
    "audit of a run": lambda e: e.runs.audit(RUN),
    "why": lambda e: e.runs.why(RUN),
    "why of a child": lambda e: e.runs.why(CHILD),
    "export": lambda e: _all(e.runs.export(RUN)),
    "export of a child": lambda e: _all(e.runs.export(CHILD)),
    "list as csv": lambda e: _all(e.runs.export_list(RunFilter(), ExportFormat.CSV)),
    "list as ndjson": lambda e: _all(e.runs.export_list(RunFilter(), ExportFormat.NDJSON)),
    "named runs as csv": lambda e: _all(e.runs.export_list([RUN, CHILD], ExportFormat.CSV)),
    "events": lambda e: e.events.list(EventFilter()),
    "an event": lambda e: e.events.get(EVENT_ID),
    "an event that started a run": lambda e: e.events.get(STARTING_ID),
    "failed deliveries": lambda e: e.events.deliveries(),
    "dead deliveries": lambda e: e.events.deliveries(status="dead"),
    "tasks": lambda e: e.tasks.list(),
    "a task": lambda e: e.tasks.get(TASK),
    "an answered task": lambda e: e.tasks.get(STEP),
    "schedules": lambda e: e.schedules.list(),
    "a schedule": lambda e: e.schedules.get(SCHEDULE),
    "occurrences": lambda e: e.schedules.fires(SCHEDULE),
    "jobs": lambda e: e.jobs.list(),
    "targets of a job": lambda e: e.jobs.items(JOB, ItemState.FAILED),
    "the latest input": lambda e: e.workflows.latest_input("orders"),
    "a replay's input": lambda e: e.runs.replay_base(RUN),
    "attention": lambda e: e.system.attention(),
    "health": lambda e: e.system.health(),
    "messages of alerts": lambda e: e.alerts.messages(),
}


async def _all(parts: AsyncIterator[Any]) -> list[Any]:
    return [part async for part in parts]


@pytest_asyncio.fixture
async def engine(database_url: str) -> AsyncIterator[Engine]:
    """Of a database with the copies, and with a Temporal that does not answer."""
    store = create_store_engine(database_url)
    await insert_copies(store)
    await store.dispose()
    with silent_port() as port:
        async with Engine(database_url=database_url, temporal_address=f"127.0.0.1:{port}") as front_door:
            yield front_door


async def test_no_answer_has_a_copy(engine: Engine) -> None:
    said = {name: repr(await ask(engine)) for name, ask in READINGS.items()}
    assert {name: found for name, answer in said.items() if (found := leaks(answer))} == {}
    shown = {name for name, answer in said.items() if "[REDACTED]" in answer}
    assert {"runs", "tasks", "events", "dead deliveries", "attention", "list as csv", "targets of a job"} <= shown
    for kind, target, secret in ((Revealable.ATTEMPT, ATTEMPT, OUTPUT), (Revealable.PAYLOAD, RUN, PAYLOAD)):
        assert secret in repr(await engine.system.reveal(kind, target, "a customer asked"))


async def test_no_filter_confirms_what_is_hidden(engine: Engine) -> None:
    for wanted in (RunFilter(error_code=f"NO_{PAYLOAD}"), RunFilter(wait_key=EVENT.upper())):
        page = await engine.runs.list(wanted)
        assert (page.rows, page.next) == ((), None)
        assert await engine.runs.matching(wanted, [RUN]) == ()
        counts = await engine.runs.counts(wanted)
        assert sum(count.value for count in counts.by_status.values()) == 0
        assert RUN not in repr(await _all(engine.runs.export_list(wanted, ExportFormat.NDJSON)))
    assert (await engine.events.list(EventFilter(key=EVENT))).rows == ()
    # What is not hidden is found as ever.
    assert [row.run_id for row in (await engine.runs.list(RunFilter(wait_key=TASK))).rows] == [CHILD]
    assert [row.run_id for row in await engine.runs.matching(RunFilter(wait_key=TASK), [RUN, CHILD])] == [CHILD]


async def test_no_alert_has_a_copy(engine: Engine, database_url: str) -> None:
    store = create_store_engine(database_url)
    try:
        with silent_port() as port:
            settings = Settings.load(database_url=database_url, temporal_address=f"127.0.0.1:{port}")
            worker = OperationContext(store, TemporalConnection.from_settings(settings), Actor("worker"))
            assert (await find_and_put(worker)).put > 0
        async with store.connect() as connection:
            bodies = (
                (await connection.exec_driver_sql("SELECT t::text FROM workflow_alert_outbox AS t")).scalars().all()
            )
    finally:
        await store.dispose()
    assert [found for body in bodies if (found := leaks(body))] == []
    assert any("[REDACTED]" in body for body in bodies)


@pytest.mark.parametrize("secret", SECRETS)
def test_the_probe_finds_each_form(secret: str) -> None:
    for form in forms(secret):
        assert leaks(f"... {form} ...") == [secret]
    assert leaks(str(list(secret))) == [secret]
