"""``runstudio dev ...``: the development stack, and the studio on top of it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from runstudio_tui.commands.action_modules import action_modules
from runstudio_tui.commands.options import Actions, Json
from runstudio_tui.commands.output import Exit, print_json, print_table, progress, refuse, say
from runstudio_tui.commands.studio import refuse_for

if TYPE_CHECKING:
    from engine.devstack.stack import DevStack

app = typer.Typer(no_args_is_help=True, help="A local Postgres, Temporal and worker in one data directory.")


@app.callback()
def group(context: typer.Context) -> None:
    """See the help of the group."""
    refuse_for(context, opening=("studio",))


def dev_stack() -> DevStack:
    """The stack of this user's data directory, to look at or to stop. Raises ``EngineError`` (``SETTING_INVALID``)."""
    from engine.devstack.stack import DevStack
    from engine.settings import Settings

    settings = Settings.load()
    return DevStack(settings.data_dir, settings)


def dev_stack_with(actions: Sequence[str] | None) -> DevStack:
    """The same to start, with a worker that has the actions of the examples and those that are asked for.

    Raises ``EngineError``: ``SETTING_INVALID``, and what ``load_actions`` raises for modules that cannot be used.
    """
    from engine.actions.registry import load_actions
    from engine.devstack.stack import DevStack
    from engine.settings import Settings
    from runstudio_examples.catalog import ACTIONS_MODULE, ENVIRONMENT

    settings = Settings.load()
    # Runs of the examples may be on their way in any stack, so its worker has their actions beside all others.
    modules = tuple(dict.fromkeys((ACTIONS_MODULE, *action_modules(settings, actions))))
    load_actions(modules, settings)
    # The examples call their partners on this machine, with keys that only those know.
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    return DevStack(settings.data_dir, Settings.load(action_modules=modules))


@app.command()
def up(
    actions: Actions = None,
    move: Annotated[
        bool, typer.Option("--move", help="Accept that Temporal's data is new: open runs it does not know are closed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Start what is not running and keep it running until `runstudio dev down`. Repairs a half-dead stack.

    Exit code 4 when it runs already and its worker lacks a module that is asked for.
    """
    from engine.devstack.fetching import ProgressLine
    from engine.errors import EngineError

    try:
        with ProgressLine() as moving:
            info = dev_stack_with(actions).up(moving, move=move)
    except EngineError as error:
        refuse(error, as_json=as_json)
    if as_json:
        print_json(info)
        return
    say(f"The stack is up. Its worker has the actions of {', '.join(info.actions)}. To use it elsewhere:")
    for name, value in info.environment().items():
        say(f"  export {name}={shlex.quote(value)}")
    if info.ui_url:
        say(f"Temporal's own UI: {info.ui_url}")


@app.command()
def down(
    force: Annotated[bool, typer.Option("--force", help="Also while a studio uses it.")] = False, as_json: Json = False
) -> None:
    """Stop the stack. Its data stays."""
    from engine.devstack.fetching import ProgressLine
    from engine.errors import EngineError

    try:
        with ProgressLine() as moving:
            stopped = dev_stack().down(moving, force=force)
    except EngineError as error:
        refuse(error, as_json=as_json)
    if as_json:
        print_json({"stopped": stopped})
    elif not stopped:
        say("Nothing was running.")


@app.command()
def status(as_json: Json = False) -> None:
    """Show the parts as they are now. Exit code 5 when one of them does not work."""
    from engine.errors import EngineError

    try:
        found = dev_stack().status()
    except EngineError as error:
        refuse(error, as_json=as_json)
    if as_json:
        print_json(found)
    else:
        print_table(
            ("PART", "STATE", "PID", "WHERE"),
            [(part.part, part.condition, str(part.pid or "-"), part.address or "-") for part in found.parts],
            none=None,
        )
    raise SystemExit(int(Exit.DONE if found.up else Exit.UNAVAILABLE))


@app.command()
def logs(
    part: Annotated[str, typer.Argument(help="postgres, temporal or worker.")] = "worker",
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Lines from the end.")] = 50,
    as_json: Json = False,
) -> None:
    """Print the end of a part's log and where the file is."""

    from engine.devstack.state import PARTS
    from engine.errors import EngineError, Invalid

    try:
        if part not in PARTS:
            raise Invalid("PART_UNKNOWN", f"The stack has no part {part}.", f"Parts: {', '.join(PARTS)}.")
        path = dev_stack().logs(part)
    except EngineError as error:
        refuse(error, as_json=as_json)
    end = path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:] if path.exists() else []
    if as_json:
        print_json({"part": part, "path": path, "lines": end})
        return
    progress(str(path))
    for line in end:
        say(line)


@app.command()
def studio(
    context: typer.Context,
    actions: Actions = None,
    examples: Annotated[
        bool, typer.Option("--examples/--no-examples", help="Publish the examples and start some runs.")
    ] = True,
) -> None:
    """Start the stack, open the studio on it, and stop what was started when the studio is left."""
    from engine.devstack.fetching import ProgressLine
    from engine.errors import EngineError
    from runstudio_tui.commands.examples import with_examples
    from runstudio_tui.commands.studio import run_to_the_end

    try:
        stack = dev_stack_with(actions)
        with ProgressLine() as moving, stack.session(moving) as info:
            moving.close()
            os.environ.update(info.environment())
            with with_examples(progress, enabled=examples):
                code = run_to_the_end(context.obj)
    except EngineError as error:
        refuse(error, as_json=False)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    if stack.status().kept or stack.status().holders:
        say("The stack stays up, because something else uses it or asked it to. `runstudio dev down` stops it.")
    else:
        say("Stopped. Runs and their history are kept; `runstudio dev up` keeps the stack running without the studio.")
    raise SystemExit(code)
