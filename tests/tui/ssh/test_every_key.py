"""Every key of every screen and dialog, every entry of the palette, every command and odd text: no program is reached.

An audit hook in the studio's process writes down what would start one, and the table of processes is looked at. That the presses
arrive is seen from the actions that were asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runstudio_tui.actions import PLACE_NAMES, Scope, of_scope
from tests.tui.ssh.keyboard import ESCAPE, bytes_of
from tests.tui.ssh.server import Host

PLACES = {
    Scope.RUNS: ("1",), Scope.RUN: ("1", "down", "down", "enter"), Scope.EVENTS: ("2",), Scope.DEAD: ("2", "D"),
    Scope.TASKS: ("3",), Scope.WORKFLOWS: ("4",), Scope.VERSION: ("4", "d"), Scope.ATTENTION: ("5",),
    Scope.SYSTEM: ("6",),
}  # fmt: skip
"""How one gets to where the actions of a scope work."""
DIALOGS = {
    "start: workflow": ("1", "n"), "start: payload": ("1", "n", "enter"), "cancel": ("1", "c"), "replay": ("1", "down", "r"),
    "replay several": ("1", "space", "space", "r"), "why": ("1", "w"), "filter": ("1", "slash"),
    "search": ("1", "enter", "slash"), "submit": ("2", "n"), "redeliver": ("2", "D", "r"), "answer": ("3", "a"),
    "hand over": ("3", "h"), "cancel a task": ("3", "c"), "pause": ("4", "p"), "limit": ("4", "l"),
    "help": ("question_mark",), "messages": ("m",), "palette": ("ctrl+p",), "command": ("colon",),
}  # fmt: skip
ODD = ("!id", "$(id)", "../etc/passwd")
LEAVING = {"app.leave", "app.quit"}
TO_PLACES = {f"app.{name}" for name in PLACE_NAMES}
"""Pressed on two of the screens; each costs the way back."""
BY_THEMSELVES = {"run.steps", "run.fold", "run.pan", "dialog.next", "dialog.choose"}
"""Keys of the lists and fields themselves, named in the table for the line of keys."""
IN_DIALOGS = (Scope.DIALOG, Scope.FIELD)


class Presser:
    """Presses keys in one session, and comes back from wherever that leads."""

    def __init__(self, session: Any, host: Host) -> None:
        self._session = session
        self._host = host

    @property
    def place(self) -> str:
        """What is on top, and what has the focus."""
        return next(record["of"] for record in reversed(self._host.records()) if record["what"] == "place")

    def press(self, *keys: str) -> None:
        """Press keys one after the other, each seen through."""
        for key in keys:
            self._session.press_quickly(bytes_of(key))

    def type(self, text: str) -> None:
        """Type a text."""
        self._session.press_quickly(*(sign.encode() for sign in text))

    def go(self, *keys: str) -> str:
        """To a place, from anywhere: out of every dialog, also out of one that asks first, and of every screen above a list."""
        self._session.press_quickly(*[ESCAPE] * 5)
        self.press(*keys)
        self._session.advance(1)
        return self.place

    def each(self) -> Iterator[tuple[Scope, str, tuple[str, ...]]]:
        """Every screen, the place it is, and how to get there; they are different ones."""
        seen: set[str] = set()
        for scope, keys in PLACES.items():
            place = self.go(*keys)
            assert place not in seen, (scope, place)
            seen.add(place)
            yield scope, place, keys

    def stay(self, place: str, *keys: str) -> None:
        """Be in a place again: the shortest way when only dialogs are above it."""
        for _ in range(3):
            if self.place == place:
                return
            self.press("escape")
        self.go(*keys)


@pytest.fixture
def presser(host: Host, login: Callable[..., Any]) -> Iterator[Presser]:
    """A console in which nothing goes on; at the end it has reached nothing outside of it."""
    with login(measured=True) as session:
        session.read_until(b"quit")
        session.advance(4)
        made = Presser(session, host)
        yield made
        assert [process.name() for process in host.processes("alice")] == ["runstudio"]
        # It is still the studio that answers.
        made.go("1")
        assert b"Help" in session.press(b"?")
    assert [record for record in host.records() if record["what"] == "start"] == []
    home = str(host.home / ".local")
    assert all(record["of"].startswith(home) for record in host.records() if record["what"] == "write")


def asked_for(host: Host) -> set[str]:
    """Actions that were asked for."""
    return {record["of"] for record in host.records() if record["what"] == "action"}


def test_every_screen_has_a_place_here() -> None:
    assert {*PLACES, Scope.LIST, Scope.JSON, *IN_DIALOGS, Scope.EVERYWHERE} == set(Scope)


def test_every_key_of_every_screen(host: Host, presser: Presser) -> None:
    for scope, there, keys in presser.each():
        left_out = LEAVING if scope in (Scope.RUNS, Scope.RUN) else LEAVING | TO_PLACES
        scopes = (scope, Scope.LIST, Scope.EVERYWHERE, *((Scope.JSON,) if scope is Scope.RUN else ()))
        actions = [action for action in of_scope(*scopes) if action.id not in left_out]
        for action in actions:
            # What is opened while it is paused is not loaded, so that is taken back.
            for key in action.keys if action.id != "app.pause" else action.keys * 2:
                presser.stay(there, *keys)
                presser.press(key)
    expected = {action.id for action in of_scope(*PLACES, Scope.LIST, Scope.EVERYWHERE)} - LEAVING - BY_THEMSELVES
    assert expected - asked_for(host) == set()


def test_every_key_of_every_dialog(host: Host, presser: Presser) -> None:
    keys = dict.fromkeys([*(key for action in of_scope(*IN_DIALOGS) for key in action.keys), "ctrl+z", "enter"])
    for place in DIALOGS.values():
        there = presser.go(*place)
        for key in keys:
            if presser.place != there:
                presser.go(*place)
            presser.press(key)
    assert {action.id for action in of_scope(Scope.DIALOG)} - BY_THEMSELVES - asked_for(host) == set()


def test_every_entry_of_the_palette(host: Host, presser: Presser) -> None:
    chosen: set[str] = set()
    for scope, there, keys in presser.each():
        for action in of_scope(scope, Scope.EVERYWHERE):
            if action.palette and action.id not in LEAVING | chosen:
                chosen.add(action.id)
                presser.stay(there, *keys)
                presser.press("ctrl+p")
                presser.type(action.label.lower())
                presser.press("enter")
                if action.id == "app.pause":
                    presser.press("P")
    assert chosen - asked_for(host) == set()


def test_odd_texts_in_every_field(presser: Presser) -> None:
    for place in DIALOGS.values():
        there = presser.go(*place)
        for text in ODD:
            if presser.place != there:
                presser.go(*place)
            presser.type(text)
            presser.press("enter")
