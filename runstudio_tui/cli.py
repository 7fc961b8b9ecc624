"""The command line. Without a command it opens the studio; every action of the studio has a command here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    import typer


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the console script ``runstudio``. Ends the process with one of the exit codes of docs/cli.md."""
    words = sys.argv[1:] if arguments is None else arguments
    if words in (["--version"], ["-V"]):
        # Answered before anything is imported: scripts ask for it often.
        from engine import __version__

        print(f"runstudio {__version__}")
        return
    _commands()(args=words, prog_name="runstudio")


def _commands() -> typer.Typer:
    import typer

    from runstudio_tui.commands import dev, doctor, migrate, publish, runs, start, worker

    app = typer.Typer(
        help="Run Studio: durable workflows on Temporal, and a terminal UI for the people who operate them.",
        invoke_without_command=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback()
    def studio(
        context: typer.Context,
        demo: Annotated[bool, typer.Option("--demo", help="Made-up runs, no server needed.")] = False,
        ascii_only: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII signs only.")] = False,
        low_bandwidth: Annotated[bool, typer.Option("--low-bandwidth", help="Send as few bytes as possible.")] = False,
        read_only: Annotated[
            bool, typer.Option("--read-only", help="Refuse everything that changes something.")
        ] = False,
    ) -> None:
        """Open the studio, unless a command is given."""
        from runstudio_tui.commands.studio import StudioOptions, open_studio

        options = StudioOptions(demo=demo, ascii_only=ascii_only, low_bandwidth=low_bandwidth, read_only=read_only)
        context.obj = options
        if context.invoked_subcommand is None:
            open_studio(options)

    @app.command("run")
    def run(
        context: typer.Context,
        run_id: Annotated[str, typer.Argument(help="Run id.", show_default=False)],
    ) -> None:
        """Open the studio on one run."""
        from runstudio_tui.commands.studio import open_studio

        open_studio(context.obj, run_id=run_id)

    app.add_typer(runs.app, name="runs")
    app.add_typer(dev.app, name="dev")
    single: dict[str, Any] = {
        "start": start.start,
        "publish": publish.publish,
        "worker": worker.worker,
        "migrate": migrate.migrate,
        "doctor": doctor.doctor,
    }
    for name, command in single.items():
        app.command(name)(command)
    return app


if __name__ == "__main__":
    main()
