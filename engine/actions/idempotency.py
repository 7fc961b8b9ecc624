"""Idempotency keys: two attempts with the same key are the same intended execution of an action.

In order: the author's explicit key, the action's own key function, the engine's key. The first two are theirs to choose and
may span runs (of a tenant, for one action and version); the engine's is one per execution of a step: run, path, iteration, visit.
Nobody chooses one that the engine gives in another run: the outcome of that step would be taken, or the key taken from it.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final

from engine.actions.context import StepIdentity
from engine.actions.declaration import RegisteredAction
from engine.actions.schema import parse_input
from engine.errors import ACTION, VALIDATION, StepFailure
from engine.values.javascript import text
from engine.values.request_limits import MAX_KEY_BYTES, utf8_bytes

MAX_KEY_CHARACTERS: Final = 512
KEY_INVALID: Final = "IDEMPOTENCY_KEY_INVALID"
KEY_FAILED: Final = "IDEMPOTENCY_KEY_FAILED"
_ENGINES: Final = re.compile(r"run:([0-9a-f-]{36}):[^:]*:[^:]*:[0-9]+(?::[0-9a-f]{16})?")
"""Of an action (``engine_key``), and without the digest of a pure one."""
_OBJECT: Final = text({})
"""What any object is as a text."""


def idempotency_key(
    registered: RegisteredAction, step: StepIdentity, action_input: Any, explicit: str | None = None
) -> str:
    """The key of this execution. ``action_input`` still has its secret markers: a key is stored and must hold no secret.

    A blank key counts as none: an expression over an absent field must not make all runs share one execution. An input that
    the action's model refuses has the engine's key; the action itself then reports what is wrong with it. Raises ``StepFailure``:
    ``IDEMPOTENCY_KEY_INVALID`` (longer than 512 characters or 1000 bytes, with NUL, made of an object, or the engine's own of
    another run), ``IDEMPOTENCY_KEY_FAILED`` (the function raised, or gave no text).
    """
    chosen = explicit if explicit and explicit.strip() else _own_key(registered, step, action_input)
    if chosen is None:
        return engine_key(step, registered.id, registered.version, action_input)
    if len(chosen) > MAX_KEY_CHARACTERS or utf8_bytes(chosen) > MAX_KEY_BYTES or "\0" in chosen:
        raise StepFailure(
            VALIDATION,
            f"The idempotency key of {registered.label} must have at most {MAX_KEY_CHARACTERS} characters, {MAX_KEY_BYTES} bytes,"
            " and no NUL.",
            code=KEY_INVALID,
        )
    if _OBJECT in chosen:
        raise StepFailure(
            VALIDATION,
            f"The idempotency key of {registered.label} is made of an object, and any two objects would be one key. Make it of a"
            " field of the object.",
            code=KEY_INVALID,
        )
    engines = _ENGINES.fullmatch(chosen)
    if engines is not None and engines[1] != step.run_id:
        raise StepFailure(
            VALIDATION,
            f"The idempotency key of {registered.label} is one that the engine gives in the run {engines[1]}. Choose one that is"
            " not run:ID:PATH:ITERATION:VISIT.",
            code=KEY_INVALID,
        )
    return chosen


def engine_key(step: StepIdentity, action_id: str, version: int, action_input: Any) -> str:
    """``run:<run>:<path>:<iteration>:<visit>:<digest of action, version and input>``.

    The attempt is not in it, so that every try of a step has one key; the input is resolved once per step.
    """
    what = json.dumps([action_id, version, action_input], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(what.encode()).hexdigest()[:16]
    return f"run:{step.run_id}:{step.step_path}:{step.iteration}:{step.visit}:{digest}"


def _own_key(registered: RegisteredAction, step: StepIdentity, action_input: Any) -> str | None:
    if registered.idempotency_key is None:
        return None
    try:
        parsed = parse_input(registered.label, registered.input_model, action_input)
    except StepFailure:
        return None
    try:
        own = registered.idempotency_key(parsed, step)
    except BaseException as error:
        raise StepFailure(
            ACTION, f"The key function of {registered.label} failed: {error}", code=KEY_FAILED,
            details={"name": type(error).__name__},
        ) from error  # fmt: skip
    if own is not None and not isinstance(own, str):
        # Declared as text, which nobody has checked: any other value would be found out at every try of the activity.
        message = f"The key function of {registered.label} must give text or None, not {type(own).__name__}."
        raise StepFailure(ACTION, message, code=KEY_FAILED)
    return own if own and own.strip() else None
