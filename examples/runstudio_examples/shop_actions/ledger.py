"""The shop's books: an entry and the balance it changes, in one commit."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, FiniteFloat

from engine.actions.context import ActionContext, StepIdentity
from engine.actions.registry import action
from engine.store.data import data_store

ENTRIES: Final = "shop.ledger"
BALANCES: Final = "shop.balances"


class Posting(BaseModel):
    account: str
    reference: str
    """What is booked: one posting per account and reference, whatever is replayed."""
    amount: FiniteFloat
    text: str = ""


class Posted(BaseModel):
    balance: FiniteFloat


def _once(call: Posting, _step: StepIdentity) -> str:
    return f"posting:{call.account}:{call.reference}"


@action("shop.post_ledger", input=Posting, output=Posted, quick=True, transaction=True, idempotency_key=_once)
async def post_ledger(call: Posting, ctx: ActionContext) -> Posted:
    """Book an amount on an account."""
    entry = data_store.Slot(ctx.tenant, ENTRIES, f"{call.account}:{call.reference}")
    await data_store.put(ctx.transaction, entry, call.model_dump(mode="json"), run_id=ctx.run_id)
    account = data_store.Slot(ctx.tenant, BALANCES, call.account)
    balance = await data_store.increment(ctx.transaction, account, call.amount, run_id=ctx.run_id)
    return Posted(balance=balance.value)
