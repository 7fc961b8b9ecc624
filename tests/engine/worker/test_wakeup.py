"""Waking up by notifications, which everybody who may connect can send."""

from __future__ import annotations

import asyncio

import psycopg
from sqlalchemy import make_url

from engine.ids import new_id
from engine.store.database.notifications import EVENTS
from engine.worker.parts import PartReport
from engine.worker.wakeup import GAP_SECONDS, Wakeup
from tests.engine.operations.conftest import Execute

TIMES = 40


async def test_a_login_for_reports_cannot_keep_a_worker_running_in_circles(
    direct_database_url: str, execute: Execute
) -> None:
    login = f"reports_{new_id().replace('-', '')}"
    await execute(f"CREATE ROLE {login} LOGIN IN ROLE runstudio_reader")
    url = make_url(direct_database_url).set(drivername="postgresql", username=login).render_as_string(False)
    report, loop = PartReport("eventStream", 20.0, asyncio.Event()), asyncio.get_running_loop()
    wakeup = Wakeup(direct_database_url, EVENTS, application_name="a test")

    async def flood() -> None:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as theirs:
            while True:
                await theirs.execute("SELECT pg_notify('runstudio_events', 'no tenant')")

    flooding = asyncio.create_task(flood())
    try:
        async with wakeup.listening(report):
            await wakeup.rest(report, 60.0)
            began = loop.time()
            for _ in range(TIMES):
                wakeup.clear()
                await wakeup.rest(report, 60.0)
            assert loop.time() - began >= (TIMES - 1) * GAP_SECONDS
    finally:
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
        await execute(f"DROP ROLE {login}")
