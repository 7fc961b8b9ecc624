"""How long ended runs, their bodies, and events are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from engine.errors import Invalid

MAX_DAYS: Final = 36_500


@dataclass(frozen=True, slots=True)
class Keep:
    """Days since a run's end after which it, or its bodies, are deleted, and days since an event was submitted; None: kept
    for ever."""

    succeeded: int | None = None
    failed: int | None = None
    canceled: int | None = None
    bodies: int | None = None
    """Inputs and outputs of runs, attempts, waits and tasks. Runs from before the cutover keep theirs."""
    events: int | None = None
    """Events that were delivered, or that nothing took. Of the tenant's rule alone, as ``dead_events``."""
    dead_events: int | None = None
    """Events with a delivery that failed or was skipped, and those that could not be routed."""

    def __post_init__(self) -> None:
        """Raises ``Invalid`` (RETENTION_INVALID)."""
        for name in Keep.__dataclass_fields__:
            days = getattr(self, name)
            if days is not None and not (type(days) is int and 1 <= days <= MAX_DAYS):
                told = f"{name} is set to no number of days."
                raise Invalid(
                    "RETENTION_INVALID",
                    told,
                    f"Use a whole number, 1 to {MAX_DAYS}, or leave it out to keep it for ever.",
                )


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """A rule of the tenant, or of one of its workflows, which then has no other."""

    workflow_id: str
    """Empty: all workflows without a rule of their own."""
    keep: Keep
    set_by: str
    set_at: datetime


@dataclass(frozen=True, slots=True)
class TenantDeleted:
    """What the deletion of a tenant did."""

    tenant: str
    terminated: int
    """Executions that Temporal was told to end."""
    rows: dict[str, int]
    """Rows deleted, by table; those that went with a run's row are not counted."""
