"""Conditions of actions on one run, wherever it is shown."""

from __future__ import annotations

from engine.advice import REPLAY, REPLAY_WITH_INPUT
from runstudio_tui.actions.kinds import Situation


def has_run(now: Situation) -> str:
    """There is a run."""
    return "" if now.run is not None else "there is no run here"


def can_replay(now: Situation) -> str:
    """There are marked runs, or one whose input was stored; in any state, also from before the cutover."""
    if now.marked:
        return ""
    if now.run is None:
        return "there is no run here"
    return (
        ""
        if now.has_input
        else "its input was never stored; " + REPLAY_WITH_INPUT.to("replay it with another", run=now.run.run_id)
    )


def can_go_on(now: Situation) -> str:
    """Of the marked runs, or the one there is, at least one waits for quota."""
    if now.for_quota:
        return ""
    if now.marked:
        return "none of the marked runs waits for quota"
    return has_run(now) or "this run does not wait for quota"


def can_cancel(now: Situation) -> str:
    """There are marked runs, or one that can be canceled."""
    if now.marked:
        return ""
    if now.run is None:
        return "there is no run here"
    if now.run.read_only:
        return f"this run is from before the cutover. {REPLAY.to('Replay it instead', run=now.run.run_id)}"
    return f"this run is over: {now.run.status.value.lower()}" if now.run.status.ended else ""
