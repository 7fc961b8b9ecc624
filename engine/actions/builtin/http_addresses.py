"""Where a host is: its name is resolved once, every address is checked, and the call goes to one that was checked."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from typing import Final

from engine.errors import ACTION, TRANSIENT, StepFailure

HOST_UNKNOWN: Final = "HTTP_HOST_UNKNOWN"
ADDRESS_NOT_ALLOWED: Final = "HTTP_ADDRESS_NOT_ALLOWED"
UNREACHABLE: Final = "HTTP_UNREACHABLE"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""All that IPv6 has of the internet. What is outside may stand for an IPv4 address inside: ``::127.0.0.1``, 64:ff9b:1::/48."""
_RESERVED: Final = (
    ipaddress.IPv6Network("3fff::/20"),
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("192.88.99.0/24"),
)
"""Not on the internet either, which older tables do not know."""
_LOOPBACK_NAME: Final = "localhost"
_NO_SUCH_NAME: Final = frozenset(
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY") if hasattr(socket, name)
)
"""What a look-up says of the name. All else is about who looks it up: no answer, no file descriptor, no memory."""


async def resolved(host: str, port: int) -> Sequence[Address]:
    """The addresses of a host. Raises ``StepFailure``: HTTP_HOST_UNKNOWN, or HTTP_UNREACHABLE when nobody could be asked."""
    try:
        return (ipaddress.ip_address(host),)
    except ValueError:
        pass
    try:
        found = await _looked_up(host, port)
    except socket.gaierror as error:
        if error.errno not in _NO_SUCH_NAME:
            raise StepFailure(
                TRANSIENT, f"The name {host} cannot be looked up now: {error.strerror}.", code=UNREACHABLE
            ) from None
        raise _unknown(host) from None
    except UnicodeError:
        raise _unknown(host) from None
    return tuple(dict.fromkeys(map(ipaddress.ip_address, found)))


async def _looked_up(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def allowed_among(host: str, addresses: Iterable[Address], listed: Sequence[Network]) -> Sequence[Address]:
    """The addresses that may be called: those of the internet, and those in ``listed``. ``localhost`` may be this machine.

    Raises ``StepFailure`` (HTTP_ADDRESS_NOT_ALLOWED) when there is none.
    """
    found = tuple(addresses)
    allowed = tuple(one for one in found if _is_public(one) or _is_listed(host, one, listed))
    if not allowed:
        raise StepFailure(
            ACTION,
            f"{host} is at {', '.join(map(str, found[:3]))}, which is not on the internet but inside some network. If it is to be"
            " called, add the address, or its network as 10.0.0.0/8, to RUNSTUDIO_HTTP_ALLOWED_HOSTS of the workers.",
            code=ADDRESS_NOT_ALLOWED,
            details={"host": host, "addresses": [str(one) for one in found[:3]]},
        )
    return allowed


def _is_listed(host: str, address: Address, listed: Sequence[Network]) -> bool:
    within = _inner(address)
    local = host == _LOOPBACK_NAME or host.endswith(f".{_LOOPBACK_NAME}")
    return (local and within.is_loopback) or any(within in network or address in network for network in listed)


def _is_public(address: Address) -> bool:
    within = _inner(address)
    if isinstance(within, ipaddress.IPv6Address) and within not in _GLOBAL_UNICAST:
        return False
    return within.is_global and not within.is_multicast and not any(within in network for network in _RESERVED)


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)


def _unknown(host: str) -> StepFailure:
    return StepFailure(ACTION, f"There is no host {host}.", code=HOST_UNKNOWN, details={"host": host})
