"""Why is this run not moving? Facts from Postgres and Temporal, and the table of rules over them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from temporalio.service import RPCError

from engine.errors import EngineError
from engine.operations.context import OperationContext
from engine.operations.diagnosis_facts import Facts, Finding
from engine.operations.diagnosis_rules import findings
from engine.operations.temporal import unavailable
from engine.operations.temporal_facts import TemporalFacts, temporal_facts
from engine.store.diagnosing import load_row_facts
from engine.store.reader import open_reader, run_not_found
from engine.store.reading.run import run_summary


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The answer."""

    run_id: str
    status: str
    findings: tuple[Finding, ...]
    """The most important first; never empty."""
    temporal_reachable: bool | None
    """None: Temporal was not asked, because the run is over."""
    server_now: datetime


async def diagnose_run(context: OperationContext, run_id: str) -> Diagnosis:
    """Say why a run is not moving. An unreachable Temporal is a finding, not an error.

    Raises ``NotFound`` (RUN_NOT_FOUND), ``Unavailable`` when Postgres cannot be asked.
    """
    summary = await run_summary(context.store, context.tenant, run_id)
    view = summary.value.row
    async with open_reader(context.store, context.tenant) as reader:
        rows = await load_row_facts(reader.connection, context.tenant, view.run_id)
    if rows is None:
        raise run_not_found(run_id)
    temporal, reason, reachable = None, "", None
    if rows.run.active and not rows.run.historical:
        temporal, reason = await _asked(context, view.run_id)
        reachable = temporal is not None
    facts = Facts(
        now=summary.server_now,
        view=view,
        rows=rows,
        temporal=temporal,
        unreachable=reason,
        launch_error=summary.value.launch_error,
        hide=lambda text: reader.hide_text(text) or "",
    )
    return Diagnosis(view.run_id, rows.run.status, findings(facts), reachable, summary.server_now)


async def _asked(context: OperationContext, run_id: str) -> tuple[TemporalFacts | None, str]:
    """What Temporal says, or why it says nothing."""
    try:
        return await temporal_facts(await context.temporal.client(), run_id), ""
    except RPCError as error:
        return None, unavailable(error, "describe the run").message
    except EngineError as error:
        return None, error.message
