"""What goes over the wire, counted to the byte on a pseudo-terminal. The clock moves only when told."""

from __future__ import annotations

import os
from typing import Any

import pytest

WIDE = (120, 40)


def settled(terminal: Any) -> None:
    """Past the first screen, with the keyboard in the list."""
    terminal.read_until(b"quit")
    terminal.advance(0.5)
    terminal.advance(4)


def test_a_poll_without_change_writes_nothing(terminal: Any) -> None:
    with terminal("quiet") as session:
        settled(session)
        assert [session.advance(4) for _ in range(5)] == [b""] * 5


def test_an_idle_list_with_its_preview_writes_nothing(terminal: Any) -> None:
    with terminal("quiet", WIDE) as session:
        settled(session)
        assert session.advance(40) == b""


@pytest.mark.parametrize("theme", ["terminal", "dark"])
def test_a_cursor_move(terminal: Any, theme: str) -> None:
    with terminal("quiet", (80, 24), theme) as session:
        settled(session)
        for key in (b"j", b"\x1b[B", b"k"):
            assert 0 < len(session.press(key)) <= 600


@pytest.mark.parametrize("theme", ["terminal", "dark"])
def test_a_cursor_move_on_a_wide_terminal(terminal: Any, theme: str) -> None:
    with terminal("quiet", WIDE, theme) as session:
        settled(session)
        session.press(b"z")
        for key in (b"j", b"j", b"k"):
            assert 0 < len(session.press(key)) <= 600


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
