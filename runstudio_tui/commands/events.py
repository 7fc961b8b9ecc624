"""``runstudio events ...``: submit events and see what came of them."""

from __future__ import annotations

from typing import Annotated

import typer

from runstudio_tui.commands.connection import open_backend
from runstudio_tui.commands.json_input import read_json, read_object
from runstudio_tui.commands.options import After, Json, Limit
from runstudio_tui.commands.output import print_json, print_table, run_command, say, say_more

app = typer.Typer(no_args_is_help=True, help="Submit events, list them, and deliver again what failed.")


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
        from engine.operations.events import EventRequest, submit_event

        value = read_json(payload) if payload is not None else {}
        async with open_backend() as backend:
            receipt = await submit_event(backend.context, EventRequest(name, value, key, event_id, schema_ref))
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
        from engine.store.reading.events import EventFilter, events_page

        async with open_backend() as backend:
            wanted = EventFilter(tenant=backend.context.tenant, name=name, key=key)
            page = await events_page(backend.context.store, wanted, cursor=after, limit=limit)
        if as_json:
            print_json({"events": page.rows, "next": page.next, "serverNow": page.server_now})
            return
        print_table(
            ("EVENT", "NAME", "KEY", "STATUS", "RUN"),
            [
                (row.event_id, row.name, row.key or "-", row.error or row.status, row.matched_run or "-")
                for row in page.rows
            ],
        )
        say_more(page.next)

    run_command(work, as_json=as_json)


@app.command()
def redeliver(
    delivery_id: Annotated[str, typer.Argument(help="Id of a failed delivery.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why, at least 3 characters; it is audited.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Make a failed delivery again."""

    async def work() -> None:
        from engine.operations.events import redeliver_event

        async with open_backend() as backend:
            await redeliver_event(backend.context, delivery_id, reason)
        if as_json:
            print_json({"deliveryId": delivery_id, "status": "pending"})
        else:
            say("It is delivered again by the next worker that looks.")

    run_command(work, as_json=as_json)


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
        from engine.operations.correlation_paths import correlation_paths, set_correlation_paths

        wanted = None if file is None else read_object(file, "CORRELATION_PATH_INVALID", "set of paths")
        async with open_backend() as backend:
            if wanted is not None:
                await set_correlation_paths(backend.context, wanted)
            found = await correlation_paths(backend.context)
        if as_json:
            print_json({"paths": found})
        else:
            print_table(("EVENT", "PATHS"), [(name, " ".join(values)) for name, values in sorted(found.items())])

    run_command(work, as_json=as_json)
