"""``runstudio runs ...``: what the Runs and Run screens show, and their actions, for scripts and tickets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from runstudio_tui.commands import replay_input, run_bodies, run_export, run_history, run_state
from runstudio_tui.commands.connection import display_zone, open_engine
from runstudio_tui.commands.job_text import Filter, require_runs, submit_for_filter
from runstudio_tui.commands.options import After, Json, Limit
from runstudio_tui.commands.output import Exit, print_json, print_table, run_command, say, say_more
from runstudio_tui.commands.progress import progress_bar
from runstudio_tui.commands.run_filter import next_cursor, read_filter, split_cursor
from runstudio_tui.commands.targets import raise_the_same

if TYPE_CHECKING:
    from engine.records import Canceled

app = typer.Typer(no_args_is_help=True, help="List, show, explain, export, cancel and replay runs.")

ENDED_BEFORE: Final = "RUN_ENDED"
"""Canceling what has ended already is no failure: nothing is left to be done."""
Reason = Annotated[str, typer.Option(help="Why, at least 3 characters; it is audited.", show_default=False)]
RunArgument = Annotated[str, typer.Argument(help="Run id.", show_default=False)]


@app.command("list")
def list_runs(
    filter_text: Annotated[
        str, typer.Argument(metavar="[FILTER]", help="As in the studio: `status:failed wf:billing since:2h`.")
    ] = "",
    limit: Limit = 50,
    after: After = None,
    as_json: Json = False,
) -> None:
    """List runs, newest first."""

    async def work() -> None:
        from runstudio_tui.commands.run_text import HEADINGS, columns

        wanted, zone = read_filter(filter_text), display_zone()
        begun, cursor = split_cursor(after)
        async with open_engine() as engine:
            moment = begun or (await engine.system.session()).server_now
            page = await engine.runs.list(wanted.resolve(moment, zone), after=cursor, limit=limit)
        following = next_cursor(wanted, moment, page.next)
        if as_json:
            print_json({"runs": page.rows, "next": following, "serverNow": page.server_now})
            return
        print_table(HEADINGS, [columns(row, page.server_now, zone) for row in page.rows], none="No run matches.")
        say_more(following)

    run_command(work, as_json=as_json)


@app.command()
def show(run_id: RunArgument, as_json: Json = False) -> None:
    """Show one run: header, steps in the order they ran, open waits."""

    async def work() -> None:
        from engine.records import Step
        from runstudio_tui.commands.run_text import lines

        async with open_engine() as engine:
            summary = await engine.runs.get(run_id)
            steps: dict[str, Step] = {}
            cursor, more = None, True
            while more:
                page = await engine.runs.steps(run_id, after=cursor)
                steps.update({step.row_id: step for step in page.rows})
                cursor, more = page.cursor, page.more
            waits = await engine.runs.waits(run_id)
        if as_json:
            print_json(
                {
                    "run": summary,
                    "steps": list(steps.values()),
                    "waits": waits,
                    "serverNow": summary.server_now,
                }
            )
            return
        zone = display_zone()
        for line in lines(summary, tuple(steps.values()), waits, summary.server_now, zone):
            say(line)

    run_command(work, as_json=as_json)


@app.command()
def why(run_id: RunArgument, as_json: Json = False) -> None:
    """Say why a run is not moving: what is the case, the evidence, what helps."""

    async def work() -> None:
        async with open_engine() as engine:
            diagnosis = await engine.runs.why(run_id)
        if as_json:
            print_json({"diagnosis": diagnosis, "serverNow": diagnosis.server_now})
            return
        for finding in diagnosis.findings:
            say(f"{finding.code}: {finding.sentence}")
            for line in finding.evidence:
                say(f"  {line}")
            if finding.advice:
                say(f"  What helps: {finding.advice}")

    run_command(work, as_json=as_json)


@app.command()
def cancel(
    run_ids: Annotated[list[str] | None, typer.Argument(metavar="RUN_ID", help="Run ids.", show_default=False)] = None,
    *,
    reason: Reason,
    filter_text: Filter = None,
    key: Annotated[
        str | None, typer.Option("--idempotency-key", help="With --filter: the same key makes the job once.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Cancel runs and the runs below them, each on its own. Exit code 0 when all have ended, 7 when some still clean up."""

    async def work() -> Exit:
        from engine.records import JobKind

        require_runs(run_ids, filter_text)
        if filter_text is not None:
            return await submit_for_filter(JobKind.CANCEL, filter_text, reason, key, as_json=as_json)
        async with open_engine() as engine:
            with progress_bar("canceling", as_json=as_json) as bar:
                outcomes = await engine.runs.cancel_many(run_ids or [], reason, progress=bar)
        raise_the_same([None if _ended_before(outcome) else outcome.error for outcome in outcomes])
        results = [_canceled(outcome) for outcome in outcomes]
        if as_json:
            print_json({"results": results})
        else:
            print_table(("RUN", "RESULT"), [(r["run"], r.get("message") or r["result"]) for r in results], none=None)
        words = {result["result"] for result in results}
        if "failed" in words:
            return Exit.REFUSED
        return Exit.ACCEPTED if "requested" in words else Exit.DONE

    run_command(work, as_json=as_json)


@app.command()
def delete(
    filter_text: Annotated[
        str,
        typer.Argument(metavar="FILTER", help="Runs that match, as `status:succeeded until:2026-01-01`; '' for all."),
    ],
    reason: Reason,
    key: Annotated[str | None, typer.Option("--idempotency-key", help="The same key makes the job once.")] = None,
    as_json: Json = False,
) -> None:
    """Delete runs that have ended, with everything that belongs to them, as a job. Never a live one. It cannot be undone."""

    async def work() -> Exit:
        from engine.records import JobKind

        return await submit_for_filter(JobKind.DELETE, filter_text, reason, key, as_json=as_json)

    run_command(work, as_json=as_json)


def _ended_before(outcome: Canceled) -> bool:
    return outcome.outcome == "ended" or (outcome.error is not None and outcome.error.code == ENDED_BEFORE)


def _canceled(outcome: Canceled) -> dict[str, str]:
    error = outcome.error
    if _ended_before(outcome):
        return {"run": outcome.run_id, "result": "already ended"}
    if error is None:
        return {"run": outcome.run_id, "result": outcome.outcome}
    return {"run": outcome.run_id, "result": "failed", "code": error.code, "message": str(error)}


app.command()(run_export.export)
app.command()(run_history.snapshots)
app.command()(run_history.audit)
app.command("input")(replay_input.show_input)
app.command()(run_bodies.output)
app.command()(run_bodies.attempts)
app.command()(run_state.state)
app.command()(run_state.replay)
