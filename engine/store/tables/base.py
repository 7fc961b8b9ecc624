"""What every table shares: the metadata, column factories, and the words a status column may hold."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import CheckConstraint, Column, DateTime, MetaData, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from engine.settings import DEFAULT_TENANT

metadata: Final = MetaData()

RUN_STATUSES: Final = ("RUNNING", "WAITING", "SUCCEEDED", "FAILED", "CANCELED")
ACTIVE_RUN_STATUSES: Final = ("RUNNING", "WAITING")
TERMINAL_RUN_STATUSES: Final = ("SUCCEEDED", "FAILED", "CANCELED")
WAITING_ON: Final = ("event", "time", "human", "quota", "retry", "child")
LAUNCH_STATES: Final = ("pending", "started", "failed", "queued")
"""``queued``: its workflow is paused or has as many runs as it may; it has its place in line."""
WHEN_BUSY: Final = ("queue", "skip", "replace")
STEP_STATUSES: Final = ("STARTED", "SUCCEEDED", "FAILED", "CANCELED", "RETRY_SCHEDULED")
"""RETRY_SCHEDULED exists in history from before the cutover only."""
OPEN_STEP_STATUSES: Final = ("STARTED", "RETRY_SCHEDULED")
WAIT_TYPES: Final = ("event", "time", "human", "quota", "retry", "child", "timeout")
"""``timeout`` exists in history from before the cutover only."""
WAIT_STATUSES: Final = ("WAITING", "RESOLVED", "TIMED_OUT", "CANCELED")
INVOCATION_STATUSES: Final = ("STARTED", "SUCCEEDED", "FAILED", "ABANDONED")
"""ABANDONED: the worker that ran this try is gone and a later try took over, or the run ended without it."""
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARN", "ERROR")
EVENT_STATES: Final = ("received", "routed")
DELIVERY_KINDS: Final = ("wait", "launch", "task", "quota", "routing")
"""``routing``: an event that was set aside, because its targets could not be found."""
DELIVERY_STATUSES: Final = ("pending", "done", "skipped", "failed")
TASK_STATUSES: Final = ("pending", "claimed", "completed", "canceled", "expired")
OPEN_TASK_STATUSES: Final = ("pending", "claimed")
DEFINITION_STATUSES: Final = ("draft", "published", "active")
"""``active`` is history's synonym of ``published``."""
SCHEDULE_STATUSES: Final = ("scheduled", "paused", "disabled", "completed", "failed")
FIRE_STATUSES: Final = ("started", "skipped", "failed")


def tenant_column(**options: Any) -> Column[str]:
    """``tenant uuid NOT NULL``, text in Python; rows that name no tenant belong to the default one."""
    return Column(
        "tenant", UUID(as_uuid=False), nullable=False, server_default=text(f"'{DEFAULT_TENANT}'::uuid"), **options
    )


def id_column(name: str, **options: Any) -> Column[str]:
    """A uuid column, text in Python."""
    return Column(name, UUID(as_uuid=False), **options)


def text_column(name: str, **options: Any) -> Column[str]:
    """A text column."""
    return Column(name, Text, **options)


def json_column(name: str, *, null_is_json: bool = False, **options: Any) -> Column[Any]:
    """A jsonb column. Python ``None`` is SQL NULL, or the JSON null where ``null_is_json``."""
    return Column(name, JSONB(none_as_null=not null_is_json), **options)


def time_column(name: str, *, defaults_to_now: bool = False, **options: Any) -> Column[Any]:
    """A ``timestamptz`` column: aware UTC datetimes in Python."""
    if defaults_to_now:
        options = {"nullable": False, "server_default": func.now(), **options}
    return Column(name, DateTime(timezone=True), **options)


def one_of(column: str, values: tuple[str, ...], name: str) -> CheckConstraint:
    """``column`` holds one of ``values`` (or NULL). Not validated against history, which is shown as it is."""
    words = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(text(f"{column} IN ({words})"), name=name, postgresql_not_valid=True)
