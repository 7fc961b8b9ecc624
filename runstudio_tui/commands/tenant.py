"""``runstudio tenant ...``: the tenant as a whole."""

from __future__ import annotations

from typing import Annotated

import typer

from runstudio_tui.commands.connection import open_engine
from runstudio_tui.commands.options import Json
from runstudio_tui.commands.output import print_json, print_table, run_command, say
from runstudio_tui.commands.progress import progress_bar

app = typer.Typer(no_args_is_help=True, help="Delete the tenant.")


@app.callback()
def tenant() -> None:
    """Keeps `delete` a command of its own."""


@app.command()
def delete(
    name: Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's id, in full.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why, at least 3 characters; it is audited.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Delete everything of the tenant but its audit log, live runs too. It cannot be undone. Broken off, it may be repeated."""

    async def work() -> None:
        async with open_engine() as engine:
            with progress_bar("deleting", as_json=as_json) as bar:
                done = await engine.tenant.delete(name, reason, progress=bar)
        if as_json:
            print_json({"deleted": done})
            return
        print_table(
            ("TABLE", "ROWS"), [(table, str(rows)) for table, rows in sorted(done.rows.items())], none="It had no rows."
        )
        say(f"The tenant {done.tenant} is deleted; {done.terminated} executions were ended.")

    run_command(work, as_json=as_json)
