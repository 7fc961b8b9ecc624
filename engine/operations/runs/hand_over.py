"""Starting runs that were launched in a caller's transaction, once it has committed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import structlog

from engine.errors import Unavailable
from engine.operations.context import OperationContext
from engine.operations.runs.starting import RETRY_SECONDS, PendingRun, hand_to_temporal, put_off
from engine.store.database.transactions import writing
from engine.store.runs.reconciling import claim_launches
from engine.store.runs.runs import Run

AT_ONCE: Final = 16
"""Calls to Temporal in flight."""

_LOG: Final = structlog.get_logger("runstudio.launches")


async def hand_over_due(context: OperationContext) -> int:
    """Claim runs of every tenant whose launch is due and start them; how many. ``AT_ONCE``: there may be more.

    Those of one workflow that were queued are started one after the other. A claim lasts ``RETRY_SECONDS``: what is not started
    by then is due again. A run that Temporal does not answer for is left to the reconciler. Raises ``Unavailable`` when Postgres
    does not answer.
    """
    async with writing(context.store) as connection:
        lines = await claim_launches(connection, AT_ONCE, lease_seconds=RETRY_SECONDS)
    # Each call is let come to its end: what a cancelled one did would not be known.
    ended = await asyncio.gather(*(_start_line(context, line) for line in lines), return_exceptions=True)
    for outcome in ended:
        if isinstance(outcome, BaseException):
            raise outcome
    return sum(started for started in ended if isinstance(started, int))


async def _start_line(context: OperationContext, line: Sequence[Run]) -> int:
    """Start one after the other, while Temporal answers; how many. The rest is the reconciler's, in the same order."""
    started = 0
    for place, run in enumerate(line):
        own = replace(context, tenant=run.tenant)
        try:
            outcome = await hand_to_temporal(own, PendingRun.of(run))
        except Unavailable:
            raise
        except Exception as bug:  # noqa: BLE001 - whatever is wrong with one run stops no other, nor those that are queued
            _LOG.exception("run cannot be started", run_id=run.run_id)
            await put_off(context, [run], f"{type(bug).__name__}; the worker's log has the rest.")
            continue
        if outcome.state == "pending":
            if line[place + 1 :]:
                await put_off(context, line[place:], outcome.reason)
            break
        started += 1
    return started
