"""Why is this run not moving? Facts from Postgres and Temporal, and the table of rules over them."""

from __future__ import annotations

from temporalio.service import RPCError

from engine.errors import EngineError
from engine.operations.context import OperationContext
from engine.operations.diagnosis.facts import Facts
from engine.operations.diagnosis.rules import findings
from engine.operations.diagnosis.temporal_facts import TemporalFacts, temporal_facts
from engine.operations.reconcile.positions import IDLE_SECONDS, apart
from engine.records import Diagnosis
from engine.store.database.reader import open_reader, run_not_found
from engine.store.runs.diagnosing import load_row_facts
from engine.store.runs.reading import run_summary
from engine.temporal.connection import unavailable


async def diagnose_run(context: OperationContext, run_id: str) -> Diagnosis:
    """Say why a run is not moving. An unreachable Temporal is a finding, not an error.

    Raises ``NotFound`` (RUN_NOT_FOUND), ``Unavailable`` when Postgres cannot be asked.
    """
    summary = await run_summary(await context.readable(), context.tenant, run_id)
    view = summary.row
    async with open_reader(context.store, context.tenant, view.run_id) as reader:
        rows = await load_row_facts(reader.connection, context.tenant, view.run_id)
    if rows is None:
        raise run_not_found(run_id)
    temporal, reason, reachable, disagreeing = None, "", None, None
    if rows.run.active and not rows.run.historical:
        temporal, reason = await _asked(context, view.run_id)
        reachable = temporal is not None
        if (summary.server_now - view.updated_at).total_seconds() > IDLE_SECONDS:
            disagreeing = await _disagreeing(context, temporal, view.run_id)
    facts = Facts(
        now=summary.server_now,
        view=view,
        rows=rows,
        temporal=temporal,
        unreachable=reason,
        disagreeing=disagreeing,
        launch_error=summary.launch_error,
        hide=lambda text: reader.hide_text(text) or "",
    )
    return Diagnosis(view.run_id, view.status, findings(facts), reachable, summary.server_now)


async def _asked(context: OperationContext, run_id: str) -> tuple[TemporalFacts | None, str]:
    """What Temporal says, or why it says nothing."""
    try:
        return await temporal_facts(await context.temporal.client(), run_id), ""
    except RPCError as error:
        return None, unavailable(error, "describe the run").message
    except EngineError as error:
        return None, error.message


async def _disagreeing(context: OperationContext, temporal: TemporalFacts | None, run_id: str) -> str | None:
    """What is the case where rows and execution stand at different records. Asked of the run, where a worker is to answer."""
    if temporal is None or not temporal.queue.pollers or temporal.execution.activities:
        return None
    try:
        return await apart(await context.temporal.client(), context, run_id)
    except (RPCError, EngineError):
        return None
