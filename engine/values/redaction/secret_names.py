"""Whether a name says that its value is a secret: ``userPassword`` and ``x-api-key`` do, ``max_tokens`` does not."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from engine.values.redaction.name_letters import plain_letters

MATCHED_CHARACTERS: Final = 200
"""How much of a name is looked at. Bounds what a hostile one can cost."""

_WORD: Final = re.compile(r"[A-Z]{2,}s(?![a-z])|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_ANYWHERE: Final = frozenset({
    "adgangskode", "authorization", "bearer", "contrasena", "cred", "credential", "csrf", "cvc", "cvn", "cvv", "dsn", "heslo",
    "hmac", "iban", "jelszo", "jwt", "kennwort", "losenord", "mdp", "mnemonic", "otp", "parola", "passcode", "passkey",
    "passord", "passphrase", "passwd", "password", "passwort", "pin", "psk", "pswd", "puk", "pwd", "salasana", "secret",
    "secreta", "secrete", "secreto", "segreta", "segreto", "senha", "sifre", "signature", "ssn", "token", "totp", "wachtwoord",
    "xsrf",
})  # fmt: skip
"""A name with one of these words, or of their plurals, is secret."""
_ENDINGS: Final = (
    "secret", "token", "password", "passwd", "passphrase", "passwort", "pwd", "apikey", "accesskey", "secretkey", "privatekey",
    "privkey", "encryptionkey", "signingkey", "sessionid", "sessid", "cardnumber", "connectionstring", "credential", "creditcard",
    "debitcard", "passworter", "passwoerter", "kennwort", "kennworter", "kennwoerter", "geheimni", "geheimnisse", "geheimzahl",
    "sicherheitscode", "zugangscode", "zugangsdaten", "kartennummer", "kreditkarte", "kontonummer", "prufnummer", "pruefnummer",
    *(kind + key for kind in ("api", "geheim", "sitzungs", "zugangs", "zugriffs") for key in ("schlussel", "schluessel")),
)  # fmt: skip
"""A word that ends so, or in the plural, is: ``clientsecret``. An s at the end of a word is none of it."""
_KEYS: Final = (
    "access", "account", "api", "app", "application", "auth", "client", "consumer", "decryption", "deploy", "encryption", "hmac",
    "license", "master", "preshared", "priv", "private", "secret", "service", "session", "shared", "signing", "ssh",
    "subscription", "webhook",
)  # fmt: skip
_CODES: Final = (
    "access",
    "auth",
    "backup",
    "fa",
    "mfa",
    "oauth",
    "recovery",
    "security",
    "sms",
    "unlock",
    "verification",
)
_TOGETHER: Final = (
    *((kind, "key") for kind in _KEYS),
    *((kind, "code") for kind in _CODES),
    ("session", "id"), ("sess", "id"), ("connection", "string"), ("conn", "string"), ("conn", "str"), ("card", "number"),
    ("card", "no"), ("card", "num"), ("cc", "number"), ("cc", "num"), ("account", "number"), ("pw", "hash"),
    ("one", "time", "code"), ("social", "security"), ("pass", "word"), ("pass", "phrase"), ("seed", "phrase"),
    ("recovery", "phrase"), ("security", "answer"), ("code", "verifier"), ("saml", "response"), ("saml", "assertion"),
    ("client", "assertion"), ("mot", "de", "passe"), ("key", "material"), ("auth", "header"), ("basic", "auth"),
    ("http", "auth"), ("x", "auth"), ("oauth", "verifier"), ("card", "verification"), ("personal", "identification"),
    ("clave", "api"), ("clave", "acceso"), ("clave", "de", "acceso"), ("clave", "privada"), ("cle", "api"), ("cle", "acce"),
    ("cle", "d", "acce"), ("cle", "privee"), ("jeton", "acce"), ("jeton", "d", "acce"), ("jeton", "api"),
    ("mat", "khau"), ("palavra", "passe"),
)  # fmt: skip
"""Words that follow one another, the last of them in the singular or the plural; an s at the end of a word is none of it."""
_BEGINNING: Final = {word: tuple(run for run in _TOGETHER if run[0] == word) for word, *_ in _TOGETHER}
_JOINED: Final = frozenset(map("".join, _TOGETHER))
"""As one word: ``sshkeys``."""
_WHOLE: Final = frozenset({
    "auths", "connectsid", "connstr", "cookie", "cookies", "csc", "jeton", "motdepasse", "pan", "pass", "pincode", "pw",
    "setcookie", "setcookies", "sid", "sig",
})  # fmt: skip
_LAST: Final = frozenset({"card", "cookie", "pw"})
_PASS_OF: Final = re.compile(
    r"(?:admin|app|auth|become|bind|db|email|ftp|http|key|keystore|ldap|login|mail|mysql|pg|proxy|redis|root|smtp|ssh|store|sudo|"
    r"truststore|user|vpn|wifi)[0-9]*(?:pass|pw)"
)
"""``dbPass``, and not ``compass``."""
_AUTH: Final = "_auth"
"""As npm writes a login; the word alone is a way to log in."""
_ELSEWHERE: Final = (
    "пароль", "секрет", "密码", "密碼", "口令", "暗証番号", "パスワード", "비밀번호", "hasło", "סיסמה", "كلمةالمرور",
)  # fmt: skip
"""A name with one of these, in letters of its own, is secret."""
_COUNTING: Final = frozenset({
    "accepted", "audio", "batch", "billed", "bos", "budget", "cache", "cached", "completion", "context", "continuation",
    "count", "cursor", "end", "eos", "first", "image", "index", "input", "length", "limit", "next", "number", "output", "pad",
    "page", "pagination", "per", "position", "prediction", "prev", "previous", "prompt", "reasoning", "rejected", "remaining",
    "start", "stop", "sync", "thinking", "unk", "usage", "used",
})  # fmt: skip
"""Beside one of these a token is a place in a list, or what a language model counts."""
_CHARGES: Final = "chargebearer"
"""Who pays for a transfer between banks."""
_COUNTED: Final = frozenset({
    "automount", "count", "has", "hide", "is", "max", "maximum", "min", "minimum", "num", "number", "require", "requires", "show",
    "total",
})  # fmt: skip
"""A name that begins so says how many there are, or whether there is or should be one."""
_ABOUT: Final = frozenset({
    "age", "algorithm", "allowed", "at", "attempts", "changed", "check", "color", "count", "counts", "date", "days", "duration",
    "enabled", "endpoint", "expired", "expires", "expiration", "expiry", "failed", "failures", "file", "format", "hours",
    "interval", "kind", "length", "lifetime", "limit", "method", "minutes", "missing", "ms", "name", "optional", "path", "policy",
    "provider", "required", "retries", "rotated", "rotation", "seconds", "service", "size", "status", "stdin", "strategy",
    "strength", "supported", "timeout", "total", "ttl", "type", "types", "valid", "verified", "version",
})  # fmt: skip
"""A name that ends so says something about a secret."""
MAY_BE: Final = (
    "adgang|answer|assertion|auth|bearer|card|cle|clave|code|connect|connstr|contrasena|cookie|cred|csc|csrf|cv[cnv]|dsn|geheim|"
    "heslo|hmac|iban|identification|jelszo|jeton|jwt|karte|kennw|key|khau|losenord|mdp|mnemonic|num|otp|pan|parola|pass|pin|phrase|"
    "psk|pswd|puk|pw|response|salasana|schluessel|schlussel|secret|security|segret|senha|sess|sid|sifre|sig|ssn|string|token|"
    "verification|verifier|wachtwoord|xsrf|zugang|conn[_-]str"
)
"""Of RE2, in any case; found in any name of a secret of ASCII alone."""


@lru_cache(maxsize=8192)
def is_secret_name(name: str) -> bool:
    """Whether the value of a key, parameter or header of this name is hidden. Words are told apart by case and by signs; letters
    of other alphabets that look like Latin ones, with accents or in full width, are taken for these.
    """
    name = name[:MATCHED_CHARACTERS]
    if not name.isascii():
        squeezed = "".join(filter(str.isalnum, name.casefold()))
        if any("".join(filter(str.isalnum, word)) in squeezed for word in _ELSEWHERE):
            return True
        name = plain_letters(name)
    words = tuple(word.lower() for word in _WORD.findall(name))
    if not words or words[-1] in _ABOUT or (len(words) > 1 and words[0] in _COUNTED):
        return False
    joined = "".join(words)
    if joined.endswith(_CHARGES):
        return False
    if joined in _WHOLE or name == _AUTH or _is_last(words):
        return True
    if any(_PASS_OF.fullmatch("".join(words[first:])) for first in (0, -2)):
        return True
    single = tuple(map(_singular, words))
    if any(single[at : at + len(run)] == run for at, word in enumerate(single) for run in _BEGINNING.get(word, ())):
        return True
    told = [word for word in single if word in _ANYWHERE or word.endswith(_ENDINGS)]
    if told and all(word == "token" for word in told):
        return not (words[-1] == "id" or any(word in _COUNTING for word in words))
    whole = _singular(joined)
    return bool(told) or whole in _ANYWHERE or whole in _JOINED or whole.endswith(_ENDINGS)


def _is_last(words: tuple[str, ...]) -> bool:
    """Whether the last word that is no number makes the name a secret's."""
    named = [word for word in words if not word.isdigit()]
    return bool(named) and named[-1] in _LAST


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
