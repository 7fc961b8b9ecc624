"""More of a run: what it is related to, what was done to it, what its steps are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from engine.errors import Unavailable
from engine.records import RunFilter, RunStatus
from runstudio_tui.backend.fake import FakeBackend
from tests.tui.flows.test_run import copied, failed_invoice, waiting_order


async def test_related_runs_stand_with_their_state_and_open(studio: Any, backend: FakeBackend) -> None:
    run_id, parent = waiting_order(backend), failed_invoice(backend)
    succeeded = backend.world.select(RunFilter(statuses=frozenset({RunStatus.SUCCEEDED})))
    run = backend.world.runs[run_id]
    run.row = replace(run.row, parent=parent)
    run.details = replace(run.details, root=succeeded[0].run_id)
    child = backend.world.runs[succeeded[1].run_id]
    child.row = replace(child.row, parent=run_id)
    again = backend.world.runs[succeeded[2].run_id]
    again.row = replace(again.row, replay_of=run_id)
    async with studio(size=(120, 36), run_id=run_id) as session:
        await session.press("v")
        for label, state in (
            ("replay of", "✖ failed"),
            ("replayed by", "✔ succeeded"),
            ("parent", "✖ failed"),
            ("root", "✔ succeeded"),
            ("child", "✔ succeeded"),
        ):
            assert state in session.line(f"│  {label} ")
        await session.press("slash")
        await session.type("parent")
        await session.press("enter", "enter")
        assert session.screen.run_id == parent


async def test_related_runs_are_read_when_they_are_looked_at(studio: Any, backend: FakeBackend) -> None:
    run_id = waiting_order(backend)
    async with studio(size=(120, 36), run_id=run_id) as session:
        assert backend.called("runs.related") == []
        backend.fail_next("runs.related", Unavailable("POSTGRES_UNREACHABLE", "Postgres cannot be reached."))
        await session.press("v")
        assert "Postgres cannot be reached." in session.text
        await session.pass_time(4.1)
        assert "replay of" in session.text.split("Related runs")[1]


async def test_what_was_done_to_a_run(studio: Any, backend: FakeBackend) -> None:
    run_id = failed_invoice(backend)
    run = backend.world.runs[run_id]
    async with studio(size=(120, 36), run_id=run_id) as session:
        await session.press("u")
        assert "run start  admin (admin)" in session.text
        assert "u Audit" in session.text
        assert '{"workflowVersion": 2,' in session.text
        for number in range(40):
            run.note(
                backend.world.now() + timedelta(seconds=number), backend.world.session, "workflow_run_cancel", "why"
            )
        await session.press("ctrl+r")
        assert "run cancel  admin (admin)" in session.text
        assert "reason       why" in session.text
        await session.press("end")
        assert "older entries: enter" in session.text
        asked = len(backend.called("runs.audit"))
        await session.press("enter")
        assert len(backend.called("runs.audit")) == asked + 1
        await session.press("end")
        assert "run start  admin (admin)" in session.text
        assert "older entries" not in session.text


async def test_a_run_nobody_touched_and_an_audit_that_cannot_be_read(studio: Any, backend: FakeBackend) -> None:
    backend.fail_next("runs.audit", Unavailable("POSTGRES_UNREACHABLE", "Postgres cannot be reached."))
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await session.press("u")
        assert "Postgres cannot be reached." in session.text
        await session.pass_time(4.1)
        assert "Nobody has done anything to this run" in session.text


async def test_the_definition_follows_the_step(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await session.press("D")
        assert '"eventName": "carrier.picked_up"' in session.text
        await session.press("up", "up")
        assert '"actionId": "crm.note"' in session.text
        assert '"$expr": "payload.customer.name"' in session.text
        await session.press("down")
        assert '"condition"' in session.text
        await session.press("home", "down", "down")
        assert '"itemVar": "line"' in session.text
        await session.press("tab", "Y")
        assert '"itemVar": "line"' in copied(session)


async def test_more_leads_to_audit_and_definition(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        for line, shown in (("who did what", "Nobody has done anything"), ("of the step", '"eventName"')):
            await session.press("v", "slash")
            await session.type(line)
            await session.press("enter", "enter")
            assert shown in session.text


async def test_a_definition_that_is_gone(studio: Any, backend: FakeBackend) -> None:
    backend.world.workflows["order-fulfilment"].definitions.clear()
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await session.press("D")
        assert "The definition of this version is not there any more." in session.text
