"""Runs whose workflow task fails because Postgres was restored to before a value that their history refers to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle
from temporalio.converter import WorkflowSerializationContext

from engine.contract import workflow_id_for
from engine.operations.reconcile.terminating import terminate
from engine.store.database.transactions import Store
from engine.temporal.connection import RPC_TIMEOUT
from engine.temporal.data_converter import VALUE_LOST, data_converter
from engine.temporal.payload_codec import LOST


async def end_without_its_values(client: Client, store: Store, run_id: str) -> str | None:
    """Terminate the latest execution of a run when it cannot be replayed: which value that it needs is lost; None: none is.

    Its row is left to the look for executions that have ended. Raises ``RPCError`` when Temporal does not answer,
    ``Unavailable`` when Postgres does not.
    """
    lost = await _value_lost(client, store, client.get_workflow_handle(workflow_id_for(run_id)))
    if lost is not None:
        await terminate(client, run_id, lost)
    return lost


async def _value_lost(client: Client, store: Store, handle: WorkflowHandle[Any, Any]) -> str | None:
    # No worker can be asked: an SDK tells of the first failure of a workflow task only, when Postgres may just have been away,
    # and a query waits for that task.
    codec = data_converter(store).with_context(WorkflowSerializationContext(client.namespace, handle.id)).payload_codec
    if codec is None:
        raise AssertionError("large values go through a codec")
    async for event in handle.fetch_history_events(rpc_timeout=RPC_TIMEOUT):
        for payloads in _needed(event):
            for read in await codec.decode(payloads):
                if LOST in read.metadata:
                    return f"{VALUE_LOST} {read.data.decode(errors='replace')}"
    return None


def _needed(event: HistoryEvent) -> Iterator[Sequence[Payload]]:
    """What a replay reads of an event: what the run was started with, and what activities and children answered."""
    yield event.workflow_execution_started_event_attributes.input.payloads
    yield event.activity_task_completed_event_attributes.result.payloads
    yield event.child_workflow_execution_completed_event_attributes.result.payloads
    for details in event.marker_recorded_event_attributes.details.values():
        yield details.payloads
