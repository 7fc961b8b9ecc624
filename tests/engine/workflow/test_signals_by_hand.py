"""Signals that an operator of Temporal sends by hand, with whatever in them: no run stands still for one, and none ends by it."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest

from engine.contract import SIGNAL_EVENT, SIGNAL_HUMAN_TASK, SIGNAL_QUOTA_RESUME, workflow_id_for
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.steps import ask, assign, quick, wait_event

RANDOM = "".join(chr(number) for number in random.Random(1).choices(range(0x4E00, 0x9FFF), k=5_000))
"""No compression makes it short enough for an index."""


async def signal(run: Run, name: str, *arguments: str) -> None:
    """With arguments in the words in which they cross, be they JSON or not."""
    payloads = [Payload(metadata={"encoding": b"json/plain"}, data=argument.encode()) for argument in arguments]
    request = SignalWorkflowExecutionRequest(
        namespace=run.bench.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id_for(run.id)),
        signal_name=name,
        input=Payloads(payloads=payloads),
    )
    await run.bench.client.workflow_service.signal_workflow_execution(request)


async def no_task_failed(run: Run) -> bool:
    """A task that was told of a signal while it ended is none that failed."""
    history = await run.history()
    failures = [
        event.workflow_task_failed_event_attributes.failure.message
        for event in history.events
        if event.HasField("workflow_task_failed_event_attributes")
    ]
    return all("UnhandledCommand" in failure for failure in failures)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ('{"eventName": "GO"}', "7"),
        ("null",),
        ("{",),
        ('{"eventName": "GO", "payload": {"a": NaN}}',),
        ('{"eventName": "GO", "payload": {"a": [1e400]}}',),
        ('{"eventName": "GO", "eventId": -Infinity}',),
    ],
    ids=str,
)
async def test_what_is_no_event_is_dropped(bench: Bench, arguments: tuple[str, ...]) -> None:
    await bench.publish([wait_event("w", "GO"), quick("q", value="=vars.event.n"), ask("t")])
    run = await bench.start()
    await run.waiting("event")
    await signal(run, SIGNAL_EVENT, *arguments)
    await signal(run, SIGNAL_QUOTA_RESUME, *arguments)
    await run.send_event("GO", {"n": 1})
    await run.waiting("human")
    [task] = [wait["key"] for wait in await run.waits() if wait["wait_type"] == "human"]
    answer = [argument.replace('"eventName"', f'"taskId": "{task}", "eventName"') for argument in arguments]
    await signal(run, SIGNAL_HUMAN_TASK, *answer)
    await signal(run, SIGNAL_HUMAN_TASK, json.dumps({"taskId": task, "payload": {}}))
    row = await run.ended()
    assert (row["status"], row["output_json"]["q"]) == ("SUCCEEDED", {"value": 1})
    assert await no_task_failed(run)


@pytest.mark.parametrize(
    ("event_id", "kept"),
    [(RANDOM, None), ("a\0b", "a\ufffdb"), ("\ud800", "\ufffd")],
    ids=["too long", "NUL", "half a pair"],
)
@pytest.mark.parametrize("stored", [True, False])
async def test_an_event_whose_id_no_row_can_hold_is_taken(
    bench: Bench, event_id: str, kept: str | None, stored: bool
) -> None:
    """Without one that is too long, and with what can be held of others."""
    await bench.publish([wait_event("w", "GO"), assign("a", n="vars.event.n"), quick("q", value="=vars.n")])
    run = await bench.start()
    await run.waiting("event")
    given: dict[str, Any] = {"eventName": "GO", "eventId": event_id, "payload": {"n": 1}, "stored": stored}
    await signal(run, SIGNAL_EVENT, json.dumps(given))
    row = await run.ended()
    assert (row["status"], row["output_json"]["q"]) == ("SUCCEEDED", {"value": 1})
    [wait] = await run.waits()
    assert (wait["status"], wait["matched_event_id"]) == ("RESOLVED", kept)


async def test_a_reason_of_a_cancel_is_cut(bench: Bench) -> None:
    await bench.publish([wait_event("w", "GO")])
    run = await bench.start()
    await run.waiting("event")
    await run.handle.cancel(reason="\U0001f600" * 200_000)
    row = await run.ended()
    assert (row["status"], row["error_json"]["message"]) == ("CANCELED", "\U0001f600" * 1000)
