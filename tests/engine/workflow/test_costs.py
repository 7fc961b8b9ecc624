"""What a step costs: history events and commits, exact."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from engine.store.trace import chains, claiming_attempts, settling_attempts
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

pytestmark = pytest.mark.usefixtures("unhurried")

FRAME_EVENTS = 7
"""Started, one workflow task (3), loading and finishing as markers (2), completed.

A chain that reaches the end of the run writes that too: then it is one event instead of the one for finishing.
"""


async def total(run: Run) -> int:
    return sum((await run.events()).values())


async def test_a_run_without_steps_costs_the_frame(bench: Bench) -> None:
    run = await bench.play([])
    assert await total(run) == FRAME_EVENTS


async def test_an_ordinary_step_costs_six_events(bench: Bench) -> None:
    run = await bench.play([ordinary("a"), ordinary("b"), ordinary("c")])
    assert await total(run) == FRAME_EVENTS + 3 * 6
    assert (await run.events())["ACTIVITY_TASK_SCHEDULED"] == 3


async def test_a_chain_of_quick_steps_costs_one_event(bench: Bench) -> None:
    run = await bench.play([quick(f"q{n}") for n in range(10)])
    assert await total(run) == FRAME_EVENTS
    assert (await run.events())["MARKER_RECORDED"] == 2


async def test_a_chain_that_is_followed_by_something_else_costs_one_event(bench: Bench) -> None:
    run = await bench.play([*(quick(f"q{n}") for n in range(10)), ordinary("o")])
    assert await total(run) == FRAME_EVENTS + 1 + 6


async def test_transactional_and_pure_steps_ride_along(bench: Bench) -> None:
    pairs = [[call(f"w{n}", "test.writes", label="k"), assign(f"a{n}", n="1"), quick(f"q{n}")] for n in range(5)]
    run = await bench.play([step for pair in pairs for step in pair])
    assert await total(run) == FRAME_EVENTS
    assert [step["status"] for step in await run.steps()] == ["SUCCEEDED"] * 15


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


async def test_a_time_wait_costs_two_markers_a_timer_and_a_workflow_task(bench: Bench) -> None:
    run = await bench.play([wait_time("w", 400)])
    # Opened, and ended: with its end on record, a task that is repeated computes the same from it.
    assert await total(run) == FRAME_EVENTS + 2 + 2 + 3


async def test_an_event_wait_costs_two_markers_a_signal_and_a_workflow_task(bench: Bench) -> None:
    await bench.publish([wait_event("w")])
    run = await bench.start()
    await run.waiting("event")
    await run.send_event("PING")
    await run.ended()
    assert await total(run) == FRAME_EVENTS + 2 + 1 + 3


async def written(bench: Bench, steps: list[Step]) -> int:
    """Write transactions of a run of these steps: each takes one transaction id of the server, which only this test uses.

    The least of six runs: a try of a statement that waited for a lock, or was repeated, takes an id too.
    """

    async def counter() -> int:
        [row] = await bench.rows("SELECT CAST(pg_current_xact_id() AS text) AS xid")
        return int(row["xid"])

    await bench.publish(steps)
    counted = []
    for _ in range(6):
        before = await counter()
        run = await bench.start()
        await run.ended()
        assert (await run.row())["status"] == "SUCCEEDED"
        counted.append(await counter() - before)
    return min(counted)


@pytest.mark.parametrize(
    ("action", "given", "commits"),
    [
        ("test.quick", {"value": 1}, 1),
        ("test.ordinary", {"value": 1}, 2),
        ("test.writes", {"label": "k"}, 1),
        ("transform.uppercase_text", {"text": "a"}, 0),
    ],
)
async def test_commits_per_step(bench: Bench, action: str, given: dict[str, Any], commits: int) -> None:
    few = await written(bench, [call(f"s{n}", action, **given) for n in range(2)])
    many = await written(bench, [call(f"s{n}", action, **given) for n in range(12)])
    assert many - few == 10 * commits


async def test_a_chain_of_n_quick_steps_has_n_and_one_commits(bench: Bench) -> None:
    # The end of the run is in the last of them.
    frame = await written(bench, []) - 1
    assert await written(bench, [quick(f"q{n}") for n in range(7)]) - frame == 7 + 1


async def test_quick_and_transactional_steps_in_turn_have_one_commit_each(bench: Bench) -> None:
    frame = await written(bench, []) - 1
    steps = [call(f"s{n}", "test.writes" if n % 2 else "test.quick", label="k") for n in range(6)]
    assert await written(bench, steps) - frame == 6 + 1


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many statements each module of a step's way has sent on connections of their own."""
    sent: Counter[str] = Counter()
    for module in (claiming_attempts, settling_attempts, chains):
        original = module.execute_alone

        async def counted(*given: Any, name: str = module.__name__, original: Any = original) -> Any:
            sent[name.rpartition(".")[2]] += 1
            return await original(*given)

        monkeypatch.setattr(module, "execute_alone", counted)
    return sent


async def test_a_quick_step_is_one_statement(bench: Bench, statements: Counter[str]) -> None:
    steps: list[Step] = [
        for_each("l", "[1..10]", [quick("q"), assign("a", n="item"), when("i", "true", [set_state("s")])])
    ]
    run = await bench.play(steps)
    assert (await run.row())["status"] == "SUCCEEDED"
    # The claim of the first, and one for every outcome, with the next claim or the end of the run.
    assert statements == {"claiming_attempts": 1, "chains": 10}


async def test_a_read_and_two_writes_frame_a_run(bench: Bench) -> None:
    launch_and_probe = 3
    assert await written(bench, []) == launch_and_probe + 1
