"""A Chromium without a window, driven over its DevTools protocol."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.not_run import needed
from tests.tui.serve.conftest import PATIENCE_SECONDS

# The terminal of the page is nowhere to be found by a script, so it is caught while it is made: its constructor sets this.
CATCH_TERMINAL = """
Object.defineProperty(Object.prototype, "bufferedBytes", {
  configurable: true,
  set(value) {
    window.theTerminal = this.terminal;
    Object.defineProperty(this, "bufferedBytes", {value, writable: true});
  },
});
"""
SCREEN = """
(() => {
  const buffer = window.theTerminal && window.theTerminal.buffer.active;
  if (!buffer) return [];
  return Array.from({length: window.theTerminal.rows}, (_, row) => buffer.getLine(row).translateToString(true));
})()
"""


class Page:
    """One page; its commands are those of the protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []

    async def command(self, method: str, **parameters: Any) -> Any:
        """Its result."""
        number = next(self._numbers)
        request = {"id": number, "method": method, "params": parameters}
        await self._socket.send_json(request if self._session is None else {**request, "sessionId": self._session})
        while True:
            message = await self._socket.receive_json(timeout=PATIENCE_SECONDS)
            if message.get("id") == number:
                assert "error" not in message, (method, message)
                return message["result"]
            self.events.append(message)

    async def open(self, address: str) -> None:
        """Open an address in a window of 1000x600 points."""
        target = await self.command("Target.createTarget", url="about:blank", width=1000, height=600)
        self._session = (await self.command("Target.attachToTarget", targetId=target["targetId"], flatten=True))[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.command(f"{domain}.enable")
        await self.command("Page.addScriptToEvaluateOnNewDocument", source=CATCH_TERMINAL)
        await self.command("Page.navigate", url=address)

    async def value(self, expression: str) -> Any:
        """What an expression gives."""
        answer = await self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return answer["result"].get("value")

    async def screen(self) -> list[str]:
        """What the terminal of the page shows."""
        return list(await self.value(SCREEN))

    async def until(self, shown: Callable[[list[str]], bool]) -> list[str]:
        """The screen once it is as it must become."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not shown(screen := await self.screen()):
            assert time.monotonic() < end, (screen, self.complaints())
        return screen

    async def press(self, key: str) -> None:
        """Press a key that prints a sign."""
        await self.command("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)
        await self.command("Input.dispatchKeyEvent", type="keyUp", key=key)

    def complaints(self) -> list[str]:
        """What the browser refused or failed to do."""
        told = {"Log.entryAdded", "Runtime.exceptionThrown", "Network.loadingFailed"}
        return [json.dumps(event["params"]) for event in self.events if event.get("method") in told]


@asynccontextmanager
async def chromium(directory: Path) -> AsyncIterator[Page]:
    """A page of a browser that knows nothing."""
    process, address = await asyncio.to_thread(_start, directory)
    try:
        async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
            yield Page(socket)
    finally:
        # Its helpers too.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE_SECONDS)


def _start(directory: Path) -> tuple[subprocess.Popen[str], str]:
    """A browser, and where it takes commands."""
    (program,) = needed("chromium")
    process = subprocess.Popen(
        [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--disable-dev-shm-usage",
            "--no-first-run", "--remote-debugging-port=0", f"--user-data-dir={directory}", "about:blank",
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(directory)}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    told = ""
    for line in process.stderr:
        told += line
        if found := re.match(r"DevTools listening on (ws://\S+)", line):
            return process, found[1]
    raise AssertionError(f"the browser did not start: {told}")
