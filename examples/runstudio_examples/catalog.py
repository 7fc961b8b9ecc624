"""What the examples consist of, for the command that publishes them and starts their first runs.

Definitions, schemas, forms and payloads are the JSON files beside this one; here is only what a file cannot say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from runstudio_examples.partners import CARRIER_TOKEN, HOST, PAYMENTS_KEY

ACTIONS_MODULE: Final = "runstudio_examples.shop_actions"

ENVIRONMENT: Final[Mapping[str, str]] = {
    "RUNSTUDIO_HTTP_ALLOWED_HOSTS": HOST,
    "RUNSTUDIO_SECRET_PAYMENTS_KEY": PAYMENTS_KEY,
    "RUNSTUDIO_SECRET_CARRIER_AUTHORIZATION": f"Bearer {CARRIER_TOKEN}",
}
"""What the workers of the examples need; nothing in it is known outside this machine."""

CORRELATION_PATHS: Final[Mapping[str, tuple[str, ...]]] = {"carrier.picked_up": ("order_id",)}
"""Where an event that is submitted without a key carries it, by event name."""

_HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Example:
    """One workflow, ready to be published."""

    name: str
    """The workflow's id."""
    definition: Mapping[str, Any]
    payload_schema_ref: str
    payload_schema: Mapping[str, Any]
    payloads: Mapping[str, Mapping[str, Any]]
    """By title; the first is the usual one."""
    forms: Mapping[str, Mapping[str, Any]]
    """JSON schemas of responses, by task type."""


@dataclass(frozen=True, slots=True)
class SampleEvent:
    """An event to submit."""

    name: str
    key: str
    payload: Mapping[str, Any]
    event_id: str
    """The same at every start, so that a repeated submission changes nothing."""


@dataclass(frozen=True, slots=True)
class FirstRun:
    """A run the first start makes, so that there is something to look at."""

    key: str
    """Idempotency key: a second start makes no second run."""
    workflow_id: str
    payload: Mapping[str, Any]
    ends: str
    """Status it comes to rest in within a minute: RUNNING, WAITING, SUCCEEDED, FAILED or CANCELED."""
    events: tuple[SampleEvent, ...] = field(default=())
    """Submitted after the start."""
    cancel_reason: str | None = None
    """Set: the run is canceled as soon as it waits."""


def _load(folder: str) -> Example:
    files = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (_HERE / folder).glob("*.json")}
    definition = files["definition"]
    titles = sorted(name for name in files if name == "payload" or name.startswith("payload-"))
    return Example(
        name=definition["id"],
        definition=definition,
        payload_schema_ref=definition["payloadSchemaRef"],
        payload_schema=files["payload_schema"],
        payloads={title.removeprefix("payload-").replace("-", " "): files[title] for title in titles},
        forms={name.removeprefix("form-"): form for name, form in files.items() if name.startswith("form-")},
    )


EXAMPLES: Final = tuple(map(_load, ("order_fulfilment", "invoice_intake", "reminder", "stock_sync")))


def first_runs(now: datetime) -> tuple[FirstRun, ...]:
    """The runs of a first start, in order; ``now`` is aware. Between them they show every state a run can be in."""
    orders, invoices, reminders, syncs = (example.payloads for example in EXAMPLES)
    reminder = reminders["payload"]
    tomorrow = (now + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
    picked_up = SampleEvent(
        "carrier.picked_up", "ORD-1043", {"order_id": "ORD-1043", "parcel": "PX-20871"}, "example:picked-up:ORD-1043"
    )
    return (
        FirstRun("example:sync", "stock-sync", syncs["payload"], "SUCCEEDED"),
        FirstRun("example:recount", "stock-sync", syncs["recount"], "RUNNING"),
        FirstRun("example:order", "order-fulfilment", orders["payload"], "WAITING"),
        FirstRun("example:order-small", "order-fulfilment", orders["small"], "SUCCEEDED", events=(picked_up,)),
        FirstRun("example:order-declined", "order-fulfilment", orders["declined"], "SUCCEEDED"),
        FirstRun("example:order-out-of-stock", "order-fulfilment", orders["out of stock"], "FAILED"),
        FirstRun("example:invoice", "invoice-intake", invoices["payload"], "SUCCEEDED"),
        FirstRun("example:invoice-bad-line", "invoice-intake", invoices["bad line"], "WAITING"),
        FirstRun("example:invoice-unknown-order", "invoice-intake", invoices["unknown order"], "FAILED"),
        FirstRun("example:reminder-past", "reminder", reminder, "SUCCEEDED"),
        FirstRun("example:reminder", "reminder", {**reminder, "at": tomorrow.isoformat()}, "WAITING"),
        FirstRun(
            "example:reminder-canceled",
            "reminder",
            {**reminder, "at": (tomorrow + timedelta(days=7)).isoformat()},
            "CANCELED",
            cancel_reason="The holiday schedule came by mail.",
        ),
    )
