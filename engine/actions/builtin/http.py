"""``http.request``: one HTTP call to a host the operator allows.

Other systems recognise a repeated call by the ``Idempotency-Key`` header, which every writing method gets.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from functools import cache
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import quote

import httpx
from pydantic import ConfigDict, Field, FiniteFloat, model_validator

from engine.actions.builtin.http_hosts import URL_INVALID, AllowedHosts
from engine.actions.context import ActionContext
from engine.actions.declaration import RegisteredAction, action, declarations_of
from engine.actions.schema import WHOLE, ActionModel
from engine.errors import ACTION, TRANSIENT, VALIDATION, StepFailure
from engine.values import javascript

MAX_RESPONSE_BYTES: Final = 1024 * 1024
"""Largest response body, decompressed."""
MAX_REDIRECTS: Final = 5
MAX_SECONDS: Final = 110.0
ACTION_SECONDS: Final = 120.0

STATUS: Final = "HTTP_STATUS"
TIMED_OUT: Final = "HTTP_TIMEOUT"
UNREACHABLE: Final = "HTTP_UNREACHABLE"
TOO_LARGE: Final = "HTTP_RESPONSE_TOO_LARGE"
NOT_TEXT: Final = "HTTP_RESPONSE_NOT_TEXT"
TOO_MANY_REDIRECTS: Final = "HTTP_TOO_MANY_REDIRECTS"

RETRYABLE: Final = (408, 425, 429, 500, 502, 503, 504)

_EXCERPT: Final = 500
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]{0,8192}")
_OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"})
"""Headers that follow from the request; ``host`` would also lead around the list of allowed hosts."""
_READING: Final = frozenset({"GET", "HEAD"})


class RequestInput(ActionModel):
    model_config = ConfigDict(extra="forbid")

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    url: Annotated[str, Field(min_length=1, max_length=8192)]
    query: dict[str, str | bool | int | FiniteFloat] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    json_body: Annotated[Any, Field(alias="json")] = None
    text: str | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=MAX_SECONDS)] = 30.0
    retry_statuses: list[Annotated[int, Field(ge=400, le=599), WHOLE]] = Field(default_factory=lambda: list(RETRYABLE))
    accept_error_status: bool = False
    """True: an error status is an output like any other, and the step succeeds."""

    @model_validator(mode="after")
    def _sendable(self) -> Self:
        if "json_body" in self.model_fields_set and self.text is not None:
            raise ValueError("give json or text, not both")
        for name, value in self.headers.items():
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
                # The value is not repeated: it is often a secret.
                raise ValueError(f"the header {name[:80]!r} cannot be sent")
            if name.lower() in _OURS:
                raise ValueError(f"the header {name!r} is set by the request itself")
        return self


class ResponseOutput(ActionModel):
    status: int
    headers: dict[str, str]
    """Names in lower case; repeated ones are joined with a comma."""
    json_body: Annotated[Any, Field(alias="json")] = None
    """The body, when it is JSON."""
    text: str | None = None
    """The body, when it is not JSON."""
    url: str
    """Where the response came from, after redirects; without the query."""


def http_request(hosts: AllowedHosts) -> RegisteredAction:
    """The action, allowed to call ``hosts``."""

    @action("http.request", input=RequestInput, output=ResponseOutput, timeout=ACTION_SECONDS)
    async def request(call: RequestInput, ctx: ActionContext) -> dict[str, Any]:
        """Call an HTTP service."""
        try:
            async with asyncio.timeout(call.timeout_seconds):
                return await _exchange(call, ctx, hosts)
        except (TimeoutError, httpx.TimeoutException):
            raise StepFailure(
                TRANSIENT, f"{_place(call.url)} did not answer within {call.timeout_seconds:g} s.", code=TIMED_OUT
            ) from None
        except httpx.InvalidURL as error:
            raise StepFailure(VALIDATION, f"url is not valid: {error}.", code=URL_INVALID) from None
        except httpx.TransportError as error:
            raise StepFailure(
                TRANSIENT,
                f"{_place(call.url)} cannot be reached: {str(error) or type(error).__name__}.",
                code=UNREACHABLE,
                details={"name": type(error).__name__},
            ) from None

    return declarations_of(request)[0]


async def _exchange(call: RequestInput, ctx: ActionContext, hosts: AllowedHosts) -> dict[str, Any]:
    # Proxies and credentials of the process's environment stay out: where a call goes is what the definition says.
    async with httpx.AsyncClient(verify=_tls(), trust_env=False, timeout=call.timeout_seconds) as client:
        request = client.build_request(
            call.method,
            call.url,
            params={name: javascript.text(value) for name, value in call.query.items()} or None,
            # The bytes of a header are Latin-1; httpx takes text for ASCII unless it is told.
            headers=httpx.Headers(_headers(call, ctx), encoding="latin-1"),
            content=_content(call),
        )
        for _ in range(MAX_REDIRECTS + 1):
            hosts.check(request.url)
            response = await client.send(request, stream=True)
            try:
                following = response.next_request
                if following is None:
                    return _outcome(call, response, await _body(response))
            finally:
                await response.aclose()
            if not _same_place(request.url, following.url):
                # What was meant for one system is not shown to another.
                for name in call.headers:
                    following.headers.pop(name, None)
            request = following
    raise StepFailure(ACTION, f"{_place(call.url)} redirects more than {MAX_REDIRECTS} times.", code=TOO_MANY_REDIRECTS)


def _headers(call: RequestInput, ctx: ActionContext) -> dict[str, str]:
    headers = {"user-agent": "runstudio", "accept": "application/json, */*;q=0.5", "accept-encoding": "identity"}
    if call.method not in _READING:
        headers["idempotency-key"] = quote(ctx.idempotency_key, safe=":.[]/-_~")
    if call.text is not None:
        headers["content-type"] = "text/plain; charset=utf-8"
    elif "json_body" in call.model_fields_set:
        headers["content-type"] = "application/json"
    return headers | {name.lower(): value for name, value in call.headers.items()}


def _content(call: RequestInput) -> bytes | None:
    if call.text is not None:
        return call.text.encode("utf-8", "replace")
    if "json_body" in call.model_fields_set:
        return javascript.json_text(call.json_body).encode("utf-8", "replace")
    return None


async def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_RESPONSE_BYTES:
            raise StepFailure(
                ACTION,
                f"{_place(str(response.url))} answered with more than {MAX_RESPONSE_BYTES} bytes.",
                code=TOO_LARGE,
                details={"status": response.status_code, "limit": MAX_RESPONSE_BYTES},
            )
    return bytes(body)


def _outcome(call: RequestInput, response: httpx.Response, body: bytes) -> dict[str, Any]:
    place, status = _place(str(response.url)), response.status_code
    if status >= 400 and not call.accept_error_status:
        raise StepFailure(
            TRANSIENT if status in call.retry_statuses else ACTION,
            f"{call.method} {place} answered {status} {response.reason_phrase}.".replace(" .", "."),
            code=STATUS,
            details={
                "status": status,
                "retryAfter": response.headers.get("retry-after"),
                "body": body.decode("utf-8", "replace")[:_EXCERPT],
            },
        )
    output: dict[str, Any] = {"status": status, "headers": dict(response.headers), "url": place}
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json"):
        try:
            return output | {"json": json.loads(body)}
        except (ValueError, RecursionError):
            # It says JSON and is not: the text shows what it is.
            return output | {"text": body.decode("utf-8", "replace")}
    try:
        return output | {"text": body.decode(response.charset_encoding or "utf-8")}
    except (UnicodeDecodeError, LookupError):
        raise StepFailure(
            ACTION,
            f"{place} answered with {media_type or 'a body'} that is not text.",
            code=NOT_TEXT,
            details={"status": status, "contentType": media_type},
        ) from None


def _same_place(old: httpx.URL, new: httpx.URL) -> bool:
    if old.host != new.host:
        return False
    upgraded = old.scheme == "http" and new.scheme == "https" and old.port is None and new.port is None
    return upgraded or (old.scheme, old.port) == (new.scheme, new.port)


def _place(url: str) -> str:
    """The URL without user, query and fragment, which may hold secrets."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "the URL"
    return str(parsed.copy_with(userinfo=b"", query=None, fragment=None))


@cache
def _tls() -> ssl.SSLContext:
    # Reading the certificates takes longer than most calls; one context serves all.
    return httpx.create_ssl_context(trust_env=False)
