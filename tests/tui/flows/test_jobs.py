"""Jobs and messages of alerts: seen in Attention and System, and held up where they are seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from engine.records import AlertMessage, Job, JobKind, JobState, Level, MessageState
from runstudio_tui.backend.fake import FakeBackend

ESCAPE = "\x1b[2J"


def job(backend: FakeBackend, **changes: Any) -> Job:
    """A job that something keeps."""
    now = backend.world.now()
    known: dict[str, Any] = {
        "job_id": "job-1", "kind": JobKind.REPLAY, "filter_text": f"status:failed{ESCAPE}", "frozen_at": now,
        "reason": "again", "actor": "ada", "actor_level": "admin", "state": JobState.RUNNING, "filled": True,
        "total": 1200, "done": 300, "skipped": 10, "failed": 2, "trouble": "Temporal does not answer.",
        "claimed_by": None, "created_at": now - timedelta(minutes=3), "updated_at": now, "completed_at": None,
    }  # fmt: skip
    made = Job(**{**known, **changes})
    backend.world.jobs[made.job_id] = made
    return made


async def test_a_job_is_seen_and_held_up_and_goes_on(studio: Any, backend: FakeBackend) -> None:
    now = backend.world.now()
    job(backend)
    backend.world.messages = (
        AlertMessage("m-1", "night", "orders:", MessageState.FAILED, 12, now, "The receiver answered 500.", now, now),
    )
    async with studio(size=(120, 60)) as session:
        await session.press("5")
        assert "It does not go on: Temporal does not answer." in session.text
        assert "It was not taken after 12 attempts: The receiver answered 500." in session.text
        await session.press("6")
        assert "312 of 1,200, 2 failed" in session.text
        assert "\x1b" not in session.text
        assert "Alerts that were not taken" in session.text
        session.screen.lines.move_to("job:job-1")
        await session.press("h")
        assert backend.world.jobs["job-1"].state is JobState.PAUSED
        assert "paused" in session.text
        await session.press("h")
        assert backend.world.jobs["job-1"].state is JobState.QUEUED


async def test_nobody_holds_up_what_they_may_not_or_what_has_ended(studio: Any, backend: FakeBackend) -> None:
    job(backend, state=JobState.DONE)
    async with studio(size=(120, 60)) as session:
        await session.press("6")
        session.screen.lines.move_to("job:job-1")
        await session.press("h")
    job(backend)
    backend.world.session = replace(backend.world.session, level=Level.OPERATE)
    async with studio(size=(120, 60)) as session:
        await session.press("6")
        session.screen.lines.move_to("job:job-1")
        await session.press("h")
    assert backend.called("jobs.pause") == []
