"""``runstudio installation ...``: the Temporal that the database belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from engine.records.plain import plain
from runstudio_tui.commands.connection import make_engine
from runstudio_tui.commands.options import Json
from runstudio_tui.commands.output import print_json, run_command, say

if TYPE_CHECKING:
    from engine.records import BoundTemporal

app = typer.Typer(no_args_is_help=True, help="Show which Temporal the database belongs to, and move it to another one.")


@app.command()
def show(as_json: Json = False) -> None:
    """Show the namespace and cluster that the database remembers; the first worker recorded them."""

    async def work() -> None:
        # Not opened: it is asked for when the configuration names another one.
        engine = make_engine()
        try:
            _tell(await engine.system.bound_temporal(), as_json=as_json)
        finally:
            await engine.close()

    run_command(work, as_json=as_json)


@app.command()
def move(
    reason: Annotated[str, typer.Option(help="Why; it is audited.", show_default=False)], as_json: Json = False
) -> None:
    """Let the database belong to the Temporal of this configuration. Open runs it does not know are closed by a worker."""

    async def work() -> None:
        engine = make_engine()
        try:
            _tell(await engine.system.move_to_this_temporal(reason), as_json=as_json)
        finally:
            await engine.close()

    run_command(work, as_json=as_json)


def _tell(bound: BoundTemporal | None, *, as_json: bool) -> None:
    if as_json:
        print_json({"temporal": bound})
    elif bound is None:
        say("The database belongs to no Temporal yet: no worker has started.")
    else:
        say(f"namespace  {bound.namespace} ({bound.namespace_id})")
        say(f"cluster    {bound.cluster_id or 'not told'}")
        say(f"recorded   {plain(bound.recorded_at)} by {bound.recorded_by}")
