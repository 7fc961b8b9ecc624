"""How activities are called: by name, with what Temporal repeats and what it leaves to us.

Temporal's retries are for the infrastructure alone and never give up: a lost worker or a database that is away delays a run,
it does not fail it. What an action answers, success or failure, comes back as a value.

A local activity costs one history event instead of six, but holds the workflow task. So it is tried a few times within
seconds, and then the same activity is called as an ordinary one, which costs the same six events however long an outage is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from engine.workflow.cancellation import stop_if_canceled
    from engine.workflow.wire import ACTION_NOT_HERE, CALL_HELD, RUN_CHAIN, STEPS_NOT_HERE

OUTCOME_BESIDE_CANCEL: Final = "outcome-beside-cancel"
"""Patch: an outcome that comes together with a cancel is taken in."""
_TURNS: Final = 5
"""Of the event loop, in which an answer that is there comes through the tasks in between."""
_FEW_TIMES: Final = RetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    backoff_coefficient=3.0,
    maximum_attempts=3,
    # The same worker would say the same.
    non_retryable_error_types=[ACTION_NOT_HERE, CALL_HELD, STEPS_NOT_HERE],
)
_FOR_EVER: Final = RetryPolicy(
    initial_interval=timedelta(milliseconds=500), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=15)
)
_PROJECTION_TIMEOUT: Final = timedelta(seconds=5)
"""One try of an activity that only reads and writes our database, while it holds the workflow task."""
_PATIENT_TIMEOUT: Final = timedelta(seconds=60)
"""The same as an ordinary activity, which holds nothing."""
_HEARTBEAT_TIMEOUT: Final = timedelta(seconds=30)
_SLACK: Final = timedelta(minutes=5)
"""What claiming and settling may take beyond the action's own time: an outcome is not dropped because Postgres is away."""
_QUICK_SLACK: Final = timedelta(seconds=3)
_CHAIN_TIMEOUT: Final = timedelta(seconds=9)
"""Of a chain: it claims no step after one second, a quick step takes five at most, and its outcome is written."""
_ALL_LOCAL_TRIES: Final = timedelta(seconds=8)
"""After this long a local activity is given up, so that the workflow task can end."""


async def project(activity: str, argument: Mapping[str, Any]) -> Any:
    """Call an activity that only works on our database; returns when it was done, however long that takes.

    Raises ``asyncio.CancelledError`` when the run is canceled meanwhile, and the activity's own failure when that is for good.
    """
    try:
        return await workflow.execute_local_activity(
            activity,
            argument,
            start_to_close_timeout=_PROJECTION_TIMEOUT,
            schedule_to_close_timeout=_ALL_LOCAL_TRIES,
            retry_policy=_FEW_TIMES,
        )
    except FailureError as failure:
        stop_if_canceled(failure)
    return await project_patiently(activity, argument)


async def project_patiently(activity: str, argument: Mapping[str, Any]) -> Any:
    """As ``project``, as an ordinary activity from the start: it ends the workflow task."""
    return await _patiently(activity, argument, _PATIENT_TIMEOUT, None, None)


async def run_local_chain(argument: Mapping[str, Any]) -> Any:
    """Call a chain of quick steps as a local activity. None: it could not be done within seconds."""
    try:
        return await workflow.execute_local_activity(
            RUN_CHAIN,
            argument,
            start_to_close_timeout=_CHAIN_TIMEOUT,
            schedule_to_close_timeout=_CHAIN_TIMEOUT,
            retry_policy=_FEW_TIMES,
        )
    except FailureError as failure:
        if isinstance(failure.cause, ApplicationError) and failure.cause.non_retryable:
            raise
        return None


async def run_patient_chain(argument: Mapping[str, Any], activity_id: str) -> Any:
    """The same as an ordinary activity."""
    return await _patiently(RUN_CHAIN, argument, _CHAIN_TIMEOUT + _SLACK, _HEARTBEAT_TIMEOUT, activity_id)


async def run_quick(activity: str, argument: Mapping[str, Any], seconds: float, activity_id: str) -> Any:
    """Call a quick action: as a local activity, and as an ordinary one when that could not be done."""
    try:
        return await workflow.execute_local_activity(
            activity,
            argument,
            start_to_close_timeout=timedelta(seconds=seconds) + _QUICK_SLACK,
            schedule_to_close_timeout=max(timedelta(seconds=seconds) + _QUICK_SLACK, _ALL_LOCAL_TRIES),
            retry_policy=_FEW_TIMES,
        )
    except FailureError as failure:
        stop_if_canceled(failure)
    return await run_ordinary(activity, argument, seconds, activity_id)


async def run_ordinary(activity: str, argument: Mapping[str, Any], seconds: float, activity_id: str) -> Any:
    """Call an action that may take ``seconds``; a worker that dies meanwhile is noticed by its missing heartbeats.

    When history has its outcome and a cancel in one workflow task, the outcome is returned, and the caller has to look whether
    the run is canceled: an earlier try of that task may have gone on from the outcome, before there was a cancel.
    """
    call = asyncio.create_task(
        _patiently(activity, argument, timedelta(seconds=seconds) + _SLACK, _HEARTBEAT_TIMEOUT, activity_id)
    )
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        # Temporal's library drops an outcome that is there already; this call has not heard of the cancel, and gets it.
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        if not call.done():
            call.cancel()
        elif not workflow.patched(OUTCOME_BESIDE_CANCEL):
            raise
        return await call


async def _patiently(
    activity: str,
    argument: Mapping[str, Any],
    timeout: timedelta,
    heartbeat: timedelta | None,
    activity_id: str | None,
) -> Any:
    try:
        return await workflow.execute_activity(
            activity,
            argument,
            start_to_close_timeout=timeout,
            heartbeat_timeout=heartbeat,
            retry_policy=_FOR_EVER,
            cancellation_type=ActivityCancellationType.TRY_CANCEL,
            activity_id=activity_id,
        )
    except FailureError as failure:
        stop_if_canceled(failure)
        raise
