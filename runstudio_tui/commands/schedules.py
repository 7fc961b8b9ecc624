"""``runstudio schedules ...``: workflows that are started by time, when next, and what came of it."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Annotated

import typer

from engine.errors import EngineError, Unavailable
from runstudio_tui.commands.connection import display_zone, open_engine
from runstudio_tui.commands.json_input import read_json
from runstudio_tui.commands.options import After, Json, Limit
from runstudio_tui.commands.output import Exit, print_json, print_table, run_command, say, say_more
from runstudio_tui.commands.targets import Settled, any_refused, print_outcomes, settle_each

if TYPE_CHECKING:
    from engine.client import Engine
    from engine.records import Fire, Schedule, Started

app = typer.Typer(
    no_args_is_help=True,
    help="List, show and fire what is started by time. To hold it, pause its workflow: runstudio workflows pause.",
)

_TIMES = 10
Named = Annotated[str, typer.Argument(metavar="ID", help="Schedule id, or the id of its workflow.", show_default=False)]


@app.command("list")
def list_schedules(
    limit: Limit = 50,
    after: After = None,
    as_json: Json = False,
) -> None:
    """List schedules by workflow, with the next and the last occurrence."""

    async def work() -> None:
        from runstudio_tui.domain.present import NOTHING, moment

        async with open_engine() as engine:
            page = await engine.schedules.list(after=after, limit=limit)
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
            none="There is no schedule.",
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
        async with open_engine() as engine:
            detail = await engine.schedules.get(named)
            row = detail.row
            page = await engine.schedules.fires(row.schedule_id, after=after, limit=limit)
            times = await _next_times(engine, row.schedule_id)
        if as_json:
            known, problem = (None, times.message) if isinstance(times, EngineError) else (times, None)
            answer = {"schedule": row, "payload": detail.payload, "fires": page.rows, "next": page.next}
            answer |= {"nextTimes": known, "nextTimesProblem": problem}
            print_json({**answer, "serverNow": page.server_now})
            return
        zone = display_zone()
        for line in _header(row, times, zone):
            say(line)
        if page.rows:
            say()
            _print_fires(page.rows, page.server_now, zone)
        say_more(page.next)

    run_command(work, as_json=as_json)


@app.command()
def fire(
    named: Annotated[
        list[str], typer.Argument(metavar="ID", help="Schedule ids, or ids of their workflows.", show_default=False)
    ],
    reason: Annotated[str, typer.Option(help="Why, at least 3 characters; it is audited.", show_default=False)],
    key: Annotated[
        str | None, typer.Option("--idempotency-key", help="The same key starts a run only once; for one schedule.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Start one run now as a schedule would, with its payload, and print the run's id; its own times come all the same.

    Exit code 1 when some of several were refused. 7: accepted, and started as soon as Temporal can be reached.
    """

    async def work() -> Exit:
        from engine.errors import Invalid
        from engine.ids import new_id

        if key is not None and len(set(named)) > 1:
            raise Invalid(
                "ONE_SCHEDULE_ONLY",
                "--idempotency-key is for one schedule.",
                "Fire that one by itself; none was fired.",
            )
        # One of a schedule that is named by its own id and by its workflow's: it is fired once.
        once = new_id() if key is None else key
        async with open_engine() as engine:

            async def one(schedule: str) -> Started:
                return await engine.schedules.fire(schedule, reason, idempotency_key=once)

            outcomes = await settle_each(named, one, doing="firing", as_json=as_json)
        match outcomes:
            case [Settled(_, started)] if as_json:
                facts = {"runId": started.run_id, "version": started.version}
                print_json({**facts, "created": started.created, "pending": started.pending})
            case [Settled(_, started)]:
                say(started.run_id)
            case _:
                print_outcomes("schedule", outcomes, lambda started: started.run_id, as_json=as_json)
        if any_refused(outcomes):
            return Exit.REFUSED
        pending = any(isinstance(outcome, Settled) and outcome.value.pending for outcome in outcomes)
        return Exit.ACCEPTED if pending else Exit.DONE

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
        value = read_json(file)
        async with open_engine() as engine:
            row = (await engine.schedules.get(named)).row
            await engine.schedules.set_payload(row.workflow_id, value)
        if as_json:
            print_json({"scheduleId": row.schedule_id, "workflowId": row.workflow_id})
        else:
            say(f"The next run of {row.workflow_id} that is started by time has this payload.")

    run_command(work, as_json=as_json)


def _status(row: Schedule) -> str:
    if row.overdue:
        return f"{row.status}, overdue"
    return f"{row.status}, Temporal not told yet" if row.pending else row.status


def _when(row: Schedule, zone: tzinfo) -> str:
    from runstudio_tui.domain.present import full_moment

    return f"{row.cron} {row.timezone}" if row.cron is not None else f"once, {full_moment(row.run_at, zone)}"


async def _next_times(engine: Engine, schedule_id: str) -> tuple[datetime, ...] | EngineError:
    """The next ten occurrences; why they are not known, when Temporal does not tell."""
    try:
        return await engine.schedules.next_times(schedule_id, _TIMES)
    except Unavailable as error:
        return error


def _header(row: Schedule, times: tuple[datetime, ...] | EngineError, zone: tzinfo) -> list[str]:
    from runstudio_tui.domain.present import full_moment

    lines = [
        f"schedule  {row.schedule_id}",
        f"workflow  {row.workflow_id} version {row.workflow_version}",
        f"status    {_status(row)}",
        f"when      {_when(row, zone)}",
        f"next      {full_moment(row.next_fire_at, zone)}{_there(row, row.next_fire_at)}",
    ]
    if isinstance(times, EngineError):
        lines.append(f"          What comes after it is not known. {times.sentences}")
    else:
        lines += [f"          {full_moment(at, zone)}{_there(row, at)}" for at in times if at != row.next_fire_at]
    if row.overdue:
        lines.append("          No worker has decided about it: `runstudio doctor` says what is down.")
    return [*lines, f"error     {row.last_error}"] if row.last_error else lines


def _there(row: Schedule, at: datetime | None) -> str:
    """The same moment on the clocks by which the schedule goes; the offset shows where they are put forward or back."""
    from zoneinfo import ZoneInfo

    if at is None or row.cron is None or row.timezone is None:
        return ""
    try:
        local = at.astimezone(ZoneInfo(row.timezone))
    except (ValueError, OSError, LookupError):
        return ""
    return f"  {local.strftime('%a %H:%M %z')} {row.timezone}"


def _print_fires(fires: tuple[Fire, ...], now: datetime, zone: tzinfo) -> None:
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
        none=None,
    )
