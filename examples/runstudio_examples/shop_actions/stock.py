"""Stock of the shop: quick, transactional actions on the engine's own data store."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, Field

from engine.actions.context import ActionContext
from engine.actions.registry import action
from engine.errors import ACTION, TRANSIENT, StepFailure
from engine.store.data import data_store

STOCK: Final = "shop.stock"
RESERVATIONS: Final = "shop.reservations"
OPENING_STOCK: Final = 500
"""Pieces of a product that stock-sync has not reported yet."""

Quantity = Annotated[int, Field(gt=0)]


class Line(BaseModel):
    sku: str
    quantity: Quantity = 1


class ReserveInput(BaseModel):
    order_id: str
    lines: Annotated[list[Line], Field(min_length=1)]


class Reserved(BaseModel):
    order_id: str
    pieces: int
    left: dict[str, int]
    """What remains, by product."""


class ReleaseInput(BaseModel):
    order_id: str


class Released(BaseModel):
    released: bool


@action("shop.reserve_stock", input=ReserveInput, output=Reserved, quick=True, transaction=True)
async def reserve_stock(call: ReserveInput, ctx: ActionContext) -> Reserved:
    """Take the pieces of an order out of stock, all of them or none; an order that has them keeps them."""
    reservation = data_store.Slot(ctx.tenant, RESERVATIONS, call.order_id)
    # A replayed order is another run: it finds what the first one reserved, and takes nothing more.
    if present := await data_store.get(ctx.transaction, reservation):
        return Reserved.model_validate(present.value["reserved"])
    left: dict[str, int] = {}
    # In one order of products, so that two orders never wait for each other in a circle.
    for line in sorted(call.lines, key=lambda line: line.sku):
        slot = data_store.Slot(ctx.tenant, STOCK, line.sku)
        stored = await data_store.increment(
            ctx.transaction, slot, -line.quantity, initial=OPENING_STOCK, run_id=ctx.run_id
        )
        if stored.value < 0:
            # The transaction is rolled back with the step, so nothing of this order stays taken.
            raise StepFailure(
                ACTION,
                f"{line.quantity} pieces of {line.sku} are wanted, {stored.value + line.quantity:g} are there.",
                code="OUT_OF_STOCK",
                details={"sku": line.sku, "wanted": line.quantity, "available": stored.value + line.quantity},
            )
        left[line.sku] = int(stored.value)
    reserved = Reserved(order_id=call.order_id, pieces=sum(line.quantity for line in call.lines), left=left)
    kept = {"lines": [line.model_dump() for line in call.lines], "reserved": reserved.model_dump()}
    try:
        await data_store.put(ctx.transaction, reservation, kept, if_revision=0, run_id=ctx.run_id)
    except data_store.RevisionConflict as conflict:
        message = f"Another run is reserving for order {call.order_id} at this moment."
        raise StepFailure(TRANSIENT, message, code="RESERVATION_BUSY") from conflict
    return reserved


@action("shop.release_stock", input=ReleaseInput, output=Released, quick=True, transaction=True)
async def release_stock(call: ReleaseInput, ctx: ActionContext) -> Released:
    """Put the pieces of an order back into stock."""
    reservation = data_store.Slot(ctx.tenant, RESERVATIONS, call.order_id)
    stored = await data_store.get(ctx.transaction, reservation)
    if stored is None or not await data_store.remove(ctx.transaction, reservation):
        return Released(released=False)
    for line in sorted(map(Line.model_validate, stored.value["lines"]), key=lambda line: line.sku):
        await data_store.increment(ctx.transaction, data_store.Slot(ctx.tenant, STOCK, line.sku), line.quantity)
    return Released(released=True)
