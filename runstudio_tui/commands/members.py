"""``runstudio members ...``: who may do what in the tenant."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from runstudio_tui.commands.connection import display_zone, open_engine
from runstudio_tui.commands.options import Json
from runstudio_tui.commands.output import print_json, print_table, run_command, say

if TYPE_CHECKING:
    from engine.records import Member

app = typer.Typer(no_args_is_help=True, help="Show, give and take away the levels of accounts and groups.")


class _Level(StrEnum):
    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"


Name = Annotated[str, typer.Argument(help="Name of an account, or with --group of a Unix group.", show_default=False)]
Group = Annotated[bool, typer.Option("--group", help="A Unix group: everybody in it.")]
Why = Annotated[str | None, typer.Option("--reason", help="Why; it is audited.")]


@app.command("list")
def list_members(as_json: Json = False) -> None:
    """Show everybody with a level in the tenant."""

    async def work() -> None:
        async with open_engine() as engine:
            found = await engine.members.list()
        if as_json:
            print_json({"members": [_facts(member) for member in found]})
        else:
            none = "Nobody has a level in this tenant; the owner of the tables gives the first: runstudio members set."
            zone = display_zone()
            rows = [
                (
                    member.kind.value,
                    member.name,
                    member.level.word,
                    member.set_by or "",
                    f"{member.set_at.astimezone(zone):%Y-%m-%d %H:%M}",
                )
                for member in found
            ]
            print_table(("KIND", "NAME", "LEVEL", "SET BY", "SET AT"), rows, none=none)

    run_command(work, as_json=as_json)


@app.command("set")
def set_member(
    name: Name,
    level: Annotated[_Level, typer.Argument(help="What they may do.", show_default=False)],
    group: Group = False,
    reason: Why = None,
    as_json: Json = False,
) -> None:
    """Give an account or a group a level, instead of the one it has. Exit code 4: it is the only admin."""

    async def work() -> None:
        from engine.records import Level, MemberKind

        kind = MemberKind.GROUP if group else MemberKind.PERSON
        async with open_engine() as engine:
            member = await engine.members.set(name, Level[level.name], kind=kind, reason=reason)
        if as_json:
            print_json(_facts(member))
        else:
            say(f"{member.kind.value} {member.name} may {member.level.word}")

    run_command(work, as_json=as_json)


@app.command("remove")
def remove_member(name: Name, group: Group = False, reason: Why = None, as_json: Json = False) -> None:
    """Take a level away. Exit code 4: it is the only admin."""

    async def work() -> None:
        from engine.records import MemberKind

        kind = MemberKind.GROUP if group else MemberKind.PERSON
        async with open_engine() as engine:
            await engine.members.remove(name, kind=kind, reason=reason)
        if as_json:
            print_json({"kind": kind.value, "name": name, "level": None})
        else:
            say(f"{kind.value} {name} has no level any more")

    run_command(work, as_json=as_json)


def _facts(member: Member) -> dict[str, object]:
    return {
        "kind": member.kind.value,
        "name": member.name,
        "level": member.level.word,
        "setBy": member.set_by,
        "setAt": member.set_at,
    }
