"""Events and human tasks of the demo world, tied to its runs: one of every state there is."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from engine.records import Delivery, Document, Event, EventDetail, Json, RunStatus, Task, TaskDetail
from runstudio_tui.backend.fake.run import FakeRun
from runstudio_tui.backend.fake.world import World

FORM: Final[Json] = {
    "type": "object",
    "required": ["approved", "cost_center"],
    "properties": {
        "approved": {"type": "boolean", "title": "Approve it?", "description": "No sends the invoice back."},
        "cost_center": {"enum": ["4100 sales", "4200 stock", "4300 office"], "title": "Cost centre"},
        "amount": {"type": "number", "title": "Amount", "minimum": 0, "description": "As it stands on the invoice."},
        "pay_in_days": {"type": "integer", "title": "Pay in days", "default": 30, "maximum": 90},
        "supplier": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "iban": {"type": "string", "description": "Only when it is new."},
            },
        },
        "tags": {"type": "array", "items": {"type": "string"}, "title": "Tags"},
        "note": {"type": "string", "title": "Note", "maxLength": 200},
    },
}
"""What approving an invoice asks."""


def add_events_and_tasks(world: World) -> None:
    """Put them into a world that has its runs."""
    now = world.now()
    _add_tasks(world, now)
    _add_events(world, now)


def _newest(world: World, workflow: str, *statuses: RunStatus) -> list[FakeRun]:
    runs = [run for run in world.runs.values() if run.row.workflow_id == workflow and run.row.status in statuses]
    return sorted(runs, key=lambda run: run.row.started_at, reverse=True)


# --- tasks ------------------------------------------------------------------------------------------------------------


def _add_tasks(world: World, now: datetime) -> None:
    waiting = _newest(world, "invoice-intake", RunStatus.WAITING)[0]
    failed = _newest(world, "invoice-intake", RunStatus.FAILED)
    hours = timedelta(hours=1)
    _task(world, 1, waiting, "Approve INV-1038 of Nordwind", at=now - timedelta(minutes=89), due_at=now + 3 * hours)
    _task(world, 2, waiting, "Which purchase order is INV-1038 for?", task_type="find-order",
          at=now - timedelta(minutes=70), claimed_by="ada", claimed_at=now - timedelta(minutes=20), status="claimed",
          due_at=now + 20 * hours, form=None)  # fmt: skip
    _task(world, 3, waiting, "Check the bank account of Nordwind", task_type="check-account",
          at=now - 5 * hours, due_at=now - timedelta(minutes=48), priority="high")  # fmt: skip
    _task(world, 4, failed[0], "Approve INV-1021 of Kontor", at=now - 9 * hours, status="completed",
          completed_by="grace", completed_at=now - 8 * hours,
          response=Document({"approved": True, "cost_center": "4200 stock", "pay_in_days": 14}))  # fmt: skip
    _task(world, 5, failed[-1], "Approve INV-1019 of Kontor", at=now - 30 * hours, status="canceled")


def _task(world: World, number: int, run: FakeRun, title: str, **how: Any) -> None:
    form, response = how.pop("form", FORM), how.pop("response", None)
    row = Task(
        task_id=f"0198c2aa-7a5c-7000-8000-{number:012d}",
        run_id=run.row.run_id,
        workflow_id=run.row.workflow_id,
        path="approval",
        iteration="",
        task_type=how.pop("task_type", "approve-invoice"),
        title=title,
        description="Compare it with the delivery note before you decide." if number == 1 else None,
        status=how.pop("status", "pending"),
        priority=how.pop("priority", None),
        due_at=how.pop("due_at", None),
        claimed_by=how.pop("claimed_by", None),
        claimed_at=how.pop("claimed_at", None),
        completed_by=how.pop("completed_by", None),
        completed_at=how.pop("completed_at", None),
        created_at=how.pop("at"),
    )
    context = Document(
        {"invoice": {"number": title.split()[1], "total": 1284.5, "currency": "EUR"}, "iban": "[REDACTED]"},
        frozenset({"/iban"}),
    )
    world.tasks[row.task_id] = TaskDetail(row, context, form, response, undelivered=False, delivery_error=None)


# --- events -----------------------------------------------------------------------------------------------------------


def _add_events(world: World, now: datetime) -> None:
    waiting = _newest(world, "order-fulfilment", RunStatus.WAITING)[0].row.run_id
    for number, run in enumerate(_newest(world, "order-fulfilment", RunStatus.SUCCEEDED)[:12]):
        at = run.row.started_at - timedelta(milliseconds=40)
        sent = _delivery(100 + number, "launch", "order-fulfilment", "done", at, run_id=run.row.run_id)
        _event(world, f"shop-{8000 - number}", "order.placed", f"ORD-{1000 - number}", at, sent, run=run.row.run_id)
    minutes = timedelta(minutes=1)
    carrier = "carrier.picked_up"
    _event(world, "carrier-77", carrier, "ORD-1042", now - 2 * minutes, _delivery(
        1, "wait", "0198c2aa-1111-7000-8000-000000000001", "pending", now - 2 * minutes, run_id=waiting, attempts=4,
        next_attempt_at=now + timedelta(seconds=9), last_error="TEMPORAL_UNAVAILABLE: Temporal does not answer.",
    ))  # fmt: skip
    _event(world, "carrier-76", carrier, "ORD-9999", now - 7 * minutes)
    ended = _newest(world, "order-fulfilment", RunStatus.CANCELED)[0].row.run_id
    _event(world, "carrier-75", carrier, "ORD-0977", now - 31 * minutes, _delivery(
        2, "wait", "0198c2aa-1111-7000-8000-000000000002", "skipped", now - 31 * minutes, run_id=ended, attempts=1,
        reason="The run has ended; its wait was closed.",
    ), error="The run has ended; its wait was closed.")  # fmt: skip
    _event(world, "bank-19", "payment.received", "INV-1038", now - 44 * minutes, _delivery(
        3, "launch", "reminder", "skipped", now - 44 * minutes, attempts=1,
        reason="WORKFLOW_PAUSED: The workflow reminder is paused.",
    ), error="WORKFLOW_PAUSED: The workflow reminder is paused.")  # fmt: skip
    _event(world, "bank-18", "payment.received", "INV-1031", now - 50 * minutes, _delivery(
        4, "wait", "0198c2aa-1111-7000-8000-000000000004", "failed", now - 41 * minutes, run_id=waiting, attempts=10,
        last_error="TEMPORAL_UNAVAILABLE: Temporal does not answer.",
    ), error="TEMPORAL_UNAVAILABLE: Temporal does not answer.")  # fmt: skip
    _event(world, "erp-3", "stock.counted", None, now - 66 * minutes, _delivery(
        5, "launch", "stock-sync", "skipped", now - 66 * minutes, reason="stock-sync: the trigger's mapping gives no object.",
    ), error="The event has no correlation key.")  # fmt: skip


def _event(world: World, event_id: str, name: str, key: str | None, at: datetime, *sent: Delivery, **how: str) -> None:
    run, error = how.get("run"), how.get("error")
    status = "error" if error else "matched" if run else "unmatched"
    payload = {"order_id": key, "at": at.isoformat(timespec="seconds"), "card_token": "[REDACTED]"}
    row = Event(
        event_id, name, key, (key,) if key else (), at, at + timedelta(milliseconds=30), status, run, error, None
    )
    deliveries = tuple(_of(delivery, row) for delivery in sent)
    world.events[event_id] = EventDetail(row, Document(payload, frozenset({"/card_token"})), deliveries)


def _of(delivery: Delivery, event: Event) -> Delivery:
    return replace(delivery, event_id=event.event_id, event_name=event.name, key=event.key)


def _delivery(number: int, kind: str, target: str, status: str, at: datetime, **how: Any) -> Delivery:
    return Delivery(
        delivery_id=f"0198c2aa-de11-7000-8000-{number:012d}",
        event_id=None,
        event_name=None,
        key=None,
        kind=kind,
        target=target,
        run_id=how.get("run_id"),
        workflow_id=target if kind == "launch" else None,
        status=status,
        attempts=how.get("attempts", 1 if status == "done" else 0),
        next_attempt_at=how.get("next_attempt_at"),
        reason=how.get("reason"),
        last_error=how.get("last_error"),
        created_at=at,
        settled_at=None if status == "pending" else at + timedelta(seconds=1),
    )
