"""What an action may know and use while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger

from engine.store.data.data_store import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class StepIdentity:
    """Which attempt of which execution of which step an action runs for."""

    tenant: str
    run_id: str
    workflow_id: str
    workflow_version: int
    step_path: str
    iteration: str = ""
    """Loop indexes from the outside in, ``0.3``; empty outside loops."""
    visit: int = 1
    attempt: int = 1
    """Counts tries of the step, from 1."""


def _no_heartbeat(*_details: Any) -> None:
    """A heartbeat that does nothing: for quick actions, and for hosts without Temporal."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionContext(StepIdentity):
    """The second argument of every action."""

    idempotency_key: str
    """The same for every try of this step: hand it to other systems, so that they recognise a repeated request."""
    connection: Transaction | None = None
    """Set by the engine for transactional actions; actions use ``transaction``."""
    heartbeat: Callable[..., None] = _no_heartbeat
    """``ctx.heartbeat("42 of 100")``: tells the engine that a long action is alive. Safe to call as often as one likes."""
    now: Callable[[], datetime] = _utc_now
    """The host's time, aware UTC."""
    logger: FilteringBoundLogger = field(init=False)
    """Bound with run, step, iteration and attempt. Never log inputs: they may hold secrets."""

    def __post_init__(self) -> None:
        # A logger that is bound when it is first used: most actions log nothing.
        bound: FilteringBoundLogger = structlog.get_logger(
            "runstudio.action",
            run_id=self.run_id,
            workflow_id=self.workflow_id,
            step_path=self.step_path,
            iteration=self.iteration,
            attempt=self.attempt,
        )
        # The instance is frozen; this is its own construction.
        object.__setattr__(self, "logger", bound)

    @property
    def transaction(self) -> Transaction:
        """The open transaction on the engine's database: what is written there and the step's outcome are one commit.

        Raises ``RuntimeError`` in an action that is not declared ``transaction=True``. Never commit or roll it back.
        """
        if self.connection is None:
            raise RuntimeError("this action has no transaction: declare it with quick=True, transaction=True")
        return self.connection
