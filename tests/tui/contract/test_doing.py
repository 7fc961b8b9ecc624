"""What every backend does, refuses, and tells about itself."""

from __future__ import annotations

import asyncio

import pytest

from engine.errors import Conflict, Invalid, NotFound
from engine.records import Change, Json, Level, PartState, RunFilter, RunStatus, SchemaIssue, Started, WaitStatus
from runstudio_tui.store.flows import RUN_ENDED

from .conftest import Scenario, refuses

NOBODY = "0198c2aa-0000-7000-8000-000000000000"


@pytest.fixture
def scenario(own_scenario: Scenario) -> Scenario:
    return own_scenario


async def start(scenario: Scenario, key: str, payload: Json = None, *, version: int | None = None) -> Started:
    """Start the scenario's workflow as the studio does."""
    return await scenario.backend.runs.start(
        scenario.workflow_id,
        scenario.valid if payload is None else payload,
        version=version or scenario.version,
        idempotency_key=key,
        keep_refused=False,
    )


async def test_the_catalog_offers_what_can_be_started(scenario: Scenario) -> None:
    catalog = scenario.backend.workflows
    workflows = {info.workflow_id: info for info in await catalog.list()}
    found = workflows[scenario.workflow_id]
    assert (found.name, found.published_version, found.paused) == (scenario.workflow_id, scenario.version, False)
    assert all(info.trigger is None or info.trigger_text for info in workflows.values())
    versions = [info.version for info in await catalog.versions(scenario.workflow_id)]
    assert versions == sorted(versions, reverse=True)
    assert scenario.version in versions
    assert isinstance(await catalog.payload_schema(scenario.workflow_id, scenario.version), dict)
    await catalog.examples(scenario.workflow_id, scenario.version)
    latest = await catalog.latest_input(scenario.workflow_id)
    assert latest is not None
    assert (await scenario.backend.runs.get(latest.run_id)).row.workflow_id == scenario.workflow_id
    with refuses(NotFound, "WORKFLOW_NOT_FOUND", "There is no workflow 'no such workflow'."):
        await catalog.versions("no such workflow")


async def test_payloads_are_checked_before_they_are_sent(scenario: Scenario) -> None:
    catalog = scenario.backend.workflows
    assert await catalog.check_payload(scenario.workflow_id, scenario.version, scenario.valid) == ()
    bad = await catalog.check_payload(scenario.workflow_id, scenario.version, scenario.invalid)
    assert bad
    assert all(issue.message for issue in bad)
    with refuses(NotFound, "VERSION_NOT_FOUND", f"{scenario.workflow_id} has no published version 999999."):
        await catalog.check_payload(scenario.workflow_id, 999_999, scenario.valid)


async def test_a_start_makes_one_run_per_key(scenario: Scenario) -> None:
    first = await start(scenario, "contract-key-1")
    again = await start(scenario, "contract-key-1")
    assert first.created
    assert not again.created
    assert again.run_id == first.run_id
    assert first.version == again.version == scenario.version
    other = await start(scenario, "contract-key-2")
    assert other.run_id != first.run_id
    row = (await scenario.backend.runs.get(first.run_id)).row
    assert (row.workflow_id, row.version) == (scenario.workflow_id, scenario.version)
    page = await scenario.backend.runs.list(limit=2)
    assert {entry.run_id for entry in page.rows} == {first.run_id, other.run_id}


async def test_refused_starts_write_nothing_that_runs(scenario: Scenario) -> None:
    before = {row.run_id for row in (await scenario.backend.runs.list(limit=500)).rows}
    with pytest.raises(Invalid) as refused:
        await start(scenario, "contract-key-3", scenario.invalid)
    assert refused.value.code == "PAYLOAD_REJECTED"
    assert "runId" not in refused.value.details
    issues = [SchemaIssue(**issue) for issue in refused.value.details["issues"]]
    assert issues
    assert all(issue.message for issue in issues)
    with pytest.raises(NotFound) as unknown:
        await start(scenario, "contract-key-4", version=999_999)
    assert unknown.value.code == "VERSION_NOT_FOUND"
    with pytest.raises(NotFound) as unknown:
        await scenario.backend.runs.start("no such workflow", {}, version=1, idempotency_key="contract-key-5")
    assert unknown.value.code == "WORKFLOW_NOT_FOUND"
    with pytest.raises(Invalid) as large:
        await start(scenario, "contract-key-6", {**scenario.valid, "order_id": "x" * 600_000})
    assert (large.value.code, large.value.details["limit"]) == ("PAYLOAD_TOO_LARGE", 512 * 1024)
    assert {row.run_id for row in (await scenario.backend.runs.list(limit=500)).rows} == before
    live = RunFilter(statuses=frozenset({RunStatus.RUNNING, RunStatus.WAITING}), workflow=scenario.workflow_id)
    assert scenario.waiting in {row.run_id for row in (await scenario.backend.runs.list(live, limit=100)).rows}


async def test_cancel_and_cancel_again(scenario: Scenario) -> None:
    runs = scenario.backend.runs
    first = await runs.cancel(scenario.waiting, "contract test")
    assert first.run_id == scenario.waiting
    assert first.outcome in ("canceled", "requested")
    async with asyncio.timeout(60):
        while not (row := (await runs.get(scenario.waiting)).row).status.ended:
            assert row.cancel_requested_at is not None
            await asyncio.sleep(0.05)
    assert row.status is RunStatus.CANCELED
    with refuses(Conflict, RUN_ENDED, f"Run {scenario.waiting} has already ended as CANCELED."):
        await runs.cancel(scenario.waiting, "contract test")
    waits = await runs.waits(scenario.waiting)
    assert WaitStatus.CANCELED in {wait.status for wait in waits}
    assert WaitStatus.WAITING not in {wait.status for wait in waits}


async def test_cancels_that_cannot_be(scenario: Scenario) -> None:
    runs = scenario.backend.runs
    with refuses(NotFound, "RUN_NOT_FOUND", f"There is no run {NOBODY}."):
        await runs.cancel(NOBODY, "contract test")
    with refuses(Conflict, RUN_ENDED, f"Run {scenario.succeeded} has already ended as SUCCEEDED."):
        await runs.cancel(scenario.succeeded, "contract test")
    assert (await runs.get(scenario.succeeded)).status is RunStatus.SUCCEEDED


async def test_who_is_looking_and_how_the_parts_are(scenario: Scenario) -> None:
    session = await scenario.backend.system.session()
    assert session.actor
    assert session.place
    assert session.level in Level
    assert session.server_now.tzinfo is not None
    health = await scenario.backend.system.health()
    assert health.server_now is not None
    parts = {part.name: part.state for part in health.parts}
    assert {"postgres", "temporal", "workers"} <= set(parts)
    assert parts["postgres"] is PartState.OK


async def test_why_a_run_is_not_moving(scenario: Scenario) -> None:
    diagnosis = await scenario.backend.runs.why(scenario.waiting)
    assert (diagnosis.run_id, diagnosis.status) == (scenario.waiting, RunStatus.WAITING)
    assert diagnosis.findings
    assert any(scenario.waiting_event in finding.sentence for finding in diagnosis.findings)
    with refuses(NotFound, "RUN_NOT_FOUND", f"There is no run {NOBODY}."):
        await scenario.backend.runs.why(NOBODY)


async def test_a_start_is_noticed(scenario: Scenario) -> None:
    changes: asyncio.Queue[Change] = asyncio.Queue()

    async def listen() -> None:
        async for change in scenario.backend.system.changes():
            changes.put_nowait(change)

    listening = asyncio.create_task(listen())
    async with asyncio.timeout(60):
        # Nobody says when a feed has begun to listen, but from the first change on it does.
        number = 0
        while changes.empty():
            await start(scenario, f"contract-key-7-{number}")
            await asyncio.sleep(0.05)
            number += 1
        started = await start(scenario, "contract-key-8")
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
    assert (await scenario.backend.runs.list(limit=1)).rows
