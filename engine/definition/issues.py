"""What publish validation finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding. Errors stop a publish, warnings do not."""

    severity: Severity
    step_path: str
    """``root.steps[0].then.steps[1]``, or ``root`` for the definition as a whole."""
    step_id: str | None
    code: str
    """Stable, upper snake case."""
    message: str
    """What is wrong and where, one sentence; JSON pointers are relative to the step."""
    suggestion: str | None = None

    def to_json(self) -> dict[str, Any]:
        """``{severity, stepPath, stepId?, code, message, suggestion?}``."""
        value: dict[str, Any] = {"severity": self.severity, "stepPath": self.step_path}
        if self.step_id is not None:
            value["stepId"] = self.step_id
        value |= {"code": self.code, "message": self.message}
        if self.suggestion is not None:
            value["suggestion"] = self.suggestion
        return value


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """All findings, the definition's own first, then those of its steps in order."""

    issues: tuple[Issue, ...]
    secret_refs: tuple[str, ...]
    """Names of the secrets the definition refers to, in order, once each."""

    @property
    def errors(self) -> tuple[Issue, ...]:
        return tuple(issue for issue in self.issues if issue.severity == "error")

    @property
    def warnings(self) -> tuple[Issue, ...]:
        return tuple(issue for issue in self.issues if issue.severity == "warning")

    @property
    def ok(self) -> bool:
        """Whether it may be published."""
        return not self.errors

    @property
    def status(self) -> Literal["error", "warning", "valid"]:
        """As it is stored beside the version."""
        return "error" if self.errors else "warning" if self.issues else "valid"


@dataclass(frozen=True, slots=True)
class Place:
    """Where findings are reported: a step, or the definition as a whole."""

    path: str = "root"
    step_id: str | None = None

    def error(self, code: str, message: str, suggestion: str | None = None) -> Issue:
        """A finding that stops the publish."""
        return Issue("error", self.path, self.step_id, code, message, suggestion)

    def warning(self, code: str, message: str, suggestion: str | None = None) -> Issue:
        """A finding worth a look."""
        return Issue("warning", self.path, self.step_id, code, message, suggestion)


ROOT = Place()
