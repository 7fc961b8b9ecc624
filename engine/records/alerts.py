"""Alerts: who is told of what, and the messages on their way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from engine.errors import Invalid
from engine.records.stored_word import StoredWord

MAX_MINUTES: Final = 60 * 24 * 30
MAX_URL: Final = 2000
MAX_CONDITION: Final = 300
"""Characters of a workflow's id, or of a code."""
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class AlertKind(StoredWord):
    """What somebody is told of."""

    FAILED = "failed"
    """Runs that failed lately; a group is a workflow and the code of its failure."""
    STUCK = "stuck"
    """Runs that nobody has picked up; a group is a workflow."""
    SCHEDULE = "schedule"
    """Schedules that are overdue; a group is a workflow."""
    DELIVERY = "delivery"
    """Events that could not be delivered lately; a group is the event's name."""
    TASK = "task"
    """Human tasks that are open for longer; a group is the task's type."""


class AlertTarget(StoredWord):
    """How somebody is told."""

    WEBHOOK = "webhook"
    COMMAND = "command"
    """A program in the directory that the workers' RUNSTUDIO_ALERT_COMMANDS names."""


class MessageState(StoredWord):
    """Where a message is."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    """Given up after all attempts."""


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule: of what, and whom to tell. One message is sent per group and hour."""

    name: str
    """Lower-case letters, digits, dots, dashes, underscores; unique in the tenant."""
    kind: AlertKind
    target_kind: AlertTarget
    target: str
    """A URL, or the name of a command."""
    workflow: str | None = None
    """Only of this workflow; not of deliveries."""
    code: str | None = None
    """Only failures with this code; of ``failed``."""
    more_than: int = 0
    """Only when there are more than so many in a group."""
    minutes: int = 60
    """How far back failures and deliveries count; how old a task is."""

    def __post_init__(self) -> None:
        """Raises ``Invalid`` (ALERT_INVALID), naming what is wrong."""
        _set_member(self, "kind", AlertKind)
        _set_member(self, "target_kind", AlertTarget)
        for name in ("name", "target"):
            if type(getattr(self, name)) is not str:
                raise _invalid(f"its {name}", "it is no text")
        if not NAME.fullmatch(self.name):
            raise _invalid("its name", "use lower-case letters, digits, dots, dashes and underscores")
        if type(self.more_than) is not int or not 0 <= self.more_than < 2**31:
            raise _invalid("how many", "a whole number, 0 or more")
        if type(self.minutes) is not int or not 1 <= self.minutes <= MAX_MINUTES:
            raise _invalid("its minutes", f"a whole number, 1 to {MAX_MINUTES}")
        if self.code is not None and self.kind is not AlertKind.FAILED:
            raise _invalid("its code", "only failures have one")
        if self.workflow is not None and self.kind is AlertKind.DELIVERY:
            raise _invalid("its workflow", "a delivery may be for any")
        for name in ("workflow", "code"):
            text = getattr(self, name)
            if text is not None and (type(text) is not str or len(text) > MAX_CONDITION):
                raise _invalid(f"its {name}", f"it is no text of at most {MAX_CONDITION} characters")
            if re.search("[\0\ud800-\udfff]", text or ""):
                raise _invalid(f"its {name}", "it has characters no stored text can have")
        if self.target_kind is AlertTarget.COMMAND and not NAME.fullmatch(self.target):
            raise _invalid("its command", "name a program of the directory, without its path")
        if self.target_kind is AlertTarget.WEBHOOK:
            _check_url(self.target)

    @classmethod
    def of_later(cls, name: str, kind: str, target_kind: str, target: str, conditions: Mapping[str, Any]) -> Alert:
        """A rule that a later release has set, as far as this one can show it: nothing of it is checked."""
        told = {
            "name": name,
            "kind": AlertKind.stored(kind),
            "target_kind": AlertTarget.stored(target_kind),
            "target": target,
            **conditions,
        }
        alert = object.__new__(cls)
        for field in fields(cls):
            object.__setattr__(alert, field.name, told.get(field.name, field.default))
        return alert

    def shown(self, target: str) -> Alert:
        """The same with its target as it may be shown, which need be none that can be set."""
        other = copy(self)
        object.__setattr__(other, "target", target)
        return other


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """A rule that is set."""

    alert_id: str
    alert: Alert
    set_by: str
    set_at: datetime


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """A message of the outbox."""

    message_id: str
    alert: str
    """Name of the rule."""
    group: str
    state: MessageState
    attempts: int
    next_attempt_at: datetime
    last_error: str | None
    created_at: datetime
    settled_at: datetime | None


def _set_member(alert: Alert, name: str, kind: type[AlertKind | AlertTarget]) -> None:
    given = getattr(alert, name)
    try:
        # Frozen: the one way to normalise a field of a frozen dataclass at its making.
        object.__setattr__(alert, name, kind(given))
    except ValueError:
        raise _invalid(f"its {name}", f"{str(given)[:40]!r} is none of {', '.join(kind)}") from None


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        named = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    else:
        if parts.username or parts.password:
            raise _invalid("its URL", "it must hold no user or password; messages are signed")
    if not named or len(url) > MAX_URL or not url.isprintable() or " " in url:
        raise _invalid("its URL", "it must begin with https:// or http:// and name a host")


def _invalid(what: str, why: str) -> Invalid:
    return Invalid("ALERT_INVALID", f"An alert cannot be set: {what}: {why}.", "Correct it.")
