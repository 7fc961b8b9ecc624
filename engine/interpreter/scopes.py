"""What the expressions of a run see, and what its steps write: payload, vars, meta, error and the innermost loop's scope."""

from __future__ import annotations

from typing import Any

from engine.definition.assign_paths import Target, written
from engine.interpreter.effects import RunFacts

Document = dict[str, Any]


def system_of(facts: RunFacts) -> Document:
    """The root ``system``, whose fields are also in ``meta``."""
    return {
        "runId": facts.run_id,
        "workflowId": facts.workflow_id,
        "workflowVersion": facts.workflow_version,
        "tenantId": facts.tenant,
        "definitionHash": facts.definition_hash,
        "runtimeSemanticsVersion": facts.semantics_version,
    }


class Scopes:
    """The scopes of one run. Values are never changed in place: a write copies the objects on its way and shares the rest."""

    __slots__ = ("_context", "_error", "_local", "_meta", "_payload", "_system", "_vars")

    def __init__(self, facts: RunFacts, payload: Document, variables: Document, meta: Document) -> None:
        self._system = system_of(facts)
        self._payload = payload
        self._vars = variables
        self._meta = meta
        self._local: Document | None = None
        self._error: Document | None = None
        self._context: Document | None = None

    @property
    def variables(self) -> Document:
        return self._vars

    @property
    def local(self) -> Document | None:
        """The innermost loop's scope, None outside loops."""
        return self._local

    def context(self) -> Document:
        """The one context of every expression: bare vars, then the innermost loop scope, then the fixed roots, which win.

        The same object until the next write; it must not be changed.
        """
        context = self._context
        if context is None:
            local = self._local
            context = {**self._vars, **local} if local else dict(self._vars)
            context["payload"] = self._payload
            context["vars"] = self._vars
            context["local"] = local or {}
            context["system"] = self._system
            context["meta"] = {**self._meta, **self._system}
            context["error"] = self._error
            self._context = context
        return context

    def assign(self, target: Target, value: Any) -> None:
        """Write one value."""
        self._context = None
        root = target.root
        if root == "vars" or (root == "local" and self._local is None):
            self._vars = written(self._vars, target.segments, value)
        elif root == "payload":
            self._payload = written(self._payload, target.segments, value)
        elif root == "meta":
            self._meta = written(self._meta, target.segments, value)
        else:
            self._local = written(self._local or {}, target.segments, value)

    def set_variable(self, name: str, value: Any) -> None:
        """Write ``vars.<name>``, where the name is taken as it is, dots included."""
        self._context = None
        self._vars = {**self._vars, name: value}

    def drop_variable(self, name: str) -> None:
        """Remove ``vars.<name>`` if it is there."""
        self._context = None
        self._vars = {key: value for key, value in self._vars.items() if key != name}

    def set_state(self, state: str) -> None:
        """Write ``meta.state``."""
        self._context = None
        self._meta = {**self._meta, "state": state}

    def enter(self, local: Document | None) -> None:
        """Make ``local`` the innermost loop scope; None outside loops."""
        self._context = None
        self._local = local

    def fail(self, error: Document) -> None:
        """Make ``error`` the last handled error."""
        self._context = None
        self._error = error

    def mark(self) -> tuple[Any, ...]:
        """The present values, to go back to with ``rollback``. Costs nothing: nothing is changed in place."""
        return (self._payload, self._vars, self._meta, self._local, self._error)

    def rollback(self, mark: tuple[Any, ...]) -> None:
        """Undo every write since ``mark``."""
        self._payload, self._vars, self._meta, self._local, self._error = mark
        self._context = None

    def final(self) -> Document:
        """``{payload, vars, local, meta, error}``: what a parent sees as childRun, and what the run row keeps."""
        return {
            "payload": self._payload,
            "vars": self._vars,
            "local": self._local or {},
            "meta": self._meta,
            "error": self._error,
        }

    def to_json(self) -> Document:
        """For ``from_json``; shares its values with the scopes."""
        return {**self.final(), "local": self._local}

    @classmethod
    def from_json(cls, facts: RunFacts, state: Document) -> Scopes:
        """The inverse of ``to_json``. Raises KeyError or TypeError when it is not such a state."""
        scopes = cls(facts, dict(state["payload"]), dict(state["vars"]), dict(state["meta"]))
        scopes._local = state["local"]
        scopes._error = state["error"]
        return scopes
