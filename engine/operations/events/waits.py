"""Delivering events to a wait: its run is sent the first one that the wait takes, and looks up the others when it wants them.

A wait takes one event. What its filters refuse, and what comes after the one it takes, is not carried in the run's state: the
run looks back for it whenever a wait of its own could want it. So the bytes a run is sent do not grow with what arrives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from temporalio.client import Client
from temporalio.service import RPCError

from engine.contract import SIGNAL_EVENT, workflow_id_for
from engine.definition.models import Filter
from engine.errors import EngineError, Invalid, Unavailable
from engine.interpreter.events import passes
from engine.operations.context import OperationContext
from engine.store.database.transactions import writing
from engine.store.events import wait_line
from engine.store.events.deliveries import Delivery, settle_delivery
from engine.store.events.wait_line import InLine
from engine.temporal.connection import RPC_TIMEOUT, is_final, is_not_found, unavailable
from engine.temporal.data_converter import speaking_to_runs
from engine.values.timestamps import iso_milliseconds
from engine.wording import sentence

Json = Any

PAGE: Final = 50
_PAGES: Final = 20
"""So many pages of one line, then it is the turn of others."""
REFUSED: Final = "The filters of the wait refuse it. The run looks it up if a later wait could want it."
LATER: Final = "The wait had an event already. The run looks this one up when a later wait could want it."
RUN_ENDED: Final = "The run has ended."


async def deliver_to_wait(context: OperationContext, first: Delivery) -> None:
    """Settle ``first`` and what stands in line behind it for the same wait.

    Raises ``Unavailable``, and ``EngineError`` (TEMPORAL_REFUSED) when Temporal will not have the event.
    """
    async with writing(context.store) as connection:
        wait = await wait_line.open_wait_of(connection, first)
        if wait.used:
            await settle_delivery(connection, first, "done", run_id=first.run_id, wait_id=first.target)
            return
        if not wait.run_open:
            await settle_delivery(connection, first, "skipped", reason=RUN_ENDED)
            return
        if not wait.open or wait.told:
            await wait_line.keep_for_later(connection, first, LATER)
            return
    filters = [Filter.model_validate(item) for item in wait.filters]
    after = first.event.arrival - 1
    for _ in range(_PAGES):
        async with writing(context.store) as connection:
            line = await wait_line.in_line(connection, first, PAGE, after=after)
        chosen = _chosen(line, filters)
        if chosen is not None:
            await _send(context, chosen)
            return
        if line:
            after = line[-1].delivery.event.arrival
            async with writing(context.store) as connection:
                await wait_line.keep_for_later(connection, first, REFUSED, up_to=after)
        if len(line) < PAGE:
            return


def _chosen(line: Sequence[InLine], filters: Sequence[Filter]) -> Delivery | None:
    """The oldest that the wait takes: not one the run has used, which it would ignore."""
    for item in line:
        if not item.used and passes(filters, item.delivery.event.payload):
            return item.delivery
    return None


async def _send(context: OperationContext, delivery: Delivery) -> None:
    """Signal the run, and leave the rest of the line to its look-back."""
    event = delivery.event
    run_id = str(delivery.run_id)
    try:
        client: Client = await context.temporal.client()
    except Invalid as error:
        # Of the configuration, not of the delivery: it can come right.
        raise Unavailable(error.code, error.message, error.hint) from error
    signal: dict[str, Json] = {
        "eventId": event.event_id,
        "eventName": event.name,
        "correlationKey": delivery.key,
        "payload": event.payload,
        "receivedAt": iso_milliseconds(event.created_at),
        "stored": True,
    }
    # The run sees the payload as it would if the event had come before its wait: as it is stored.
    handle = speaking_to_runs(client, context.store).get_workflow_handle(workflow_id_for(run_id))
    try:
        await handle.signal(SIGNAL_EVENT, signal, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if is_final(error):
            raise EngineError("TEMPORAL_REFUSED", sentence(f"Temporal refused the event: {error.message}")) from error
        if not is_not_found(error):
            raise unavailable(error, "signal the run") from error
        await context.temporal.confirm()
        # The execution is over: whoever still waits in our rows does so by mistake.
        async with writing(context.store) as connection:
            await wait_line.close_stale_wait(connection, delivery.target)
            await settle_delivery(connection, delivery, "skipped", reason="The run has ended; its wait was closed.")
        return
    async with writing(context.store) as connection:
        await settle_delivery(connection, delivery, "done", run_id=run_id, wait_id=delivery.target)
        await wait_line.mark_told(connection, delivery.target)
        await wait_line.keep_for_later(connection, delivery, LATER)
