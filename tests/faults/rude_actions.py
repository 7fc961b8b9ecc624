"""Actions that do what no action should: say too much, at too great a length, and repeat what they were told in confidence."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import Any

from pydantic import BaseModel
from sqlalchemy import text

from engine.actions.context import ActionContext
from engine.actions.registry import action
from engine.errors import StepFailure


class Given(BaseModel):
    value: str = ""
    characters: int = 0


class Count(BaseModel):
    value: int


class Answer(BaseModel):
    value: Any = None
    digest: str = ""
    """Proof of what it was told, SHA-256."""


def digest_of(value: str) -> str:
    """What an action answers that was told ``value``."""
    return hashlib.sha256(value.encode()).hexdigest()


@action("rude.repeats", input=Given, output=Answer, quick=True, accepts_secrets=True)
async def repeats(given: Given, ctx: ActionContext) -> Answer:
    """Repeats what it was told, as a value, as a key, and within a text."""
    return Answer(value=[given.value, {given.value: 1}, f"<{given.value}>"], digest=digest_of(given.value))


@action("rude.changes", input=Given, output=Answer, quick=True, accepts_secrets=True)
async def changes(given: Given, ctx: ActionContext) -> Answer:
    """Repeats what it was told, in every form that one can think of."""
    raw = given.value.encode()
    aligned = [base64.b64encode(b"x" * before + raw).decode() for before in range(3)]
    forms = [given.value.upper(), given.value.lower(), given.value[::-1], raw.hex(), raw.hex().upper(), *aligned]
    return Answer(value=[*forms, list(given.value), [given.value[:8], given.value[8:]]], digest=digest_of(given.value))


@action("rude.beats", input=Given, output=Answer, accepts_secrets=True)
async def beats(given: Given, ctx: ActionContext) -> Answer:
    """Tells the engine's heartbeat what it was told."""
    for number in range(20):
        ctx.heartbeat(f"{number}: {given.value}")
        await asyncio.sleep(0.1)
    return Answer(digest=digest_of(given.value))


@action("rude.raises", input=Given, output=Answer, quick=True, accepts_secrets=True)
async def raises(given: Given, ctx: ActionContext) -> Answer:
    """Fails with an exception that nobody expects, and ``characters`` more of text."""
    raise RuntimeError(f"cannot log in with {given.value}{'!' * given.characters}")


@action("rude.refuses", input=Given, output=Answer, accepts_secrets=True)
async def refuses(given: Given, ctx: ActionContext) -> Answer:
    """Fails in good order, with details."""
    raise StepFailure("ActionError", f"{given.value} is wrong", code="WRONG", details={"sent": [given.value]})


@action("rude.counts", input=Count, output=Answer, quick=True, accepts_secrets=True)
async def counts(given: Count, ctx: ActionContext) -> Answer:
    """Takes a number, so that a text is refused before it is told."""
    return Answer(value=given.value)


@action("rude.queries", input=Given, output=Answer, quick=True, transaction=True, accepts_secrets=True)
async def queries(given: Given, ctx: ActionContext) -> Answer:
    """Sends our database a statement that fails and repeats its values."""
    await ctx.transaction.execute(text("SELECT CAST(:value AS integer)"), {"value": given.value})
    return Answer()


@action("rude.says", input=Given, output=Answer, accepts_secrets=True)
async def says(given: Given, ctx: ActionContext) -> Answer:
    """Answers with so many characters."""
    return Answer(value="x" * given.characters)
