"""Makes the parts of docs/ that are made from the code: ``python -m runstudio_tui.docs`` writes keys.md and the pictures.

Tests compare what is there with what would be written, so that neither can fall behind the code.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen

from engine.errors import Unavailable
from engine.records import Level
from runstudio_tui.actions import ACTIONS, Scope, key_text
from runstudio_tui.app import StudioApp
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.before_cutover import before_cutover_backend
from runstudio_tui.backend.worlds.demo import demo_backend
from runstudio_tui.backend.worlds.refunds import refunds_backend
from runstudio_tui.clock import Clock, ManualClock
from runstudio_tui.config import StudioConfig
from runstudio_tui.domain.filter_text import KEYS

_NOW: Final = datetime(2026, 1, 15, 10, 43, 21, tzinfo=UTC)
_HEADINGS: Final = {
    Scope.RUNS: "Runs",
    Scope.RUN: "One run",
    Scope.EVENTS: "Events",
    Scope.DEAD: "Dead letters",
    Scope.TASKS: "Tasks",
    Scope.WORKFLOWS: "Workflows",
    Scope.VERSION: "One version of a workflow",
    Scope.ATTENTION: "Attention",
    Scope.SYSTEM: "System",
    Scope.LIST: "In every list",
    Scope.JSON: "In a JSON value",
    Scope.FIELD: "In the filter line and in a search",
    Scope.DIALOG: "In dialogs",
    Scope.EVERYWHERE: "Everywhere",
}


def keys_page() -> str:
    """docs/keys.md: every action with its keys, what it does, what it needs, and its command."""
    parts = [
        "# Keys",
        "",
        "Made from the action table (`runstudio_tui/actions/`) by `python -m runstudio_tui.docs`.",
        "`?` shows the same in the studio. Single letters do nothing while a text is being typed.",
    ]
    for scope, heading in _HEADINGS.items():
        parts += [
            "",
            f"## {heading}",
            "",
            "| keys | action | what it does | needs | command |",
            "| --- | --- | --- | --- | --- |",
        ]
        for action in ACTIONS:
            if action.scope is scope:
                keys = " ".join(f"`{_cell(key_text(key))}`" for key in action.keys)
                level = action.needs.name.lower() if action.needs is not Level.NONE else ""
                needs = ", ".join(filter(None, (level, "not in the console" if action.not_in_console else "")))
                command = f"`{_cell(action.cli.replace('{run}', 'RUN_ID'))}`" if action.cli else ""
                parts.append(f"| {keys} | {action.label} | {action.help} | {needs} | {command} |")
    parts += [
        "",
        "## The filter line",
        "",
        "Words are joined with AND; what has no key is searched in the workflow name.",
        "",
    ]
    parts += ["| key | meaning | values |", "| --- | --- | --- |"]
    parts += [f"| `{key.key}:` | {key.meaning} | {', '.join(f'`{value}`' for value in key.values)} |" for key in KEYS]
    return "\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _demo(clock: Clock) -> FakeBackend:
    return demo_backend(clock, past=60)


def _old(clock: Clock) -> FakeBackend:
    return before_cutover_backend(clock, 12)


@dataclass(frozen=True, slots=True)
class Picture:
    """What is pressed in a world of made-up runs before a picture is taken, at both sizes."""

    name: str
    alt: str
    """What is seen on it, for those who do not see it."""
    keys: tuple[str, ...]
    waits: float = 0.3
    """Seconds that pass before it is taken."""
    filter_text: str = "since:24h"
    world: Callable[[Clock], FakeBackend] = _demo
    prepare: Callable[[FakeBackend], None] | None = None
    """What is different from that world."""
    sizes: tuple[tuple[int, int], ...] = ((80, 24), (120, 36))

    def file(self, size: tuple[int, int]) -> str:
        """Its name in docs/pictures."""
        return f"{self.name}-{size[0]}x{size[1]}.svg"


def _typed(text: str) -> tuple[str, ...]:
    names = {" ": "space", ":": "colon", "-": "minus"}
    return tuple(names.get(char, char) for char in text)


def _without_runs(backend: FakeBackend) -> None:
    backend.world.runs.clear()
    backend.world._due.clear()


def _without_postgres(backend: FakeBackend) -> None:
    away = Unavailable(
        "POSTGRES_UNREACHABLE", "Postgres does not answer at db:5432.", "Start it; the studio tries again."
    )
    backend.fail_next("open", away, times=9)


_PRESSED: Final = 0.02
"""Seconds after each key: a picture of a dialog is taken before the first second is over, so that no age behind it changes."""
PICTURES: Final = (
    Picture("runs", "The runs: a stuck one first, then those that go on, then those that ended", ("down",)),
    Picture("run", "One run with its steps, and what came of the step under the cursor", ("down", "enter")),
    Picture("stuck", "A stuck run: what is the case, the evidence, and what helps", ("enter",), waits=4.5),
    Picture("why", "Why a run is not moving", ("w",)),
    Picture("timeline", "The steps of a run as bars under a line of time", ("down", "enter", "d")),
    Picture(
        "state",
        "The pane State: the data after a step, and what the step changed",
        ("down", "enter", "a", "up", "up"),
        waits=1.0,
    ),
    Picture(
        "snapshots",
        "A run from before the cutover, with its snapshots",
        ("enter", "s"),
        filter_text="",
        world=_old,
        waits=1.0,
    ),
    Picture(
        "cancel",
        "Canceling: four runs, which of them are skipped and why, and the reason",
        ("space", "space", "space", "c"),
    ),
    Picture("job", "Doing something to all runs that match: what, the filter, the reason", ("J",)),
    Picture("start", "Starting a run: version and payload of the workflow", ("n", "enter")),
    Picture(
        "replay",
        "Replaying a run with its original input, hidden values masked",
        ("r", *_typed("mail is back")),
        filter_text="",
        world=refunds_backend,
    ),
    Picture(
        "preview",
        "The preview of a replay: what goes another way, what is done again, and how it would end",
        ("r", *_typed("mail is back"), "ctrl+t"),
        filter_text="",
        world=refunds_backend,
        waits=1.0,
    ),
    Picture("export", "Exporting what matches the filter: format, name, folder", ("e",)),
    Picture("events", "The events: state, name, key, when they came, and the run they went to", ("2",), waits=1.0),
    Picture(
        "event", "One event: its keys, its payload, and each delivery with its attempts", ("2", "enter"), waits=1.0
    ),
    Picture("dead", "The dead letters: deliveries that failed or were skipped", ("2", "D"), waits=1.0),
    Picture("redeliver", "Making a dead delivery again: the target and the reason", ("2", "D", "r"), waits=1.0),
    Picture("submit", "Submitting an event: name, key and payload", ("2", "n"), waits=1.0),
    Picture("tasks", "The open tasks, a late one marked", ("3",), waits=1.0),
    Picture("answer", "A task's form: one field a line", ("3", "end", "a"), waits=1.0),
    Picture("workflows", "The workflows, a paused one with its reason", ("4", "end")),
    Picture(
        "workflow",
        "One workflow: its state, what starts it, its schedule and its versions",
        ("4", "end", "enter"),
        waits=1.0,
    ),
    Picture(
        "version",
        "A version compared with the one before, step by step",
        ("4", "down", "down", "d", "right_curly_bracket", "right_curly_bracket"),
    ),
    Picture("attention", "What needs attention, the most urgent first", ("5",), waits=1.0),
    Picture("system", "The system: workers, task queue, stores, quota", ("6",), waits=1.0),
    Picture("help", "The keys of the runs list; what does not work now is dim and says why", ("question_mark",)),
    Picture("command", "The command line, with a completion", ("colon", *_typed("at"))),
    Picture("palette", "The palette: actions by name, with keys and commands", ("ctrl+p", *_typed("can"))),
    Picture("empty", "No runs yet, and the key that starts one", (), prepare=_without_runs),
    Picture("down", "Postgres does not answer: what was tried, the error, what to do", (), prepare=_without_postgres),
    Picture("small", "A terminal that is too small, with the size it needs", (), sizes=((52, 12),)),
)


async def take(picture: Picture, size: tuple[int, int]) -> str:
    """One picture as SVG, the same every time."""
    clock = ManualClock(_NOW)
    backend = picture.world(clock)
    if picture.prepare is not None:
        picture.prepare(backend)
    with tempfile.TemporaryDirectory() as state:
        config = StudioConfig(
            theme="dark", glyphs="unicode", timezone="UTC", multiplexer="none", state_dir=state, export_dir="exports"
        )
        app = StudioApp(backend, config, clock, filter_text=picture.filter_text)
        async with app.run_test(size=size) as pilot:
            await _pass(pilot, clock, 0.5)
            for key in picture.keys:
                await pilot.press(key)
                await _pass(pilot, clock, _PRESSED)
            await _pass(pilot, clock, picture.waits)
            return app.export_screenshot(title="Run Studio", simplify=True)


async def _pass(pilot: Pilot[None], clock: ManualClock, seconds: float) -> None:
    await _settle(pilot)
    await clock.advance(seconds)
    await _settle(pilot)


async def _settle(pilot: Pilot[None]) -> None:
    # By turns of the loop, not by processor time, which is all that Textual's pilot looks at: what is drawn may lead to
    # something else that is drawn.
    for _ in range(3):
        await ManualClock.let_run(200)
        await pilot.pause()
        await draw(pilot.app, lambda: ManualClock.let_run(200))


async def draw(app: App[None], let_run: Callable[[], Awaitable[None]]) -> None:
    """Do at once what Textual does sixty times a second of real time: lay out and draw what has changed.

    On every screen that is seen: a dialog leaves visible what is behind it. ``let_run`` lets go on what follows from it.
    """
    for screen in app.screen_stack:
        while screen.is_current and _has_to_draw(screen):
            screen._on_timer_update()
            await let_run()


def _has_to_draw(screen: Screen[object]) -> bool:
    return bool(screen._layout_required or screen._scroll_required or screen._dirty_widgets or screen._callbacks)


def write(docs: Path) -> list[Path]:
    """Write everything under ``docs``; returns the files."""
    written = [docs / "keys.md"]
    written[0].write_text(keys_page(), encoding="utf-8")
    (docs / "pictures").mkdir(exist_ok=True)
    for picture in PICTURES:
        for size in picture.sizes:
            path = docs / "pictures" / picture.file(size)
            path.write_text(asyncio.run(take(picture, size)), encoding="utf-8")
            written.append(path)
    return written


def main(arguments: Sequence[str]) -> None:
    """``python -m runstudio_tui.docs [FOLDER]``."""
    for path in write(Path(arguments[0] if arguments else "docs")):
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
