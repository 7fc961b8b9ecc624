"""What a step costs: history events and commits, exact."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from engine.devstack.postgres import EmbeddedPostgres
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.steps import (
    Step,
    assign,
    attempt,
    call,
    for_each,
    ordinary,
    quick,
    set_state,
    wait_event,
    wait_time,
    when,
)

FRAME_EVENTS = 7
"""Started, one workflow task (3), loading and finishing as markers (2), completed."""


async def total(run: Run) -> int:
    return sum((await run.events()).values())


async def test_a_run_without_steps_costs_the_frame(bench: Bench) -> None:
    run = await bench.play([])
    assert await total(run) == FRAME_EVENTS


async def test_an_ordinary_step_costs_six_events(bench: Bench) -> None:
    run = await bench.play([ordinary("a"), ordinary("b"), ordinary("c")])
    assert await total(run) == FRAME_EVENTS + 3 * 6
    assert (await run.events())["ACTIVITY_TASK_SCHEDULED"] == 3


async def test_a_quick_step_costs_one_event(bench: Bench) -> None:
    run = await bench.play([quick(f"q{n}") for n in range(10)])
    assert await total(run) == FRAME_EVENTS + 10
    assert (await run.events())["ACTIVITY_TASK_SCHEDULED"] == 0


async def test_a_transactional_step_costs_one_event(bench: Bench) -> None:
    run = await bench.play([call(f"w{n}", "test.writes", label="k") for n in range(5)])
    assert await total(run) == FRAME_EVENTS + 5


async def test_control_and_pure_steps_cost_nothing(bench: Bench) -> None:
    steps: list[Step] = [
        assign("a", list="[1, 2, 3]"),
        for_each("loop", "vars.list", [when("if", "item > 1", [set_state("s")], [assign("b", n="item")])]),
        attempt("t", [assign("boom", x="missing.path")], [assign("c", seen="error.category")]),
        call("upper", "transform.uppercase_text", text="=toString(vars.n)"),
    ]
    run = await bench.play(steps)
    assert (await run.row())["status"] == "SUCCEEDED"
    assert await total(run) == FRAME_EVENTS
    assert len(await run.steps()) == 12


async def test_a_time_wait_costs_a_marker_a_timer_and_a_workflow_task(bench: Bench) -> None:
    run = await bench.play([wait_time("w", 400)])
    assert await total(run) == FRAME_EVENTS + 1 + 2 + 3


async def test_an_event_wait_costs_a_marker_a_signal_and_a_workflow_task(bench: Bench) -> None:
    await bench.publish([wait_event("w")])
    run = await bench.start()
    await run.waiting("event")
    await run.send_event("PING")
    await run.ended()
    assert await total(run) == FRAME_EVENTS + 1 + 1 + 3


@pytest.fixture
def alone(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Nobody but the test writes: no autovacuum, in any database of the server."""
    url = make_url(postgres.url()).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("SELECT pg_reload_conf()")
        while connection.execute("SELECT 1 FROM pg_stat_activity WHERE backend_type LIKE 'autovacuum%'").fetchone():
            connection.execute("SELECT pg_sleep(0.02)")
        yield
        connection.execute("ALTER SYSTEM RESET autovacuum")
        connection.execute("SELECT pg_reload_conf()")


async def written(bench: Bench, steps: list[Step]) -> int:
    """Write transactions of one run of these steps: each takes one transaction id."""

    async def counter() -> int:
        [row] = await bench.rows("SELECT CAST(pg_current_xact_id() AS text) AS xid")
        return int(row["xid"])

    await bench.publish(steps)
    before = await counter()
    run = await bench.start()
    await run.ended()
    assert (await run.row())["status"] == "SUCCEEDED"
    return await counter() - before


@pytest.mark.parametrize(
    ("action", "given", "commits"),
    [
        ("test.quick", {"value": 1}, 2),
        ("test.ordinary", {"value": 1}, 2),
        ("test.writes", {"label": "k"}, 1),
        ("transform.uppercase_text", {"text": "a"}, 0),
    ],
)
async def test_commits_per_step(alone: None, bench: Bench, action: str, given: dict[str, Any], commits: int) -> None:
    few = await written(bench, [call(f"s{n}", action, **given) for n in range(2)])
    many = await written(bench, [call(f"s{n}", action, **given) for n in range(12)])
    assert many - few == 10 * commits


async def test_a_read_and_two_writes_frame_a_run(alone: None, bench: Bench) -> None:
    launch_and_probe = 3
    assert await written(bench, []) == launch_and_probe + 1
