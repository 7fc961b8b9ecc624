"""What every backend does, refuses, and tells about itself."""

from __future__ import annotations

import asyncio

import pytest

from runstudio_tui.domain.catalog import CancelRequest, CancelResult, Change, Level, PartState, StartRequest
from runstudio_tui.domain.models import RunId, RunStatus
from runstudio_tui.domain.query import RunQuery
from runstudio_tui.ports import Conflict, Invalid, NotFound, TooLarge

from .conftest import Scenario

NOBODY = RunId("0198c2aa-0000-7000-8000-000000000000")


@pytest.fixture
def scenario(own_scenario: Scenario) -> Scenario:
    return own_scenario


def request(scenario: Scenario, key: str, payload: object = None) -> StartRequest:
    """A start of the scenario's workflow."""
    return StartRequest(scenario.workflow_id, scenario.version, scenario.valid if payload is None else payload, key)


async def test_the_catalog_offers_what_can_be_started(scenario: Scenario) -> None:
    catalog = scenario.backend.catalog
    workflows = {info.workflow_id: info for info in (await catalog.workflows()).value}
    assert workflows[scenario.workflow_id].published_version == scenario.version
    versions = [info.version for info in (await catalog.versions(scenario.workflow_id)).value]
    assert versions == sorted(versions, reverse=True)
    assert scenario.version in versions
    assert isinstance((await catalog.payload_schema(scenario.workflow_id, scenario.version)).value, dict)
    await catalog.examples(scenario.workflow_id, scenario.version)
    latest = (await catalog.latest_input(scenario.workflow_id)).value
    assert latest is not None
    assert (await scenario.backend.runs.summary(latest.run_id)).value.row.workflow_id == scenario.workflow_id
    with pytest.raises(NotFound):
        await catalog.versions("no such workflow")


async def test_payloads_are_checked_before_they_are_sent(scenario: Scenario) -> None:
    catalog = scenario.backend.catalog
    good = await catalog.check_payload(scenario.workflow_id, scenario.version, scenario.valid)
    assert good.value == ()
    bad = await catalog.check_payload(scenario.workflow_id, scenario.version, scenario.invalid)
    assert bad.value
    assert all(issue.message for issue in bad.value)


async def test_a_start_makes_one_run_per_key(scenario: Scenario) -> None:
    control = scenario.backend.control
    first = (await control.start(request(scenario, "contract-key-1"))).value
    again = (await control.start(request(scenario, "contract-key-1"))).value
    assert first.created
    assert not again.created
    assert again.run_id == first.run_id
    other = (await control.start(request(scenario, "contract-key-2"))).value
    assert other.run_id != first.run_id
    row = (await scenario.backend.runs.summary(first.run_id)).value.row
    assert (row.workflow_id, row.version) == (scenario.workflow_id, scenario.version)
    page = await scenario.backend.runs.page(RunQuery(), None, 2)
    assert {entry.run_id for entry in page.rows} == {first.run_id, other.run_id}


async def test_refused_starts_write_nothing_that_runs(scenario: Scenario) -> None:
    control = scenario.backend.control
    with pytest.raises(Invalid) as refused:
        await control.start(request(scenario, "contract-key-3", scenario.invalid))
    assert refused.value.issues
    with pytest.raises((NotFound, Conflict)):
        await control.start(StartRequest(scenario.workflow_id, 999_999, scenario.valid, "contract-key-4"))
    with pytest.raises(NotFound):
        await control.start(StartRequest("no such workflow", 1, {}, "contract-key-5"))
    with pytest.raises((TooLarge, Invalid)):
        await control.start(request(scenario, "contract-key-6", {**scenario.valid, "order_id": "x" * 600_000}))
    live = RunQuery(statuses=frozenset({RunStatus.RUNNING, RunStatus.WAITING}), workflow=scenario.workflow_id)
    before = {row.run_id for row in (await scenario.backend.runs.page(live, None, 100)).rows}
    assert scenario.waiting in before


async def test_cancel_and_cancel_again(scenario: Scenario) -> None:
    control = scenario.backend.control
    first = await control.cancel(CancelRequest(scenario.waiting, "contract test", "cancel-1"))
    assert first.value in (CancelResult.CANCELED, CancelResult.REQUESTED)
    async with asyncio.timeout(60):
        while not (row := (await scenario.backend.runs.summary(scenario.waiting)).value.row).status.ended:
            assert row.cancel_requested_at is not None
            await asyncio.sleep(0.05)
    assert row.status is RunStatus.CANCELED
    again = await control.cancel(CancelRequest(scenario.waiting, "contract test", "cancel-2"))
    assert again.value is CancelResult.ALREADY_ENDED
    waits = (await scenario.backend.runs.waits(scenario.waiting)).value
    assert all(wait.status.value != "WAITING" for wait in waits)


async def test_cancels_that_cannot_be(scenario: Scenario) -> None:
    control = scenario.backend.control
    with pytest.raises(NotFound):
        await control.cancel(CancelRequest(NOBODY, "contract test", "cancel-3"))
    ended = await control.cancel(CancelRequest(scenario.succeeded, "contract test", "cancel-4"))
    assert ended.value is CancelResult.ALREADY_ENDED
    assert (await scenario.backend.runs.summary(scenario.succeeded)).value.row.status is RunStatus.SUCCEEDED


async def test_who_is_looking_and_how_the_parts_are(scenario: Scenario) -> None:
    session = (await scenario.backend.system.session()).value
    assert session.actor
    assert session.place
    assert session.level in Level
    parts = {part.name: part.state for part in (await scenario.backend.system.health()).value.parts}
    assert {"postgres", "temporal", "workers"} <= set(parts)
    assert parts["postgres"] is PartState.OK


async def test_why_a_run_is_not_moving(scenario: Scenario) -> None:
    diagnosis = (await scenario.backend.system.diagnose(scenario.waiting)).value
    assert diagnosis.run_id == scenario.waiting
    assert diagnosis.findings
    assert any(scenario.waiting_event in finding.sentence for finding in diagnosis.findings)
    with pytest.raises(NotFound):
        await scenario.backend.system.diagnose(NOBODY)


async def test_a_start_is_noticed(scenario: Scenario) -> None:
    changes: asyncio.Queue[Change] = asyncio.Queue()

    async def listen() -> None:
        async for change in scenario.backend.feed.changes():
            changes.put_nowait(change)

    listening = asyncio.create_task(listen())
    async with asyncio.timeout(60):
        # Nobody says when a feed has begun to listen, but from the first change on it does.
        number = 0
        while changes.empty():
            await scenario.backend.control.start(request(scenario, f"contract-key-7-{number}"))
            await asyncio.sleep(0.05)
            number += 1
        started = (await scenario.backend.control.start(request(scenario, "contract-key-8"))).value
        # A notice without an id is about any run.
        while (await changes.get()).run_id not in (started.run_id, None):
            pass
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_opening_and_closing_twice_is_harmless(scenario: Scenario) -> None:
    await scenario.backend.open()
    await scenario.backend.close()
    await scenario.backend.close()
    await scenario.backend.open()
    assert (await scenario.backend.runs.page(RunQuery(), None, 1)).rows
