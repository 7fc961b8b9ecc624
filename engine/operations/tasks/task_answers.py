"""Delivery of task answers to runs, by signal. An answer is retried until its run has it.

Telling a run twice is harmless: it takes the first answer to a task and ignores the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from engine import advice
from engine.contract import SIGNAL_HUMAN_TASK, workflow_id_for
from engine.errors import EngineError, Unavailable
from engine.operations.context import OperationContext
from engine.operations.reconcile.execution_end import UNKNOWN, end_of_execution
from engine.operations.reconcile.reconcile import settle
from engine.store.database.engine import LOCKED
from engine.store.database.transactions import writing
from engine.store.runs import runs
from engine.store.runs.run_log import NewLogLine
from engine.store.tasks import tasks
from engine.store.tasks.tasks import ANSWER_PATIENCE_SECONDS, Answer
from engine.temporal.connection import RPC_TIMEOUT, is_final, is_not_found, unavailable
from engine.temporal.data_converter import speaking_to_runs
from engine.wording import sentence

ANSWERS_PER_PASS: Final = 500

_LOG: Final = structlog.get_logger("runstudio.answers")


@dataclass(frozen=True, slots=True)
class Told:
    """What became of telling a run."""

    state: Literal["delivered", "pending", "void"]
    """``void``: the run had ended, or has by now; nobody will take the answer."""
    message: str = ""
    """Why it is not delivered, one sentence."""
    away: bool = False
    """Temporal did not answer, so it would not answer for another run either."""


@dataclass(frozen=True, slots=True)
class ToldAll:
    """What became of the answers that were due."""

    delivered: int = 0
    pending: int = 0


async def tell_run(context: OperationContext, answer: Answer) -> Told:
    """Signal the run, and record that. Never raises for a Temporal or a Postgres that is away: the answer stays pending."""
    context = replace(context, tenant=answer.tenant)
    try:
        return await _tell(context, answer)
    except Unavailable as error:
        # Whatever Temporal has been told by now, telling it again does no harm.
        return Told("pending", error.message)


async def tell_due(context: OperationContext) -> ToldAll:
    """Tell every run whose answer is due, of all tenants. Raises ``Unavailable`` (Postgres)."""
    async with writing(context.store) as connection:
        due = await tasks.due_answers(connection, ANSWERS_PER_PASS)
    delivered = pending = 0
    for number, answer in enumerate(due):
        try:
            told = await _tell(replace(context, tenant=answer.tenant), answer)
        except EngineError as error:
            if error.code != LOCKED:
                raise
            # Postgres answers; somebody holds the row of this one.
            told = Told("pending", error.message)
        except Exception as bug:  # noqa: BLE001 - whatever is wrong with one answer stops no other
            _LOG.exception("answer cannot be delivered", delivery_id=answer.delivery_id)
            told = Told("pending", f"{type(bug).__name__}; the worker's log has the rest.")
        if told.away:
            return ToldAll(delivered, pending + len(due) - number)
        delivered += told.state == "delivered"
        pending += told.state == "pending"
    return ToldAll(delivered, pending)


async def _tell(context: OperationContext, answer: Answer) -> Told:
    try:
        client = await context.temporal.client()
        await _signal(client, context, answer)
    except RPCError as error:
        if is_not_found(error):
            return await _without_execution(context, answer)
        if is_final(error):
            # Of this one alone: the other answers are told.
            refused = EngineError("TEMPORAL_REFUSED", sentence(f"Temporal refused the answer: {error.message}"))
            return await _postponed(context, answer, refused)
        return await _postponed(context, answer, unavailable(error, "signal the run"))
    except EngineError as error:
        return await _postponed(context, answer, error)
    async with writing(context.store) as connection:
        await tasks.settle_answer(connection, answer.delivery_id, "done")
    return Told("delivered")


async def _signal(client: Client, context: OperationContext, answer: Answer) -> None:
    signal: dict[str, Any] = {"taskId": answer.task_id}
    if answer.canceled:
        signal |= {"canceled": True, "reason": answer.reason}
    else:
        signal |= {"eventName": answer.event_name, "payload": answer.response}
    # A large response goes by reference, as every large value of a run does.
    handle = speaking_to_runs(client, context.store).get_workflow_handle(workflow_id_for(answer.run_id))
    await handle.signal(SIGNAL_HUMAN_TASK, signal, rpc_timeout=RPC_TIMEOUT)


async def _without_execution(context: OperationContext, answer: Answer) -> Told:
    """Temporal has no open execution of the run: either it has taken the answer and gone on to its end, or nobody ever will."""
    async with writing(context.store) as connection:
        taken = await tasks.answer_was_taken(connection, answer)
        if taken:
            await tasks.settle_answer(connection, answer.delivery_id, "done")
        run = await runs.load_run(connection, answer.tenant, answer.run_id)
    if taken:
        return Told("delivered")
    if run is not None and run.active:
        client = await context.temporal.client()
        try:
            end = await end_of_execution(
                client, context.store, run.run_id, cancel_requested=run.cancel_requested_at is not None
            )
        except RPCError as error:
            return await _postponed(context, answer, unavailable(error, "describe the run"))
        if end is None or end.temporal_status == UNKNOWN:
            # Not for us to close: the reconciler does, once it is sure that it asks the right Temporal.
            unknown = EngineError(
                "RUN_UNKNOWN", "Temporal has no execution of this run.", advice.PARTS.to("See how the parts are")
            )
            return await _postponed(context, answer, unknown)
        await settle(context, run, end)
    return await _voided(context, answer)


async def _voided(context: OperationContext, answer: Answer) -> Told:
    reason = "The run had ended before the answer reached it."
    async with writing(context.store) as connection:
        if await tasks.void_answer(connection, answer, reason):
            await context.log(connection, answer.run_id, NewLogLine("WARN", reason, {"taskId": answer.task_id}))
    return Told("void", reason)


async def _postponed(context: OperationContext, answer: Answer, error: EngineError) -> Told:
    said = f"{error.code}: {error.message}"
    async with writing(context.store) as connection:
        await tasks.postpone_answer(connection, answer.delivery_id, said, seconds=ANSWER_PATIENCE_SECONDS)
    return Told("pending", error.message, away=isinstance(error, Unavailable))
