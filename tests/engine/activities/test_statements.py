"""The hot statements fit into what the driver remembers."""

from __future__ import annotations

import pytest

from engine.interpreter.effects import StepRecord, StepRef
from engine.store.invocation_statements import CLAIM, SUCCESS
from engine.store.projection import Progress, Running, Waiting, projecting

DRIVERS_LIMIT = 4096
AT = "2026-01-01T00:00:00.000Z"
STEP = StepRef("root.steps[0]", "", 1, "s", "action.call")
PROGRESS = Progress("r", (StepRecord(1, STEP, "STARTED", 1, AT),), 1, 1)


@pytest.mark.parametrize("beside", [CLAIM, SUCCESS])
def test_a_claim_and_a_success(beside: str) -> None:
    statement, _ = projecting(PROGRESS, Running(STEP), beside=beside)
    # Parameters are longer in the driver's spelling: %(name)s for :name.
    assert len(statement.text) + 3 * statement.text.count(":") < DRIVERS_LIMIT


def test_a_wait() -> None:
    statement, _ = projecting(Progress("r", (), 1, 1), Waiting(STEP, "time", AT))
    assert len(statement.text) < DRIVERS_LIMIT
