"""The actions of the worker that these tests run beside the command line."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from engine.actions.context import ActionContext
from engine.actions.registry import action
from engine.errors import StepFailure


class Given(BaseModel):
    value: Any = None


class Told(BaseModel):
    value: Any = None


@action("cli.echo", input=Given, output=Told, quick=True)
async def echo(given: Given, ctx: ActionContext) -> dict[str, Any]:
    """Answers with what it was given."""
    return {"value": given.value}


@action("cli.fails", input=Given, output=Told, quick=True)
async def fails(given: Given, ctx: ActionContext) -> dict[str, Any]:
    """Fails with the text it was given."""
    raise StepFailure("ActionError", str(given.value), code="TOLD_TO")
