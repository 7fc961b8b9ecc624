"""Progress of a command that takes a while: a bar on standard error, for whoever watches a terminal, and nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runstudio_tui.commands.output import say
from runstudio_tui.text import safe

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class ProgressBar:
    """What a command tells of how far it is; it is drawn while ``progress_bar`` is open, and only on a terminal."""

    def __init__(self, drawn: Progress | None = None, task: TaskID | None = None) -> None:
        self._drawn = drawn
        self._task = task

    def __call__(self, done: int, total: int) -> None:
        """So many targets of so many are done."""
        if self._drawn is not None and self._task is not None:
            self._drawn.update(self._task, completed=done, total=total)

    def say(self, line: str) -> None:
        """A line of the answer on standard output, told before the end; it is also what is being done now."""
        if self._drawn is None or self._task is None:
            say(line)
            return
        # Both may be the same terminal: the bar gives way to the line.
        self._drawn.stop()
        say(line)
        sys.stdout.flush()
        self._drawn.update(self._task, description=safe(line))
        self._drawn.start()


@contextmanager
def progress_bar(doing: str, *, as_json: bool, counted: bool = True) -> Iterator[ProgressBar]:
    """A bar that disappears at the end. Neither a program that asked for JSON nor a file or pipe gets anything of it.

    ``counted``: false when nobody can say how many there are to do.
    """
    if as_json or not sys.stderr.isatty():
        yield ProgressBar()
        return
    # Not above: it takes a tenth of a second.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_interactive:
        # A terminal that can move no cursor.
        yield ProgressBar()
        return
    count = (MofNCompleteColumn(),) if counted else ()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), *count, TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as drawn:
        yield ProgressBar(drawn, drawn.add_task(doing, total=None))
