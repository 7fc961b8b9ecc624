"""``runstudio retention ...``: how long ended runs, their bodies, and events are kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from runstudio_tui.commands.connection import open_engine
from runstudio_tui.commands.options import Json
from runstudio_tui.commands.output import print_json, print_table, run_command

if TYPE_CHECKING:
    from engine.records import RetentionRule

app = typer.Typer(
    no_args_is_help=True, help="Show and set how long ended runs and events are kept. Without a rule: for ever."
)

Reason = Annotated[str, typer.Option(help="Why, at least 3 characters; it is audited.", show_default=False)]
Workflow = Annotated[
    str, typer.Option("--workflow", metavar="ID", help="A rule of this workflow, which then has no other.")
]
Days = Annotated[str | None, typer.Option(metavar="DAYS", help="Days since the end, as 30d. Without it: for ever.")]


@app.command()
def show(as_json: Json = False) -> None:
    """Show all rules."""

    async def work() -> None:
        async with open_engine() as engine:
            _tell(await engine.retention.rules(), as_json=as_json)

    run_command(work, as_json=as_json)


@app.command("set")
def set_rule(
    *,
    reason: Reason,
    workflow: Workflow = "",
    succeeded: Days = None,
    failed: Days = None,
    canceled: Days = None,
    bodies: Annotated[
        str | None,
        typer.Option(metavar="DAYS", help="Inputs and outputs only, as 14d. Without it: as long as the run."),
    ] = None,
    events: Annotated[
        str | None,
        typer.Option(
            metavar="DAYS", help="Events that were delivered, or that nothing took, as 90d; not with --workflow."
        ),
    ] = None,
    dead_events: Annotated[
        str | None,
        typer.Option(metavar="DAYS", help="Events that `events dead` lists, as 365d; not with --workflow."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Set what is kept, in place of the rule there was. What is older is deleted by the workers, within minutes."""

    async def work() -> None:
        from engine.records import Keep

        keep = Keep(
            succeeded=_days(succeeded),
            failed=_days(failed),
            canceled=_days(canceled),
            bodies=_days(bodies),
            events=_days(events),
            dead_events=_days(dead_events),
        )
        async with open_engine() as engine:
            _tell(await engine.retention.set(keep, reason, workflow_id=workflow), as_json=as_json)

    run_command(work, as_json=as_json)


@app.command()
def remove(reason: Reason, workflow: Workflow = "", as_json: Json = False) -> None:
    """Take a rule away: of the tenant, or of a workflow, which then has the tenant's."""

    async def work() -> None:
        async with open_engine() as engine:
            await engine.retention.remove(reason, workflow_id=workflow)
            _tell(await engine.retention.rules(), as_json=as_json)

    run_command(work, as_json=as_json)


def _days(text: str | None) -> int | None:
    """``30d`` or ``30``. Raises ``Invalid`` (RETENTION_INVALID)."""
    from engine.errors import Invalid

    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,6}d?", text):
        raise Invalid("RETENTION_INVALID", f"{text[:20]!r} is no number of days.", "Write days as 30d.")
    return int(text.removesuffix("d"))


def _tell(rules: tuple[RetentionRule, ...], *, as_json: bool) -> None:
    if as_json:
        print_json({"rules": rules})
    else:
        rows = [
            (rule.workflow_id or "all others", *(_told(getattr(rule.keep, name)) for name in _KEPT), rule.set_by)
            for rule in rules
        ]
        headings = ("WORKFLOW", "SUCCEEDED", "FAILED", "CANCELED", "BODIES", "EVENTS", "DEAD EVENTS", "SET BY")
        print_table(headings, rows, none="There is no rule: everything is kept.")


_KEPT = ("succeeded", "failed", "canceled", "bodies", "events", "dead_events")


def _told(days: int | None) -> str:
    return "for ever" if days is None else f"{days}d"
