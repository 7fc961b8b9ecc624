"""Parts: a broken one is started again, the others go on, and readiness follows what really works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from engine.errors import Unavailable
from engine.worker import parts as parts_module
from engine.worker.parts import Part, PartReport, Parts
from tests.engine.operations.conftest import until


async def until_true(condition: Callable[[], bool]) -> None:
    async def holds() -> bool:
        return condition()

    await until(holds)


async def healthy(report: PartReport) -> None:
    async def work() -> None:
        return None

    await report.repeat(0.01, work)


async def test_ready_only_while_every_part_succeeds() -> None:
    broken = asyncio.Event()

    async def fragile(report: PartReport) -> None:
        async def work() -> None:
            if broken.is_set():
                raise Unavailable("TEMPORAL_UNAVAILABLE", "Temporal does not answer.", "Wait.")

        await report.repeat(0.01, work)

    running = Parts([Part("healthy", healthy, 60.0), Part("fragile", fragile, 60.0)])
    assert not running.ready
    running.start()
    await until_true(lambda: running.ready)
    broken.set()
    await until_true(lambda: not running.ready)
    told = running.to_json()
    assert told["fragile"]["state"] == "failing"
    assert told["fragile"]["detail"] == "Temporal does not answer."
    assert told["fragile"]["lastSuccess"] is not None
    assert told["healthy"]["ready"]
    broken.clear()
    await until_true(lambda: running.ready)
    assert "detail" not in running.to_json()["fragile"]
    assert await running.stop(60.0) == []
    assert {report.state for report in running.reports} == {"stopped"}
    assert not running.ready


async def test_what_is_done_seldom_is_tried_again_soon_after_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "AFTER_FAILURE_SECONDS", 0.01)
    refusals = iter([Unavailable("POSTGRES_UNREACHABLE", "Postgres does not answer.", "Wait.")])

    async def seldom(report: PartReport) -> None:
        async def work() -> None:
            for refusal in refusals:
                raise refusal

        await report.repeat(3_600.0, work)

    running = Parts([Part("seldom", seldom, 7_200.0)])
    running.start()
    await until_true(lambda: running.ready)
    assert await running.stop(60.0) == []


async def test_a_part_that_breaks_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "FIRST_RESTART_SECONDS", 0.01)
    starts = 0

    async def breaks_twice(report: PartReport) -> None:
        nonlocal starts
        starts += 1
        if starts < 3:
            raise KeyError("canary-4711")
        report.succeeded()
        await report.stopping.wait()

    running = Parts([Part("breaks", breaks_twice, 60.0)])
    running.start()
    await until_true(lambda: running.ready)
    assert starts == 3
    await running.stop(60.0)


async def test_a_part_that_does_not_stop_is_cut_off_and_named() -> None:
    async def deaf(report: PartReport) -> None:
        report.succeeded()
        await asyncio.Event().wait()

    running = Parts([Part("deaf", deaf, 60.0), Part("healthy", healthy, 60.0)])
    running.start()
    await until_true(lambda: running.ready)
    # Long enough for the other one also where the machine lets this process wait: only the deaf one may be late.
    assert await running.stop(2.0) == ["deaf"]


async def test_parts_that_were_never_started_stop_at_once() -> None:
    assert await Parts([Part("healthy", healthy, 1.0)]).stop(0.0) == []
