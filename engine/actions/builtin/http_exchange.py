"""One exchange with a service: the request, its redirects, and the answer whose body is still to be read."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import httpx

from engine.actions.builtin.http_addresses import allowed_among, resolved
from engine.actions.builtin.http_hosts import AllowedHosts, canonical_host, port_of
from engine.errors import ACTION, StepFailure

MAX_REDIRECTS: Final = 5
TOO_MANY_REDIRECTS: Final = "HTTP_TOO_MANY_REDIRECTS"
BODY_REDIRECTED: Final = "HTTP_BODY_REDIRECTED"

_OF_A_BODY: Final = ("content-length", "content-type", "transfer-encoding", "content-encoding")


@dataclass(frozen=True, slots=True)
class Network:
    """What a call may reach, and through what."""

    hosts: AllowedHosts
    proxy: str | None = None
    """URL of a proxy that all calls go through; it looks names up itself."""
    ca_file: Path | None = None
    """Certificates of further authorities, PEM."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, whose body can be read."""

    response: httpx.Response
    url: httpx.URL
    """Where it came from, after redirects, by name."""


@asynccontextmanager
async def exchanged(
    network: Network, request: httpx.Request, own_headers: Collection[str], timeout: float
) -> AsyncIterator[Answer]:
    """The answer to ``request``, after at most five redirects. ``own_headers`` are not shown to another host.

    Every host on the way must be allowed, and is called at an address that was checked. Raises ``StepFailure``, and what httpx
    raises.
    """
    # Proxies and credentials of the process's environment stay out: where a call goes is what the settings say.
    async with httpx.AsyncClient(
        verify=tls_of(network.ca_file),
        trust_env=False,
        timeout=timeout,
        proxy=network.proxy,
        event_hooks={"response": [_require_readable_location]},
    ) as client:
        for _ in range(MAX_REDIRECTS + 1):
            response = await _sent(client, network, request)
            try:
                following = _following(request, response, own_headers)
                if following is None:
                    yield Answer(response, request.url)
                    return
            finally:
                await response.aclose()
            request = following
    raise StepFailure(
        ACTION, f"{place_of(request.url)} redirects more than {MAX_REDIRECTS} times.", code=TOO_MANY_REDIRECTS
    )


async def _sent(client: httpx.AsyncClient, network: Network, request: httpx.Request) -> httpx.Response:
    network.hosts.check(request.url)
    if network.proxy is not None:
        return await client.send(request, stream=True)
    host, port = canonical_host(request.url), port_of(request.url)
    addresses = allowed_among(host, await resolved(host, port), network.hosts.networks)
    for address in addresses[:-1]:
        pinned = _pinned(request, host, str(address))
        # One that does not answer leaves time for the others.
        pinned.extensions["timeout"] = client.timeout.as_dict() | {"connect": _share(client, len(addresses))}
        try:
            return await client.send(pinned, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            continue
    return await client.send(_pinned(request, host, str(addresses[-1])), stream=True)


def _share(client: httpx.AsyncClient, addresses: int) -> float | None:
    """How long one of so many addresses is waited for, in seconds."""
    longest = client.timeout.connect
    return None if longest is None else longest / addresses


async def _require_readable_location(response: httpx.Response) -> None:
    """Raises ``httpx.InvalidURL``. httpx itself would tell of an exchange that broke off, which is repeated with its effect."""
    if response.has_redirect_location:
        response.request.url.join(response.headers["location"])


def _pinned(request: httpx.Request, host: str, address: str) -> httpx.Request:
    """The same request to this address; the host stays in its header, and is whom the certificate must name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        extensions = {**request.extensions, "sni_hostname": host}
    else:
        extensions = dict(request.extensions)
    url = request.url.copy_with(host=address)
    return httpx.Request(request.method, url, headers=request.headers, content=request.content, extensions=extensions)


def _following(request: httpx.Request, response: httpx.Response, own_headers: Collection[str]) -> httpx.Request | None:
    """The request that a redirect asks for; None when the answer is none."""
    if not response.has_redirect_location:
        return None
    url = request.url.join(response.headers["location"])
    status, method = response.status_code, request.method
    if (status == 303 and method != "HEAD") or (status in {301, 302} and method == "POST"):
        method = "GET"
    headers = request.headers.copy()
    headers["host"] = url.netloc.decode("ascii")
    if method != request.method:
        for name in _OF_A_BODY:
            headers.pop(name, None)
    content = request.content if method == request.method else b""
    if not _same_place(request.url, url):
        if content:
            raise StepFailure(
                ACTION,
                f"{place_of(request.url)} asks to send the body on to {place_of(url)}, another host, which is not done.",
                code=BODY_REDIRECTED,
                details={"status": status, "host": canonical_host(url)},
            )
        # What was meant for one system is not shown to another.
        for name in (*own_headers, "authorization"):
            headers.pop(name, None)
    return httpx.Request(method, url, headers=headers, content=content or None, extensions=request.extensions)


def _same_place(old: httpx.URL, new: httpx.URL) -> bool:
    if old.raw_host != new.raw_host:
        return False
    upgraded = old.scheme == "http" and new.scheme == "https" and old.port is None and new.port is None
    return upgraded or (old.scheme, old.port) == (new.scheme, new.port)


def place_of(url: httpx.URL | str) -> str:
    """The URL without user, query and fragment, which may hold secrets."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "the URL"
    return str(parsed.copy_with(userinfo=b"", query=None, fragment=None))


@cache
def tls_of(ca_file: Path | None) -> ssl.SSLContext:
    """What certificates are checked with. Raises ``OSError`` or ``ssl.SSLError`` for a file that holds none."""
    # Reading the certificates takes longer than most calls; one context serves all.
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        context.load_verify_locations(cafile=str(ca_file))
    return context


def is_certificate_error(error: BaseException | None) -> bool:
    """Whether the other side could not prove who it is."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
