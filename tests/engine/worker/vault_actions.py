"""Actions with a secret provider of their own, as docs/actions.md has it."""

from __future__ import annotations

from hashlib import sha256

from pydantic import BaseModel

from engine.actions.context import ActionContext
from engine.actions.registry import action, secret_provider


class Given(BaseModel):
    """Secrets by where they come from."""

    secrets: dict[str, str]


class Seen(BaseModel):
    """What the action got: the digests prove the values, which are scrubbed."""

    digests: dict[str, str]
    values: dict[str, str]


def digest(secret: str) -> str:
    """SHA-256 in hexadecimal."""
    return sha256(secret.encode()).hexdigest()


def vault_value(name: str, tenant: str) -> str:
    """What the vault keeps under a name."""
    return f"{name.lower()} of {tenant}"


@secret_provider
async def vault(name: str, tenant: str) -> str | None:
    """Knows every name that begins with VAULT, and is sealed for one of them."""
    if name == "VAULT_SEALED":
        raise ConnectionError("canary-4711 of the vault")
    return vault_value(name, tenant) if name.startswith("VAULT") else None


@action("test.see_secrets", version=1, input=Given, output=Seen, accepts_secrets=True)
async def see_secrets(given: Given, ctx: ActionContext) -> Seen:
    """Tell what was given."""
    return Seen(digests={source: digest(secret) for source, secret in given.secrets.items()}, values=given.secrets)
