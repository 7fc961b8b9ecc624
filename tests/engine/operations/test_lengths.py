"""F2: what an index would have to hold is limited in bytes at the door, and what the door takes the index holds."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine.errors import Invalid
from engine.operations.context import OperationContext
from engine.operations.events.correlation_paths import set_correlation_paths
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.operations.runs.launch_keys import MAX_FIRE_KEY_BYTES
from engine.operations.tasks.forms import register_form
from tests.engine.operations.conftest import add_version


def wide(characters: int) -> str:
    """Characters of four bytes each, which no compression shortens."""
    return "".join(chr(number) for number in random.Random(7).choices(range(0x10000, 0x10FFFF), k=characters))


Door = Callable[[OperationContext, str], Awaitable[Any]]
DOORS: dict[str, tuple[Door, int, str]] = {
    "event name": (lambda c, t: submit_event(c, EventRequest(t)), 200, "EVENT_NAME_INVALID"),
    "event id": (lambda c, t: submit_event(c, EventRequest("A", event_id=t)), 250, "EVENT_ID_INVALID"),
    "key": (lambda c, t: submit_event(c, EventRequest("A", correlation_key=t)), 250, "KEY_INVALID"),
    "key in the payload": (lambda c, t: submit_event(c, EventRequest("A", {"order": t})), 250, "KEY_TOO_LONG"),
    "idempotency key": (
        lambda c, t: launch_published_run(c, LaunchRequest("orders", idempotency_key=t)), 250, "KEY_INVALID",
    ),
    "fire key": (
        lambda c, t: launch_published_run(c, LaunchRequest("orders", fire_key=t)), MAX_FIRE_KEY_BYTES // 4, "KEY_INVALID",
    ),
    "task type": (lambda c, t: register_form(c, t, {"type": "object"}), 200, "TASK_TYPE_INVALID"),
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
async def test_f2_at_the_limit_and_beyond(context: OperationContext, door: str) -> None:
    enter, most, code = DOORS[door]
    await add_version(context.store, "orders")
    await set_correlation_paths(context, {"*": ["order"]})
    await enter(context, wide(most))
    with pytest.raises(Invalid) as refused:
        await enter(context, wide(most + 1))
    assert refused.value.code == code
