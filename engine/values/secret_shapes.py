"""Secrets that are known by how they look, wherever they stand in a text.

Private keys, credentials of HTTP, user information and token parameters of URLs, assignments to secret names, JSON web tokens
and card numbers. Patterns run in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import re2

from engine.values.placeholder import PLACEHOLDER
from engine.values.secret_names import is_secret_name

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False


def _compiled(pattern: str) -> re2.Regexp:
    return re2.compile(pattern, _OPTIONS)


_TELLTALES: Final = (
    "://", "pass", "pwd", "secret", "token", "key", "auth", "cookie", "credential", "pin", "otp", "jwt", "bearer", "basic ",
    "dsn", "string", "session", "sig", "sid", "iban", "card", "cvv", "cvc", "ssn", "pan", "eyj", "code", "conn", "account",
)  # fmt: skip
"""A text without any of these, and without ``_LONG_NUMBER``, has none of the shapes: most are let through by this look."""
_SIGNS: Final = (":", "=", "eyj", "-----begin", "bearer ", "basic ")
"""Nor has one without any of these: a name that says ``code`` or ``key`` is not yet a value of it."""
_LONG_NUMBER: Final = re.compile(r"[0-9][0-9 -]{11}")
_PRIVATE_KEY: Final = _compiled(
    r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)"
)
_HEADER: Final = _compiled(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(['\"]?\s*[:=]\s*['\"]?)([^\r\n'\"]+)")
_CREDENTIALS: Final = _compiled(r"(?i)\b(bearer|basic) +([a-z0-9._~+/-]{6,}=*)")
_USER: Final = _compiled(r"\b([A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#@'\"<>]+@")
_WEB_TOKEN: Final = _compiled(r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)*")
_PARAMETER: Final = _compiled(r"([?&;#])([A-Za-z0-9_.-]{1,60})=([^&#\s'\"]+)")
_NAME: Final = re.compile(
    r"([A-Za-z][A-Za-z0-9_.-]{1,60}(?: (?:[Kk]ey|[Ss]tring|[Ii][Dd]))?)['\"]?\s{0,8}[=:]\s{0,8}", re.ASCII
)
_VALUE: Final = re.compile(r"\"[^\"]*\"|'[^']*'|[^\s,;&'\"]+")
_CARD: Final = _compiled(r"\b[2-6][0-9](?:[ -]?[0-9]){11,17}\b")
_ISSUERS: Final = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3[068]\d{12}|35\d{14}|6\d{15,18}", re.ASCII
)


def hide_shapes(text: str) -> str:
    """The text with the placeholder in the place of each; the same text where there is none."""
    if not may_hold_secret(text):
        return text
    text = text.encode("utf-8", "replace").decode()
    folded = text.casefold()
    for signs, pattern, replacement in _RULES:
        if any(sign in folded for sign in signs):
            text = pattern.sub(replacement, text)
    if _LONG_NUMBER.search(text):
        text = _CARD.sub(_card, text)
    return _hide_assigned(text)


def may_hold_secret(text: str) -> bool:
    """Whether a text is worth a close look."""
    if len(text) < _SHORTEST:
        return False
    folded = text.casefold()
    signed = any(sign in folded for sign in _SIGNS)
    return (signed and any(telltale in folded for telltale in _TELLTALES)) or _LONG_NUMBER.search(text) is not None


def is_card_number(digits: str) -> bool:
    """Whether digits, without blanks, are a card's: an issuer's beginning and length, and Luhn's check digit."""
    if not _ISSUERS.fullmatch(digits):
        return False
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


_SHORTEST: Final = 5


def _card(found: re2.Match) -> str:
    digits = found.group(0).replace(" ", "").replace("-", "")
    return PLACEHOLDER if is_card_number(digits) else str(found.group(0))


def _credentials(found: re2.Match) -> str:
    scheme, value = found.groups()
    # Two words of English are none.
    return str(found.group(0)) if value.isalpha() and value.islower() else f"{scheme} {PLACEHOLDER}"


def _parameter(found: re2.Match) -> str:
    sign, name, _ = found.groups()
    return f"{sign}{name}={PLACEHOLDER}" if is_secret_name(name) else str(found.group(0))


def _hide_assigned(text: str) -> str:
    """``password=...`` and ``"token": "..."``: what follows a secret name and a sign."""
    pieces, done = [], 0
    for found in _NAME.finditer(text):
        if found.start() < done or not is_secret_name(found[1].rpartition(".")[2]):
            continue
        value = _VALUE.match(text, found.end())
        if value is None or value[0].startswith("//"):
            continue
        quote = value[0][0] if value[0][0] in "\"'" else ""
        pieces += [text[done : value.start()], quote, PLACEHOLDER, quote]
        done = value.end()
    return "".join([*pieces, text[done:]])


_RULES: Final[tuple[tuple[tuple[str, ...], re2.Regexp, str | Callable[[re2.Match], str]], ...]] = (
    (("-----begin",), _PRIVATE_KEY, PLACEHOLDER),
    (("authorization", "cookie"), _HEADER, rf"\1\2{PLACEHOLDER}"),
    (("bearer ", "basic "), _CREDENTIALS, _credentials),
    (("://",), _USER, rf"\1{PLACEHOLDER}@"),
    (("eyj",), _WEB_TOKEN, PLACEHOLDER),
    (("=",), _PARAMETER, _parameter),
)
"""Each with what is in every text, folded, that has the shape."""
