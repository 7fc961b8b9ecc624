"""What every backend answers about runs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from engine.errors import Invalid, NotFound
from engine.records import (
    LISTED_LAUNCH_STATES,
    PLACEHOLDER,
    AttemptStatus,
    LogLevel,
    LogQuery,
    RunFilter,
    RunOrder,
    RunRow,
    RunStatus,
    Step,
    StepStatus,
    WaitKind,
    WaitStatus,
)
from runstudio_tui.domain.definition import BLOCKS, definition_tree
from runstudio_tui.domain.executions import Executions
from runstudio_tui.domain.jsonview import value_at
from runstudio_tui.ports import RunsPort

from .conftest import Scenario, refuses

NOBODY = "0198c2aa-0000-7000-8000-000000000000"


@pytest.fixture
def scenario(shared_scenario: Scenario) -> Scenario:
    return shared_scenario


async def everything(port: RunsPort, query: RunFilter, limit: int = 7) -> list[RunRow]:
    """All rows of a query, page by page."""
    rows: list[RunRow] = []
    after: str | None = None
    while True:
        page = await port.list(query, after=after, limit=limit)
        assert len(page.rows) <= limit
        rows += page.rows
        if page.next is None:
            return rows
        assert page.rows
        after = page.next


@pytest.mark.parametrize("order", list(RunOrder))
async def test_pages_have_every_run_once_in_order(scenario: Scenario, order: RunOrder) -> None:
    rows = await everything(scenario.backend.runs, RunFilter(order=order))
    assert len(rows) == len({row.run_id for row in rows}) == scenario.total
    by_update = order in (RunOrder.UPDATED_ASC, RunOrder.UPDATED_DESC)
    keys = [(row.updated_at if by_update else row.started_at, row.run_id) for row in rows]
    assert all(at.tzinfo is not None for at, _ in keys)
    assert keys == sorted(keys, reverse=order in (RunOrder.STARTED_DESC, RunOrder.UPDATED_DESC))


async def test_a_cursor_of_another_making_is_refused(scenario: Scenario) -> None:
    with refuses(Invalid, "CURSOR_INVALID", "The cursor does not belong to this query."):
        await scenario.backend.runs.list(after="not a cursor", limit=10)


async def test_every_filter_keeps_what_it_says(scenario: Scenario) -> None:
    port = scenario.backend.runs
    for status in RunStatus:
        rows = await everything(port, RunFilter(statuses=frozenset({status})))
        assert all(row.status is status for row in rows)
    waiting = await everything(port, RunFilter(waiting_on=frozenset({WaitKind.EVENT})))
    assert scenario.waiting in {row.run_id for row in waiting}
    assert all(row.wait is not None and row.wait.kind is WaitKind.EVENT for row in waiting)
    failed = await everything(port, RunFilter(error_code=scenario.failed_code))
    assert scenario.failed in {row.run_id for row in failed}
    assert all(row.error_code == scenario.failed_code for row in failed)
    by_key = await everything(port, RunFilter(wait_key=scenario.waiting_key))
    assert scenario.waiting in {row.run_id for row in by_key}
    assert [row.run_id for row in await everything(port, RunFilter(run_id_prefix=scenario.waiting))] == [
        scenario.waiting
    ]
    mine = await everything(port, RunFilter(workflow=scenario.workflow_id))
    assert mine
    assert all(row.workflow_id == scenario.workflow_id for row in mine)
    assert all(row.version == scenario.version for row in await everything(port, RunFilter(version=scenario.version)))
    assert all((row.attempt or 0) >= 2 for row in await everything(port, RunFilter(min_attempt=2)))
    assert await everything(port, RunFilter(replay_of=NOBODY)) == []
    assert await everything(port, RunFilter(parent=NOBODY)) == []
    assert await everything(port, RunFilter(event_id="no such event")) == []
    for launch in LISTED_LAUNCH_STATES:
        assert all(row.launch_state == launch for row in await everything(port, RunFilter(launch=launch)))


async def test_time_ranges_are_half_open(scenario: Scenario) -> None:
    port = scenario.backend.runs
    rows = await everything(port, RunFilter())
    middle = rows[len(rows) // 2].started_at
    newer = await everything(port, RunFilter(started_from=middle))
    older = await everything(port, RunFilter(started_before=middle))
    assert {row.run_id for row in newer} | {row.run_id for row in older} == {row.run_id for row in rows}
    assert not {row.run_id for row in newer} & {row.run_id for row in older}


@pytest.mark.parametrize(
    "text", ["%", "_", "'; DROP TABLE workflow_runs; --", "\\", '"', "a\x00b", "\x1b[2J", "日本", "x" * 5000]
)
async def test_hostile_filters_are_only_text(scenario: Scenario, text: str) -> None:
    port = scenario.backend.runs
    conditions: tuple[dict[str, Any], ...] = (
        {"text": text},
        {"workflow": text},
        {"wait_key": text},
        {"error_code": text},
        {"run_id_prefix": text},
        {"event_id": text},
        {"parent": text},
    )
    for condition in conditions:
        # A filter may also say that no such thing can exist.
        with suppress(Invalid):
            assert await everything(port, RunFilter(**condition)) == []


async def test_counts_agree_with_the_pages(scenario: Scenario) -> None:
    port = scenario.backend.runs
    counts = await port.counts(RunFilter(statuses=frozenset({RunStatus.FAILED})))
    rows = await everything(port, RunFilter())
    for status in RunStatus:
        assert counts.of(status).value == sum(1 for row in rows if row.status is status)
    assert set(counts.by_status) == set(RunStatus)
    stuck = await everything(port, RunFilter(stuck=True))
    assert counts.stuck.value == len(stuck)
    assert {row.run_id for row in stuck} == {row.run_id for row in rows if row.stuck_at(counts.server_now)}


async def test_an_action_is_due_only_while_it_runs(scenario: Scenario) -> None:
    rows = await everything(scenario.backend.runs, RunFilter())
    assert {row.status for row in rows if row.step_due_at is not None} <= {RunStatus.RUNNING}
    assert all(row.attempt and row.step_due_at > row.updated_at for row in rows if row.step_due_at is not None)
    waiting = next(row for row in rows if row.run_id == scenario.waiting)
    assert not waiting.stalled_at((await scenario.backend.system.session()).server_now)


async def test_rows_are_read_again_by_id(scenario: Scenario) -> None:
    port = scenario.backend.runs
    asked = [scenario.succeeded, NOBODY, scenario.waiting]
    reply = await port.rows(asked)
    assert {row.run_id for row in reply} == {scenario.succeeded, scenario.waiting}
    ended = RunFilter(statuses=frozenset({RunStatus.SUCCEEDED}))
    assert [row.run_id for row in (await port.matching(ended, asked))] == [scenario.succeeded]
    page = await port.list(RunFilter(run_id_prefix=scenario.waiting), limit=1)
    again = next(row for row in reply if row.run_id == scenario.waiting)
    assert replace(again, updated_at=again.started_at) == replace(page.rows[0], updated_at=again.started_at)


async def test_a_row_says_where_it_is(scenario: Scenario) -> None:
    rows = {row.run_id: row for row in await everything(scenario.backend.runs, RunFilter())}
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
    summary = await port.get(scenario.failed)
    assert summary.run_id == scenario.failed
    assert summary.error is not None
    assert summary.error.code == scenario.failed_code
    assert summary.temporal_workflow_id == f"workflow-runtime-v2:run:{scenario.failed}"
    assert summary.server_now - datetime.now(summary.server_now.tzinfo) < timedelta(days=40_000)
    for run_id in (NOBODY, "no id at all", ""):
        with refuses(NotFound, "RUN_NOT_FOUND", f"There is no run {run_id}."):
            await port.get(run_id)


async def test_steps_come_once_and_then_only_what_changed(scenario: Scenario) -> None:
    port = scenario.backend.runs
    executions, after = Executions(), None
    while True:
        page = await port.steps(scenario.succeeded, after=after, limit=2)
        assert len(page.rows) <= 2
        executions.apply(page.rows)
        after = page.cursor
        if not page.more:
            break
    assert len(executions) == (await port.get(scenario.succeeded)).row.step_count
    assert all(step.status is not StepStatus.STARTED for step in executions.all())
    again = await port.steps(scenario.succeeded, after=after, limit=100)
    assert again.rows == ()
    assert not again.more
    whole = Executions()
    whole.apply((await port.steps(scenario.succeeded)).rows)
    assert {step.row_id for step in whole.all()} == {step.row_id for step in executions.all()}


async def test_steps_belong_to_the_definition(scenario: Scenario) -> None:
    port, workflows = scenario.backend.runs, scenario.backend.workflows
    row = (await port.get(scenario.succeeded)).row
    nodes = definition_tree(await workflows.definition(row.workflow_id, row.version))
    paths = {node.path: node for node in nodes}
    top = [step for step in (await port.steps(scenario.succeeded)).rows if step.path in paths]
    assert top
    assert all(paths[step.path].step_id == step.step_id for step in top)
    for asked in (workflows.definition, workflows.payload_schema, workflows.examples):
        with refuses(NotFound, "VERSION_NOT_FOUND", f"{row.workflow_id} has no published version 999999."):
            await asked(row.workflow_id, 999_999)
        with refuses(NotFound, "WORKFLOW_NOT_FOUND", "There is no workflow 'no such workflow'."):
            await asked("no such workflow", 1)


async def executions_of(port: RunsPort, run_id: str) -> Executions:
    """The steps of a run, as the studio knows them."""
    row = (await port.get(run_id)).row
    executions = Executions()
    executions.apply((await port.steps(run_id)).rows)
    executions.run_is_at(None if row.status.ended else row.node_path, row.iteration)
    return executions


def blocks_of(executions: Executions) -> list[Step]:
    return [step for step in executions.all() if step.step_type in BLOCKS]


async def test_s8_a_block_is_written_down_when_it_is_entered_and_spans_what_is_in_it(scenario: Scenario) -> None:
    executions = await executions_of(scenario.backend.runs, scenario.succeeded)
    spans = 0
    for block in blocks_of(executions):
        inside = [step for step in executions.all() if step.path.startswith(f"{block.path}.")]
        assert block.completed_at is not None
        assert all(block.completed_at <= step.started_at for step in inside if step.started_at is not None)
        ends = [step.completed_at for step in inside if step.completed_at is not None]
        assert executions.span(block) == (block.started_at, max([block.completed_at, *ends]))
        spans += bool(ends) and max(ends) > block.completed_at
    assert spans, "no block with anything in it"


async def test_s8_a_block_of_a_live_run_goes_on(scenario: Scenario) -> None:
    executions = await executions_of(scenario.backend.runs, scenario.in_block)
    going_on = [block for block in blocks_of(executions) if executions.status(block) is StepStatus.STARTED]
    assert going_on
    assert all(executions.span(block) == (block.started_at, None) for block in going_on)


async def test_attempts_and_their_bodies(scenario: Scenario) -> None:
    port = scenario.backend.runs
    attempts = await port.attempts(scenario.succeeded)
    assert attempts
    starts = [item.started_at for item in attempts]
    assert starts == sorted(starts, key=str)
    good = next(item for item in attempts if item.status is AttemptStatus.SUCCEEDED)
    body = await port.attempt_body(scenario.succeeded, good.attempt_id)
    assert body.input is not None
    assert body.output is not None
    step = next(
        step
        for step in (await port.steps(scenario.succeeded)).rows
        if (step.path, step.iteration) == (good.path, good.iteration)
    )
    assert good in await port.attempts(scenario.succeeded, step.row_id)
    with refuses(NotFound, "ATTEMPT_NOT_FOUND", "This run has no attempt no such attempt."):
        await port.attempt_body(scenario.succeeded, "no such attempt")


async def test_step_bodies(scenario: Scenario) -> None:
    port = scenario.backend.runs
    failed = next(step for step in (await port.steps(scenario.failed)).rows if step.status is StepStatus.FAILED)
    assert failed.error is not None
    body = await port.step_body(scenario.failed, failed.row_id)
    assert set(body.value) == {"outcome", "error"}
    assert body.value["error"]["message"] == failed.error.message
    with refuses(NotFound, "STEP_NOT_FOUND", "This run has no step row no such step."):
        await port.step_body(scenario.failed, "no such step")


async def test_open_waits_come_first(scenario: Scenario) -> None:
    waits = await scenario.backend.runs.waits(scenario.waiting)
    assert waits[0].status is WaitStatus.WAITING
    assert (waits[0].event_name, waits[0].key) == (scenario.waiting_event, scenario.waiting_key)
    states = [wait.status is WaitStatus.WAITING for wait in waits]
    assert states == sorted(states, reverse=True)
    assert all(wait.resolved_at is not None for wait in waits[1:])


async def test_logs_page_both_ways(scenario: Scenario) -> None:
    port = scenario.backend.runs
    newest = await port.logs(scenario.waiting, limit=1)
    assert len(newest.rows) == 1
    after = await port.logs(scenario.waiting, cursor=newest.newer, limit=100)
    assert after.rows == ()
    found = list(newest.rows)
    older = newest.older
    while older is not None:
        page = await port.logs(scenario.waiting, cursor=older, older=True, limit=1)
        found[:0] = page.rows
        older = page.older
    assert len(found) == len({entry.log_id for entry in found})
    assert [entry.at for entry in found] == sorted(entry.at for entry in found)
    whole = await port.logs(scenario.waiting, limit=500)
    assert [entry.log_id for entry in whole.rows] == [entry.log_id for entry in found]
    assert {type(entry.source) for entry in whole.rows} == {str}
    errors = await port.logs(scenario.waiting, LogQuery(LogLevel.ERROR))
    assert all(entry.level is LogLevel.ERROR for entry in errors.rows)
    nothing = await port.logs(scenario.waiting, LogQuery(text="no line says this %"))
    assert nothing.rows == ()


async def test_payloads_are_redacted_and_say_where(scenario: Scenario) -> None:
    assert (await scenario.backend.runs.get(scenario.waiting)).has_input
    document = await scenario.backend.runs.payload(scenario.waiting)
    assert scenario.masked in document.masked
    assert value_at(document.value, scenario.masked) == PLACEHOLDER
    with refuses(NotFound, "RUN_NOT_FOUND", f"There is no run {NOBODY}."):
        await scenario.backend.runs.payload(NOBODY)


async def test_the_output_of_a_run_that_succeeded(scenario: Scenario) -> None:
    port = scenario.backend.runs
    assert (await port.get(scenario.succeeded)).has_output
    assert (await port.output(scenario.succeeded)).value is not None
    with refuses(NotFound, "OUTPUT_NOT_STORED", "This run has no output."):
        await port.output(scenario.waiting)
