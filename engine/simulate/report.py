"""The result of a dry run, as JSON and as a tree of lines."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic.alias_generators import to_camel

from engine.wording import counted

Outcome = Literal["executed", "stubbed", "error", "would-wait"]
Status = Literal["completed", "paused-at-wait", "failed"]

_WORDS: dict[Outcome, str] = {"executed": "ok", "stubbed": "stub", "error": "ERROR", "would-wait": "WAIT"}


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One started step."""

    step_id: str
    path: str
    iteration: str
    type: str
    outcome: Outcome
    evaluated_input: Any = None
    output: Any = None
    branch_taken: str | None = None
    saved_as: str | None = None
    handled_by: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class SimulatedAttempt:
    """One action that a real run would have called."""

    step_id: str
    path: str
    iteration: str
    attempt: int
    action_id: str
    version: int
    input: Any
    output_source: Literal["fixture", "schema", "empty", "executed"]


@dataclass(frozen=True, slots=True)
class Simulation:
    """The result of a dry run. Nothing of it was written anywhere."""

    status: Status
    trace: list[TraceEntry]
    final_vars: dict[str, Any]
    final_payload: dict[str, Any]
    invocations: list[SimulatedAttempt]
    errors: list[dict[str, Any]]
    """What the run failed with: ``{category, message, nodePath, at, code?, details?}``."""
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """camelCase, with absent fields left out."""
        return {
            **{to_camel(name): value for name, value in asdict(self).items() if name not in ("trace", "invocations")},
            "trace": [_compact(asdict(entry)) for entry in self.trace],
            "invocations": [_compact(asdict(invocation)) for invocation in self.invocations],
        }

    def to_tree(self) -> str:
        """One line per step, indented by its depth, then what it ended with."""
        lines = [_line(entry) for entry in self.trace]
        lines.append(f"{self.status}: {counted(len(self.trace), 'step')}")
        lines += [f"  {error['category']}: {error['message']} ({error['nodePath'] or 'run'})" for error in self.errors]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)


def _compact(record: dict[str, Any]) -> dict[str, Any]:
    return {to_camel(name): value for name, value in record.items() if value is not None and value != ""}


def _line(entry: TraceEntry) -> str:
    depth = entry.path.count(".steps[") - 1
    facts = [
        f"[{entry.iteration}]" if entry.iteration else "",
        f"-> {entry.branch_taken}" if entry.branch_taken else "",
        f"=> {entry.saved_as}" if entry.saved_as else "",
        f"handled by {entry.handled_by}" if entry.handled_by else "",
    ]
    head = " ".join([f"{_WORDS[entry.outcome]:5} {entry.step_id} ({entry.type})", *(fact for fact in facts if fact)])
    return "  " * depth + head + (f": {entry.message}" if entry.message else "")
