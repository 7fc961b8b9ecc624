"""Canceling from the list and from a run: who is asked, what is sent, what is told."""

from __future__ import annotations

from typing import Any

from textual import events

from engine.records import RunStatus
from runstudio_tui.backend.fake import FakeBackend
from tests.tui.refusals import postgres_away, temporal_away


def sent(backend: FakeBackend) -> list[tuple[str, str]]:
    """Run id and reason of each cancel so far."""
    return [(run_id, reason) for run_id, reason in (call.arguments for call in backend.called("runs.cancel"))]


async def test_what_was_skipped_is_not_called_canceled(studio: Any) -> None:
    async with studio(filter_text="wf:invoice") as session:
        await session.press("space", "space", "c")
        await session.type("wrong price list")
        await session.press("ctrl+s", "escape")
        assert "cancel: 1 canceled, 1 skipped" in session.note


async def test_one_run_with_a_reason(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        run = session.screen.current
        await session.press("c")
        assert "Cancel 1 run" in session.text
        assert "order-fulfilment" in session.text
        assert "a reason of at least 3 characters is needed" in session.said
        await session.type("wrong price list")
        await session.press("ctrl+s")
        assert sent(backend) == [(run.run_id, "wrong price list")]
        assert "canceled" in session.text
        assert "done" in session.said
        await session.press("escape")
        assert "⊘ canceled" in session.line("⊘ canceled")
        assert "cancel: 1 canceled" in session.note


async def test_without_a_reason_nothing_is_sent(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("c", "ctrl+s")
        assert "a reason" in session.said
        await session.type("a  ")
        await session.press("ctrl+s")
        assert sent(backend) == []


async def test_enter_in_the_reason_never_confirms(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("c")
        await session.type("a good reason")
        await session.press("enter")
        assert sent(backend) == []
        assert session.app.focused.id == "keep"
        await session.press("enter")
        assert sent(backend) == []
        assert type(session.screen).__name__ == "RunsScreen"


async def test_the_button_confirms(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("c")
        await session.type("a good reason")
        await session.press("tab", "tab", "enter")
        assert len(sent(backend)) == 1


async def test_escape_asks_before_a_typed_reason_is_lost(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("c")
        await session.type("abc")
        await session.press("escape")
        assert "esc again discards the reason" in session.said
        await session.press("escape")
        assert type(session.screen).__name__ == "RunsScreen"
        await session.press("c", "escape")
        assert type(session.screen).__name__ == "RunsScreen"
        assert sent(backend) == []


async def test_many_each_with_its_result(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        for _ in range(6):
            await session.press("space")
        await session.press("c")
        assert "Cancel 6 runs" in session.text
        assert (
            "skipped: already finished" in session.line("invoice-intake") or "skipped: already finished" in session.text
        )
        backend.fail_next("runs.cancel", temporal_away())
        await session.type("wrong price list")
        await session.press("ctrl+s")
        assert len(sent(backend)) == 5
        assert session.text.count("  canceled") == 4
        assert "failed: Temporal could not cancel the run" in session.text
        assert "Repeat 1 failed" in session.text
        await session.press("ctrl+y")
        assert "to the terminal" in session.said
        await session.press("ctrl+s")
        assert len(sent(backend)) == 6
        assert session.text.count("  canceled") == 5
        await session.press("escape")
        assert "marked" not in session.note


async def test_targets_are_those_marked_when_it_was_opened(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("j", "space", "c")
        target = sorted(session.app.screen_stack[-2]._list.marks)
        await session.pass_time(45)
        await session.type("reason")
        await session.press("ctrl+s")
        assert [run_id for run_id, _ in sent(backend)] == target


async def test_what_finished_meanwhile_is_skipped(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        run = session.screen.current
        await session.press("c")
        backend.world.runs[run.run_id].finish(backend.world.now(), RunStatus.SUCCEEDED)
        await session.type("reason")
        await session.press("ctrl+s")
        assert sent(backend) == []
        assert "skipped: already finished" in session.text


async def test_more_than_twenty_need_their_number_typed(studio: Any, backend: FakeBackend) -> None:
    for run in list(backend.world.runs.values())[:30]:
        run.change(backend.world.now(), status=RunStatus.RUNNING)
    async with studio(filter_text="status:running sort:started:asc") as session:
        await session.press("asterisk", "c")
        number = len(session.screen._flow.eligible)
        assert number > 20
        assert f"Type {number} to confirm" in session.text
        await session.type("reason")
        await session.press("ctrl+s")
        assert f"type {number} to confirm that many" in session.said
        assert sent(backend) == []
        await session.press("tab")
        await session.type(str(number))
        await session.press("ctrl+s")
        await session.until(lambda: len(sent(backend)) == number)


async def test_marks_that_left_the_list_are_left_alone_and_said(studio: Any, backend: FakeBackend) -> None:
    async with studio(filter_text="status:running") as session:
        await session.press("space")
        await session.press("space")
        gone = session.screen.store.id_at(0)
        backend.world.runs[gone].finish(backend.world.now(), RunStatus.SUCCEEDED)
        await session.press("ctrl+r")
        await session.press("c")
        assert "1 marked run is not in the list any more" in session.text


async def test_when_nothing_was_sent_it_says_so(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        backend.fail_next("runs.rows", postgres_away())
        await session.press("c")
        await session.type("reason")
        await session.press("ctrl+s")
        assert f"nothing was sent: {postgres_away().message}" in session.said
        await session.press("ctrl+s")
        assert len(sent(backend)) == 1


async def test_while_it_runs_it_cannot_be_closed_or_sent_twice(studio: Any, backend: FakeBackend) -> None:
    gate = backend.hold("runs.cancel")
    async with studio() as session:
        await session.press("c")
        await session.type("reason")
        await session.press("ctrl+s", "ctrl+s", "escape")
        assert "wait" in session.said
        assert len(sent(backend)) == 1
        gate.set()
        await session.until(lambda: "done" in session.said)
        await session.press("escape")
        assert type(session.screen).__name__ == "RunsScreen"


async def test_from_the_run_screen(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("enter", "c")
        await session.type("not needed")
        await session.press("ctrl+s", "escape")
        assert "⊘ canceled" in session.text.split("\n")[1]
        await session.press("c")
        assert "this run is over: canceled" in session.note


async def test_a_reason_that_does_not_fit_is_told_and_kept_as_far_as_it_does(studio: Any) -> None:
    """A page of a ticket, pasted: it was dropped as a whole and without a word."""
    async with studio(size=(120, 36)) as session:
        await session.press("c")
        session.app.focused.post_message(events.Paste("carrier out of business\n" * 40))
        await session.settle()
        field = session.app.focused
        assert field.value.startswith("carrier out of business carrier out")
        assert len(field.value) == field.max_length
        told = f"{field.max_length} characters fit here"
        assert session.said.startswith(told)
        await session.press("backspace")
        assert told not in session.said
        await session.press("x", "y")
        assert session.said.startswith(told)
        assert field.value.endswith("x")
