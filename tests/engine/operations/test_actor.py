"""Who acts, what vouches for it, and that their level is the tenant's to give."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Forbidden, Invalid
from engine.operations import actor as acting
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.records import Level
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import AsUser, Query, add_version

ME = pwd.getpwuid(os.getuid()).pw_name
SUDO = {"SUDO_USER": ME, "SUDO_UID": str(os.getuid()), "SSH_CONNECTION": "203.0.113.9 50000 10.0.0.1 22"}


@pytest.fixture
def parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes up what stands above this process: names and users, the nearest first. A sudo is started by this account."""

    def make(*above: tuple[str, int]) -> None:
        pids = [os.getppid(), *range(100_001, 100_000 + len(above)), 1]
        for (name, user), pid, parent in zip(above, pids, pids[1:], strict=False):
            (tmp_path / str(pid)).mkdir()
            real = os.getuid() if name == "sudo" else user
            text = f"Name:\t{name}\nPPid:\t{parent}\nUid:\t{real}\t{user}\t{user}\t{user}\n"
            (tmp_path / str(pid) / "status").write_text(text)
        monkeypatch.setattr(acting, "_PROCESSES", tmp_path)

    return make


def test_the_actor_is_the_account_and_the_address_of_the_ssh_client() -> None:
    here = Actor.of_this_process("cli", {"USER": "root-of-all", "SSH_CONNECTION": "203.0.113.9 50000 10.0.0.1 22"})
    assert here == Actor(ME, "203.0.113.9", "cli", "account")
    assert Actor.of_this_process("ui", {}).address is None
    scoped = {"SSH_CONNECTION": "fe80::1%eth0 50000 fe80::2 22"}
    assert Actor.of_this_process("ui", scoped).address == "fe80::1%eth0"
    for set_by_hand in (
        "worker",
        "the reconciler 1 2 3",
        "UNKNOWN 65535 UNKNOWN 65535",
        "\udcff 1 2 3",
        "x" * 9_999,
        " ",
    ):
        assert Actor.of_this_process("ui", {"SSH_CONNECTION": set_by_hand}).address is None


UID = os.getuid()
ELSE = UID + 4_242


@pytest.mark.parametrize(
    "above",
    [
        [("sh", ELSE), ("sudo", 0), ("sshd", UID), ("sshd", 0)],
        # It watches the terminal in a process of its own.
        [("sudo", 0), ("sudo", 0), ("bash", UID)],
        # This account became another one, and that one this one again: the nearest counts.
        [("sudo", 0), ("bash", UID), ("sudo", 0), ("bash", ELSE)],
    ],
)
def test_who_called_sudo_acts_where_sudo_runs_the_process(parents: Any, above: list[tuple[str, int]]) -> None:
    parents(*above)
    assert Actor.of_this_process("ui", SUDO) == Actor(ME, "203.0.113.9", "ui", "sudo")


@pytest.mark.parametrize(
    ("above", "claimed"),
    [
        ([("bash", UID), ("sshd", 0)], {}),
        # Called sudo, but it does not run as root.
        ([("sudo", ELSE), ("sshd", UID)], {}),
        # Set by hand: the number is another account's, or none.
        ([("sudo", 0), ("bash", UID)], {"SUDO_USER": "carol-who-is-nobody"}),
        ([("sudo", 0), ("bash", UID)], {"SUDO_UID": "99999999999999999999"}),
        ([("sudo", 0), ("bash", UID)], {"SUDO_UID": "-1"}),
        ([("sudo", 0), ("bash", UID)], {"SUDO_UID": ""}),
        # Set by hand in a shell below a sudo that somebody else has called.
        ([("bash", ELSE), ("sudo", 0), ("bash", ELSE), ("sshd", UID)], {}),
        ([("bash", ELSE), ("sudo", 0), ("sudo", 0), ("bash", ELSE)], {}),
        ([("bash", ELSE), ("sudo", 0)], {}),
        ([], {}),
    ],
)
def test_a_variable_alone_makes_nobody_else(
    parents: Any, above: list[tuple[str, int]], claimed: dict[str, str]
) -> None:
    parents(*above)
    found = Actor.of_this_process("cli", {**SUDO, **claimed})
    assert (found.name, found.known_by) == (ME, "account")


def test_the_name_a_program_gives_itself_is_a_remark() -> None:
    here = Actor.of_this_process("api", {}, remark="carol")
    assert (here.name, here.remark, here.known_by) == (ME, "carol", "account")


async def test_the_level_is_the_highest_of_the_account_and_its_groups(as_user: AsUser, execute: Any) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    async with as_user(Level.READ, ME) as context:
        assert await context.level() is Level.READ
        await execute("INSERT INTO workflow_members (kind, name, level) VALUES ('group', :g, 'operate')", g=group)
        again = OperationContext(context.store, context.temporal, context.actor)
        assert await again.level() is Level.OPERATE
        # A group of that name gives nothing to a person of that name.
        stranger = OperationContext(context.store, context.temporal, Actor(f"{group}-nobody"))
        assert await stranger.level() is Level.NONE


@pytest.mark.parametrize("level", Level)
async def test_a_level_reaches_as_far_as_it_says(as_user: AsUser, level: Level) -> None:
    async with as_user(level) as context:
        assert await context.level() is level
        for needed in (Level.READ, Level.OPERATE, Level.ADMIN):
            if needed <= level:
                await context.require(needed)
            else:
                with pytest.raises(Forbidden, match="LEVEL_TOO_LOW"):
                    await context.require(needed)


async def test_the_owner_of_the_tables_is_admin(context: OperationContext) -> None:
    assert await context.level() is Level.ADMIN


async def test_an_audit_entry_says_who_how_it_is_known_and_which_login_wrote_it(
    as_user: AsUser, store: Store, execute: Any, query: Query
) -> None:
    await add_version(store)
    await execute("UPDATE workflow_definitions SET concurrency_limit = 5")
    async with as_user(Level.OPERATE) as operator:
        assert not (await launch_published_run(operator, LaunchRequest("orders"))).pending
        login = operator.store.url.username
    [entry] = await query("SELECT * FROM workflow_audit_log")
    assert (entry["actor"], entry["actor_known_by"], entry["actor_level"]) == ("somebody", "account", "operate")
    assert (entry["database_user"], entry["actor_remark"]) == (login, None)


@pytest.mark.parametrize("tenant", ["nobody", "", "\0", "'; --"])
async def test_a_tenant_that_cannot_be_is_refused(context: OperationContext, tenant: str) -> None:
    with pytest.raises(Invalid, match="ID_INVALID"):
        OperationContext(context.store, context.temporal, context.actor, tenant)


async def test_a_tenant_is_written_as_postgres_writes_it(context: OperationContext) -> None:
    tenant = "0198C2AA-0000-7000-8000-0000000000EE"
    assert OperationContext(context.store, context.temporal, context.actor, tenant).tenant == tenant.lower()
