"""Actions of the workflows, and of one version of a workflow."""

from __future__ import annotations

from engine.records import Level, Workflow
from runstudio_tui.actions.kinds import Action, Scope, Situation, no_row
from runstudio_tui.actions.places import has_row, list_actions, mark_actions


def _row(now: Situation) -> Workflow | None:
    return now.row if isinstance(now.row, Workflow) else None


def _published(now: Situation) -> str:
    row = _row(now)
    if row is None:
        return no_row(now)
    return "" if row.published_version is not None else "this workflow has no published version; N publishes one"


def _can_start(now: Situation) -> str:
    row = _row(now)
    return _published(now) or ("paused: u lets it start runs again" if row is not None and row.paused else "")


def _can_unpause(now: Situation) -> str:
    row = _row(now)
    if now.marked or row is None:
        return "" if now.marked else no_row(now)
    return "" if row.paused else "it is not paused"


def _can_fire(now: Situation) -> str:
    row = _row(now)
    if now.marked or row is None:
        return "" if now.marked else no_row(now)
    if row.schedule is None:
        return "this workflow is not started by time; n starts a run"
    return "paused: u lets it start runs again" if row.paused else ""


def _finding(now: Situation) -> str:
    return "" if now.finding else "search first: /"


def _opens(now: Situation) -> str:
    return "" if now.can_open else "there is nothing to open here"


def _comparing(now: Situation) -> str:
    return "" if now.comparing else "only while two versions are compared: d"


WORKFLOWS: tuple[Action, ...] = (
    *list_actions(Scope.WORKFLOWS),
    Action(
        "workflows.start",
        ("n",),
        "start",
        "Start a run of this workflow: choose a version and a payload.",
        Scope.WORKFLOWS,
        needs=Level.OPERATE,
        when=_can_start,
        cli="runstudio start WORKFLOW --payload FILE",
    ),
    Action(
        "workflows.pause",
        ("p",),
        "pause",
        "Let the workflow under the cursor start no runs, or all marked ones. Asks for a reason first.",
        Scope.WORKFLOWS,
        30,
        needs=Level.ADMIN,
        danger=True,
        when=has_row,
        cli="runstudio workflows pause WORKFLOW --reason TEXT",
    ),
    Action(
        "workflows.unpause",
        ("u",),
        "unpause",
        "Let the workflow under the cursor start runs again, or all marked ones. Asks first.",
        Scope.WORKFLOWS,
        needs=Level.ADMIN,
        when=_can_unpause,
        cli="runstudio workflows unpause WORKFLOW",
    ),
    Action(
        "workflows.limit",
        ("l",),
        "limit",
        "Set how many runs of the workflow may be active at once, or of all marked ones.",
        Scope.WORKFLOWS,
        40,
        needs=Level.ADMIN,
        when=has_row,
        cli="runstudio workflows limit WORKFLOW RUNS",
    ),
    Action(
        "workflows.fire",
        ("f",),
        "fire now",
        "Start one run now as the schedule would, or of all marked ones. Asks for a reason first.",
        Scope.WORKFLOWS,
        needs=Level.ADMIN,
        danger=True,
        when=_can_fire,
        cli="runstudio schedules fire WORKFLOW --reason TEXT",
    ),
    Action(
        "workflows.diff",
        ("d",),
        "compare",
        "Show the published version, step by step, and what is different from the version before.",
        Scope.WORKFLOWS,
        45,
        when=_published,
        cli="runstudio workflows diff WORKFLOW",
    ),
    Action(
        "workflows.publish",
        ("N",),
        "publish",
        "Publish a definition from a file as the next version of its workflow. Shows what it changes first.",
        Scope.WORKFLOWS,
        65,
        needs=Level.ADMIN,
        danger=True,
        cli="runstudio publish FILE",
        not_in_console="it reads a file",
    ),
    *mark_actions(Scope.WORKFLOWS),
)

VERSION: tuple[Action, ...] = (
    Action(
        "version.open",
        ("enter",),
        "open",
        "Go to the fields of the step under the cursor; in them, fold one or see its value whole.",
        Scope.VERSION,
        10,
        when=_opens,
        cli="runstudio workflows show WORKFLOW --version N",
    ),
    Action(
        "version.compare",
        ("d",),
        "compare",
        "Show what is different from the version before, or from the pinned one; or this version alone again.",
        Scope.VERSION,
        20,
        cli="runstudio workflows diff WORKFLOW FROM TO",
    ),
    Action("version.older", ("left_square_bracket",), "older", "The version before.", Scope.VERSION, 30),
    Action("version.newer", ("right_square_bracket",), "newer", "The version after.", Scope.VERSION, 31),
    Action(
        "version.pin",
        ("equals_sign",),
        "pin",
        "Compare other versions with this one, or let it go.",
        Scope.VERSION,
        40,
    ),
    Action(
        "version.next_change",
        ("right_curly_bracket",),
        "next change",
        "To the next step, or field, that differs.",
        Scope.VERSION,
        50,
        when=_comparing,
    ),
    Action(
        "version.previous_change",
        ("left_curly_bracket",),
        "previous change",
        "To the previous step, or field, that differs.",
        Scope.VERSION,
        when=_comparing,
    ),
    Action("version.find", ("slash",), "find", "Search in the steps, or in the fields.", Scope.VERSION, 60),
    Action("version.find_next", ("n",), "next match", "To the next match.", Scope.VERSION, when=_finding),
    Action("version.find_previous", ("N",), "previous match", "To the previous match.", Scope.VERSION, when=_finding),
    Action(
        "version.pane", ("tab", "shift+tab"), "fields", "Go to the fields of the step, and back.", Scope.VERSION, 80
    ),
    Action("version.copy", ("y",), "copy", "Copy what is under the cursor: a step's id, a value.", Scope.VERSION),
    Action("version.copy_all", ("Y",), "copy all", "Copy all fields of the step, as JSON.", Scope.VERSION),
)
