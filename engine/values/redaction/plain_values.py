"""Values that are no secrets by how they look, where a name alone stands before them."""

from __future__ import annotations

import re
from typing import Final

SAID: Final = frozenset({
    "a", "abgelaufen", "accepted", "and", "changed", "denied", "directive", "disabled", "empty", "enabled", "erforderlich",
    "es", "est", "expired", "expirée", "expiré", "failed", "falsch", "false", "fehlt", "for", "from", "gesperrt", "granted",
    "has", "incorrect", "incorrecta", "incorrecto", "incorrecte", "invalid", "is", "ist", "it", "loaded", "locked", "manquant",
    "mismatch", "missing", "must", "no", "none", "not", "null", "obligatoire", "obligatoria", "obligatorio", "of", "off", "ok",
    "on", "option", "or", "rejected", "required", "rotated", "sent", "should", "the", "too", "true", "ungültig", "unknown",
    "unset", "valid", "vergessen", "verified", "was", "wrong", "yes",
})  # fmt: skip
"""After ``password:`` these are words of a sentence."""
_SIGNS: Final = " .!?:"
_LONGEST_SAID: Final = 40

_PLAIN: Final = re.compile(
    # A day, or a time.
    r"\d{4}-\d\d-\d\d(?:[T_]\d\d:?\d\d(?::?\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?|"
    # How long, or how much.
    r"\d{1,6}\.\d{1,6}(?:ns|[uµm]?s|[mhd]|[KMGT]i?B)|"
    # A version.
    r"[v^~]?\d{1,4}(?:\.\d{1,4}){1,3}(?:[-.+]?(?i:alpha|beta|dev|final|post|rc|release|snapshot)[.-]?\d{0,4})?|"
    # A file.
    r"(?:/[a-z0-9_.-]{1,40}){1,10}/[\w.-]{0,60}|[\w-]{1,60}\.(?:cert?|crt|json|key|p12|pem|pub|txt|ya?ml)|"
    # A service.
    r"(?:https?|grpc|tcp)://[A-Za-z0-9.-]{1,100}(?::\d{1,5})?(?:/[a-z]{1,20}[0-9]?)*/?",
    re.ASCII,
)
_OF_A_RUN: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""An id as ours, which begins with its time (UUID version 7)."""


def is_said(value: str) -> bool:
    """Whether it is a word of a sentence: ``password: missing``."""
    return value[:_LONGEST_SAID].strip(_SIGNS).casefold() in SAID


def is_plain(value: str) -> bool:
    """Whether it is a time, a version, a path of a file or the address of a service."""
    return _PLAIN.fullmatch(value) is not None


def is_id(value: str) -> bool:
    """Whether it is an id as that of a run."""
    return _OF_A_RUN.fullmatch(value) is not None
