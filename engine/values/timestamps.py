"""Times as text: ISO-8601 UTC with milliseconds, as rows, events and answers have them."""

from __future__ import annotations

from datetime import UTC, datetime


def iso_milliseconds(moment: datetime) -> str:
    """``2026-01-01T00:00:00.000Z`` of an aware time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
