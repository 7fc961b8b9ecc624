"""Secrets come from their providers, only where the author asked, and never leave."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from engine.actions.context import ActionContext
from engine.actions.declaration import action, declarations_of
from engine.actions.invoke import invoke
from engine.actions.registry import load_actions
from engine.actions.scrubbing import scrub
from engine.actions.secret_policy import SecretPolicy
from engine.actions.secrets import (
    DirectorySecrets,
    EnvironmentSecrets,
    SecretResolver,
    secret_paths,
)
from engine.errors import Invalid, StepFailure
from engine.settings import DEFAULT_TENANT, Settings
from engine.values.redaction.placeholder import PLACEHOLDER

CANARY = 'c4nary "\\ü\n+/=%?&'


def resolver(**values: str) -> SecretResolver:
    return SecretResolver([EnvironmentSecrets({f"RUNSTUDIO_SECRET_{name}": value for name, value in values.items()})])


async def test_markers_are_replaced_where_the_author_wrote_them() -> None:
    authored = {"auth": {"token": {"$secret": "API_KEY"}}, "list": [1, {"$secret": "OTHER"}], "id": 7}
    resolved = await resolver(API_KEY="k", OTHER="o").resolve(authored, secret_paths(authored), DEFAULT_TENANT)
    assert resolved.value == {"auth": {"token": "k"}, "list": [1, "o"], "id": 7}
    assert resolved.secrets == ("k", "o")
    assert authored["auth"] == {"token": {"$secret": "API_KEY"}}


async def test_data_cannot_ask_for_a_secret() -> None:
    value = {"authored": {"$secret": "API_KEY"}, "data": {"$secret": "API_KEY"}}
    resolved = await resolver(API_KEY="k").resolve(value, ["/authored"], DEFAULT_TENANT)
    assert resolved.value == {"authored": "k", "data": {"$secret": "API_KEY"}}


async def test_a_pointer_that_leads_nowhere_changes_nothing() -> None:
    value = {"a": [{"b": 1}], "c": {"$secret": "X", "more": 1}, "d": {"$secret": 5}}
    paths = ["/a/0/b", "/a/9", "/a/x", "/zz/y", "/c", "/d"]
    assert (await resolver().resolve(value, paths, DEFAULT_TENANT)).value == value


def test_paths_of_an_authored_value() -> None:
    value = {"a/b": [{"$secret": "X"}], "m~n": {"$secret": "Y"}, "c": {"$secret": "X", "more": 1}, "d": {"$secret": ""}}
    assert secret_paths(value) == ["/a~1b/0", "/m~0n"]
    assert secret_paths({"$secret": "X"}) == [""]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ABSENT", "SECRET_NOT_FOUND"),
        ("EMPTY", "SECRET_NOT_FOUND"),
        ("lower", "SECRET_NAME_INVALID"),
        ("../ETC", "SECRET_NAME_INVALID"),
    ],
)
async def test_a_secret_that_is_not_there_is_named(name: str, code: str) -> None:
    with pytest.raises(StepFailure, match=name) as failed:
        await resolver(EMPTY="").resolve({"a": {"$secret": name}}, ["/a"], DEFAULT_TENANT)
    assert (failed.value.category, failed.value.code) == ("ActionError", code)
    assert failed.value.details == {"secret": name, "path": "/a"}


async def test_providers_are_asked_in_order(tmp_path: Path) -> None:
    (tmp_path / "BOTH").write_text("from file\n")
    (tmp_path / "FILE").write_text("line one\nline two\r\n")
    (tmp_path / "BLANK").write_text("\n")
    both = SecretResolver([EnvironmentSecrets({"RUNSTUDIO_SECRET_BOTH": "from env"}), DirectorySecrets(tmp_path)])
    wanted = [{"$secret": "BOTH"}, {"$secret": "FILE"}]
    assert (await both.resolve(wanted, secret_paths(wanted), DEFAULT_TENANT)).value == [
        "from env",
        "line one\nline two",
    ]
    with pytest.raises(StepFailure, match="BLANK"):
        await both.resolve({"$secret": "BLANK"}, [""], DEFAULT_TENANT)


class Answering:
    """A provider that gives or raises what it was made with."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def read(self, name: str, tenant: str) -> Any:
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (KeyError(CANARY), "KeyError"),
        (TimeoutError(), "TimeoutError"),
        (b"bytes", "it is bytes, not text"),
        (SystemExit(1), "SystemExit"),
        (asyncio.CancelledError(), "CancelledError"),
    ],
)
async def test_a_provider_that_fails_fails_the_step_without_its_text(answer: Any, reason: str) -> None:
    with pytest.raises(StepFailure, match=reason) as failed:
        await SecretResolver([Answering(answer)]).resolve([{"$secret": "KEY"}], ["/0"], DEFAULT_TENANT)
    assert (failed.value.category, failed.value.code) == ("ActionError", "SECRET_UNREADABLE")
    assert failed.value.details == {"secret": "KEY", "path": "/0", "reason": reason}
    assert failed.value.__cause__ is failed.value.__context__ is None


async def test_a_provider_may_say_how_the_step_fails() -> None:
    busy = StepFailure("TransientError", "The vault is sealed.", code="VAULT_SEALED")
    with pytest.raises(StepFailure) as failed:
        await SecretResolver([Answering(busy)]).resolve({"$secret": "KEY"}, [""], DEFAULT_TENANT)
    assert (failed.value.category, failed.value.message, failed.value.code) == (
        busy.category,
        busy.message,
        busy.code,
    )
    numbered = StepFailure("TransientError", "The vault is sealed.", code=503)  # type: ignore[arg-type] # nobody checks
    with pytest.raises(StepFailure) as failed:
        await SecretResolver([Answering(numbered)]).resolve({"$secret": "KEY"}, [""], DEFAULT_TENANT)
    assert failed.value.code == "503"


async def test_an_empty_text_is_no_secret() -> None:
    asked = SecretResolver([Answering(""), Answering("found")])
    assert (await asked.resolve({"$secret": "KEY"}, [""], DEFAULT_TENANT)).value == "found"


UNREADABLE: dict[str, Callable[[Path], object]] = {
    "it is no regular file": lambda file: file.mkdir(),
    "Too many levels of symbolic links": lambda file: file.symlink_to(file),
    "it is not UTF-8": lambda file: file.write_bytes(b"\xff\xfe"),
    "it has more than 65536 bytes": lambda file: file.write_bytes(b"x" * 65_537),
    "it is no regular file (a pipe)": os.mkfifo,
    "it is no regular file (a device)": lambda file: file.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("reason", UNREADABLE)
async def test_f4_a_file_that_cannot_be_read_is_no_missing_secret(tmp_path: Path, reason: str) -> None:
    UNREADABLE[reason](tmp_path / "KEY")
    with pytest.raises(StepFailure) as failed:
        await SecretResolver([DirectorySecrets(tmp_path)]).resolve({"$secret": "KEY"}, [""], DEFAULT_TENANT)
    assert failed.value.code == "SECRET_UNREADABLE"
    assert failed.value.details["reason"] == reason.partition(" (")[0]


async def test_f4_a_variable_that_is_not_utf8() -> None:
    asked = SecretResolver([EnvironmentSecrets({"RUNSTUDIO_SECRET_KEY": "a\udcff"})])
    with pytest.raises(StepFailure, match="it is not UTF-8"):
        await asked.resolve({"$secret": "KEY"}, [""], DEFAULT_TENANT)


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        f"before {CANARY} after",
        json.dumps({"token": CANARY}),
        json.dumps({"token": CANARY}, ensure_ascii=False),
        json.dumps({"inner": json.dumps({"token": CANARY})}),
        repr({"token": CANARY}),
        f"https://example.com/?token={quote(CANARY, safe='')}",
        base64.b64encode(CANARY.encode()).decode(),
        base64.b64encode(f"user:{CANARY}".encode()).decode(),
        base64.b64encode(f"user1:{CANARY}!".encode()).decode(),
        CANARY.upper(),
        CANARY[::-1],
        CANARY.encode().hex(),
    ],
)
def test_every_form_of_a_secret_is_masked(text: str) -> None:
    scrubbed = scrub({"deep": [{text: text}]}, [CANARY])
    assert "c4nary" not in json.dumps(scrubbed)
    assert base64.b64encode(CANARY.encode()).decode()[:12] not in json.dumps(scrubbed)
    assert PLACEHOLDER in scrubbed["deep"][0].popitem()[1]


def test_a_secret_in_pieces_is_masked() -> None:
    assert scrub({"pieces": list(CANARY), "other": ["a", "b"]}, [CANARY]) == {
        "pieces": [PLACEHOLDER] * len(CANARY),
        "other": ["a", "b"],
    }


def test_a_part_of_a_secret_is_left_alone() -> None:
    """What is scrubbed is data that runs go on with: a word that a secret happens to begin with must not be taken out of it."""
    assert scrub("in production", ["production-key-1"]) == "in production"


def test_a_short_secret_is_masked_only_where_it_stands_alone() -> None:
    assert scrub(["1", "a 1 b", 1], ["1"]) == [PLACEHOLDER, "a 1 b", 1]


def test_the_longest_secret_is_masked_first() -> None:
    assert scrub("x abcdefgh y", ["abcd", "abcdefgh"]) == f"x {PLACEHOLDER} y"


@given(secret=st.text(min_size=4), before=st.text(), after=st.text())
def test_no_secret_survives_in_a_text(secret: str, before: str, after: str) -> None:
    # The mask itself may complete what the surrounding text began; what matters is that the secret as inserted is gone.
    parts = scrub(before + secret + after, [secret])
    assert parts != before + secret + after
    assert scrub(f"{before}|{json.dumps(secret)}|{after}", [secret]) != f"{before}|{json.dumps(secret)}|{after}"


class Token(BaseModel):
    token: str


async def test_an_output_does_not_hold_the_secret(make_context: Callable[..., ActionContext]) -> None:
    async def echo(call: Token, ctx: ActionContext) -> Token:
        return Token(token=f"used {call.token}")

    registered = declarations_of(action("test.echo", input=Token, output=Token)(echo))[0]
    assert await invoke(registered, {"token": CANARY}, make_context(), (CANARY,)) == {"token": f"used {PLACEHOLDER}"}


async def test_a_heartbeat_does_not_hold_the_secret(make_context: Callable[..., ActionContext]) -> None:
    async def beats(call: Token, ctx: ActionContext) -> Token:
        ctx.heartbeat(f"trying {call.token}", {"sent": call.token}, {call.token}, ValueError(call.token))
        return call

    beaten: list[Any] = []
    registered = declarations_of(action("test.beats", input=Token, output=Token)(beats))[0]
    context = make_context(heartbeat=lambda *details: beaten.extend(details))
    await invoke(registered, {"token": CANARY}, context, (CANARY,))
    assert beaten == [f"trying {PLACEHOLDER}", {"sent": PLACEHOLDER}, [PLACEHOLDER], PLACEHOLDER]


@pytest.mark.parametrize(
    ("name", "given", "action_id", "tenant", "allowed"),
    [
        ("CRM_KEY", {}, "crm.create", DEFAULT_TENANT, True),
        ("CRM_KEY", {}, "crm.create", "other", False),
        ("CRM_KEY", {}, "mail.send", DEFAULT_TENANT, False),
        ("PAY_KEY", {"url": "https://API.pay.example:443/x"}, "http.request", "other", True),
        ("PAY_KEY", {"url": "https://api.pay.example.evil.net/"}, "http.request", "other", False),
        ("PAY_KEY", {"url": "https://api.pay.example@evil.net/"}, "http.request", "other", False),
        ("PAY_KEY", {"url": {"$secret": "PAY_KEY"}}, "http.request", "other", False),
        ("PAY_KEY", {"url": "https://xn--/"}, "http.request", "other", False),
        ("PAY_KEY", {"url": "https://evil.net\\.api.pay.example/"}, "http.request", "other", False),
        ("PAY_KEY", {"url": "http://api.pay.example/"}, "http.request", "other", False),
        ("PAY_KEY", {}, "http.request", "other", False),
        ("OTHER", {}, "crm.create", DEFAULT_TENANT, False),
    ],
)
async def test_f27_a_policy_says_who_may_use_what(
    tmp_path: Path, name: str, given: dict[str, Any], action_id: str, tenant: str, allowed: bool
) -> None:
    file = tmp_path / "policy.json"
    rules = [
        {"secrets": ["CRM_*"], "actions": ["crm.*"], "tenants": [DEFAULT_TENANT]},
        {"secrets": ["PAY_KEY"], "actions": ["http.request"], "hosts": ["api.pay.example:443"]},
    ]
    file.write_text(json.dumps({"rules": rules}))
    asked = SecretResolver([Answering("value")], SecretPolicy.load(file))
    call = {**given, "key": {"$secret": name}}
    if allowed:
        assert (await asked.resolve(call, ["/key"], tenant, action_id)).value["key"] == "value"
    else:
        with pytest.raises(StepFailure) as failed:
            await asked.resolve(call, ["/key"], tenant, action_id)
        assert (failed.value.category, failed.value.code) == ("ActionError", "SECRET_NOT_ALLOWED")


@pytest.mark.parametrize("content", ["", "{}", '{"rules": [{"secrets": []}]}', '{"rules": [{"secrets": ["A"], "host": "a"}]}',
                                     '{"rules": [{"secrets": ["A"], "hosts": ["a/b"]}]}'])  # fmt: skip
def test_a_policy_that_cannot_be_read_stops_the_worker(tmp_path: Path, content: str) -> None:
    (tmp_path / "policy.json").write_text(content)
    with pytest.raises(Invalid, match="RUNSTUDIO_SECRET_POLICY"):
        load_actions().secrets(Settings(secret_policy_file=tmp_path / "policy.json"))


@pytest.mark.parametrize("way", ["exception", "failure", "bad output"])
async def test_an_error_does_not_hold_the_secret(make_context: Callable[..., ActionContext], way: str) -> None:
    async def leak(call: Token, ctx: ActionContext) -> Any:
        if way == "exception":
            raise ValueError(f"denied for {call.token!r}")
        if way == "failure":
            raise StepFailure(
                "TransientError", f"no {call.token}", code="X", details={"sent": {"authorization": call.token}}
            )
        return {"token": [call.token]}

    registered = declarations_of(action("test.leak", input=Token, output=Token)(leak))[0]
    with pytest.raises(StepFailure) as failed:
        await invoke(registered, {"token": CANARY}, make_context(), (CANARY,))
    failure = failed.value
    assert "c4nary" not in str((failure.message, failure.code, failure.details))
    # Tracebacks end up in logs: the original is not shown with this one.
    assert failure.__cause__ is None
    assert failure.__suppress_context__
