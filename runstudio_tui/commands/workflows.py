"""``runstudio workflows ...``: what is published, and whether it may start runs."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from runstudio_tui.commands.connection import display_zone, open_backend
from runstudio_tui.commands.options import Json
from runstudio_tui.commands.output import print_json, print_table, run_command, say

app = typer.Typer(no_args_is_help=True, help="List and show workflows, pause them, and limit their active runs.")

Workflow = Annotated[str, typer.Argument(metavar="WORKFLOW", help="Workflow id.", show_default=False)]
Reason = Annotated[str | None, typer.Option(help="Why; it is audited.")]


@app.command("list")
def list_workflows(as_json: Json = False) -> None:
    """List workflows by name, with their latest version and what starts them."""

    async def work() -> None:
        from engine.store.reading.catalog import workflow_list

        async with open_backend() as backend:
            reply = await workflow_list(backend.context.store, backend.context.tenant)
        if as_json:
            print_json({"workflows": reply.value, "serverNow": reply.server_now})
            return
        print_table(
            ("WORKFLOW", "NAME", "VERSION", "STARTED BY", "STATE"),
            [
                (
                    row.workflow_id,
                    row.name,
                    str(row.published_version or "-"),
                    _trigger(row.trigger),
                    "paused" if row.paused else "active",
                )
                for row in reply.value
            ],
        )

    run_command(work, as_json=as_json)


@app.command()
def show(
    workflow: Workflow,
    version: Annotated[int | None, typer.Option(min=1, help="Print this version's definition instead.")] = None,
    as_json: Json = False,
) -> None:
    """Show the published versions of a workflow, newest first, or one definition as it was published."""

    async def work() -> None:
        from engine.store.reading.catalog import definition_of, version_list
        from runstudio_tui.domain.present import full_moment

        async with open_backend() as backend:
            store, tenant = backend.context.store, backend.context.tenant
            if version is not None:
                body = await definition_of(store, tenant, workflow, version)
                if as_json:
                    print_json({"definition": body.value, "serverNow": body.server_now})
                else:
                    say(json.dumps(body.value, ensure_ascii=False, indent=2))
                return
            reply = await version_list(store, tenant, workflow)
        if as_json:
            print_json({"versions": reply.value, "serverNow": reply.server_now})
            return
        zone = display_zone()
        rows = [
            (str(row.version), full_moment(row.published_at, zone), row.definition_hash or "-") for row in reply.value
        ]
        print_table(("VERSION", "PUBLISHED", "HASH"), rows)

    run_command(work, as_json=as_json)


@app.command()
def pause(workflow: Workflow, reason: Reason = None, as_json: Json = False) -> None:
    """Refuse new runs of a workflow, by whatever they would be started; runs that are under way go on."""
    _pause(workflow, reason, paused=True, as_json=as_json)


@app.command()
def unpause(workflow: Workflow, reason: Reason = None, as_json: Json = False) -> None:
    """Accept new runs of a workflow again."""
    _pause(workflow, reason, paused=False, as_json=as_json)


@app.command()
def limit(
    workflow: Workflow,
    runs: Annotated[int, typer.Argument(metavar="RUNS", help="Runs at once; 0: no limit.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Limit how many runs of a workflow may be active at once; more are refused, except child runs."""

    async def work() -> None:
        from engine.operations.publish import limit_concurrency

        async with open_backend() as backend:
            await limit_concurrency(backend.context, workflow, runs)
        if as_json:
            print_json({"workflowId": workflow, "limit": runs})
        else:
            say(f"{workflow}: {runs or 'no limit of'} active runs")

    run_command(work, as_json=as_json)


def _pause(workflow: str, reason: str | None, *, paused: bool, as_json: bool) -> None:
    async def work() -> None:
        from engine.operations.publish import pause_workflow

        async with open_backend() as backend:
            await pause_workflow(backend.context, workflow, paused=paused, reason=reason)
        if as_json:
            print_json({"workflowId": workflow, "paused": paused})
        else:
            say(f"{workflow} is {'paused' if paused else 'active'}")

    run_command(work, as_json=as_json)


def _trigger(trigger: Any) -> str:
    if not isinstance(trigger, dict):
        return "hand"
    return " ".join(str(trigger[key]) for key in ("type", "eventName", "cron", "runAt") if trigger.get(key))
