"""The studio's end of the pipes to ``runstudio serve``."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from textual.drivers.web_driver import WebDriver

from runstudio_tui.app import StudioApp


class ServedDriver(WebDriver):
    """Draws into a browser, and ends the studio when the server is gone."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._write = self._write_while_read  # type: ignore[assignment] # the base class has a partial of os.write

    def _write_while_read(self, data: bytes) -> None:
        with suppress(BrokenPipeError):
            os.write(self.fileno, data)

    def run_input_thread(self) -> None:
        """See WebDriver. It comes back when there is nothing more to read."""
        super().run_input_thread()
        app = self._app
        if isinstance(app, StudioApp) and not self.exit_event.is_set():
            app.call_from_thread(app.terminal_gone)
