"""``runstudio redaction ...``: what is hidden wherever data is shown."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from engine.errors import Invalid
from runstudio_tui.commands.connection import open_engine
from runstudio_tui.commands.json_input import read_json, read_object
from runstudio_tui.commands.options import Json
from runstudio_tui.commands.output import json_text, print_json, run_command, say

app = typer.Typer(no_args_is_help=True, help="Show, set and try what is hidden beside what is hidden for everybody.")


@app.command()
def show(as_json: Json = False) -> None:
    """Show the tenant's own rules, and what schemas mark with x-sensitive.

    Names such as password, and what looks like a secret, are hidden for everybody.
    """

    async def work() -> None:
        async with open_engine() as engine:
            rules = await engine.redaction.rules()
            marked = await engine.redaction.marked()
        if as_json:
            print_json({"pointers": rules.pointers, "keyPatterns": rules.key_patterns, "marked": marked})
            return
        for name, values in (("pointers", rules.pointers), ("keys", rules.key_patterns)):
            for number, value in enumerate(values or ("none",)):
                say(f"{'' if number else name:<10}{value}")
        places = [f"{one.kind} {one.name}  {pointer or 'all of it'}" for one in marked for pointer in one.pointers]
        for number, place in enumerate(places or ("nothing",)):
            say(f"{'' if number else 'marked':<10}{place}")

    run_command(work, as_json=as_json)


@app.command("set")
def set_(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help='{"pointers": [...], "keyPatterns": [...]}, or - for stdin.', show_default=False
        ),
    ],
    as_json: Json = False,
) -> None:
    """Replace the tenant's own rules: JSON pointers into documents, and regular expressions for key names."""

    async def work() -> None:
        from engine.records import RedactionRules

        given = read_object(file, "REDACTION_RULES_INVALID", "set of rules")
        unknown = sorted(given.keys() - {"pointers", "keyPatterns"})
        if unknown:
            raise Invalid(
                "REDACTION_RULES_INVALID",
                f"{unknown[0][:60]!r} is no kind of rule.",
                "There are pointers and keyPatterns; nothing was changed.",
            )
        rules = RedactionRules(given.get("pointers", ()), given.get("keyPatterns", ()))
        async with open_engine() as engine:
            await engine.redaction.set_rules(rules)
        if as_json:
            print_json({"pointers": rules.pointers, "keyPatterns": rules.key_patterns})
        else:
            say("The rules hold from now on, for everything that is shown.")

    run_command(work, as_json=as_json)


@app.command("test")
def try_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON document, or - for stdin.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Print a document as it would be shown, and where something was hidden. Nothing is stored."""

    async def work() -> None:
        document: Any = read_json(file)
        async with open_engine() as engine:
            shown = await engine.redaction.test(document)
        if as_json:
            print_json({"document": shown.value, "hidden": sorted(shown.masked)})
            return
        say(json_text(shown.value))
        for pointer in sorted(shown.masked):
            say(f"hidden    {pointer or 'the whole document'}")
        if not shown.masked:
            say("hidden    nothing")

    run_command(work, as_json=as_json)
