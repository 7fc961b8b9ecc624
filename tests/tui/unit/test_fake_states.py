"""The state of a fake run: of a long run, too, only what is asked for is made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.records import Document, RunFilter, RunStatus
from runstudio_tui.backend.fake import FakeBackend, states
from runstudio_tui.backend.fake.run import FakeRun

STEPS = 20_002


def with_many_steps(run: FakeRun) -> None:
    """Let the last step of a run in a loop be followed by others like it."""
    like = [step for step in run.steps.values() if step.iteration][-1]
    tried = next(one for one in run.attempts.values() if (one.path, one.iteration) == (like.path, like.iteration))
    for number in range(STEPS - len(run.steps)):
        name, iteration = f"more-{number}", str(1000 + number)
        run.steps[name] = replace(like, row_id=name, iteration=iteration)
        run.attempts[name] = replace(tried, attempt_id=name, iteration=iteration)
        run.bodies[name] = run.bodies[tried.attempt_id]


async def test_of_a_long_run_two_documents_are_made(backend: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Document] = []

    def counted(*given: Any) -> Document:
        made.append(Document(*given))
        return made[-1]

    chosen = RunFilter(workflow="order-fulfilment", statuses=frozenset({RunStatus.WAITING}))
    run = backend.world.runs[backend.world.select(chosen)[0].run_id]
    with_many_steps(run)
    last = list(run.steps.values())[-1]
    monkeypatch.setattr(states, "Document", counted)
    state = await backend.runs.state(run.row.run_id, last.path, iteration=last.iteration)
    assert len(run.steps) == STEPS
    assert [state.before, state.after] == made
