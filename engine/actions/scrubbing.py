"""Scrubbing: what an action gives back is rid of the secrets it was given, in whatever spelling they travel.

A part of a secret that is none by itself, or what an action computed of one, is not recognised.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from engine.errors import StepFailure
from engine.values.javascript import number_text
from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.secret_names import is_secret_name

_SHORTEST_CHANGED: Final = 8
_SHORTEST_EMBEDDED: Final = 4
"""A shorter secret is masked only where it stands alone: inside other texts it would be found everywhere by chance."""
_SHORTEST_CUT: Final = 12
"""So many characters of a secret at the end of a text that was cut there, or at its beginning, are one."""
_SHORTEST_CHANCE: Final = 12
_CREDENTIALS: Final = re.compile(r"(?i)(basic|bearer|token|apikey|digest) +(\S.*)", re.DOTALL)
_LONG_LINE: Final = 24
_DECODINGS: Final = 3
"""How often a text may be percent-encoded or escaped for HTML."""
_ESCAPED: Final = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")
_NO_LETTERS: Final = re.compile(r"[\W_]+")
_BYTE_SIGNS: Final = re.compile(r"0x|\\x")
_IN_USE: Final[ContextVar[tuple[str, ...]]] = ContextVar("secrets in use", default=())


@contextmanager
def using(secrets: tuple[str, ...]) -> Iterator[None]:
    """What is logged in this block, and in what it calls and starts, can be rid of ``secrets`` with ``scrubbed_of_used``."""
    token = _IN_USE.set(secrets)
    try:
        yield
    finally:
        _IN_USE.reset(token)


def scrubbed_of_used(value: Any) -> Any:
    """``value`` scrubbed of the secrets of the action that is running here; itself where none is."""
    return scrub(value, _IN_USE.get())


def scrub(value: Any, secrets: Sequence[str]) -> Any:
    """``value`` with every secret replaced by ``[REDACTED]``: as a whole text or number, inside longer texts, and in object keys.

    The forms in which a value travels inside other texts are found too: JSON-escaped, percent-encoded, base64 whatever stands
    before it; what a secret is made of, such as the token after ``Bearer``, the password of a URL or of ``Basic``, a random part
    of a URL. Of one with at least ``_SHORTEST_CHANGED`` characters also in capitals, in small letters, backwards, in
    hexadecimal, as a list of its pieces or bytes; and a text that has it in another way, such as for HTML or split over lines, is
    masked as a whole. Of a longer one what is left where a text was cut.
    """
    return _Scrubber(secrets).scrub(value) if secrets else value


def scrub_failure(failure: StepFailure, secrets: Sequence[str]) -> StepFailure:
    """The same failure with message, code and details scrubbed, and no traceback to the original."""
    return StepFailure(
        failure.category,
        scrub(failure.message, secrets),
        code=scrub(failure.code, secrets),
        details=scrub(failure.details, secrets),
    )


class _Scrubber:
    def __init__(self, secrets: Sequence[str]) -> None:
        self._wholes = frozenset(secrets) | {secret.strip() for secret in secrets}
        parts = {part for secret in secrets for part in (secret, *_parts(secret))}
        forms = sorted({form for part in parts for form in _forms(part)}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, forms))) if forms else None
        long = [part for part in parts if len(part) >= _SHORTEST_CHANGED]
        self._plain = {plain for part in long for plain in _plain_forms(part) if len(plain) >= _SHORTEST_CHANGED}
        self._cut = sorted({part for part in long if len(part) > _SHORTEST_CUT}, key=len, reverse=True)
        self._bytes = [part.encode("utf-8", "surrogatepass") for part in long]

    def scrub(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            if self._is_split([*value.values()]):
                return {self._text(str(key)): PLACEHOLDER for key in value}
            return {self.scrub(key): self.scrub(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            if self._is_split(value) or self._is_of_bytes(value):
                return [PLACEHOLDER] * len(value)
            return [self.scrub(item) for item in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            return PLACEHOLDER if len(text := number_text(value)) > 1 and text in self._wholes else value
        return value

    def _text(self, text: str) -> str:
        if text in self._wholes:
            return PLACEHOLDER
        if self._pattern is None:
            return text
        text = self._pattern.sub(PLACEHOLDER, text)
        for secret in self._cut:
            text = _without_cut(text, secret)
        if self._plain and any(form in plain for plain in _readings(text) for form in self._plain):
            return PLACEHOLDER
        return text

    def _is_split(self, items: Sequence[Any]) -> bool:
        if self._pattern is None or len(items) < 2 or not all(isinstance(item, str) for item in items):
            return False
        # What is in one item alone is masked there.
        return self._pattern.search("".join(self._pattern.sub("", item) for item in items)) is not None

    def _is_of_bytes(self, items: Sequence[Any]) -> bool:
        if len(items) < _SHORTEST_CHANGED or not all(type(item) is int and 0 <= item < 256 for item in items):
            return False
        spelled = bytes(items)
        return any(secret in spelled for secret in self._bytes)


def _parts(secret: str) -> Iterator[str]:
    """What else must not be shown of a secret that has a known form."""
    yield secret.strip()
    credentials = _CREDENTIALS.fullmatch(secret.strip())
    if credentials is not None:
        yield credentials[2]
        if credentials[1].lower() == "basic":
            yield from _of_login(credentials[2])
    if "://" in secret:
        yield from _of_url(secret)
    if secret.lstrip().startswith("{"):
        yield from _of_json(secret)
    if "\n" in secret:
        yield from (
            line.strip() for line in secret.splitlines() if len(line.strip()) >= _LONG_LINE and _is_random(line)
        )


def _of_login(encoded: str) -> Iterator[str]:
    try:
        login = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return
    yield login
    if len(password := login.partition(":")[2]) >= _SHORTEST_EMBEDDED:
        yield password


def _of_url(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return
    if password is not None and len(password) >= _SHORTEST_EMBEDDED:
        yield from {password, unquote(password)}
    yield from (value for name, value in parse_qsl(parts.query) if _may_be_secret(name, value))
    yield from filter(_is_random, parts.path.split("/"))


def _of_json(document: str) -> Iterator[str]:
    try:
        pending = [("", json.loads(document))]
    except (ValueError, RecursionError):
        return
    while pending:
        name, value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.items())
        elif isinstance(value, list):
            pending.extend((name, item) for item in value)
        elif isinstance(value, str) and _may_be_secret(name, value):
            yield value


def _may_be_secret(name: str, value: str) -> bool:
    return _is_random(value) or (is_secret_name(name) and len(value) >= _SHORTEST_EMBEDDED)


def _is_random(text: str) -> bool:
    """Whether a part of something public by its form may be a secret by itself."""
    if len(text) < _SHORTEST_CHANCE or not text.isascii():
        return False
    return any(map(str.isdigit, text)) and any(map(str.isalpha, text)) and "://" not in text


def _forms(secret: str) -> set[str]:
    if len(secret) < _SHORTEST_EMBEDDED:
        return set()
    encoded = secret.encode("utf-8", "surrogatepass")
    once = json.dumps(secret)[1:-1]
    changed = _changed(secret, encoded) if len(secret) >= _SHORTEST_CHANGED else set()
    if not secret.isascii():
        changed |= _bytes_of(encoded)
    return changed | {
        secret,
        once,
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(once)[1:-1],
        repr(secret)[1:-1],
        quote(encoded, safe=""),
        quote(encoded),
        quote_plus(encoded),
        html.escape(secret),
        base64.b64encode(encoded).decode().rstrip("="),
        base64.urlsafe_b64encode(encoded).decode().rstrip("="),
    }


def _bytes_of(encoded: bytes) -> set[str]:
    """How bytes above those of ASCII are shown: as Python writes them, in mail, and as a text in another charset."""
    taken_for = {encoded.decode("latin-1"), encoded.decode("cp1252", "replace")}
    return {repr(encoded)[2:-1], binascii.b2a_qp(encoded).decode(), *taken_for}


def _changed(secret: str, encoded: bytes) -> set[str]:
    aligned = {
        spell(b"\0" * before + encoded).decode().rstrip("=")[4:-1]
        for spell in (base64.b64encode, base64.urlsafe_b64encode)
        for before in (1, 2)
    }
    return {secret.upper(), secret.lower(), secret[::-1], encoded.hex(), encoded.hex().upper(), *aligned}


def _plain_forms(secret: str) -> Iterator[str]:
    """Letters and digits of a secret, and of the ways to spell its bytes."""
    encoded = secret.encode("utf-8", "surrogatepass")
    once = base64.b64encode(encoded).decode()
    spelled = (secret, secret[::-1], encoded.hex(), once, base64.b32encode(encoded).decode())
    yield from map(_plain, (*spelled, base64.b64encode(once.encode()).decode()))


def _readings(text: str) -> Iterator[str]:
    """Letters and digits of the text as it is, and of what it says when it is decoded."""
    yield _plain(text)
    decoded = text
    for _ in range(_DECODINGS):
        before = decoded
        decoded = html.unescape(unquote(before)) if "%" in before or "&" in before else before
        decoded = _ESCAPED.sub(lambda found: chr(int(found[1] or found[2], 16)), decoded)
        if decoded == before:
            break
        yield _plain(decoded)
    if "0x" in text or "\\x" in text:
        yield _plain(_BYTE_SIGNS.sub("", text))


def _plain(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _NO_LETTERS.sub("", text).casefold()


def _without_cut(text: str, secret: str) -> str:
    """``text`` without the beginning of the secret at its end, or the end of the secret at its beginning."""
    head, tail = secret[:_SHORTEST_CUT], secret[-_SHORTEST_CUT:]
    at = text.find(head, max(0, len(text) - len(secret)))
    while at >= 0:
        if secret.startswith(text[at:]):
            return text[:at] + PLACEHOLDER
        at = text.find(head, at + 1)
    at = text.rfind(tail, 0, len(secret))
    while at >= 0:
        end = at + len(tail)
        if secret.endswith(text[:end]):
            return PLACEHOLDER + text[end:]
        at = text.rfind(tail, 0, end - 1)
    return text
