"""The hot statements fit into what the driver remembers."""

from __future__ import annotations

import pytest

from engine.definition.step_ref import StepRef
from engine.interpreter.effects import StepRecord
from engine.store.database.single_statement import for_driver
from engine.store.trace import chains
from engine.store.trace.attempt_statements import CLAIM, SUCCESS
from engine.store.trace.projection import Ended, Progress, Running, Waiting, projecting

DRIVERS_LIMIT = 4096
AT = "2026-01-01T00:00:00.000Z"
STEP = StepRef("root.steps[0]", "", 1, "s", "action.call")
PROGRESS = Progress("r", (StepRecord(1, STEP, "STARTED", 1, AT),), 1, 1)


@pytest.mark.parametrize("beside", [CLAIM, SUCCESS])
def test_a_claim_and_a_success(beside: str) -> None:
    statement, _ = projecting(PROGRESS, Running(STEP), beside=beside)
    assert len(for_driver(statement.text)) <= DRIVERS_LIMIT


@pytest.mark.parametrize("first", [chains.SUCCESS, chains.FAILURE])
def test_a_step_of_a_chain(first: str) -> None:
    claimed, _ = projecting(PROGRESS, Running(STEP), first=first, beside=CLAIM, query=chains.CLAIMED)
    ended, _ = projecting(PROGRESS, Ended("SUCCEEDED"), first=first, query=chains.LIVE)
    for statement in (claimed, ended):
        assert len(for_driver(statement.text)) <= DRIVERS_LIMIT


def test_a_wait() -> None:
    statement, _ = projecting(Progress("r", (), 1, 1), Waiting(STEP, "time", AT))
    assert len(statement.text) < DRIVERS_LIMIT
