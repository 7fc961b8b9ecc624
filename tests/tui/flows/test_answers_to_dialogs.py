"""An answer goes to the dialog that asked, whatever lies over it; and nothing opens over a dialog by itself."""

from __future__ import annotations

from typing import Any

from runstudio_tui.backend.fake import FakeBackend
from tests.tui.flows.test_start import to_editor
from tests.tui.refusals import postgres_away


async def squeeze(session: Any) -> None:
    """Make the terminal too small for anything."""
    await session.resize(50, 10)
    await session.settle()
    assert "Run Studio needs 60x15" in " ".join(session.text.split())


async def widen(session: Any) -> None:
    await session.resize(80, 24)
    await session.settle()


async def test_s9_a_start_that_ends_while_the_terminal_is_too_small(studio: Any, backend: FakeBackend) -> None:
    gate = backend.hold("runs.start")
    async with studio() as session:
        await to_editor(session)
        await session.press("ctrl+s")
        assert "[ Starting… ]" in session.text
        await squeeze(session)
        gate.set()
        await session.settle()
        assert "Run Studio needs 60x15" in " ".join(session.text.split())
        await widen(session)
        await session.until(lambda: type(session.screen).__name__ == "RunScreen")
        assert "started" in session.note


async def test_s9_a_start_that_fails_meanwhile_leaves_its_dialog_with_the_refusal(
    studio: Any, backend: FakeBackend
) -> None:
    gate = backend.hold("runs.start")
    backend.fail_next("runs.start", postgres_away())
    async with studio() as session:
        await to_editor(session)
        await session.press("ctrl+s")
        await squeeze(session)
        gate.set()
        await session.settle()
        await widen(session)
        assert postgres_away().message in session.said
        assert "[ Start ]" in session.text
        await session.press("escape", "escape")
        assert type(session.screen).__name__ == "RunsScreen"


async def test_a_cancel_that_ends_while_the_terminal_is_too_small(studio: Any, backend: FakeBackend) -> None:
    gate = backend.hold("runs.cancel")
    async with studio() as session:
        await session.press("c")
        await session.type("wrong price list")
        await session.press("ctrl+s")
        await squeeze(session)
        gate.set()
        await session.settle()
        await widen(session)
        assert "canceled" in session.text
        await session.press("escape")
        assert "cancel: 1 canceled" in session.note


async def test_s9_a_late_diagnosis_fills_the_dialog_that_asked_and_opens_none(
    studio: Any, backend: FakeBackend
) -> None:
    gate = backend.hold("runs.why")
    async with studio() as session:
        await session.press("w")
        assert "asking Temporal…" in session.text
        await session.press("escape", "c")
        assert "Cancel 1 run" in session.text
        gate.set()
        await session.pass_time(30)
        assert "Cancel 1 run" in session.text
        assert len(session.app.screen_stack) == 2
