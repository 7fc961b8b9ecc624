"""Actions of the human tasks."""

from __future__ import annotations

from engine.advice import CLAIM
from engine.records import OPEN_TASK_STATUSES, Level, Task
from runstudio_tui.actions.kinds import Action, Scope, Situation, no_row
from runstudio_tui.actions.places import list_actions, mark_actions


def _is_open(now: Situation) -> str:
    if not isinstance(now.row, Task):
        return no_row(now)
    return "" if now.row.status in OPEN_TASK_STATUSES else f"this task is over: {now.row.status}"


def _is_open_or_marked(now: Situation) -> str:
    return "" if now.marked else _is_open(now)


def _can_answer(now: Situation) -> str:
    return _is_open(now) or _held_by_somebody_else(now)


def _held_by_somebody_else(now: Situation) -> str:
    held = now.row.claimed_by if isinstance(now.row, Task) else None
    others = held not in (None, now.who) and now.level < Level.ADMIN
    return f"{held} has this task; they or an admin can answer it" if others else ""


def _can_claim(now: Situation) -> str:
    held = now.row.claimed_by if isinstance(now.row, Task) else None
    return _is_open(now) or ("" if held is None else f"{held} has this task already")


def _can_release(now: Situation) -> str:
    held = now.row.claimed_by if isinstance(now.row, Task) else None
    return _is_open(now) or ("nobody has this task" if held is None else _held_by_somebody_else(now))


def _can_hand_over(now: Situation) -> str:
    if now.marked or now.level >= Level.ADMIN or _is_open(now):
        return "" if now.marked else _is_open(now)
    if not isinstance(now.row, Task) or now.row.claimed_by == now.who:
        return ""
    return f"you can only hand over what you hold. {CLAIM.to('Claim it first', task=now.row.task_id)}"


TASKS: tuple[Action, ...] = (
    *list_actions(Scope.TASKS),
    Action(
        "tasks.answer",
        ("a",),
        "answer",
        "Answer the task in a form.",
        Scope.TASKS,
        20,
        needs=Level.OPERATE,
        when=_can_answer,
        cli="runstudio tasks complete TASK --response FILE",
    ),
    Action(
        "tasks.claim",
        ("t",),
        "claim",
        "Reserve the task: only you, or an admin, can answer it then.",
        Scope.TASKS,
        30,
        needs=Level.OPERATE,
        when=_can_claim,
        cli="runstudio tasks claim TASK",
    ),
    Action(
        "tasks.release",
        ("u",),
        "release",
        "Give the task back, so that anybody can take it.",
        Scope.TASKS,
        32,
        needs=Level.OPERATE,
        when=_can_release,
        cli="runstudio tasks claim TASK --release",
    ),
    Action(
        "tasks.assign",
        ("h",),
        "hand over",
        "Hand the task under the cursor over to somebody, or all marked ones. Asks for a reason first.",
        Scope.TASKS,
        34,
        needs=Level.OPERATE,
        when=_can_hand_over,
        cli="runstudio tasks assign TASK NAME --reason TEXT",
    ),
    Action(
        "tasks.cancel",
        ("c",),
        "cancel",
        "Close the task under the cursor without an answer, or all marked ones. Asks for a reason first.",
        Scope.TASKS,
        40,
        needs=Level.ADMIN,
        danger=True,
        when=_is_open_or_marked,
        cli="runstudio tasks cancel TASK --reason TEXT",
    ),
    *mark_actions(Scope.TASKS),
)
