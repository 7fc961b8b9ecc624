"""Card payments: an ordinary action, because the provider may take its time."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, FiniteFloat

from engine.actions.context import ActionContext, StepIdentity
from engine.actions.registry import action
from runstudio_examples.shop_actions.partner import ask


class Charge(BaseModel):
    url: str
    api_key: str
    order_id: str
    amount: Annotated[FiniteFloat, Field(gt=0)]
    card_token: str


class Charged(BaseModel):
    charge_id: str
    amount: FiniteFloat


def _per_order(call: Charge, _step: StepIdentity) -> str:
    return f"charge:{call.order_id}"


@action(
    "shop.charge_card",
    input=Charge,
    output=Charged,
    timeout=30,
    retry={"maxAttempts": 4, "backoffMs": 1000, "maxDelayMs": 10_000, "retryOn": ["TransientError", "TimeoutError"]},
    idempotency_key=_per_order,
    accepts_secrets=True,
)
async def charge_card(call: Charge, ctx: ActionContext) -> Charged:
    """Charge a card, once per order."""
    answer = await ask(
        "POST",
        call.url,
        json={"order_id": call.order_id, "amount": call.amount, "card_token": call.card_token},
        # The provider sees the same key for every try: a charge whose answer got lost is not made again.
        headers={"authorization": f"Bearer {call.api_key}", "idempotency-key": ctx.idempotency_key},
    )
    ctx.logger.info("card.charged", charge_id=answer["charge_id"])
    return Charged(charge_id=answer["charge_id"], amount=answer["amount"])
