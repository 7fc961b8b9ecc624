"""What the activities of a worker process share."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.actions.registry import ActionRegistry
from engine.actions.secrets import SecretResolver
from engine.activities.memory_ceiling import NO_CEILING, MemoryCeiling
from engine.activities.outcomes_in_hand import OutcomesInHand
from engine.store.database.transactions import Store
from engine.values.request_limits import MAX_VALUE_BYTES


@dataclass(frozen=True, slots=True)
class ActivityDependencies:
    """Made once per worker process."""

    store: Store
    actions: ActionRegistry
    secrets: SecretResolver
    identity: str
    """Of the worker; on every attempt it makes."""
    max_value_bytes: int = MAX_VALUE_BYTES
    memory: MemoryCeiling = NO_CEILING
    in_hand: OutcomesInHand = field(default_factory=OutcomesInHand)
