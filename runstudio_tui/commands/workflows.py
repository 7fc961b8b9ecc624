"""``runstudio workflows ...``: what is published, and whether it may start runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runstudio_tui.commands.connection import display_zone, open_engine
from runstudio_tui.commands.options import Json
from runstudio_tui.commands.output import Exit, print_json, print_table, run_command, say
from runstudio_tui.commands.targets import any_refused, print_outcomes, settle_each

if TYPE_CHECKING:
    from engine.client import Engine

app = typer.Typer(
    no_args_is_help=True, help="List, show and compare workflows, pause them, and limit their active runs."
)

Workflow = Annotated[str, typer.Argument(metavar="WORKFLOW", help="Workflow id.", show_default=False)]
Workflows = Annotated[list[str], typer.Argument(metavar="WORKFLOW", help="Workflow ids.", show_default=False)]
Reason = Annotated[str | None, typer.Option(help="Why; it is audited.")]


@app.command("list")
def list_workflows(as_json: Json = False) -> None:
    """List workflows by name: latest version, active runs and their limit, what starts them, the next time, the state."""

    async def work() -> None:
        async with open_engine() as engine:
            found = await engine.workflows.list()
        if as_json:
            print_json({"workflows": found})
            return
        from engine import advice
        from runstudio_tui.commands.version_text import state_text
        from runstudio_tui.domain.present import NOTHING, full_moment
        from runstudio_tui.domain.workflow_facts import active_text

        zone = display_zone()
        print_table(
            ("WORKFLOW", "NAME", "VERSION", "ACTIVE", "STARTED BY", "NEXT", "STATE"),
            [
                (
                    row.workflow_id,
                    row.name,
                    str(row.published_version or NOTHING),
                    active_text(row),
                    row.trigger_text or "hand",
                    full_moment(row.schedule.next_fire_at, zone) if row.schedule is not None else NOTHING,
                    state_text(row, zone),
                )
                for row in found
            ],
            none=f"There is no workflow. {advice.PUBLISH.to('Publish one')}",
        )

    run_command(work, as_json=as_json)


@app.command()
def show(
    workflow: Workflow,
    version: Annotated[int | None, typer.Option(min=1, help="Print this version's definition instead.")] = None,
    steps: Annotated[bool, typer.Option("--steps", help="Only the steps, as a tree; of the latest version.")] = False,
    as_json: Json = False,
) -> None:
    """Show a workflow with its published versions, newest first; or one definition as it was published, or its steps."""

    async def work() -> None:
        async with open_engine() as engine:
            if version is not None or steps:
                number = version if version is not None else await _latest(engine, workflow)
                _show_definition(await engine.workflows.definition(workflow, number), steps=steps, as_json=as_json)
                return
            row = await engine.workflows.get(workflow)
            versions = await engine.workflows.versions(workflow)
            callers = await engine.workflows.callers(workflow)
        if as_json:
            print_json({"workflow": row, "versions": versions, "callers": callers})
            return
        from runstudio_tui.commands.version_text import workflow_lines
        from runstudio_tui.domain.present import NOTHING, full_moment

        zone = display_zone()
        for line in workflow_lines(row, callers, zone):
            say(line)
        rows = [
            (
                str(one.version),
                full_moment(one.published_at, zone),
                one.published_by or NOTHING,
                one.definition_hash or NOTHING,
            )
            for one in versions
        ]
        say()
        print_table(("VERSION", "PUBLISHED", "BY", "HASH"), rows, none=None)

    run_command(work, as_json=as_json)


@app.command()
def diff(
    workflow: Workflow,
    old: Annotated[int | None, typer.Argument(metavar="FROM", min=1, help="Without it: the one before.")] = None,
    new: Annotated[int | None, typer.Argument(metavar="TO", min=1, help="Without it: the latest.")] = None,
    as_json: Json = False,
) -> None:
    """Tell what is different between two versions, step by step: added, removed, moved, and the changed fields."""

    async def work() -> None:
        async with open_engine() as engine:
            catalog = engine.workflows
            before, after = await _two_versions(engine, workflow, old, new)
            definitions = [await catalog.definition(workflow, number) for number in (before, after)]
            schemas = [await catalog.payload_schema(workflow, number) for number in (before, after)]
        from runstudio_tui.commands.version_text import change_lines, changes_of
        from runstudio_tui.domain.definition_diff import compare_definitions

        lines = compare_definitions(*definitions, *schemas)
        if as_json:
            print_json({"workflowId": workflow, "from": before, "to": after, **changes_of(lines)})
            return
        say(f"{workflow} version {before} to {after}")
        for line in change_lines(lines):
            say(line)

    run_command(work, as_json=as_json)


@app.command()
def pause(workflows: Workflows, reason: Reason = None, as_json: Json = False) -> None:
    """Hold new runs of workflows: starts by hand are refused, triggers wait; runs that are under way go on.

    Exit code 1 when some of several were refused.
    """
    _pause(workflows, reason, paused=True, as_json=as_json)


@app.command()
def unpause(workflows: Workflows, reason: Reason = None, as_json: Json = False) -> None:
    """Accept new runs of workflows again. Exit code 1 when some of several were refused."""
    _pause(workflows, reason, paused=False, as_json=as_json)


@app.command()
def limit(
    workflow: Workflow,
    runs: Annotated[str, typer.Argument(metavar="RUNS", help="Runs at once; none or 0: no limit.", show_default=False)],
    when_busy: Annotated[
        str | None,
        typer.Option(
            "--when-busy",
            metavar="CHOICE",
            help="What a trigger does that meets a full limit or a pause: queue (wait for its turn), skip, or replace (cancel"
            " the oldest active run, keep only the newest that waits).",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Limit how many runs of a workflow may be active at once; a start by hand is refused then, a trigger waits for its turn.
    Child runs do not count."""

    async def work() -> None:
        number = _number_of(runs)
        async with open_engine() as engine:
            await engine.workflows.limit(workflow, number, when_busy=when_busy)
        if as_json:
            chosen = {} if when_busy is None else {"whenBusy": when_busy}
            print_json({"workflowId": workflow, "limit": number, **chosen})
        else:
            from engine.wording import counted

            say(f"{workflow}: {counted(number, 'active run') if number else 'no limit of active runs'}")

    run_command(work, as_json=as_json)


def _number_of(runs: str) -> int:
    """Raises ``Invalid`` (LIMIT_INVALID)."""
    from engine.errors import Invalid

    if runs.casefold() == "none":
        return 0
    if not re.fullmatch("-?[0-9]{1,10}", runs):
        raise Invalid("LIMIT_INVALID", f"{runs[:40]} is no number of runs.", "Use a number, or none for no limit.")
    return int(runs)


async def _latest(engine: Engine, workflow: str) -> int:
    """Raises ``NotFound`` (WORKFLOW_NOT_FOUND, VERSION_NOT_FOUND)."""
    from engine import advice
    from engine.errors import NotFound

    number = (await engine.workflows.get(workflow)).published_version
    if number is None:
        raise NotFound("VERSION_NOT_FOUND", f"{workflow} has no published version.", advice.PUBLISH.to("Publish one"))
    return number


async def _two_versions(engine: Engine, workflow: str, old: int | None, new: int | None) -> tuple[int, int]:
    """The numbers to compare. Raises ``NotFound``, ``Conflict`` (ONE_VERSION_ONLY)."""
    from engine.errors import Conflict

    after = new if new is not None else await _latest(engine, workflow)
    if old is not None:
        return old, after
    earlier = [version.version for version in await engine.workflows.versions(workflow) if version.version < after]
    if not earlier:
        raise Conflict(
            "ONE_VERSION_ONLY", f"{workflow} has no version before {after}.", "Name two versions to compare."
        )
    return earlier[0], after


def _show_definition(body: Any, *, steps: bool, as_json: bool) -> None:
    from runstudio_tui.commands.version_text import step_lines, steps_of

    if steps and as_json:
        print_json({"steps": steps_of(body)})
    elif steps:
        for line in step_lines(body):
            say(line)
    elif as_json:
        print_json({"definition": body})
    else:
        print_json(body)


def _pause(workflows: list[str], reason: str | None, *, paused: bool, as_json: bool) -> None:
    async def work() -> Exit:
        state = "paused" if paused else "active"
        async with open_engine() as engine:
            settle = engine.workflows.pause if paused else engine.workflows.unpause

            async def one(workflow: str) -> str:
                await settle(workflow, reason=reason)
                return state

            outcomes = await settle_each(workflows, one, doing="pausing" if paused else "unpausing", as_json=as_json)
        if len(outcomes) > 1:
            print_outcomes("workflow", outcomes, as_json=as_json)
        elif as_json:
            print_json({"workflowId": outcomes[0].target, "paused": paused})
        else:
            say(f"{outcomes[0].target} is {state}")
        return Exit.REFUSED if any_refused(outcomes) else Exit.DONE

    run_command(work, as_json=as_json)
