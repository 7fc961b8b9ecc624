"""Ending an execution from outside."""

from __future__ import annotations

from temporalio.client import Client
from temporalio.service import RPCError

from engine.contract import workflow_id_for
from engine.temporal.connection import RPC_TIMEOUT, is_not_found


async def terminate(client: Client, run_id: str, reason: str, temporal_run_id: str | None = None) -> bool:
    """End an execution at once. False: it is over already, or there is none. Raises ``RPCError``."""
    handle = client.get_workflow_handle(workflow_id_for(run_id), run_id=temporal_run_id)
    try:
        await handle.terminate(reason=reason, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if not is_not_found(error):
            raise
        return False
    return True
