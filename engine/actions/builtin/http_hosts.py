"""Which hosts ``http.request`` may call: those the operator listed, and none by default."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import httpx

from engine.actions.builtin.http_addresses import Network
from engine.errors import ACTION, VALIDATION, Invalid, StepFailure
from engine.wording import clause

_HOST: Final = re.compile(r"[a-z0-9._-]{1,253}")
HOST_NOT_ALLOWED: Final = "HTTP_HOST_NOT_ALLOWED"
URL_INVALID: Final = "HTTP_URL_INVALID"

VARIABLE: Final = "RUNSTUDIO_HTTP_ALLOWED_HOSTS"


@dataclass(frozen=True, slots=True)
class HostRule:
    """One entry of the list: ``api.example.com``, ``*.example.com``, ``localhost:8801``, ``[::1]``, ``10.0.0.7`` or ``*``."""

    host: str
    """Lower case, without brackets; ``*.`` in front means every host below, but not the host itself."""
    port: int | None
    """None allows every port."""

    @classmethod
    def parse(cls, entry: str) -> HostRule:
        """Raises ``ValueError`` for an entry that names no host."""
        if entry == "*" or re.fullmatch(r"\*:[1-9][0-9]{0,4}", entry):
            return cls("*", int(entry[2:]) if entry[2:] else None)
        wildcard = entry.startswith("*.")
        url = httpx.URL(f"http://{entry.removeprefix('*.')}")
        if not url.raw_host or url.path != "/" or url.userinfo:
            raise ValueError(f"{entry!r} is not a host")
        # httpx drops port 80, the default of the scheme that was put in front here.
        port = url.port if url.port is not None else 80 if entry.endswith(":80") else None
        if port == 0:
            raise ValueError(f"{entry!r} has no port that can be called")
        return cls(("*." if wildcard else "") + canonical_host(url), port)

    def allows(self, host: str, port: int) -> bool:
        """Whether a host, as ``canonical_host`` gives it, and port are meant."""
        if self.port is not None and self.port != port:
            return False
        if self.host == "*":
            return True
        if self.host.startswith("*."):
            return host.endswith(self.host[1:]) and host != self.host[1:]
        return host == self.host


class AllowedHosts:
    """The list. An address given as digits is a host like any other, allowed only when it is listed; a network
    (``10.0.0.0/8``) is no host, it says where the listed hosts may be besides the internet.

    Raises ``Invalid`` (``SETTING_INVALID``) for an entry that is no host.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        networks, hosts = _sorted_out(entries)
        self.networks = networks
        """Addresses that may be called although they are not on the internet."""
        try:
            self._rules = tuple(HostRule.parse(entry) for entry in hosts)
        except (ValueError, httpx.InvalidURL) as error:
            raise Invalid(
                "SETTING_INVALID",
                f"{VARIABLE} has a wrong entry: {clause(str(error))}.",
                "Write hosts as api.example.com, *.example.com, localhost:8801 or [::1], separated by commas.",
            ) from None

    def check(self, url: httpx.URL) -> None:
        """Raises ``StepFailure``: ``HTTP_URL_INVALID``, or ``HTTP_HOST_NOT_ALLOWED`` saying what to set."""
        if url.scheme not in {"http", "https"} or not url.raw_host or not 0 < port_of(url) < 65_536:
            raise StepFailure(
                VALIDATION,
                "url must begin with http:// or https:// and name a host, and a port if any.",
                code=URL_INVALID,
            )
        if url.userinfo:
            raise StepFailure(
                VALIDATION, "url must not hold a user or password; send an authorization header.", code=URL_INVALID
            )
        host = canonical_host(url)
        port = port_of(url)
        if not any(rule.allows(host, port) for rule in self._rules):
            listed = "It lists other hosts." if self._rules else "It is empty, which allows none."
            raise StepFailure(
                ACTION,
                f"http.request may not call {host}:{port}. Add the host to {VARIABLE} of the workers. {listed}",
                code=HOST_NOT_ALLOWED,
                details={"host": host, "port": port},
            )


def _sorted_out(entries: Iterable[str]) -> tuple[tuple[Network, ...], list[str]]:
    """The networks among the entries, addresses included, and the entries that are hosts."""
    networks: list[Network] = []
    hosts: list[str] = []
    for entry in entries:
        try:
            networks.append(ipaddress.ip_network(_address_in(entry)))
        except ValueError:
            hosts.append(entry)
        else:
            hosts += [] if "/" in entry else [entry]
    return tuple(networks), hosts


def _address_in(entry: str) -> str:
    """What may be an address in ``10.0.0.7``, ``10.0.0.7:80``, ``[::1]:80`` or ``10.0.0.0/8``."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.rpartition(":")[0] if entry.count(":") == 1 else entry


def port_of(url: httpx.URL) -> int:
    """The port that is called."""
    return url.port if url.port is not None else 443 if url.scheme == "https" else 80


def canonical_host(url: httpx.URL) -> str:
    """The host in lower case, without brackets; an address in its one spelling.

    Raises ``httpx.InvalidURL`` for what is no host: who passes the request on, a proxy for one, may read another one in it.
    """
    host = url.raw_host.decode("ascii").strip("[]").removesuffix(".").lower()
    try:
        # One spelling per address: [0:0::1] and [::1] are the same host.
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    if host and (not _HOST.fullmatch(host) or not _is_readable(url)):
        raise httpx.InvalidURL(f"{host[:60]!r} is not a host")
    return host


def _is_readable(url: httpx.URL) -> bool:
    try:
        return bool(url.host)
    except UnicodeError:
        # It says that it is encoded (xn--), and it is not.
        return False
