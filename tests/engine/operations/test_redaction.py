"""The rules of a tenant: set with an audit entry, refused when they cannot be understood, and tried on a document."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from engine.errors import Invalid
from engine.operations.context import OperationContext
from engine.operations.redaction import redaction_rules, set_redaction_rules, try_redaction
from engine.records import RedactionRules
from tests.engine.operations.conftest import Query

DOCUMENT = {"customer": {"name": "Ada"}, "badge": 7, "password": "x", "id": 1}


async def test_rules_are_set_and_tried(context: OperationContext, query: Query) -> None:
    assert await redaction_rules(context) == RedactionRules()
    assert (await try_redaction(context, DOCUMENT)).masked == {"/password"}
    rules = RedactionRules(("/customer/name",), ("^badge$",))
    for _ in range(2):
        await set_redaction_rules(context, rules)
    assert await redaction_rules(context) == rules
    assert (await try_redaction(context, DOCUMENT)).masked == {"/customer/name", "/badge", "/password"}
    [audit] = await query("SELECT operation, details_json FROM workflow_audit_log")
    assert audit == {
        "operation": "redaction_set",
        "details_json": {"pointers": ["/customer/name"], "keyPatterns": ["^badge$"]},
    }


@pytest.mark.parametrize("rules", [RedactionRules(key_patterns=("(",)), RedactionRules(pointers=("/a", 1))])  # type: ignore[arg-type] # what a file may hold
async def test_rules_that_cannot_be_understood_change_nothing(context: OperationContext, rules: Any) -> None:
    with pytest.raises(Invalid, match="REDACTION_RULES_INVALID"):
        await set_redaction_rules(context, rules)
    assert await redaction_rules(context) == RedactionRules()


async def test_an_exception_of_the_database_does_not_hold_what_was_sent(context: OperationContext) -> None:
    with pytest.raises(DBAPIError) as failed:
        async with context.store.connect() as connection:
            await connection.execute(text("SELECT CAST(:given AS jsonb), no_such_column"), {"given": '{"a": "canary"}'})
    assert "canary" not in str(failed.value)
    assert "canary" not in repr(failed.value)
