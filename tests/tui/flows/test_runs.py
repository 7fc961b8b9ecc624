"""The runs list: what keys do, and what reaches the backend."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import Forbidden
from engine.records import Level, RunStatus
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.demo import demo_backend
from runstudio_tui.clock import ManualClock
from tests.tui.refusals import postgres_away


def last_query(backend: FakeBackend) -> Any:
    """The query of the last page asked for."""
    return backend.called("runs.list")[-1].arguments[0]


async def test_shows_runs_with_state_place_and_age(studio: Any) -> None:
    async with studio() as session:
        line = session.line("not picked up")
        assert line.startswith("▌▲ ● running")
        assert "order-fulfilment" in line
        assert "2m 14s" in line
        assert "push-line [17] in 1" in session.line("retry 3")
        assert "match-po: PO_NOT_FOUND" in session.line("✖ failed")
        assert "▲ 1 stuck" in session.line("● 2 running")
        assert session.line("Events").startswith(" Runs  Events  Tasks 3  Workflows  Attention 13  System")
        assert session.line("Events").endswith("✖ no worker  admin")


async def test_moves_and_opens_and_comes_back_to_the_same_run(studio: Any) -> None:
    async with studio() as session:
        await session.press("j", "j", "enter")
        assert "▸ stock-sync" in session.line("RUN STUDIO")
        await session.press("escape")
        assert session.line("▌").startswith("▌  ◔ retry 3")


async def test_the_cursor_follows_its_run_not_its_row(studio: Any) -> None:
    async with studio() as session:
        await session.press("j")
        assert "event carrier.picked_up" in session.line("▌")
        await session.pass_time(25)
        assert "event carrier.picked_up" in session.line("▌")
        assert "+ 1 new  (g top)" in session.note


async def test_new_runs_come_in_above_without_moving_the_view(studio: Any) -> None:
    async with studio() as session:
        await session.press("j")
        before = session.text.split("\n")[4]
        await session.pass_time(45)
        assert session.text.split("\n")[4][12:40] == before[12:40]
        assert "+ 2 new" in session.note
        await session.press("g")
        assert "+ 2 new" not in session.note
        assert "order-fulfilment" in session.line("▌")


async def test_following_shows_what_is_new_at_the_top(studio: Any) -> None:
    async with studio() as session:
        first = session.app.screen.store.id_at(0)
        await session.pass_time(25)
        assert session.app.screen.store.id_at(0) != first
        assert "new" not in session.note
        lines = session.text.split("\n")
        assert lines[5].startswith("▌▲")


async def test_filter_is_typed_applied_and_taken_back(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("slash")
        await session.type("status:failed")
        assert last_query(backend).statuses == frozenset()
        await session.pass_time(0.4)
        assert last_query(backend).statuses == {RunStatus.FAILED}
        await session.press("enter")
        assert "status:failed" in session.text.split("\n")[1]
        assert "9 of 153" in session.text.split("\n")[1]
        assert all("✖ failed" in text for text in session.text.split("\n")[4:21] if text.strip())
        await session.press("escape")
        assert "all runs" in session.text.split("\n")[1]
        assert last_query(backend).statuses == frozenset()


async def test_escape_out_of_the_input_restores_the_filter(studio: Any, backend: FakeBackend) -> None:
    async with studio(filter_text="wf:stock") as session:
        await session.press("slash")
        await session.type("status:failed")
        await session.pass_time(0.4)
        await session.press("escape")
        assert session.app.screen.store.filter.text == "wf:stock"
        assert last_query(backend).statuses == frozenset()


async def test_a_filter_that_is_not_understood_says_so(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("slash")
        await session.type("statsu:failed")
        asked = len(backend.called("runs.list"))
        await session.pass_time(0.4)
        assert len(backend.called("runs.list")) == asked
        await session.press("enter")
        assert "did you mean status:?" in session.text.split("\n")[1]
        assert session.app.screen.filter_editing
        assert len(backend.called("runs.list")) == asked
        assert last_query(backend).statuses == frozenset()


async def test_filter_completion(studio: Any) -> None:
    async with studio() as session:
        await session.press("slash")
        await session.type("sta")
        await session.press("right")
        await session.type("fa")
        await session.press("right", "enter")
        assert session.app.screen.store.filter.text == "status:failed"


async def test_single_keys_are_inert_while_typing(studio: Any) -> None:
    async with studio() as session:
        await session.press("slash")
        await session.type("cqnwym")
        assert session.app.screen.store.filter.text == ""
        assert type(session.app.screen).__name__ == "RunsScreen"


async def test_filtered_to_nothing(studio: Any) -> None:
    async with studio(filter_text="err:NOPE") as session:
        assert "No run matches this filter. esc clears it." in session.text
        await session.press("c")
        assert "cancel: there is no run here" in session.note


async def test_status_range_sort_and_workflow_step_through_the_filter(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("s")
        assert session.app.screen.store.filter.text == "status:running,waiting"
        await session.press("s", "t", "S")
        assert session.app.screen.store.filter.text == "status:failed since:1h sort:started:asc"
        await session.press("escape", "j", "W")
        assert last_query(backend).workflow == "order-fulfilment"
        await session.press("W")
        assert last_query(backend).workflow == ""


async def test_a_click_on_a_counter_sets_the_status(studio: Any) -> None:
    async with studio() as session:
        at = session.text.split("\n")[2].index("✖")
        await session.pilot.click("#counters", offset=(at, 0))
        await session.settle()
        assert session.app.screen.store.filter.text == "status:failed"
        await session.pilot.click("#counters", offset=(at, 0))
        await session.settle()
        assert session.app.screen.store.filter.text == ""


async def test_paging_loads_more_at_the_end(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        assert len(session.app.screen.store) <= 200
        await session.press("end")
        await session.until(lambda: not session.app.screen.store.more)
        assert len(session.app.screen.store) == 153
        assert "◇" in session.line("▌")


async def test_marks_survive_the_filter_and_are_counted(studio: Any) -> None:
    async with studio() as session:
        await session.press("space", "space")
        assert "2 marked" in session.note
        assert session.text.count("▪") == 2
        await session.press("s", "s")
        assert "2 marked (2 not in view)" in session.note
        await session.press("escape")
        assert "marked" not in session.note


async def test_span_and_all_marks(studio: Any) -> None:
    async with studio() as session:
        await session.press("space", "j", "j", "V")
        assert "4 marked" in session.note
        store = session.app.screen.store
        assert session.app.screen._list.marks == {store.id_at(place) for place in range(4)}
        await session.press("asterisk")
        marked = len(session.app.screen._list.marks)
        assert marked == len(session.app.screen.store)
        assert store.more
        assert f"marked: the {marked} loaded runs; there are more (G loads them, J: all that match)" in session.note
        await session.press("asterisk")
        assert "marked" not in session.note


async def test_copying_writes_the_whole_id(studio: Any) -> None:
    async with studio() as session:
        await session.press("y")
        assert session.written[0].startswith("\x1b]52;c;")
        assert "sent run id to the terminal (36 bytes)" in session.note
        await session.press("Y")
        assert "sent command to the terminal" in session.note


async def test_preview_follows_the_cursor_after_a_rest(studio: Any, backend: FakeBackend) -> None:
    backend.world._due.clear()  # no run that changes is read again meanwhile
    async with studio(size=(140, 36)) as session:
        await session.until(lambda: "why: No worker is polling" in session.text)
        asked = len(backend.called("runs.get"))
        await session.press("j", "j", "j")
        assert len(backend.called("runs.get")) == asked
        await session.pass_time(0.2)
        await session.until(lambda: "push-line" in session.text)
        assert len(backend.called("runs.get")) == asked + 1


async def test_s25_the_preview_stands_beside_a_list_that_keeps_its_columns(studio: Any) -> None:
    async with studio(size=(139, 36)) as session:
        assert "│" not in session.text
        assert all(title in session.line("WORKFLOW") for title in ("VER", "STARTED", "FOR", "RUN"))
        await session.resize(140, 36)
        assert all(title in session.line("WORKFLOW") for title in ("TRY", "STARTED", "FOR", "│"))
        await session.resize(200, 50)
        assert all(title in session.line("WORKFLOW") for title in ("VER", "TRY", "STARTED", "FOR", "RUN", "│"))


async def test_s25_preview_can_be_shown_and_hidden_and_needs_room(studio: Any) -> None:
    async with studio(size=(120, 36)) as session:
        await session.press("tab")
        assert "the preview is hidden: z shows it" in session.note
        await session.press("z")
        assert "│" in session.line("WORKFLOW")
        await session.resize(200, 50)
        await session.press("z")
        assert "│" not in session.text
    async with studio(size=(90, 24)) as session:
        await session.press("z")
        assert "this terminal has 90" in session.note


async def test_old_data_says_how_old_and_why(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        assert "old" not in session.note
        backend.fail_next("runs.list", postgres_away(), times=20)
        await session.pass_time(4)
        assert "old" not in session.note
        assert "○ not current" in session.text
        await session.pass_time(8)
        assert "data 12s old, retrying in" in session.note
        assert postgres_away().message in session.note
        await session.pass_time(1)
        assert "data 13s old" in session.note
        assert "order-fulfilment" in session.line("▌")
        backend.heal("runs.list")
        await session.press("ctrl+r", "down")
        assert "old" not in session.note
        assert "● live" in session.text


async def test_paused_by_hand_says_so_and_reads_nothing(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("P", "down")
        asked = len(backend.called("runs.list"))
        await session.pass_time(30)
        assert len(backend.called("runs.list")) == asked
        assert "paused" in session.note
        assert "‖ paused" in session.text
        await session.press("P")
        assert len(backend.called("runs.list")) == asked + 1


async def test_hidden_screens_read_nothing(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("enter")
        asked = len(backend.called("runs.list"))
        await session.pass_time(30)
        assert len(backend.called("runs.list")) == asked
        await session.press("escape")
        assert len(backend.called("runs.list")) == asked + 1


async def test_change_notices_bring_news_before_the_next_poll(studio: Any, backend: FakeBackend) -> None:
    async with studio(poll_seconds=60) as session:
        await session.pass_time(21)
        await session.pass_time(1.1)
        assert len(session.app.screen.store) >= 101


async def test_the_stuck_mark_appears_and_goes_by_itself(studio: Any) -> None:
    async with studio() as session:
        assert "▲" in session.line("not picked up")
        await session.pass_time(80)
        assert "not picked up" not in session.text


async def test_a_viewer_is_told_what_is_missing(studio: Any, backend: FakeBackend) -> None:
    backend.world.session = replace(backend.world.session, level=Level.READ)
    async with studio() as session:
        keys = session.text.split("\n")[-1]
        for key, word, level in (("c", "cancel", "admin"), ("r", "replay", "admin"), ("n", "start", "operate")):
            assert word not in keys
            await session.press(key)
            assert f"needs the {level} level; you have read" in session.note
            assert type(session.screen).__name__ == "RunsScreen"


async def test_the_cursor_stays_with_its_run_when_the_filter_changes(studio: Any) -> None:
    async with studio() as session:
        await session.press("down", "down", "down")
        run_id = session.screen.current.run_id
        assert session.screen.current.workflow_name == "stock-sync"
        await session.press("slash")
        await session.type("zzz")
        await session.pass_time(0.5)
        assert "No run matches" in session.text
        await session.press("escape")
        assert session.screen.current.run_id == run_id
        await session.press("W")
        assert session.screen.current.run_id == run_id
        await session.press("down")
        below = session.screen.current.run_id
        assert below != run_id
        await session.press("W")
        assert session.screen.current.run_id == below


async def test_what_is_new_is_not_counted_over_a_change_of_the_filter(studio: Any) -> None:
    async with studio() as session:
        await session.press("down")
        await session.pass_time(45)
        assert "new" in session.note
        await session.press("s")
        assert "new" not in session.note


async def test_a_read_only_session_shows_its_lock(studio: Any, backend: FakeBackend) -> None:
    async with studio(read_only=True) as session:
        assert "⚿ read-only" in session.line("Events")
        await session.press("c", "n")
        assert "needs the" in session.note
        runs = session.app.studio.backend.runs
        for call in (runs.cancel(session.screen.current.run_id, "a reason"), runs.start("order-fulfilment", {})):
            with pytest.raises(Forbidden):
                await call
        assert backend.called("runs.cancel") == backend.called("runs.start") == []


async def test_the_viewers_clock_does_not_matter(studio: Any, clock: ManualClock) -> None:
    async with studio(on=demo_backend(clock, skew=timedelta(hours=-5), past=10)) as session:
        assert "not picked up for 2m 14s" in session.text
        assert "05:41:07" in session.line("not picked up")


async def test_messages_are_kept(studio: Any) -> None:
    async with studio() as session:
        await session.press("y", "m")
        assert "sent run id to the terminal" in session.text
        await session.press("escape")
        assert type(session.app.screen).__name__ == "RunsScreen"


async def test_q_leaves(studio: Any, clock: ManualClock, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("q")
        assert session.app._exit
    assert backend.called("close")


async def test_reading_again_keeps_the_filter(studio: Any, backend: FakeBackend) -> None:
    async with studio(filter_text="status:failed since:24h") as session:
        before = last_query(backend)
        asked = len(backend.called("runs.list"))
        await session.press("ctrl+r")
        assert len(backend.called("runs.list")) > asked
        assert last_query(backend).statuses == before.statuses == {RunStatus.FAILED}
        assert "status:failed since:24h" in session.text.split("\n")[1]
