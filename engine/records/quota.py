"""The quota of a tenant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.values.timestamps import iso_milliseconds


@dataclass(frozen=True, slots=True)
class QuotaUsage:
    """A tenant's quota now, by Postgres's clock."""

    tenant: str
    period_start: datetime
    period_end: datetime
    """Exclusive. The period is the calendar month, UTC."""
    effective_limit: int | None
    """Steps per period; None: counted, not limited."""
    used_count: int
    """Steps started, and units that running runs have leased for their next ones."""
    paused_runs: int
    """Runs that wait for units, up to ``COUNT_CAP``."""

    @property
    def remaining(self) -> int | None:
        """Units left; None without a limit."""
        return None if self.effective_limit is None else max(0, self.effective_limit - self.used_count)

    @property
    def exhausted(self) -> bool:
        """Whether no step can start."""
        return self.remaining == 0

    def to_json(self) -> dict[str, Any]:
        """``{tenant, periodStart, periodEnd, effectiveLimit, usedCount, remaining, pausedRuns}``; times ISO-8601 UTC."""
        return {
            "tenant": self.tenant,
            "periodStart": iso_milliseconds(self.period_start),
            "periodEnd": iso_milliseconds(self.period_end),
            "effectiveLimit": self.effective_limit,
            "usedCount": self.used_count,
            "remaining": self.remaining,
            "pausedRuns": self.paused_runs,
        }
