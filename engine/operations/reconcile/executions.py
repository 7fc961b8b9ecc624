"""Open executions compared with rows: one without a row, or whose row has ended, is ended too, where one can see it.

A row is always committed before its execution is started, and Temporal lists what has been started. So an execution without
a row is one that the database has lost in a restore; or it is of another database, as its mark says, and is left alone. Nothing
is done at the first look, nor with a Temporal that is not the database's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import structlog
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from engine.contract import workflow_id_for
from engine.operations.context import OperationContext
from engine.operations.reconcile.asking import Beginning, OpenExecution, beginning_of, last_event, open_executions
from engine.operations.reconcile.disagreements import (
    RESTORED,
    STORES_DISAGREE,
    audit,
    error_of,
    tell,
)
from engine.operations.reconcile.looks import Looks
from engine.operations.reconcile.side_by_side import is_of_all
from engine.operations.reconcile.terminating import terminate
from engine.store.catalog.definitions import load_definition
from engine.store.database.transactions import Connection, writing
from engine.store.runs import agreeing
from engine.store.runs.agreeing import RowState
from engine.store.runs.run_log import NewLogLine
from engine.store.tenant.disagreements import was_deleted
from engine.store.tenant.place import is_of_another_database
from engine.temporal.connection import RPC_TIMEOUT, is_final, unavailable
from engine.values.json_policy import dumps_for_storage

EXECUTIONS_PER_PASS: Final = 500
SECOND_LOOK_SECONDS: Final = 60.0
ENDED_FOR_SECONDS: Final = 120.0
"""The row of a run ends a moment before its execution; when a worker dies in between, a workflow task later."""
LOOKS_FOR_A_PARENT: Final = 10
"""So often an execution without a row is left to the open execution that started it."""

_LOG: Final = structlog.get_logger("runstudio.reconciler")


@dataclass(frozen=True, slots=True)
class Listed:
    """What became of a page of open executions."""

    listed: int = 0
    ended: int = 0
    next: bytes | None = None
    """Where the next pass goes on; None: from the beginning."""


async def compare_executions(context: OperationContext, looks: Looks, token: bytes | None) -> Listed:
    """Compare a page of open executions with their rows. Raises ``Unavailable``."""
    client = await context.temporal.client()
    try:
        found, following = await open_executions(client, token, EXECUTIONS_PER_PASS)
        ended = await _compare(client, context, looks, found)
    except RPCError as error:
        if error.status is RPCStatusCode.UNIMPLEMENTED or is_final(error):
            # A server without visibility, or a page that is no longer there.
            return Listed()
        raise unavailable(error, "list open executions") from error
    return Listed(len(found), ended, following)


async def _compare(client: Client, context: OperationContext, looks: Looks, found: list[OpenExecution]) -> int:
    async with writing(context.store) as connection:
        rows = await agreeing.rows_of(connection, [execution.run_id for execution in found])
    ended = 0
    for execution in found:
        if execution.run_id in looks.foreign:
            continue
        row = rows.get(execution.run_id)
        if row is None:
            standing: tuple[Any, ...] = ("without a row", execution.temporal_run_id)
        elif not row.active and (row.ended_seconds or 0.0) > ENDED_FOR_SECONDS:
            standing = (row.status, execution.temporal_run_id)
        else:
            looks.suspects.pop(execution.run_id, None)
            continue
        suspect = looks.again(execution.run_id, standing, SECOND_LOOK_SECONDS)
        if suspect is None or await last_event(client, execution.run_id) is None:
            continue
        await context.temporal.confirm()
        try:
            if row is not None:
                ended += await _outlived(client, context, execution, row, suspect.acts)
            elif suspect.acts >= LOOKS_FOR_A_PARENT or not await _has_a_parent(client, execution):
                ended += await _without_row(client, context, looks, execution)
                if execution.run_id in looks.foreign:
                    continue
        except Exception as error:
            if is_of_all(error):
                raise
            _LOG.exception("an execution cannot be compared", run_id=execution.run_id)
        looks.acted(execution.run_id)
    return ended


async def _has_a_parent(client: Client, execution: OpenExecution) -> bool:
    """Whether an open execution started it: that writes the row again, or ends and cancels it."""
    prefix = workflow_id_for("")
    parent = execution.parent_id
    return parent is not None and await last_event(client, parent.removeprefix(prefix)) is not None


async def _outlived(
    client: Client, context: OperationContext, execution: OpenExecution, row: RowState, acts: int
) -> int:
    """The row has ended: the execution is canceled, by which it ends as the row says; one that cannot be is terminated."""
    facts = {"rows": {"status": row.status}, "execution": {"temporalRunId": execution.temporal_run_id}}
    found = f"its row has ended as {row.status}, its execution is open"
    if acts == 0:
        sentence = f"{RESTORED} {found}. The execution was asked to end as the row says."
        handle = client.get_workflow_handle(workflow_id_for(row.run_id), run_id=execution.temporal_run_id)
        await handle.cancel(reason=f"{STORES_DISAGREE}: {sentence}", rpc_timeout=RPC_TIMEOUT)
    else:
        sentence = f"{RESTORED} {found}, and does not end by itself. It was terminated."
        await terminate(client, row.run_id, f"{STORES_DISAGREE}: {sentence}", execution.temporal_run_id)
    async with writing(context.store) as connection:
        await tell(context, connection, row, sentence, facts)
    return 1


async def _without_row(client: Client, context: OperationContext, looks: Looks, execution: OpenExecution) -> int:
    """No row, and not of another database: the execution is terminated, and a row is written that says so, with what its
    history has of its beginning.
    """
    beginning = await beginning_of(client, context.store, execution)
    async with writing(context.store) as connection:
        # Asked last, on the primary: a row that is there by now is somebody's.
        if await agreeing.rows_of(connection, [execution.run_id]):
            return 0
        if beginning is not None and await is_of_another_database(connection, beginning.given.get("place")):
            _LOG.warning(
                "an execution is of another database: give each a namespace of its own", run_id=execution.run_id
            )
            looks.leave_alone(execution.run_id)
            return 0
        deleted = await was_deleted(connection, execution.run_id)
        published = beginning is not None and await _is_published(connection, beginning)
    sentence = (
        f"{RESTORED} its execution was open and had no row. The execution was terminated; what it had done until then is in"
        " Temporal's history. Look at that, and replay it."
    )
    await terminate(client, execution.run_id, f"{STORES_DISAGREE}: {sentence}", execution.temporal_run_id)
    _LOG.warning("an execution without a row was terminated", run_id=execution.run_id)
    if beginning is not None and not deleted and published:
        await _write_row(context, execution, beginning, sentence)
    return 1


async def _is_published(connection: Connection, beginning: Beginning) -> bool:
    """Whether this database knows what the execution says it runs: nobody but Temporal vouches for its words."""
    given = beginning.given
    version = given["workflow_version"]
    return await load_definition(connection, given["tenant"], given["workflow_id"], version) is not None


async def _write_row(context: OperationContext, execution: OpenExecution, beginning: Beginning, sentence: str) -> None:
    given = beginning.given
    context = replace(context, tenant=given["tenant"])
    await context.level()
    facts = {"rows": None, "execution": {"temporalRunId": execution.temporal_run_id}}
    payload = beginning.payload
    values = {
        "run_id": execution.run_id,
        "tenant": given["tenant"],
        "workflow_id": given["workflow_id"],
        "workflow_version": given["workflow_version"],
        "semantics_version": given["semantics_version"],
        "temporal_workflow_id": workflow_id_for(execution.run_id),
        "temporal_run_id": beginning.first_run_id,
        "started_at": beginning.at,
        "definition_hash": beginning.definition_hash,
        "input": None if payload is None else dumps_for_storage(payload),
        "error": dumps_for_storage(error_of(sentence, facts)),
        "code": STORES_DISAGREE,
    }
    async with writing(context.store) as connection:
        if await agreeing.insert_lost_run(connection, values):
            await context.log(connection, execution.run_id, NewLogLine("ERROR", sentence, facts))
            await audit(context, connection, execution.run_id, given["workflow_id"], sentence, facts)
