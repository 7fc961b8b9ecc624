"""The example shop for a first look: publishes its workflows, serves its partners, and starts runs in every state."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.client import Engine
    from runstudio_examples.catalog import Example, FirstRun

_log = logging.getLogger(__name__)

_CANCEL_AFTER_SECONDS = 30.0


@contextmanager
def with_examples(progress: Callable[[str], None], *, enabled: bool) -> Iterator[None]:
    """Publish what is new, then let the studio open while the first runs are started beside it.

    Raises ``EngineError`` when the examples cannot be published. A second start publishes and starts nothing again.
    """
    if not enabled:
        yield
        return
    from runstudio_examples.catalog import EXAMPLES

    progress("publishing the examples")
    asyncio.run(_with_engine(lambda engine: _publish_all(engine, EXAMPLES)))
    with _partners() as partner_url:
        stop = threading.Event()
        starting = threading.Thread(target=_start_runs, args=(partner_url, stop), daemon=True)
        starting.start()
        try:
            yield
        finally:
            stop.set()
            starting.join(timeout=10)


@contextmanager
def _partners() -> Iterator[str | None]:
    """The shop's partners; gives their address when it is not the one the definitions know."""
    from runstudio_examples.shop_actions.carrier_server import carrier_server

    try:
        serving = carrier_server()
        serving.__enter__()
    except OSError:
        # Another studio serves them there, or something else has the port: then ours are elsewhere.
        with carrier_server(0) as url:
            yield url
        return
    try:
        yield None
    finally:
        serving.__exit__(None, None, None)


async def _with_engine(work: Callable[[Engine], Any]) -> Any:
    from runstudio_examples.catalog import ACTIONS_MODULE
    from runstudio_tui.commands.connection import open_engine

    async with open_engine((ACTIONS_MODULE,)) as engine:
        return await work(engine)


async def _publish_all(engine: Engine, examples: tuple[Example, ...]) -> None:
    from runstudio_examples.catalog import CORRELATION_PATHS

    await engine.events.set_correlation_paths(CORRELATION_PATHS)
    for example in examples:
        for task_type, form in example.forms.items():
            await engine.tasks.set_form(task_type, form)
        await engine.workflows.publish(
            example.definition, payload_schema=example.payload_schema, examples=example.payloads, only_if_changed=True
        )


def _start_runs(partner_url: str | None, stop: threading.Event) -> None:
    from engine.errors import EngineError

    try:
        asyncio.run(_with_engine(lambda engine: _start_all(engine, partner_url, stop)))
    except EngineError as error:
        # The studio is open and shows what is there; the examples are only a convenience.
        _log.warning("the examples' runs were not all started: %s", error)


async def _start_all(engine: Engine, partner_url: str | None, stop: threading.Event) -> None:
    from datetime import UTC, datetime

    from runstudio_examples.catalog import first_runs

    for first in first_runs(datetime.now(UTC)):
        if stop.is_set():
            return
        payload: Mapping[str, Any] = first.payload
        if partner_url is not None:
            payload = {**payload, "partner_url": partner_url}
        started = await engine.runs.start(first.workflow_id, dict(payload), idempotency_key=first.key)
        if not started.created:
            continue
        for event in first.events:
            await engine.events.submit(event.name, dict(event.payload), key=event.key, event_id=event.event_id)
        if first.cancel_reason is not None:
            await _cancel_when_waiting(engine, started.run_id, first, stop)


async def _cancel_when_waiting(engine: Engine, run_id: str, first: FirstRun, stop: threading.Event) -> None:
    for _ in range(int(_CANCEL_AFTER_SECONDS / 0.2)):
        row = (await engine.runs.get(run_id)).row
        if stop.is_set() or row.status not in {"RUNNING", "WAITING"}:
            return
        if row.status == "WAITING":
            await engine.runs.cancel(run_id, first.cancel_reason or "")
            return
        await asyncio.sleep(0.2)
