"""ITEMS_MAY_COLLAPSE: a loop over what may be one or none, as far as the payload's schema tells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.definition.validate import validate_definition
from tests.engine.definition.test_validate import context, definition, expr

ORDERS = {
    "properties": {
        "orders": {"$ref": "#/$defs/orders"},
        "one": {"properties": {"lines": {"type": ["array", "null"], "items": {"properties": {"sku": {}}}}}},
    },
    "$defs": {
        "orders": {"type": "array", "items": {"properties": {"lines": {"type": "array"}, "tags": {"type": "array"}}}}
    },
}


@pytest.mark.parametrize(
    ("items", "warned"),
    [
        ("payload.orders.id", True),
        ("payload.orders.lines", True),
        ("payload.one.lines.sku", True),
        ("payload.orders[0].lines.sku", True),
        ("coalesce(payload.orders.id, [])", True),
        ("payload.orders[0].lines", False),
        ("payload.orders", False),
        ("payload.one.lines", False),
        ("payload.unknown.id", False),
        ("vars.orders.id", False),
        ("[payload.orders.id]", False),
    ],
)
def test_f21_items_that_are_a_field_of_each_item_may_be_one_or_none(items: str, warned: bool) -> None:
    step = {"id": "l", "type": "control.forEach", "items": expr(items), "itemVar": "order", "body": []}
    known = replace(context(), schemas={"payload.Own.v1": ORDERS})
    result = validate_definition({**definition(step), "payloadSchemaRef": "payload.Own.v1"}, known)
    found = [(issue.code, issue.suggestion) for issue in result.issues]
    assert found == ([("ITEMS_MAY_COLLAPSE", f"Write [{items}].")] if warned else [])
