"""Calls to the shop's partners, with their answers as errors the engine understands."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any, Final

import httpx

from engine.errors import ACTION, TRANSIENT, StepFailure

TIMEOUT_SECONDS: Final = 20.0


async def ask(
    method: str, url: str, *, json: Any = None, headers: dict[str, str] | None = None, missing: str | None = None
) -> Any:
    """The JSON a partner answers with.

    Raises ``StepFailure``: ``TransientError`` when it cannot be reached or is busy (the step may try again), else
    ``ActionError`` with the partner's own code; for 404 the code ``missing`` where one is given.
    """
    try:
        async with httpx.AsyncClient(verify=_tls(), timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            response = await client.request(method, url, json=json, headers=headers)
    except httpx.TransportError as error:
        reason = str(error) or type(error).__name__
        raise StepFailure(TRANSIENT, f"The partner cannot be reached: {reason}.", code="PARTNER_DOWN") from error
    answer = response.json()
    if response.status_code >= 500:
        raise StepFailure(TRANSIENT, answer["message"], code="PARTNER_BUSY", details={"status": response.status_code})
    if response.status_code >= 400:
        code = missing if missing is not None and response.status_code == 404 else answer["code"]
        raise StepFailure(ACTION, answer["message"], code=code, details={"status": response.status_code})
    return answer


@cache
def _tls() -> ssl.SSLContext:
    # Reading the certificates takes longer than most calls; one context serves all.
    return httpx.create_ssl_context(trust_env=False)
