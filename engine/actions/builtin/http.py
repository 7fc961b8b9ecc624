"""``http.request``: one HTTP call to a host the operator allows.

Other systems recognise a repeated call by the ``Idempotency-Key`` header, which every writing method gets.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import quote

import httpx
from pydantic import ConfigDict, Field, FiniteFloat, model_validator

from engine.actions.builtin.http_addresses import UNREACHABLE
from engine.actions.builtin.http_body import content_of, read_body, read_excerpt
from engine.actions.builtin.http_exchange import Answer, Network, exchanged, is_certificate_error, place_of
from engine.actions.builtin.http_hosts import URL_INVALID
from engine.actions.context import ActionContext
from engine.actions.declaration import RegisteredAction, action, declarations_of
from engine.actions.schema import WHOLE, ActionModel
from engine.errors import ACTION, TRANSIENT, VALIDATION, StepFailure
from engine.values import javascript
from engine.wording import clause

MAX_SECONDS: Final = 110.0
ACTION_SECONDS: Final = 120.0

STATUS: Final = "HTTP_STATUS"
TIMED_OUT: Final = "HTTP_TIMEOUT"
CERTIFICATE_INVALID: Final = "HTTP_CERTIFICATE_INVALID"
PROXY_REFUSED: Final = "HTTP_PROXY_REFUSED"

RETRYABLE: Final = (408, 425, 429, 500, 502, 503, 504)

LONGEST_RETRY_AFTER_SECONDS: Final = 24 * 3600
"""A service that asks for more is asked again after a day."""

_EXCERPT: Final = 500
_OF_THE_END: Final = 0.1
"""The share of a call's time in which the body of an error is no longer waited for."""
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_HEADER_VALUE = re.compile(r"(?![\t ])[\t\x20-\x7e\xa0-\xff]{0,8192}(?<![\t ])")
"""White space at its ends is no part of a value, and no client sends it."""
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


def http_request(network: Network) -> RegisteredAction:
    """The action, allowed to call what ``network`` says."""

    @action("http.request", input=RequestInput, output=ResponseOutput, timeout=ACTION_SECONDS, accepts_secrets=True)
    async def request(call: RequestInput, ctx: ActionContext) -> dict[str, Any]:
        """Call an HTTP service."""
        try:
            async with (
                asyncio.timeout(call.timeout_seconds) as limit,
                exchanged(network, _request(call, ctx), tuple(call.headers), call.timeout_seconds) as answer,
            ):
                return await _outcome(call, answer, limit.when())
        except (TimeoutError, httpx.TimeoutException):
            raise StepFailure(
                TRANSIENT, f"{place_of(call.url)} did not answer within {call.timeout_seconds:g} s.", code=TIMED_OUT
            ) from None
        except (httpx.InvalidURL, UnicodeError) as error:
            # A name with xn-- that is not encoded so, in a redirect for one, is said by another exception.
            raise StepFailure(VALIDATION, f"url is not valid: {clause(str(error))}.", code=URL_INVALID) from None
        except httpx.TransportError as error:
            raise _not_reached(call, error) from None

    return declarations_of(request)[0]


def _not_reached(call: RequestInput, error: httpx.TransportError) -> StepFailure:
    details = {"name": type(error).__name__}
    said = str(error) or type(error).__name__
    if is_certificate_error(error):
        message = f"{place_of(call.url)} cannot prove who it is: {clause(said)}."
        return StepFailure(ACTION, message, code=CERTIFICATE_INVALID, details=details)
    # What a proxy answers to CONNECT is a status and its reason.
    status = int(said[:3]) if isinstance(error, httpx.ProxyError) and said[:3].isdecimal() else None
    if status is not None and status not in call.retry_statuses:
        message = f"The proxy does not let {place_of(call.url)} be called: {clause(said)}."
        return StepFailure(ACTION, message, code=PROXY_REFUSED, details={**details, "status": status})
    return StepFailure(
        TRANSIENT, f"{place_of(call.url)} cannot be reached: {clause(said)}.", code=UNREACHABLE, details=details
    )


def _request(call: RequestInput, ctx: ActionContext) -> httpx.Request:
    return httpx.Request(
        call.method,
        _url(call),
        # The bytes of a header are Latin-1; httpx takes text for ASCII unless it is told.
        headers=httpx.Headers(_headers(call, ctx), encoding="latin-1"),
        content=_content(call),
    )


def _url(call: RequestInput) -> httpx.URL:
    """The URL with ``query`` after what it asks for itself, which stays as it is written."""
    url = httpx.URL(call.url)
    added = str(httpx.QueryParams({name: javascript.text(value) for name, value in call.query.items()}))
    return url.copy_with(query=b"&".join(filter(None, (url.query, added.encode())))) if added else url


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


async def _outcome(call: RequestInput, answer: Answer, end: float | None) -> dict[str, Any]:
    response = answer.response
    place, status = place_of(answer.url), response.status_code
    if status >= 400 and not call.accept_error_status:
        # What the status says is not lost when the body does not come in time.
        until = end and end - _OF_THE_END * call.timeout_seconds
        details: dict[str, Any] = {"status": status, "retryAfter": response.headers.get("retry-after")}
        asked = (retry_after_ms(one, datetime.now(UTC)) for one in response.headers.get_list("retry-after"))
        waits = [wait for wait in asked if wait is not None]
        if waits:
            details["retryAfterMs"] = max(waits)
        raise StepFailure(
            TRANSIENT if status in call.retry_statuses else ACTION,
            f"{call.method} {place} answered {status} {response.reason_phrase}.".replace(" .", "."),
            code=STATUS,
            details={**details, "body": await read_excerpt(response, _EXCERPT, until)},
        )
    content = content_of(place, response, await read_body(place, response))
    return {"status": status, "headers": dict(response.headers), "url": place, **content}


def retry_after_ms(header: str | None, now: datetime) -> int | None:
    """How long a ``Retry-After`` header asks to wait, in milliseconds from ``now`` on; None when it cannot be understood."""
    said = (header or "").strip()
    if said.isascii() and said.isdigit():
        seconds = float(said) if len(said) < 10 else float(LONGEST_RETRY_AFTER_SECONDS)
    else:
        try:
            at = parsedate_to_datetime(said)
        except (ValueError, OverflowError):
            return None
        seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    return round(1000 * min(max(0.0, seconds), LONGEST_RETRY_AFTER_SECONDS))
