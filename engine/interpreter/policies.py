"""Retry policies: whether a failed attempt is repeated, and after how long."""

from __future__ import annotations

import hashlib
import math
from typing import Any, Final

from pydantic import ValidationError as ModelError

from engine.definition.models import RetryPolicy
from engine.definition.step_ref import StepRef
from engine.errors import EXPRESSION, RunError

MAX_DELAY_MS: Final = 365 * 24 * 3600 * 1000
"""No back-off is longer than a year, whatever the multiplier."""


def backoff_ms(policy: RetryPolicy, attempt: int, random: float) -> float:
    """The delay after the failed ``attempt`` (1 is the first), in milliseconds, not rounded.

    ``random`` is in 0..1; with jitter it scales the delay by 0.8..1.2, before the cap.
    """
    try:
        delay = policy.backoff_ms * policy.backoff_multiplier ** (attempt - 1)
    except OverflowError:
        delay = math.inf
    if policy.jitter:
        delay *= 0.8 + 0.4 * random
    return min(delay, policy.max_delay_ms or MAX_DELAY_MS, MAX_DELAY_MS)


def asked_delay_ms(error: RunError) -> int:
    """How long whoever was called asks to be left alone: ``details.retryAfterMs`` of the failure; 0 when nothing is asked."""
    asked = error.details.get("retryAfterMs") if isinstance(error.details, dict) else None
    return min(asked, MAX_DELAY_MS) if type(asked) is int and asked > 0 else 0


def chance_of(run_id: str, step: StepRef, attempt: int) -> float:
    """0.0 <= x < 1.0, drawn from the attempt's own identity: whoever draws again, at whatever time, draws the same."""
    identity = "\n".join((run_id, step.path, step.iteration, str(step.visit), str(attempt)))
    return int.from_bytes(hashlib.sha256(identity.encode()).digest()[:6]) / 2**48


def may_repeat(policy: RetryPolicy | None, attempt: int, error: RunError) -> bool:
    """Whether the failed ``attempt`` is followed by another.

    An expression gives the same failure again, so ``ExpressionError`` is repeated only when the policy names it.
    """
    if policy is None or attempt >= policy.max_attempts:
        return False
    if policy.retry_on:
        return error.category in policy.retry_on
    return error.category != EXPRESSION


def default_policy(declared: Any) -> RetryPolicy | None:
    """The policy an action declares in the language's own JSON shape, or None. Raises ValueError when it is not one."""
    if declared is None:
        return None
    try:
        return RetryPolicy.model_validate(declared)
    except ModelError as failure:
        raise ValueError(f"not a retry policy: {failure.errors()[0]['msg']}") from failure
