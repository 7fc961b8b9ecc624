"""Secrets told in a sentence: ``the pin is 4711``, ``PASSWORD '...'``, ``482913 is your code``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import re2

from engine.values.redaction.first_look import may_be_in
from engine.values.redaction.plain_values import is_plain
from engine.values.redaction.value_ends import Span, value_at

_NAMED: Final = (
    r"password|passwd|pwd|passphrase|passcode|pass|pin|token|secret|passwort|kennwort|securestring|"
    r"identified(?: with \w{1,60})? by"
)
_QUOTED: Final = re.compile(
    rf"\b(?:{_NAMED})(?:\s+(?:is|i?like|was|for\s+\S{{1,200}}\s+=))?\s+(?:password\()?(?=\\{{0,15}}['\"])",
    re.IGNORECASE,
)
_SHORT: Final = r"pin|otp|totp|passcode|cvv2?|cvc2?"
_CODE: Final = r"(?:2fa|access|auth|backup|login|mfa|one[- ]time|recovery|security|sms|verification) (?:code|password)"
_MARKED: Final = r"secret|signature"
"""Words of other sentences too: only what they are said to be is one."""
_TOLD: Final = re.compile(
    rf"\b(?:(?P<short>{_SHORT})|(?P<code>{_CODE})|(?P<marked>{_MARKED})|password|passwd|pwd|passphrase|passwort|kennwort|token|jwt|"
    r"contrase[nñ]a|mot de passe|senha|wachtwoord|"
    r"(?:access|api|auth|encryption|private|secret|session|signing) ?keys?|session id|identified by)"
    r"(?P<told>(?:\s+(?:are|auf|changed|equals|es|est|from|is|ist|lautet|reset|set|to|von|was|war|were|[èé])){1,3}\s?:?|"
    r"\s*[?|]|\s+[-–—])?"
    r"\s+(?P<value>\S+)",
    re.IGNORECASE,
)
_NAMES: Final = re2.compile(
    r"(?i)\bpin\b|otp|pass(?:code|e\b|phrase|w)|pwd|cvv|cvc|code|secret|signature|kennwort|token|jwt|"
    r"(?:access|api|auth|encryption|private|session|signing) ?keys?\b|session id|identified by|contrase|senha|wachtwoord"
)
"""A text without any of these tells none."""
_TYPE: Final = re.compile(r"[A-Za-z]+\(\d+")
"""Of a column in SQL, without its last bracket."""
_PARSERS: Final = ("expected", "illegal", "invalid")
_NEAR: Final = 12
"""Characters before a name in which they stand."""
_SIGNS: Final = 3
"""So many has a token that is an operator."""
_STATED: Final = re.compile(
    r"\\{0,15}['\"] (?:already exists|configured|created|deleted|in namespace|is forbidden|not found|unchanged)\b"
)
_STATUS: Final = 3
"""Digits of a status of HTTP, which a log has behind a path: ``/card/pin 204``."""
_YOURS: Final = re.compile(
    r"\b(\d{4,10}|[A-Z0-9]{3,6}-[A-Z0-9]{3,6}) is your (?:[\w-]{1,20} ){0,4}(?:code|otp|passcode|password|pin)\b",
    re.ASCII,
)


def quoted(text: str) -> Iterator[Span]:
    """What stands in quotes behind a name."""
    for found in _QUOTED.finditer(text):
        start, end = value_at(text, found.end())
        if not (_is_of_a_program(text, found.start(), text[start:end]) or _is_of_kubernetes(text, found, end)):
            yield start, end


def told(text: str) -> Iterator[Span]:
    """What is said to be a secret, or stands behind its name, and looks like one."""
    for found in _TOLD.finditer(text) if may_be_in(text, _NAMES) else ():
        if _looks_secret(found, found["value"].strip(".,;!?()")):
            yield found.span("value")


def yours(text: str) -> Iterator[Span]:
    """What is said of before its name."""
    return (found.span(1) for found in _YOURS.finditer(text))


def _is_of_a_program(text: str, at: int, value: str) -> bool:
    """Whether a parser met this token, or wants another: ``Unexpected token '}'``."""
    before = text[max(0, at - _NEAR) : at].rstrip().casefold()
    return before.endswith(_PARSERS) and (len(value) <= _SIGNS or (before.endswith("unexpected") and value.isalpha()))


def _is_of_kubernetes(text: str, found: re.Match[str], end: int) -> bool:
    """Whether it is the name of a Secret: ``secret "db" not found``."""
    return found[0].rstrip().casefold() == "secret" and _STATED.match(text, end) is not None


def _looks_secret(found: re.Match[str], value: str) -> bool:
    if value.isdigit() and (found["short"] or found["code"]):
        if len(value) == _STATUS and found.string.startswith("/", found.start() - 1):
            return False
        return (3 if found["short"] else 4) <= len(value) <= 10
    if found["short"] and not found["short"].casefold().endswith("otp"):
        return False
    if _TYPE.fullmatch(value) or is_plain(value):
        return False
    mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return mixed and len(value) >= 6 and bool(found["told"] or not found["marked"])
