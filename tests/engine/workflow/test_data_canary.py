"""Secrets in data: in a payload, an event and an answer, copied and transformed by expressions and actions, and shown nowhere.

(Secrets of ``$secret`` are the subject of ``tests/faults/test_secret_canary.py``.)
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from engine import Engine
from engine.records import EventFilter, ExportFormat, RunFilter
from engine.store.catalog.payload_schemas import register_schemas
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import (
    Step,
    ask,
    assign,
    attempt,
    call,
    expression,
    going_on,
    ordinary,
    quick,
    wait_event,
)

PAYLOAD, NAMED, SENT, ANSWER = "Kanarie-4711/xyz", "pw+Zeisig=0815", "Stieglitz_2204-ab", "Gimpel.9313+cd"
CANARIES = (PAYLOAD, NAMED, SENT, ANSWER)
SENSITIVE = {"type": "string", "x-sensitive": True}
SCHEMA = {"type": "object", "properties": {"note": SENSITIVE, "id": {"type": "string"}}}


def leaks(shown: Any) -> list[str]:
    """Eight characters of a canary in what is shown, forwards, backwards, in capitals or in hexadecimal."""
    said = str(shown)
    folded = said.casefold()
    found = []
    for canary in CANARIES:
        for form in (canary, canary[::-1], canary.encode().hex()):
            found += [form[at : at + 8] for at in range(len(form) - 7) if form[at : at + 8].casefold() in folded]
        found += [canary for spelled in (base64.b64encode(canary.encode()).decode()[:10],) if spelled in said]
    return found


@pytest_asyncio.fixture
async def engine(bench: Bench, database_url: str, temporal_address: str) -> AsyncIterator[Engine]:
    async with Engine(database_url=database_url, temporal_address=temporal_address, actor="tester") as made:
        yield made


def copies() -> list[Step]:
    """Steps that copy what is hidden, and change it on the way."""
    transforms = [
        call("upper", "transform.uppercase_text", text="=payload.note"),
        call("part", "transform.truncate_text", text="=payload.note", maxLength=9, ellipsis="", strategy="end"),
        call("split", "transform.split_text", text="=payload.password", delimiter=""),
        call("pieces", "transform.split_text", text="=payload.note", delimiter="-"),
        call("stringified", "transform.stringify_json", source="=payload", spacing=0),
    ]
    return [
        assign("copies", note="'pw ' & payload.password", whole="payload", key="{payload.note: 1}"),
        *transforms,
        going_on(quick("told", given="=payload.note")),
        ordinary("acting", given="='<' & payload.password & '>'"),
        attempt(
            "t",
            [call("raises", "test.fails", label="f", category="Nope", code="NOPE", message="=payload.note")],
            [assign("said", said="vars.caught.message")],
        ),
        wait_event("w", key="payload.note", assign={"vars.sent": expression("event.token & ' sent'")}),
        ask("asked", title="'About ' & payload.note"),
        assign("answered", answer="vars.event.reply & '!'"),
        call("last", "test.fails", label="f", category="Nope", code="NOPE", message="=payload.password & vars.answer"),
    ]


async def shown_of(engine: Engine, run_id: str) -> dict[str, Any]:
    """Everything that is shown of one run, by what showed it."""
    runs = engine.runs
    steps = (await runs.steps(run_id)).rows
    attempts = await runs.attempts(run_id)
    logs = await runs.logs(run_id)
    return {
        "get": await runs.get(run_id),
        "payload": await runs.payload(run_id),
        "steps": steps,
        "step bodies": [await runs.step_body(run_id, step.row_id) for step in steps],
        "attempts": attempts,
        "attempt bodies": [await runs.attempt_body(run_id, each.attempt_id) for each in attempts],
        "waits": await runs.waits(run_id),
        "logs": logs,
        "why": await runs.why(run_id),
        "audit": await runs.audit(run_id),
        "related": await runs.related(run_id),
        "replay base": await runs.replay_base(run_id),
        "states": [
            await runs.state(run_id, step.path, iteration=step.iteration, visit=step.visit)
            for step in steps
            if step.step_id != "t"
        ],
        "export": [part async for part in runs.export(run_id)],
    }


async def test_f30_what_is_hidden_is_shown_nowhere(engine: Engine, bench: Bench) -> None:
    async with bench.store.begin() as connection:
        await register_schemas(connection, bench.tenant, {"payload.Sent.v1": SCHEMA}, created_by="tester")
    await engine.tasks.set_form("approval", {"type": "object", "properties": {"reply": SENSITIVE}})
    await bench.publish(copies(), payload_schema=SCHEMA)
    run = await bench.start({"note": PAYLOAD, "password": NAMED, "id": "order-17"})
    await run.waiting("event")
    waiting = await shown_of(engine, run.id)
    receipt = await engine.events.submit(
        "PING", {"token": SENT, "note": PAYLOAD}, key=PAYLOAD, schema_ref="payload.Sent.v1"
    )
    await bench.execute(
        "UPDATE workflow_run_waits SET matched_event_id = :event WHERE wait_type = 'event'", event=receipt.event_id
    )
    await run.handle.signal(
        "workflowRuntimeV2Event",
        {
            "eventId": receipt.event_id, "eventName": "PING", "correlationKey": PAYLOAD,
            "payload": {"token": SENT, "note": PAYLOAD}, "receivedAt": "2026-01-01T00:00:00.000Z", "stored": True,
        },
    )  # fmt: skip
    await run.waiting("human")
    [task] = (await engine.tasks.list()).rows
    asked = await engine.tasks.get(task.task_id)
    await engine.tasks.complete(task.task_id, {"reply": ANSWER})
    await run.handle.signal("workflowRuntimeV2HumanTask", {"taskId": task.task_id, "payload": {"reply": ANSWER}})
    row = await run.ended()
    # It really was everywhere.
    assert row["input_json"]["note"] == PAYLOAD
    assert row["output_json"]["upper"]["text"] == PAYLOAD.upper()
    assert row["output_json"]["answer"] == f"{ANSWER}!"
    assert NAMED in row["error_json"]["message"]
    shown = {
        **{f"waiting: {name}": what for name, what in waiting.items()},
        **await shown_of(engine, run.id),
        "output": await engine.runs.output(run.id),
        "event": await engine.events.get(receipt.event_id),
        "task": asked,
        "answered task": await engine.tasks.get(task.task_id),
        "latest input": await engine.workflows.latest_input("wf.main"),
        "definition": await engine.workflows.definition("wf.main", 1),
        "bundle": await engine.workflows.export_bundle(["wf.main"]),
        "runs": await engine.runs.list(),
        "events": await engine.events.list(EventFilter()),
        "tasks": await engine.tasks.list(),
        "deliveries": await engine.events.deliveries(status="dead"),
        "attention": await engine.system.attention(),
        "csv": [part async for part in engine.runs.export_list(RunFilter(), ExportFormat.CSV)],
        "ndjson": [part async for part in engine.runs.export_list(RunFilter(), ExportFormat.NDJSON)],
    }
    assert {name: leaks(what) for name, what in shown.items() if leaks(what)} == {}
    assert "order-17" in str(shown["payload"])
    assert shown["payload"].masked == {"/note", "/password"}
    assert [event.name for event in shown["events"].rows] == ["PING"]
