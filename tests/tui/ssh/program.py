"""What ``runstudio`` is on the host of these tests: the real one, watched.

Every program that is started and every file that is changed is written down by an audit hook, which comes before that of the
console itself. What else happens stands in ``settings.json``:

- ``measured``: a pipe. The world is one in which nothing goes on, and its clock moves when told through the pipe, as in
  ``tests.tui.perf``.
- ``open``: the same program without ``--console``, to see that what is watched for is seen.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from engine.operations.actor import Actor
from runstudio_tui.cli import main as runstudio
from runstudio_tui.commands import console

STARTS = (
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "os.fork",
    "os.forkpty",
    "pty.spawn",
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "os.chown",
)


class Recorder:
    """Writes down what is watched; its file is open before anything else happens."""

    def __init__(self, directory: Path) -> None:
        path = directory / "records" / f"{os.getpid()}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def note(self, what: str, of: Any) -> None:
        """One line."""
        os.write(self._file, (json.dumps({"what": what, "of": of, "pid": os.getpid()}) + "\n").encode())

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """See ``sys.addaudithook``."""
        if event in STARTS:
            self.note("start", f"{event}{arguments!r}")
        writes = event in CHANGES or (event == "open" and arguments[2] & WRITING)
        # An open file's number is no new file.
        if writes and not isinstance(arguments[0], int):
            self.note("write", os.fsdecode(arguments[0]))


def watch_actions(recorder: Recorder) -> None:
    """Write down which actions of the table are asked for, also those that are refused then."""
    from runstudio_tui.screens.base import StudioScreen
    from runstudio_tui.screens.dialogs.base import Dialog
    from runstudio_tui.widgets.virtual_list import VirtualList

    def watched(cls: type[Any]) -> None:
        act = cls.action_act

        def noted(self: Any, action_id: str) -> Any:
            recorder.note("action", action_id)
            return act(self, action_id)

        cls.action_act = noted

    for cls in (StudioScreen, Dialog, VirtualList):
        watched(cls)


def measured(commands: int, recorder: Recorder) -> None:
    """The quiet world, on a clock that moves when told; then it is written down what is on top, and what has the focus."""
    from runstudio_tui import app
    from runstudio_tui.clock import ManualClock
    from runstudio_tui.commands import studio
    from tests.tui.perf.studio_process import NOW, obey, world

    clock = ManualClock(NOW)
    studio.demo_backend = lambda: world("quiet", clock)
    app.SystemClock = lambda: clock
    tasks: list[asyncio.Task[None]] = []
    run = app.StudioApp.run

    def obeying(self: app.StudioApp, **settings: Any) -> None:
        def told() -> None:
            recorder.note("place", f"{type(self.screen).__name__} {type(self.focused).__name__}")

        self.call_later(lambda: tasks.append(asyncio.create_task(obey(clock, self, commands, told))))
        run(self, **settings)

    app.StudioApp.run = obeying


def main(directory: str) -> None:
    """Be ``runstudio``."""
    place = Path(directory)
    settings = json.loads((place / "settings.json").read_text())
    recorder = Recorder(place)
    commands = os.open(settings["measured"], os.O_RDONLY) if "measured" in settings else None
    if settings.get("open"):
        sys.argv.remove("--console")
        os.environ["EDITOR"] = "/bin/true"
    sys.addaudithook(recorder.hook)
    enter = console.enter

    def entering(**how: bool) -> None:
        enter(**how)
        recorder.note("environment", dict(os.environ))
        who = Actor.of_this_process("ui")
        recorder.note("actor", [who.name, who.known_by, who.address])
        arrange()

    def arrange() -> None:
        watch_actions(recorder)
        if commands is not None:
            measured(commands, recorder)

    console.enter = entering
    if settings.get("open"):
        arrange()
    runstudio()
