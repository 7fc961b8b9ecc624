"""What publish validation knows besides the definition: actions, schemas, other workflows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

JsonSchema = Mapping[str, Any]
Call = tuple[str, int]
"""Workflow id and version of a called workflow."""


@dataclass(frozen=True, slots=True)
class ActionContract:
    """What is known of one version of an action."""

    input_schema: JsonSchema
    output_schema: JsonSchema
    accepts_secrets: bool = False


class Described(Protocol):
    """What is asked of a registered action."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def version(self) -> int:
        """Its version."""
        ...

    @property
    def accepts_secrets(self) -> bool:
        """Whether it may be given secrets."""
        ...

    def input_schema(self) -> dict[str, Any]:
        """JSON schema of its input."""
        ...

    def output_schema(self) -> dict[str, Any]:
        """JSON schema of its output."""
        ...


def contracts_of(actions: Iterable[Described]) -> dict[str, dict[int, ActionContract]]:
    """The registered actions as ``PublishContext.actions`` wants them."""
    contracts: dict[str, dict[int, ActionContract]] = {}
    for known in actions:
        contract = ActionContract(known.input_schema(), known.output_schema(), known.accepts_secrets)
        contracts.setdefault(known.id, {})[known.version] = contract
    return contracts


@dataclass(frozen=True, slots=True)
class PublishContext:
    """What there is where a definition is to be published. None in a field: not known, and so not checked."""

    now: datetime
    """Timezone-aware; a schedule must lie after it."""
    schemas: Mapping[str, JsonSchema]
    """JSON schema by ref."""
    actions: Mapping[str, Mapping[int, ActionContract]]
    """Registered actions by id and version."""
    correlation_paths: Mapping[str, Sequence[str]]
    """Payload paths that give an event its keys, by event name; ``*`` for every event."""
    known_secrets: frozenset[str] | None = None
    secrets_required: bool = False
    """A secret that is not known stops the publish instead of being warned about."""
    workflows: Mapping[str, Mapping[int, Sequence[Call]]] | None = None
    """Published versions by workflow id and version, each with the workflows it calls."""
    event_schemas: Mapping[str, str | None] | None = None
    """The catalog of events: schema ref of the payload by event name."""
    timezones: frozenset[str] | None = None
    """Names a recurring trigger may use."""
    payload_schema_mode: Literal["pinned", "inferred"] = "pinned"
