"""``runstudio alerts ...``: who is told of what, and what became of the messages."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from engine.records import AlertKind, MessageState
from runstudio_tui.commands.connection import display_zone, open_engine
from runstudio_tui.commands.options import Json
from runstudio_tui.commands.output import Exit, print_json, print_table, run_command, say

if TYPE_CHECKING:
    from engine.records import AlertMessage

app = typer.Typer(no_args_is_help=True, help="Show, set, try and remove alerts, and show their messages.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the alert.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why, at least 3 characters; it is audited.", show_default=False)]
TEST_SECONDS: Final = 30.0
"""How long a test is waited for."""


@app.command("list")
def list_alerts(as_json: Json = False) -> None:
    """List the alerts."""

    async def work() -> None:
        async with open_engine() as engine:
            found = await engine.alerts.list()
        if as_json:
            print_json({"alerts": found})
            return
        rows = [
            (
                stored.alert.name,
                stored.alert.kind.value,
                stored.alert.workflow or "all",
                stored.alert.code or "",
                f"> {stored.alert.more_than} in {stored.alert.minutes} min",
                stored.alert.target,
                stored.set_by,
            )
            for stored in found
        ]
        print_table(("NAME", "OF", "WORKFLOW", "CODE", "WHEN", "TELLS", "SET BY"), rows, none="There is no alert.")

    run_command(work, as_json=as_json)


@app.command("set")
def set_alert(
    name: Name,
    kind: Annotated[AlertKind, typer.Argument(metavar="OF", help="Of what.", show_default=False)],
    *,
    reason: Reason,
    webhook: Annotated[str | None, typer.Option(metavar="URL", help="Tell this URL, by a signed POST.")] = None,
    command: Annotated[
        str | None, typer.Option(help="Run this program of the workers' RUNSTUDIO_ALERT_COMMANDS.")
    ] = None,
    workflow: Annotated[str | None, typer.Option(metavar="ID", help="Only of this workflow.")] = None,
    code: Annotated[str | None, typer.Option(help="Only failures with this code.")] = None,
    more_than: Annotated[int, typer.Option(min=0, help="Only when a group has more than so many.")] = 0,
    minutes: Annotated[
        int, typer.Option(min=1, help="How far back failures and deliveries count; how old a task is.")
    ] = 60,
    as_json: Json = False,
) -> None:
    """Set an alert, in place of the one of that name. One message is sent per group and hour."""

    async def work() -> None:
        from engine.errors import Invalid
        from engine.records import Alert, AlertTarget

        target = webhook or command
        if target is None or (webhook and command):
            raise Invalid("ALERT_INVALID", "An alert tells one receiver.", "Give either --webhook or --command.")
        target_kind = AlertTarget.WEBHOOK if webhook else AlertTarget.COMMAND
        alert = Alert(name, kind, target_kind, target, workflow, code, more_than, minutes)
        async with open_engine() as engine:
            stored = await engine.alerts.set(alert, reason)
        if as_json:
            print_json({"alert": stored})
        else:
            say(f"{name} tells {target} of {kind.value}; `runstudio alerts test {name}` tries it")

    run_command(work, as_json=as_json)


@app.command()
def remove(name: Name, reason: Reason, as_json: Json = False) -> None:
    """Remove an alert and its messages."""

    async def work() -> None:
        async with open_engine() as engine:
            await engine.alerts.remove(name, reason)
        if as_json:
            print_json({"removed": name})
        else:
            say(f"{name} is removed")

    run_command(work, as_json=as_json)


@app.command("test")
def try_alert(name: Name, as_json: Json = False) -> None:
    """Have a worker send a message that says it is a test. Exit code 1: it was not taken; 7: no worker has sent it yet."""

    async def work() -> Exit:
        async with open_engine() as engine:
            message = await engine.alerts.test(name)
            until = time.monotonic() + TEST_SECONDS
            while not message.attempts or (message.state is MessageState.PENDING and message.last_error is None):
                if time.monotonic() > until:
                    break
                await asyncio.sleep(0.5)
                [message] = await engine.alerts.messages(message_id=message.message_id)
        if as_json:
            print_json({"message": message})
        else:
            say(_test_told(message))
        if message.state is MessageState.SENT:
            return Exit.DONE
        return Exit.REFUSED if message.last_error else Exit.ACCEPTED

    run_command(work, as_json=as_json)


@app.command()
def messages(
    state: Annotated[MessageState | None, typer.Option(help="Those of this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Rows at most.")] = 50,
    as_json: Json = False,
) -> None:
    """List the messages of alerts, newest first."""

    async def work() -> None:
        from runstudio_tui.domain.present import moment

        async with open_engine() as engine:
            found = await engine.alerts.messages(state=state, limit=limit)
            now = (await engine.system.session()).server_now
        if as_json:
            print_json({"messages": found, "serverNow": now})
            return
        zone = display_zone()
        rows = [
            (
                moment(message.created_at, now, zone),
                message.alert,
                message.group,
                message.state.value,
                str(message.attempts),
                message.last_error or "",
            )
            for message in found
        ]
        print_table(("AT", "ALERT", "GROUP", "STATE", "ATTEMPTS", "WHY"), rows, none="There is no message.")

    run_command(work, as_json=as_json)


def _test_told(message: AlertMessage) -> str:
    if message.state is MessageState.SENT:
        return "it was taken"
    if message.last_error:
        return f"it was not taken: {message.last_error}"
    return "no worker has sent it yet; `runstudio alerts messages` tells what becomes of it"
