"""Replaying several marked runs: each as it was, each settled on its own."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import EngineError, Unavailable
from engine.records import Original
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.fake.run import new_run
from runstudio_tui.backend.worlds.refunds import MASKED, PAYLOAD, REFUND, refunds_backend
from runstudio_tui.clock import ManualClock

REASON = "mail is back"


@pytest.fixture
def refunds(clock: ManualClock) -> FakeBackend:
    """The world about replays."""
    return refunds_backend(clock)


def sent(backend: FakeBackend) -> list[tuple[Any, ...]]:
    """The replays that reached the backend: run, reason, input, version, key."""
    return [call.arguments for call in backend.called("runs.replay")]


async def test_every_marked_run_is_replayed_as_it_was(studio: Any, refunds: FakeBackend) -> None:
    marked = list(refunds.world.runs)[:3]
    async with studio(on=refunds) as session:
        await session.press("space", "space", "space", "r")
        assert "Replay 3 runs" in session.text
        assert "in its version and with its original input" in session.text
        await session.press("ctrl+s")
        assert sent(refunds) == []
        assert "a reason of at least 3 characters is needed" in session.said
        await session.type(REASON)
        await session.press("ctrl+s")
        await session.until(lambda: session.said == "done")
        assert [(run, reason, given, version) for run, reason, given, version, _ in sent(refunds)] == [
            (run, REASON, Original(), None) for run in marked
        ]
        assert len({key for *_, key in sent(refunds)}) == 3
        assert session.text.count("replayed as 019bc1") == 3
        new = [run for run in refunds.world.runs.values() if run.row.replay_of]
        assert [run.row.replay_of for run in new] == marked
        await session.press("escape")
        assert "replay: 3 replayed" in session.note
        assert "marked" not in session.text


async def test_what_is_copied_has_whole_ids(studio: Any, refunds: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    async with studio(on=refunds) as session:
        monkeypatch.setattr(session.app.clipboard_out, "copy", lambda text, what: copied.append(text) or _Copied())
        await session.press("space", "space", "r")
        await session.type(REASON)
        await session.press("ctrl+s")
        await session.until(lambda: session.said == "done")
        await session.press("ctrl+y")
        new = {run.row.replay_of: run.row.run_id for run in refunds.world.runs.values() if run.row.replay_of}
        assert copied == ["\n".join(f"{source}  {REFUND}  replayed as {made}" for source, made in new.items())]


class _Copied:
    text = "copied"
    failed = False


async def test_each_is_settled_on_its_own(studio: Any, refunds: FakeBackend) -> None:
    runs = list(refunds.world.runs)
    async with studio(on=refunds, size=(120, 36)) as session:
        await session.press("asterisk", "r")
        await session.type(REASON)
        refunds.fail_next("runs.replay", Unavailable("TEMPORAL", "Temporal cannot be reached."))
        await session.press("ctrl+s")
        await session.until(lambda: "Repeat 1 failed" in session.text)
        assert "failed: Temporal cannot be reached." in session.text
        assert "skipped: its input was never stored" in session.text
        assert session.text.count("replayed as") == 3
        await session.press("ctrl+s")
        await session.until(lambda: session.said == "done")
        assert session.text.count("replayed as") == 4
        again = [call for call in sent(refunds) if call[0] == runs[0]]
        assert len(again) == 2
        assert again[0] == again[1]
        await session.press("escape")
        assert "replay: 4 replayed, 1 skipped" in session.note


async def test_after_a_refusal_there_is_another_key(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds) as session:
        await session.press("space", "space", "r")
        await session.type(REASON)
        refunds.fail_next("runs.replay", EngineError("LAUNCH_REFUSED", "Temporal said no."))
        await session.press("ctrl+s")
        await session.until(lambda: "Repeat 1 failed" in session.text)
        await session.press("ctrl+s")
        await session.until(lambda: session.said == "done")
        first, _, again = sent(refunds)
        assert first[0] == again[0]
        assert first[4] != again[4]


async def test_one_marked_run_is_replayed_with_its_own_dialog(studio: Any, refunds: FakeBackend) -> None:
    marked = next(iter(refunds.world.runs))
    async with studio(on=refunds) as session:
        await session.press("space", "down", "r")
        await session.until(lambda: "loading" not in session.text)
        assert type(session.screen).__name__ == "ReplayDialog"
        await session.type(REASON)
        await session.press("ctrl+s")
        assert [call[0] for call in sent(refunds)] == [marked]


async def test_more_than_a_thousand_are_refused_before_anything_is_sent(
    studio: Any, refunds: FakeBackend, clock: ManualClock
) -> None:
    world = refunds.world
    for number in range(1_000):
        run = new_run(f"run-{number:04d}", REFUND, 3, world.now(), PAYLOAD, masked=MASKED)
        world.runs[run.row.run_id] = run
    async with studio(on=refunds, size=(120, 36)) as session:
        for _ in range(25):
            await session.press("end")
            await session.pass_time(0.1)
        await session.press("asterisk", "r")
        assert "Replay 1,005 runs" in session.text
        await session.type(REASON)
        await session.press("ctrl+s")
        assert "1,005 runs; 1,000 at a time are allowed" in session.said
        assert sent(refunds) == []
