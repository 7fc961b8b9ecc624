"""Whether anybody answers at an address, before the SDK is let at it: it waits for half a minute for a server that stands still,
and such a wait cannot be cut short (a process that ends meanwhile says so in words of the SDK's own).
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""How a client of HTTP/2 begins, with no settings of its own."""


async def is_silent(target: str, *, tls: bool, server_name: str | None = None, seconds: float) -> bool:
    """Whether the server at ``target`` (``host:port``) takes a connection and says nothing on it for so long.

    A refused connection, a name that is not known or a certificate that does not fit is an answer: the SDK says which. No secret
    is sent.
    """
    host, _, port = target.rpartition(":")
    if not host or not port.isdigit():
        return False
    options: dict[str, Any] = {"ssl": _any_certificate(), "server_hostname": server_name or host} if tls else {}
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), **options)
            try:
                writer.write(_PREFACE)
                await reader.read(1)
            finally:
                writer.transport.abort()
    except TimeoutError:
        return True
    except (OSError, ValueError, OverflowError):
        return False
    return False


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context
