"""links.* on a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine.actions.builtin.fields import encode_cursor
from engine.errors import StepFailure

REFUSALS = {"ACTION_INPUT_INVALID", "VALIDATION_ERROR"}

Perform = Callable[..., Awaitable[Any]]


def thing(name: str) -> dict[str, str]:
    kind, _, identity = name.partition(":")
    return {"type": kind, "id": identity}


async def link(perform: Perform, left: str, right: str, **more: Any) -> Any:
    action_input = {"namespace": "crm", "from": thing(left), "to": thing(right), **more}
    return await perform("links.upsert", action_input)


async def found(perform: Perform, name: str, **more: Any) -> list[str]:
    output = await perform("links.lookup", {"namespace": "crm", "from": thing(name), **more})
    return [f"{match['type']}:{match['id']}" for match in output["matches"]]


async def test_a_link_is_made_once_and_then_gets_new_attributes(perform: Perform) -> None:
    made = await link(perform, "ticket:1", "client:7", attributes={"a": 1})
    again = await link(perform, "ticket:1", "client:7", attributes={"b": [2]})
    assert made["created"] is True
    assert again == {"link_id": made["link_id"], "created": False}
    output = await perform("links.lookup", {"namespace": "crm", "from": thing("ticket:1")})
    assert output == {
        "matches": [
            {"link_id": made["link_id"], "type": "client", "id": "7", "relation": "related", "attributes": {"b": [2]}}
        ]
    }


async def test_of_many_that_make_a_link_one_does(perform: Perform) -> None:
    results = await asyncio.gather(*(link(perform, "a:1", "b:1", attributes={"n": n}) for n in range(12)))
    assert sum(result["created"] for result in results) == 1
    assert len({result["link_id"] for result in results}) == 1


async def test_lookup_in_both_directions(perform: Perform) -> None:
    await link(perform, "ticket:1", "client:7")
    await link(perform, "ticket:1", "asset:3", relation="about")
    await link(perform, "project:9", "ticket:1")
    assert await found(perform, "ticket:1") == ["client:7", "asset:3"]
    assert await found(perform, "ticket:1", direction="reverse") == ["project:9"]
    assert await found(perform, "ticket:1", direction="either") == ["client:7", "asset:3", "project:9"]
    assert await found(perform, "ticket:1", direction="either", limit=2) == ["client:7", "asset:3"]
    assert await found(perform, "ticket:1", relation="about") == ["asset:3"]
    assert await found(perform, "ticket:1", direction="either", to_type="project") == ["project:9"]
    assert await found(perform, "client:7") == []


async def test_delete_by_side_and_relation(perform: Perform) -> None:
    await link(perform, "ticket:1", "client:7")
    await link(perform, "ticket:1", "client:8", relation="about")
    await link(perform, "ticket:2", "client:7")
    delete = {"namespace": "crm"}
    assert await perform("links.delete", delete | {"from": thing("ticket:1"), "relation": "about"}) == {
        "deleted_count": 1
    }
    assert await perform("links.delete", delete | {"from": thing("ticket:1"), "to": thing("client:9")}) == {
        "deleted_count": 0
    }
    assert await perform("links.delete", delete | {"to": thing("client:7")}) == {"deleted_count": 2}
    with pytest.raises(StepFailure, match="from or to is required"):
        await perform("links.delete", delete)


async def test_the_list_goes_in_the_order_of_creation_page_by_page(perform: Perform) -> None:
    for number in range(5):
        await link(perform, f"ticket:{number}", f"client:{9 - number}")
    await link(perform, "asset:1", "client:1", relation="about")
    query = {"namespace": "crm", "left_type": "ticket", "right_type": "client", "relation": "related", "limit": 2}
    listed: list[str] = []
    cursor = None
    for _ in range(3):
        page = await perform("links.list", query | {"cursor": cursor})
        listed += [item["left_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert listed == ["0", "1", "2", "3", "4"]
    assert cursor is None
    assert page["items"][0]["right_id"] == "5"
    assert await perform("links.list_namespaces", {}) == {"namespaces": [{"namespace": "crm", "link_count": 6}]}


@pytest.mark.parametrize(
    "cursor", ["x", encode_cursor("yesterday", "1"), encode_cursor("2026-01-01T00:00:00+00:00", "no-id")]
)
async def test_a_cursor_of_somebody_else_is_refused(perform: Perform, cursor: str) -> None:
    with pytest.raises(StepFailure, match="next_cursor"):
        await perform("links.list", {"namespace": "crm", "cursor": cursor})


async def test_tenants_do_not_see_each_other(perform: Perform, other_tenant: str) -> None:
    await link(perform, "ticket:1", "client:7")
    query = {"namespace": "crm", "from": thing("ticket:1")}
    assert await perform("links.lookup", query, tenant=other_tenant) == {"matches": []}
    assert await perform("links.delete", query, tenant=other_tenant) == {"deleted_count": 0}
    assert await perform("links.list_namespaces", {}, tenant=other_tenant) == {"namespaces": []}


@pytest.mark.parametrize(
    "changes",
    [
        {"from": {"type": "", "id": "1"}},
        {"to": None},
        {"relation": "r\0"},
        {"attributes": {"a": "x" * 262_144}},
        {"attributes": []},
    ],
)
async def test_what_cannot_be_linked_is_refused(perform: Perform, changes: dict[str, Any]) -> None:
    action_input = {"namespace": "crm", "from": thing("a:1"), "to": thing("b:1")} | changes
    with pytest.raises(StepFailure) as failed:
        await perform("links.upsert", action_input)
    assert failed.value.code in REFUSALS
