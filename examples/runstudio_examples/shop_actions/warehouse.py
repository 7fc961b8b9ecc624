"""Counting what is on a shelf: slow, so it says now and then that it is alive."""

from __future__ import annotations

from pydantic import BaseModel

from engine.actions.context import ActionContext
from engine.actions.registry import action
from runstudio_examples.shop_actions.partner import ask


class Shelf(BaseModel):
    url: str
    sku: str


class Counted(BaseModel):
    sku: str
    counted: int


@action(
    "shop.count_shelf",
    input=Shelf,
    output=Counted,
    side_effects=False,
    timeout=60,
    retry={"maxAttempts": 3, "backoffMs": 500, "retryOn": ["TransientError"]},
)
async def count_shelf(call: Shelf, ctx: ActionContext) -> Counted:
    """Have a person count a shelf."""
    ctx.heartbeat(f"counting {call.sku}")
    answer = await ask("GET", call.url)
    return Counted(sku=call.sku, counted=answer["counted"])
