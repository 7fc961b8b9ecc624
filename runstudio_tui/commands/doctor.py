"""``runstudio doctor``: what works, what does not, and what helps."""

from __future__ import annotations

from runstudio_tui.commands.options import Json
from runstudio_tui.commands.output import Exit, print_json, run_command, say


def doctor(as_json: Json = False) -> None:
    """Ask Postgres, Temporal, the workers and the rows between them. Exit code 5 when something is down."""

    async def work() -> Exit:
        from runstudio_tui.commands.connection import make_engine

        # Not opened: a schema that is missing is a finding here, not a refusal.
        engine = make_engine()
        try:
            parts = (await engine.system.health()).parts
        finally:
            await engine.close()
        if as_json:
            print_json({"parts": parts})
        else:
            for part in parts:
                say(f"{part.state:<9} {part.name:<13} {part.detail}")
                if part.advice and part.state != "ok":
                    say(f"{'':<24}{part.advice}")
        return Exit.UNAVAILABLE if any(part.state == "down" for part in parts) else Exit.DONE

    run_command(work, as_json=as_json)
