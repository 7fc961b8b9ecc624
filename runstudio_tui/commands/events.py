"""``runstudio events ...``: submit events and see what came of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from engine.errors import Conflict, Invalid
from runstudio_tui.commands.connection import open_engine
from runstudio_tui.commands.job_text import tell_submitted
from runstudio_tui.commands.json_input import read_object
from runstudio_tui.commands.options import After, Json, Limit, Reveal, RevealReason
from runstudio_tui.commands.output import (
    Exit,
    print_json,
    print_table,
    run_command,
    say,
    say_document,
    say_more,
)
from runstudio_tui.commands.targets import any_refused, print_outcomes, settle_each

if TYPE_CHECKING:
    from engine.client import Engine

MOST_AT_ONCE: Final = 500

app = typer.Typer(no_args_is_help=True, help="Submit events, list them, and deliver again what failed or was skipped.")


@app.command()
def submit(
    name: Annotated[str, typer.Argument(help="Event name.", show_default=False)],
    payload: Annotated[
        str | None, typer.Option("--payload", "-p", help="JSON file, or - for stdin. Without it: {}.")
    ] = None,
    *,
    key: Annotated[
        str | None, typer.Option("--key", help="Correlation key; without it the payload's keys count.")
    ] = None,
    event_id: Annotated[str | None, typer.Option("--id", help="The producer's id: the same one is taken once.")] = None,
    schema_ref: Annotated[
        str | None, typer.Option("--schema-ref", help="Name of the payload's schema, as in payload.Order.v1.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Store an event for routing and print its id."""

    async def work() -> None:
        value = read_object(payload, "PAYLOAD_NOT_OBJECT", "payload") if payload is not None else {}
        async with open_engine() as engine:
            receipt = await engine.events.submit(name, value, key=key, event_id=event_id, schema_ref=schema_ref)
        if as_json:
            print_json(receipt)
        else:
            say(receipt.event_id if receipt.accepted else f"{receipt.event_id} (submitted before; nothing changed)")

    run_command(work, as_json=as_json)


@app.command("list")
def list_events(
    name: Annotated[str | None, typer.Option("--name", help="Only events of this name.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Only events with this correlation key.")] = None,
    limit: Limit = 50,
    after: After = None,
    as_json: Json = False,
) -> None:
    """List events, newest first."""

    async def work() -> None:
        from engine.records import EventFilter

        async with open_engine() as engine:
            page = await engine.events.list(EventFilter(name=name, key=key), after=after, limit=limit)
        if as_json:
            print_json({"events": page.rows, "next": page.next, "serverNow": page.server_now})
            return
        print_table(
            ("EVENT", "NAME", "KEY", "STATUS", "RUN"),
            [
                (row.event_id, row.name, row.key or "-", row.error or row.status, row.matched_run or "-")
                for row in page.rows
            ],
            none="No event matches.",
        )
        say_more(page.next)

    run_command(work, as_json=as_json)


@app.command()
def show(
    event_id: Annotated[str, typer.Argument(help="Event id.", show_default=False)],
    reveal: Reveal = False,
    reason: RevealReason = None,
    as_json: Json = False,
) -> None:
    """Show one event: its payload, what of it is hidden, and what came of it."""

    async def work() -> None:
        from engine.records import Revealable

        async with open_engine() as engine:
            if reveal:
                print_json(await engine.system.reveal(Revealable.EVENT, event_id, reason or ""))
                return
            detail = await engine.events.get(event_id)
        if as_json:
            print_json({"event": detail})
            return
        say(f"{detail.row.name}  {detail.row.error or detail.row.status}  key {detail.row.key or '-'}")
        if detail.payload is not None:
            say_document(detail.payload)
        for sent in detail.deliveries:
            say(f"{sent.kind} {sent.target}  {sent.status}  {sent.last_error or sent.reason or ''}".rstrip())

    run_command(work, as_json=as_json)


@app.command()
def dead(limit: Limit = 50, after: After = None, as_json: Json = False) -> None:
    """List what did not reach its target, and why, the latest first: deliveries that failed or were skipped, unrouted events."""

    async def work() -> None:
        async with open_engine() as engine:
            page = await engine.events.deliveries(status="dead", after=after, limit=limit)
        if as_json:
            print_json({"deliveries": page.rows, "next": page.next, "serverNow": page.server_now})
            return
        print_table(
            ("DELIVERY", "STATUS", "EVENT", "KIND", "TARGET", "WHY"),
            [
                (
                    row.delivery_id,
                    row.status,
                    row.event_name or "-",
                    row.kind,
                    row.target or "-",
                    row.last_error or row.reason or "-",
                )
                for row in page.rows
            ],
            none="Everything reached its target.",
        )
        say_more(page.next)

    run_command(work, as_json=as_json)


@app.command()
def redeliver(
    delivery_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="DELIVERY", help="Ids of failed or skipped deliveries.", show_default=False),
    ] = None,
    *,
    reason: Annotated[str, typer.Option(help="Why, at least 3 characters; it is audited.", show_default=False)],
    everything: Annotated[bool, typer.Option("--all", help="All that `events dead` lists.")] = False,
    job: Annotated[bool, typer.Option("--job", help="With --all: as a job of the workers, for very many.")] = False,
    as_json: Json = False,
) -> None:
    """Make failed deliveries again, and skipped ones whose target can still take them; exit code 1 when some were refused."""

    async def work() -> Exit:
        from engine.records import JobKind

        async with open_engine() as engine:
            if everything == bool(delivery_ids):
                raise Invalid(
                    "TARGETS_UNCLEAR", "Name deliveries, or say --all.", "`runstudio events dead` lists them."
                )
            if job and not everything:
                raise Invalid("TARGETS_UNCLEAR", "A job is of all of them.", "Say --all with --job.")
            if job:
                submitted = await engine.jobs.submit(JobKind.REDELIVER, "dead", reason)
                return tell_submitted(submitted, as_json=as_json)
            targets = await _dead_ids(engine) if everything else delivery_ids or []
            if not targets:
                raise Conflict("NOTHING_DEAD", "No delivery failed or was skipped.", "Nothing needs doing.")

            async def one(delivery_id: str) -> str:
                await engine.events.redeliver(delivery_id, reason)
                return "pending"

            outcomes = await settle_each(targets, one, doing="redelivering", as_json=as_json)
        if len(outcomes) > 1:
            print_outcomes("delivery", outcomes, as_json=as_json)
        elif as_json:
            print_json({"deliveryId": outcomes[0].target, "status": "pending"})
        else:
            say("It is delivered again by the next worker that looks.")
        return Exit.REFUSED if any_refused(outcomes) else Exit.DONE

    run_command(work, as_json=as_json)


async def _dead_ids(engine: Engine) -> list[str]:
    found: list[str] = []
    after: str | None = None
    while True:
        page = await engine.events.deliveries(status="dead", after=after, limit=MOST_AT_ONCE)
        found += [row.delivery_id for row in page.rows]
        after = page.next
        if after is None:
            return found


@app.command()
def paths(
    file: Annotated[
        str | None,
        typer.Option("--set", help="JSON file, or - for stdin, with all of them. Without it: show."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show or replace where events carry their correlation keys: `{"EVENT": ["order.id"]}`, or `*` for all events."""

    async def work() -> None:
        wanted = None if file is None else read_object(file, "CORRELATION_PATH_INVALID", "set of paths")
        async with open_engine() as engine:
            if wanted is not None:
                await engine.events.set_correlation_paths(wanted)
            found = await engine.events.correlation_paths()
        if as_json:
            print_json({"paths": found})
        else:
            rows = [(name, " ".join(values)) for name, values in sorted(found.items())]
            print_table(("EVENT", "PATHS"), rows, none="There is no path: no event carries a correlation key.")

    run_command(work, as_json=as_json)
