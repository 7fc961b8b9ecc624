"""Secrets that are told by how they look, or by what stands beside them in a text or in a value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.policy import BUILT_IN, policy_of
from engine.values.redaction.redact import redact, redact_text
from engine.values.redaction.secret_shapes import may_hold_secret
from tests.engine.values.redaction.counting import calls_counted

CANARY = "zK9qLm27xWvT"
QUOTED = json.dumps({"password": CANARY})

TEXTS = {
    "escaped JSON in a text": f"log: {json.dumps(QUOTED)}",
    "JSON of a text that is JSON": json.dumps(QUOTED),
    "JSON in JSON in JSON in a text": f"log: {json.dumps(json.dumps(QUOTED))} end",
    "a pair in JSON in a text": f'log {{"name":"password","value":"{CANARY}"}} end',
    "a pair in half of a JSON": f'log {{"name":"password","value":"{CANARY}"',
    "an escaped name in JSON in a text": f'log {{"pass\\u0077ord":"{CANARY}"}}',
    "a list in JSON in a text": f'log {{"password": ["{CANARY}"]}}',
    "an object in half of a JSON": f'log {{"token": {{"is": "{CANARY}"}}, "n": 1',
    "a quote in a quoted value": f'"password": "a\\"{CANARY}"',
    "escaped quotes": f'\\"password\\": \\"{CANARY}\\"',
    "quotes escaped twice": f'\\\\\\"password\\\\\\": \\\\\\"{CANARY}\\\\\\"',
    "a comma in a value": f"password=a,{CANARY}",
    "a semicolon in a value": f"password=a;{CANARY} b",
    "an ampersand in a value": f"(password=a&{CANARY})",
    "a quote in a value": f"password=a'{CANARY}",
    "a quoted value of a connection string": f"host=h password='it\\'s {CANARY}' dbname=d",
    "an index": f"password[0]={CANARY}",
    "an arrow": f"password => {CANARY}",
    "another arrow": f"password -> {CANARY}",
    "an assignment": f"password := {CANARY}",
    "a colon in full width": f"password：{CANARY}",
    "a name in full width": f"ｐａｓｓｗｏｒｄ={CANARY}",
    "a name in other letters": f"pаsswоrd: {CANARY}",
    "a block of YAML": f"db:\n  password: |\n    {CANARY}\n  host: h",
    "a folded block of YAML": f"password: >-\n  a\n  {CANARY}\nhost: h",
    "an element": f"<user><password>{CANARY}</password></user>",
    "an element with a namespace": f'<wsse:Password Type="x">{CANARY}</wsse:Password>',
    "character data": f"<Password><![CDATA[{CANARY}]]></Password>",
    "an attribute": f'<user password="{CANARY}"/>',
    "a named attribute": f'<add key="ApiKey" value="{CANARY}"/>',
    "a field of a page": f'<input value="{CANARY}" type="password">',
    "a field of a form in parts": f'Content-Disposition: form-data; name="password"\r\n\r\n{CANARY}\r\n--x',
    "an option": f"mysql --password {CANARY} -u x",
    "a login of curl": f"curl -u user:{CANARY} https://h",
    "a line of netrc": f"machine h login u password {CANARY}",
    "a sentence": f"the password is {CANARY}.",
    "a quoted sentence": "the password was 'correct horse' then",
    "a statement of SQL": "ALTER USER x PASSWORD 'correct horse'",
    "another statement of SQL": "CREATE USER x IDENTIFIED BY 'correct horse'",
    "a quoted cookie": f'Cookie: a="b"; session={CANARY}',
    "a header of curl": f"curl -H 'X-Api-Key: {CANARY}' https://h",
    "a key of Azure": f"AccountName=x;AccountKey={CANARY}==;EndpointSuffix=x",
    "a slash in the user information": f"postgres://user:ab/{CANARY}@host/x",
    "a hash in the user information": f"postgres://user:ab#{CANARY}@host/x",
    "a question mark in the user information": f"postgres://user:ab?{CANARY}@host/x",
    "an at in the user information": f"https://user:a@{CANARY}@host/x",
    "user information without a scheme": f"see //user:{CANARY}@host/x",
    "Oracle": f"jdbc:oracle:thin:user/{CANARY}@h:1521:db",
    "an encoded name of a parameter": f"https://h/?pass%77ord={CANARY}",
    "an encoded sign": f"https://h/?password%3D{CANARY}",
    "a parameter in brackets": f"https://h/?user[password]={CANARY}",
    "a URL in a URL": f"https://h/?next=https%3A%2F%2Fh%2F%3Ftoken%3D{CANARY}",
    "a URL in a URL, not encoded": f"https://h/?next=https://h/?token={CANARY}",
    "a URL encoded twice": f"https%253A%252F%252Fu%253A{CANARY}%2540h%252F",
    "a key of a URL": f"https://h/?key={CANARY}{CANARY}",
    "a code of a login": f"https://h/cb?state=1&code={CANARY}{CANARY}",
    "PGP": f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{CANARY}\n-----END PGP PRIVATE KEY BLOCK-----",
    "SSH2": f"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n{CANARY}\n---- END SSH2 ENCRYPTED PRIVATE KEY ----",
    "PuTTY": f"Private-Lines: 1\n{CANARY}\nPrivate-MAC: abc",
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_secret_in_a_text_is_hidden(case: str) -> None:
    text = TEXTS[case]
    shown = redact_text(text, BUILT_IN)
    assert PLACEHOLDER in shown
    assert CANARY not in shown
    assert "horse" not in shown
    assert redact_text(shown, BUILT_IN) == shown
    assert redact({"note": text}, BUILT_IN)[0] == {"note": PLACEHOLDER}


@pytest.mark.parametrize("text", [TEXTS[case] for case in TEXTS if " sentence" in case or "statement of SQL" in case])
def test_a_secret_that_is_told_in_a_long_text_is_hidden(text: str) -> None:
    """Long texts are looked at in another way first."""
    long = "The parcel is on its way.\n" * 20
    assert redact_text(f"{text}\n{long}", BUILT_IN) == f"{redact_text(text, BUILT_IN)}\n{long}"


@pytest.mark.parametrize(
    "token",
    [
        "AKIAIOSFODNN7EXAMPLE", f"ghp_{'a1B2' * 9}", f"github_pat_11ABCDEFG0_{'aB3' * 12}", f"glpat-{'aB3xZ' * 4}",
        f"xoxb-123456789012-{'aB3d' * 6}", f"sk_live_{'aB3d' * 6}", f"sk-proj-{'aB3d' * 10}", f"AIza{'SyA1b2C' * 5}",
        f"SG.{'aB3d' * 5}.{'aB3d' * 10}", f"npm_{'aB3d' * 9}", f"https://hooks.slack.com/services/T0/B0/{CANARY * 2}",
    ],
)  # fmt: skip
def test_what_services_issue_is_known(token: str) -> None:
    assert token not in redact_text(f"used {token} today", BUILT_IN)
    assert redact([token], BUILT_IN)[0] == [PLACEHOLDER]


@pytest.mark.parametrize(
    "value",
    [
        "4111.1111.1111.1111", "4111\u00a01111\u00a01111\u00a01111", "4111  1111  1111  1111", "4111–1111–1111–1111",
        "4111/1111/1111/1111", "4111 1111\n1111 1111", "card4111111111111111x", "x_4111111111111111_y", "3782 822463 10005",
        "４１１１１１１１１１１１１１１１", "4111 1111 1111 1111 123", "12 4111 1111 1111 1111 12/29", 378282246310005,
        4111111111111111.0, ["4111", "1111", "1111", "1111"], [4111, 1111, 1111, 1111], list("4111111111111111"),
        "deadbeef-4111-1111-1111-1111abcdefab",
    ],
)  # fmt: skip
def test_a_card_number_however_it_is_written(value: Any) -> None:
    assert redact({"note": value}, BUILT_IN)[0] == {"note": PLACEHOLDER}


PAIRS = {
    "key and val": {"key": "api_key", "val": CANARY},
    "k and v": {"k": "password", "v": CANARY},
    "in capitals": {"NAME": "Authorization", "VALUE": CANARY},
    "of a field": {"fieldName": "password", "fieldValue": CANARY},
    "with lines": {"field_name": "pin", "string_value": CANARY},
    "a label": {"label": "Password:", "value": CANARY},
    "an id": {"id": "password", "value": {"is": CANARY}},
    "a variable": {"variable": "DB_PASSWORD", "value": CANARY},
    "a type": {"type": "password", "value": CANARY},
    "a question": {"question": "Your PIN?", "answer": CANARY},
    "entries": [["password", CANARY], ["user", "ada"]],
    "one entry": [["pin", CANARY]],
    "a header with a list": ["X-Api-Key", [CANARY]],
    "headers in turn": ["Host", "h", "X-Api-Key", CANARY],
}


@pytest.mark.parametrize("case", PAIRS)
def test_a_value_beside_its_name_is_hidden(case: str) -> None:
    assert CANARY not in json.dumps(redact({"pairs": PAIRS[case]}, BUILT_IN)[0])


@pytest.mark.parametrize(
    "value",
    [
        "the shipping: 3 boxes", "keyboard: qwerty", "total tokens: 4000", "max_tokens: 500",
        "TOKEN_EXPIRED: the token has expired",
        "password: invalid", "cookie: accepted", "Password must have 8 characters", "http://example.com:80/a@b", "https://host/a@b",
        "see https://github.com/@user/x", "2026-11-30 21:46:23.123456", "1764539183123456", "key: value", "?page=3&key=order-17",
        "550e8400-e29b-41d4-a716-446655440000", "01a248a4-8588-7157-9045-666c1fa153d9", "at 01A26484-9760-7254-804E-F3F5D7356DD0",
        "100% sure, 20%25", "<name>Ada</name>", "mailto:ada@example.com",
        {"name": "max_tokens", "value": 5}, {"title": "Reset your password", "text": "Press the link."},
        {"type": "token", "value": "+"}, {"required": ["password", "email"]}, [["user", "ada"], ["pin_count", 4]],
        {"key": "status", "content": "ok"},
        {"customer_id": "pin-17", "value": 3}, {"user_name": "secret-agent", "text": "hello"},
        {"name": "token-service", "data": {"up": True}}, [4111, 1111, 1111, 1112], "token sort, pin the note",
        [4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    ],
)  # fmt: skip
def test_what_is_no_secret_is_shown(value: Any) -> None:
    assert redact(value, BUILT_IN) == (value, frozenset())


@pytest.mark.parametrize("code", ["CODE", "PAYMENT_CODE_MISSING", "TOKEN_EXPIRED", "AUTH"])
def test_a_code_of_an_error_is_no_close_look_worth(code: str) -> None:
    assert not may_hold_secret(code)


def test_a_secret_beside_a_text_is_no_name_of_it() -> None:
    value = {"api_key": "secret-1", "text": "hello"}
    assert redact(value, BUILT_IN) == ({"api_key": PLACEHOLDER, "text": "hello"}, frozenset({"/api_key"}))


@pytest.mark.parametrize(
    "unit",
    [
        'password="',
        "password=[",
        '\\"',
        "?token=x&",
        '"name":"password" ',
        "<a ",
        "%41",
        "1 ",
        "4111 ",
        "DE89 3704 ",
        "mysql -p",
        "Cookie: a\n b\n",
        "Cookie: a\n",
        "password is set to ",
        "pin? ",
        "passwords:\n - a\n",
        "('pin', 'a'), ",
        '"""',
        "1234 is your ",
        "**pin**: ",
        "<td>pin</td>",
        "pin: !a ",
        "pin →",
        "- name: pin\n",
        "login ",
        "basic auth: ",
        "&amp;",
        "\\u0070",
        "pass\u200bword=",
        "DE89370400440532013001 ",
        '{"a":',
        "https://u:p@h/",
        "db-password ",
        "pin:\n  a: b\n",
        "pin:\n  a:\n    ",
        "sqlplus -s ",
        "a-b-",
        "setx a_token ",
        "setPassword('",
        "login a account ",
        "requirepass ",
        'variable "pin" { default',
        "<a name='pin'>",
        "<name>pin</name>",
        "--from-literal=",
        "{ab}",
        "kind: Secret\ndata:\n  a: b\n",
        "$2b$12$",
        "docker run -u a:b ",
        "create cm --from-literal=a=b ",
        "unexpected token 'a' ",
        "pin=self.a.b(",
        "db-pin 1.2.3.4 ",
        "pass: 1 fail",
    ],
)
def test_the_work_grows_with_the_text_alone(unit: str) -> None:
    """Four times the text takes about four times the calls, those of C (each match of a pattern is one) among them.

    What was looked at before is remembered, so it can be twice as many; work that grows with the square takes sixteen times.
    """
    taken = [calls_to_redact(unit * (size // len(unit))) for size in (2_000, 8_000)]
    assert taken[1] <= 8 * taken[0] + 50


def calls_to_redact(text: str) -> int:
    """How many functions are called for a text, of Python and of C."""
    with calls_counted() as counted:
        redact_text(text, BUILT_IN)
    return counted()


@pytest.mark.parametrize(
    "condition",
    [
        {"path": "customer.pin", "op": "=", "value": CANARY},
        {"path": "customer.pin", "op": "in", "value": [CANARY, "1234"]},
        {"path": "card.digits", "op": "!=", "value": 1234},
        {"path": "customers[0].accessKey", "op": "starts_with", "value": CANARY},
        {"path": "/customer/pin", "op": "replace", "value": CANARY},
        {"path": "$.customer['pin']", "operator": "=", "value": CANARY},
        {"path": "PIN", "op": "=", "value": CANARY},
    ],
)
def test_what_a_hidden_place_is_compared_with_is_hidden(condition: dict[str, Any]) -> None:
    shown = {**condition, "value": PLACEHOLDER}
    for policy in (BUILT_IN, BUILT_IN.for_definitions()):
        assert redact({"filters": [condition]}, policy)[0] == {"filters": [shown]}


def test_places_and_names_of_a_tenant_are_such_places() -> None:
    policy = policy_of(["/customer/name"], ["^badge$"])
    for path, hidden in (
        ("customer.name", True),
        ("customer.name.first", True),
        ("customer.Badge", True),
        ("customer.id", False),
    ):
        condition = {"path": path, "op": "=", "value": "Ada"}
        shown = {**condition, "value": PLACEHOLDER if hidden else "Ada"}
        assert redact({"filters": [condition]}, policy)[0] == {"filters": [shown]}


@pytest.mark.parametrize(
    "value",
    [
        {"path": "order.state", "op": "=", "value": "open"},
        {"path": "usage.max_tokens", "op": ">", "value": 5},
        {"path": "/srv/pin/data", "value": "x"},
    ],
)
def test_what_another_place_is_compared_with_is_shown(value: dict[str, Any]) -> None:
    assert redact(value, BUILT_IN) == (value, frozenset())
