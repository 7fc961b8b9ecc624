"""Actions for the tests of the workflow, quick, ordinary and transactional; what they do is counted outside of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from engine.actions.context import ActionContext
from engine.actions.declaration import RegisteredAction, declarations_of
from engine.actions.registry import ActionRegistry, action
from engine.errors import StepFailure


class Anything(BaseModel):
    model_config = {"extra": "allow"}


class Result(BaseModel):
    value: Any = None


@dataclass(slots=True)
class Counts:
    """How often each action really ran, by the label it was given, and what it was told."""

    ran: Counter[str] = field(default_factory=Counter)
    contexts: list[ActionContext] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    started: dict[str, asyncio.Event] = field(default_factory=dict)

    def gate(self, label: str) -> asyncio.Event:
        """What ``test.gated`` with this label waits for."""
        return self.gates.setdefault(label, asyncio.Event())

    def begun(self, label: str) -> asyncio.Event:
        """Set when ``test.gated`` with this label has begun."""
        return self.started.setdefault(label, asyncio.Event())


def actions_of(counts: Counts) -> list[RegisteredAction]:
    """``test.quick``, ``test.ordinary``, ``test.gated``, ``test.pause``, ``test.fails``, ``test.flaky``, ``test.writes``, ..."""

    def note(given: Any, ctx: ActionContext) -> str:
        label = str(getattr(given, "label", ctx.step_path))
        counts.ran[label] += 1
        counts.contexts.append(ctx)
        return label

    @action("test.quick", input=Anything, output=Result, quick=True)
    async def quick(given: Any, ctx: ActionContext) -> dict[str, Any]:
        """Ends at once."""
        note(given, ctx)
        return {"value": getattr(given, "value", None)}

    @action("test.ordinary", input=Anything, output=Result, accepts_secrets=True)
    async def ordinary(given: Any, ctx: ActionContext) -> dict[str, Any]:
        """Ends at once too, but nobody knows."""
        note(given, ctx)
        return {"value": getattr(given, "value", None)}

    @action("test.pause", input=Anything, output=Result, quick=True)
    async def pause(given: Any, ctx: ActionContext) -> dict[str, Any]:
        """A quick action that takes ``seconds``."""
        note(given, ctx)
        await asyncio.sleep(given.seconds)
        return {"value": None}

    @action("test.gated", input=Anything, output=Result)
    async def gated(given: Any, ctx: ActionContext) -> dict[str, Any]:
        """Waits until the test lets it go on."""
        label = note(given, ctx)
        counts.begun(label).set()
        await counts.gate(label).wait()
        return {"value": label}

    @action("test.fails", input=Anything, output=Result, quick=True)
    async def fails(given: Any, ctx: ActionContext) -> dict[str, Any]:
        """Fails as it is told."""
        note(given, ctx)
        raise StepFailure(given.category, given.message, code=given.code, details=getattr(given, "details", None))

    @action("test.flaky", input=Anything, output=Result, quick=True)
    async def flaky(given: Any, ctx: ActionContext) -> dict[str, Any]:
        """Fails ``failures`` times, then succeeds."""
        note(given, ctx)
        if ctx.attempt <= given.failures:
            raise StepFailure("TransientError", f"not yet, try {ctx.attempt}", code="NOT_YET")
        return {"value": ctx.attempt}

    @action(
        "test.patient",
        input=Anything,
        output=Result,
        quick=True,
        retry={"maxAttempts": 3, "backoffMs": 10, "retryOn": ["TransientError"]},
    )
    async def patient(given: Any, ctx: ActionContext) -> dict[str, Any]:
        """As ``test.flaky``, and declares by itself that it is to be tried again."""
        return await flaky(given, ctx)

    @action("test.writes", input=Anything, output=Result, quick=True, transaction=True)
    async def writes(given: Any, ctx: ActionContext) -> dict[str, Any]:
        """Counts a row up in our database, in the step's own transaction; fails afterwards when it is told to."""
        note(given, ctx)
        statement = text(
            "INSERT INTO workflow_data_store (tenant, namespace, key, value) VALUES (CAST(:t AS uuid), 'test', :k, '1')"
            " ON CONFLICT (tenant, namespace, key) DO UPDATE SET value = to_jsonb((workflow_data_store.value)::int + 1)"
            " RETURNING value"
        )
        row = (await ctx.transaction.execute(statement, {"t": ctx.tenant, "k": given.label})).one()
        if getattr(given, "fail", False):
            raise StepFailure("ActionError", "after writing", code="AFTER_WRITING")
        return {"value": row[0]}

    @action("test.breaks", input=Anything, output=Result, quick=True, transaction=True)
    async def breaks(given: Any, ctx: ActionContext) -> dict[str, Any]:
        """Does what an action should not: fails beside the database, ends its transaction, or goes on in a broken one."""
        note(given, ctx)
        match given.what:
            case "file":
                raise FileNotFoundError("file")
            case "service":
                raise TimeoutError("service")
            case "commit":
                await ctx.transaction.commit()
            case "swallow":
                with suppress(DBAPIError):
                    await ctx.transaction.execute(text("SELECT 1 / 0"))
            case statement:
                await ctx.transaction.execute(text(statement))
        return {"value": None}

    @action("test.executes", input=Anything, output=Result, quick=True, transaction=True)
    async def executes(given: Any, ctx: ActionContext) -> dict[str, Any]:
        """Runs the statement ``sql`` with the parameter ``text``, in the step's own transaction."""
        note(given, ctx)
        statement = text(given.sql)
        await ctx.transaction.execute(statement, {"text": given.text} if ":text" in given.sql else {})
        return {"value": None}

    @action("test.sized", input=Anything, output=Result)
    async def sized(given: Any, ctx: ActionContext) -> dict[str, Any]:
        """Answers with a text of so many characters."""
        note(given, ctx)
        return {"value": "x" * given.characters}

    @action("test.nasty", input=Anything, output=Result, quick=True)
    async def nasty(given: Any, ctx: ActionContext) -> dict[str, Any]:
        """Answers with what JSON in Postgres cannot hold."""
        note(given, ctx)
        return {"value": "a\x00b\ud800c"}

    handlers = (quick, ordinary, pause, gated, fails, flaky, patient, writes, breaks, executes, sized, nasty)
    return [declared for handler in handlers for declared in declarations_of(handler)]


def registry_of(counts: Counts) -> ActionRegistry:
    """The built-in actions and those of the tests."""
    registry = ActionRegistry()
    for registered in actions_of(counts):
        registry.register(registered)
    return registry
