"""``runstudio quota ...``: how many steps this month, how many may be, and runs that wait for more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runstudio_tui.commands.connection import open_engine
from runstudio_tui.commands.options import Json
from runstudio_tui.commands.output import Exit, print_json, run_command, say
from runstudio_tui.commands.targets import any_refused, print_outcomes, settle_each

if TYPE_CHECKING:
    from engine.records import QuotaUsage

app = typer.Typer(no_args_is_help=True, help="Show and set the step quota, and let paused runs go on.")


@app.command()
def show(as_json: Json = False) -> None:
    """Show what was used this month, the limit, and how many runs wait."""

    async def work() -> None:
        async with open_engine() as engine:
            usage = await engine.quota.usage()
        _tell(usage, as_json=as_json)

    run_command(work, as_json=as_json)


@app.command()
def resume(
    run_ids: Annotated[list[str], typer.Argument(help="Ids of runs that wait for quota.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Ask paused runs to go on, each on its own. Exit code 4 when one was refused: used up, or not paused."""

    async def work() -> Exit:
        async with open_engine() as engine:

            async def one(run_id: str) -> str:
                await engine.quota.resume(run_id)
                return "asked"

            outcomes = await settle_each(run_ids, one, doing="resuming", as_json=as_json)
        print_outcomes("run", outcomes, as_json=as_json)
        return Exit.CONFLICT if any_refused(outcomes) else Exit.DONE

    run_command(work, as_json=as_json)


@app.command("set")
def set_limit(
    limit: Annotated[str, typer.Argument(help="Steps per calendar month (UTC), or `none`.", show_default=False)],
    reason: Annotated[str | None, typer.Option(help="Why; it is audited.")] = None,
    as_json: Json = False,
) -> None:
    """Set the limit. Paused runs that may go on then are asked by a worker within five minutes."""

    async def work() -> None:
        from engine.errors import Invalid

        if limit != "none" and not (limit.isascii() and limit.isdigit() and len(limit) <= 10):
            raise Invalid("QUOTA_LIMIT_INVALID", f"{limit[:40]} is no limit.", "Use a number of steps, or `none`.")
        async with open_engine() as engine:
            steps = None if limit == "none" else int(limit)
            usage = await engine.quota.set_limit(steps, reason=reason)
        _tell(usage, as_json=as_json)

    run_command(work, as_json=as_json)


def _tell(usage: QuotaUsage, *, as_json: bool) -> None:
    facts = usage.to_json()
    if as_json:
        print_json({**facts, "exhausted": usage.exhausted})
        return
    from engine.wording import counted
    from runstudio_tui.domain.present import quota_text

    say(f"used     {quota_text(usage)}")
    say(f"period   {facts['periodStart']} to {facts['periodEnd']}")
    say(f"waiting  {counted(usage.paused_runs, 'run')}")
