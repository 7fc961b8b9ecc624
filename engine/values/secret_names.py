"""Whether a name says that its value is a secret: ``userPassword`` and ``x-api-key`` do, ``max_tokens`` does not."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

MATCHED_CHARACTERS: Final = 200
"""How much of a name is looked at. Bounds what a hostile one can cost."""

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_ANYWHERE: Final = frozenset({
    "authorization", "bearer", "credential", "credentials", "cvc", "cvv", "dsn", "iban", "jwt", "otp", "passcode",
    "passphrase", "passwd", "password", "passwords", "pin", "pwd", "secret", "secrets", "signature", "ssn", "token",
    "tokens", "totp",
})  # fmt: skip
"""A name with one of these words is secret."""
_ENDINGS: Final = (
    "secret", "token", "password", "passwd", "passphrase", "apikey", "accesskey", "secretkey", "privatekey", "sessionid",
    "cardnumber", "connectionstring", "credential", "credentials",
)  # fmt: skip
"""A word that ends so is: ``clientsecret``."""
_TOGETHER: Final = (
    ("api", "key"), ("access", "key"), ("secret", "key"), ("private", "key"), ("encryption", "key"), ("signing", "key"),
    ("session", "id"), ("connection", "string"), ("conn", "string"), ("conn", "str"), ("card", "number"), ("card", "no"),
    ("card", "num"), ("account", "number"), ("security", "code"), ("one", "time", "code"),
)  # fmt: skip
"""Words that follow one another."""
_WHOLE: Final = frozenset({"cookie", "setcookie", "pan", "sig", "sid", "connstr"})
_LAST: Final = frozenset({"card"})
_COUNTING: Final = frozenset({
    "batch", "budget", "completion", "continuation", "count", "cursor", "input", "index", "length", "limit", "max",
    "maximum", "min", "minimum", "next", "num", "number", "output", "page", "per", "position", "prev", "previous",
    "prompt", "remaining", "reasoning", "sync", "total", "type", "usage", "used",
})  # fmt: skip
"""Beside one of these a token is a place in a list, or what a language model counts."""


@lru_cache(maxsize=8192)
def is_secret_name(name: str) -> bool:
    """Whether the value of a key, parameter or header of this name is hidden. Words are told apart by case and by signs."""
    words = tuple(word.lower() for word in _WORD.findall(name[:MATCHED_CHARACTERS]))
    if not words:
        return False
    joined = "".join(words)
    if joined in _WHOLE or words[-1] in _LAST:
        return True
    if any(words[at : at + len(run)] == run for run in _TOGETHER for at in range(len(words))):
        return True
    told = [word for word in words if word in _ANYWHERE or word.endswith(_ENDINGS)]
    if told and all(word in ("token", "tokens") for word in told):
        return not any(word in _COUNTING for word in words)
    return bool(told) or joined in _ANYWHERE or joined.endswith(_ENDINGS)
