"""What holds for every definition, tried on random ones."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.interpreter import effects as fx
from tests.engine.interpreter.random_definitions import STEPS, Scripted


@given(STEPS)
def test_continuing_elsewhere_at_every_effect_is_invisible(steps: list[dict[str, Any]]) -> None:
    straight = Scripted(steps).run()
    hopping = Scripted(steps, hop=True).run()
    assert hopping.effects == straight.effects
    assert hopping.ledger == straight.ledger


@given(STEPS)
def test_a_run_that_has_ended_leaves_nothing_open(steps: list[dict[str, Any]]) -> None:
    run = Scripted(steps).run()
    assert all(step.status in ("SUCCEEDED", "FAILED") for step in run.ledger.steps)
    assert all(wait.status in ("RESOLVED", "TIMED_OUT") for wait in run.ledger.waits)
    assert run.finish.scopes["local"] == {}
    assert run.machine.snapshot()["frames"] == []
    assert len(run.ledger.steps) == run.finish.steps_started
    unhandled = [step for step in run.ledger.steps if step.status == "FAILED" and step.handled_by is None]
    assert len(unhandled) == (run.finish.status == "FAILED")


@given(STEPS)
def test_records_are_numbered_without_a_gap_and_every_step_has_its_place(steps: list[dict[str, Any]]) -> None:
    run = Scripted(steps).run()
    assert [record.seq for record in run.records] == list(range(1, len(run.records) + 1))
    for step in run.ledger.steps:
        assert step.step.path.count(".body.") == (step.step.iteration.count(".") + 1 if step.step.iteration else 0)


@given(STEPS, st.integers(1, 12))
def test_a_cancel_at_any_effect_closes_everything(steps: list[dict[str, Any]], after: int) -> None:
    run = Scripted(steps).run(after)
    ended = isinstance(run.effects[-1], fx.Finish)
    finish = run.machine.cancel("stop", run.clock.now_ms)
    run.ledger.add(finish.trace)
    assert (finish.status == "CANCELED") is not ended
    assert all(step.status != "STARTED" for step in run.ledger.steps)
    assert all(wait.status != "WAITING" for wait in run.ledger.waits)
    canceled = [step for step in run.ledger.steps if step.status == "CANCELED"]
    assert len(canceled) <= 1
    assert finish.scopes["local"] == {}


@given(STEPS, st.integers(1, 5))
def test_leases_of_any_size_count_exactly_and_change_nothing(steps: list[dict[str, Any]], block: int) -> None:
    free = Scripted(steps).run()
    leased = Scripted(steps, quota=0, block=block)
    leased.run()
    assert leased.ledger == free.ledger
    assert leased.granted - leased.machine.release_quota() == free.finish.steps_started


@given(STEPS)
def test_the_payload_that_was_given_is_never_changed(steps: list[dict[str, Any]]) -> None:
    from tests.engine.interpreter.random_definitions import PAYLOAD

    Scripted(steps).run()
    assert PAYLOAD == {"items": [{"a": 1}, 2]}
