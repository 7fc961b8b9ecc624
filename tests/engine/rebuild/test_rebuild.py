"""State at any step, from records: what is found, and what is said when something is gone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.interpreter.recorded_run import NOT_KEPT, RecordedAttempt, RecordedWait
from engine.rebuild.state import RebuiltRun, rebuild_end
from tests.engine.rebuild.recording import assign, echo, expr, played

FLAKY: dict[str, Any] = {
    "id": "f",
    "type": "action.call",
    "retry": {"maxAttempts": 3, "backoffMs": 1000, "jitter": False},
    "config": {"actionId": "test.flaky", "version": 1, "inputMapping": {"key": "k", "failures": 2}, "saveAs": "f"},
}
LOOP = {
    "id": "l",
    "type": "control.forEach",
    "items": expr("[10,20]"),
    "itemVar": "x",
    "body": [echo("e", "x"), assign("a", last="x")],
}


async def test_an_iteration_of_a_loop_is_seen_with_its_scope() -> None:
    run = (await played([LOOP])).recorded()
    rebuilt = RebuiltRun(run).at(("root.steps[0].body.steps[0]", "1", 1))
    assert rebuilt.before is not None
    assert rebuilt.after is not None
    assert (rebuilt.before["vars"], rebuilt.before["local"]["index"]) == ({"x": 20, "e": {"value": 10}, "last": 10}, 1)
    assert rebuilt.after["vars"]["e"] == {"value": 20}
    assert rebuilt.stop is None


async def test_times_are_those_the_run_had() -> None:
    step = assign("a", at="nowIso()")
    wait = {"id": "w", "type": "time.wait", "config": {"mode": "duration", "durationMs": 500}}
    guarded = {
        "id": "t",
        "type": "control.tryCatch",
        "captureErrorAs": "e",
        "try": [FLAKY | {"retry": {"maxAttempts": 2, "backoffMs": 70, "jitter": False}}],
        "catch": [],
    }
    run = await played([FLAKY, assign("b", first="nowIso()"), wait, step, guarded], {"op": "advance", "ms": 9000})
    assert run.machine.scopes["vars"]["first"] == "2026-01-01T00:00:03.000Z"
    assert rebuild_end(run.recorded()).scopes == run.machine.scopes


async def test_a_live_run_is_known_up_to_where_it_is() -> None:
    run = (await played([assign("a", n="1"), FLAKY, assign("b", n="2")])).recorded()
    here = RebuiltRun(run).at(("root.steps[1]", "", 1))
    assert here.before is not None
    assert here.stop is not None
    assert (here.before["vars"], here.after, here.stop.code) == ({"n": 1}, None, "OPEN")
    later = RebuiltRun(run).at(("root.steps[2]", "", 1))
    assert later.stop is not None
    assert (later.before, later.after, later.stop.code) == (None, None, "OPEN")


async def test_a_value_that_is_gone_is_said_and_what_lies_before_is_still_known() -> None:
    run = (await played([assign("a", n="1"), echo("e", "n"), assign("b", n="2")])).recorded()
    gone = replace(run, tries={})
    ending = rebuild_end(gone)
    assert ending.stop is not None
    assert (ending.stop.code, ending.status) == ("NOT_RECORDED", None)
    assert ending.stop.message == "What try 1 of step e gave is not recorded."
    assert RebuiltRun(gone).at(("root.steps[0]", "", 1)).after is not None
    lost = RebuiltRun(gone).at(("root.steps[2]", "", 1))
    assert (lost.before, lost.after) == (None, None)


async def test_an_output_that_was_not_kept_is_said() -> None:
    run = (await played([echo("e", "1")])).recorded()
    key = ("root.steps[0]", "", 1, 1)
    stop = rebuild_end(replace(run, tries={key: replace(run.tries[key], output=NOT_KEPT)})).stop
    assert stop is not None
    assert (stop.code, stop.message) == ("NOT_RECORDED", "What try 1 of step e gave is not recorded.")


async def test_every_step_starts_at_its_own_time_wherever_the_run_paused() -> None:
    steps = [assign(f"a{n}", **{f"t{n}": "nowIso()"}) for n in range(4)]
    run = await played(
        steps,
        {"op": "advance", "ms": 5000},
        {"op": "setQuota", "limit": 9},
        {"op": "resumeQuota"},
        quota={"limit": 2},
    )
    times = [run.machine.scopes["vars"][f"t{n}"][-7:] for n in range(4)]
    assert times == ["00.000Z", "00.000Z", "05.000Z", "05.000Z"]
    assert rebuild_end(run.recorded()).scopes == run.machine.scopes


async def test_a_run_canceled_between_two_steps_is_known_to_its_end() -> None:
    run = await played([assign("a", n="1"), assign("b", n="2")], {"op": "cancel"}, quota={"limit": 1})
    ending = rebuild_end(run.recorded())
    assert (ending.status, ending.stop, ending.scopes["vars"]) == ("CANCELED", None, {"n": 1})


async def test_how_often_a_step_was_tried_is_taken_from_the_records_not_from_a_registry() -> None:
    without_policy = {name: value for name, value in FLAKY.items() if name != "retry"}
    guarded = {"id": "t", "type": "control.tryCatch", "try": [without_policy], "catch": [], "captureErrorAs": "e"}
    run = (await played([guarded])).recorded()
    assert rebuild_end(run).scopes["vars"]["e"]["message"] == "transient failure 1"
    # As if the action had declared then that it is to be tried twice.
    step, retry = ("root.steps[0].try.steps[0]", "", 1), ("root.steps[0].try.steps[0]", "", 1, "retry", 1)
    again = replace(
        run,
        waits={retry: RecordedWait("RESOLVED", run.steps[step].started_at, "2026-01-01T00:00:01.000Z")},
        tries={**run.tries, (*step, 2): RecordedAttempt({"key": "k", "failures": 2}, {"attempts": 7})},
        steps={**run.steps, step: replace(run.steps[step], status="SUCCEEDED", attempt=2, error=None)},
    )
    ending = rebuild_end(again)
    assert (ending.stop, ending.scopes["vars"]) == (None, {"f": {"attempts": 7}})


async def test_a_failed_try_the_run_has_not_decided_about_is_where_the_run_is() -> None:
    run = (await played([FLAKY])).recorded()
    undecided = rebuild_end(replace(run, waits={}))
    assert undecided.stop is not None
    assert (undecided.stop.code, undecided.stop.message) == ("OPEN", "The run is at step f.")


async def test_an_email_step_goes_the_way_it_went() -> None:
    email = {
        "id": "m",
        "type": "email.parseBody",
        "config": {"text": expr("payload.body"), "saveAs": "mail"},
    }
    run = (await played([email], payload={"body": "hello"})).recorded()
    assert rebuild_end(run).scopes["vars"]["mail"]["sanitizedText"] == "hello"
    key = ("root.steps[0]", "", 1)
    parsed = replace(run, tries={(*key, 1): RecordedAttempt({"text": "hello"}, {"sanitizedText": "parsed"})})
    assert rebuild_end(parsed).scopes["vars"]["mail"]["sanitizedText"] == "parsed"


async def test_computing_ends_when_it_is_enough() -> None:
    run = (await played([assign("a", n="1"), assign("b", n="2")])).recorded()
    answers = iter([False, True])
    rebuilt = RebuiltRun(run).at(("root.steps[1]", "", 1), lambda: next(answers))
    assert rebuilt.stop is not None
    assert (rebuilt.before, rebuilt.stop.code) == (None, "TOO_LONG")


async def test_an_event_that_is_gone_is_said() -> None:
    wait = {"id": "w", "type": "event.wait", "config": {"eventName": "E", "correlationKey": expr("null")}}
    signal = {"op": "signalEvent", "name": "E", "correlationKey": "k", "payload": {"n": 1}}
    run = (await played([wait], signal)).recorded()
    assert rebuild_end(run).scopes["vars"]["event"] == {"n": 1}
    stop = rebuild_end(replace(run, events={})).stop
    assert stop is not None
    assert (stop.code, stop.step and stop.step.step_id) == ("NOT_RECORDED", "w")


async def test_a_task_that_was_closed_is_the_failure_it_was() -> None:
    task = {"id": "h", "type": "human.task", "config": {"taskType": "t", "title": expr("'T'")}}
    run = (await played([task])).recorded()
    key, wait = ("root.steps[0]", "", 1), ("root.steps[0]", "", 1, "human", 1)
    error = {
        "category": "ActionError",
        "message": "closed",
        "nodePath": "root.steps[0]",
        "at": "2026-01-01T00:00:00.000Z",
    }
    closed = replace(
        run,
        status="FAILED",
        steps={key: replace(run.steps[key], status="FAILED", error=error)},
        waits={wait: replace(run.waits[wait], status="CANCELED")},
    )
    ending = rebuild_end(closed)
    assert (ending.status, ending.stop) == ("FAILED", None)


async def test_other_semantics_are_not_guessed() -> None:
    run = (await played([assign("a", n="1")])).recorded()
    other = replace(run, facts=replace(run.facts, semantics_version="1999-01.1"))
    for stop in (rebuild_end(other).stop, RebuiltRun(other).at(("root.steps[0]", "", 1)).stop):
        assert stop is not None
        assert stop.code == "SEMANTICS_DIFFER"


async def test_an_unreadable_definition_is_said() -> None:
    run = (await played([assign("a", n="1")])).recorded()
    stop = rebuild_end(replace(run, definition={"steps": 5})).stop
    assert stop is not None
    assert stop.code == "DEFINITION_UNREADABLE"


async def test_a_rebuilt_run_that_went_another_way_is_not_taken_for_the_run() -> None:
    run = (await played([assign("a", n="1")])).recorded()
    key = ("root.steps[0]", "", 1)
    stop = rebuild_end(replace(run, steps={key: replace(run.steps[key], status="FAILED")})).stop
    assert stop is not None
    assert stop.message == "Computed again, root.steps[0] is SUCCEEDED; it is recorded as FAILED."


async def test_a_step_that_is_not_there_is_said() -> None:
    stop = RebuiltRun((await played([assign("a", n="1")])).recorded()).at(("root.steps[7]", "", 1)).stop
    assert stop is not None
    assert stop.code == "NOT_RECORDED"


@pytest.mark.parametrize("steps", [[FLAKY], [LOOP]])
async def test_a_canceled_run_is_known_up_to_its_cancellation(steps: list[dict[str, Any]]) -> None:
    wait = {"id": "w", "type": "time.wait", "config": {"mode": "duration", "durationMs": 60_000}}
    looped = {"id": "o", "type": "control.forEach", "items": expr("[1]"), "itemVar": "y", "body": [*steps, wait]}
    run = await played([looped], {"op": "advance", "ms": 3000}, {"op": "cancel"})
    ending = rebuild_end(run.recorded())
    assert (ending.status, ending.stop, ending.scopes) == ("CANCELED", None, run.machine.scopes)


WAITS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "event": (
        {"id": "w", "type": "event.wait", "config": {"eventName": "E", "correlationKey": expr("'k'")}},
        {"op": "signalEvent", "name": "E", "correlationKey": "k", "payload": {"n": 1}},
    ),
    "human": (
        {"id": "w", "type": "human.task", "config": {"taskType": "t", "title": expr("'T'")}},
        {"op": "completeTask", "payload": {"ok": True}},
    ),
    "time": (
        {"id": "w", "type": "time.wait", "config": {"mode": "duration", "durationMs": 1000}},
        {"op": "advance", "ms": 2000},
    ),
}


@pytest.mark.parametrize("kind", WAITS)
async def test_what_came_as_the_run_was_canceled_is_not_taken_for_what_it_took(kind: str) -> None:
    step, what_comes = WAITS[kind]
    run = (await played([assign("a", n="1"), step, assign("b", n="2")], what_comes)).recorded()
    key = ("root.steps[1]", "", 1)
    canceled = replace(
        run,
        status="CANCELED",
        steps={
            ("root.steps[0]", "", 1): run.steps["root.steps[0]", "", 1],
            key: replace(run.steps[key], status="CANCELED"),
        },
    )
    ending = rebuild_end(canceled)
    assert (ending.status, ending.stop, ending.scopes["vars"]) == ("CANCELED", None, {"n": 1})
