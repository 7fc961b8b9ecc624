"""What goes over the wire, counted to the byte on a pseudo-terminal. The clock moves only when told."""

from __future__ import annotations

import os
from typing import Any

import pytest

WIDE = (120, 40)
LISTS = ("1", "2", "2D", "3", "4", "5", "6")
"""The keys to every screen that is a list; D goes to the dead letters."""
BESIDE = ("3", "4")
"""Those whose detail stands beside the list from 100 columns."""
BESIDE_BYTES = 3000
DOWN, UP = (b"j",), (b"k",)
PAGE_DOWN, PAGE_UP = b"\x1b[6~", b"\x1b[5~"
REST = 0.2
"""Seconds after which what a row is read for was read."""


def settled(terminal: Any) -> None:
    """Past the first screen, with the keyboard in the list."""
    terminal.read_until(b"quit")
    terminal.advance(0.5)
    terminal.advance(4)


def opened(terminal: Any, keys: str) -> None:
    """Go to a screen, and let pass what is drawn of it."""
    for key in keys:
        terminal.press(key.encode())
    for _ in range(50):
        if not terminal.advance(1):
            return
    raise AssertionError(f"{keys} is drawn for ever")


def test_a_poll_without_change_writes_nothing(terminal: Any) -> None:
    with terminal("quiet") as session:
        settled(session)
        assert [session.advance(4) for _ in range(5)] == [b""] * 5


def test_an_idle_list_with_its_preview_writes_nothing(terminal: Any) -> None:
    with terminal("quiet", WIDE) as session:
        settled(session)
        assert session.advance(40) == b""


def test_the_way_to_the_end_of_a_long_list(terminal: Any) -> None:
    """Seven pages: a number that counts on the way, then one screen."""
    with terminal("many") as session:
        settled(session)
        written = session.press(b"G")
        for _ in range(20):
            written += session.advance(0.2)
        assert "◇".encode() in written
        assert len(written) <= 6000


def test_a_burst_of_cursor_moves_draws_each_line_once_or_so(terminal: Any) -> None:
    with terminal("quiet") as session:
        settled(session)
        os.write(session.master, b"j" * 60)
        session._pressed += 60
        assert len(session.command("settle 0")) <= 60 * 100


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])
@pytest.mark.parametrize(("world", "theme"), [("mixed", "terminal"), ("mixed-operate", "dark")])
def test_a_cursor_move_with_all_it_causes(terminal: Any, world: str, theme: str, size: tuple[int, int]) -> None:
    """In every list, past rows of every kind next to each other, and over both edges of the page."""
    with terminal(world, size, theme) as session:
        settled(session)
        for place in LISTS:
            opened(session, place)
            beside = size[0] >= 100 and place in BESIDE
            for key in DOWN * 16:
                moved, rest = session.press(key), session.advance(REST)
                assert 0 < len(moved) <= 600, (place, key)
                # The detail beside a list is another text, which no budget of a cursor move can hold.
                assert len(rest) <= (BESIDE_BYTES if beside else 600 - len(moved)), (place, key)
            if beside:
                session.press(b"z")
                session.advance(REST)
            for key in (PAGE_DOWN, *DOWN * 3, PAGE_UP, *UP * 3):
                moved, rest = session.press(key), session.advance(REST)
                assert key in (PAGE_DOWN, PAGE_UP) or len(moved) + len(rest) <= 600, (place, key)


def test_a_held_key_reads_no_detail_beside_the_list(terminal: Any) -> None:
    with terminal("mixed", (120, 36), "dark") as session:
        settled(session)
        opened(session, "3")
        assert 0 < sum(len(session.press(b"j")) for _ in range(10)) <= 10 * 600
        rests = [session.advance(REST) for _ in range(5)]
        assert sum(map(len, rests)) > 600, "the detail of where it stopped"
        assert rests[-1] == b""


def test_a_cursor_move_in_the_steps_of_a_version(terminal: Any) -> None:
    with terminal("quiet", (80, 24)) as session:
        settled(session)
        for key in (b"4", b"j", b"j", b"d"):
            session.press(key)
        session.advance(1)
        for key in (b"j", b"\x1b[B", b"k"):
            assert 0 < len(session.press(key)) <= 600
        assert session.advance(40) == b""


def test_mouse_moves(terminal: Any) -> None:
    with terminal("quiet", WIDE) as session:
        settled(session)
        for column, row in ((20, 10), (21, 10), (40, 12), (100, 12), (3, 3)):
            assert len(session.press(f"\x1b[<35;{column};{row}M".encode())) <= 500


def test_an_open_live_run(terminal: Any) -> None:
    with terminal("run", (120, 36)) as session:
        session.read_until(b"help")
        session.advance(0.5)
        session.advance(4)
        written = b"".join(session.advance(1) for _ in range(20))
        assert 0 < len(written) <= 100 * 20


def test_no_control_from_data_and_the_terminal_is_given_back(terminal: Any) -> None:
    with terminal("quiet") as session:
        settled(session)
        os.write(session.master, b"q")
        end = session.end()
        assert session.process.returncode == 0
        assert b"\x1b[?1049l" in end
        assert b"\x1b[?25h" in end
