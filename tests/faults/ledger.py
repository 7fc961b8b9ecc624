"""Actions that note every execution in a file, the way a system outside would: under its idempotency key.

A worker is given this module with ``--actions``. The file outlives every server and every worker, so it can tell what was
really done, whatever died in between. ``ledger.inside`` works in our own database instead, which recognises no repeats: its row
and the step's outcome are one commit, or the row would be there twice.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sqlalchemy import text

from engine.actions.context import ActionContext
from engine.actions.registry import action
from engine.errors import StepFailure

VARIABLE = "FAULTS_LEDGER"
"""Names the file, in a worker's environment."""
LAST_VARIABLE = "FAULTS_LEDGER_LAST"
"""A number in a worker's environment: it dies, with SIGKILL, when the file holds so many executions."""
TABLE = "CREATE TABLE IF NOT EXISTS ledger_inside (key text NOT NULL, run_id uuid NOT NULL, at float NOT NULL)"


@dataclass(frozen=True, slots=True)
class Entry:
    """One execution of an action."""

    key: str
    run_id: str
    step_path: str
    iteration: str
    attempt: int
    pid: int
    """Of the worker."""
    at: float
    """Unix seconds, when the effect was there."""


class Given(BaseModel):
    model_config = {"extra": "allow"}

    seconds: float = 0.0
    """How long ``ledger.ordinary`` takes before its effect."""
    failures: int = 0
    """How many tries of ``ledger.flaky`` fail, after their effect."""


class Answer(BaseModel):
    value: Any = None


def read_entries(path: Path) -> list[Entry]:
    """All executions so far, in their order."""
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    # What follows the last line break is a line that is being written.
    return [Entry(**json.loads(line)) for line in lines[:-1]]


def _note(ctx: ActionContext) -> None:
    entry = Entry(ctx.idempotency_key, ctx.run_id, ctx.step_path, ctx.iteration, ctx.attempt, os.getpid(), time.time())
    descriptor = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        # One write at the end of the file: executions of several processes do not mix.
        os.write(descriptor, json.dumps(asdict(entry)).encode() + b"\n")
    finally:
        os.close(descriptor)
    last = os.environ.get(LAST_VARIABLE)
    if last is not None and len(read_entries(Path(os.environ[VARIABLE]))) >= int(last):
        os.kill(os.getpid(), signal.SIGKILL)


@action("ledger.quick", input=Given, output=Answer, quick=True)
async def quick(given: Given, ctx: ActionContext) -> Answer:
    """An effect outside, at once."""
    _note(ctx)
    return Answer(value=ctx.attempt)


@action("ledger.silent", input=Given, output=Answer, quick=True)
async def silent(given: Given, ctx: ActionContext) -> Answer:
    """No effect outside, and so no entry; what it is given as ``value``."""
    return Answer(value=getattr(given, "value", None))


@action("ledger.ordinary", input=Given, output=Answer)
async def ordinary(given: Given, ctx: ActionContext) -> Answer:
    """An effect outside, after a while."""
    await asyncio.sleep(given.seconds)
    _note(ctx)
    return Answer(value=ctx.attempt)


@action("ledger.flaky", input=Given, output=Answer, quick=True)
async def flaky(given: Given, ctx: ActionContext) -> Answer:
    """An effect outside; but the first tries do not hear of it."""
    _note(ctx)
    if ctx.attempt <= given.failures:
        raise StepFailure("TransientError", f"no answer, try {ctx.attempt}", code="NO_ANSWER")
    return Answer(value=ctx.attempt)


@action("ledger.inside", input=Given, output=Answer, quick=True, transaction=True)
async def inside(given: Given, ctx: ActionContext) -> Answer:
    """An effect in our own database."""
    await ctx.transaction.execute(
        text("INSERT INTO ledger_inside (key, run_id, at) VALUES (:key, :run, :at)"),
        {"key": ctx.idempotency_key, "run": ctx.run_id, "at": time.time()},
    )
    return Answer(value=ctx.attempt)
