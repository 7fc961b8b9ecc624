"""Rows and executions of open runs, compared: a pair that stands at different records is brought together, or ended.

After a restore of Postgres the rows are behind: the execution goes on, and says again what it waits for. After a restore of
Temporal the execution is behind: it is told again what has ended its wait, and goes over what its rows have on record. Where
that cannot be done, both are ended. A healthy run is never touched: what is on its way is not compared, nothing is done
before a second look at which neither side has moved, and what is written is what the run itself would write.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from engine.contract import SIGNAL_EVENT, SIGNAL_QUOTA_RESUME, workflow_id_for
from engine.definition.models import Filter
from engine.interpreter.effects import EventArrived
from engine.interpreter.events import passes
from engine.operations.context import OperationContext
from engine.operations.reconcile.asking import LastEvent, last_event, whereabouts
from engine.operations.reconcile.disagreements import RESTORED, end_both, error_of, tell
from engine.operations.reconcile.looks import Looks, Seen, Suspect
from engine.operations.reconcile.side_by_side import each
from engine.store.database.transactions import writing
from engine.store.runs import agreeing
from engine.store.runs.agreeing import RowState
from engine.store.runs.reconciling import Position
from engine.store.trace.ending_waits import OpenWait, ended_wait
from engine.store.trace.waiting import events_since
from engine.temporal.connection import RPC_TIMEOUT, unavailable
from engine.temporal.data_converter import speaking_to_runs
from engine.values.json_policy import dumps_for_storage
from engine.values.timestamps import iso_milliseconds
from engine.workflow.wire import OPEN_CHILD, OPEN_WAIT, RESERVE_QUOTA, Whereabouts, decode_step

ROWS_PER_PASS: Final = 200
IDLE_SECONDS: Final = 10.0
SECOND_LOOK_SECONDS: Final = 10.0
"""A pair that disagrees is looked at again after this long at the earliest, and is touched only if nothing has moved."""
FAR_APART: Final = timedelta(seconds=5)
"""A run that waits has written its row and its history within moments. Further apart, they are looked at first."""
ASKED_FIRST: Final = 20
ASKED_BESIDE: Final = 2
"""How many runs are asked where they are in a pass, of those that look wrong and of the others: a worker may have to do a
history again for it."""
ACTS: Final = 5
"""So often an execution that is behind is told again before both are ended."""

Rewrite = Callable[[str, dict[str, Any]], Awaitable[None]]
"""Does again the call by which a run has put its wait on record: activity, request."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What became of a page of open rows."""

    compared: int = 0
    """Runs that were asked."""
    mended: int = 0
    ended: int = 0
    next: Position | None = None
    """Where the next pass goes on; None: from the beginning."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A run that waits, as its row and as its execution have it."""

    row: RowState
    last: LastEvent
    there: Whereabouts

    @property
    def standing(self) -> tuple[Any, ...]:
        """Everything by which it would be seen that one side has moved."""
        return (*seen(self.row, self.last), self.there["seq"])

    @property
    def asked(self) -> int:
        """The record at which the execution waits."""
        waiting = self.there["waiting"]
        return self.there["seq"] if waiting is None else int(waiting["request"]["seq"])

    @property
    def apart(self) -> bool:
        """Whether it waits at another record than its row tells."""
        return self.there["waiting"] is not None and self.asked != self.row.seq

    @property
    def facts(self) -> dict[str, Any]:
        """For log and audit."""
        waiting = self.there["waiting"]
        place = None if waiting is None else decode_step(waiting["request"]["step"]).path
        return {
            "rows": {"record": self.row.seq, "step": self.row.node_path, "waitingOn": self.row.waiting_on},
            "execution": {"record": self.asked, "step": place, "event": self.last.number},
        }

    @property
    def found(self) -> str:
        """What is the case, to be continued."""
        there = self.facts["execution"]
        return f"its rows are at {self.row.place}, its execution at record {there['record']} at {there['step']}"


def seen(row: RowState, last: LastEvent) -> Seen:
    """What a run looked like."""
    return last.number, row.seq, row.updated_at


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
        asked = await _ask(client, context, looks, list(rows.values()))
        acts = [await _judge(client, context, looks, pair, rewrite) for pair in asked]
    except RPCError as error:
        raise unavailable(error, "compare runs with their rows") from error
    return Compared(len(asked), acts.count("mended"), acts.count("ended"), following)


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


async def _ask(client: Client, context: OperationContext, looks: Looks, rows: Sequence[RowState]) -> list[Pair]:
    """Ask a few of those that rest and are not known to agree, the suspects first."""
    lasts = await each(rows, lambda row: last_event(client, row.run_id))
    resting = [
        (row, last)
        for row, last in zip(rows, lasts, strict=True)
        if last is not None and last.resting and looks.agreed.get(row.run_id) != seen(row, last)
    ]
    first = [pair for pair in resting if pair[0].run_id in looks.suspects or _far_apart(*pair)]
    known = {row.run_id for row, _ in first}
    first.sort(key=lambda pair: pair[0].run_id not in looks.suspects)
    beside = [pair for pair in resting if pair[0].run_id not in known][:ASKED_BESIDE]
    chosen = [*first[:ASKED_FIRST], *beside]
    told = await each(chosen, lambda pair: whereabouts(client, context.store, pair[0].run_id))
    return [Pair(row, last, there) for (row, last), there in zip(chosen, told, strict=True) if there is not None]


def _far_apart(row: RowState, last: LastEvent) -> bool:
    return abs(last.at - row.updated_at) > FAR_APART


async def _judge(client: Client, context: OperationContext, looks: Looks, pair: Pair, rewrite: Rewrite) -> str:
    """``agreed``, ``suspected``, ``mended`` or ``ended``."""
    row = pair.row
    lost_cancel = row.cancel_requested_at is not None and not pair.there["canceled"]
    if not (lost_cancel or pair.apart):
        looks.agree(row.run_id, seen(row, pair.last))
        return "agreed"
    suspect = looks.again(row.run_id, pair.standing, SECOND_LOOK_SECONDS)
    if suspect is None:
        return "suspected"
    if lost_cancel:
        done = await _cancel_again(client, context, pair)
    elif pair.asked > row.seq:
        done = await _rewrite(client, context, pair, rewrite)
    else:
        done = await _tell_again(client, context, pair, suspect)
    looks.acted(row.run_id)
    return done


async def _cancel_again(client: Client, context: OperationContext, pair: Pair) -> str:
    row = pair.row
    reason = "The cancel was asked for before Temporal was restored to an earlier moment."
    await client.get_workflow_handle(workflow_id_for(row.run_id)).cancel(reason=reason, rpc_timeout=RPC_TIMEOUT)
    async with writing(context.store) as connection:
        sentence = (
            f"{RESTORED} its row has a cancel of which its execution knows nothing. It was asked to cancel again."
        )
        await tell(context, connection, row, sentence, pair.facts)
    return "mended"


async def _rewrite(client: Client, context: OperationContext, pair: Pair, rewrite: Rewrite) -> str:
    """Postgres is behind: what the execution waits for is written once more, and what its rows had open before is closed."""
    row, waiting = pair.row, pair.there["waiting"]
    if waiting is None:
        raise AssertionError("only a run that waits is compared")
    request = waiting["request"]
    async with writing(context.store) as connection:
        await agreeing.number_beyond(connection, pair.there["noted"])
    if waiting["activity"] == RESERVE_QUOTA:
        # It asks again, and that writes where it is.
        await client.get_workflow_handle(workflow_id_for(row.run_id)).signal(
            SIGNAL_QUOTA_RESUME, {"reason": "its row was lost"}, rpc_timeout=RPC_TIMEOUT
        )
    else:
        try:
            await rewrite(waiting["activity"], request)
        except ApplicationError:
            # The run was closed meanwhile, or may not be written at this moment.
            return "suspected"
    step = decode_step(request["step"])
    sentence = (
        f"{RESTORED} {pair.found}. The execution goes on, and what it waits for was written again. Records {row.seq + 1} to"
        f" {pair.asked} are lost as far as they are not shown, and so is what the steps in between wrote to this database."
    )
    lost = error_of("How this step ended was lost in a restore of Postgres; the run has gone on.", {})
    async with writing(context.store) as connection:
        await agreeing.close_overtaken(connection, row.run_id, step, pair.asked, dumps_for_storage(lost))
        await tell(context, connection, row, sentence, pair.facts)
    await _send_missed(client, context, row, request)
    return "mended"


async def _send_missed(client: Client, context: OperationContext, row: RowState, request: dict[str, Any]) -> None:
    """Send the run the events that came while no row told of its wait; one it has used already it ignores."""
    wanted = request.get("event")
    if wanted is None:
        return
    async with writing(context.store) as connection:
        found = await events_since(connection, row.run_id, wanted["name"], wanted["key"], row.updated_at)
    filters = [Filter.model_validate(item) for item in wanted.get("filters", ())]
    for event in found:
        if passes(filters, event.payload):
            received = iso_milliseconds(event.received_at)
            arrived = EventArrived(event.event_id, event.event_name, event.key, event.payload, received, stored=True)
            await _send(client, context, row.run_id, arrived)


async def _tell_again(client: Client, context: OperationContext, pair: Pair, suspect: Suspect) -> str:
    """Temporal is behind: what ended the wait of the execution is on record, and the run is told it once more."""
    row, waiting = pair.row, pair.there["waiting"]
    if waiting is None:
        raise AssertionError("only a run that waits is compared")
    request = waiting["request"]
    on_record = True
    if waiting["activity"] == OPEN_WAIT:
        on_record = await _told(client, context, row.run_id, request)
    elif waiting["activity"] == RESERVE_QUOTA:
        await client.get_workflow_handle(workflow_id_for(row.run_id)).signal(
            SIGNAL_QUOTA_RESUME, {"reason": "its rows are further"}, rpc_timeout=RPC_TIMEOUT
        )
    elif waiting["activity"] == OPEN_CHILD and await last_event(client, request["child"]) is not None:
        # The child is behind too, or at work: it comes first.
        return "suspected"
    if not on_record or suspect.acts >= ACTS:
        why = f"it was told again {suspect.acts} times" if on_record else "what ended that wait is not on record"
        await end_both(client, context, row, f"{pair.found}, and {why}", pair.facts)
        return "ended"
    if suspect.acts == 0:
        sentence = (
            f"{RESTORED} {pair.found}. The execution is told again what has ended its wait, and comes to its rows."
        )
        async with writing(context.store) as connection:
            await tell(context, connection, row, sentence, pair.facts)
    return "mended"


async def _told(client: Client, context: OperationContext, run_id: str, request: dict[str, Any]) -> bool:
    """Tell the run how its wait ended. False: that is not on record. Times need no telling: the run has its own timer."""
    on = request["waiting_on"]
    if on in ("time", "retry"):
        return True
    step = decode_step(request["step"])
    ended = await ended_wait(context.store, OpenWait(run_id, step, on, request["attempt"]))
    if ended is None:
        return False
    if on == "human":
        async with writing(context.store) as connection:
            return await agreeing.answer_again(connection, request["task"]["id"])
    if on == "event" and ended.status == "RESOLVED":
        if ended.event is None:
            return False
        await _send(client, context, run_id, ended.event)
    return True


async def _send(client: Client, context: OperationContext, run_id: str, event: EventArrived) -> None:
    signal = {
        "eventId": event.event_id,
        "eventName": event.event_name,
        "correlationKey": event.key,
        "payload": event.payload,
        "receivedAt": event.received_at,
        "stored": event.stored,
    }
    handle = speaking_to_runs(client, context.store).get_workflow_handle(workflow_id_for(run_id))
    await handle.signal(SIGNAL_EVENT, signal, rpc_timeout=RPC_TIMEOUT)
