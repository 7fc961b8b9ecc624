"""What a pure action is: a function of its input, the step's config and the expression context, and of nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class PureScope:
    """What a pure action may look at besides its input."""

    step_config: Any
    """The step's ``config`` as authored."""
    context: Mapping[str, Any]
    """The context every expression of the step sees."""
    now_iso: Callable[[], str]
    """The host's deterministic time, ISO-8601 UTC with milliseconds."""
    earlier: bool
    """The run has earlier semantics: arithmetic in expressions rounds integers beyond 2^53, instead of refusing them."""


@dataclass(frozen=True, slots=True)
class PureAction:
    """An action that runs inside the workflow: no I/O, no clock, no randomness, the same answer on replay."""

    id: str
    version: int
    input_model: type[BaseModel]
    output_model: type[BaseModel]
    run: Callable[[Any, PureScope], Any]
    """``(parsed input, scope) -> JSON value``. May share parts with its input: both are never changed. Raises StepFailure."""
    description: str

    @property
    def label(self) -> str:
        """``id@version``, as people write it."""
        return f"{self.id}@{self.version}"
