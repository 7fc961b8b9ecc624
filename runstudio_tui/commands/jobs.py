"""``runstudio jobs ...``: operations over everything that matches, done by the workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from runstudio_tui.commands import run_export
from runstudio_tui.commands.connection import display_zone, open_engine
from runstudio_tui.commands.job_text import JOB_HEADINGS, job_columns, job_facts
from runstudio_tui.commands.options import Json
from runstudio_tui.commands.output import print_json, print_table, run_command, say

if TYPE_CHECKING:
    from engine.client import Engine
    from engine.records import Job

app = typer.Typer(no_args_is_help=True, help="Show jobs, hold them up, let them go on, and end them.")

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="Job id.", show_default=False)]
MOST_TOLD = 50


@app.command("list")
def list_jobs(
    open_only: Annotated[bool, typer.Option("--open", help="Those that have not ended.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Rows at most.")] = 50,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""

    async def work() -> None:
        async with open_engine() as engine:
            found = await engine.jobs.list(open_only=open_only, limit=limit)
            now = (await engine.system.session()).server_now
        if as_json:
            print_json({"jobs": [job_facts(job) for job in found], "serverNow": now})
            return
        zone = display_zone()
        none = "There is no job that has not ended." if open_only else "There is no job."
        print_table(JOB_HEADINGS, [job_columns(job, now, zone) for job in found], none=none)

    run_command(work, as_json=as_json)


@app.command()
def show(
    job_id: JobArgument,
    after: Annotated[
        str | None, typer.Option(help="Targets that failed or were skipped beyond this one.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Show one job: how far it is, what keeps it, and what failed or was skipped and why."""

    async def work() -> None:
        from engine.records import ItemState

        async with open_engine() as engine:
            job = await engine.jobs.get(job_id)
            items = [
                item
                for state in (ItemState.FAILED, ItemState.SKIPPED)
                for item in await engine.jobs.items(job_id, state, after=after, limit=MOST_TOLD)
            ]
        if as_json:
            print_json({"job": job_facts(job), "items": items})
            return
        say(f"{job.kind.value}  {job.state.value}  by {job.actor}: {job.reason}")
        say(f"of {job.filter_text or 'all'}")
        told = f"{job.done} done, {job.skipped} skipped, {job.failed} failed, {job.left} left of {job.total}"
        say(told if job.filled else f"{told}; targets are still being collected")
        if job.trouble:
            say(f"it does not go on just now: {job.trouble}")
        if items:
            rows = [(item.target, item.state.value, item.error_code or "", item.result) for item in items]
            print_table(("TARGET", "STATE", "CODE", "WHY"), rows, none=None)

    run_command(work, as_json=as_json)


@app.command()
def pause(job_id: JobArgument, as_json: Json = False) -> None:
    """Hold a job up; what is under way is finished."""
    _change(lambda engine: engine.jobs.pause(job_id), as_json=as_json)


@app.command()
def resume(job_id: JobArgument, as_json: Json = False) -> None:
    """Let a job go on."""
    _change(lambda engine: engine.jobs.resume(job_id), as_json=as_json)


@app.command()
def cancel(job_id: JobArgument, as_json: Json = False) -> None:
    """End a job; what is done stays done."""
    _change(lambda engine: engine.jobs.cancel(job_id), as_json=as_json)


app.command()(run_export.download)


def _change(change: Callable[[Engine], Awaitable[Job]], *, as_json: bool) -> None:
    async def work() -> None:
        async with open_engine() as engine:
            job = await change(engine)
        if as_json:
            print_json({"job": job_facts(job)})
        else:
            say(f"{job.job_id} {job.state.value}, {job.left} left")

    run_command(work, as_json=as_json)
