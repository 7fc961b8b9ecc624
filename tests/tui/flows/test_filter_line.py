"""Typing a filter: completing, pasting, leaving, and what is not understood."""

from __future__ import annotations

from typing import Any

import pytest
from textual import events

from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.demo import demo_backend
from runstudio_tui.clock import ManualClock
from runstudio_tui.widgets.filter_bar import FilterBar, LineInput


def typed(session: Any) -> str:
    return str(session.screen.query_one(FilterBar).text)


async def paste(session: Any, text: str) -> None:
    session.app.focused.post_message(events.Paste(text))
    await session.settle()


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (160, 40)])
async def test_s19_tab_completes_and_goes_on_to_the_next_that_fits(studio: Any, size: tuple[int, int]) -> None:
    async with studio(size=size) as session:
        await session.press("slash")
        await session.type("s")
        await session.press("tab")
        assert typed(session) == "status:"
        await session.press("tab", "tab")
        assert typed(session) == "sort:"
        await session.press("tab")
        assert typed(session) == "status:"
        await session.type("fa")
        await session.press("tab")
        assert typed(session) == "status:failed"
        assert session.screen.filter_editing
        assert isinstance(session.app.focused, LineInput)
        await session.press("enter")
        assert session.screen.filter_text() == "status:failed"


async def test_tab_completes_on_every_list(studio: Any) -> None:
    async with studio(size=(160, 40)) as session:
        for key in ("2", "3", "4"):
            await session.press(key, "slash", "tab")
            assert typed(session).endswith(":"), key
            await session.press("escape")


async def test_s19_several_pasted_lines_become_one(studio: Any) -> None:
    async with studio() as session:
        await session.press("slash")
        await paste(session, "status:failed\nwf:invoice\n")
        await session.press("enter")
        assert session.screen.filter_text() == "status:failed wf:invoice"


async def test_a_click_on_the_list_leaves_no_open_input_behind(studio: Any) -> None:
    async with studio() as session:
        await session.press("slash")
        await session.type("status:failed")
        await session.pilot.click("#runs", offset=(5, 3))
        await session.settle()
        assert not session.screen.filter_editing
        assert session.screen.filter_text() == "status:failed"
        assert session.screen._list.has_focus


async def test_s3_a_word_that_is_not_understood_is_marked_where_it_stands(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("slash")
        await session.type("wf:invoice status:faild")
        await session.press("enter")
        assert "did you mean failed?" in session.text
        field = session.app.focused
        assert field.value[slice(*sorted(field.selection))] == "status:faild"
        assert all(call.arguments[0].workflow == "" for call in backend.called("runs.list"))
        await session.press("escape", "asterisk", "c")
        assert "Cancel 100 runs" in session.text, "every run was marked knowingly: the filter was never applied"


async def test_a_filter_from_outside_that_is_not_understood_is_not_applied(studio: Any, backend: FakeBackend) -> None:
    async with studio(filter_text="status:faild") as session:
        assert session.screen.filter_editing
        assert "did you mean failed?" in session.text
        assert all(not call.arguments[0].statuses for call in backend.called("runs.list"))
        await session.press("escape", "colon")
        await session.type("filter status:faild")
        await session.press("enter")
        assert session.screen.filter_editing
        assert "did you mean failed?" in session.text


async def test_s19_the_first_sort_shows(studio: Any) -> None:
    async with studio() as session:
        await session.press("S")
        assert "sort:started:asc" in session.text.split("\n")[1]
        await session.press("S", "S")
        assert "sort:updated" in session.text.split("\n")[1]
        await session.press("S")
        assert "sort" not in session.text.split("\n")[1]


async def test_s19_marking_all_says_that_it_means_the_loaded_ones(studio: Any, clock: ManualClock) -> None:
    async with studio(on=demo_backend(clock, past=250)) as session:
        await session.press("asterisk")
        assert "marked: the 100 loaded runs; there are more (G loads them, J: all that match)" in session.note
        await session.press("escape", "end")
        await session.until(lambda: not session.screen.store.more)
        await session.press("asterisk")
        assert "there are more" not in session.note


async def test_s28_a_pasted_run_id_opens_the_run(studio: Any, backend: FakeBackend) -> None:
    run_id = list(backend.world.runs)[7]
    async with studio() as session:
        await session.press("slash")
        await paste(session, f"  {run_id}\n")
        await session.press("enter")
        assert type(session.screen).__name__ == "RunScreen"
        assert session.screen.run_id == run_id
        await session.press("escape")
        assert session.screen.filter_text() == ""


async def test_s28_a_part_of_an_id_and_a_key_find_their_runs(studio: Any, backend: FakeBackend) -> None:
    run_id = list(backend.world.runs)[7]
    async with studio() as session:
        await session.press("slash")
        await paste(session, run_id[:13])
        await session.press("enter")
        await session.settle()
        assert session.screen.current.run_id == run_id
        await session.press("slash")
        session.app.focused.value = ""
        await paste(session, "ORD-1042")
        await session.press("enter")
        await session.settle()
        assert [call.arguments[0].wait_key for call in backend.called("runs.list")][-1] == "ORD-1042"
        assert "event carrier.picked_up" in session.line("▌")


async def test_s18_a_condition_that_cannot_be_is_an_answer_and_no_outage(studio: Any) -> None:
    async with studio() as session:
        await session.press("slash")
        await session.type("id:xyz")
        await session.press("enter")
        assert "id:" in session.text.split("\n")[1]
        assert session.screen.filter_editing
        assert "not current" not in session.text
        assert "retrying" not in session.text


async def test_s18_a_run_that_does_not_exist_says_only_that(studio: Any) -> None:
    async with studio(run_id="0198c2aa-0000-7000-8000-000000000000") as session:
        await session.pass_time(30)
        assert "There is no such run." in session.text
        for word in ("loading", "retrying", "not current", "live"):
            assert word not in session.text
