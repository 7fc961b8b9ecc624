"""Runs that went on after a restore of Postgres: what their lost records left open is closed, and their log says so."""

from __future__ import annotations

from typing import Final

import structlog

from engine.operations.context import OperationContext
from engine.operations.reconcile.disagreements import RESTORED, error_of, tell
from engine.operations.reconcile.side_by_side import is_of_all
from engine.store.database.transactions import Connection, writing
from engine.store.runs import agreeing
from engine.store.runs.lost_records import close_lost_records, runs_with_lost_records
from engine.values.json_policy import dumps_for_storage
from engine.wording import counted

RUNS_PER_PASS: Final = 200
_HOW_IT_ENDED: Final = "How this step ended was lost in a restore of Postgres; the run has gone on."

_LOG: Final = structlog.get_logger("runstudio.reconciler")


async def close_what_lost_records_left(context: OperationContext) -> int:
    """Close it for all runs of which it is noted, at most ``RUNS_PER_PASS``; how many. One that cannot be now stops no other."""
    async with writing(context.store) as connection:
        noted = await runs_with_lost_records(connection, RUNS_PER_PASS)
    closed = 0
    for run_id in noted:
        try:
            await _close_and_tell(context, run_id)
        except Exception as error:
            if is_of_all(error):
                raise
            _LOG.exception("what lost records left cannot be closed", run_id=run_id)
        else:
            closed += 1
    return closed


async def _close_and_tell(context: OperationContext, run_id: str) -> None:
    async with writing(context.store) as connection:
        said = await close_of_run(connection, run_id)
        if said is not None:
            row = (await agreeing.rows_of(connection, [run_id]))[run_id]
            await tell(context, connection, row, f"{RESTORED} it went on. {said}", {})


async def close_of_run(connection: Connection, run_id: str) -> str | None:
    """Close what the lost records of a run left open, and say which they are: a sentence. None: none are noted."""
    lost = await close_lost_records(connection, run_id, dumps_for_storage(error_of(_HOW_IT_ENDED, {})))
    if lost is None:
        return None
    return (
        f"Records {lost.first} to {lost.last} are lost as far as they are not shown, and so is what the steps in between wrote"
        f" to this database. What they had left open was closed: {counted(lost.closed, 'row')}."
    )
