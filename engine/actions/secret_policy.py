"""Which tenant, action and host may use which secret: a file of the operator's, read when a worker starts."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from engine.actions.builtin.http_hosts import HostRule, canonical_host, port_of
from engine.actions.schema import issues_of
from engine.errors import ACTION, Invalid, StepFailure

NOT_ALLOWED: Final = "SECRET_NOT_ALLOWED"
VARIABLE: Final = "RUNSTUDIO_SECRET_POLICY"

_Patterns = Annotated[tuple[str, ...], Field(min_length=1)]


class Rule(BaseModel):
    """Who may use some secrets. ``*`` in a pattern stands for any characters; a list that is left out allows all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secrets: _Patterns
    tenants: _Patterns = ("*",)
    actions: _Patterns = ("*",)
    hosts: _Patterns | None = None
    """Of the ``url`` the action is given, written as in RUNSTUDIO_HTTP_ALLOWED_HOSTS."""

    @field_validator("hosts")
    @classmethod
    def _are_hosts(cls, hosts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for host in hosts or ():
            try:
                HostRule.parse(host)
            except httpx.InvalidURL as error:
                raise ValueError(str(error)) from None
        return hosts


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class SecretUse:
    """Who asks for a secret, and for which call."""

    tenant: str
    action_id: str
    url: str | None
    """What the action is told to call; None when it is told none as plain text."""

    @classmethod
    def of(cls, tenant: str, action_id: str, action_input: Any) -> SecretUse:
        """``action_input`` still has its secret markers: a URL that is itself a secret is none."""
        url = action_input.get("url") if isinstance(action_input, dict) else None
        return cls(tenant, action_id, url if isinstance(url, str) else None)


class SecretPolicy:
    """What the rules say together: a use is allowed by any of them. Without rules nothing is."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules

    @classmethod
    def load(cls, file: Path) -> SecretPolicy:
        """The rules of a JSON file, ``{"rules": [{"secrets": ["CRM_*"], "actions": ["crm.*"]}]}``.

        Raises ``Invalid`` (``SETTING_INVALID``) for a file that cannot be read or says something else.
        """
        try:
            return cls(_File.model_validate_json(file.read_bytes()).rules)
        except ValidationError as error:
            wrong = "; ".join(f"{issue['path'] or '/'}: {issue['message']}" for issue in issues_of(error))
        except OSError as error:
            wrong = str(error.strerror)
        raise Invalid(
            "SETTING_INVALID",
            f"{VARIABLE} names a file that holds no policy: {wrong}.",
            "docs/actions.md shows one.",
        )

    def require(self, name: str, use: SecretUse) -> None:
        """Raise ``StepFailure`` (``ActionError``, ``SECRET_NOT_ALLOWED``) unless some rule allows the use."""
        if not any(_allows(rule, name, use) for rule in self._rules):
            raise StepFailure(
                ACTION,
                f"Secret {name} may not be used by {use.action_id} of this tenant, or not for this host: {VARIABLE} of the"
                " workers does not say so.",
                code=NOT_ALLOWED,
                details={"secret": name, "actionId": use.action_id},
            )


def _allows(rule: Rule, name: str, use: SecretUse) -> bool:
    asked = ((rule.secrets, name), (rule.tenants, use.tenant), (rule.actions, use.action_id))
    return all(any(fnmatchcase(value, pattern) for pattern in patterns) for patterns, value in asked) and (
        rule.hosts is None or _is_at(rule.hosts, use.url)
    )


def _is_at(hosts: tuple[str, ...], url: str | None) -> bool:
    try:
        called = httpx.URL(url or "")
        host, port = canonical_host(called), port_of(called)
    except httpx.InvalidURL:
        return False
    return bool(host) and any(HostRule.parse(entry).allows(host, port) for entry in hosts)
