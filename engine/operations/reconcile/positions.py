"""Rows and executions of open runs, compared: a pair that stands at different records is brought together, or ended.

After a restore of Postgres the rows are behind: the execution goes on, and says again what it waits for. After a restore of
Temporal the execution is behind: it is told again what has ended its wait, and goes over what its rows have on record. Where
that cannot be done, both are ended. A healthy run is never touched: what is on its way is not compared, nothing is done
before a second look at which neither side has moved, and what is written is what the run itself would write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from engine.operations.context import OperationContext
from engine.operations.reconcile.asking import LastEvent, last_event, whereabouts
from engine.operations.reconcile.looks import Looks
from engine.operations.reconcile.lost_values import end_without_its_values
from engine.operations.reconcile.mending import Rewrite, cancel_again, rewrite_wait, tell_again
from engine.operations.reconcile.pair import Pair, seen
from engine.operations.reconcile.side_by_side import each, is_of_all
from engine.store.database.transactions import writing
from engine.store.runs import agreeing
from engine.store.runs.agreeing import RowState
from engine.store.runs.reconciling import Position
from engine.temporal.connection import RPC_TIMEOUT, unavailable

ROWS_PER_PASS: Final = 500
IDLE_SECONDS: Final = 10.0
SECOND_LOOK_SECONDS: Final = 10.0
"""A pair that disagrees is looked at again after this long at the earliest, and is touched only if nothing has moved."""
FAR_APART: Final = timedelta(seconds=5)
"""A run that waits has written its row and its history within moments. Further apart, they are looked at first."""
ASKED_FIRST: Final = 20
ASKED_BESIDE: Final = 2
"""How many runs are asked where they are in a pass, of those that look wrong and of the others: a worker may have to do a
history again for it."""

_LOG: Final = structlog.get_logger("runstudio.reconciler")


@dataclass(frozen=True, slots=True)
class Compared:
    """What became of a page of open rows."""

    compared: int = 0
    """Runs that were asked."""
    mended: int = 0
    ended: int = 0
    next: Position | None = None
    """Where the next pass goes on; None: from the beginning."""


async def compare_positions(
    context: OperationContext, looks: Looks, after: Position | None, rewrite: Rewrite
) -> Compared:
    """Compare a page of open rows with their executions, and those that disagreed before. Raises ``Unavailable``."""
    async with writing(context.store) as connection:
        page = await agreeing.open_rows(connection, after, ROWS_PER_PASS, IDLE_SECONDS)
        again = await agreeing.rows_of(connection, list(looks.suspects))
    rows = {row.run_id: row for row in page} | {row.run_id: row for row in again.values() if row.active}
    for run_id in [run_id for run_id in looks.suspects if run_id not in rows]:
        del looks.suspects[run_id]
    following = Position(page[-1].updated_at, page[-1].run_id) if len(page) == ROWS_PER_PASS else None
    if not rows:
        return Compared(next=following)
    client = await context.temporal.client()
    try:
        asked, left = await _ask(client, context, looks, list(rows.values()))
        acts = [await _judge_alone(client, context, looks, pair, rewrite) for pair in asked]
    except RPCError as error:
        raise unavailable(error, "compare runs with their rows") from error
    return Compared(len(asked), acts.count("mended"), acts.count("ended"), after if left else following)


async def apart(client: Client, context: OperationContext, run_id: str) -> str | None:
    """What is the case, when a run's two sides stand at different records now: a clause. None: they agree, or it moves.

    Raises ``RPCError``, ``Unavailable``.
    """
    async with writing(context.store) as connection:
        row = (await agreeing.rows_of(connection, [run_id])).get(run_id)
    last = await last_event(client, run_id)
    if row is None or not row.active or last is None or not last.resting:
        return None
    there = await whereabouts(client, context.store, run_id, RPC_TIMEOUT)
    if there is None:
        return None
    pair = Pair(row, last, there)
    return pair.found if pair.apart else None


async def _ask(
    client: Client, context: OperationContext, looks: Looks, rows: Sequence[RowState]
) -> tuple[list[Pair], bool]:
    """Ask a few of those that rest and are not known to agree, the suspects first; and whether some that look wrong are left."""
    lasts = await each(rows, lambda row: last_event(client, row.run_id))
    resting = [
        (row, last)
        for row, last in zip(rows, lasts, strict=True)
        if last is not None
        and last.resting
        and looks.agreed.get(row.run_id) != seen(row, last)
        and looks.may_be_asked(row.run_id)
    ]
    first = [pair for pair in resting if pair[0].run_id in looks.suspects or _far_apart(*pair)]
    known = {row.run_id for row, _ in first}
    first.sort(key=lambda pair: pair[0].run_id not in looks.suspects)
    beside = [pair for pair in resting if pair[0].run_id not in known][:ASKED_BESIDE]
    chosen = [*first[:ASKED_FIRST], *beside]
    told = await each(chosen, lambda pair: whereabouts(client, context.store, pair[0].run_id))
    answered: list[Pair] = []
    silent: list[RowState] = []
    for (row, last), there in zip(chosen, told, strict=True):
        if there is None:
            looks.did_not_answer(row.run_id)
            silent.append(row)
        else:
            answered.append(Pair(row, last, there))
    await each(silent, lambda row: end_without_its_values(client, context.store, row.run_id))
    return answered, len(first) > ASKED_FIRST


def _far_apart(row: RowState, last: LastEvent) -> bool:
    return abs(last.at - row.updated_at) > FAR_APART


async def _judge_alone(client: Client, context: OperationContext, looks: Looks, pair: Pair, rewrite: Rewrite) -> str:
    """As ``_judge``; a run whose row somebody holds, or with an unforeseen failure, is logged, and stops no other."""
    try:
        return await _judge(client, context, looks, pair, rewrite)
    except Exception as error:
        if is_of_all(error):
            raise
        _LOG.exception("a run cannot be compared", run_id=pair.row.run_id)
        looks.did_not_answer(pair.row.run_id)
        return "failed"


async def _judge(client: Client, context: OperationContext, looks: Looks, pair: Pair, rewrite: Rewrite) -> str:
    """``agreed``, ``suspected``, ``mended`` or ``ended``."""
    row = pair.row
    if pair.there["noted"]:
        # Numbers that a restored database gives again would be below what the run has looked up to.
        async with writing(context.store) as connection:
            await agreeing.number_beyond(connection, pair.there["noted"])
    lost_cancel = row.cancel_requested_at is not None and not pair.there["canceled"]
    if not (lost_cancel or pair.apart):
        looks.agree(row.run_id, seen(row, pair.last))
        return "agreed"
    suspect = looks.again(row.run_id, pair.standing, SECOND_LOOK_SECONDS)
    if suspect is None:
        return "suspected"
    if lost_cancel:
        done = await cancel_again(client, context, pair)
    elif pair.asked > row.seq:
        done = await rewrite_wait(client, context, pair, rewrite)
    else:
        done = await tell_again(client, context, pair, suspect)
    looks.acted(row.run_id)
    return done
