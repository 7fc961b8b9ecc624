"""``engine.members``: who may do what in the tenant."""

from __future__ import annotations

from engine.operations import members
from engine.operations.context import OperationContext
from engine.records import Level, Member, MemberKind


class Members:
    """Members of one tenant."""

    def __init__(self, context: OperationContext) -> None:
        self._context = context

    async def list(self) -> tuple[Member, ...]:
        """Everybody with a level: persons first, by name. Needs the level read."""
        return await members.list_members(self._context)

    async def set(
        self, name: str, level: Level, *, kind: MemberKind = MemberKind.PERSON, reason: str | None = None
    ) -> Member:
        """Give an account, or a Unix group, a level. Needs the level admin. Raises as ``set_member``."""
        return await members.set_member(self._context, kind, name, level, reason)

    async def remove(self, name: str, *, kind: MemberKind = MemberKind.PERSON, reason: str | None = None) -> None:
        """Take the level away. Needs the level admin. Raises as ``remove_member``."""
        await members.remove_member(self._context, kind, name, reason)
