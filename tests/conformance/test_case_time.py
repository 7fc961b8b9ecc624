"""The time of a case, told from records of a clock that runs by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.interpreter.times import milliseconds_of
from tests.conformance.case_changes import moved, slowed, waits_for_a_date
from tests.conformance.case_time import CASE_START, CaseTime
from tests.conformance.stored_case import StoredRun, StoredWait

NOW = milliseconds_of(datetime(2031, 5, 17, 10, 0, tzinfo=UTC))


def wait(
    number: int, kind: str, status: str, opened: int, due: int | None, ended: int | None, **more: Any
) -> StoredWait:
    """Times are milliseconds since NOW."""
    later = [None if moment is None else NOW + moment for moment in (due, ended)]
    return StoredWait(
        str(number),
        kind,
        f"root.steps[{number}]",
        status,
        None,
        more.get("key"),
        None,
        NOW + opened,
        later[0],
        later[1],
    )


def run(run_id: str, *waits: StoredWait, status: str = "WAITING", parent: str | None = None) -> StoredRun:
    return StoredRun(
        id=run_id,
        workflow_id="wf.main",
        version=1,
        status=status,
        waiting_on=None,
        launch_state="started",
        seq=0,
        trigger_type=None,
        trigger_mapping_applied=False,
        input={},
        vars=None,
        error=None,
        parent=parent,
        root=parent,
        replay_of=None,
        created_at=datetime.now(UTC),
        waits=waits,
    )


def test_timers_take_their_own_length_and_everything_else_no_time() -> None:
    time = CaseTime()
    sleeping = wait(0, "time", "WAITING", 40, 1040, None)
    time.follow([run("a", sleeping)])
    assert time.due(sleeping) == 1000
    time.now = 1000
    over = replace(sleeping, status="RESOLVED", ended=NOW + 1900)
    backoff = wait(1, "retry", "RESOLVED", 1950, 2450, 2500)
    listening = wait(2, "event", "WAITING", 2600, 7600, None)
    time.follow([run("a", over, backoff, listening)])
    assert [time.opened(each) for each in (over, backoff, listening)] == [0, 1000, 1500]
    assert [time.due(each) for each in (over, backoff, listening)] == [1000, 1500, 6500]
    assert time.overtaken_by([run("a", over, backoff, listening)]) == backoff
    assert [time.passed(each) for each in (over, backoff, listening)] == [True, False, False]
    time.now = 2000
    assert time.overtaken_by([run("a", over, backoff, listening)]) is None
    heard = replace(listening, status="RESOLVED", ended=NOW + 9000)
    time.follow([run("a", over, backoff, heard)])
    assert time.passed(heard)
    shown = {
        "at": "from 2031-05-17T10:00:01.920Z",
        "due": ["2031-05-17T10:00:07.600Z"],
        "now": "2031-05-17T10:00:09.700Z",
    }
    assert time.translated(shown, NOW, NOW + 10_000) == {
        "at": "from 2026-01-01T00:00:01.000Z",
        "due": ["2026-01-01T00:00:06.500Z"],
        "now": "2026-01-01T00:00:02.000Z",
    }


def test_a_parent_goes_on_when_its_child_ends() -> None:
    time = CaseTime()
    calling = wait(0, "child", "RESOLVED", 10, None, 900, key="child")
    sleeping = wait(1, "time", "RESOLVED", 20, 520, 700)
    after = wait(2, "human", "WAITING", 910, None, None)
    time.follow([run("a", calling, after), run("child", sleeping, status="SUCCEEDED", parent="a")])
    assert (time.opened(sleeping), time.opened(after)) == (0, 500)


def test_months_of_a_quota_are_counted_from_the_start_of_the_case() -> None:
    paused = replace(wait(0, "quota", "WAITING", 0, None, None), due=milliseconds_of(datetime(2031, 6, 1, tzinfo=UTC)))
    time = CaseTime()
    time.follow([run("a", paused)])
    assert time.text_of(time.due(paused)) == "2026-02-01T00:00:00.000Z"


def test_times_of_others_stay_as_they_are() -> None:
    time = CaseTime()
    time.follow([run("a")])
    for other in ("2020-02-30", "2031-05-17T10:00:00.000+02:00", "2031-05-16T10:00:00.000Z", "room 2031-05-17"):
        assert time.translated(other, NOW - 1000, NOW + 1000) == other


def test_a_case_that_waits_for_a_date_is_moved_and_what_it_shows_moved_back() -> None:
    until = {"config": {"mode": "until", "until": {"$expr": "'2026-01-02'"}}}
    case = {"definition": {"steps": [until]}, "payload": {"at": "2026-01-01T00:01:00+01:00"}, "expect": "2026-01-02"}
    assert waits_for_a_date(case)
    later, written = moved(case, CASE_START + timedelta(days=45))
    assert later["definition"]["steps"][0]["config"]["until"] == {"$expr": "'2026-02-16'"}
    assert (later["payload"], later["expect"]) == ({"at": "2026-02-15T00:01:00+01:00"}, "2026-01-02")
    assert CaseTime(written).translated([later["payload"], "2026-02-16"], 0, 0) == [case["payload"], "2026-01-02"]


def test_a_date_that_is_over_or_not_waited_for_moves_nothing() -> None:
    assert not waits_for_a_date({"definition": {"mode": "until", "until": "'2025-12-31'"}})
    assert not waits_for_a_date(
        {"definition": {"mode": "duration"}, "payload": "2026-07-01", "expect": {"mode": "until"}}
    )


def test_in_slow_motion_everything_lasts_longer_and_is_told_as_it_was_meant() -> None:
    step = {"type": "event.wait", "config": {"timeoutMs": 5}, "retry": {"backoffMs": 2, "maxAttempts": 3}}
    echo = {"type": "action.call", "config": {"inputMapping": {"value": {"durationMs": 5}}}}
    script = [{"op": "advance", "ms": 7}, {"op": "publishEvent", "payload": {"timeoutMs": 1}}]
    slow = slowed({"definition": {"steps": [step, echo]}, "payload": {"ms": 1}, "script": script}, 10)
    longer = {"type": "event.wait", "config": {"timeoutMs": 50}, "retry": {"backoffMs": 20, "maxAttempts": 3}}
    assert slow["definition"]["steps"] == [longer, echo]
    assert (slow["payload"], slow["script"]) == ({"ms": 1}, [{"op": "advance", "ms": 70}, script[1]])
    time = CaseTime(slowness=10)
    listening = wait(0, "event", "WAITING", 40, 90, None)
    time.follow([run("a", listening)])
    assert (time.due(listening), time.length(listening)) == (50, 5)
    assert time.text_of(time.due(listening)) == "2026-01-01T00:00:00.005Z"
