"""``links.*``: which thing of one system belongs to which of another. Quick and transactional, as ``store.*``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from engine.actions.builtin.fields import (
    Name,
    PageSize,
    check_size,
    decode_cursor,
    encode_cursor,
    unknown_cursor,
)
from engine.actions.context import ActionContext
from engine.actions.declaration import action
from engine.actions.schema import ActionModel
from engine.store.data import entity_links


class EntityRef(ActionModel):
    type: Name
    id: Name

    def entity(self) -> entity_links.Entity:
        return entity_links.Entity(self.type, self.id)


class UpsertInput(ActionModel):
    namespace: Name
    from_: Annotated[EntityRef, Field(alias="from")]
    to: EntityRef
    relation: Name = "related"
    attributes: dict[str, Any] = Field(default_factory=dict)
    idempotency_key: str | None = None
    """Kept for definitions of the earlier system. A step's writes are exactly once without it."""


class UpsertOutput(ActionModel):
    link_id: str
    created: bool


class LookupInput(ActionModel):
    namespace: Name
    from_: Annotated[EntityRef, Field(alias="from")]
    direction: Literal["forward", "reverse", "either"] = "forward"
    relation: Name | None = None
    to_type: Name | None = None
    limit: PageSize = 100


class LinkMatch(ActionModel):
    link_id: str
    type: str
    id: str
    relation: str
    attributes: dict[str, Any]


class LookupOutput(ActionModel):
    matches: list[LinkMatch]


class DeleteInput(ActionModel):
    namespace: Name
    from_: Annotated[EntityRef | None, Field(alias="from")] = None
    to: EntityRef | None = None
    relation: Name | None = None
    idempotency_key: str | None = None

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if self.from_ is None and self.to is None:
            raise ValueError("from or to is required: a whole namespace is never deleted at once")
        return self


class DeleteOutput(ActionModel):
    deleted_count: int


class ListInput(ActionModel):
    namespace: Name
    left_type: Name | None = None
    right_type: Name | None = None
    relation: Name | None = None
    limit: PageSize = 100
    cursor: str | None = None


class ListItem(ActionModel):
    link_id: str
    left_type: str
    left_id: str
    right_type: str
    right_id: str
    relation: str
    attributes: dict[str, Any]


class ListOutput(ActionModel):
    items: list[ListItem]
    next_cursor: str | None


class NamespacesInput(ActionModel):
    pass


class LinkNamespace(ActionModel):
    namespace: str
    link_count: int


class NamespacesOutput(ActionModel):
    namespaces: list[LinkNamespace]


@action("links.upsert", input=UpsertInput, output=UpsertOutput, quick=True, transaction=True)
async def upsert(call: UpsertInput, ctx: ActionContext) -> dict[str, Any]:
    """Link two things, or replace the attributes of their link."""
    check_size("attributes", call.attributes)
    link_id, created = await entity_links.upsert(
        ctx.transaction,
        ctx.tenant,
        call.namespace,
        call.from_.entity(),
        call.to.entity(),
        relation=call.relation,
        attributes=call.attributes,
        run_id=ctx.run_id,
    )
    return {"link_id": link_id, "created": created}


@action("links.lookup", input=LookupInput, output=LookupOutput, side_effects=False, quick=True, transaction=True)
async def lookup(call: LookupInput, ctx: ActionContext) -> dict[str, Any]:
    """What a thing is linked to; with either, forward links come first."""
    scope = ctx.transaction, ctx.tenant, call.namespace, call.from_.entity()
    matches: list[dict[str, Any]] = []
    if call.direction in {"forward", "either"}:
        forward = await entity_links.linked_from(
            *scope, relation=call.relation, other_type=call.to_type, limit=call.limit
        )
        matches += [_match(link, link.right) for link in forward]
    if call.direction in {"reverse", "either"} and len(matches) < call.limit:
        reverse = await entity_links.linked_to(
            *scope, relation=call.relation, other_type=call.to_type, limit=call.limit - len(matches)
        )
        matches += [_match(link, link.left) for link in reverse]
    return {"matches": matches}


@action("links.delete", input=DeleteInput, output=DeleteOutput, quick=True, transaction=True)
async def delete(call: DeleteInput, ctx: ActionContext) -> dict[str, Any]:
    """Delete the links of a thing, or between two things."""
    deleted = await entity_links.remove(
        ctx.transaction,
        ctx.tenant,
        call.namespace,
        left=None if call.from_ is None else call.from_.entity(),
        right=None if call.to is None else call.to.entity(),
        relation=call.relation,
    )
    return {"deleted_count": deleted}


@action("links.list", input=ListInput, output=ListOutput, side_effects=False, quick=True, transaction=True)
async def list_links(call: ListInput, ctx: ActionContext) -> dict[str, Any]:
    """Links of a namespace in the order of their creation, page by page."""
    found = await entity_links.page(
        ctx.transaction,
        ctx.tenant,
        call.namespace,
        left_type=call.left_type,
        right_type=call.right_type,
        relation=call.relation,
        after=None if call.cursor is None else _position(call.cursor),
        limit=call.limit + 1,
    )
    shown = found[: call.limit]
    more = len(found) > call.limit
    return {
        "items": [
            {
                "link_id": link.link_id,
                "left_type": link.left.type,
                "left_id": link.left.id,
                "right_type": link.right.type,
                "right_id": link.right.id,
                "relation": link.relation,
                "attributes": link.attributes,
            }
            for link in shown
        ],
        "next_cursor": encode_cursor(shown[-1].created_at.isoformat(), shown[-1].link_id) if more else None,
    }


@action(
    "links.list_namespaces", input=NamespacesInput, output=NamespacesOutput, side_effects=False, quick=True, transaction=True
)  # fmt: skip
async def list_namespaces(_call: NamespacesInput, ctx: ActionContext) -> dict[str, Any]:
    """The namespaces that have links, and how many."""
    found = await entity_links.namespaces(ctx.transaction, ctx.tenant)
    return {"namespaces": [{"namespace": name, "link_count": count} for name, count in found]}


def _match(link: entity_links.Link, other: entity_links.Entity) -> dict[str, Any]:
    return {
        "link_id": link.link_id,
        "type": other.type,
        "id": other.id,
        "relation": link.relation,
        "attributes": link.attributes,
    }


def _position(cursor: str) -> tuple[datetime, str]:
    created_at, link_id = decode_cursor(cursor, 2)
    try:
        return datetime.fromisoformat(created_at), str(UUID(link_id))
    except ValueError:
        raise unknown_cursor() from None


LINK_ACTIONS: Final = (upsert, lookup, delete, list_links, list_namespaces)
