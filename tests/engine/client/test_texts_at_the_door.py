"""Texts that Postgres cannot hold, and long ones, wherever a program names something: refused in one short sentence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine.client import Engine
from engine.errors import EngineError, Unavailable

WHY = "because of a test"
ASKED: dict[str, Callable[[Engine, str], Awaitable[Any]]] = {
    "start": lambda engine, name: engine.runs.start(name),
    "pause": lambda engine, name: engine.workflows.pause(name),
    "unpause": lambda engine, name: engine.workflows.unpause(name),
    "limit": lambda engine, name: engine.workflows.limit(name, 3),
    "export": lambda engine, name: engine.workflows.export_bundle([name]),
    "schedule payload": lambda engine, name: engine.schedules.set_payload(name, {}),
    "form": lambda engine, name: engine.tasks.set_form("approval", {"type": "object"}, name=name),
    "message": lambda engine, name: engine.alerts.messages(message_id=name),
    "run": lambda engine, name: engine.runs.get(name),
    "event": lambda engine, name: engine.events.get(name),
}


TAKES_LONG_ONES = ("form", "message")
LONG = "n" * 1_000_000
CASES = [(asked, name) for asked in ASKED for name in ("a\0b", "\ud800")]
CASES += [(asked, LONG) for asked in ASKED if asked not in TAKES_LONG_ONES]


@pytest.mark.parametrize(("asked", "name"), CASES, ids=lambda value: ascii(value)[:20])
async def test_it_is_refused_in_a_short_sentence(engine: Engine, asked: str, name: str) -> None:
    with pytest.raises(EngineError) as refused:
        await ASKED[asked](engine, name)
    assert not isinstance(refused.value, Unavailable)
    assert refused.value.code != "INTERNAL_ERROR"
    assert len(refused.value.message) < 300
