"""Secrets in ways of writing that people and programs use, one of each kind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.policy import BUILT_IN
from engine.values.redaction.redact import redact, redact_text

CANARY = "zK9qLm27xWvT"

TEXTS = {
    "JSON in JSON in JSON in a text": "x " + json.dumps({"a": json.dumps({"b": json.dumps({"pin": CANARY})})}) + " y",
    "a folded header": f"Authorization: Bearer\r\n {CANARY}\r\nHost: h",
    "a folded cookie": f"Cookie: a=1;\n\tsession={CANARY}\nHost: h",
    "a folded header in a block": f"  Authorization: a\n    {CANARY}\n  Host: h",
    "the second of several headers": f"Accept: a\r\nSet-Cookie: a=1\r\nSet-Cookie: b={CANARY}\r\nX: y",
    "a cookie": f"Set-Cookie: session={CANARY}; Path=/; HttpOnly",
    "a session in a path": f"https://h/x;jsessionid={CANARY}?a=1",
    "a signature of a URL": f"https://h/x?X-Amz-Signature={CANARY}&a=1",
    "a password without a user": f"redis://:{CANARY}@h:6379/0",
    "a bot": f"https://api.telegram.org/bot123456789:AAE{CANARY * 3}/sendMessage",
    "Negotiate": f"sent Negotiate {CANARY * 3}",
    "a private key in one line": f'key "-----BEGIN RSA PRIVATE KEY-----\\nMIIE{CANARY}\\n-----END RSA PRIVATE KEY-----\\n"',
    "a private key in JSON in JSON": json.dumps(json.dumps({"k": f"-----BEGIN EC PRIVATE KEY-----\n{CANARY}"})),
    "a private key in small letters": f"-----begin private key-----\n{CANARY}\n-----end private key-----",
    "a private key of a form": f"-----BEGIN+PRIVATE+KEY-----%0A{CANARY}",
    "a list of pairs of Python": f"[('a', 'b'), ('password', '{CANARY}')]",
    "a pair of bytes": f"[(b'x-api-key', b'{CANARY}')]",
    "a text over lines": f'[db]\npassword = """\n{CANARY}\n"""',
    "a list in YAML": f"passwords:\n  - {CANARY}\n  - {CANARY}\nhost: h",
    "a value far to the right": f"password:\n{' ' * 40}{CANARY}",
    "a pair in YAML": f"- name: PASSWORD\n  value: {CANARY}",
    "a row of a table": f"| password | {CANARY} |",
    "an answer": f"Password? {CANARY}",
    "a dash": f"Password – {CANARY}",
    "a change": f"password changed from {CANARY} to abc",
    "an access key": f"access key {CANARY} denied",
    "a session": f"session id {CANARY}",
    "a web token that is none": f"jwt {CANARY}",
    "a signature": f"the signature is {CANARY}",
    "German": f"Das Passwort lautet {CANARY}",
    "German, several": f"Passwörter: {CANARY}",
    "a name in bold": f"**password**: {CANARY}",
    "a name and a sign in bold": f"**Password:** {CANARY}",
    "a name in code": f"`password`: `{CANARY}`",
    "a name in HTML": f"<b>Password:</b> {CANARY}",
    "a cell of a table in HTML": f"<tr><td>Password</td> <td class='x'>{CANARY}</td></tr>",
    "a property list": f"<dict><key>apiKey</key>\n<string>{CANARY}</string></dict>",
    "a value with an anchor in YAML": f"password: &x {CANARY}\nhost: h",
    "a value with a tag in YAML": f"password: !!str {CANARY}\nhost: h",
    "make": f"PASSWORD ?= {CANARY}",
    "an arrow": f"password → {CANARY}",
    "a ratio for a colon": f"password∶ {CANARY}",
    "accents apart": f"Passwo\u0308rter: {CANARY}",
    "a pattern of SQL": f"WHERE password LIKE '{CANARY} x'",
    "an option with a user": f"--auth=user:{CANARY}",
    "a code": f"verification code {CANARY}",
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_secret_in_a_text_is_hidden(case: str) -> None:
    shown = redact_text(TEXTS[case], BUILT_IN)
    assert CANARY not in shown
    assert PLACEHOLDER in shown
    assert redact_text(shown, BUILT_IN) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Your OTP is 4711", "Ihre PIN lautet 4711", "cvv 4711", "CVC is 4711", "verification code: 4711",
        "Your security code is 4711", "4711 is your login code", "A47-11B is your code", "the pin was set to 4711",
    ],
)  # fmt: skip
def test_a_short_number_that_is_told_is_hidden(text: str) -> None:
    shown = redact_text(text, BUILT_IN)
    assert "4711" not in shown
    assert "A47-11B" not in shown


PAIRS: dict[str, Any] = {
    "a kind": {"kind": "pin", "value": CANARY},
    "a type": {"type": "cvv", "value": CANARY},
    "a field of a page": {"selector": "#password", "value": CANARY},
    "German": {"Zugangsdaten": {"Benutzer": CANARY}},
    "entries of a name in the plural": {"creditCards": [CANARY]},
    "a name with a number": {"otp2": CANARY},
}


@pytest.mark.parametrize("case", PAIRS)
def test_a_secret_in_a_value_is_hidden(case: str) -> None:
    assert CANARY not in json.dumps(redact(PAIRS[case], BUILT_IN)[0])


@pytest.mark.parametrize(
    "value",
    [
        "max_tokens: 500, next_page_token=p2abc7, pinned: yes1, shipping: 4x, cardinality=12ab, discard: 7, expiry: 2027-01",
        "the token is missing", "HTTP status code 4040", "error code: 40312", "order 4711 is your first order",
        "pin the note - 2026a", "The secret of orders2go", "a signature v2beta1", "(name, value) = ('user', 'ada77x')",
        "Accept: a\n  b: c\n", "- name: order\n  value: 4711x", "negotiate contracts", "robot 12:30",
        "an empty list: - one\n- two", "said '''hello''' to x", "the password has 8 letters, one2three",
        "call('charge-card', 'pay.charge', 'x')",
        "<td>Name</td><td>Ada</td>", "**name**: Ada", "<key>order</key><string>x</string>", "a café → 17",
        {"type": "token", "value": "+"}, {"kind": "order", "value": 3}, {"type": "string", "value": "abc"},
    ],
)  # fmt: skip
def test_what_is_no_secret_is_shown(value: Any) -> None:
    assert redact({"note": value}, BUILT_IN)[0] == {"note": value}
