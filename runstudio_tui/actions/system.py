"""Actions of the system screen."""

from __future__ import annotations

from typing import Final

from engine.records import Job, Level
from runstudio_tui.actions.kinds import Action, Scope, Situation
from runstudio_tui.actions.on_a_run import has_run


def _has_paused(now: Situation) -> str:
    return "" if now.rows else "no run waits for quota"


def _opens(now: Situation) -> str:
    return "" if now.can_open else has_run(now)


def _has_open_job(now: Situation) -> str:
    if not isinstance(now.row, Job):
        return "no job is under the cursor"
    return "the job has ended" if now.row.state.ended else ""


SYSTEM: Final = (
    Action(
        "system.open",
        ("enter",),
        "open",
        "Open the run under the cursor, show all of the job, or the whole line where it is cut.",
        Scope.SYSTEM,
        10,
        when=_opens,
    ),
    Action(
        "system.go_on",
        ("e",),
        "go on",
        "Let the run under the cursor go on, which waits for quota.",
        Scope.SYSTEM,
        20,
        needs=Level.ADMIN,
        when=has_run,
        cli="runstudio quota resume {run}",
    ),
    Action(
        "system.go_on_all",
        ("E",),
        "all go on",
        "Let all runs go on that wait for quota.",
        Scope.SYSTEM,
        30,
        needs=Level.ADMIN,
        danger=True,
        when=_has_paused,
        cli="runstudio quota resume RUN_ID ...",
    ),
    Action(
        "system.hold",
        ("h",),
        "hold",
        "Hold the job under the cursor up, or let it go on.",
        Scope.SYSTEM,
        40,
        needs=Level.ADMIN,
        when=_has_open_job,
        cli="runstudio jobs pause JOB",
    ),
    Action(
        "system.end_job",
        ("c",),
        "end job",
        "End the job under the cursor; what is done stays done. Asks first.",
        Scope.SYSTEM,
        50,
        needs=Level.ADMIN,
        danger=True,
        when=_has_open_job,
        cli="runstudio jobs cancel JOB",
        words=("cancel", "stop"),
    ),
    Action("system.copy", ("y",), "copy", "Copy what is under the cursor.", Scope.SYSTEM, 60),
)
