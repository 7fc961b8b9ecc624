"""An attempt of an action that is to be claimed, and the values of the parameters of the statements about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.definition.step_ref import StepRef
from engine.interpreter.times import iso_of
from engine.store.trace.payloads import Placed, Sized
from engine.values.json_policy import dumps_for_storage, storable_text


@dataclass(frozen=True, slots=True)
class NewAttempt:
    """One attempt of an action, to be claimed."""

    run_id: str
    tenant: str
    step: StepRef
    attempt: int
    action_id: str
    action_version: int
    key: str
    worker: str
    input: Sized
    claimed_at: str
    """ISO-8601, the worker's time, and not before the run's own."""
    seconds: float | None = None
    """How long it may take; None: not known."""


def place_values(attempt: NewAttempt) -> dict[str, Any]:
    """By which its row is found."""
    step = attempt.step
    return {
        "run_id": attempt.run_id,
        "path": step.path,
        "iteration": step.iteration,
        "visit": step.visit,
        "attempt": attempt.attempt,
    }


def key_values(attempt: NewAttempt) -> dict[str, Any]:
    """By which the attempt is found that holds its idempotency key."""
    return {
        "tenant": attempt.tenant,
        "action_id": attempt.action_id,
        "action_version": attempt.action_version,
        "key": storable_text(attempt.key),
    }


def claimed_values(attempt: NewAttempt, placed: Placed) -> dict[str, Any]:
    """Of a claim."""
    return {
        **identity_values(attempt),
        "input": placed.inline,
        "input_ref": placed.ref,
        "input_bytes": placed.size,
    }


def identity_values(attempt: NewAttempt) -> dict[str, Any]:
    """Both, and who claims it when."""
    return {**key_values(attempt), **place_values(attempt), "worker": attempt.worker, "claimed_at": attempt.claimed_at}


def output_values(placed: Placed, at_ms: int) -> dict[str, Any]:
    """Of a success."""
    return {"output": placed.inline, "output_ref": placed.ref, "output_bytes": placed.size, "at": iso_of(at_ms)}


def error_values(error: Mapping[str, Any], at_ms: int) -> dict[str, Any]:
    """Of a failure."""
    return {
        "at": iso_of(at_ms),
        "error": dumps_for_storage(dict(error)),
        "message": storable_text(str(error.get("message", ""))),
        "code": storable_text(str(error.get("code") or error.get("category"))),
    }
