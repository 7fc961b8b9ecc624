"""Actions of the runs list."""

from __future__ import annotations

from typing import Final

from engine.records import Level
from runstudio_tui.actions.kinds import Action, Scope, Situation, no_row
from runstudio_tui.actions.on_a_run import can_cancel, can_go_on, can_replay, has_run


def _has_rows(now: Situation) -> str:
    return "" if now.rows else no_row(now)


def _has_any(now: Situation) -> str:
    return "" if now.marked else _has_rows(now)


def _has_preview(now: Situation) -> str:
    return "" if now.preview else "the preview is hidden: z shows it, from 100 columns on"


RUNS: Final = (
    Action("runs.open", ("enter",), "open", "Open the run.", Scope.RUNS, 10, when=has_run, cli="runstudio run {run}"),
    Action(
        "runs.start",
        ("n",),
        "start",
        "Start a run: choose a workflow, a version and a payload.",
        Scope.RUNS,
        20,
        needs=Level.OPERATE,
        cli="runstudio start WORKFLOW --payload FILE",
        words=("new", "launch"),
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
        when=can_cancel,
        cli="runstudio runs cancel {run} --reason TEXT",
        words=("stop", "kill"),
    ),
    Action(
        "runs.replay",
        ("r",),
        "replay",
        "Replay the run under the cursor, with its input as it was or edited, or all marked ones. Asks for a reason first.",
        Scope.RUNS,
        40,
        needs=Level.ADMIN,
        danger=True,
        when=can_replay,
        cli="runstudio runs replay {run} --reason TEXT",
        words=("again", "rerun"),
    ),
    Action(
        "runs.go_on",
        ("E",),
        "go on",
        "Let the run under the cursor go on, which waits for quota, or all marked ones that do.",
        Scope.RUNS,
        45,
        needs=Level.ADMIN,
        danger=True,
        when=can_go_on,
        cli="runstudio quota resume {run} ...",
        words=("quota", "continue"),
    ),
    Action(
        "runs.why",
        ("w",),
        "why",
        "Say why the run is not moving, and what helps.",
        Scope.RUNS,
        50,
        when=has_run,
        cli="runstudio runs why {run}",
        words=("diagnosis",),
    ),
    Action(
        "runs.export",
        ("e",),
        "export",
        "Write the marked runs, or all that match the filter, into a file.",
        Scope.RUNS,
        65,
        when=_has_any,
        cli="runstudio runs export --filter TEXT --format csv --output FILE",
        not_in_console="it writes a file",
    ),
    Action(
        "runs.job",
        ("J",),
        "all that match",
        "Cancel, replay, export or delete all runs that match the filter, as a job of the workers. Asks for a reason first.",
        Scope.RUNS,
        needs=Level.ADMIN,
        danger=True,
        when=_has_rows,
        cli="runstudio runs cancel --filter TEXT --reason TEXT",
        words=("job", "bulk", "everything", "delete"),
    ),
    Action("runs.filter", ("slash",), "filter", "Edit the filter line.", Scope.RUNS, 60, words=("search", "find")),
    Action(
        "runs.mark", ("space",), "mark", "Mark the run, for doing something to several.", Scope.RUNS, 70, when=has_run
    ),
    Action(
        "runs.mark_span",
        ("V",),
        "mark span",
        "Mark everything from the last mark to the cursor.",
        Scope.RUNS,
        when=has_run,
    ),
    Action("runs.mark_all", ("asterisk",), "mark all", "Mark all loaded runs, or none.", Scope.RUNS, when=_has_rows),
    Action(
        "runs.preview",
        ("tab", "shift+tab"),
        "preview",
        "Go to the preview beside the list, and back.",
        Scope.RUNS,
        80,
        when=_has_preview,
    ),
    Action("runs.toggle_preview", ("z",), "preview beside", "Show or hide the preview beside the list.", Scope.RUNS),
    Action(
        "runs.status",
        ("s",),
        "status",
        "Filter by the next status: all, live, failed, stuck.",
        Scope.RUNS,
        words=("stuck", "failed"),
    ),
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
        when=has_run,
    ),
    Action("runs.copy", ("y",), "copy id", "Copy the run id.", Scope.RUNS, when=has_run),
    Action(
        "runs.copy_cli", ("Y",), "copy command", "Copy the command line that shows this run.", Scope.RUNS, when=has_run
    ),
)
