"""What a schedule gives to the runs that it starts."""

from __future__ import annotations

import pytest

from engine.errors import Conflict, Invalid, NotFound
from engine.operations.context import OperationContext
from engine.operations.schedules.schedules import set_schedule_payload
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import add_version


async def test_a_payload_needs_a_schedule(context: OperationContext, store: Store) -> None:
    with pytest.raises(NotFound, match="WORKFLOW_NOT_FOUND"):
        await set_schedule_payload(context, "orders", {})
    await add_version(store)
    with pytest.raises(Conflict, match="NOT_SCHEDULED"):
        await set_schedule_payload(context, "orders", {})
    with pytest.raises(Invalid, match="PAYLOAD_NOT_OBJECT"):
        await set_schedule_payload(context, "orders", [])
