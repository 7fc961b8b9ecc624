"""``runstudio runs ...``: what the Runs and Run screens show, and their actions, for scripts and tickets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from runstudio_tui.commands import replay_input, run_state
from runstudio_tui.commands.connection import display_zone, open_backend
from runstudio_tui.commands.options import After, Json, Limit
from runstudio_tui.commands.output import Exit, print_json, print_table, run_command, say, say_more

if TYPE_CHECKING:
    from engine.operations.cancel import CancelOutcome

app = typer.Typer(no_args_is_help=True, help="List, show, explain, cancel and replay runs.")

ENDED_BEFORE: Final = "RUN_ENDED"
"""Canceling what has ended already is no failure: nothing is left to be done."""
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
        from engine.errors import Invalid
        from runstudio_tui.commands.run_text import HEADINGS, columns
        from runstudio_tui.domain.filter_text import parse_filter

        wanted = parse_filter(filter_text)
        if wanted.problems:
            said = " ".join(f"{problem.token}: {problem.message}" for problem in wanted.problems)
            raise Invalid("FILTER_INVALID", said, "The words of the filter are in docs/cli.md.")
        zone = display_zone()
        async with open_backend() as backend:
            now = (await backend.system.session()).server_now
            page = await backend.runs.page(wanted.resolve(now, zone), after, limit)
        if as_json:
            print_json({"runs": page.rows, "next": page.next, "serverNow": page.server_now})
            return
        print_table(HEADINGS, [columns(row, page.server_now, zone) for row in page.rows])
        say_more(page.next)

    run_command(work, as_json=as_json)


@app.command()
def show(run_id: RunArgument, as_json: Json = False) -> None:
    """Show one run: header, steps in the order they ran, open waits."""

    async def work() -> None:
        from runstudio_tui.commands.run_text import lines
        from runstudio_tui.domain.models import RunId, Step

        async with open_backend() as backend:
            summary = await backend.runs.summary(RunId(run_id))
            steps: dict[str, Step] = {}
            cursor, more = None, True
            while more:
                page = await backend.runs.steps(RunId(run_id), cursor, 1000)
                steps.update({step.row_id: step for step in page.rows})
                cursor, more = page.cursor, page.more
            waits = await backend.runs.waits(RunId(run_id))
        if as_json:
            print_json(
                {
                    "run": summary.value,
                    "steps": list(steps.values()),
                    "waits": waits.value,
                    "serverNow": summary.server_now,
                }
            )
            return
        zone = display_zone()
        for line in lines(summary.value, tuple(steps.values()), waits.value, summary.server_now, zone):
            say(line)

    run_command(work, as_json=as_json)


@app.command()
def why(run_id: RunArgument, as_json: Json = False) -> None:
    """Say why a run is not moving: what is the case, the evidence, what helps."""

    async def work() -> None:
        from runstudio_tui.domain.models import RunId

        async with open_backend() as backend:
            reply = await backend.system.diagnose(RunId(run_id))
        if as_json:
            print_json({"diagnosis": reply.value, "serverNow": reply.server_now})
            return
        for finding in reply.value.findings:
            say(f"{finding.code}: {finding.sentence}")
            for line in finding.evidence:
                say(f"  {line}")
            if finding.advice:
                say(f"  What helps: {finding.advice}")

    run_command(work, as_json=as_json)


@app.command()
def cancel(
    run_ids: Annotated[list[str], typer.Argument(help="Run ids.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why, at least 3 characters; it is audited.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Cancel runs and the runs below them, each on its own. Exit code 0 when all have ended, 7 when some still clean up."""

    async def work() -> Exit:
        from engine.operations.cancel import cancel_runs

        async with open_backend() as backend:
            outcomes = await cancel_runs(backend.context, run_ids, reason)
        if len(outcomes) == 1 and outcomes[0].error is not None and outcomes[0].error.code != ENDED_BEFORE:
            raise outcomes[0].error
        results = [_canceled(outcome) for outcome in outcomes]
        if as_json:
            print_json({"results": results})
        else:
            print_table(("RUN", "RESULT"), [(r["run"], r.get("message") or r["result"]) for r in results])
        words = {result["result"] for result in results}
        if "failed" in words:
            return Exit.REFUSED
        return Exit.ACCEPTED if "requested" in words else Exit.DONE

    run_command(work, as_json=as_json)


def _canceled(outcome: CancelOutcome) -> dict[str, str]:
    error = outcome.error
    if error is None:
        return {"run": outcome.run_id, "result": "already ended" if outcome.outcome == "ended" else outcome.outcome}
    if error.code == ENDED_BEFORE:
        return {"run": outcome.run_id, "result": "already ended"}
    return {"run": outcome.run_id, "result": "failed", "code": error.code, "message": str(error)}


app.command("input")(replay_input.show_input)
app.command()(run_state.state)
app.command()(run_state.replay)
