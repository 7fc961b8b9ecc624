"""The studio as a browser shows it."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from tests.tui.serve.chromium import chromium
from tests.tui.serve.conftest import Served


def cursor_line(screen: list[str]) -> int:
    """Which line has the cursor of the list; -1 for none."""
    return next((number for number, line in enumerate(screen) if line.startswith("▌")), -1)


async def test_a_browser_shows_the_runs_and_takes_keys(served: Served, tmp_path: Path) -> None:
    async with chromium(tmp_path / "chromium") as page:
        await page.open(served.address)
        screen = await page.until(lambda screen: cursor_line(screen) > 0 and "Runs" in screen[0])
        assert "order-fulfilment" in screen[cursor_line(screen)]
        await page.value("window.theTerminal.focus()")
        await page.press("j")
        await page.until(lambda moved: cursor_line(moved) == cursor_line(screen) + 1)
        await page.press("?")
        await page.until(lambda screen: any("─ Help ─" in line for line in screen))
        assert await page.value("document.title") == "Run Studio"
        # Something is drawn, and nothing was refused by the page's own policy.
        picture = base64.b64decode((await page.command("Page.captureScreenshot"))["data"])
        assert len(picture) > 5_000
        assert page.complaints() == []


async def test_a_copy_is_on_the_clipboard_of_the_browser(served: Served, tmp_path: Path) -> None:
    async with chromium(tmp_path / "chromium") as page:
        await page.command("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
        await page.open(served.address)
        await page.until(lambda screen: cursor_line(screen) > 0)
        await page.value("window.theTerminal.focus()")
        await page.press("y")
        await page.until(lambda screen: any("sent run id to the terminal" in line for line in screen))
        assert re.fullmatch(r"[0-9a-f-]{36}", await page.value("navigator.clipboard.readText()"))
