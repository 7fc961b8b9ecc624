"""What all records are made of: JSON bodies, errors, pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict with text keys."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Document:
    """A redacted JSON body."""

    value: Json
    masked: frozenset[str] = frozenset()
    """JSON pointers of what was replaced by ``[REDACTED]``."""
    size_bytes: int | None = None
    """Of the stored original, canonical JSON, where it is known."""


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """Why a run, step or attempt failed."""

    category: str
    message: str
    code: str | None = None
    path: str = ""
    """Step path the error belongs to, or empty."""
    at: datetime | None = None
    """None also where history has a text that is no time."""
    stage: str | None = None
    """``launch``, ``migration`` or ``reconcile`` when the failure was outside the steps."""
    details: Json = None
    migration: str | None = None
    previous_status: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One keyset page."""

    rows: tuple[T, ...]
    next: str | None
    """Cursor of the rows that follow in the query's order; None when these were the last."""
    server_now: datetime
    """Postgres's clock when it was read."""
