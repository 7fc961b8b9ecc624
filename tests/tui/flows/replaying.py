"""The world about replays, and what every test of replaying does in it."""

from __future__ import annotations

from typing import Any

import pytest

from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.refunds import refunds_backend
from runstudio_tui.clock import ManualClock
from runstudio_tui.domain.jsonview import pretty
from runstudio_tui.widgets.json_editor import JsonEditor


@pytest.fixture
def refunds(clock: ManualClock) -> FakeBackend:
    """The world about replays."""
    return refunds_backend(clock)


@pytest.fixture
def runs(refunds: FakeBackend) -> dict[str, str]:
    """Its runs by what they are there for."""
    return dict(zip(("failed", "stuck", "succeeded", "without input", "old"), refunds.world.runs, strict=True))


def sent(backend: FakeBackend) -> list[tuple[Any, ...]]:
    """The replays that reached the backend: run, reason, input, version, key."""
    return [call.arguments for call in backend.called("runs.replay")]


async def opened(session: Any, *, reason: str = "mail is back") -> Any:
    """Open the dialog on the run under the cursor and say why."""
    await session.press("r")
    await session.until(lambda: "loading" not in session.text)
    if reason:
        await session.type(reason)
    return session.screen


async def edit(session: Any, value: Any) -> None:
    """Put another text into the editor, as pasting would; a value is written as JSON."""
    session.screen.query_one(JsonEditor).text = value if isinstance(value, str) else pretty(value)
    await session.settle()


def title(session: Any) -> str:
    """What the frame of the dialog says above."""
    return str(session.screen.query_one("#frame").border_title)
