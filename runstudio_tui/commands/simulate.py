"""``runstudio simulate``: a dry run of a definition, with fixtures instead of the world."""

from __future__ import annotations

from typing import Annotated

import typer

from runstudio_tui.commands.action_modules import action_modules
from runstudio_tui.commands.json_input import read_json, read_object
from runstudio_tui.commands.options import Actions, Json
from runstudio_tui.commands.output import Exit, print_json, run_command, say


def simulate(
    definition: Annotated[str, typer.Argument(help="JSON file, or - for stdin.", show_default=False)],
    *,
    payload: Annotated[str | None, typer.Option("--payload", "-p", help="JSON file. Without it: {}.")] = None,
    fixtures: Annotated[
        str | None,
        typer.Option(help="JSON file with an object: what steps, actions, events and tasks would answer."),
    ] = None,
    actions: Actions = None,
    max_steps: Annotated[int, typer.Option(min=1, max=5000, help="Steps at most.")] = 500,
    as_json: Json = False,
) -> None:
    """Run a definition on a virtual clock; nothing is called and nothing is written. Exit code 1 when the run would fail."""

    async def work() -> Exit:
        from datetime import UTC, datetime

        from engine.actions.registry import load_actions
        from engine.settings import Settings
        from engine.simulate.dry_run import SimulationOptions
        from engine.simulate.dry_run import simulate as dry_run

        settings = Settings.load()
        body = read_json(definition)
        given = read_object(payload, "PAYLOAD_NOT_OBJECT", "payload") if payload is not None else {}
        answers = read_object(fixtures, "FIXTURES_NOT_OBJECT", "set of fixtures") if fixtures is not None else {}
        found = await dry_run(
            body,
            given,
            registry=load_actions(action_modules(settings, actions), settings),
            now=datetime.now(UTC),
            fixtures=answers,
            options=SimulationOptions(max_steps=max_steps),
        )
        if as_json:
            print_json(found.to_json())
        else:
            say(*found.to_tree().split("\n"))
        return Exit.REFUSED if found.status == "failed" else Exit.DONE

    run_command(work, as_json=as_json)
