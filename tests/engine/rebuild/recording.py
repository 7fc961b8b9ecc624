"""Recorded runs for the tests: played in memory, on the host of the conformance cases."""

from __future__ import annotations

from typing import Any

from tests.conformance.in_memory import InMemoryHost
from tests.conformance.memory_run import Run


async def played(steps: list[dict[str, Any]], *script: dict[str, Any], payload: Any = None, **case: Any) -> Run:
    """The main run after a script that begins with its start."""
    definition = {"id": "wf.main", "version": 1, "name": "main", "payloadSchemaRef": "payload.Any.v1", "steps": steps}
    host = InMemoryHost(
        {"definition": definition, "payload": payload or {}, "script": [{"op": "start"}, *script], **case}
    )
    await host.play()
    return next(iter(host.world.runs.values()))


def expr(source: str) -> dict[str, str]:
    return {"$expr": source}


def assign(step_id: str, **targets: str) -> dict[str, Any]:
    entries = {f"vars.{name}": expr(source) for name, source in targets.items()}
    return {"id": step_id, "type": "transform.assign", "config": {"assign": entries}}


def echo(step_id: str, source: str, **fields: Any) -> dict[str, Any]:
    config = {"actionId": "test.echo", "version": 1, "inputMapping": {"value": expr(source)}, "saveAs": step_id}
    return {"id": step_id, "type": "action.call", "config": config, **fields}
