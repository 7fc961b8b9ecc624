"""``runstudio bundle ...``: carry workflows between systems."""

from __future__ import annotations

from typing import Annotated

import typer

from runstudio_tui.commands.connection import open_backend
from runstudio_tui.commands.json_input import read_json
from runstudio_tui.commands.options import Json
from runstudio_tui.commands.output import print_json, run_command, say

app = typer.Typer(no_args_is_help=True, help="Export and import workflows with all their versions.")


@app.command("export")
def export(
    workflows: Annotated[list[str], typer.Argument(help="Workflow ids.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Tell refusals as JSON too; a bundle always is.")] = False,
) -> None:
    """Print the bundle of these workflows as JSON."""

    async def work() -> None:
        from engine.operations.bundles import export_bundle

        async with open_backend() as backend:
            print_json(await export_bundle(backend.context, workflows))

    run_command(work, as_json=as_json)


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(help="Bundle file, or - for stdin.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Replace the versions of workflows that exist.")] = False,
    as_json: Json = False,
) -> None:
    """Import all workflows of a bundle, or none. Exit code 4 when one exists and --force is not given."""

    async def work() -> None:
        from engine.actions.registry import load_actions
        from engine.operations.bundles import import_bundle
        from runstudio_tui.commands.connection import settings_in_use

        bundle = read_json(file)
        settings = settings_in_use()
        async with open_backend() as backend:
            registry = load_actions(settings.action_modules, settings)
            imported = await import_bundle(backend.context, bundle, registry, force=force)
        if as_json:
            print_json({"workflows": imported})
            return
        for done in imported:
            numbers = ", ".join(str(number) for number in done.versions) or "none"
            word = "replaced" if done.operation == "replace" else "created"
            say(f"{word} {done.workflow_id}, versions: {numbers}")

    run_command(work, as_json=as_json)
