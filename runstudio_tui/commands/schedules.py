"""``runstudio schedules ...``: workflows that are started by time, when next, and what came of it."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Annotated

import typer

from runstudio_tui.commands.connection import display_zone, open_backend
from runstudio_tui.commands.json_input import read_json
from runstudio_tui.commands.options import After, Json, Limit
from runstudio_tui.commands.output import print_json, print_table, run_command, say, say_more

if TYPE_CHECKING:
    from engine.store.reading.schedules import FireView, ScheduleView

app = typer.Typer(
    no_args_is_help=True,
    help="List and show what is started by time. Pausing a workflow pauses its schedule: runstudio workflows pause.",
)

Named = Annotated[str, typer.Argument(metavar="ID", help="Schedule id, or the id of its workflow.", show_default=False)]


@app.command("list")
def list_schedules(
    limit: Limit = 50,
    after: After = None,
    as_json: Json = False,
) -> None:
    """List schedules by workflow, with the next and the last occurrence."""

    async def work() -> None:
        from engine.store.reading.schedules import schedules_page
        from runstudio_tui.domain.present import NOTHING, moment

        async with open_backend() as backend:
            page = await schedules_page(backend.context.store, backend.context.tenant, cursor=after, limit=limit)
        if as_json:
            print_json({"schedules": page.rows, "next": page.next, "serverNow": page.server_now})
            return
        zone = display_zone()
        print_table(
            ("WORKFLOW", "STATUS", "WHEN", "NEXT", "LAST", "CAME OF IT"),
            [
                (
                    f"{row.workflow_id} v{row.workflow_version}",
                    _status(row),
                    _when(row, zone),
                    moment(row.next_fire_at, page.server_now, zone),
                    moment(row.last_fire_at, page.server_now, zone),
                    row.last_outcome or NOTHING,
                )
                for row in page.rows
            ],
        )
        say_more(page.next)

    run_command(work, as_json=as_json)


@app.command()
def show(
    named: Named,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Occurrences at most.")] = 20,
    after: After = None,
    as_json: Json = False,
) -> None:
    """Show a schedule and what came of its occurrences, the latest first: started, skipped, missed or failed."""

    async def work() -> None:
        from engine.store.reading.schedules import fires_page, schedule_detail

        async with open_backend() as backend:
            store, tenant = backend.context.store, backend.context.tenant
            reply = await schedule_detail(store, tenant, named)
            row = reply.value.row
            page = await fires_page(store, tenant, row.schedule_id, cursor=after, limit=limit)
        if as_json:
            answer = {"schedule": row, "payload": reply.value.payload, "fires": page.rows, "next": page.next}
            print_json({**answer, "serverNow": page.server_now})
            return
        zone = display_zone()
        for line in _header(row, zone):
            say(line)
        if page.rows:
            say()
            _print_fires(page.rows, page.server_now, zone)
        say_more(page.next)

    run_command(work, as_json=as_json)


@app.command()
def payload(
    named: Named,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="JSON file with an object, or - for stdin.", show_default=False)
    ],
    as_json: Json = False,
) -> None:
    """Set the payload with which a schedule starts its runs; {} until then."""

    async def work() -> None:
        from engine.operations.schedules import set_schedule_payload
        from engine.store.reading.schedules import schedule_detail

        value = read_json(file)
        async with open_backend() as backend:
            row = (await schedule_detail(backend.context.store, backend.context.tenant, named)).value.row
            await set_schedule_payload(backend.context, row.workflow_id, value)
        if as_json:
            print_json({"scheduleId": row.schedule_id, "workflowId": row.workflow_id})
        else:
            say(f"The next run of {row.workflow_id} that is started by time has this payload.")

    run_command(work, as_json=as_json)


def _status(row: ScheduleView) -> str:
    if row.overdue:
        return f"{row.status}, overdue"
    return f"{row.status}, Temporal not told yet" if row.pending else row.status


def _when(row: ScheduleView, zone: tzinfo) -> str:
    from runstudio_tui.domain.present import full_moment

    return f"{row.cron} {row.timezone}" if row.cron is not None else f"once, {full_moment(row.run_at, zone)}"


def _header(row: ScheduleView, zone: tzinfo) -> list[str]:
    from runstudio_tui.domain.present import NOTHING, full_moment

    lines = [
        f"schedule  {row.schedule_id}",
        f"workflow  {row.workflow_id} version {row.workflow_version}",
        f"status    {_status(row)}",
        f"when      {_when(row, zone)}",
        f"next      {full_moment(row.next_fire_at, zone) if row.next_fire_at else NOTHING}",
    ]
    if row.overdue:
        lines.append("          No worker has decided about it: `runstudio doctor` says what is down.")
    return [*lines, f"error     {row.last_error}"] if row.last_error else lines


def _print_fires(fires: tuple[FireView, ...], now: datetime, zone: tzinfo) -> None:
    from runstudio_tui.domain.present import NOTHING, moment

    print_table(
        ("FOR", "DECIDED", "CAME OF IT", "RUN", "REASON"),
        [
            (
                moment(fire.scheduled_for, now, zone),
                moment(fire.fired_at, now, zone),
                fire.outcome,
                f"{fire.run_id} {fire.run_status or ''}".rstrip() if fire.run_id else NOTHING,
                fire.reason or "",
            )
            for fire in fires
        ],
    )
