"""``runstudio migrate``: bring the database to this release's schema, or say what is missing."""

from __future__ import annotations

from typing import Annotated

import typer

from runstudio_tui.commands.options import Json
from runstudio_tui.commands.output import Exit, print_json, refuse, say
from runstudio_tui.commands.progress import progress_bar


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; say what is missing. Exit code 4 if anything is.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Apply the migrations to DATABASE_URL. Safe to run again, also after an interruption."""
    from engine.client.schema import current_revision, head_revision
    from engine.client.schema import migrate as apply_migrations
    from engine.errors import EngineError
    from engine.settings import Settings

    try:
        url = Settings.load().session_database_url
        current, head = current_revision(url), head_revision()
        if not check and current != head:
            with progress_bar("migrating", as_json=as_json, counted=False) as bar:
                apply_migrations(url, progress=bar.say if not as_json else lambda _line: None)
            current = current_revision(url)
    except EngineError as error:
        refuse(error, as_json=as_json)
    if as_json:
        print_json({"current": current, "head": head, "upToDate": current == head})
    elif current == head:
        say(f"The schema is up to date ({head}).")
    else:
        say(f"The schema is at {current or 'nothing'}, this release needs {head}. Run `runstudio migrate`.")
    raise SystemExit(int(Exit.DONE if current == head else Exit.CONFLICT))
