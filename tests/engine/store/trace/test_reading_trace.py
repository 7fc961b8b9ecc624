"""What a run did, as it is shown: steps as they change, tries, waits, and the log in both directions."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import Invalid, NotFound
from engine.ids import derived_id, new_id
from engine.records import ErrorInfo, LogLevel, LogQuery
from engine.store.tables import (
    workflow_action_invocations,
    workflow_payloads,
    workflow_run_logs,
    workflow_run_steps,
    workflow_run_waits,
)
from engine.store.trace.reading_attempts import attempt_body, run_attempts
from engine.store.trace.reading_logs import run_logs
from engine.store.trace.reading_steps import step_body, steps_page
from engine.store.trace.reading_waits import run_waits
from engine.values.redaction.placeholder import PLACEHOLDER
from tests.engine.store.conftest import TENANT
from tests.engine.store.rows import at, insert, insert_old_run, insert_run


def _step(run_id: str, number: int, **values: Any) -> dict[str, Any]:
    return {
        "run_id": run_id, "step_id": derived_id(run_id, number), "step_path": f"root.steps[{number}]", "visit": 1,
        "definition_step_id": f"step-{number}", "step_type": "action.call", "status": "STARTED", "started_at": at(number),
        **values,
    }  # fmt: skip


def _try(run_id: str, number: int, attempt: int = 1, **values: Any) -> dict[str, Any]:
    return {
        "run_id": run_id, "step_path": f"root.steps[{number}]", "visit": 1, "attempt": attempt, "action_id": "crm.note",
        "action_version": 2, "idempotency_key": new_id(), "status": "FAILED", "created_at": at(attempt), **values,
    }  # fmt: skip


async def _change(engine: AsyncEngine, run_id: str, number: int, **values: Any) -> None:
    async with engine.begin() as connection:
        row = workflow_run_steps.c.step_id == derived_id(run_id, number)
        await connection.execute(update(workflow_run_steps).where(row).values(**values))


async def test_steps_come_in_the_order_they_were_written_and_again_when_they_change(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine)
    await insert(engine, workflow_run_steps, *(_step(run_id, number) for number in range(5)))

    first = await steps_page(engine, TENANT, run_id, limit=3)
    assert [row.step_id for row in first.rows] == ["step-0", "step-1", "step-2"]
    assert first.more
    second = await steps_page(engine, TENANT, run_id, after=first.cursor, limit=3)
    assert [row.step_id for row in second.rows] == ["step-3", "step-4"]
    assert not second.more
    nothing = await steps_page(engine, TENANT, run_id, after=second.cursor)
    assert (nothing.rows, nothing.cursor, nothing.more) == ((), second.cursor, False)

    await _change(
        engine, run_id, 1, status="SUCCEEDED", completed_at=at(9), duration_ms=41, outcome_json={"branch": "then"}
    )
    await insert(engine, workflow_run_steps, _step(run_id, 5))
    changed = await steps_page(engine, TENANT, run_id, after=second.cursor)
    assert [(row.step_id, row.status) for row in changed.rows] == [("step-1", "SUCCEEDED"), ("step-5", "STARTED")]
    assert changed.rows[0].row_id == first.rows[1].row_id
    assert (changed.rows[0].duration_ms, changed.rows[0].outcome) == (41, {"branch": "then"})


async def test_a_run_without_steps_gives_a_cursor_for_those_to_come(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine)
    empty = await steps_page(engine, TENANT, run_id)
    assert (empty.rows, empty.more) == ((), False)
    await insert(engine, workflow_run_steps, _step(run_id, 0))
    assert len((await steps_page(engine, TENANT, run_id, after=empty.cursor)).rows) == 1


async def test_steps_from_before_the_cutover_come_in_the_order_of_their_start(engine: AsyncEngine) -> None:
    run_id = await insert_old_run(engine)
    rows = [_step(run_id, number, visit=0, step_path="root.steps[0].body.steps[0]") for number in (2, 0, 1)]
    async with engine.begin() as connection:
        # As the migration left them: without a number.
        await connection.exec_driver_sql(
            "ALTER TABLE workflow_run_steps DISABLE TRIGGER workflow_run_steps_number_change"
        )
    await insert(engine, workflow_run_steps, *rows)
    await insert(
        engine,
        workflow_action_invocations,
        *(_try(run_id, 0, visit=0, step_path="root.steps[0].body.steps[0]") for _ in range(2)),
    )
    page = await steps_page(engine, TENANT, run_id, limit=2)
    rest = await steps_page(engine, TENANT, run_id, after=page.cursor)
    assert [row.step_id for row in (*page.rows, *rest.rows)] == ["step-0", "step-1", "step-2"]
    assert {(row.visit, row.attempts) for row in page.rows} == {(0, 2)}


async def test_a_step_counts_its_own_tries_and_shows_its_error_masked(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine)
    error = {"category": "ActionError", "code": "E", "message": "m", "details": {"token": "canary"}}
    looped = [_step(run_id, 0, step_id=new_id(), iteration=str(index)) for index in range(2)]
    failed = _step(run_id, 1, status="SUCCEEDED", error_json=error, handled_by="onError-continue", attempt=3)
    await insert(engine, workflow_run_steps, *looped, failed)
    await insert(
        engine,
        workflow_action_invocations,
        _try(run_id, 0, iteration="1"),
        *(_try(run_id, 1, attempt) for attempt in (1, 2, 3)),
    )
    rows = (await steps_page(engine, TENANT, run_id)).rows
    assert [(row.iteration, row.attempts) for row in rows] == [("0", 0), ("1", 1), ("", 3)]
    assert rows[2].handled_by == "onError-continue"
    assert rows[2].error == ErrorInfo("ActionError", "m", "E", details={"token": PLACEHOLDER})
    body = await step_body(engine, TENANT, run_id, failed["step_id"])
    assert body.value == {"outcome": None, "error": {**error, "details": {"token": PLACEHOLDER}}}
    assert body.masked == {"/error/details/token"}
    with pytest.raises(NotFound, match="STEP_NOT_FOUND"):
        await step_body(engine, TENANT, await insert_run(engine), failed["step_id"])


async def test_tries_of_a_step_and_their_bodies(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine)
    await insert(engine, workflow_run_steps, _step(run_id, 0), _step(run_id, 1))
    kept = {
        "payload_id": new_id(),
        "run_id": run_id,
        "size_bytes": 300_000,
        "value_json": {"rows": [1], "secret": "canary"},
    }
    await insert(engine, workflow_payloads, kept)
    invocation_id = new_id()
    await insert(
        engine,
        workflow_action_invocations,
        _try(run_id, 0, 2, invocation_id=invocation_id, status="SUCCEEDED", output_ref=kept["payload_id"],
             input_json={"label": {"$secret": "API_KEY"}}, input_bytes=31, output_bytes=300_000, worker_identity="w@h",
             started_at=at(5), completed_at=at(6)),
        _try(run_id, 0, 1, error_message="first", error_json={"category": "TransientError", "message": "first"}),
        _try(run_id, 1),
    )  # fmt: skip
    listed = await run_attempts(engine, TENANT, run_id, step_row_id=derived_id(run_id, 0))
    assert [(view.attempt, view.status, view.action) for view in listed] == [
        (1, "FAILED", "crm.note@2"),
        (2, "SUCCEEDED", "crm.note@2"),
    ]
    assert listed[0].error == ErrorInfo("TransientError", "first")
    assert (listed[1].worker, listed[1].input_bytes, listed[1].output_bytes) == ("w@h", 31, 300_000)
    assert len(await run_attempts(engine, TENANT, run_id)) == 3
    assert (await run_attempts(engine, TENANT, run_id, step_row_id=new_id())) == ()

    body = await attempt_body(engine, TENANT, run_id, invocation_id)
    assert body.input is not None
    assert body.output is not None
    assert (body.input.value, body.input.masked, body.input.size_bytes) == ({"label": PLACEHOLDER}, {"/label"}, 31)
    assert (body.output.value, body.output.size_bytes) == ({"rows": [1], "secret": PLACEHOLDER}, 300_000)
    with pytest.raises(NotFound, match="ATTEMPT_NOT_FOUND"):
        await attempt_body(engine, TENANT, run_id, "no id")


async def test_a_null_answer_is_an_answer_and_none_is_none(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine)
    answered, open_try = new_id(), new_id()
    await insert(
        engine,
        workflow_action_invocations,
        _try(run_id, 0, invocation_id=answered, output_json=None, output_bytes=4),
        _try(run_id, 1, invocation_id=open_try, status="STARTED"),
    )
    output = (await attempt_body(engine, TENANT, run_id, answered)).output
    assert output is not None
    assert (output.value, output.size_bytes) == (None, 4)
    assert (await attempt_body(engine, TENANT, run_id, open_try)).output is None


async def test_an_old_try_with_nothing_but_a_message_has_an_error(engine: AsyncEngine) -> None:
    run_id = await insert_old_run(engine)
    await insert(engine, workflow_action_invocations, _try(run_id, 0, visit=0, error_message="boom"))
    [view] = await run_attempts(engine, TENANT, run_id)
    assert view.error == ErrorInfo("", "boom")


async def test_only_the_newest_tries_are_shown_when_there_are_too_many(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine)
    async with engine.begin() as connection:
        rows = [{"tenant": TENANT, **_try(run_id, 0, attempt)} for attempt in range(1, 521)]
        await connection.execute(workflow_action_invocations.insert(), rows)
    attempts = [view.attempt for view in (await run_attempts(engine, TENANT, run_id))]
    assert attempts == list(range(21, 521))


async def test_open_waits_come_first_then_the_newest(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine)
    common = {"run_id": run_id, "step_path": "p", "visit": 1}
    await insert(
        engine,
        workflow_run_waits,
        {**common, "wait_type": "event", "status": "WAITING", "created_at": at(1), "payload": {"password": "canary"}},
        {
            **common,
            "wait_type": "time",
            "status": "RESOLVED",
            "created_at": at(2),
            "timeout_at": at(3),
            "resolved_at": at(3),
        },
        {
            **common,
            "wait_type": "retry",
            "status": "TIMED_OUT",
            "created_at": at(4),
            "matched_event_id": "e",
            "attempt": 2,
        },
    )
    views = await run_waits(engine, TENANT, run_id)
    assert [(view.kind, view.status) for view in views] == [
        ("event", "WAITING"),
        ("retry", "TIMED_OUT"),
        ("time", "RESOLVED"),
    ]
    assert views[0].payload == {"password": PLACEHOLDER}
    assert (views[1].matched_event_id, views[1].attempt) == ("e", 2)
    assert (views[2].until, views[2].resolved_at) == (at(3), at(3))


async def _write_logs(engine: AsyncEngine, run_id: str, *lines: tuple[str, str], context: Any = None) -> None:
    await insert(
        engine,
        workflow_run_logs,
        *({"run_id": run_id, "level": level, "message": message, "context_json": context} for level, message in lines),
    )


async def test_the_log_opens_at_its_end_and_goes_both_ways(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine)
    await _write_logs(engine, run_id, *(("INFO", f"line {number}") for number in range(10)))

    end = await run_logs(engine, TENANT, run_id, limit=4)
    assert [line.message for line in end.rows] == ["line 6", "line 7", "line 8", "line 9"]
    before = await run_logs(engine, TENANT, run_id, cursor=end.older, older=True, limit=4)
    assert [line.message for line in before.rows] == ["line 2", "line 3", "line 4", "line 5"]
    start = await run_logs(engine, TENANT, run_id, cursor=before.older, older=True, limit=4)
    assert [line.message for line in start.rows] == ["line 0", "line 1"]
    assert start.older is None
    again = await run_logs(engine, TENANT, run_id, cursor=start.newer, limit=3)
    assert [line.message for line in again.rows] == ["line 2", "line 3", "line 4"]

    quiet = await run_logs(engine, TENANT, run_id, cursor=end.newer)
    assert (quiet.rows, quiet.newer) == ((), end.newer)
    await _write_logs(engine, run_id, ("WARN", "late"))
    assert [line.message for line in (await run_logs(engine, TENANT, run_id, cursor=quiet.newer)).rows] == ["late"]


async def test_an_empty_log_can_be_followed_from_its_beginning(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine)
    empty = await run_logs(engine, TENANT, run_id)
    assert (empty.rows, empty.older) == ((), None)
    await _write_logs(engine, run_id, ("INFO", "first"))
    assert [line.message for line in (await run_logs(engine, TENANT, run_id, cursor=empty.newer)).rows] == ["first"]


async def test_a_level_shows_itself_and_what_is_worse(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine)
    await _write_logs(engine, run_id, *((level, level) for level in ("DEBUG", "INFO", "WARN", "ERROR")))
    shown = await run_logs(engine, TENANT, run_id, LogQuery(LogLevel.WARN))
    assert [line.message for line in shown.rows] == ["WARN", "ERROR"]
    with pytest.raises(Invalid, match="FILTER_INVALID"):
        LogQuery("warn")


async def test_a_text_is_found_in_what_is_shown_and_never_in_what_is_masked(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine)
    await _write_logs(engine, run_id, ("INFO", "Started by hand"), ("INFO", "100%_done"), ("INFO", "other"))
    await _write_logs(engine, run_id, ("INFO", "with context"), context={"orderId": "ORD-7", "password": "canary"})

    async def found(wanted: str) -> list[str]:
        return [line.message for line in (await run_logs(engine, TENANT, run_id, LogQuery(text=wanted))).rows]

    assert await found("BY HAND") == ["Started by hand"]
    assert await found("%_") == ["100%_done"]
    assert await found("ord-7") == ["with context"]
    assert await found("canary") == []
    assert await found(PLACEHOLDER) == ["with context"]


async def test_level_and_text_are_asked_together(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine)
    lines = (("INFO", "order paid"), ("ERROR", "order lost"), ("ERROR", "mail lost"), ("WARN", "order late"))
    await _write_logs(engine, run_id, *lines)
    shown = await run_logs(engine, TENANT, run_id, LogQuery(LogLevel.WARN, "ORDER"))
    assert [line.message for line in shown.rows] == ["order lost", "order late"]


async def test_a_long_log_is_searched_in_portions(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.store.trace.reading_logs.MAX_LINES", 10)
    monkeypatch.setattr("engine.store.trace.reading_logs.SCANNED_LINES", 20)
    run_id = await insert_run(engine)
    await _write_logs(engine, run_id, ("INFO", "needle"), *(("INFO", "hay") for _ in range(60)), ("INFO", "needle"))
    found: list[str] = []
    calls, needle = 0, LogQuery(text="needle")
    page = await run_logs(engine, TENANT, run_id, needle, limit=10)
    while True:
        calls += 1
        found += [line.message for line in page.rows]
        if page.older is None:
            break
        page = await run_logs(engine, TENANT, run_id, needle, cursor=page.older, older=True, limit=10)
    assert found == ["needle", "needle"]
    assert calls > 2


async def test_old_lines_come_in_the_order_of_their_time(engine: AsyncEngine) -> None:
    run_id = await insert_old_run(engine)
    lines = [
        {"run_id": run_id, "level": "INFO", "message": str(second), "created_at": at(second), "line_no": 0}
        for second in (2, 0, 1)
    ]
    await insert(engine, workflow_run_logs, *lines)
    assert [line.message for line in (await run_logs(engine, TENANT, run_id)).rows] == ["0", "1", "2"]


async def test_a_long_run_opens_page_by_page(engine: AsyncEngine) -> None:
    """20,000 steps: every page is one index range, whatever its depth."""
    run_id = await insert_run(engine)
    many = text(
        "INSERT INTO workflow_run_steps (run_id, step_path, iteration, visit, definition_step_id, status)"
        " SELECT cast(:run_id AS uuid), 'p', n::text, 1, 's', 'SUCCEEDED' FROM generate_series(1, 20000) AS n"
    )
    async with engine.begin() as connection:
        await connection.execute(many, {"run_id": run_id})
    seen, cursor = 0, None
    while True:
        page = await steps_page(engine, TENANT, run_id, after=cursor)
        seen += len({row.row_id for row in page.rows})
        cursor = page.cursor
        if not page.more:
            break
    assert seen == 20_000
