"""What every backend answers about runs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from runstudio_tui.domain.definition import definition_tree
from runstudio_tui.domain.executions import Executions
from runstudio_tui.domain.jsonview import value_at
from runstudio_tui.domain.models import (
    PLACEHOLDER,
    InvocationId,
    InvocationStatus,
    LogLevel,
    LogQuery,
    RunId,
    RunRow,
    RunStatus,
    StepRowId,
    StepStatus,
    WaitKind,
    WaitStatus,
)
from runstudio_tui.domain.query import RunQuery, Sort
from runstudio_tui.ports import Invalid, NotFound, RunsPort

from .conftest import Scenario

NOBODY = RunId("0198c2aa-0000-7000-8000-000000000000")


@pytest.fixture
def scenario(shared_scenario: Scenario) -> Scenario:
    return shared_scenario


async def everything(port: RunsPort, query: RunQuery, limit: int = 7) -> list[RunRow]:
    """All rows of a query, page by page."""
    rows: list[RunRow] = []
    after: str | None = None
    while True:
        page = await port.page(query, after, limit)
        assert len(page.rows) <= limit
        rows += page.rows
        if page.next is None:
            return rows
        assert page.rows
        after = page.next


@pytest.mark.parametrize("sort", list(Sort))
async def test_pages_have_every_run_once_in_order(scenario: Scenario, sort: Sort) -> None:
    rows = await everything(scenario.backend.runs, RunQuery(sort=sort))
    assert len(rows) == len({row.run_id for row in rows}) == scenario.total
    by_update = sort in (Sort.UPDATED_ASC, Sort.UPDATED_DESC)
    keys = [(row.updated_at if by_update else row.started_at, row.run_id) for row in rows]
    assert all(at is not None and at.tzinfo is not None for at, _ in keys)
    assert keys == sorted(keys, reverse=sort in (Sort.STARTED_DESC, Sort.UPDATED_DESC))  # type: ignore[type-var]  # none is None


async def test_a_cursor_of_another_making_is_refused(scenario: Scenario) -> None:
    with pytest.raises(Invalid):
        await scenario.backend.runs.page(RunQuery(), "not a cursor", 10)


async def test_every_filter_keeps_what_it_says(scenario: Scenario) -> None:
    port = scenario.backend.runs
    for status in RunStatus:
        rows = await everything(port, RunQuery(statuses=frozenset({status})))
        assert all(row.status is status for row in rows)
    waiting = await everything(port, RunQuery(waiting_on=frozenset({WaitKind.EVENT})))
    assert scenario.waiting in {row.run_id for row in waiting}
    assert all(row.wait is not None and row.wait.kind is WaitKind.EVENT for row in waiting)
    failed = await everything(port, RunQuery(error_code=scenario.failed_code))
    assert scenario.failed in {row.run_id for row in failed}
    assert all(row.error_code == scenario.failed_code for row in failed)
    by_key = await everything(port, RunQuery(wait_key=scenario.waiting_key))
    assert scenario.waiting in {row.run_id for row in by_key}
    assert [row.run_id for row in await everything(port, RunQuery(run_id_prefix=scenario.waiting))] == [
        scenario.waiting
    ]
    mine = await everything(port, RunQuery(workflow=scenario.workflow_id))
    assert mine
    assert all(row.workflow_id == scenario.workflow_id for row in mine)
    assert all(row.version == scenario.version for row in await everything(port, RunQuery(version=scenario.version)))
    assert all((row.attempt or 0) >= 2 for row in await everything(port, RunQuery(min_attempt=2)))
    assert await everything(port, RunQuery(replay_of=NOBODY)) == []
    assert await everything(port, RunQuery(parent=NOBODY)) == []
    assert await everything(port, RunQuery(event_id="no such event")) == []


async def test_time_ranges_are_half_open(scenario: Scenario) -> None:
    port = scenario.backend.runs
    rows = await everything(port, RunQuery())
    middle = rows[len(rows) // 2].started_at
    assert middle is not None
    newer = await everything(port, RunQuery(started_from=middle))
    older = await everything(port, RunQuery(started_before=middle))
    assert {row.run_id for row in newer} | {row.run_id for row in older} == {row.run_id for row in rows}
    assert not {row.run_id for row in newer} & {row.run_id for row in older}


@pytest.mark.parametrize(
    "text", ["%", "_", "'; DROP TABLE workflow_runs; --", "\\", '"', "a\x00b", "\x1b[2J", "日本", "x" * 5000]
)
async def test_hostile_filters_are_only_text(scenario: Scenario, text: str) -> None:
    port = scenario.backend.runs
    for query in (
        RunQuery(text=text),
        RunQuery(workflow=text),
        RunQuery(wait_key=text),
        RunQuery(error_code=text),
        RunQuery(run_id_prefix=text),
        RunQuery(event_id=text),
        RunQuery(parent=RunId(text)),
    ):
        # A backend may also say that no such thing can exist.
        with suppress(Invalid):
            assert await everything(port, query) == []


async def test_counts_agree_with_the_pages(scenario: Scenario) -> None:
    port = scenario.backend.runs
    counts = (await port.counts(RunQuery(statuses=frozenset({RunStatus.FAILED})))).value
    rows = await everything(port, RunQuery())
    for status in RunStatus:
        assert counts.of(status).value == sum(1 for row in rows if row.status is status)
    assert counts.stuck.value == len(await everything(port, RunQuery(stuck=True)))


async def test_rows_are_read_again_by_id(scenario: Scenario) -> None:
    port = scenario.backend.runs
    asked = [scenario.succeeded, NOBODY, scenario.waiting]
    reply = await port.rows(asked)
    assert {row.run_id for row in reply.value} == {scenario.succeeded, scenario.waiting}
    ended = RunQuery(statuses=frozenset({RunStatus.SUCCEEDED}))
    assert [row.run_id for row in (await port.matching(ended, asked)).value] == [scenario.succeeded]
    page = await port.page(RunQuery(run_id_prefix=scenario.waiting), None, 1)
    again = next(row for row in reply.value if row.run_id == scenario.waiting)
    assert replace(again, updated_at=None) == replace(page.rows[0], updated_at=None)


async def test_a_row_says_where_it_is(scenario: Scenario) -> None:
    rows = {row.run_id: row for row in await everything(scenario.backend.runs, RunQuery())}
    waiting = rows[scenario.waiting]
    assert waiting.status is RunStatus.WAITING
    assert waiting.step
    assert waiting.wait is not None
    assert (waiting.wait.event_name, waiting.wait.key) == (scenario.waiting_event, scenario.waiting_key)
    assert waiting.wait.since is not None
    failed = rows[scenario.failed]
    assert (failed.status, failed.error_code) == (RunStatus.FAILED, scenario.failed_code)
    assert failed.step
    assert failed.completed_at is not None
    assert rows[scenario.succeeded].step_count > 0


async def test_a_summary_and_one_that_does_not_exist(scenario: Scenario) -> None:
    port = scenario.backend.runs
    reply = await port.summary(scenario.failed)
    assert reply.value.row.run_id == scenario.failed
    assert reply.value.error is not None
    assert reply.value.error.code == scenario.failed_code
    assert reply.value.temporal_workflow_id == f"workflow-runtime-v2:run:{scenario.failed}"
    assert reply.server_now - datetime.now(reply.server_now.tzinfo) < timedelta(days=40_000)
    for run_id in (NOBODY, RunId("no id at all"), RunId("")):
        with pytest.raises(NotFound):
            await port.summary(run_id)


async def test_steps_come_once_and_then_only_what_changed(scenario: Scenario) -> None:
    port = scenario.backend.runs
    executions, after = Executions(), None
    while True:
        page = await port.steps(scenario.succeeded, after, 2)
        assert len(page.rows) <= 2
        executions.apply(page.rows)
        after = page.cursor
        if not page.more:
            break
    assert len(executions) == (await port.summary(scenario.succeeded)).value.row.step_count
    assert all(step.status is not StepStatus.STARTED for step in executions.all())
    again = await port.steps(scenario.succeeded, after, 100)
    assert again.rows == ()
    assert not again.more
    whole = Executions()
    whole.apply((await port.steps(scenario.succeeded, None, 1000)).rows)
    assert {step.row_id for step in whole.all()} == {step.row_id for step in executions.all()}


async def test_steps_belong_to_the_definition(scenario: Scenario) -> None:
    port = scenario.backend.runs
    row = (await port.summary(scenario.succeeded)).value.row
    nodes = definition_tree((await port.definition(row.workflow_id, row.version)).value)
    paths = {node.path: node for node in nodes}
    top = [step for step in (await port.steps(scenario.succeeded, None, 1000)).rows if step.path in paths]
    assert top
    assert all(paths[step.path].step_id == step.step_id for step in top)
    with pytest.raises(NotFound):
        await port.definition(row.workflow_id, 999_999)
    with pytest.raises(NotFound):
        await port.definition("no such workflow", 1)


async def test_tries_and_their_bodies(scenario: Scenario) -> None:
    port = scenario.backend.runs
    everything_tried = (await port.invocations(scenario.succeeded, None)).value
    assert everything_tried
    starts = [item.started_at for item in everything_tried]
    assert starts == sorted(starts, key=str)
    good = next(item for item in everything_tried if item.status is InvocationStatus.SUCCEEDED)
    body = (await port.invocation_body(scenario.succeeded, good.invocation_id)).value
    assert body.input is not None
    assert body.output is not None
    step = next(
        step
        for step in (await port.steps(scenario.succeeded, None, 1000)).rows
        if (step.path, step.iteration) == (good.path, good.iteration)
    )
    assert good in (await port.invocations(scenario.succeeded, step.row_id)).value
    with pytest.raises(NotFound):
        await port.invocation_body(scenario.succeeded, InvocationId("no such try"))


async def test_step_bodies(scenario: Scenario) -> None:
    port = scenario.backend.runs
    failed = next(
        step for step in (await port.steps(scenario.failed, None, 1000)).rows if step.status is StepStatus.FAILED
    )
    assert failed.error is not None
    body = (await port.step_body(scenario.failed, failed.row_id)).value
    assert set(body.value) == {"outcome", "error"}
    assert body.value["error"]["message"] == failed.error.message
    with pytest.raises(NotFound):
        await port.step_body(scenario.failed, StepRowId("no such step"))


async def test_open_waits_come_first(scenario: Scenario) -> None:
    waits = (await scenario.backend.runs.waits(scenario.waiting)).value
    assert waits[0].status is WaitStatus.WAITING
    assert (waits[0].event_name, waits[0].key) == (scenario.waiting_event, scenario.waiting_key)
    states = [wait.status is WaitStatus.WAITING for wait in waits]
    assert states == sorted(states, reverse=True)
    assert all(wait.resolved_at is not None for wait in waits[1:])


async def test_logs_page_both_ways(scenario: Scenario) -> None:
    port = scenario.backend.runs
    newest = await port.logs(scenario.waiting, LogQuery(), None, False, 1)
    assert len(newest.rows) == 1
    after = await port.logs(scenario.waiting, LogQuery(), newest.newer, False, 100)
    assert after.rows == ()
    found = list(newest.rows)
    older = newest.older
    while older is not None:
        page = await port.logs(scenario.waiting, LogQuery(), older, True, 1)
        found[:0] = page.rows
        older = page.older
    assert len(found) == len({entry.log_id for entry in found})
    assert [entry.at for entry in found] == sorted(entry.at for entry in found)
    whole = await port.logs(scenario.waiting, LogQuery(), None, False, 500)
    assert [entry.log_id for entry in whole.rows] == [entry.log_id for entry in found]
    errors = await port.logs(scenario.waiting, LogQuery(LogLevel.ERROR), None, False, 500)
    assert all(entry.level is LogLevel.ERROR for entry in errors.rows)
    nothing = await port.logs(scenario.waiting, LogQuery(text="no line says this %"), None, False, 500)
    assert nothing.rows == ()


async def test_payloads_are_redacted_and_say_where(scenario: Scenario) -> None:
    document = (await scenario.backend.runs.payload(scenario.waiting)).value
    assert scenario.masked in document.masked
    assert value_at(document.value, scenario.masked) == PLACEHOLDER
    with pytest.raises(NotFound):
        await scenario.backend.runs.payload(NOBODY)


async def test_the_output_of_a_run_that_succeeded(scenario: Scenario) -> None:
    port = scenario.backend.runs
    assert (await port.summary(scenario.succeeded)).value.has_output
    assert (await port.output(scenario.succeeded)).value.value is not None
    with pytest.raises(NotFound):
        await port.output(scenario.waiting)
