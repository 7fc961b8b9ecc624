"""Definitions, values and clocks that are as bad as can be: a run ends with a code, and its neighbours do not notice."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import Invalid
from engine.interpreter import effects as fx
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.values.request_limits import MAX_PAYLOAD_BYTES
from tests.engine.interpreter.driving import Driver
from tests.engine.workflow.harness import Run
from tests.engine.workflow.steps import Step, assign, call, for_each, retried, wait_event, wait_time
from tests.faults.installation import Installation

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

# --- definitions ------------------------------------------------------------------------------------------------------

STORED = "UPDATE workflow_definition_versions SET definition_json = {} WHERE workflow_id = :id"
POISON = {
    "changed": (STORED.format("jsonb_set(definition_json, '{name}', '\"changed\"')"), "DEFINITION_HASH_MISMATCH"),
    "deleted": ("DELETE FROM workflow_definition_versions WHERE workflow_id = :id", "DEFINITION_NOT_FOUND"),
    "text": (STORED.format("'\"no definition\"'"), "DEFINITION_INVALID"),
    "null": (STORED.format("'null'"), "DEFINITION_NOT_FOUND"),
    "no-steps": (STORED.format("definition_json - 'steps'"), "DEFINITION_INVALID"),
    "bad-block": (STORED.format("jsonb_set(definition_json, '{steps,0,type}', '\"control.loop\"')"), "DEFINITION_INVALID"),
    "deep": (STORED.format("CAST(repeat('[', 900) || repeat(']', 900) AS jsonb)"), "DEFINITION_INVALID"),
    "deeper": (STORED.format("CAST(repeat('[', 5000) || repeat(']', 5000) AS jsonb)"), "ROW_UNREADABLE"),
    "number": (STORED.format("CAST(repeat('9', 9000) AS jsonb)"), "ROW_UNREADABLE"),
    "input": ("UPDATE workflow_runs SET input_json = CAST(repeat('9', 9000) AS jsonb) WHERE workflow_id = :id", "ROW_UNREADABLE"),
}  # fmt: skip
"""What somebody did to the tables, and what the runs end with. All but the first two also forget the hash, as old rows do."""


async def test_poison_fails_its_own_run_and_no_other(installation: Installation) -> None:
    bench, poisoned = installation.bench, dict[str, Run]()
    for name, (change, code) in POISON.items():
        await bench.publish([call("q", "ledger.quick")], name)
        [poisoned[name]] = await installation.launch(1, lambda _: {}, name)
        await bench.execute(change, id=name)
        if code == "DEFINITION_INVALID":
            await bench.execute("UPDATE workflow_runs SET definition_hash = NULL WHERE workflow_id = :id", id=name)
    await bench.publish([call("q", "ledger.quick")])
    healthy = await installation.launch(10, lambda _: {})
    async with installation.worker("worker"):
        await installation.all_ended()
    for name in poisoned:
        # Not the whole row: it may hold what cannot be read.
        [row] = await bench.rows(
            "SELECT status, last_error_code, step_count FROM workflow_runs WHERE workflow_id = :name", name=name
        )
        assert (name, *row.values()) == (name, "FAILED", POISON[name][1], 0)
    counted = await installation.account([*healthy, *poisoned.values()], executed=10)
    assert counted == {"SUCCEEDED": 10, "FAILED": len(POISON)}


# --- values -----------------------------------------------------------------------------------------------------------


async def test_what_is_too_large_is_refused_or_cut(installation: Installation) -> None:
    bench, context = installation.bench, installation.context
    await bench.publish([call("s", "rude.says", characters="=payload.characters")], "wf.output")
    await bench.publish([call("r", "rude.raises", characters=8_000_000)], "wf.error")
    await bench.publish([assign("a", characters="len(payload.text)")], "wf.input")
    for large in ({"text": "x" * MAX_PAYLOAD_BYTES}, {"text": "x" * 10_000_000}):
        with pytest.raises(Invalid, match="PAYLOAD_TOO_LARGE"):
            await launch_published_run(context, LaunchRequest("wf.input", large))
        with pytest.raises(Invalid, match="PAYLOAD_TOO_LARGE"):
            await submit_event(context, EventRequest("PING", large))
    assert await bench.rows("SELECT 1 FROM workflow_runs UNION ALL SELECT 1 FROM workflow_runtime_events") == []
    [given] = await installation.launch(1, lambda _: {"text": "x" * (MAX_PAYLOAD_BYTES - 20)}, "wf.input")
    [fits] = await installation.launch(1, lambda _: {"characters": 1_900_000}, "wf.output")
    [large_output] = await installation.launch(1, lambda _: {"characters": 2_200_000}, "wf.output")
    [large_error] = await installation.launch(1, lambda _: {}, "wf.error")
    async with installation.worker("worker"):
        await installation.all_ended()
    assert (await given.row())["output_json"] == {"characters": MAX_PAYLOAD_BYTES - 20}
    assert (await fits.row())["status"] == "SUCCEEDED"
    assert (await large_output.row())["error_json"]["code"] == "PAYLOAD_TOO_LARGE"
    error = (await large_error.row())["error_json"]
    assert error["code"] == "INTERNAL_ERROR"
    assert error["message"].startswith("cannot log in with !!!")
    for table in ("workflow_runs", "workflow_run_steps", "workflow_action_invocations"):
        [row] = await bench.rows(f"SELECT max(length(error_json::text)) AS longest FROM {table}")
        assert row["longest"] < 40_000


# --- expressions ------------------------------------------------------------------------------------------------------

LARGE = {"items": list(range(300)), "text": "x" * 100_000}
WELL = ("SUCCEEDED", None)
TOO_LARGE = ("FAILED", "too-large")
INPUT_TOO_LARGE = ("FAILED", "PAYLOAD_TOO_LARGE")


def loop(times: int, **assigned: str) -> list[Step]:
    """The same assignment again and again."""
    return [for_each("l", f"[1..{times}]", [assign("a", **assigned)])]


BOMBS: dict[str, tuple[list[Step], tuple[str, str | None]]] = {
    "cube": ([assign("a", x="$$.payload.items.($$.payload.items.($$.payload.items))")], TOO_LARGE),
    "range": ([assign("a", x="[1..10000000]")], TOO_LARGE),
    "brackets": ([assign("a", x="(" * 200 + "1" + ")" * 200)], TOO_LARGE),
    "source": ([assign("a", x="+".join(["1"] * 3000))], TOO_LARGE),
    "text": (loop(60, s='coalesce(vars.s, "x") & coalesce(vars.s, "x")'), TOO_LARGE),
    "list": (loop(60, s="append(coalesce(vars.s, [1]), coalesce(vars.s, [1]))"), TOO_LARGE),
    "depth": (loop(600, s='{"a": coalesce(vars.s, 1)}'), TOO_LARGE),
    "items": (loop(90_000, s="1"), TOO_LARGE),
    "input": ([call("q", "ledger.quick", **{f"f{n}": "=payload.text" for n in range(60)})], INPUT_TOO_LARGE),
    "filters": (loop(300, s="$$.payload.items[$ > 1][$ > 2][$ > 3]"), WELL),
    "nested": (loop(40, s="$$.payload.items[$ < 90].($$.payload.items[$ = 5])"), WELL),
    "state": (loop(30, **{f"v{n}": "payload.text & vars.item" for n in range(50)}), WELL),
}
"""Steps, and how a run of them ends: at a limit, with its code, or, below all of them, well."""


async def test_expression_bombs_end_and_let_others_live(installation: Installation) -> None:
    bench, runs, healthy = installation.bench, dict[str, list[Run]](), list[Run]()
    for name, (steps, _) in BOMBS.items():
        await bench.publish(steps, name)
    await bench.publish([call("q", "ledger.quick")])
    async with installation.worker("worker"):
        # One bomb after the other: how long many of them hold one interpreter together is a matter of the machine.
        for name in BOMBS:
            runs[name] = await installation.launch(2, lambda _: LARGE, name)
            healthy += await installation.launch(1, lambda _: {})
            await installation.all_ended()
    for name, (_, (status, code)) in BOMBS.items():
        for run in runs[name]:
            row = await run.row()
            assert (name, row["status"], row["last_error_code"]) == (name, status, code)
            # Temporal's SDK gives up a task whose workflow holds its thread for two seconds.
            assert (name, (await run.events())["WORKFLOW_TASK_FAILED"]) == (name, 0)
    assert {(await run.row())["status"] for run in healthy} == {"SUCCEEDED"}


# --- clocks -----------------------------------------------------------------------------------------------------------

BACKWARDS = """
import datetime, time
real, began = time.time, time.monotonic()
def backwards():
    return real() - 600 * (time.monotonic() - began)
class Backwards(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(backwards(), tz)
time.time, datetime.datetime = backwards, Backwards
"""
"""A worker on whose machine ten minutes are lost every second."""


async def test_a_worker_whose_clock_runs_backwards(installation: Installation) -> None:
    await installation.bench.publish([
        call("q", "ledger.quick"),
        wait_time("t", 1500),
        retried(call("f", "ledger.flaky", failures=2), backoffMs=300),
        wait_event("w", "GO", timeoutMs=60_000),
        call("i", "ledger.inside"),
    ])  # fmt: skip
    runs = await installation.launch(5, lambda number: {"n": number})
    async with installation.worker("backwards", before=BACKWARDS):
        await runs[0].waiting("event")
        await submit_event(installation.context, EventRequest("GO"))
        await installation.all_ended()
    noted = [entry.at for entry in installation.entries()]
    assert noted == sorted(noted, reverse=True), "its clock did run backwards"
    assert await installation.account(runs, executed=10, inside=5) == {"SUCCEEDED": 5}
    for run in runs:
        steps = await run.steps()
        assert [step["status"] for step in steps] == ["SUCCEEDED"] * 5
        assert all(0 <= step["duration_ms"] < 60_000 for step in steps)
        assert steps[1]["duration_ms"] >= 1500
        assert [wait["status"] for wait in await run.waits()] == ["RESOLVED"] * 4


def test_a_host_whose_clock_goes_back() -> None:
    """A run's time is that of its server; should that go back, the run still ends, and its records keep their order."""
    steps = [wait_time("t", 5000), for_each("l", "[1, 2, 3]", [call("q", "x.y")]), wait_event("w", timeoutMs=1000)]
    run = Driver(*steps)

    def back(outcome: fx.Outcome) -> Any:
        def answer(_effect: fx.Effect) -> fx.Outcome:
            run.clock.now -= timedelta(hours=1)
            return outcome

        return answer

    run.on(fx.AwaitTime, back(fx.Elapsed())).on(fx.CallAction, back(fx.ActionSucceeded({"ok": True})))
    run.on(fx.AwaitEvent, back(fx.TimedOut())).run()
    assert run.finish.status == "FAILED"
    assert (run.finish.error or {})["category"] == "TimeoutError"
    assert [record.seq for record in run.records] == sorted(record.seq for record in run.records)
    assert run.waits == [("time", "RESOLVED"), ("event", "TIMED_OUT")]
    assert json.loads(json.dumps(run.machine.snapshot())) == run.machine.snapshot()
