"""Keys of launches: that of a request, which is its caller's, and that of an occurrence of a trigger, which starts one run.

Nobody outside chooses the second; of the first, those that jobs give their targets are kept for jobs.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Final

from engine.errors import Invalid
from engine.operations.actor import Actor
from engine.values.json_policy import storable_text
from engine.values.request_limits import MAX_KEY_BYTES, MAX_NAME_CHARACTERS, utf8_bytes

MAX_FIRE_KEY_BYTES: Final = MAX_KEY_BYTES + 4 * MAX_NAME_CHARACTERS + 100
"""A fire key holds the id of an event and that of a workflow."""
_ID: Final = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_OF_JOBS: Final = re.compile(f"job:{_ID}:{_ID}")


def job_key(job_id: str, target: str) -> str:
    """The idempotency key of the run that a job starts for a target."""
    return f"job:{job_id}:{target}"


def check_keys(actor: Actor, fire_key: str | None, idempotency_key: str | None) -> None:
    """Raises ``Invalid``: KEY_INVALID for a key that no row can hold, KEY_RESERVED for a job's where ``actor`` does no job."""
    limits = (("fire_key", fire_key, MAX_FIRE_KEY_BYTES), ("idempotency_key", idempotency_key, MAX_KEY_BYTES))
    for name, key, most in limits:
        if key is not None and not (
            isinstance(key, str) and key.strip() and utf8_bytes(key) <= most and storable_text(key) == key
        ):
            raise Invalid(
                "KEY_INVALID",
                f"The {name} is no text, blank, longer than {most} bytes, or has characters no text can have.",
                "Use a short text, such as a UUID.",
            )
    if idempotency_key is not None and actor.known_by != "service" and _OF_JOBS.fullmatch(idempotency_key):
        raise Invalid(
            "KEY_RESERVED",
            f"The idempotency key {idempotency_key} is that of a job for one of its targets.",
            "Use a key of your own that is not job:ID:ID.",
        )


def other_fire_key(fire_key: str | None, workflow_id: str) -> str:
    """The key of an occurrence whose own key a run of another workflow holds.

    ``event:a:b:c`` is the event ``a`` for the workflow ``b:c``, and the event ``a:b`` for the workflow ``c``.
    """
    return f"event:{hashlib.sha256(json.dumps([fire_key, workflow_id]).encode()).hexdigest()}"
