"""Everything an operator can do, in one table: keys, footer, help, palette, permissions, danger, command-line twin.

Bindings of screens and lists, the line of keys, ``?``, ctrl+p and docs/keys.md are all made from it, so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from runstudio_tui.domain.catalog import Level
from runstudio_tui.domain.models import RunRow


class Scope(StrEnum):
    """Where an action works."""

    EVERYWHERE = "everywhere"
    LIST = "lists"
    RUNS = "runs"
    RUN = "run"
    DIALOG = "dialogs"


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides which actions work now."""

    level: Level = Level.NONE
    run: RunRow | None = None
    """The run an action would be about: the open one, or the one under the cursor."""
    marked: int = 0
    rows: int = 0
    has_filter: bool = False
    preview: bool = False
    can_fold: bool = False
    finding: bool = False
    timeline: bool = False
    panes: bool = False
    """The panes of a run have the focus, not its steps."""
    paused: bool = False


Condition = Callable[[Situation], str]
"""Why an action does not work now; empty when it does."""


def _always(_: Situation) -> str:
    return ""


def _has_run(now: Situation) -> str:
    return "" if now.run is not None else "there is no run here"


def _can_cancel(now: Situation) -> str:
    if now.marked:
        return ""
    if now.run is None:
        return "there is no run here"
    if now.run.status.ended:
        return f"this run is over: {now.run.status.value.lower()}"
    return "this run is from before the cutover, read-only" if now.run.read_only else ""


def _has_rows(now: Situation) -> str:
    return "" if now.rows else "the list is empty"


def _has_preview(now: Situation) -> str:
    return "" if now.preview else "the preview needs 100 columns, and may be hidden (z)"


def _finding(now: Situation) -> str:
    return "" if now.finding else "search first: /"


def _tree(now: Situation) -> str:
    return _steps(now) or ("not in the timeline: d goes back to the steps" if now.timeline else "")


def _steps(now: Situation) -> str:
    return "the panes have the keys: esc goes back to the steps" if now.panes else ""


def _timeline(now: Situation) -> str:
    return "" if now.timeline else "only in the timeline: d"


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


ACTIONS: Final = (
    # --- the runs list
    Action("runs.open", ("enter",), "open", "Open the run.", Scope.RUNS, 10, when=_has_run, cli="runstudio run {run}"),
    Action(
        "runs.start",
        ("n",),
        "start",
        "Start a run: choose a workflow, a version and a payload.",
        Scope.RUNS,
        20,
        needs=Level.OPERATE,
        cli="runstudio start WORKFLOW --payload FILE",
    ),
    Action(
        "runs.cancel",
        ("c",),
        "cancel",
        "Cancel the run under the cursor, or all marked ones. Asks for a reason first.",
        Scope.RUNS,
        30,
        needs=Level.ADMIN,
        danger=True,
        when=_can_cancel,
        cli="runstudio runs cancel {run} --reason TEXT",
    ),
    Action(
        "runs.why",
        ("w",),
        "why",
        "Say why the run is not moving, and what helps.",
        Scope.RUNS,
        50,
        when=_has_run,
        cli="runstudio runs why {run}",
    ),
    Action("runs.filter", ("slash",), "filter", "Edit the filter line.", Scope.RUNS, 60),
    Action(
        "runs.mark", ("space",), "mark", "Mark the run, for doing something to several.", Scope.RUNS, 70, when=_has_run
    ),
    Action(
        "runs.mark_span",
        ("V",),
        "mark span",
        "Mark everything from the last mark to the cursor.",
        Scope.RUNS,
        when=_has_run,
    ),
    Action("runs.mark_all", ("asterisk",), "mark all", "Mark all loaded runs, or none.", Scope.RUNS, when=_has_rows),
    Action(
        "runs.preview",
        ("tab",),
        "preview",
        "Go to the preview beside the list, and back.",
        Scope.RUNS,
        80,
        when=_has_preview,
    ),
    Action("runs.toggle_preview", ("z",), "hide preview", "Show or hide the preview beside the list.", Scope.RUNS),
    Action("runs.status", ("s",), "status", "Filter by the next status: all, live, failed, stuck.", Scope.RUNS),
    Action("runs.range", ("t",), "time range", "Filter by the next time range: 1 h, 24 h, 7 d, all.", Scope.RUNS),
    Action(
        "runs.sort",
        ("S",),
        "sort",
        "Sort by the next order: newest, oldest, recently changed, least recently.",
        Scope.RUNS,
    ),
    Action("runs.follow", ("F",), "follow", "Follow the top of the list as new runs come, or stop.", Scope.RUNS),
    Action(
        "runs.workflow",
        ("W",),
        "this workflow",
        "Filter by the workflow of this run, or take that out.",
        Scope.RUNS,
        when=_has_run,
    ),
    Action("runs.copy", ("y",), "copy id", "Copy the run id.", Scope.RUNS, when=_has_run),
    Action(
        "runs.copy_cli", ("Y",), "copy command", "Copy the command line that shows this run.", Scope.RUNS, when=_has_run
    ),
    # --- one run
    Action("run.steps", ("up", "down"), "step", "Choose a step.", Scope.RUN, 10, when=_steps, palette=False),
    Action(
        "run.fold",
        ("left", "right"),
        "fold",
        "Close or open a block or an iteration.",
        Scope.RUN,
        20,
        when=_tree,
        palette=False,
    ),
    Action("run.timeline", ("d",), "timeline", "Show when each step ran, or the steps again.", Scope.RUN, 30),
    Action(
        "run.pan", ("left", "right"), "move", "Timeline: earlier, later.", Scope.RUN, 20, when=_timeline, palette=False
    ),
    Action(
        "run.zoom_in", ("plus", "equals_sign"), "closer", "Timeline: twice as close.", Scope.RUN, 21, when=_timeline
    ),
    Action("run.zoom_out", ("minus",), "wider", "Timeline: half as close.", Scope.RUN, 22, when=_timeline),
    Action("run.zoom_fit", ("0",), "fit", "Timeline: the whole run.", Scope.RUN, 23, when=_timeline),
    Action(
        "run.open", ("enter",), "open", "Go to the panes of the step, or open what is under the cursor.", Scope.RUN, 25
    ),
    Action(
        "run.cancel",
        ("c",),
        "cancel",
        "Cancel this run. Asks for a reason first.",
        Scope.RUN,
        40,
        needs=Level.ADMIN,
        danger=True,
        when=_can_cancel,
        cli="runstudio runs cancel {run} --reason TEXT",
    ),
    Action(
        "run.why",
        ("w",),
        "why",
        "Say why the run is not moving, and what helps.",
        Scope.RUN,
        50,
        when=_has_run,
        cli="runstudio runs why {run}",
    ),
    Action("run.outcome", ("o",), "Outcome", "What came of the step: result, error, what it waits for.", Scope.RUN),
    Action("run.tries", ("i",), "Tries", "Every try of the step's action, with input and output.", Scope.RUN),
    Action("run.payload", ("p",), "Payload", "The input of the run.", Scope.RUN),
    Action("run.waits", ("x",), "Waits", "Everything the run waited for, open waits first.", Scope.RUN),
    Action("run.logs", ("l",), "Logs", "The log of the run.", Scope.RUN),
    Action("run.more", ("v",), "More", "Ids, related runs, and the commands that do the same.", Scope.RUN),
    Action("run.next_pane", ("tab",), "pane", "Go to the other half of the screen.", Scope.RUN, 55),
    Action("run.find", ("slash",), "find", "Search in the steps, the payload or the log.", Scope.RUN, 35),
    Action("run.find_next", ("n",), "next match", "To the next match of the search.", Scope.RUN, when=_finding),
    Action("run.find_previous", ("N",), "previous match", "To the previous match.", Scope.RUN, when=_finding),
    Action("run.level", ("L",), "log level", "Show the log from the next level: debug, info, warn, error.", Scope.RUN),
    Action(
        "run.focus",
        ("full_stop",),
        "what matters",
        "Go to the failed step, or to the one that runs or waits.",
        Scope.RUN,
    ),
    Action("run.copy", ("y",), "copy", "Copy what is under the cursor: an id, a value, a log line.", Scope.RUN, 60),
    Action("run.copy_all", ("Y",), "copy all", "Copy the whole document, or the run id.", Scope.RUN),
    Action(
        "run.previous", ("left_square_bracket",), "previous run", "Open the run above this one in the list.", Scope.RUN
    ),
    Action("run.next", ("right_square_bracket",), "next run", "Open the run below this one in the list.", Scope.RUN),
    # --- lists
    Action("list.up", ("up", "k"), "up", "One line up.", Scope.LIST, palette=False),
    Action("list.down", ("down", "j"), "down", "One line down.", Scope.LIST, palette=False),
    Action("list.page_up", ("pageup", "ctrl+b"), "page up", "One page up.", Scope.LIST, palette=False),
    Action("list.page_down", ("pagedown", "ctrl+f"), "page down", "One page down.", Scope.LIST, palette=False),
    Action(
        "list.top", ("home", "g"), "top", "To the top; in the runs list, follow what is new.", Scope.LIST, palette=False
    ),
    Action("list.end", ("end", "G"), "end", "To the end; loads what is not loaded yet.", Scope.LIST, palette=False),
    # --- dialogs
    Action(
        "dialog.confirm", ("ctrl+s", "f10"), "confirm", "Do what the dialog is about.", Scope.DIALOG, 10, palette=False
    ),
    Action(
        "dialog.close",
        ("escape",),
        "close",
        "Close the dialog; asks first when something was typed.",
        Scope.DIALOG,
        20,
        palette=False,
    ),
    Action(
        "dialog.copy", ("ctrl+y",), "copy", "Copy the list of targets and their results.", Scope.DIALOG, palette=False
    ),
    # --- everywhere
    Action("app.help", ("question_mark", "f1"), "help", "Show what every key does here.", Scope.EVERYWHERE, 90),
    Action("app.palette", ("ctrl+p",), "palette", "Find an action by its name.", Scope.EVERYWHERE, palette=False),
    Action("app.messages", ("m",), "messages", "Everything that was said in this session.", Scope.EVERYWHERE),
    Action("app.refresh", ("ctrl+r", "f5"), "refresh", "Read everything on the screen again now.", Scope.EVERYWHERE),
    Action("app.pause", ("P",), "pause", "Stop reading new data, or go on.", Scope.EVERYWHERE),
    Action("app.theme", ("T",), "theme", "Next colour theme.", Scope.EVERYWHERE),
    Action(
        "app.suspend",
        ("ctrl+z",),
        "suspend",
        "Put the studio into the background (fg brings it back).",
        Scope.EVERYWHERE,
    ),
    Action(
        "app.back",
        ("escape",),
        "back",
        "Go back: out of a search, a pane, marks, the filter, then the screen.",
        Scope.EVERYWHERE,
        85,
        palette=False,
        footer_in=Scope.RUN,
    ),
    Action(
        "app.quit",
        ("q",),
        "quit",
        "Go back one screen, or leave the studio.",
        Scope.EVERYWHERE,
        95,
        footer_in=Scope.RUNS,
    ),
    Action("app.leave", ("ctrl+q", "ctrl+c"), "leave", "Leave the studio at once.", Scope.EVERYWHERE),
)
BY_ID: Final = {action.id: action for action in ACTIONS}


def refusal(action: Action, now: Situation) -> str:
    """Why an action does not work now, for the operator to read; empty when it does."""
    if now.level < action.needs:
        return f"this needs the {action.needs.name.lower()} level; you have {now.level.name.lower()}"
    return action.when(now)


def of_scope(*scopes: Scope) -> tuple[Action, ...]:
    """Actions of some scopes, in the table's order."""
    return tuple(action for action in ACTIONS if action.scope in scopes)


def footer(scope: Scope, now: Situation) -> tuple[Action, ...]:
    """Actions for the line of keys of a screen or dialog: those that work now, in their order."""
    scopes = (scope,) if scope is Scope.DIALOG else (scope, Scope.EVERYWHERE)
    shown = [
        action
        for action in of_scope(*scopes)
        if action.footer and action.footer_in in (None, scope) and not refusal(action, now)
    ]
    return tuple(sorted(shown, key=lambda action: action.footer))


_KEY_NAMES: Final = {
    "slash": "/",
    "space": "space",
    "question_mark": "?",
    "asterisk": "*",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "full_stop": ".",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "escape": "esc",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
}


def key_text(key: str) -> str:
    """A key as it is written for a reader."""
    return _KEY_NAMES.get(key, key)


def footer_keys(action: Action) -> str:
    """The key of an action in the line of keys: both of a pair of arrows, else the first."""
    if action.keys in (("up", "down"), ("left", "right")):
        return "".join(key_text(key) for key in action.keys)
    return key_text(action.keys[0])
