"""``runstudio runs output`` and ``runstudio runs attempts``: what a run and its actions were given and gave."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.errors import Invalid
from runstudio_tui.commands.connection import display_zone, open_engine
from runstudio_tui.commands.options import Json, Reveal, RevealReason
from runstudio_tui.commands.output import print_json, print_table, run_command, say, say_document

RunArgument = Annotated[str, typer.Argument(help="Run id.", show_default=False)]


def output(run_id: RunArgument, reveal: Reveal = False, reason: RevealReason = None, as_json: Json = False) -> None:
    """Show the final vars of a run, and what of them is hidden."""

    async def work() -> None:
        from engine.records import Revealable

        async with open_engine() as engine:
            if reveal:
                print_json(await engine.system.reveal(Revealable.OUTPUT, run_id, reason or ""))
                return
            found = await engine.runs.output(run_id)
        if as_json:
            print_json({"output": found.value, "hidden": found.masked})
            return
        say_document(found)

    run_command(work, as_json=as_json)


def attempts(
    run_id: RunArgument,
    attempt_id: Annotated[str | None, typer.Argument(help="Show this one: its input and output.")] = None,
    reveal: Reveal = False,
    reason: RevealReason = None,
    as_json: Json = False,
) -> None:
    """List the attempts of a run's actions, or show what one was given and answered, and what of it is hidden."""

    async def work() -> None:
        from engine.records import Revealable

        if attempt_id is None and reveal:
            raise Invalid("ATTEMPT_NOT_NAMED", "One document is revealed at a time.", "Name the attempt by its id.")
        async with open_engine() as engine:
            if attempt_id is None:
                listed = await engine.runs.attempts(run_id)
            elif reveal:
                print_json(await engine.system.reveal(Revealable.ATTEMPT, attempt_id, reason or ""))
                return
            else:
                body = await engine.runs.attempt_body(run_id, attempt_id)
        if attempt_id is not None:
            if as_json:
                print_json({"input": body.input, "output": body.output})
                return
            for name, found in (("input", body.input), ("output", body.output)):
                if found is None:
                    say(name, "none")
                else:
                    say(name)
                    say_document(found)
            return
        if as_json:
            print_json({"attempts": listed})
            return
        from runstudio_tui.domain.present import full_moment

        zone = display_zone()
        print_table(
            ("ATTEMPT", "STEP", "ACTION", "TRY", "STATUS", "BEGUN"),
            [
                (row.attempt_id, row.path, row.action, str(row.attempt), row.status, full_moment(row.started_at, zone))
                for row in listed
            ],
            none="No action of this run was tried.",
        )

    run_command(work, as_json=as_json)
