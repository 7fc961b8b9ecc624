"""Filters of lists. Conditions are joined with AND; an empty one does not restrict."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar

from engine.errors import Invalid
from engine.ids import uuid_text
from engine.records.runs import RunStatus, WaitKind
from engine.records.trace import LogLevel

Member = TypeVar("Member", bound=StrEnum)

TRIGGERS: Final = ("event", "schedule", "recurring", "child", "manual")
EVENT_STATUSES: Final = ("received", "matched", "unmatched", "error")
TASK_STATUSES: Final = ("pending", "claimed", "completed", "canceled", "expired")
OPEN_TASK_STATUSES: Final = ("pending", "claimed")
LISTED_LAUNCH_STATES: Final = ("pending", "queued", "failed")
"""Launch states a list can be asked for; any other run is known to Temporal."""


class RunOrder(StrEnum):
    """Order of a run list; ties are broken by run id in the same direction."""

    STARTED_DESC = "started:desc"
    STARTED_ASC = "started:asc"
    UPDATED_DESC = "updated:desc"
    UPDATED_ASC = "updated:asc"

    @property
    def by_start(self) -> bool:
        """True for the order of the start, False for that of the last change."""
        return self in (RunOrder.STARTED_DESC, RunOrder.STARTED_ASC)

    @property
    def descending(self) -> bool:
        """Newest first."""
        return self in (RunOrder.STARTED_DESC, RunOrder.UPDATED_DESC)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a list shows."""

    statuses: frozenset[RunStatus] = frozenset()
    stuck: bool = False
    """RUNNING, no step, started more than ``STUCK_AFTER`` ago by the server's clock."""
    workflow: str = ""
    """Exact workflow id; where there is none of that id, the beginning of its id or name, without case."""
    text: str = ""
    """Part of the workflow's name, without case."""
    version: int | None = None
    """Served by an index together with one workflow; alone it is a condition on each run."""
    trigger: str | None = None
    """One of ``TRIGGERS``."""
    started_from: datetime | None = None
    """Inclusive; aware."""
    started_before: datetime | None = None
    """Exclusive; aware."""
    waiting_on: frozenset[WaitKind] = frozenset()
    min_attempt: int | None = None
    error_code: str | None = None
    run_id_prefix: str = ""
    wait_key: str | None = None
    """Exact key of any wait of the run."""
    event_id: str | None = None
    """Event that started the run or resolved one of its waits."""
    replay_of: str | None = None
    parent: str | None = None
    root: str | None = None
    launch: str | None = None
    """One of ``LISTED_LAUNCH_STATES``: runs Temporal does not know yet, or never took."""
    order: RunOrder = RunOrder.STARTED_DESC

    def __post_init__(self) -> None:
        """Raises ``Invalid`` (FILTER_INVALID, ID_INVALID), naming the condition."""
        _set(self, "statuses", _members("status", self.statuses, RunStatus))
        waiting_on = _members("waiting_on", self.waiting_on, WaitKind)
        _known("waiting_on", waiting_on, tuple(kind for kind in WaitKind if kind is not WaitKind.TIMEOUT))
        _set(self, "waiting_on", waiting_on)
        _known("trigger", () if self.trigger is None else (self.trigger,), TRIGGERS)
        _known("launch", () if self.launch is None else (self.launch,), LISTED_LAUNCH_STATES)
        _check_times(self, "started_from", "started_before")
        for name in ("version", "min_attempt"):
            number = getattr(self, name)
            if number is not None and (type(number) is not int or not 0 <= number < 2**31):
                raise _invalid(name, "not a number of that kind")
        _check_texts(self, "workflow", "text", "run_id_prefix")
        _check_texts(self, "error_code", "wait_key", "event_id", optional=True)
        _known("order", (self.order,), tuple(RunOrder))
        _set(self, "order", RunOrder(self.order))
        if not re.fullmatch("[0-9a-fA-F-]{0,36}", self.run_id_prefix):
            raise _invalid("run_id_prefix", "a run id has digits 0-9, letters a-f and dashes")
        _set_ids(self, "replay_of", "parent", "root")


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a list shows."""

    name: str | None = None
    key: str | None = None
    """The explicit key, or the first derived one."""
    status: str | None = None
    """One of ``EVENT_STATUSES``."""
    run_id: str | None = None
    """First run the event was sent to or started."""
    since: datetime | None = None
    """Inclusive; aware."""
    before: datetime | None = None
    """Exclusive; aware."""

    def __post_init__(self) -> None:
        """Raises ``Invalid`` (FILTER_INVALID, ID_INVALID)."""
        _known("status", () if self.status is None else (self.status,), EVENT_STATUSES)
        _check_texts(self, "name", "key", optional=True)
        _check_times(self, "since", "before")
        _set_ids(self, "run_id")


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which human tasks a list shows."""

    statuses: frozenset[str] = frozenset(OPEN_TASK_STATUSES)
    """Any of ``TASK_STATUSES``; those that are open by default. Empty: all."""
    run_id: str | None = None

    def __post_init__(self) -> None:
        """Raises ``Invalid`` (FILTER_INVALID, ID_INVALID)."""
        _known("statuses", self.statuses, TASK_STATUSES)
        _set_ids(self, "run_id")


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which log lines."""

    minimum: LogLevel = LogLevel.DEBUG
    text: str = ""
    """Looked for, without case, in message and context as they are shown."""

    def __post_init__(self) -> None:
        """Raises ``Invalid`` (FILTER_INVALID)."""
        _known("minimum", (self.minimum,), tuple(LogLevel))
        _check_texts(self, "text")
        _set(self, "minimum", LogLevel(self.minimum))


def _set(filter_: object, name: str, value: object) -> None:
    # Frozen: the one way to normalise a field of a frozen dataclass at its making.
    object.__setattr__(filter_, name, value)


def _set_ids(filter_: object, *names: str) -> None:
    for name in names:
        value = getattr(filter_, name)
        if value is not None:
            _set(filter_, name, uuid_text(value, "run"))


def _members(name: str, values: Iterable[str], kind: type[Member]) -> frozenset[Member]:
    _known(name, values, tuple(kind))
    return frozenset(kind(value) for value in values)


def _check_times(filter_: object, *names: str) -> None:
    for name in names:
        moment = getattr(filter_, name)
        if moment is not None and not isinstance(moment, datetime):
            raise _invalid(name, "it is no time")
        if moment is not None and moment.tzinfo is None:
            raise _invalid(name, "a time needs its zone")


def _check_texts(filter_: object, *names: str, optional: bool = False) -> None:
    for name in names:
        text = getattr(filter_, name)
        if not isinstance(text, str) and not (optional and text is None):
            raise _invalid(name, "it is no text")
        if re.search("[\0\ud800-\udfff]", text or ""):
            raise _invalid(name, "it has characters no stored text can have")


def _known(name: str, values: Iterable[str], words: tuple[str, ...]) -> None:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise _invalid(name, "it is no set of words")
    unknown = sorted(str(value) for value in values if not isinstance(value, str) or value not in words)
    if unknown:
        raise _invalid(name, f"{unknown[0][:40]!r} is none of {', '.join(words)}")


def _invalid(name: str, why: str) -> Invalid:
    return Invalid(
        "FILTER_INVALID",
        f"The filter {name} cannot be used: {why}.",
        "Correct the filter.",
        {"field": name, "reason": why},
    )
