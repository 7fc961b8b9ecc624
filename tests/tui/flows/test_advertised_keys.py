"""What a line of keys names works now and does something; what it does not name is not there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from runstudio_tui.actions import BY_ID, Action, Scope, footer, footer_keys
from runstudio_tui.screens.base import StudioScreen
from runstudio_tui.screens.chrome import keys_line
from runstudio_tui.screens.dialogs.base import Dialog
from runstudio_tui.screens.list_screen import ListScreen
from runstudio_tui.screens.run.screen import RunScreen
from runstudio_tui.screens.workflows.version import VersionScreen
from runstudio_tui.widgets.line import plain
from runstudio_tui.widgets.painted import Painted

BY_PART = (".open", ".steps", ".fold", ".copy", ".next_pane", ".preview", ".detail", ".part", ".pin", ".done", ".leave")
"""Ends of the ids of actions that depend on where the keyboard is."""

SITUATIONS = {
    "runs": (),
    "runs, filtering": ("slash",),
    "runs, filtered to nothing": ("slash", "z", "z", "enter"),
    "runs, marked": ("space",),
    "runs, in the preview": ("tab",),
    "run": ("j", "enter"),
    "run, in the panes": ("j", "enter", "tab"),
    "run, searching": ("j", "enter", "slash"),
    "run, searched": ("j", "enter", "slash", "g", "enter"),
    "run, timeline": ("j", "enter", "d"),
    "run, state": ("j", "enter", "a"),
    "run, payload": ("j", "enter", "p"),
    "run, logs": ("j", "enter", "l"),
    "events": ("2",),
    "events, detail": ("2", "enter"),
    "dead letters": ("2", "D"),
    "tasks": ("3",),
    "tasks, detail": ("3", "tab"),
    "workflows": ("4",),
    "workflows, detail": ("4", "enter"),
    "workflows, version": ("4", "d"),
    "workflows, version's fields": ("4", "d", "tab"),
    "attention": ("5",),
    "system": ("6",),
}
DIALOGS = {
    "help": ("question_mark",),
    "messages": ("m",),
    "palette": ("ctrl+p",),
    "command line": ("colon",),
    "why": ("w",),
    "cancel": ("c",),
    "replay": ("j", "r"),
    "workflow to start": ("n",),
    "payload to start": ("n", "enter"),
    "event to submit": ("2", "n"),
    "task to answer": ("3", "a"),
    "task to hand over": ("3", "h"),
    "export": ("e",),
    "job for all that match": ("J",),
    "workflow to pause": ("4", "p"),
    "workflow to limit": ("4", "l"),
    "definition to publish": ("4", "N"),
}


async def reach(session: Any, keys: Iterable[str]) -> None:
    """From anywhere to a situation, by its keys from the runs list as it opens."""
    while isinstance(session.screen, Dialog | RunScreen | VersionScreen):
        session.screen.dismiss(None)
        await session.settle()
    screen = session.screen
    if screen.typing():
        screen.leave_filter()
    if isinstance(screen, ListScreen):
        screen.close_detail()
    session.app.go_to("runs")
    screen = session.screen
    screen._list.clear_marks()
    screen.take_filter("")
    screen._list.focus()
    await session.press("g", *keys)
    await session.pass_time(0.5)


def drawn_keys(session: Any) -> str:
    """The line of keys of the topmost full screen."""
    screens = [screen for screen in session.app.screen_stack if isinstance(screen, StudioScreen)]
    return str(screens[-1].query_one("#keys", Painted).text)


def due_keys(session: Any) -> tuple[Action, ...]:
    """What works now, asked again."""
    return footer(session.screen.SCOPE, session.screen.now())


def line_of(actions: tuple[Action, ...], cells: int) -> str:
    return plain(keys_line(actions, cells)).rstrip()


def frame(session: Any) -> int:
    """The line of the screen with the lower end of the dialog's frame."""
    region = session.screen.query_one("#frame").region
    return int(region.bottom) - 1


def seen(session: Any) -> tuple[Any, ...]:
    """Everything by which a key can show that it did something."""
    focused = session.app.focused
    strips = session.app.screen._compositor.render_strips()
    return (
        [[(segment.text, segment.style) for segment in strip] for strip in strips],
        type(session.screen).__name__,
        focused.id if focused is not None else None,
        len(session.backend._calls.log),
        len(session.written),
    )


async def test_s14_the_line_of_keys_is_drawn_from_the_situation(studio: Any) -> None:
    async with studio() as session:
        for name, keys in SITUATIONS.items():
            await reach(session, keys)
            assert drawn_keys(session) == line_of(due_keys(session), 80), name


async def test_s14_the_line_of_keys_leaves_a_pane_with_the_keyboard(studio: Any) -> None:
    async with studio(size=(140, 30)) as session:
        for keys, there, back in (
            (("j", "enter"), ("tab",), ("escape",)),
            (("j", "enter"), ("p", "slash", "o", "enter"), ("escape", "escape")),
            (("2",), ("enter",), ("escape",)),
            (("4", "d"), ("tab",), ("shift+tab",)),
        ):
            await reach(session, keys)
            begun = drawn_keys(session)
            await session.press(*there)
            assert drawn_keys(session) != begun, keys
            await session.press(*back)
            assert drawn_keys(session) == begun, keys


@pytest.mark.parametrize("size", [(80, 24), (140, 30)])
async def test_shift_tab_goes_to_the_other_half_and_back_as_tab_does(studio: Any, size: tuple[int, int]) -> None:
    """Also where one half takes the other's place: there is nothing else that could have the keyboard."""
    async with studio(size=size) as session:
        for keys in (("j", "enter"), ("2",), ("3",), ("4",), ("4", "d")):
            await reach(session, keys)
            begun, first = drawn_keys(session), session.app.focused
            await session.press("tab")
            there, other = drawn_keys(session), session.app.focused
            assert other is not first, keys
            await session.press("shift+tab")
            assert (session.app.focused, drawn_keys(session)) == (first, begun), keys
            await session.press("shift+tab")
            assert (session.app.focused, drawn_keys(session)) == (other, there), keys


def place_of(session: Any, action: Action) -> tuple[str, ...]:
    """What decides what a key does: the screen, and of some keys the part of it that has the keyboard."""
    focused = session.app.focused
    part = focused.id or type(focused).__name__ if focused is not None else ""
    return () if action.scope is Scope.EVERYWHERE else (str(action.scope), part if action.id.endswith(BY_PART) else "")


async def press_all(session: Any, keys: Iterable[str], done: set[tuple[Any, ...]]) -> None:
    """Press every key that is named in a situation and was not pressed there yet, each from the situation anew."""
    await reach(session, keys)
    for action in due_keys(session):
        once = (action.id, *place_of(session, action))
        if once in done or action.id == "app.quit":  # it ends the program: see test_runs.py
            continue
        done.add(once)
        pair = action.id.endswith((".steps", ".fold", ".pan"))  # there and back: one of them moves
        moments = [seen(session)]
        for key in action.keys if pair else action.keys[:1]:
            await session.press(key)
            moments.append(seen(session))
        assert any(moment != moments[0] for moment in moments), f"{action.keys} {action.id} after {keys}"
        await reach(session, keys)


@pytest.mark.parametrize("wanted", ["runs", "run", "others"])
async def test_s2_every_key_that_a_screen_names_does_something(studio: Any, wanted: str) -> None:
    done: set[tuple[Any, ...]] = set()
    groups = {name: name.split(",")[0] if name.startswith("run") else "others" for name in SITUATIONS}
    async with studio(size=(140, 30)) as session:
        for name, keys in SITUATIONS.items():
            if groups[name] == wanted:
                await press_all(session, keys, done)
    assert len(done) > 9


async def test_s2_every_key_that_a_dialog_names_does_something(studio: Any) -> None:
    async with studio(size=(100, 30)) as session:
        for name, keys in DIALOGS.items():
            await reach(session, keys)
            named = session.screen.keys()
            assert drawn_keys(session) == "", "under a dialog no key of the screen works"
            for action in (BY_ID[action_id] for action_id in named):
                if action.id not in tuple(session.screen.keys()):
                    continue  # what was pressed before had its effect: it is another task now
                label = session.screen.confirming() if action.id == "dialog.confirm" else action.label
                assert f" {footer_keys(action)} {label} " in session.text.split("\n")[frame(session)], name
                before = seen(session)
                await session.press(action.keys[0])
                assert seen(session) != before, f"{name}: {action.keys[0]}"
                await reach(session, keys)
