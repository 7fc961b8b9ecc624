"""All commands. Without one the studio opens; every action of the studio has a command here."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from runstudio_tui.commands import (
    alerts,
    attention,
    bundle,
    dev,
    doctor,
    events,
    installation,
    jobs,
    members,
    migrate,
    publish,
    quota,
    redaction,
    retention,
    runs,
    schedules,
    serve,
    simulate,
    start,
    tasks,
    tenant,
    worker,
    workflows,
)
from runstudio_tui.commands.studio import StudioOptions, open_studio, refuse_for

app = typer.Typer(
    help="Run Studio: durable workflows on Temporal, and a terminal UI for the people who operate them.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def studio(
    context: typer.Context,
    *,
    demo: Annotated[bool, typer.Option("--demo", help="Made-up runs, no server needed.")] = False,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII signs only.")] = False,
    low_bandwidth: Annotated[bool, typer.Option("--low-bandwidth", help="Send as few bytes as possible.")] = False,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse everything that changes something.")] = False,
    console: Annotated[
        bool,
        typer.Option("--console", help="Start no other program and touch no files, as the forced command of sshd."),
    ] = False,
    tenant: Annotated[
        str | None,
        typer.Option(help="Id of the tenant, one of those you are a member of. Without it RUNSTUDIO_TENANT counts."),
    ] = None,
    served: Annotated[bool, typer.Option("--served", hidden=True)] = False,
) -> None:
    """Open the studio, unless a command is given."""
    if tenant is not None:
        # Where everything below looks for it, a studio in a browser too.
        os.environ["RUNSTUDIO_TENANT"] = tenant
    context.obj = StudioOptions(
        demo=demo,
        ascii_only=ascii_only,
        low_bandwidth=low_bandwidth,
        read_only=read_only,
        console=console or served,
        served=served,
    )
    if context.obj.console and context.invoked_subcommand is not None:
        raise typer.BadParameter("--console opens the studio, and no command goes with it")
    refuse_for(context, opening=("run", "serve", "dev"))
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
app.add_typer(installation.app, name="installation")
app.add_typer(redaction.app, name="redaction")
app.add_typer(jobs.app, name="jobs")
app.add_typer(alerts.app, name="alerts")
app.add_typer(retention.app, name="retention")
app.add_typer(tenant.app, name="tenant")
app.add_typer(members.app, name="members")
app.add_typer(dev.app, name="dev")
app.command()(attention.attention)
app.command()(start.start)
app.command()(publish.publish)
app.command()(simulate.simulate)
app.command()(serve.serve)
app.command()(worker.worker)
app.command()(migrate.migrate)
app.command()(doctor.doctor)
