"""Events with what came of them, and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import Invalid, NotFound
from engine.ids import new_id
from engine.records import EventFilter
from engine.settings import DEFAULT_TENANT
from engine.store.events.reading import deliveries_page, event_detail, events_page
from engine.store.tables import workflow_audit_log, workflow_event_deliveries, workflow_runtime_events
from engine.store.tenant.reading import audit_page
from engine.values.redaction.placeholder import PLACEHOLDER
from tests.engine.store.conftest import OTHER_TENANT, TENANT
from tests.engine.store.rows import at, insert

RUN = "0198c2aa-0000-7000-8000-000000000001"


def _event(number: int, **values: Any) -> dict[str, Any]:
    row = {"event_id": f"evt-{number}", "event_name": "order.placed", "created_at": at(number), "state": "routed"}
    return {**row, **values}


def _delivery(number: int, **values: Any) -> dict[str, Any]:
    row = {"delivery_id": new_id(), "event_id": "evt-1", "target_kind": "wait", "target": f"wait-{number}",
           "created_at": at(number), "updated_at": at(number)}  # fmt: skip
    return {**row, **values}


@pytest.fixture
async def events(engine: AsyncEngine) -> AsyncEngine:
    """Seven events, one of each kind."""
    await insert(
        engine,
        workflow_runtime_events,
        _event(1, state="received"),
        _event(2, matched_run_id=RUN, correlation_key="ORD-1", correlation_keys=["ORD-1", "CUST-9"]),
        _event(3),
        _event(4, error_message="no key"),
        _event(5, event_name="order.paid", correlation_key="ORD-1"),
        _event(6, error_message="half of it failed", matched_run_id=RUN),
        _event(7, event_name="order.paid"),
    )
    return engine


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ({}, [7, 6, 5, 4, 3, 2, 1]),
        ({"name": "order.paid"}, [7, 5]),
        ({"key": "ORD-1"}, [5, 2]),
        ({"key": "ORD-%"}, []),
        ({"name": "order.paid", "key": "ORD-1"}, [5]),
        ({"status": "received"}, [1]),
        ({"status": "matched"}, [2]),
        ({"status": "unmatched"}, [7, 5, 3]),
        ({"status": "error"}, [6, 4]),
        ({"run_id": RUN}, [6, 2]),
        ({"since": at(3), "before": at(5)}, [4, 3]),
    ],
    ids=str,
)
async def test_events_are_found_newest_first(events: AsyncEngine, conditions: dict[str, Any], found: list[int]) -> None:
    page = await events_page(events, DEFAULT_TENANT, EventFilter(**conditions))
    assert [view.event_id for view in page.rows] == [f"evt-{number}" for number in found]
    assert page.next is None
    assert (await events_page(events, OTHER_TENANT, EventFilter(**conditions))).rows == ()


async def test_events_are_paged(events: AsyncEngine) -> None:
    first = await events_page(events, DEFAULT_TENANT, EventFilter(), limit=3)
    second = await events_page(events, DEFAULT_TENANT, EventFilter(), cursor=first.next, limit=3)
    third = await events_page(events, DEFAULT_TENANT, EventFilter(), cursor=second.next, limit=3)
    assert [[view.event_id[-1] for view in page.rows] for page in (first, second, third)] == [
        ["7", "6", "5"],
        ["4", "3", "2"],
        ["1"],
    ]
    assert third.next is None
    with pytest.raises(Invalid, match="CURSOR_INVALID"):
        await events_page(events, DEFAULT_TENANT, EventFilter(name="order.paid"), cursor=first.next)


async def test_an_event_shows_its_payload_masked_and_everything_that_came_of_it(engine: AsyncEngine) -> None:
    event = _event(
        1, payload={"order": 1, "token": "canary"}, correlation_key="ORD-1", correlation_keys=["ORD-1", "CUST-9"]
    )
    await insert(engine, workflow_runtime_events, event)
    await insert(
        engine,
        workflow_event_deliveries,
        _delivery(1, status="done", run_id=RUN, attempts=1, settled_at=at(2)),
        _delivery(2, status="skipped", target_kind="launch", target="order-fulfilment", reason="paused"),
        _delivery(3, status="pending", attempts=4, last_error="Temporal is away", next_attempt_at=at(60)),
    )
    detail = await event_detail(engine, TENANT, "evt-1")
    assert detail.row.keys == ("ORD-1", "CUST-9")
    assert detail.payload is not None
    assert (detail.payload.value, detail.payload.masked) == ({"order": 1, "token": PLACEHOLDER}, {"/token"})
    assert [(view.kind, view.status, view.reason or view.last_error) for view in detail.deliveries] == [
        ("wait", "done", None),
        ("launch", "skipped", "paused"),
        ("wait", "pending", "Temporal is away"),
    ]
    assert [view.next_attempt_at for view in detail.deliveries] == [None, None, at(60)]


@pytest.mark.parametrize("event_id", ["evt-2", "", "\0", "\ud800"])
async def test_an_event_that_is_not_there_is_not_found(engine: AsyncEngine, event_id: str) -> None:
    with pytest.raises(NotFound, match="EVENT_NOT_FOUND"):
        await event_detail(engine, TENANT, event_id)


async def test_failed_deliveries_are_listed_the_latest_first(engine: AsyncEngine) -> None:
    failed = [_delivery(number, status="failed", last_error=str(number)) for number in range(5)]
    await insert(engine, workflow_event_deliveries, *failed, _delivery(9, status="done"))
    first = await deliveries_page(engine, TENANT, limit=3)
    rest = await deliveries_page(engine, TENANT, cursor=first.next, limit=3)
    assert [view.last_error for view in (*first.rows, *rest.rows)] == ["4", "3", "2", "1", "0"]
    assert rest.next is None
    assert len((await deliveries_page(engine, TENANT, status="done")).rows) == 1


async def test_dead_letters_are_the_failed_and_the_skipped_ones_merged(engine: AsyncEngine) -> None:
    kinds = ("failed", "skipped", "done", "pending")
    rows = [_delivery(number, status=kinds[number % 4], reason=str(number)) for number in range(12)]
    await insert(engine, workflow_event_deliveries, *rows)
    first = await deliveries_page(engine, TENANT, status="dead", limit=4)
    rest = await deliveries_page(engine, TENANT, status="dead", cursor=first.next, limit=4)
    assert [view.reason for view in (*first.rows, *rest.rows)] == ["9", "8", "5", "4", "1", "0"]
    assert rest.next is None


async def test_an_unknown_word_for_deliveries_is_refused(engine: AsyncEngine) -> None:
    with pytest.raises(Invalid, match="FILTER_INVALID"):
        await deliveries_page(engine, TENANT, status="lost")


@pytest.mark.parametrize(
    "conditions",
    [
        {"status": "new"},
        {"name": "\0"},
        {"key": "\ud800"},
        {"since": datetime(2026, 1, 1)},  # noqa: DTZ001 # without zone on purpose
        {"run_id": "x"},
    ],
    ids=str,
)
def test_a_condition_that_cannot_be_is_refused(conditions: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=r"FILTER_INVALID|ID_INVALID"):
        EventFilter(**conditions)


async def test_the_audit_log_of_a_run_of_a_thing_and_of_the_tenant(engine: AsyncEngine) -> None:
    def entry(number: int, **values: Any) -> dict[str, Any]:
        row = {"audit_id": new_id(), "actor": "ada", "operation": f"op-{number}", "target_kind": "run", "target_id": RUN,
               "created_at": at(number)}  # fmt: skip
        return {**row, **values}

    await insert(
        engine,
        workflow_audit_log,
        entry(1, run_id=RUN, reason="wrong price", details_json={"password": "canary", "changed": ["/amount"]}),
        entry(2, run_id=RUN, actor_source="10.0.0.7", actor_level="admin"),
        entry(3, target_kind="definition", target_id="order-fulfilment", workflow_id="order-fulfilment"),
    )
    everything = await audit_page(engine, TENANT)
    assert [view.operation for view in everything.rows] == ["op-3", "op-2", "op-1"]
    of_run = await audit_page(engine, TENANT, run_id=RUN)
    assert [view.operation for view in of_run.rows] == ["op-2", "op-1"]
    assert of_run.rows[1].details == {"password": PLACEHOLDER, "changed": ["/amount"]}
    assert (of_run.rows[0].source, of_run.rows[0].level, of_run.rows[1].reason) == ("10.0.0.7", "admin", "wrong price")
    of_thing = await audit_page(engine, TENANT, target=("definition", "order-fulfilment"))
    assert [view.operation for view in of_thing.rows] == ["op-3"]
    assert (await audit_page(engine, OTHER_TENANT)).rows == ()

    first = await audit_page(engine, TENANT, limit=2)
    second = await audit_page(engine, TENANT, cursor=first.next, limit=2)
    assert [view.operation for view in (*first.rows, *second.rows)] == ["op-3", "op-2", "op-1"]
    assert second.next is None
    with pytest.raises(Invalid, match="FILTER_INVALID"):
        await audit_page(engine, TENANT, target=("run", "\0"))
