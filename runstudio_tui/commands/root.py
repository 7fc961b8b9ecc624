"""All commands. Without one the studio opens; every action of the studio has a command here."""

from __future__ import annotations

from typing import Annotated

import typer

from runstudio_tui.commands import (
    bundle,
    dev,
    doctor,
    events,
    migrate,
    publish,
    quota,
    runs,
    schedules,
    simulate,
    start,
    tasks,
    worker,
    workflows,
)
from runstudio_tui.commands.studio import StudioOptions, open_studio

app = typer.Typer(
    help="Run Studio: durable workflows on Temporal, and a terminal UI for the people who operate them.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def studio(
    context: typer.Context,
    demo: Annotated[bool, typer.Option("--demo", help="Made-up runs, no server needed.")] = False,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII signs only.")] = False,
    low_bandwidth: Annotated[bool, typer.Option("--low-bandwidth", help="Send as few bytes as possible.")] = False,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse everything that changes something.")] = False,
) -> None:
    """Open the studio, unless a command is given."""
    context.obj = StudioOptions(demo=demo, ascii_only=ascii_only, low_bandwidth=low_bandwidth, read_only=read_only)
    if context.invoked_subcommand is None:
        open_studio(context.obj)


@app.command()
def run(
    context: typer.Context,
    run_id: Annotated[str, typer.Argument(help="Run id.", show_default=False)],
) -> None:
    """Open the studio on one run."""
    open_studio(context.obj, run_id=run_id)


app.add_typer(runs.app, name="runs")
app.add_typer(workflows.app, name="workflows")
app.add_typer(schedules.app, name="schedules")
app.add_typer(events.app, name="events")
app.add_typer(bundle.app, name="bundle")
app.add_typer(tasks.app, name="tasks")
app.add_typer(quota.app, name="quota")
app.add_typer(dev.app, name="dev")
app.command()(start.start)
app.command()(publish.publish)
app.command()(simulate.simulate)
app.command()(worker.worker)
app.command()(migrate.migrate)
app.command()(doctor.doctor)
