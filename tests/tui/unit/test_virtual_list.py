"""The list widget: cursor and marks by id, following, paging, and drawing only what differs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.pilot import Pilot

from runstudio_tui.themes import DEFAULT_TONES
from runstudio_tui.widgets.columns import Cell, Column, fit, heading, lay_out
from runstudio_tui.widgets.line import Line, Span, changed_cells, cut_line, highlight, justify, line, plain
from runstudio_tui.widgets.virtual_list import RowState, VirtualList


class Rows:
    """Rows that can be changed between two showings."""

    def __init__(self, keys: list[str], more: bool = False) -> None:
        self.keys = keys
        self.more = more

    def __len__(self) -> int:
        return len(self.keys)

    def id_at(self, place: int, /) -> str:
        """See RowSource."""
        return self.keys[place]

    def index_of(self, key: str, /) -> int | None:
        """See RowSource."""
        return self.keys.index(key) if key in self.keys else None


class ListApp(App[None]):
    """One list, and what it said."""

    CLICK_CHAIN_TIME_THRESHOLD = 600.0
    """A double click is one also on a machine that needs long between its halves."""

    def __init__(self, rows: Rows, **options: Any) -> None:
        super().__init__()
        self.rows = rows
        self.texts: dict[str, str] = {}
        self.said: list[str] = []
        self.drawn: list[str] = []
        self.list = VirtualList(self._draw, heading=lambda cells: line("HEAD"), **options)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """See App."""
        return dict(DEFAULT_TONES)

    def compose(self) -> ComposeResult:
        """See App."""
        yield self.list

    def on_mount(self) -> None:
        """Begin in the list."""
        self.list.focus()
        self.list.show(self.rows, line(Span("nothing here")))

    def _draw(self, key: str, cells: int, state: RowState) -> Line:
        self.drawn.append(key)
        return line(f"{'*' if state.marked else ' '}{self.texts.get(key, key)}")

    def on_virtual_list_moved(self, event: VirtualList.Moved) -> None:
        """Keep what was said."""
        self.said.append(f"moved {event.key}")

    def on_virtual_list_more_wanted(self) -> None:
        """Keep what was said."""
        self.said.append("more")

    def on_virtual_list_activated(self, event: VirtualList.Activated) -> None:
        """Keep what was said."""
        self.said.append(f"activated {event.key}")


@asynccontextmanager
async def opened(number: int = 100, more: bool = False, **options: Any) -> AsyncIterator[tuple[ListApp, Pilot[None]]]:
    """A list of ``r0`` ... on a screen with room for a heading and nine rows."""
    app = ListApp(Rows([f"r{at}" for at in range(number)], more), **options)
    async with app.run_test(size=(30, 10)) as pilot:
        await pilot.pause()
        yield app, pilot


def shown(app: ListApp) -> list[str]:
    """The rows on the screen."""
    return [text.strip("▌ ") for text in app.list.text.split("\n")[1:]]


async def test_draws_only_what_is_on_the_screen() -> None:
    async with opened(100_000) as (app, _):
        assert shown(app) == [f"r{at}" for at in range(9)]
        assert set(app.drawn) == {f"r{at}" for at in range(9)}
        assert app.list.text_line(0) == " HEAD"


async def test_moving() -> None:
    async with opened() as (app, pilot):
        await pilot.press("down", "j", "up")
        assert app.list.cursor == "r1"
        await pilot.press("pagedown")
        assert app.list.cursor == "r9"
        await pilot.press("end")
        assert app.list.cursor == "r99"
        assert shown(app)[-1] == "r99"
        await pilot.press("pageup", "k")
        assert app.list.cursor == "r90"
        await pilot.press("g")
        assert app.list.cursor == "r0"
        await pilot.press("up")
        assert app.list.cursor == "r0"
        assert app.said[-1] == "moved r0"


async def test_the_cursor_stays_on_its_id() -> None:
    async with opened() as (app, pilot):
        await pilot.press("down", "down")
        app.rows.keys.insert(0, "new")
        app.list.show(app.rows)
        assert app.list.cursor == "r2"
        app.rows.keys.sort(reverse=True)
        app.list.show(app.rows)
        assert app.list.cursor == "r2"


async def test_when_its_row_goes_the_neighbour_is_taken() -> None:
    async with opened(5) as (app, pilot):
        await pilot.press("down", "down")
        app.rows.keys.remove("r2")
        app.list.show(app.rows)
        assert app.list.cursor == "r3"
        app.rows.keys[:] = ["r0"]
        app.list.show(app.rows)
        assert app.list.cursor == "r0"
        app.rows.keys.clear()
        app.list.show(app.rows, line("nothing here"))
        await pilot.pause()
        assert app.list.cursor is None
        assert app.said[-1] == "moved None"
        assert "nothing here" in app.list.text
        app.rows.keys[:] = ["x"]
        app.list.show(app.rows)
        assert app.list.cursor == "x"


async def test_marks_survive_order_and_filter() -> None:
    async with opened(6) as (app, pilot):
        app.list.toggle_mark()
        app.list.toggle_mark()
        assert app.list.marks == {"r0", "r1"}
        app.rows.keys[:] = ["r5", "r1"]
        app.list.show(app.rows)
        assert app.list.marks == {"r0", "r1"}
        assert app.list.hidden_marks == 1
        await pilot.pause()
        assert "*r1" in shown(app)
        app.list.clear_marks()
        assert app.list.marks == frozenset()


async def test_rows_above_do_not_move_the_view() -> None:
    async with opened(follows=True) as (app, pilot):
        await pilot.press("down")
        before = shown(app)
        app.rows.keys[:0] = ["new2", "new1"]
        app.list.show(app.rows)
        assert shown(app) == before
        assert app.list.unseen == 2
        await pilot.press("home")
        assert shown(app)[0] == "new2"
        assert app.list.unseen == 0
        assert app.list.following


async def test_what_came_in_above_and_is_on_the_screen_is_not_unseen() -> None:
    async with opened(3, follows=True) as (app, pilot):
        await pilot.press("down")
        app.rows.keys.insert(0, "new")
        app.list.show(app.rows)
        assert shown(app)[0] == "new"
        assert app.list.unseen == 0


async def test_following_shows_them_until_the_cursor_would_leave() -> None:
    async with opened(follows=True) as (app, _):
        app.rows.keys.insert(0, "new")
        app.list.show(app.rows)
        assert shown(app)[0] == "new"
        assert app.list.cursor == "r0"
        app.rows.keys[:0] = [f"n{at}" for at in range(20)]
        app.list.show(app.rows)
        assert "r0" in shown(app)
        assert not app.list.following


async def test_more_is_wanted_near_the_loaded_end() -> None:
    async with opened(100, more=True) as (app, pilot):
        assert "more" not in app.said
        for _ in range(10):
            await pilot.press("pagedown")
        assert "more" in app.said


async def test_end_goes_on_to_the_end_as_it_loads() -> None:
    async with opened(100, more=True) as (app, pilot):
        await pilot.press("end")
        app.rows.keys += [f"s{at}" for at in range(50)]
        app.list.show(app.rows)
        assert app.list.to_end
        assert app.list.cursor == "r0", "on the way there nothing is drawn"
        assert shown(app)[0] == "r0"
        app.rows.keys += ["last"]
        app.rows.more = False
        app.list.show(app.rows)
        assert app.list.cursor == "last"
        assert not app.list.to_end
        app.rows.keys += ["later"]
        app.list.show(app.rows)
        assert app.list.cursor == "last"


async def test_only_lines_that_differ_are_drawn_again() -> None:
    async with opened() as (app, pilot):
        dirty: list[Region] = []
        refresh = app.list.refresh

        def note(*regions: Region, **how: Any) -> Any:
            dirty.extend(regions)
            return refresh(*regions, **how)

        app.list.refresh = note  # type: ignore[method-assign,assignment]  # watched
        assert not app.list.show(app.rows)
        assert dirty == []
        app.texts["r3"] = "r3 changed"
        assert app.list.show(app.rows)
        assert [(region.y, region.height) for region in dirty] == [(4, 1)]
        assert dirty[0].x > 0
        dirty.clear()
        await pilot.press("down")
        assert {region.y for region in dirty} == {1, 2}


async def test_the_wheel_moves_the_view_not_the_cursor() -> None:
    async with opened() as (app, pilot):
        app.list._wheel(3)
        assert app.list.cursor == "r0"
        assert shown(app)[0] == "r3"
        await pilot.press("down")
        assert app.list.cursor == "r1"
        assert "r1" in shown(app)


async def test_a_click_moves_and_a_double_click_opens() -> None:
    async with opened() as (app, pilot):
        await pilot.click(VirtualList, offset=(3, 4))
        assert app.list.cursor == "r3"
        await pilot.click(VirtualList, offset=(3, 4), times=2)
        await pilot.pause()
        assert "activated r3" in app.said
        await pilot.click(VirtualList, offset=(3, 0))
        assert app.list.cursor == "r3"


async def test_page_wise_scrolling() -> None:
    async with opened(page_scroll=True) as (app, pilot):
        for _ in range(9):
            await pilot.press("down")
        assert shown(app)[0] == "r5"


async def test_a_list_without_cursor_scrolls() -> None:
    async with opened(with_cursor=False) as (app, pilot):
        await pilot.press("down", "down")
        assert shown(app)[0] == "r2"
        assert "▌" not in app.list.text
        await pilot.press("end")
        assert shown(app)[-1] == "r99"


async def test_found_text_is_marked() -> None:
    async with opened() as (app, _):
        app.list.seek("R1")
        assert any(span.tone == "match" and span.text == "r1" for row in app.list._lines for span in row)


async def test_resizing_keeps_the_cursor_in_view() -> None:
    async with opened() as (app, pilot):
        for _ in range(8):
            await pilot.press("down")
        await pilot.resize_terminal(30, 5)
        await pilot.pause()
        assert "r8" in shown(app)


async def resized(app: ListApp, pilot: Pilot[None], height: int) -> None:
    """Give the terminal another height, and wait until Textual has taken it over."""
    await pilot.resize_terminal(30, height)
    while app.list.size.height != height:  # noqa: ASYNC110 # Textual tells of it nowhere
        await asyncio.sleep(0.01)
    await pilot.pause()


async def test_until_it_is_touched_the_view_does_not_depend_on_earlier_sizes() -> None:
    for heights in ((), (4,), (16, 6), (6, 16)):
        async with opened(40) as (app, pilot):
            for height in heights:
                await resized(app, pilot, height)
                app.list.move_to("r20")
            await resized(app, pilot, 10)
            app.list.move_to("r20")
            app.list.show(app.rows)
            assert shown(app) == [f"r{at}" for at in range(12, 21)], heights


def test_columns_leave_by_their_importance() -> None:
    columns = (Column("a", "A", 5), Column("b", "B", 5, drop=1, grows=1), Column("c", "C", 5, drop=2))
    assert [column.name for column, _ in fit(columns, 40)] == ["a", "b", "c"]
    assert [column.name for column, _ in fit(columns, 18)] == ["a", "b"]
    assert [column.name for column, _ in fit(columns, 3)] == ["a"]
    placed = fit(columns, 40)
    assert sum(width + column.gap for column, width in placed) - 2 == 40
    assert plain(heading(placed)).startswith("A      B")
    assert plain(lay_out(placed, {"a": Cell("too long for it")})).startswith("too…   ")


def test_widths_are_shared_by_what_the_rows_need() -> None:
    columns = (Column("a", "A", 10, grows=1), Column("b", "B", 10, grows=2, gap=0))

    def widths(cells: int, **needs: int) -> list[int]:
        return [width for _, width in fit(columns, cells, needs)]

    assert widths(52, a=4, b=30) == [4, 46], "what nobody needs goes to the larger share"
    assert widths(52, a=20, b=30) == [20, 30]
    assert widths(42, a=20, b=30) == [16, 24], "too little is shared by what is missing"
    assert sum(widths(80, a=25, b=60)) == 78


def test_lines() -> None:
    assert plain(justify(line("left"), line("right"), 12)) == "left   right"
    assert plain(justify(line("a long left side"), line("right"), 12)) == "a long…right"
    assert plain(cut_line(line("ab", "cdef"), 4)) == "abc…"
    assert changed_cells(line("3m 09s"), line("3m 10s"), 20) == (3, 5)
    assert changed_cells(line("same"), line("same"), 20) == (0, 0)
    assert changed_cells(line("日本"), line("日木"), 20) == (0, 20)
    assert [span.tone for span in highlight(line("one TWO two"), "two")] == ["text", "match", "text", "match"]
    assert highlight(line("ß"), "ss") == line("ß")
