"""Jobs and messages of alerts: seen in Attention and System, and held up where they are seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.records import AlertMessage, Job, JobKind, JobState, Level, MessageState, RunFilter, RunStatus
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.domain.filter_text import parse_filter
from tests.tui.refusals import postgres_away

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


async def test_all_that_match_are_canceled_by_a_job(studio: Any, backend: FakeBackend) -> None:
    async with studio(filter_text="status:waiting") as session:
        matching = len(backend.world.select(parse_filter("status:waiting").query))
        await session.press("J")
        assert f"All that match: {matching} runs" in session.text
        assert "status:waiting" in session.text
        assert "is canceled, with its children" in session.text
        await session.press("ctrl+s")
        assert "a reason of at least 3 characters is needed" in session.said
        await session.press("tab")
        await session.type("the carrier went out of business")
        await session.press("ctrl+s")
        assert f"type {matching} to confirm that many" in session.said
        assert backend.called("jobs.submit") == []
        await session.press("tab")
        await session.type(str(matching))
        backend.fail_next("jobs.submit", postgres_away())
        await session.press("ctrl+s")
        assert "Postgres" in session.text
        await session.press("ctrl+s")
        assert f"job: cancel of {matching} runs submitted" in session.note
        first, second = (call.arguments for call in backend.called("jobs.submit"))
        assert first == second, "what is sent again is the same job"
        kind, wanted, reason, text, key = second
        assert (kind, reason, text) == (JobKind.CANCEL, "the carrier went out of business", "status:waiting")
        assert (wanted.statuses, bool(key)) == (frozenset({RunStatus.WAITING}), True)
        await session.press("6")
        await session.pass_time(6)
        assert "cancel     0 of 0+" in session.text


async def test_another_thing_is_chosen_and_an_export_asks_for_no_number(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("J", "right", "right")
        assert "runstudio jobs download JOB" in session.text
        assert "to confirm" not in session.text
        await session.press("tab")
        await session.type("for the auditors")
        await session.press("escape")
        assert "esc again discards the reason" in session.said
        await session.type("!")
        await session.press("ctrl+s")
        [sent] = backend.called("jobs.submit")
        assert sent.arguments[:4] == (JobKind.EXPORT, RunFilter(), "for the auditors!", "")


async def test_a_relative_time_is_frozen_when_it_is_asked(studio: Any, backend: FakeBackend) -> None:
    async with studio(filter_text="since:1h") as session:
        opened = backend.world.now()
        await session.press("J", "right", "right", "tab")
        await session.type("for the auditors")
        await session.pass_time(120)
        await session.press("ctrl+s")
        [sent] = backend.called("jobs.submit")
        assert opened - sent.arguments[1].started_from == timedelta(hours=1)


@pytest.mark.parametrize("level", [Level.READ, Level.OPERATE])
async def test_below_admin_no_job_is_offered(studio: Any, backend: FakeBackend, level: Level) -> None:
    backend.world.session = replace(backend.world.session, level=level)
    async with studio() as session:
        await session.press("J")
        assert "needs the admin level" in session.note


async def test_all_dead_deliveries_are_a_job_when_more_than_are_loaded(studio: Any, backend: FakeBackend) -> None:
    detail = backend.world.events["bank-18"]
    for number in range(150):
        row = replace(detail.row, event_id=f"many-{number}")
        sent = replace(detail.deliveries[0], delivery_id=f"many-{number:03}", event_id=row.event_id)
        backend.world.events[row.event_id] = replace(detail, row=row, deliveries=(sent,))
    async with studio() as session:
        await session.press("2", "D", "slash")
        await session.type("status:failed")
        await session.press("enter")
        await session.pass_time(1)
        await session.press("R")
        assert "All that match: 100+ deliveries" in session.text
        await session.type("the partner is back")
        await session.press("tab")
        await session.type("100")
        await session.press("ctrl+s")
        [sent] = backend.called("jobs.submit")
        assert sent.arguments[:4] == (JobKind.REDELIVER, "failed", "the partner is back", "status:failed")
        assert "job: redeliver of 151 deliveries submitted" in session.note


async def test_a_job_is_ended_after_asking(studio: Any, backend: FakeBackend) -> None:
    job(backend)
    async with studio(size=(120, 60)) as session:
        await session.press("6")
        session.screen.lines.move_to("job:job-1")
        await session.press("c")
        assert "What is done stays done." in session.text
        await session.press("escape")
        assert backend.world.jobs["job-1"].state is JobState.RUNNING
        await session.press("c", "ctrl+s")
        assert backend.world.jobs["job-1"].state is JobState.CANCELED
        assert "ended; 888 left undone" in session.text
        await session.press("escape")
        assert "job: 1 ended" in session.note
        session.screen.lines.move_to("job:job-1")
        await session.press("c")
        assert "the job has ended" in session.note


async def test_enter_shows_all_of_a_job_and_of_a_line_that_is_cut(studio: Any, backend: FakeBackend) -> None:
    job(backend, kind=JobKind.EXPORT)
    async with studio() as session:
        await session.press("6")
        assert session.screen.lines.move_to("job:job-1")
        await session.settle()
        assert "h hold" in session.text, "the keys are those of what is under the cursor, at once"
        await session.press("enter")
        for told in ("export running, by ada: again", "300 done, 10 skipped, 2 failed, 888 left of 1,200"):
            assert told in session.text
        assert "Temporal does not answer." in session.text
        assert "runstudio jobs download job-1 -o FILE" in session.text
        assert "\x1b" not in session.text
        await session.press("escape", "down", "h")
        assert backend.world.jobs["job-1"].state is JobState.PAUSED, "what keeps it is a line of it"
        await session.press("home")
        assert "enter open" not in session.text


async def test_a_job_of_all_deliveries_is_not_called_one_of_runs(studio: Any, backend: FakeBackend) -> None:
    job(backend, kind=JobKind.REDELIVER, filter_text="")
    async with studio(size=(120, 60)) as session:
        await session.press("6")
        assert "all deliveries" in session.text
