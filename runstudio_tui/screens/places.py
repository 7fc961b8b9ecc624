"""The screens one can go to from anywhere, in the order of their keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from runstudio_tui.actions import Scope
from runstudio_tui.screens.attention.screen import AttentionScreen
from runstudio_tui.screens.base import StudioScreen
from runstudio_tui.screens.events.screen import EventsScreen
from runstudio_tui.screens.runs.screen import RunsScreen
from runstudio_tui.screens.system.screen import SystemScreen
from runstudio_tui.screens.tasks.screen import TasksScreen
from runstudio_tui.screens.workflows.screen import WorkflowsScreen
from runstudio_tui.store.session import Studio


@dataclass(frozen=True, slots=True)
class Opening:
    """What a screen is opened with."""

    studio: Studio
    page_scroll: bool
    filter_text: str
    """Of the runs list."""


PLACES: Final[dict[str, Callable[[Opening], StudioScreen]]] = {
    Scope.RUNS.value: lambda how: RunsScreen(how.studio, how.filter_text, how.page_scroll),
    Scope.EVENTS.value: lambda how: EventsScreen(how.studio, how.page_scroll),
    Scope.TASKS.value: lambda how: TasksScreen(how.studio, how.page_scroll),
    Scope.WORKFLOWS.value: lambda how: WorkflowsScreen(how.studio, how.page_scroll),
    Scope.ATTENTION.value: lambda how: AttentionScreen(how.studio),
    Scope.SYSTEM.value: lambda how: SystemScreen(how.studio),
}
