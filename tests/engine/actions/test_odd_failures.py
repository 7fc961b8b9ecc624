"""What an action says of its failure can be anything: no program checks the types of who raises it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from engine.actions import secrets
from engine.actions.context import ActionContext
from engine.actions.declaration import action, declarations_of
from engine.actions.invoke import invoke
from engine.actions.secrets import SecretResolver
from engine.activities.errors import error_of
from engine.errors import StepFailure

MakeContext = Callable[..., ActionContext]
ROUND: dict[str, Any] = {}
ROUND["itself"] = ROUND


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("it does not tell")


class Panic(BaseException):
    """As libraries in other languages raise: no ``Exception``."""


class Nothing(BaseModel):
    pass


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


async def failure_of(raised: BaseException, context: ActionContext) -> dict[str, Any]:
    """What a row keeps of it."""

    async def handler(_call: Nothing, _ctx: ActionContext) -> Nothing:
        raise raised

    registered = declarations_of(action("test.odd", input=Nothing, output=Nothing)(handler))[0]
    with pytest.raises(StepFailure) as failed:
        await invoke(registered, {}, context)
    return error_of(failed.value, "root.steps[0]", "2026-12-01T00:00:00.000Z")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"category": None}, {"category": "ActionError"}),
        ({"category": " "}, {"category": "ActionError"}),
        ({"message": ValueError("as it is")}, {"message": "as it is"}),
        ({"message": Silent()}, {"message": "Silent"}),
        ({"message": b"\xff"}, {"message": "b'\\xff'"}),
        ({"message": "a\ud800b\0"}, {"message": "a\ufffdb\ufffd"}),
        ({"code": 404}, {"code": "404"}),
        ({"code": "E\ud800"}, {"code": "E\ufffd"}),
        ({"details": {"n\ud800": "\ud800", "m": 1}}, {"details": {"n\ufffd": "\ufffd", "m": 1}}),
        ({"details": {"seen": {1}, "at": Exception("x")}}, {"details": {"seen": [1], "at": "x"}}),
        ({"details": {"rate": float("nan")}}, {"details": {"$omitted": "JSON_NUMBER_NOT_FINITE"}}),
        ({"details": {"n": 10**5000}}, {"details": {"$omitted": "JSON_NUMBER_TOO_LARGE"}}),
        ({"details": ROUND}, {"details": {"$omitted": "ValueError"}}),
        ({"details": nested(5_000)}, {"details": {"$omitted": "ValueError"}}),
        ({"details": {"cause": Silent()}}, {"details": {"$omitted": "RuntimeError"}}),
        ({"details": {"body": b"\xff"}}, {"details": {"$omitted": "UnicodeDecodeError"}}),
    ],
)
async def test_the_step_fails_whatever_its_failure_is_made_of(
    given: dict[str, Any], told: dict[str, Any], make_context: MakeContext
) -> None:
    ordinary = {"category": "TransientError", "message": "no", "code": "C"}
    found = await failure_of(StepFailure(**(ordinary | given)), make_context())
    assert {name: found.get(name) for name in (*ordinary, *told)} == ordinary | told


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (Silent(), "Silent"),
        (OSError(2, "No such file", "\udcff"), "[Errno 2] No such file: '\\udcff'"),
        (SystemExit(3), "3"),
        (asyncio.CancelledError(), "CancelledError"),
        (Panic("index out of bounds"), "index out of bounds"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
async def test_what_ends_an_action_fails_its_step(
    raised: BaseException, message: str, make_context: MakeContext
) -> None:
    """Nobody has canceled it: a task that it waited for was, or a program in it has called ``sys.exit``."""
    found = await failure_of(raised, make_context())
    assert (found["code"], found["message"], found["details"]) == (
        "INTERNAL_ERROR",
        message,
        {"name": type(raised).__name__},
    )


async def test_a_plain_function_that_finds_nothing_fails_at_once(make_context: MakeContext) -> None:
    def handler(_call: Nothing, _ctx: ActionContext) -> Nothing:
        return next(iter(()))

    registered = declarations_of(action("test.odd", input=Nothing, output=Nothing, timeout=600)(handler))[0]
    with pytest.raises(StepFailure, match="raised StopIteration") as failed:
        await invoke(registered, {}, make_context())
    assert failed.value.code == "INTERNAL_ERROR"


class Picky(BaseModel):
    name: str = "a"

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        return {"a": name}[name]


async def test_a_check_of_a_model_may_raise_anything(make_context: MakeContext) -> None:
    async def handler(_call: Picky, _ctx: ActionContext) -> dict[str, str]:
        return {"name": "b"}

    registered = declarations_of(action("test.odd", input=Picky, output=Picky)(handler))[0]
    with pytest.raises(StepFailure, match="a check raised KeyError") as failed:
        await invoke(registered, {"name": "b"}, make_context())
    assert failed.value.code == "ACTION_INPUT_INVALID"
    with pytest.raises(StepFailure) as failed:
        await invoke(registered, {}, make_context())
    assert failed.value.code == "ACTION_OUTPUT_INVALID"
    assert failed.value.details["issues"][0]["kind"] == "KeyError"


async def test_who_is_canceled_ends(make_context: MakeContext) -> None:
    async def handler(_call: Nothing, _ctx: ActionContext) -> Nothing:
        await asyncio.Event().wait()
        return Nothing()

    registered = declarations_of(action("test.odd", input=Nothing, output=Nothing)(handler))[0]
    running = asyncio.create_task(invoke(registered, {}, make_context()))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_provider_that_never_answers_fails_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        async def read(self, _name: str, _tenant: str) -> str | None:
            await asyncio.Event().wait()
            return None

    monkeypatch.setattr(secrets, "PROVIDER_SECONDS", 0.0)
    with pytest.raises(StepFailure, match="no answer within 0 s") as failed:
        await SecretResolver([Silent()]).resolve({"$secret": "KEY"}, [""], "tenant")
    assert (failed.value.category, failed.value.code) == ("TransientError", "SECRET_UNREADABLE")
