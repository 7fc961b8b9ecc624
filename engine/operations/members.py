"""Who may do what in the tenant, changed by its admins. The first admin is made by the owner of the tables, who is one.

What somebody has submitted goes on only as long as they may: the jobs of whoever is no admin any more are held up.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from engine.errors import Conflict, Invalid, NotFound
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.jobs.jobs import hold_up_jobs
from engine.operations.runs.run_access import checked_reason
from engine.records import Level, Member, MemberKind
from engine.store.database.transactions import Connection, writing
from engine.store.tenant import members
from engine.store.tenant.audit import AuditEntry

MAX_NAME_BYTES: Final = 256


async def list_members(context: OperationContext) -> tuple[Member, ...]:
    """Everybody with a level in the tenant: persons first, by name. Needs the level read."""
    async with writing(await context.readable()) as connection:
        return await members.load_members(connection, context.tenant)


async def set_member(
    context: OperationContext, kind: MemberKind, name: str, level: Level, reason: str | None = None
) -> Member:
    """Give an account or a Unix group a level, instead of the one it has. Needs the level admin.

    Where that takes the level admin away, jobs are held up as by ``remove_member``. Setting what is set already writes nothing.
    Raises ``Invalid`` (MEMBER_INVALID, REASON_TOO_SHORT, REASON_TOO_LONG), ``Conflict`` (LAST_ADMIN), ``Forbidden``,
    ``Unavailable``.
    """
    await context.require(Level.ADMIN)
    named, why = _checked_name(kind, name), None if reason is None else checked_reason(reason)
    if not isinstance(level, Level) or level is Level.NONE:
        raise Invalid("MEMBER_INVALID", "A member has a level.", "Use read, operate or admin, or remove the member.")
    async with writing(context.store) as connection:
        await context.require_still(connection, Level.ADMIN)
        known, others = await _member_and_others(connection, context.tenant, kind, named)
        if known is not None and known.level is level:
            return known
        if level is not Level.ADMIN:
            _require_another_admin(known, others)
        await members.save_member(connection, context.tenant, kind, named, level, set_by=context.actor.name)
        details = {"kind": kind.value, "level": level.word, "before": None if known is None else known.level.word}
        await context.audit(connection, AuditEntry("member_set", "member", named, reason=why, details=details))
        if level is not Level.ADMIN:
            await _hold_up_jobs(context, connection, known, others)
        return next(
            member
            for member in await members.load_members(connection, context.tenant)
            if (member.kind, member.name) == (kind, named)
        )


async def remove_member(context: OperationContext, kind: MemberKind, name: str, reason: str | None = None) -> None:
    """Take the level away, and hold up the jobs of whoever is no admin any more by that. Needs the level admin.

    Raises ``NotFound`` (MEMBER_NOT_FOUND), ``Invalid`` (MEMBER_INVALID, REASON_TOO_SHORT, REASON_TOO_LONG), ``Conflict``
    (LAST_ADMIN), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN)
    named, why = _checked_name(kind, name), None if reason is None else checked_reason(reason)
    async with writing(context.store) as connection:
        await context.require_still(connection, Level.ADMIN)
        known, others = await _member_and_others(connection, context.tenant, kind, named)
        if known is None:
            told = f"There is no {kind.value} {named} among the members of this tenant."
            raise NotFound("MEMBER_NOT_FOUND", told, "They are listed by: runstudio members list.")
        _require_another_admin(known, others)
        await members.delete_member(connection, context.tenant, kind, named)
        details = {"kind": kind.value, "before": known.level.word}
        await context.audit(connection, AuditEntry("member_remove", "member", named, reason=why, details=details))
        await _hold_up_jobs(context, connection, known, others)


async def _member_and_others(
    connection: Connection, tenant: str, kind: MemberKind, name: str
) -> tuple[Member | None, list[Member]]:
    everybody = await members.lock_members(connection, tenant)
    mine = [member for member in everybody if (member.kind, member.name) == (kind, name)]
    return (mine[0] if mine else None), [member for member in everybody if member not in mine]


async def _hold_up_jobs(
    context: OperationContext, connection: Connection, former: Member | None, others: Collection[Member]
) -> None:
    """Jobs need the level admin. Of a group: those of its members, as far as this host knows their accounts."""
    if former is None or former.level is not Level.ADMIN:
        return
    admins = [other for other in others if other.level is Level.ADMIN]

    def lost(name: str) -> bool:
        groups = Actor(name).groups()
        return _is_meant(former, name, groups) and not any(_is_meant(admin, name, groups) for admin in admins)

    await hold_up_jobs(context, connection, lost, f"{former.kind.value} {former.name} is no admin any more")


def _is_meant(member: Member, name: str, groups: Collection[str]) -> bool:
    return member.name == name if member.kind is MemberKind.PERSON else member.name in groups


def _require_another_admin(member: Member | None, others: list[Member]) -> None:
    """Raises ``Conflict`` (LAST_ADMIN) when this one is the only admin: nobody could give a level any more."""
    if member is None or member.level is not Level.ADMIN or any(other.level is Level.ADMIN for other in others):
        return
    raise Conflict(
        "LAST_ADMIN",
        f"{member.name} is the only admin of this tenant.",
        "Make another one first: runstudio members set NAME admin.",
    )


def _checked_name(kind: MemberKind, name: str) -> str:
    """``name`` as the system spells it. Raises ``Invalid`` (MEMBER_INVALID)."""
    if not isinstance(kind, MemberKind) or not isinstance(name, str):
        raise Invalid("MEMBER_INVALID", "A member is a person or a group, by a name.", "Use MemberKind and a text.")
    named = name.strip()
    if not named or not named.isprintable() or len(named.encode("utf-8", "replace")) > MAX_NAME_BYTES:
        told = f"{name[:60]!r} is no name of an account or a group."
        raise Invalid("MEMBER_INVALID", told, "Use the name that `id` shows.")
    return named
