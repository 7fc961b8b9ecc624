"""Messages to people: written to an outbox that a mail gateway empties."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

from pydantic import BaseModel, Field

from engine.actions.context import ActionContext
from engine.actions.registry import action
from engine.store.data import data_store

OUTBOX: Final = "shop.outbox"
KEPT: Final = timedelta(days=30)


class Message(BaseModel):
    to: Annotated[str, Field(min_length=1)]
    subject: str
    body: str = ""


class Queued(BaseModel):
    message_id: str


@action("shop.notify", input=Message, output=Queued, quick=True, transaction=True)
async def notify(call: Message, ctx: ActionContext) -> Queued:
    """Queue a message."""
    message_id = f"{ctx.run_id}:{ctx.step_path}:{ctx.iteration}"
    slot = data_store.Slot(ctx.tenant, OUTBOX, message_id)
    await data_store.put(ctx.transaction, slot, call.model_dump(), ttl=KEPT, run_id=ctx.run_id)
    return Queued(message_id=message_id)
