"""``runstudio bundle ...``: carry workflows between systems."""

from __future__ import annotations

from typing import Annotated

import typer

from runstudio_tui.commands.action_modules import loaded_modules
from runstudio_tui.commands.connection import open_engine
from runstudio_tui.commands.json_input import read_json
from runstudio_tui.commands.options import Actions, Json
from runstudio_tui.commands.output import print_json, run_command, say
from runstudio_tui.commands.progress import progress_bar

app = typer.Typer(no_args_is_help=True, help="Export and import workflows with all their versions.")


@app.command("export")
def export(
    workflows: Annotated[list[str], typer.Argument(help="Workflow ids.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Tell refusals as JSON too; a bundle always is.")] = False,
) -> None:
    """Print the bundle of these workflows as JSON."""

    async def work() -> None:
        async with open_engine() as engine:
            with progress_bar("exporting", as_json=as_json) as bar:
                bundle = await engine.workflows.export_bundle(workflows, progress=bar)
        print_json(bundle)

    run_command(work, as_json=as_json)


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(help="Bundle file, or - for stdin.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Replace the versions of workflows that exist.")] = False,
    actions: Actions = None,
    as_json: Json = False,
) -> None:
    """Import all workflows of a bundle, or none. Exit code 4 when one exists and --force is not given."""

    async def work() -> None:
        bundle = read_json(file)
        modules = loaded_modules(actions)
        async with open_engine(modules) as engine:
            with progress_bar("importing", as_json=as_json) as bar:
                imported = await engine.workflows.import_bundle(bundle, force=force, progress=bar)
        if as_json:
            print_json({"workflows": imported})
            return
        for done in imported:
            numbers = ", ".join(str(number) for number in done.versions) or "none"
            word = "replaced" if done.operation == "replace" else "created"
            say(f"{word} {done.workflow_id}, versions: {numbers}")

    run_command(work, as_json=as_json)
