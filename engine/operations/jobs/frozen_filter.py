"""The filter of a job as JSON: its times are instants, and what began after it was frozen is not meant."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from engine.records import RunFilter, RunOrder, RunStatus, WaitKind

_SETS: Final = {"statuses": RunStatus, "waiting_on": WaitKind}
_TIMES: Final = ("started_from", "started_before")


def frozen(wanted: RunFilter) -> dict[str, Any]:
    """The conditions that are set; the order is no condition."""
    every = RunFilter()
    return {
        field.name: _plain(getattr(wanted, field.name))
        for field in fields(RunFilter)
        if field.name != "order" and getattr(wanted, field.name) != getattr(every, field.name)
    }


def thawed(stored: dict[str, Any], frozen_at: datetime) -> RunFilter:
    """The filter, oldest start first, of runs that began before ``frozen_at``."""
    conditions = dict(stored)
    for name, kind in _SETS.items():
        if name in conditions:
            conditions[name] = frozenset(kind(value) for value in conditions[name])
    for name in _TIMES:
        if name in conditions:
            conditions[name] = datetime.fromisoformat(conditions[name])
    found = RunFilter(**conditions, order=RunOrder.STARTED_ASC)
    before = frozen_at if found.started_before is None else min(found.started_before, frozen_at)
    return replace(found, started_before=before)


def timeless(stored: dict[str, Any]) -> dict[str, Any]:
    """The conditions of a frozen filter but its times."""
    return {name: value for name, value in stored.items() if name not in _TIMES}


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(str(StrEnum.__str__(item)) for item in value)
    return value.isoformat() if isinstance(value, datetime) else value
