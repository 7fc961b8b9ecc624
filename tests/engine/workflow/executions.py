"""The executions one run has had in Temporal."""

from __future__ import annotations

from tests.engine.workflow.harness import Run


async def executions(run: Run) -> int:
    """How many executions the run has had so far."""
    count = 1
    description = await run.handle.describe()
    current = description.run_id
    while True:
        history = await run.bench.client.get_workflow_handle(run.handle.id, run_id=current).fetch_history()
        continued = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
        if not continued:
            return count
        current = continued
        count += 1
