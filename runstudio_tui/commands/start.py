"""``runstudio start``: start a run of a published workflow."""

from __future__ import annotations

from typing import Annotated

import typer

from runstudio_tui.commands.connection import open_backend
from runstudio_tui.commands.json_input import read_json
from runstudio_tui.commands.options import Json
from runstudio_tui.commands.output import Exit, print_json, run_command, say


def start(
    workflow: Annotated[str, typer.Argument(help="Workflow id.", show_default=False)],
    payload: Annotated[
        str | None, typer.Option("--payload", "-p", help="JSON file, or - for stdin. Without it: {}.")
    ] = None,
    version: Annotated[int | None, typer.Option(min=1, help="Published version; the newest without it.")] = None,
    key: Annotated[str | None, typer.Option("--idempotency-key", help="The same key starts a run only once.")] = None,
    as_json: Json = False,
) -> None:
    """Start a run and print its id. Exit code 7: accepted, and started as soon as Temporal can be reached."""

    async def work() -> Exit:
        from engine.errors import NotFound
        from engine.ids import new_id
        from runstudio_tui.domain.catalog import StartRequest

        value = read_json(payload) if payload is not None else {}
        async with open_backend() as backend:
            chosen = version
            if chosen is None:
                versions = (await backend.catalog.versions(workflow)).value
                if not versions:
                    raise NotFound(
                        "VERSION_NOT_FOUND", f"{workflow} has no published version.", "runstudio publish adds one."
                    )
                chosen = versions[0].version
            started = (await backend.control.start(StartRequest(workflow, chosen, value, key or new_id()))).value
        if as_json:
            print_json(
                {"runId": started.run_id, "version": chosen, "created": started.created, "pending": started.pending}
            )
        else:
            say(started.run_id)
        return Exit.ACCEPTED if started.pending else Exit.DONE

    run_command(work, as_json=as_json)
