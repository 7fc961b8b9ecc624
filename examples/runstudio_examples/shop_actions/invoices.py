"""Supplier invoices: read from text, checked against prices and purchase orders."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, Field, FiniteFloat

from engine.actions.context import ActionContext
from engine.actions.registry import action
from engine.errors import ACTION, VALIDATION, StepFailure
from runstudio_examples.shop_actions.partner import ask

_HEAD = re.compile(r"(INVOICE|SUPPLIER|PO) (\S+)")
_LINE = re.compile(r"(\d+) x (\S+) @ (\d+(?:\.\d{1,2})?)")


class Document(BaseModel):
    text: Annotated[str, Field(max_length=100_000)]


class InvoiceLine(BaseModel):
    sku: str
    quantity: int
    price: FiniteFloat


class Invoice(BaseModel):
    number: str
    supplier: str
    po_number: str
    lines: list[InvoiceLine]
    total: FiniteFloat


class LineCheck(BaseModel):
    url: str
    line: InvoiceLine
    tolerance: Annotated[FiniteFloat, Field(ge=0)] = 0.05
    """How far above the agreed price a line may be, as a part of it."""


class CheckedLine(BaseModel):
    agreed: FiniteFloat


class OrderQuery(BaseModel):
    url: str


class PurchaseOrder(BaseModel):
    number: str
    supplier: str


@action("shop.read_invoice", input=Document, output=Invoice, side_effects=False, quick=True)
def read_invoice(call: Document, _ctx: ActionContext) -> Invoice:
    """Read the fields of an invoice. A plain function: the engine runs it in a thread."""
    head: dict[str, str] = {}
    lines: list[InvoiceLine] = []
    for number, text in enumerate(call.text.strip().splitlines(), start=1):
        if found := _HEAD.fullmatch(text.strip()):
            head[found[1]] = found[2]
        elif found := _LINE.fullmatch(text.strip()):
            lines.append(InvoiceLine(sku=found[2], quantity=int(found[1]), price=float(found[3])))
        else:
            raise StepFailure(
                VALIDATION, f"Line {number} of the invoice cannot be read.", code="INVOICE_UNREADABLE",
                details={"line": number},
            )  # fmt: skip
    absent = [name for name in ("INVOICE", "SUPPLIER", "PO") if name not in head]
    if absent or not lines:
        raise StepFailure(
            VALIDATION, f"The invoice lacks {', '.join(absent) or 'lines'}.", code="INVOICE_UNREADABLE",
            details={"absent": absent},
        )  # fmt: skip
    total = round(sum(line.quantity * line.price for line in lines), 2)
    return Invoice(number=head["INVOICE"], supplier=head["SUPPLIER"], po_number=head["PO"], lines=lines, total=total)


@action(
    "shop.check_line",
    input=LineCheck,
    output=CheckedLine,
    side_effects=False,
    timeout=30,
    retry={"maxAttempts": 4, "backoffMs": 200, "retryOn": ["TransientError"]},
)
async def check_line(call: LineCheck, _ctx: ActionContext) -> CheckedLine:
    """Compare a line with the agreed price."""
    agreed = (await ask("GET", call.url, missing="SKU_UNKNOWN"))["price"]
    if call.line.price > agreed * (1 + call.tolerance):
        raise StepFailure(
            ACTION,
            f"{call.line.sku} is invoiced at {call.line.price:.2f}, agreed are {agreed:.2f}.",
            code="PRICE_TOO_HIGH",
            details={"sku": call.line.sku, "invoiced": call.line.price, "agreed": agreed},
        )
    return CheckedLine(agreed=agreed)


@action("shop.match_po", input=OrderQuery, output=PurchaseOrder, side_effects=False, timeout=30)
async def match_po(call: OrderQuery, _ctx: ActionContext) -> PurchaseOrder:
    """Find the purchase order of an invoice."""
    return PurchaseOrder.model_validate(await ask("GET", call.url, missing="PO_NOT_FOUND"))
