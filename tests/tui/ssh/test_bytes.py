"""What goes over a real ssh connection, counted on the terminal at its other end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.tui.ssh.keyboard import bytes_of

PLACES = ("1", "2", "3", "4", "5")
"""The main screens that are lists."""


def test_an_idle_second_and_a_key_press(login: Callable[..., Any]) -> None:
    with login(measured=True) as session:
        session.read_until(b"quit")
        session.advance(0.5)
        session.advance(4)
        assert [session.advance(1) for _ in range(20)] == [b""] * 20
        for place in PLACES:
            session.press(bytes_of(place))
            session.advance(5)
            for key in ("down", "up", "down"):
                assert 0 < len(session.press(bytes_of(key))) <= 600, (place, key)
