"""Actions of the screen of one run."""

from __future__ import annotations

from typing import Final

from engine.records import Level
from runstudio_tui.actions.kinds import Action, Scope, Situation
from runstudio_tui.actions.on_a_run import can_cancel, can_go_on, can_replay, has_run


def _finding(now: Situation) -> str:
    return "" if now.finding else "search first: /"


def _steps(now: Situation) -> str:
    return "the panes have the keys: esc goes back to the steps" if now.panes else ""


def _tree(now: Situation) -> str:
    return _steps(now) or ("not in the timeline: d goes back to the steps" if now.timeline else "")


def _foldable(now: Situation) -> str:
    return _tree(now) or ("" if now.can_fold else "there is nothing to fold here")


def _opens(now: Situation) -> str:
    return "" if now.can_open else "there is nothing to open here"


def _timeline(now: Situation) -> str:
    return "" if now.timeline else "only in the timeline: d"


def _zoomed(now: Situation) -> str:
    return _timeline(now) or ("" if now.zoomed else "the whole run is in sight: + comes closer")


def _has_states(now: Situation) -> str:
    if now.run is None:
        return "there is no run here"
    if not now.run.read_only:
        return ""
    instead = "s shows its snapshots" if now.snapshots else "too little of it was recorded"
    return f"this run is from before the cutover: {instead}"


def _has_snapshots(now: Situation) -> str:
    if now.snapshots:
        return ""
    if now.run is not None and now.run.read_only:
        return "no snapshot of this run was kept"
    return "only runs from before the cutover have snapshots; a shows the state of this one"


def _in_state(now: Situation) -> str:
    return "" if now.pane == "state" else "open the state first: a"


def _with_parts(now: Situation) -> str:
    return "" if now.pane in {"state", "snapshots"} else "only in the state (a), and in snapshots (s)"


RUN: Final = (
    Action("run.steps", ("up", "down"), "step", "Choose a step.", Scope.RUN, 50, when=_steps, palette=False),
    Action(
        "run.fold",
        ("left", "right"),
        "fold",
        "Close or open a block or an iteration.",
        Scope.RUN,
        52,
        when=_foldable,
        palette=False,
    ),
    Action("run.timeline", ("d",), "timeline", "Show when each step ran, or the steps again.", Scope.RUN, 30),
    Action(
        "run.pan", ("left", "right"), "move", "Timeline: earlier, later.", Scope.RUN, 20, when=_zoomed, palette=False
    ),
    Action(
        "run.zoom_in", ("plus",), "closer", "Timeline: twice as close.", Scope.RUN, 21, when=_timeline, words=("zoom",)
    ),
    Action(
        "run.zoom_out", ("minus",), "wider", "Timeline: half as close.", Scope.RUN, 22, when=_zoomed, words=("zoom",)
    ),
    Action("run.zoom_fit", ("0",), "fit", "Timeline: the whole run.", Scope.RUN, 23, when=_zoomed),
    Action(
        "run.open",
        ("enter",),
        "open",
        "Go to the panes of the step, or open what is under the cursor.",
        Scope.RUN,
        10,
        when=_opens,
    ),
    Action(
        "run.cancel",
        ("c",),
        "cancel",
        "Cancel this run. Asks for a reason first.",
        Scope.RUN,
        12,
        needs=Level.ADMIN,
        danger=True,
        when=can_cancel,
        cli="runstudio runs cancel {run} --reason TEXT",
        words=("stop", "kill"),
    ),
    Action(
        "run.replay",
        ("r",),
        "replay",
        "Replay this run, with its input as it was or edited. Asks for a reason first.",
        Scope.RUN,
        14,
        needs=Level.ADMIN,
        danger=True,
        when=can_replay,
        cli="runstudio runs replay {run} --reason TEXT",
        words=("again", "rerun"),
    ),
    Action(
        "run.go_on",
        ("E",),
        "go on",
        "Let this run go on, which waits for quota.",
        Scope.RUN,
        15,
        needs=Level.ADMIN,
        when=can_go_on,
        cli="runstudio quota resume {run}",
        words=("quota", "continue"),
    ),
    Action(
        "run.why",
        ("w",),
        "why",
        "Say why the run is not moving, and what helps.",
        Scope.RUN,
        16,
        when=has_run,
        cli="runstudio runs why {run}",
        words=("stuck", "diagnosis"),
    ),
    Action(
        "run.export",
        ("e",),
        "export",
        "Write everything that is recorded of this run into a file, as JSON.",
        Scope.RUN,
        53,
        when=has_run,
        cli="runstudio runs export {run} --output FILE",
        not_in_console="it writes a file",
    ),
    Action("run.outcome", ("o",), "Outcome", "What came of the step: result, error, what it waits for.", Scope.RUN),
    Action("run.tries", ("i",), "Tries", "Every try of the step's action, with input and output.", Scope.RUN),
    Action("run.payload", ("p",), "Payload", "The input of the run.", Scope.RUN),
    Action(
        "run.state",
        ("a",),
        "State",
        "The data before and after the step, and what the step changed; moving through the steps moves through time.",
        Scope.RUN,
        when=_has_states,
        cli="runstudio runs state {run} --step PATH",
    ),
    Action(
        "run.pin",
        ("equals_sign",),
        "pin",
        "Pin this moment and compare other steps with it, or let it go.",
        Scope.RUN,
        27,
        when=_in_state,
    ),
    Action(
        "run.part",
        ("t",),
        "part",
        "Show the next part: changes, before, after; of a snapshot its parts.",
        Scope.RUN,
        28,
        when=_with_parts,
    ),
    Action(
        "run.next_mark",
        ("right_curly_bracket",),
        "next failed",
        "To the next failed step; in State and Snapshots, to the next thing that differs.",
        Scope.RUN,
    ),
    Action(
        "run.previous_mark",
        ("left_curly_bracket",),
        "previous failed",
        "To the previous failed step; in State and Snapshots, to the previous thing that differs.",
        Scope.RUN,
    ),
    Action(
        "run.snapshots",
        ("s",),
        "Snapshots",
        "The snapshots of a run from before the cutover, each with what changed since the one before.",
        Scope.RUN,
        when=_has_snapshots,
        cli="runstudio runs snapshots {run} --at N",
    ),
    Action("run.waits", ("x",), "Waits", "Everything the run waited for, open waits first.", Scope.RUN),
    Action("run.logs", ("l",), "Logs", "The log of the run.", Scope.RUN, words=("log",)),
    Action("run.more", ("v",), "More", "Ids, related runs, and the commands that do the same.", Scope.RUN),
    Action(
        "run.audit",
        ("u",),
        "Audit",
        "Who did what to this run, and why.",
        Scope.RUN,
        cli="runstudio runs audit {run}",
    ),
    Action("run.definition", ("D",), "Definition", "The definition of the step, as it was published.", Scope.RUN),
    Action("run.next_pane", ("tab", "shift+tab"), "pane", "Go to the other half of the screen.", Scope.RUN, 40),
    Action(
        "run.find", ("slash",), "find", "Search in the steps, the payload or the log.", Scope.RUN, 35, words=("search",)
    ),
    Action("run.find_next", ("n",), "next match", "To the next match of the search.", Scope.RUN, when=_finding),
    Action("run.find_previous", ("N",), "previous match", "To the previous match.", Scope.RUN, when=_finding),
    Action("run.level", ("L",), "log level", "Show the log from the next level: debug, info, warn, error.", Scope.RUN),
    Action(
        "run.focus",
        ("full_stop",),
        "what matters",
        "Go to the failed step, or to the one that runs or waits, and follow a live run again.",
        Scope.RUN,
        words=("follow", "failure"),
    ),
    Action("run.copy", ("y",), "copy", "Copy what is under the cursor: an id, a value, a log line.", Scope.RUN, 52),
    Action("run.copy_all", ("Y",), "copy all", "Copy the whole document, or the run id.", Scope.RUN),
    Action(
        "run.previous",
        ("left_square_bracket",),
        "previous run",
        "Open the run above this one in the list; in Snapshots, go to the one before.",
        Scope.RUN,
    ),
    Action(
        "run.next",
        ("right_square_bracket",),
        "next run",
        "Open the run below this one in the list; in Snapshots, go to the one after.",
        Scope.RUN,
    ),
)
