"""Actions of the events and of the dead letters."""

from __future__ import annotations

from engine.records import Delivery, Level
from runstudio_tui.actions.kinds import Action, Scope, Situation, no_row
from runstudio_tui.actions.places import list_actions, mark_actions


def _can_redeliver(now: Situation) -> str:
    if now.marked:
        return ""
    if not isinstance(now.row, Delivery):
        return no_row(now)
    return "" if now.row.event_id is not None else "no event made this delivery; replay its run to be asked again"


def _has_rows(now: Situation) -> str:
    return "" if now.rows else no_row(now)


EVENTS: tuple[Action, ...] = (
    *list_actions(Scope.EVENTS),
    Action(
        "events.submit",
        ("n",),
        "submit",
        "Submit an event: name, key and payload.",
        Scope.EVENTS,
        20,
        needs=Level.OPERATE,
        cli="runstudio events submit NAME --key KEY --payload FILE",
    ),
    Action(
        "events.dead",
        ("D",),
        "dead letters",
        "Show the deliveries that failed or were skipped, and events that could not be routed.",
        Scope.EVENTS,
        40,
        cli="runstudio events dead",
    ),
)

DEAD: tuple[Action, ...] = (
    *list_actions(Scope.DEAD),
    Action(
        "dead.redeliver",
        ("r",),
        "redeliver",
        "Make the delivery under the cursor again, or all marked ones. Asks for a reason first.",
        Scope.DEAD,
        20,
        needs=Level.ADMIN,
        danger=True,
        when=_can_redeliver,
        cli="runstudio events redeliver DELIVERY --reason TEXT",
    ),
    Action(
        "dead.redeliver_all",
        ("R",),
        "redeliver all",
        "Make all of them again; as a job of the workers when they are more than are loaded. Asks for a reason first.",
        Scope.DEAD,
        30,
        needs=Level.ADMIN,
        danger=True,
        when=_has_rows,
        cli="runstudio events redeliver --all --job --reason TEXT",
    ),
    *mark_actions(Scope.DEAD),
)
