"""A primary that is taken away under load, and takes writes again later: it is read-only meanwhile, as a standby is."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from engine.errors import Conflict, Unavailable
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.runs.cancel import cancel_run
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from tests.engine.workflow.harness import PATIENCE_SECONDS, Run
from tests.engine.workflow.steps import call, call_workflow, for_each, retried, wait_event, wait_time
from tests.faults.installation import Installation
from tests.faults.stalls import read_only
from tests.imported import Start, logged

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

Answer = TypeVar("Answer")
TOLD = {"POSTGRES_READ_ONLY", "POSTGRES_UNREACHABLE", "POSTGRES_BUSY"}
STEPS = [
    call("q", "ledger.quick"),
    for_each("l", "[1, 2, 3]", [call("i", "ledger.inside"), call("o", "ledger.ordinary", seconds=0.2)]),
    retried(call("f", "ledger.flaky", failures=1), backoffMs=300),
    wait_event("w", "GO", key="payload.order"),
    call_workflow("c", "wf.child"),
    wait_time("t", 500),
    call("p", "ledger.ordinary", seconds=0.1),
]
OUTSIDE, INSIDE = 7, 4
"""Effects of one run and its child: in the ledger, and in our own database."""
OLD_SESSIONS = """
    SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND query NOT LIKE 'LISTEN%'
        AND backend_start < to_timestamp(CAST(:since AS float))
"""


@dataclass
class Callers:
    """Programs that ask again until they are let in, and what they were told before."""

    refused: Counter[str] = field(default_factory=Counter)
    told: dict[str, str] = field(default_factory=dict)
    """The last message of each code."""

    async def accepted(self, what: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer, however long it takes."""
        async with asyncio.timeout(10 * PATIENCE_SECONDS):
            while True:
                try:
                    return await ask()
                except Unavailable as refusal:
                    self.refused[what] += 1
                    self.told[refusal.code] = refusal.message
                    await asyncio.sleep(0.5)

    async def are_refused(self, *whats: str) -> None:
        """Wait until each was refused."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while any(not self.refused[what] for what in whats):  # noqa: ASYNC110 # they are tasks of their own
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("seconds", "runs"),
    [(12, 24), pytest.param(60, 240, marks=pytest.mark.hours)],
    ids=["longer than local tries last", "a minute, longer than leases last"],
)
async def test_it_is_read_only_for_a_while(installation: Installation, seconds: int, runs: int) -> None:
    bench, context, callers = installation.bench, installation.context, Callers()
    await bench.publish([call("k", "ledger.quick"), call("n", "ledger.inside")], "wf.child")
    await bench.publish(STEPS)
    await bench.publish([call("q", "ledger.quick"), wait_event("w", "NEVER")], "wf.left")

    async def launch(number: int) -> Run:
        request = LaunchRequest("wf.main", {"order": f"o-{number}"}, idempotency_key=f"o-{number}")
        started = await callers.accepted("launch", lambda: launch_published_run(context, request))
        return Run(bench, started.run_id)

    async def send(number: int) -> None:
        event = EventRequest("GO", {"n": number}, f"o-{number}", event_id=f"o-{number}")
        await callers.accepted("event", lambda: submit_event(context, event))

    async def cancel(run: Run) -> None:
        # A cancel that could not be recorded ends its run all the same.
        with suppress(Conflict):
            await callers.accepted("cancel", lambda: cancel_run(context, run.id, "nobody waits", settle_seconds=0))

    async def customer(number: int, after: float) -> Run:
        await asyncio.sleep(after)
        run = await launch(number)
        await send(number)
        return run

    async with installation.worker("worker"):
        left = await installation.launch(6, lambda _: {}, "wf.left")
        for run in left:
            await run.waiting("event")
        early = await asyncio.gather(*(launch(number) for number in range(runs // 2)))
        [switched] = await bench.rows("SELECT extract(epoch FROM clock_timestamp())::float AS at")
        try:
            await read_only(bench.store, "on")
            outage = asyncio.create_task(asyncio.sleep(seconds))
            events = asyncio.gather(*(send(number) for number in range(runs // 2)))
            late = range(runs // 2, runs)
            customers = asyncio.gather(*(customer(n, seconds * (n - late[0]) / len(late)) for n in late))
            cancels = asyncio.gather(*map(cancel, left))
            await callers.are_refused("launch", "event", "cancel")
            await commands_say_so(installation, left[0])
            # Nobody ends the sessions; who keeps them would be pinned to a server that is the primary no more.
            await bench.until(lambda: proved(installation, switched["at"]))
            # And then somebody does, as a fence would.
            await bench.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await outage
        finally:
            await read_only(bench.store, "off")
        await asyncio.gather(cancels, events)
        served = [*early, *await customers]
        assert callers.told.keys() <= TOLD, callers.told
        assert not [message for message in callers.told.values() if "\n" in message]
        await installation.all_ended()
    counted = await installation.account([*served, *left], executed=len(left) + OUTSIDE * runs, inside=INSIDE * runs)
    assert counted == {"SUCCEEDED": runs, "CANCELED": len(left)}


async def proved(installation: Installation, since: float) -> bool:
    """Whether no session is as old as that, but those that only listen."""
    return not await installation.bench.rows(OLD_SESSIONS, since=since)


async def commands_say_so(installation: Installation, run: Run) -> None:
    """Each in one sentence with its code, one of advice, and the exit code of a server that is not there."""
    log = installation.directory / "commands.log"
    variables = {**os.environ, "DATABASE_URL": installation.url, "TEMPORAL_ADDRESS": installation.temporal.address}
    for arguments in (
        ["start", "wf.main"],
        ["events", "submit", "GO"],
        ["runs", "cancel", run.id, "--reason", "nobody waits"],
    ):
        log.unlink(missing_ok=True)
        command = logged(Start("runstudio_tui.cli", arguments, variables), log)
        code = await command.ended(PATIENCE_SECONDS)
        told, advice = log.read_text().splitlines()
        assert (code, told.split(": ")[0]) == (5, "POSTGRES_READ_ONLY"), told
        assert advice.endswith("."), advice
