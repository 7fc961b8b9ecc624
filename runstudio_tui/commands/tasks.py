"""``runstudio tasks ...``: what runs ask of people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runstudio_tui.commands.connection import display_zone, open_engine
from runstudio_tui.commands.json_input import read_json, read_object
from runstudio_tui.commands.options import After, Json, Limit, Reveal, RevealReason
from runstudio_tui.commands.output import Exit, print_json, print_table, progress, run_command, say, say_more
from runstudio_tui.commands.targets import Settled, any_refused, print_outcomes, settle_each

if TYPE_CHECKING:
    from engine.records import TaskClosed

app = typer.Typer(
    no_args_is_help=True, help="List, show, claim, assign, complete and cancel human tasks, and register their forms."
)

TaskArgument = Annotated[str, typer.Argument(help="Task id.", show_default=False)]


@app.command("list")
def list_tasks(
    status: Annotated[
        list[str] | None,
        typer.Option("--status", help="pending, claimed, completed, canceled or expired; several are joined with OR."),
    ] = None,
    run_id: Annotated[str | None, typer.Option("--run", help="Only tasks of this run.")] = None,
    limit: Limit = 50,
    after: After = None,
    as_json: Json = False,
) -> None:
    """List tasks, newest first; without --status those that are open."""

    async def work() -> None:
        from engine.records import TaskFilter
        from runstudio_tui.domain.present import NOTHING, moment

        async with open_engine() as engine:
            wanted = TaskFilter(run_id=run_id)
            if status is not None:
                wanted = TaskFilter(frozenset(status), run_id)
            page = await engine.tasks.list(wanted, after=after, limit=limit)
        if as_json:
            print_json({"tasks": page.rows, "next": page.next, "serverNow": page.server_now})
            return
        zone = display_zone()
        print_table(
            ("TASK", "STATUS", "TYPE", "TITLE", "BY", "ASKED", "RUN"),
            [
                (
                    row.task_id,
                    row.status,
                    row.task_type,
                    row.title,
                    row.completed_by or row.claimed_by or NOTHING,
                    moment(row.created_at, page.server_now, zone),
                    row.run_id,
                )
                for row in page.rows
            ],
            none="No task matches.",
        )
        say_more(page.next)

    run_command(work, as_json=as_json)


@app.command()
def show(task_id: TaskArgument, reveal: Reveal = False, reason: RevealReason = None, as_json: Json = False) -> None:
    """Show one task: its context, the form an answer must fit, and the answer."""

    async def work() -> None:

        from engine.records import Revealable

        async with open_engine() as engine:
            if reveal:
                print_json(await engine.system.reveal(Revealable.TASK, task_id, reason or ""))
                return
            detail = await engine.tasks.get(task_id)
        if as_json:
            print_json({"task": detail})
            return
        say(f"{detail.row.title}  ({detail.row.task_type}, {detail.row.status})")
        if detail.row.description:
            say(*(f"  {line}" for line in detail.row.description.split("\n")))
        say(f"run {detail.row.run_id}  {detail.row.workflow_id} {detail.row.path}")
        bodies = {
            "context": detail.context and detail.context.value,
            "form": detail.form,
            "response": detail.response and detail.response.value,
        }
        for name, body in bodies.items():
            if body is not None:
                say("", name)
                print_json(body)
        if detail.undelivered:
            say("", f"The run has not been told yet: {detail.delivery_error or 'it is about to be.'}")

    run_command(work, as_json=as_json)


@app.command()
def claim(
    task_id: TaskArgument,
    release: Annotated[bool, typer.Option("--release", help="Give it back instead.")] = False,
    as_json: Json = False,
) -> None:
    """Reserve a task: only you, or an admin, can complete it then."""

    async def work() -> None:
        async with open_engine() as engine:
            result = await (engine.tasks.release if release else engine.tasks.claim)(task_id)
        if as_json:
            print_json(result)
        else:
            say(f"claimed by {result.claimed_by}" if result.claimed_by else "free")

    run_command(work, as_json=as_json)


@app.command()
def assign(
    task_id: TaskArgument,
    to: Annotated[str, typer.Argument(help="Who gets it: the name of an actor.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why, at least 3 characters; it is audited.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Hand a task you hold over to somebody; an admin may hand over any."""

    async def work() -> None:
        async with open_engine() as engine:
            result = await engine.tasks.assign(task_id, to, reason)
        if as_json:
            print_json(result)
        else:
            say(f"claimed by {result.claimed_by}")

    run_command(work, as_json=as_json)


@app.command()
def complete(
    task_id: TaskArgument,
    response: Annotated[
        str | None, typer.Option("--response", "-r", help="JSON file, or - for stdin. Without it: {}.")
    ] = None,
    *,
    event_name: Annotated[
        str | None, typer.Option("--event", help="What the definition sees as vars.eventName.")
    ] = None,
    override: Annotated[bool, typer.Option("--override", help="Accept what the form refuses; for admins.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why; it is audited. Needed with --override.")] = None,
    as_json: Json = False,
) -> None:
    """Answer a task. Exit code 2 when the answer does not fit its form: the run goes on waiting. 7: the run is told later."""

    async def work() -> Exit:
        from engine.errors import Invalid

        if override and reason is None:
            raise Invalid("REASON_TOO_SHORT", "An override needs a reason.", "Give it with --reason; it is audited.")
        value = read_object(response, "PAYLOAD_NOT_OBJECT", "response") if response is not None else {}
        async with open_engine() as engine:
            try:
                closed = await engine.tasks.complete(
                    task_id, value, event_name=event_name, override=override, reason=reason
                )
            except Invalid as refusal:
                if not as_json:
                    for issue in refusal.details.get("issues", ()):
                        progress(f"{issue['pointer'] or '/'}: {issue['message']}")
                raise
        return _closed(closed, as_json=as_json)

    run_command(work, as_json=as_json)


@app.command()
def cancel(
    task_ids: Annotated[list[str], typer.Argument(metavar="TASK", help="Task ids.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why, at least 3 characters; it is audited.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Close tasks without an answer: their steps fail with TASK_CANCELED, which the definition may catch.

    Exit code 1 when some of several were refused. 7: a run is told later.
    """

    async def work() -> Exit:
        async with open_engine() as engine:

            async def one(task_id: str) -> TaskClosed:
                return await engine.tasks.cancel(task_id, reason)

            outcomes = await settle_each(task_ids, one, doing="canceling", as_json=as_json)
        match outcomes:
            case [Settled(_, closed)]:
                return _closed(closed, as_json=as_json)
        print_outcomes("task", outcomes, lambda closed: "canceled" if closed.delivered else "accepted", as_json=as_json)
        if any_refused(outcomes):
            return Exit.REFUSED
        told = all(isinstance(outcome, Settled) and outcome.value.delivered for outcome in outcomes)
        return Exit.DONE if told else Exit.ACCEPTED

    run_command(work, as_json=as_json)


@app.command()
def form(
    task_type: Annotated[str, typer.Argument(help="The taskType of human.task steps.", show_default=False)],
    schema: Annotated[
        str | None, typer.Option("--schema", help="JSON schema file of the answers, or - for stdin. Without it: show.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the form of a task type as JSON, or give it another one: answers are checked against it from then on."""

    async def work() -> None:
        from engine.errors import NotFound

        async with open_engine() as engine:
            if schema is not None:
                changed = await engine.tasks.set_form(task_type, read_json(schema))
                if as_json:
                    print_json({"taskType": task_type, "changed": changed})
                else:
                    say(f"{task_type}: {'registered' if changed else 'the same as before'}")
                return
            found = await engine.tasks.form(task_type)
        if found is None:
            raise NotFound(
                "FORM_NOT_FOUND", f"{task_type[:60]} has no form; any object will do.", "Give it one: --schema."
            )
        print_json(found)

    run_command(work, as_json=as_json)


def _closed(closed: TaskClosed, *, as_json: bool) -> Exit:
    if as_json:
        print_json(closed)
    else:
        before = " (it was before; nothing changed)" if closed.repeated else ""
        say(closed.message or f"{closed.status}{before}; run {closed.run_id} goes on")
    return Exit.DONE if closed.delivered else Exit.ACCEPTED
