"""Canceling: frozen targets, a second look, each settled on its own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from engine.errors import Conflict, Unavailable
from engine.records import RunRow, RunStatus
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.fake.run import new_run
from runstudio_tui.backend.fake.world import World
from runstudio_tui.clock import ManualClock, ServerTime
from runstudio_tui.store.feed import ChangeFeed
from runstudio_tui.store.flows import CancelFlow
from runstudio_tui.store.journal import Journal
from runstudio_tui.store.session import Studio
from runstudio_tui.store.targets import Outcome, reason_problem
from tests.tui.refusals import postgres_away, temporal_away

START = datetime(2026, 1, 15, 12, tzinfo=UTC)


class Case:
    """Some running runs and a session on them."""

    def __init__(self, number: int = 3) -> None:
        clock = ManualClock(START)
        self.world = World(clock)
        for at in range(number):
            run = new_run(f"run-{at}", "w", 1, START, {})
            self.world.runs[run.row.run_id] = run
        self.backend = FakeBackend(self.world, clock)
        self.bugs: list[Exception] = []
        self.studio = Studio(
            backend=self.backend,
            clock=clock,
            zone=UTC,
            poll_seconds=4,
            journal=Journal(clock),
            time=ServerTime(clock),
            feed=ChangeFeed(clock, self.backend.system),
            report_bug=self.bugs.append,
        )

    @property
    def rows(self) -> list[RunRow]:
        """The rows as they are now."""
        return [run.row for run in self.world.runs.values()]

    def flow(self) -> CancelFlow:
        """A flow about all runs as they are now."""
        return CancelFlow(self.studio, self.rows, lambda: None)


def outcomes(flow: CancelFlow) -> list[Outcome]:
    """How each target stands."""
    return [target.outcome for target in flow.targets]


def sent(case: Case) -> list[tuple[str, str]]:
    """Run id and reason of each cancel that was sent."""
    return [call.arguments for call in case.backend.called("runs.cancel")]


async def test_each_target_is_canceled_once() -> None:
    case = Case()
    flow = case.flow()
    await flow.run("  wrong price list  ")
    assert outcomes(flow) == [Outcome.DONE] * 3
    assert sent(case) == [(row.run_id, "wrong price list") for row in case.rows]
    assert all(row.status is RunStatus.CANCELED for row in case.rows)


async def test_what_cannot_be_canceled_is_skipped_and_says_why() -> None:
    case = Case()
    runs = list(case.world.runs.values())
    runs[0].finish(START, RunStatus.SUCCEEDED)
    runs[1].change(START, engine="db")
    flow = case.flow()
    assert [target.text for target in flow.targets] == [
        "skipped: already finished",
        "skipped: from before the cutover, read-only",
        "",
    ]
    await flow.run("reason")
    assert len(case.backend.called("runs.cancel")) == 1


async def test_the_state_is_looked_at_again_before_acting() -> None:
    case = Case()
    flow = case.flow()
    case.world.runs["run-1"].finish(START, RunStatus.SUCCEEDED)
    await flow.run("reason")
    assert outcomes(flow) == [Outcome.DONE, Outcome.SKIPPED, Outcome.DONE]
    assert [run_id for run_id, _ in sent(case)] == ["run-0", "run-2"]


async def test_one_failure_leaves_the_others_alone_and_can_be_repeated() -> None:
    case = Case()
    case.backend.fail_next("runs.cancel", temporal_away())
    flow = case.flow()
    await flow.run("reason")
    assert outcomes(flow) == [Outcome.FAILED, Outcome.DONE, Outcome.DONE]
    assert flow.targets[0].text == f"failed: {temporal_away().sentences}"
    await flow.run("reason")
    assert outcomes(flow) == [Outcome.DONE] * 3
    assert sorted(run_id for run_id, _ in sent(case)) == ["run-0", "run-0", "run-1", "run-2"]


async def test_a_bug_with_one_target_settles_it_and_is_reported() -> None:
    case = Case()
    case.backend.fail_next("runs.cancel", KeyError("oops"))
    flow = case.flow()
    await flow.run("reason")
    assert sorted(outcomes(flow)) == sorted([Outcome.FAILED, Outcome.DONE, Outcome.DONE])
    assert [type(bug) for bug in case.bugs] == [KeyError]


async def test_when_the_second_look_fails_nothing_is_sent() -> None:
    case = Case()
    case.backend.fail_next("runs.rows", postgres_away())
    flow = case.flow()
    with pytest.raises(Unavailable):
        await flow.run("reason")
    assert case.backend.called("runs.cancel") == []
    assert outcomes(flow) == [Outcome.PENDING] * 3


async def test_at_most_four_at_once() -> None:
    case = Case(12)
    gate = case.backend.hold("runs.cancel")
    flow = case.flow()
    running = asyncio.create_task(flow.run("reason"))
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(case.backend.called("runs.cancel")) == 4
    gate.set()
    await running
    assert len(case.backend.called("runs.cancel")) == 12


async def test_a_refusal_is_a_result() -> None:
    case = Case(1)
    case.backend.fail_next("runs.cancel", Conflict("RUN_BUSY", "The run cannot be canceled now."))
    flow = case.flow()
    await flow.run("reason")
    assert flow.targets[0].text == "failed: The run cannot be canceled now."


async def test_what_ended_between_the_second_look_and_the_cancel_is_skipped() -> None:
    case = Case(2)
    gate = case.backend.hold("runs.cancel")
    flow = case.flow()
    running = asyncio.create_task(flow.run("reason"))
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(sent(case)) == 2
    case.world.runs["run-0"].finish(START, RunStatus.SUCCEEDED)
    gate.set()
    await running
    assert outcomes(flow) == [Outcome.SKIPPED, Outcome.DONE]
    assert flow.targets[0].text == "skipped: finished meanwhile"


def test_reasons_count_without_blanks_around_them() -> None:
    assert reason_problem(" ab ")
    assert not reason_problem(" abc ")
