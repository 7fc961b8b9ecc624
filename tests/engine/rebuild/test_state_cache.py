"""Several states of one run, asked through one client: its records are read once, and again when they change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import Conflict, NotFound
from engine.operations.runs import state, state_cache
from engine.operations.runs.state import state_at
from engine.operations.runs.state_cache import StateCache
from engine.rebuild.state import RebuiltRun
from engine.store.trace.recorded import load_recorded
from engine.values.redaction.placeholder import PLACEHOLDER
from tests.engine.rebuild.operating import operator, publish_event
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.steps import assign, for_each, quick, wait_event


class Readings:
    """Counts how often the records of a run are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0

        async def counted(*arguments: Any, **named: Any) -> Any:
            self.count += 1
            return await load_recorded(*arguments, **named)

        monkeypatch.setattr(state_cache, "load_recorded", counted)


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Readings:
    return Readings(monkeypatch)


async def before(run: Run, cache: StateCache, step: str, iteration: str = "") -> Any:
    """The vars before a step."""
    found = await state_at(operator(run.bench), run.id, step, iteration, cache=cache)
    return found.before.value["vars"]


async def test_the_records_of_a_run_are_read_once_for_all_its_states(bench: Bench, readings: Readings) -> None:
    run = await bench.play([assign("begin", n="0"), for_each("l", "[1, 2, 3]", [assign("a", n="n + item")])])
    cache = StateCache()
    seen = [(await before(run, cache, "a", str(place)))["n"] for place in (2, 0, 1, 2)]
    assert (seen, readings.count) == ([3, 0, 1, 3], 1)


async def test_a_run_that_went_on_is_read_again(bench: Bench, readings: Readings) -> None:
    await bench.publish([assign("a", n="1"), wait_event("w", key="'k'"), assign("b", n="2"), quick("q")])
    run, cache = await bench.start(), StateCache()
    await run.waiting("event")
    assert (await state_at(operator(bench), run.id, "w", cache=cache)).after is None
    with pytest.raises(NotFound):
        await before(run, cache, "b")
    assert readings.count == 1
    await publish_event(bench, "PING", {"n": 1})
    await run.ended()
    assert (await state_at(operator(bench), run.id, "w", cache=cache)).after is not None
    assert (await before(run, cache, "q"))["n"] == 2
    assert readings.count == 2


async def test_another_run_takes_its_place(bench: Bench, readings: Readings) -> None:
    first = await bench.play([assign("a", n="1"), quick("q")])
    second, cache = await bench.play([assign("a", n="2"), quick("q")]), StateCache()
    for run, value in ((first, 1), (second, 2), (second, 2), (first, 1)):
        assert (await before(run, cache, "q"))["n"] == value
    assert readings.count == 3
    elsewhere = replace(operator(bench), tenant="00000000-0000-0000-0000-000000000002")
    with pytest.raises(NotFound):
        await state_at(elsewhere, first.id, "q", cache=cache)


async def test_what_may_be_shown_is_decided_at_every_question(bench: Bench, readings: Readings) -> None:
    run, cache = await bench.play([assign("a", badge="'DE02'"), quick("q")]), StateCache()
    assert (await before(run, cache, "q"))["badge"] == "DE02"
    await bench.execute(
        "INSERT INTO workflow_settings (tenant, redaction_pointers, redaction_key_patterns)"
        """ VALUES (CAST(:t AS uuid), '[]', '["badge"]')""",
        t=bench.tenant,
    )
    assert (await before(run, cache, "q"))["badge"] == PLACEHOLDER
    assert readings.count == 1


async def test_it_is_given_up_after_a_while_and_when_it_is_too_large(
    bench: Bench, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, cache = await bench.play([assign("a", n="1"), quick("q")], {"text": "x" * 500}), StateCache()
    monkeypatch.setattr(state_cache, "KEPT_SECONDS", 0.0)
    await before(run, cache, "q")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    monkeypatch.setattr(state_cache, "KEPT_SECONDS", 60.0)
    monkeypatch.setattr(state_cache, "KEPT_BYTES", 400)
    await before(run, cache, "q")
    await before(run, cache, "q")
    assert readings.count == 3


async def test_a_computation_nobody_waits_for_any_more_ends(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever moves on to the next step gives up the question before; its thread must not hold up the next."""
    run = await bench.play([assign("a", n="1"), quick("q")])
    began, told, loop = asyncio.Event(), asyncio.Event(), asyncio.get_running_loop()

    def endless(_: RebuiltRun, _key: object, enough: Callable[[], bool]) -> Any:
        loop.call_soon_threadsafe(began.set)
        while not enough():
            pass
        loop.call_soon_threadsafe(told.set)

    monkeypatch.setattr(RebuiltRun, "at", endless)
    monkeypatch.setattr(state, "PATIENCE_SECONDS", 600.0)
    asking = asyncio.create_task(state_at(operator(bench), run.id, "q"))
    await asyncio.wait_for(began.wait(), 60)
    asking.cancel()
    await asyncio.wait_for(told.wait(), 60)
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_refusal_keeps_nothing(bench: Bench, readings: Readings) -> None:
    run, cache = await bench.play([quick("q")]), StateCache()
    await bench.execute("UPDATE workflow_runs SET definition_hash = 'other'")
    for _ in range(2):
        with pytest.raises(Conflict, match="DEFINITION_HASH_MISMATCH"):
            await before(run, cache, "q")
    assert readings.count == 2
