"""Changing members while others do, and while somebody holds what they can."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from sqlalchemy import make_url

from engine.errors import Conflict
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.operations.members import list_members, remove_member, set_member
from engine.records import Level, MemberKind
from tests.engine.operations.conftest import Execute

PERSON = MemberKind.PERSON


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
            await theirs.execute(
                "SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"members:{context.tenant}",)
            )
            assert (await set_member(context, PERSON, "ada", Level.ADMIN)).level is Level.ADMIN
            with pytest.raises(Conflict, match="LAST_ADMIN"):
                await remove_member(context, PERSON, "ada")
    finally:
        await execute(f"DROP ROLE {login}")
