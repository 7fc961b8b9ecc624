"""The commands for tasks and quota, as a script sees them: what they print, and how they end."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from engine.operations.context import OperationContext
from engine.operations.tasks.forms import register_form
from engine.store.database.transactions import Store
from tests.commands.conftest import Done, Starter
from tests.engine.operations.conftest import Query, context, execute, query, store
from tests.engine.operations.tasks.asked import FORM, Asked, start, working
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import quick

__all__ = ["context", "execute", "query", "store"]


Command = Callable[..., Awaitable[Done]]


@pytest.fixture
def runstudio(starter: Starter, database_url: str, temporal_address: str, tmp_path: Path) -> Command:
    """Runs ``runstudio WORDS``, while this process goes on with its worker."""
    variables = {
        "DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": temporal_address,
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path),
    }

    async def run(*words: str, stdin: str = "", **more: str) -> Done:
        return await asyncio.to_thread(starter.run, words, {**os.environ, **variables, **more}, stdin)

    return run


@pytest_asyncio.fixture
async def asked(context: OperationContext, temporal: Client, query: Query) -> AsyncIterator[Asked]:
    """A run that waits for a person, while a worker runs."""
    async with working(context.store, temporal):
        yield await start(context, query)


async def test_a_task_is_found_claimed_and_completed(
    runstudio: Command, context: OperationContext, asked: Asked
) -> None:
    await register_form(context, "approval", FORM)
    listed = await runstudio("tasks", "list", "--json")
    assert (listed.code, [task["task_id"] for task in listed.json["tasks"]]) == (0, [asked.task_id])
    assert asked.task_id in (await runstudio("tasks", "list", "--run", asked.run_id)).out
    shown = await runstudio("tasks", "show", asked.task_id)
    assert "Approve?" in shown.out
    assert '"approved"' in shown.out

    claimed = await runstudio("tasks", "claim", asked.task_id, "--json")
    assert claimed.json["claimed_by"]
    assert (await runstudio("tasks", "claim", asked.task_id, "--release")).out == "free\n"

    refused = await runstudio(
        "tasks", "complete", asked.task_id, "--response", "-", stdin='{"approved": "yes", "x": 1}'
    )
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.splitlines()[:2] == [
        "/: has keys the schema does not know: x",
        "/approved: must be boolean",
    ]
    assert "RESPONSE_REJECTED" in refused.err
    told = await runstudio("tasks", "complete", asked.task_id, "-r", "-", "--json", stdin='{"approved": "yes"}')
    assert json.loads(told.err)["error"]["details"]["issues"][0]["pointer"] == "/approved"

    done = await runstudio(
        "tasks", "complete", asked.task_id, "-r", "-", "--event", "SIGNED", stdin='{"approved": true}'
    )
    assert (done.code, done.out) == (0, f"completed; run {asked.run_id} goes on\n")
    assert (await asked.ended())["output_json"] == {"event": {"approved": True}, "eventName": "SIGNED"}
    assert (await runstudio("tasks", "list", "--json")).json["tasks"] == []
    late = await runstudio("tasks", "complete", asked.task_id)
    assert late.code == 4
    closed = await runstudio("tasks", "list", "--status", "completed", "--status", "canceled")
    assert asked.task_id in closed.out


async def test_a_form_is_registered_and_shown(runstudio: Command) -> None:
    assert (await runstudio("tasks", "form", "approval")).code == 3
    given = await runstudio("tasks", "form", "approval", "--schema", "-", stdin=json.dumps(FORM))
    assert (given.code, given.out) == (0, "approval: registered\n")
    assert (await runstudio("tasks", "form", "approval")).json == FORM
    wrong = await runstudio("tasks", "form", "approval", "--schema", "-", stdin='{"type": 7}')
    assert (wrong.code, "FORM_SCHEMA_INVALID" in wrong.err) == (2, True)


async def test_an_override_needs_a_reason(runstudio: Command, context: OperationContext, asked: Asked) -> None:
    await register_form(context, "approval", FORM)
    refused = await runstudio("tasks", "complete", asked.task_id, "--override")
    assert (refused.code, "REASON_TOO_SHORT" in refused.err) == (2, True)
    done = await runstudio("tasks", "complete", asked.task_id, "--override", "--reason", "agreed by phone", "--json")
    assert (done.code, done.json["status"], done.json["delivered"]) == (0, "completed", True)


@pytest.mark.parametrize("response", ["null", "[]", "7"])
async def test_an_answer_that_is_no_object_is_refused(runstudio: Command, asked: Asked, response: str) -> None:
    refused = await runstudio("tasks", "complete", asked.task_id, "--response", "-", stdin=response)
    assert (refused.code, "PAYLOAD_NOT_OBJECT" in refused.err) == (2, True)
    assert (await runstudio("tasks", "show", asked.task_id, "--json")).json["task"]["row"]["status"] == "pending"


async def test_a_task_is_canceled(runstudio: Command, asked: Asked) -> None:
    assert (await runstudio("tasks", "cancel", "nonsense", "--reason", "holiday")).code == 3
    done = await runstudio("tasks", "cancel", asked.task_id, "--reason", "holiday")
    assert (done.code, done.out) == (0, f"canceled; run {asked.run_id} goes on\n")
    assert (await asked.ended())["error_json"]["code"] == "TASK_CANCELED"


async def test_several_tasks_are_canceled_each_on_its_own(
    runstudio: Command, context: OperationContext, query: Query, asked: Asked
) -> None:
    other = await start(context, query)
    words = ("tasks", "cancel", asked.task_id, "nonsense", other.task_id, "--reason", "holiday", "--json")
    done = await runstudio(*words)
    assert (done.code, done.err) == (1, "")
    first, second, third = done.json["results"]
    assert first == {"task": asked.task_id, "result": "canceled"}
    assert (second["task"], second["result"], second["code"]) == ("nonsense", "refused", "TASK_NOT_FOUND")
    assert third == {"task": other.task_id, "result": "canceled"}
    for task in (asked, other):
        assert (await task.ended())["error_json"]["code"] == "TASK_CANCELED"


async def test_several_tasks_are_canceled_without_temporal_and_told_later(
    runstudio: Command, context: OperationContext, query: Query, asked: Asked
) -> None:
    other = await start(context, query)
    words = ("tasks", "cancel", asked.task_id, other.task_id, "--reason", "holiday", "--json")
    done = await runstudio(*words, TEMPORAL_ADDRESS="127.0.0.1:1")
    assert (done.code, [result["result"] for result in done.json["results"]]) == (7, ["accepted", "accepted"])


async def test_without_temporal_the_answer_is_accepted(runstudio: Command, asked: Asked) -> None:
    done = await runstudio("tasks", "complete", asked.task_id, TEMPORAL_ADDRESS="127.0.0.1:1")
    assert done.code == 7
    assert done.out.startswith("Accepted, not delivered yet: ")
    shown = await runstudio("tasks", "show", asked.task_id)
    assert "The run has not been told yet" in shown.out


async def test_the_quota_is_set_shown_and_paused_runs_go_on(
    runstudio: Command, context: OperationContext, store: Store, temporal: Client
) -> None:
    bench = Bench(store, temporal)
    async with bench.worker():
        limited = await runstudio("quota", "set", "2", "--reason", "a trial")
        assert (limited.code, limited.out.splitlines()[0]) == (0, "used     0 of 2, 2 left")
        await bench.publish([quick("a"), quick("b"), quick("c")])
        run = await bench.start()
        await run.waiting("quota")
        shown = (await runstudio("quota", "show", "--json")).json
        assert (shown["usedCount"], shown["effectiveLimit"], shown["pausedRuns"], shown["exhausted"]) == (2, 2, 1, True)
        refused = await runstudio("quota", "resume", run.id, "--json")
        assert refused.code == 4
        assert json.loads(refused.err)["error"]["details"]["usedCount"] == 2
        assert (await runstudio("quota", "set", "none")).out.splitlines()[0] == "used     2, no limit"
        asked = await runstudio("quota", "resume", run.id, "nonsense")
        assert asked.code == 4
        assert "There is no run nonsense." in asked.out
        assert (await run.ended())["status"] == "SUCCEEDED"


@pytest.mark.parametrize("limit", ["-1", "many", "9" * 50, "1.5", "3000000000"])
async def test_what_is_no_limit_is_refused(runstudio: Command, limit: str) -> None:
    refused = await runstudio("quota", "set", "--", limit)
    assert (refused.code, "QUOTA_LIMIT_INVALID" in refused.err) == (2, True)
