"""Changing members while others do, and while somebody holds what they can; and what becomes of a former admin's jobs."""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url, text

from engine.errors import Conflict, Forbidden, Invalid
from engine.ids import new_id
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.installation import move_installation
from engine.operations.jobs.exporting import job_files
from engine.operations.jobs.jobs import get_job, resume_job, submit_job
from engine.operations.members import list_members, remove_member, set_member
from engine.operations.runs.export import export_list, export_run
from engine.records import ExportFormat, JobKind, JobState, Level, MemberKind
from engine.settings import DEFAULT_TENANT
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import AsUser, Execute, Query, add_version, until
from tests.engine.operations.jobs.test_jobs import FAILED, WHY, ended_runs, work
from tests.engine.store.tenants import OTHER

PERSON = MemberKind.PERSON


@pytest.mark.parametrize(
    ("kind", "name", "level"),
    [
        (PERSON, "", Level.READ),
        (PERSON, " \t ", Level.READ),
        (PERSON, "a\u00adda", Level.READ),
        (PERSON, "\u202eada", Level.READ),
        (PERSON, "ada\0", Level.READ),
        (PERSON, "\ud800", Level.READ),
        (PERSON, "é" * 129, Level.READ),
        (PERSON, None, Level.READ),
        (PERSON, b"ada", Level.READ),
        (MemberKind.GROUP, 5, Level.READ),
        ("person", "ada", Level.READ),
        (PERSON, "ada", "admin"),
        (PERSON, "ada", 3),
        (PERSON, "ada", Level.NONE),
    ],
)
async def test_what_is_no_member_is_refused(context: OperationContext, kind: Any, name: Any, level: Any) -> None:
    with pytest.raises(Invalid, match="MEMBER_INVALID"):
        await set_member(context, kind, name, level)
    assert await list_members(context) == ()


async def test_two_admins_who_remove_each_other_at_once_leave_one(context: OperationContext) -> None:
    for _ in range(5):
        await set_member(context, PERSON, "ada", Level.ADMIN)
        await set_member(context, PERSON, "bob", Level.ADMIN)
        outcomes = await asyncio.gather(
            remove_member(context, PERSON, "ada"),
            set_member(context, PERSON, "bob", Level.READ),
            return_exceptions=True,
        )
        refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert [type(one) for one in refused] == [Conflict], outcomes
        admins = [member for member in await list_members(context) if member.level is Level.ADMIN]
        assert len(admins) == 1


async def test_a_login_for_reports_cannot_keep_members_from_being_changed(
    context: OperationContext, database_url: str, execute: Execute
) -> None:
    """It may take any advisory lock, by whatever name."""
    login = f"reports_{new_id().replace('-', '')}"
    await execute(f"CREATE ROLE {login} LOGIN IN ROLE runstudio_reader")
    url = make_url(database_url).set(drivername="postgresql", username=login).render_as_string(False)
    try:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as theirs:
            await theirs.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"members:{context.tenant}",))
            assert (await set_member(context, PERSON, "ada", Level.ADMIN)).level is Level.ADMIN
            with pytest.raises(Conflict, match="LAST_ADMIN"):
                await remove_member(context, PERSON, "ada")
    finally:
        await execute(f"DROP ROLE {login}")


async def test_what_a_former_admin_has_submitted_does_not_go_on(
    context: OperationContext, as_user: AsUser, execute: Execute, query: Query
) -> None:
    """Nothing of the job was done when the level was taken away; another admin decides about the rest."""
    [run_id] = await ended_runs(execute, 1)
    await set_member(context, PERSON, "ada", Level.ADMIN)
    async with as_user(Level.ADMIN, "mallory") as mallory:
        theirs = (await submit_job(mallory, JobKind.DELETE, FAILED, WHY)).job.job_id
    async with as_user(Level.ADMIN, "ada") as ada:
        other = (await submit_job(ada, JobKind.EXPORT, FAILED, WHY)).job.job_id
        await remove_member(ada, PERSON, "mallory", "left the company")
    worker = replace(context, actor=Actor("17@host", None, "reconciler", "service"))
    await work(worker)
    assert (await get_job(context, theirs)).state is JobState.PAUSED
    assert (await get_job(context, other)).state is JobState.DONE
    assert await query("SELECT run_id FROM workflow_runs") == [{"run_id": run_id}]
    [entry] = await query("SELECT actor, target_id, reason FROM workflow_audit_log WHERE operation = 'job_pause'")
    assert entry == {"actor": "ada", "target_id": theirs, "reason": "person mallory is no admin any more"}
    await resume_job(context, theirs)
    await work(worker)
    assert await query("SELECT run_id FROM workflow_runs") == []


@pytest.mark.parametrize("to", [Level.OPERATE, None])
async def test_a_group_that_loses_its_level_takes_its_members_jobs_along(
    context: OperationContext, as_user: AsUser, execute: Execute, to: Level | None
) -> None:
    me, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    await ended_runs(execute, 1)
    await set_member(context, PERSON, "ada", Level.ADMIN)
    await set_member(context, MemberKind.GROUP, group, Level.ADMIN)
    async with as_user(Level.NONE, me) as member:
        job_id = (await submit_job(member, JobKind.EXPORT, FAILED, WHY)).job.job_id
    await set_member(context, PERSON, me, Level.ADMIN)
    # An admin by themselves, too: nothing is lost with the group, and then with the other way in.
    await set_member(context, MemberKind.GROUP, group, Level.READ)
    assert (await get_job(context, job_id)).state is JobState.QUEUED
    await set_member(context, MemberKind.GROUP, group, Level.ADMIN)
    await remove_member(context, PERSON, me)
    assert (await get_job(context, job_id)).state is JobState.QUEUED
    if to is None:
        await remove_member(context, MemberKind.GROUP, group)
    else:
        await set_member(context, MemberKind.GROUP, group, to)
    assert (await get_job(context, job_id)).state is JobState.PAUSED


async def test_whoever_was_removed_is_no_admin_from_that_moment_on(context: OperationContext, as_user: AsUser) -> None:
    """A program that is open knows its level from before: with that, they would take it back, or leave a job behind."""
    await set_member(context, PERSON, "ada", Level.ADMIN)
    async with as_user(Level.ADMIN, "mallory") as mallory:
        job_id = (await submit_job(mallory, JobKind.DELETE, FAILED, WHY)).job.job_id
        await remove_member(context, PERSON, "mallory")
        for attempt in (
            set_member(mallory, PERSON, "mallory", Level.ADMIN),
            remove_member(mallory, PERSON, "ada"),
            submit_job(mallory, JobKind.DELETE, FAILED, WHY),
            resume_job(mallory, job_id),
        ):
            with pytest.raises(Forbidden, match="LEVEL_TOO_LOW"):
                await attempt


async def test_who_is_removed_while_they_change_members_or_jobs_has_changed_nothing(
    context: OperationContext, as_user: AsUser, store: Store, query: Query
) -> None:
    """Their level was asked before; that it is taken away is committed before their change."""
    await set_member(context, PERSON, "ada", Level.ADMIN)
    async with as_user(Level.ADMIN, "mallory") as mallory:
        async with store.begin() as removing:
            await removing.execute(text("DELETE FROM workflow_members WHERE name = 'mallory'"))
            changes = [
                asyncio.create_task(change)
                for change in (
                    set_member(mallory, PERSON, "eve", Level.ADMIN),
                    remove_member(mallory, PERSON, "ada"),
                    submit_job(mallory, JobKind.DELETE, FAILED, WHY),
                )
            ]
            blocked = "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            await until(partial(_is, query, blocked, len(changes)))
        outcomes = await asyncio.gather(*changes, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Forbidden] * 3
    assert [member.name for member in await list_members(context)] == ["ada"]
    assert await query("SELECT job_id FROM workflow_jobs") == []


async def _is(query: Query, sql: str, number: int) -> bool:
    return (await query(sql))[0]["n"] == number


@pytest.mark.parametrize("what", ["a run", "a list", "a job"])
async def test_an_export_ends_when_the_level_is_taken_away(
    context: OperationContext, as_user: AsUser, execute: Execute, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """It can take minutes, and each of its parts is read when it is asked for."""
    monkeypatch.setattr("engine.operations.context.LEVEL_SECONDS", -1.0)
    await set_member(context, PERSON, "ada", Level.ADMIN)
    runs = await ended_runs(execute, 2)
    await execute(
        "INSERT INTO workflow_run_logs (run_id, level, message) SELECT run_id, 'INFO', 'x' FROM workflow_runs"
    )
    job = (await submit_job(context, JobKind.EXPORT, FAILED, WHY)).job
    await work(replace(context, actor=Actor("17@host", None, "reconciler", "service")))
    async with as_user(Level.READ, "carol") as carol:
        parts = {
            "a run": lambda: export_run(carol, runs[0]),
            "a list": lambda: export_list(carol, FAILED, ExportFormat.CSV),
            "a job": lambda: job_files(carol, job.job_id),
        }[what]()
        assert (await anext(parts)).text
        await remove_member(context, PERSON, "carol")
        with pytest.raises(Forbidden, match="LEVEL_TOO_LOW"):
            await anext(parts)


async def test_whoever_is_admin_of_one_tenant_alone_does_not_move_the_others_with_it(
    as_user: AsUser, store: Store, execute: Execute, query: Query
) -> None:
    """Of each with members or workflows: its open runs would be closed. Postgres hides them from who serves one tenant."""
    await add_version(store, tenant=OTHER)
    member = "INSERT INTO workflow_members (tenant, kind, name, level) VALUES (:tenant, 'person', 'ada', :level)"
    await execute(member, tenant="33333333-3333-4333-8333-333333333333", level="operate")
    async with as_user(Level.ADMIN, "ada") as admin:
        for missing in (2, 1):
            with pytest.raises(Forbidden, match=rf"LEVEL_TOO_LOW: .*ada lacks it in {missing} of 3") as refused:
                await move_installation(admin, WHY)
            assert OTHER not in str(refused.value)
            assert await query("SELECT 1 FROM workflow_installation UNION ALL SELECT 1 FROM workflow_audit_log") == []
            if missing == 2:
                await execute(member, tenant=OTHER, level="admin")
        await execute("UPDATE workflow_members SET level = 'admin'")
        await move_installation(admin, WHY)
    [entry] = await query("SELECT tenant::text, actor FROM workflow_audit_log")
    assert entry == {"tenant": DEFAULT_TENANT, "actor": "ada"}
