"""What an action is, and what decides whether it works now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from engine.records import Level, RunRow


class Scope(StrEnum):
    """Where an action works."""

    EVERYWHERE = "everywhere"
    LIST = "lists"
    RUNS = "runs"
    RUN = "run"
    EVENTS = "events"
    DEAD = "dead"
    TASKS = "tasks"
    WORKFLOWS = "workflows"
    VERSION = "version"
    ATTENTION = "attention"
    SYSTEM = "system"
    JSON = "values"
    FIELD = "fields"
    DIALOG = "dialogs"


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides which actions work now."""

    level: Level = Level.NONE
    run: RunRow | None = None
    """The run an action would be about: the open one, or the one under the cursor."""
    has_input: bool = True
    """Whether the input of that run was stored, as far as the screen knows."""
    row: object | None = None
    """The record under the cursor of a list that is not of runs."""
    who: str = ""
    """The viewer's name, as the engine writes it down."""
    marked: int = 0
    for_quota: bool = False
    """Of the runs an action would be about, at least one waits for quota."""
    rows: int = 0
    loading: bool = False
    """The rows of the list have not been read yet."""
    has_filter: bool = False
    preview: bool = False
    can_fold: bool = False
    can_open: bool = True
    """There is something under the cursor that ``enter`` opens."""
    finding: bool = False
    timeline: bool = False
    zoomed: bool = False
    """The timeline shows a part of the run."""
    panes: bool = False
    """The panes of a run have the focus, not its steps."""
    pane: str = ""
    """The pane of a run that is shown."""
    snapshots: bool = False
    """The run is from before the cutover, and has snapshots."""
    typing: str = ""
    """``filter`` or ``find`` while such a text field has the keyboard; empty for none."""
    paused: bool = False
    detail: bool = False
    """The detail of the row under the cursor is open."""
    comparing: bool = False
    """Two versions of a definition are laid over each other."""
    console: bool = False
    """The session is a console: nothing outside the studio can be reached from it."""


Condition = Callable[[Situation], str]
"""Why an action does not work now; empty when it does."""


def no_row(now: Situation) -> str:
    """Why there is nothing under the cursor of a list."""
    return "the list is still loading" if now.loading else "the list is empty"


def _always(_: Situation) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do."""

    id: str
    keys: tuple[str, ...]
    label: str
    """One or two words, for the line of keys."""
    help: str
    """One sentence."""
    scope: Scope
    footer: int = 0
    """Place in the line of keys, smallest first; 0: only in the help."""
    needs: Level = Level.NONE
    danger: bool = False
    when: Condition = _always
    cli: str = ""
    """The command that does the same; ``{run}`` stands for the run id."""
    palette: bool = True
    footer_in: Scope | None = None
    """Only in the line of keys of this scope; None: of every one where the action works."""
    not_in_console: str = ""
    """Why a console session does not have it, as it starts a program or touches files; empty: it has it."""
    words: tuple[str, ...] = ()
    """What else an operator may call it, for finding it by name."""


def refusal(action: Action, now: Situation) -> str:
    """Why an action does not work now, for the operator to read; empty when it does."""
    return console_refusal(action, now) or _refusal(action, now)


def console_refusal(action: Action, now: Situation) -> str:
    """Why an action does not work in this session at all, whatever is under the cursor; empty when it may."""
    return f"not in the console: {action.not_in_console}" if now.console and action.not_in_console else ""


def _refusal(action: Action, now: Situation) -> str:
    if now.level < action.needs:
        return f"this needs the {action.needs.name.lower()} level; you have {now.level.name.lower()}"
    return action.when(now)
