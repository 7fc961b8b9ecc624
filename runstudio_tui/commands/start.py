"""``runstudio start``: start a run of a published workflow."""

from __future__ import annotations

from typing import Annotated

import typer

from runstudio_tui.commands.connection import open_engine
from runstudio_tui.commands.json_input import read_object
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
        from engine.ids import new_id

        value = read_object(payload, "PAYLOAD_NOT_OBJECT", "payload") if payload is not None else {}
        async with open_engine() as engine:
            started = await engine.runs.start(
                workflow, value, version=version, idempotency_key=key or new_id(), keep_refused=False
            )
        if as_json:
            print_json(
                {
                    "runId": started.run_id,
                    "version": started.version,
                    "created": started.created,
                    "pending": started.pending,
                }
            )
        else:
            say(started.run_id)
        return Exit.ACCEPTED if started.pending else Exit.DONE

    run_command(work, as_json=as_json)
