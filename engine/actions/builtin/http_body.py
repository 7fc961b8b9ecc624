"""The body of an answer: inflated by steps within its limit, and read in the charset it names."""

from __future__ import annotations

import asyncio
import codecs
import json
import math
import re
import zlib
from contextlib import suppress
from typing import Any, Final, NoReturn

import httpx

from engine.errors import ACTION, StepFailure
from engine.values.json_size import is_deeper
from engine.values.request_limits import MAX_INTEGER_DIGITS, MAX_JSON_DEPTH

MAX_RESPONSE_BYTES: Final = 1024 * 1024
"""Largest response body, as it comes and decompressed."""

TOO_LARGE: Final = "HTTP_RESPONSE_TOO_LARGE"
NOT_TEXT: Final = "HTTP_RESPONSE_NOT_TEXT"
ENCODING_UNSUPPORTED: Final = "HTTP_ENCODING_UNSUPPORTED"
ENCODING_INVALID: Final = "HTTP_ENCODING_INVALID"
CHARSET_UNKNOWN: Final = "HTTP_CHARSET_UNKNOWN"
NUMBER_INVALID: Final = "HTTP_RESPONSE_NUMBER_INVALID"
TOO_DEEP: Final = "HTTP_RESPONSE_TOO_DEEP"

_WINDOWS: Final = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_CHARSETS: Final = ("ascii", "utf-", "iso8859-", "cp", "koi8-", "mac-", "gb", "big5", "shift_jis", "euc_", "iso2022_", "hz",
                    "tis-620", "johab", "ptcp154")  # fmt: skip
"""How Python's names of charsets begin. Other codecs of Python are no charsets, and some take very long."""
_NO_CHARSETS: Final = ("utf-7",)
_LAST_WORD: Final = re.compile(r"[^\s\"'<>]*\Z")


class _NoNumber(Exception):
    """A number that JSON does not have, or that nobody can keep."""


async def read_body(place: str, response: httpx.Response) -> bytes:
    """The body, decompressed. Raises ``StepFailure``: HTTP_RESPONSE_TOO_LARGE, HTTP_ENCODING_UNSUPPORTED or _INVALID."""
    announced = response.headers.get("content-length", "")
    if announced.isdigit() and len(announced) < 20 and int(announced) > MAX_RESPONSE_BYTES and _has_body(response):
        raise _too_large(place, response)
    inflated = _Inflated(place, response)
    received = 0
    async for chunk in response.aiter_raw():
        received += len(chunk)
        inflated.take(chunk)
        if received > MAX_RESPONSE_BYTES:
            raise _too_large(place, response)
    return inflated.end()


async def read_excerpt(response: httpx.Response, characters: int, until: float | None) -> str:
    """The beginning of the body of an answer that is an error anyhow, or what comes of it until ``until``, a time of the event
    loop; empty when it cannot be read.

    It ends where a word does: who looks for a secret in it would not know the beginning of one.
    """
    received = bytearray()
    whole = False
    with suppress(TimeoutError, httpx.TransportError):
        async with asyncio.timeout_at(until):
            if not _encoding(response):
                async for chunk in response.aiter_raw():
                    received += chunk
                    if len(received) >= 4 * characters:
                        break
                else:
                    whole = True
    text = received.decode("utf-8", "replace")
    return text if whole and len(text) <= characters else _LAST_WORD.sub("", text[:characters])


class _Inflated:
    """What was received, decompressed as far as there is room."""

    def __init__(self, place: str, response: httpx.Response) -> None:
        self._place = place
        self._response = response
        self._body = bytearray()
        self._encoding = _encoding(response)
        self._inflater: Any = None

    def take(self, chunk: bytes) -> None:
        if not self._encoding:
            self._body += chunk
        elif self._encoding not in _WINDOWS:
            raise StepFailure(
                ACTION,
                f"{self._place} answered in the encoding {self._encoding[:80]}; one of gzip and deflate is understood.",
                code=ENCODING_UNSUPPORTED,
                details={"status": self._response.status_code, "encoding": self._encoding[:80]},
            )
        else:
            self._inflate(chunk)
        if len(self._body) > MAX_RESPONSE_BYTES:
            raise _too_large(self._place, self._response)

    def _inflate(self, chunk: bytes) -> None:
        while chunk and len(self._body) <= MAX_RESPONSE_BYTES:
            if self._inflater is None or self._inflater.eof:
                # A body may be several compressed parts, one after the other.
                self._inflater = zlib.decompressobj(_WINDOWS[self._encoding])
            try:
                self._body += self._inflater.decompress(chunk, MAX_RESPONSE_BYTES + 1 - len(self._body))
            except zlib.error as error:
                self._refuse(str(error))
            chunk = self._inflater.unconsumed_tail or self._inflater.unused_data

    def end(self) -> bytes:
        if self._inflater is not None and not self._inflater.eof:
            self._refuse("it ends too early")
        return bytes(self._body)

    def _refuse(self, reason: str) -> NoReturn:
        raise StepFailure(
            ACTION,
            f"{self._place} answered with a body that is not {self._encoding}, as it says: {reason}.",
            code=ENCODING_INVALID,
            details={"status": self._response.status_code, "encoding": self._encoding},
        )


def content_of(place: str, response: httpx.Response, body: bytes) -> dict[str, Any]:
    """``{"json": value}`` for JSON, else ``{"text": ...}``. What says that it is JSON and is not comes as text.

    Raises ``StepFailure``: HTTP_CHARSET_UNKNOWN, HTTP_RESPONSE_NOT_TEXT, and for what is JSON otherwise
    HTTP_RESPONSE_NUMBER_INVALID (NaN, infinity, or too many digits) and HTTP_RESPONSE_TOO_DEEP.
    """
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    details = {"status": response.status_code, "contentType": media_type}
    if media_type == "application/json" or media_type.endswith("+json"):
        text = _text_of_json(response, body)
        if text is None:
            raise _not_text(place, media_type, details)
        return _json_or_text(place, response, text)
    charset = response.charset_encoding or "utf-8"
    if not _is_charset(charset):
        message = f"{place} answered in the charset {charset[:80]}, which nobody knows."
        raise StepFailure(ACTION, message, code=CHARSET_UNKNOWN, details={**details, "charset": charset[:80]})
    try:
        return {"text": body.decode(charset)}
    except UnicodeError:
        raise _not_text(place, media_type, details) from None


def _text_of_json(response: httpx.Response, body: bytes) -> str | None:
    """JSON is in Unicode, and tells by its first bytes in which form; a charset counts where it is in another."""
    named = response.charset_encoding
    for charset in (json.detect_encoding(body), named if named and _is_charset(named) else None):
        try:
            if charset is not None:
                return body.decode(charset, "surrogatepass" if charset.startswith("utf") else "strict")
        except UnicodeError:
            continue
    return None


def _json_or_text(place: str, response: httpx.Response, text: str) -> dict[str, Any]:
    too_deep = StepFailure(
        ACTION,
        f"{place} answered with JSON that is nested deeper than {MAX_JSON_DEPTH} levels.",
        code=TOO_DEEP,
        details={"status": response.status_code, "limit": MAX_JSON_DEPTH},
    )
    try:
        value = json.loads(text, parse_constant=_refused, parse_float=_finite, parse_int=_whole)
    except _NoNumber as number:
        raise StepFailure(
            ACTION,
            f"{place} answered with JSON in which {number} is a number nobody can keep.",
            code=NUMBER_INVALID,
            details={"status": response.status_code},
        ) from None
    except RecursionError:
        raise too_deep from None
    except ValueError:
        return {"text": text}
    if is_deeper(value, MAX_JSON_DEPTH):
        raise too_deep
    return {"json": value}


def _not_text(place: str, media_type: str, details: dict[str, Any]) -> StepFailure:
    return StepFailure(
        ACTION, f"{place} answered with {media_type or 'a body'} that is not text.", code=NOT_TEXT, details=details
    )


def _encoding(response: httpx.Response) -> str:
    named = [name.strip().lower() for name in response.headers.get("content-encoding", "").split(",")]
    return ", ".join(name for name in named if name not in {"", "identity"})


def _has_body(response: httpx.Response) -> bool:
    return response.request.method != "HEAD" and response.status_code not in {204, 304}


def _is_charset(name: str) -> bool:
    try:
        known = codecs.lookup(name).name
    except (LookupError, ValueError):
        return False
    return known.startswith(_CHARSETS) and known not in _NO_CHARSETS


def _too_large(place: str, response: httpx.Response) -> StepFailure:
    return StepFailure(
        ACTION,
        f"{place} answered with more than {MAX_RESPONSE_BYTES} bytes.",
        code=TOO_LARGE,
        details={"status": response.status_code, "limit": MAX_RESPONSE_BYTES},
    )


def _refused(name: str) -> NoReturn:
    raise _NoNumber(name)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _NoNumber(digits[:40])
    return value


def _whole(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise _NoNumber(f"one of {len(digits)} digits")
    return int(digits)
