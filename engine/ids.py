"""Identifiers. Rows are named by UUIDv7 (RFC 9562), so that ids sort by creation time."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Iterable

from engine.errors import Invalid

DERIVED_NAMESPACE = uuid.UUID("6f2c1d0a-8a53-5b0e-9f63-5d7a3c1e2b40")


def new_id() -> str:
    """A fresh UUIDv7 as text: 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & ((1 << 48) - 1)) << 80 | secrets.randbits(80)
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return str(uuid.UUID(int=value))


def derived_id(*parts: str | int) -> str:
    """The same id for the same parts, on every machine (UUIDv5): for rows a repeated activity must find again."""
    return str(uuid.uuid5(DERIVED_NAMESPACE, "\x1f".join(str(part) for part in parts)))


def uuid_text(value: str | uuid.UUID, what: str) -> str:
    """``value`` as Postgres prints a uuid. Raises ``Invalid`` (ID_INVALID) when it is none."""
    text = str(value)
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise Invalid("ID_INVALID", f"{text[:60]!r} is not the id of a {what}.", "Copy the whole id.") from None


def once_each(names: Iterable[str | uuid.UUID]) -> list[str]:
    """``names``, each once, in their order. What is a uuid is written as Postgres prints it: capitals make no other one."""
    return list(dict.fromkeys(_as_printed(str(name)) for name in names))


def _as_printed(text: str) -> str:
    try:
        printed = str(uuid.UUID(text))
    except ValueError:
        return text
    # Other ways of writing one, in braces or without dashes, are names of nothing, and told as they came.
    return printed if printed == text.lower() else text
