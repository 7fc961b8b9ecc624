"""What the activities of a worker process share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.actions.registry import ActionRegistry
from engine.actions.secrets import SecretResolver
from engine.store.database.transactions import Store

MAX_VALUE_BYTES: Final = 2 * 1024 * 1024
"""Largest input or output of an action, unless the worker was set up with another limit."""


@dataclass(frozen=True, slots=True)
class ActivityDependencies:
    """Made once per worker process."""

    store: Store
    actions: ActionRegistry
    secrets: SecretResolver
    identity: str
    """Of the worker; on every attempt it makes."""
    max_value_bytes: int = MAX_VALUE_BYTES
