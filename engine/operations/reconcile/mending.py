"""Bringing a pair together that stands at different records: by writing again, by telling again, or by ending both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from engine.contract import SIGNAL_EVENT, SIGNAL_QUOTA_RESUME, workflow_id_for
from engine.definition.models import Filter
from engine.interpreter.effects import EventArrived
from engine.interpreter.events import passes
from engine.operations.context import OperationContext
from engine.operations.reconcile.asking import last_event
from engine.operations.reconcile.disagreements import RESTORED, end_both, tell
from engine.operations.reconcile.looks import Suspect
from engine.operations.reconcile.lost_records import close_of_run
from engine.operations.reconcile.pair import Pair, seen
from engine.store.database.transactions import writing
from engine.store.runs import agreeing
from engine.store.runs.agreeing import RowState
from engine.store.trace.ending_waits import OpenWait, ended_wait
from engine.store.trace.waiting import events_since
from engine.temporal.connection import RPC_TIMEOUT
from engine.temporal.data_converter import speaking_to_runs
from engine.values.timestamps import iso_milliseconds
from engine.wording import counted
from engine.workflow.encoding import decode_step
from engine.workflow.wire import OPEN_CHILD, OPEN_WAIT, RESERVE_QUOTA

ACTS: Final = 5
"""So often an execution that is behind is told again before both are ended."""

Rewrite = Callable[[str, dict[str, Any]], Awaitable[None]]
"""Does again the call by which a run has put its wait on record: activity, request."""


async def cancel_again(client: Client, context: OperationContext, pair: Pair) -> str:
    """Temporal has lost a cancel that the row tells of: the run is asked again."""
    row = pair.row
    reason = "The cancel was asked for before Temporal was restored to an earlier moment."
    await client.get_workflow_handle(workflow_id_for(row.run_id)).cancel(reason=reason, rpc_timeout=RPC_TIMEOUT)
    async with writing(context.store) as connection:
        sentence = (
            f"{RESTORED} its row has a cancel of which its execution knows nothing. It was asked to cancel again."
        )
        await tell(context, connection, row, sentence, pair.facts)
    return "mended"


async def rewrite_wait(client: Client, context: OperationContext, pair: Pair, rewrite: Rewrite) -> str:
    """Postgres is behind: what the execution waits for is written once more, and what its rows had open before is closed."""
    row, waiting = pair.row, pair.there["waiting"]
    if waiting is None:
        raise AssertionError("only a run that waits is compared")
    request = waiting["request"]
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
    sentence = f"{RESTORED} {pair.found}. The execution goes on, and what it waits for was written again."
    async with writing(context.store) as connection:
        lost = await close_of_run(connection, row.run_id)
        await tell(context, connection, row, f"{sentence} {lost}" if lost else sentence, pair.facts)
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


async def tell_again(client: Client, context: OperationContext, pair: Pair, suspect: Suspect) -> str:
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
        if not await _unmoved(client, context, pair):
            return "suspected"
        why = (
            f"it was told again {counted(suspect.acts, 'time')}"
            if on_record
            else "what ended that wait is not on record"
        )
        await end_both(client, context, row, f"{pair.found}, and {why}", pair.facts)
        return "ended"
    if suspect.acts == 0:
        sentence = (
            f"{RESTORED} {pair.found}. The execution is told again what has ended its wait, and comes to its rows."
        )
        async with writing(context.store) as connection:
            await tell(context, connection, row, sentence, pair.facts)
    return "mended"


async def _unmoved(client: Client, context: OperationContext, pair: Pair) -> bool:
    """Whether both sides are still as they were asked: what is ended cannot be taken back."""
    async with writing(context.store) as connection:
        row = (await agreeing.rows_of(connection, [pair.row.run_id])).get(pair.row.run_id)
    last = await last_event(client, pair.row.run_id)
    return row is not None and last is not None and seen(row, last) == seen(pair.row, pair.last)


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
