"""The spellings in which a secret may come back from an action, and none of which is stored."""

from __future__ import annotations

import base64
import binascii
import html
import json
import textwrap
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from engine.actions.context import ActionContext
from engine.actions.declaration import action, declarations_of
from engine.actions.invoke import invoke
from engine.actions.schema import ActionModel
from engine.actions.scrubbing import scrub
from engine.errors import StepFailure
from engine.values.redaction.placeholder import PLACEHOLDER

SECRET = "pa&s<w>'\"ö/+= zK9qLm27xWvTQ"
RAW = SECRET.encode()
BASE64 = base64.b64encode(RAW).decode()

SPELLINGS = {
    "for HTML": f"<p>{html.escape(SECRET)}</p>",
    "for HTML by numbers": "".join(f"&#{ord(sign)};" for sign in SECRET),
    "for XML": SECRET.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&apos;"),
    "all percent-encoded": "".join(f"%{byte:02x}" for byte in RAW),
    "percent-encoded twice": quote(quote(SECRET, safe=""), safe=""),
    "percent-encoded in small letters": quote(SECRET, safe="").lower(),
    "all escaped": "".join(f"\\u{ord(sign):04x}" for sign in SECRET),
    "JSON in JSON in JSON": json.dumps(json.dumps(json.dumps(SECRET))),
    "over two lines": f"{SECRET[:10]}\n{SECRET[10:]}",
    "base64 over lines": "\n".join(textwrap.wrap(BASE64, 10)),
    "base64 twice": base64.b64encode(BASE64.encode()).decode(),
    "base32": base64.b32encode(RAW).decode(),
    "hexadecimal with blanks": RAW.hex(" "),
    "hexadecimal with colons": RAW.hex(":").upper(),
    "hexadecimal as numbers": ", ".join(f"0x{byte:02x}" for byte in RAW),
    "bytes": list(RAW),
    "an object of its characters": {str(place): sign for place, sign in enumerate(SECRET)},
    "in pieces beside it": [SECRET, SECRET[:9], SECRET[9:]],
    "cut at the end": f"the value was {SECRET[:20]}",
    "cut at the beginning": f"{SECRET[5:]} was the value",
    "in other cases": SECRET.swapcase(),
    "bytes of Python": f"cannot send {RAW!r}",
    "in mail": f"a {binascii.b2a_qp(RAW).decode()} b",
    "taken for Latin-1": f"a {RAW.decode('latin-1')} b",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_is_known_in_every_spelling(spelling: str) -> None:
    given = SPELLINGS[spelling]
    shown = json.dumps(scrub({"a": given, "n": 1, "other": "text"}, [SECRET]), ensure_ascii=False)
    assert PLACEHOLDER in shown
    assert '"n": 1, "other": "text"' in shown
    for part in [given] if isinstance(given, str) else [json.dumps(given)[1:-1], SECRET[5:]]:
        assert part not in shown
    assert "zK9qLm27" not in shown


LOGIN = base64.b64encode(b"user:hunter2000").decode()
HOOK = "https://hooks.example.com/services/T00/zK9qLm27xWvT?wait=true"


@pytest.mark.parametrize(
    ("secret", "answer", "shown"),
    [
        ("4711123456", {"pin": 4711123456}, {"pin": PLACEHOLDER}),
        ("4711.5", [4711.5, 4711], [PLACEHOLDER, 4711]),
        (" zK9qLm27xWvT ", "zK9qLm27xWvT", PLACEHOLDER),
        ("Bearer abcdefgh12345678", "no such token: abcdefgh12345678", f"no such token: {PLACEHOLDER}"),
        (f"Basic {LOGIN}", "hunter2000 is wrong", f"{PLACEHOLDER} is wrong"),
        (HOOK, f"POST {HOOK.partition('?')[0]} failed", f"POST https://hooks.example.com/services/T00/{PLACEHOLDER} failed"),
        ("postgres://u:zz9q%2BLm@h/x", "password zz9q+Lm is wrong", f"password {PLACEHOLDER} is wrong"),
        (json.dumps({"id": "crm", "client_secret": "s3cr3t"}), "s3cr3t of crm", f"{PLACEHOLDER} of crm"),
        (SECRET, ["a", SECRET], ["a", PLACEHOLDER]),
        (SECRET, {"a": SECRET, "b": "x"}, {"a": PLACEHOLDER, "b": "x"}),
        ("true", [True, 1], [True, 1]),
        ("1", [1, 10], [1, 10]),
        ("https://api.example.com/v1/orders", "/v1/orders/17", "/v1/orders/17"),
        ("production-key-1", "in production", "in production"),
    ],
)  # fmt: skip
def test_what_a_secret_is_made_of_and_what_it_is_not(secret: str, answer: Any, shown: Any) -> None:
    assert scrub(answer, [secret]) == shown


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


class Anything(ActionModel):
    value: Any


UNWRITABLE = {
    "deep": _nested(900),
    "endless": _nested(3),
    "bytes": b"\xff",
    "an object": object(),
    "a function": len,
}
UNWRITABLE["endless"].append(UNWRITABLE["endless"])  # type: ignore[union-attr] # a list that holds itself


@pytest.mark.parametrize("case", UNWRITABLE)
async def test_an_answer_that_is_no_json_fails_the_step(make_context: Callable[..., ActionContext], case: str) -> None:
    @action("test.answers", input=Anything, output=Anything)
    async def answers(_call: Anything, _ctx: ActionContext) -> dict[str, Any]:
        return {"value": UNWRITABLE[case]}

    with pytest.raises(StepFailure) as failed:
        await invoke(declarations_of(answers)[0], {"value": 1}, make_context())
    assert failed.value.code == "ACTION_OUTPUT_INVALID"
