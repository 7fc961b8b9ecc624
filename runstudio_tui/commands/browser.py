"""The web server of ``runstudio serve``: textual-serve's, behind a token, for one host name and one origin.

The token is the first part of every path. It is no cookie: the browser would send that to the other ports of 127.0.0.1 too.
"""

from __future__ import annotations

import hmac
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import aiohttp_jinja2
import jinja2
from aiohttp import web
from textual_serve.server import Server

_SECONDS_TO_END: Final = 5.0
_PAGE: Final = "browser.html"
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        # The terminal makes its style sheets itself.
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StudioServer(Server):
    """A studio, and a process for it, for each page that is opened."""

    def __init__(self, command: str, port: int, token: str) -> None:
        """``command`` is a line of the shell."""
        super().__init__(command, host="127.0.0.1", port=port, title="Run Studio", templates_path=Path(__file__).parent)
        self._token = token

    @property
    def address(self) -> str:
        """What to open."""
        return f"{self.public_url}/{self._token}/"

    def application(self) -> web.Application:
        """The routes, all of them behind the checks."""
        made = web.Application(middlewares=[self._check])
        aiohttp_jinja2.setup(made, loader=jinja2.FileSystemLoader(self.templates_path), autoescape=True)
        made.add_routes(
            [
                web.get(f"/{self._token}/", self._page, name="index"),
                web.get(f"/{self._token}/ws", self.handle_websocket, name="websocket"),
                web.static(f"/{self._token}/static", self.statics_path, name="static"),
            ]
        )
        made.on_response_prepare.append(_add_headers)
        return made

    async def _page(self, request: web.Request) -> web.StreamResponse:
        values = {
            "websocket": f"{self.public_url.replace('http', 'ws', 1)}{request.app.router['websocket'].url_for()}",
            "static": f"/{self._token}/static/",
        }
        return aiohttp_jinja2.render_template(_PAGE, request, values)

    @web.middleware
    async def _check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """403 for whoever has no token, another name for this machine (DNS rebinding), or comes from another page."""
        origin = request.headers.get("Origin")
        upgrade = "Upgrade" in request.headers
        allowed = (
            request.headers.get("Host") == f"127.0.0.1:{self.port}"
            and (origin == self.public_url if origin is not None or upgrade else True)
            and hmac.compare_digest(request.path.partition("/")[2].partition("/")[0].encode(), self._token.encode())
        )
        return await handler(request) if allowed else web.Response(status=403, text="403: not allowed\n")


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


def run_server(server: StudioServer, listening: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; what is open then is closed."""
    # Into the log file, if at all: the terminal has the address, and whatever a studio said that did not start.
    logging.getLogger("textual-serve").parent = logging.getLogger("runstudio_tui")
    web.run_app(server.application(), sock=listening, print=None, access_log=None, shutdown_timeout=_SECONDS_TO_END)
