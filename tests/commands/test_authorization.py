"""Who may do what from the command line: every command is refused one level below the one it needs."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
import typer
from sqlalchemy import make_url

from engine.ids import new_id
from engine.records import Level
from engine.settings import DEFAULT_TENANT
from runstudio_tui.commands.output import Exit
from runstudio_tui.commands.root import app
from tests.commands.conftest import Stack

RUN: Final = "00000000-0000-7000-8000-0000000000a1"
WHY: Final = ("--reason", "because it is tried")
ME: Final = pwd.getpwuid(os.getuid()).pw_name
OTHER: Final = "00000000-0000-0000-0000-0000000000ff"
READ, OPERATE, ADMIN = Level.READ, Level.OPERATE, Level.ADMIN

COMMANDS: Final[dict[str, tuple[Level, tuple[str, ...]]]] = {
    "alerts list": (READ, ()),
    "alerts messages": (READ, ()),
    "alerts remove": (ADMIN, ("failures", *WHY)),
    "alerts set": (ADMIN, ("failures", "failed", "--command", "page", *WHY)),
    "alerts test": (ADMIN, ("failures",)),
    "attention": (READ, ()),
    "bundle export": (ADMIN, ("orders",)),
    "bundle import": (ADMIN, ("-",)),
    "events dead": (READ, ()),
    "events list": (READ, ()),
    "events paths": (READ, ()),
    "events paths --set": (ADMIN, ("-",)),
    "events show": (READ, (RUN,)),
    "events show --reveal": (ADMIN, (RUN, *WHY)),
    "events redeliver": (ADMIN, (RUN, *WHY)),
    "events submit": (OPERATE, ("PAID",)),
    "installation move": (ADMIN, WHY),
    "installation show": (READ, ()),
    "jobs cancel": (ADMIN, (RUN,)),
    "jobs download": (READ, (RUN,)),
    "jobs list": (READ, ()),
    "jobs pause": (ADMIN, (RUN,)),
    "jobs resume": (ADMIN, (RUN,)),
    "jobs show": (READ, (RUN,)),
    "members list": (READ, ()),
    "members remove": (ADMIN, ("ada",)),
    "members set": (ADMIN, (ME, "admin")),
    "publish": (ADMIN, ("-",)),
    "quota resume": (ADMIN, (RUN,)),
    "quota set": (ADMIN, ("5",)),
    "quota show": (READ, ()),
    "redaction set": (ADMIN, ("-",)),
    "redaction show": (READ, ()),
    "redaction test": (READ, ("-",)),
    "retention remove": (ADMIN, WHY),
    "retention set": (ADMIN, ("--failed", "30d", *WHY)),
    "retention show": (READ, ()),
    "runs attempts": (READ, (RUN,)),
    "runs attempts --reveal": (ADMIN, (RUN, RUN, *WHY)),
    "runs audit": (READ, (RUN,)),
    "runs cancel": (ADMIN, (RUN, *WHY)),
    "runs cancel --filter": (ADMIN, ("status:failed", *WHY)),
    "runs delete": (ADMIN, ("status:failed", *WHY)),
    "runs export": (READ, (RUN,)),
    "runs input": (ADMIN, (RUN,)),
    "runs input --reveal": (ADMIN, (RUN, *WHY)),
    "runs list": (READ, ()),
    "runs output": (READ, (RUN,)),
    "runs output --reveal": (ADMIN, (RUN, *WHY)),
    "runs replay": (ADMIN, (RUN, *WHY)),
    # F29
    "runs replay --preview": (ADMIN, (RUN, "--payload", "-")),
    "runs show": (READ, (RUN,)),
    "runs snapshots": (READ, (RUN,)),
    "runs state": (READ, (RUN, "--step", "note")),
    "runs why": (READ, (RUN,)),
    "schedules fire": (ADMIN, (RUN, *WHY)),
    "schedules list": (READ, ()),
    "schedules payload": (ADMIN, (RUN, "-")),
    "schedules show": (READ, (RUN,)),
    "start": (OPERATE, ("orders",)),
    "tasks assign": (OPERATE, (RUN, "ada", *WHY)),
    "tasks cancel": (ADMIN, (RUN, *WHY)),
    "tasks claim": (OPERATE, (RUN,)),
    "tasks complete": (OPERATE, (RUN,)),
    "tasks complete --override": (ADMIN, (RUN, *WHY)),
    "tasks form": (READ, ("approve",)),
    "tasks form --schema": (ADMIN, ("-", "approve")),
    "tasks list": (READ, ()),
    "tasks show": (READ, (RUN,)),
    "tasks show --reveal": (ADMIN, (RUN, *WHY)),
    "tenant delete": (ADMIN, (DEFAULT_TENANT, *WHY)),
    "workflows diff": (READ, ("orders",)),
    "workflows limit": (ADMIN, ("orders", "3")),
    "workflows list": (READ, ()),
    "workflows pause": (ADMIN, ("orders",)),
    "workflows show": (READ, ("orders",)),
    "workflows unpause": (ADMIN, ("orders",)),
}
OF_NOBODY: Final = {"doctor", "migrate", "run", "serve", "simulate", "worker"}
"""They ask nothing of a tenant, or open the studio, which asks as these do."""


def test_the_table_has_every_command() -> None:
    known = {" ".join(word for word in name.split() if not word.startswith("--")) for name in COMMANDS}
    found = {name for name in _leaves(typer.main.get_command(app)) if not name.startswith("dev ")}
    assert found - OF_NOBODY == known


def _leaves(command: Any, before: str = "") -> Iterator[str]:
    for name, below in getattr(command, "commands", {}).items():
        path = f"{before}{name}"
        if hasattr(below, "commands"):
            yield from _leaves(below, f"{path} ")
        else:
            yield path


@pytest.fixture(scope="module")
def at_level(without_worker: Stack) -> Iterator[Callable[[Level], Stack]]:
    """Commands of this account with a level in the default tenant, by a login of the service."""
    login = f"login_{new_id().replace('-', '')}"
    without_worker.rows(f"CREATE ROLE {login} LOGIN IN ROLE runstudio_service")
    # Its command looks for the schedule first, which whoever may read may do.
    without_worker.rows(
        "INSERT INTO workflow_definitions (workflow_id, name, payload_schema_ref, draft_definition)"
        " VALUES ('tried', 'Tried', 'payload.Any.v1', '{}')"
    )
    without_worker.rows(
        "INSERT INTO workflow_schedules (schedule_id, workflow_id, workflow_version, name, trigger_type)"
        " VALUES (%s, 'tried', 1, 'Tried', 'recurring')",
        RUN,
    )
    url = make_url(without_worker.environment["DATABASE_URL"]).set(username=login).render_as_string(False)
    stack = without_worker.with_variables(DATABASE_URL=url)

    def at(level: Level) -> Stack:
        without_worker.rows("DELETE FROM workflow_members")
        if level is not Level.NONE:
            without_worker.rows(
                "INSERT INTO workflow_members (kind, name, level) VALUES ('person', %s, %s)", ME, level.word
            )
        return stack

    yield at
    without_worker.rows("DELETE FROM workflow_members")
    without_worker.rows("DELETE FROM workflow_definitions WHERE workflow_id = 'tried'")
    without_worker.rows(f"DROP ROLE {login}")


def test_every_command_is_refused_below_its_level(at_level: Callable[[Level], Stack]) -> None:
    refused = {}
    for below in (Level.NONE, READ, OPERATE):
        stack = at_level(below)
        for name, (needed, words) in COMMANDS.items():
            if needed == below + 1:
                given = "{}" if name == "redaction set" else '{"password": "guess"}'
                done = stack(*name.split(), *words, stdin=given)
                refused[name] = done.code == Exit.FORBIDDEN and "LEVEL_TOO_LOW" in done.err
    assert [name for name in COMMANDS if not refused[name]] == []


def test_a_member_chooses_among_their_tenants_and_a_variable_raises_nobody(at_level: Callable[[Level], Stack]) -> None:
    stack = at_level(READ)
    assert stack("runs", "list").code == Exit.DONE
    assert stack("--tenant", OTHER, "runs", "list").code == Exit.FORBIDDEN
    assert stack.with_variables(RUNSTUDIO_TENANT=OTHER)("runs", "list").code == Exit.FORBIDDEN
    assert stack("--tenant", "no-tenant", "runs", "list").code == Exit.USAGE
    nobody = at_level(Level.NONE).with_variables(SUDO_USER="nobody", SUDO_UID="65534", USER="carol", LOGNAME="carol")
    done = nobody("runs", "list")
    assert (done.code, f"; {ME} has none" in done.err) == (Exit.FORBIDDEN, True)


def test_the_owner_makes_the_first_admin_and_admins_the_others(
    without_worker: Stack, at_level: Callable[[Level], Stack]
) -> None:
    stack = at_level(Level.NONE)
    assert without_worker("members", "set", ME, "admin").code == Exit.DONE
    assert stack("members", "set", "oncall", "operate", "--group", *WHY).code == Exit.DONE
    members = stack.answer("members", "list")["members"]
    assert all(member["setAt"].endswith("Z") for member in members)
    assert [(member["kind"], member["name"], member["level"]) for member in members] == [
        ("person", ME, "admin"),
        ("group", "oncall", "operate"),
    ]
    last = stack("members", "remove", ME, *WHY, "--json")
    assert (last.code, last.refusal["code"]) == (Exit.CONFLICT, "LAST_ADMIN")
    assert stack("members", "remove", "oncall", "--group", *WHY).code == Exit.DONE
    missing = stack("members", "remove", "oncall", "--group", *WHY, "--json")
    assert (missing.code, missing.refusal["code"]) == (Exit.NOT_FOUND, "MEMBER_NOT_FOUND")
    told = without_worker.rows(
        "SELECT operation, target_id, actor, reason FROM workflow_audit_log WHERE target_kind = 'member' ORDER BY audit_id"
    )
    why = WHY[1]
    assert told == [
        ("member_set", ME, ME, None),
        ("member_set", "oncall", ME, why),
        ("member_remove", "oncall", ME, why),
    ]
