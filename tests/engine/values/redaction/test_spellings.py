"""Secrets whose name, or what stands around them, is spelled so that only a reader sees it."""

from __future__ import annotations

import pytest

from engine.store.database.hidden_values import hidden_in
from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.policy import BUILT_IN
from engine.values.redaction.redact import redact, redact_text

CANARY = "zK9qLm27xWvT"
UNSEEN = ["\u200b", "\u200c", "\u200d", "\ufeff", "\u2060", "\u00ad"]
TEXTS = {
    "a name": f"pass~word={CANARY}",
    "behind a name": f"password~: {CANARY}",
    "before a value": f"password=~{CANARY}",
    "a sentence": f"the pass~word is {CANARY}.",
    "an option": f"login --pass~word {CANARY}",
    "a statement of SQL": f"ALTER USER x PASS~WORD '{CANARY}'",
    "a parameter": f"https://h/?to~ken={CANARY}",
    "user information": f"https~://u:{CANARY}@h/",
    "an element": f"<pass~word>{CANARY}</pass~word>",
    "a scheme": f"sent Bea~rer {CANARY}",
    "JSON": f'got {{"pass~word": "{CANARY}"',
    "a private key": f"-----BEGIN PRI~VATE KEY-----\n{CANARY}",
}


@pytest.mark.parametrize("unseen", UNSEEN, ids=ascii)
@pytest.mark.parametrize("case", TEXTS)
def test_characters_that_cannot_be_seen_hide_no_name(case: str, unseen: str) -> None:
    text = TEXTS[case].replace("~", unseen)
    shown = redact_text(text, BUILT_IN)
    assert PLACEHOLDER in shown
    assert CANARY not in shown
    assert redact_text(shown, BUILT_IN) == shown
    assert redact({"note": text}, BUILT_IN)[0] == {"note": PLACEHOLDER}
    assert any(CANARY in str(found) for found in hidden_in({"note": text}, None, BUILT_IN))


@pytest.mark.parametrize("unseen", UNSEEN, ids=ascii)
def test_digits_with_such_characters_between_them_are_numbers(unseen: str) -> None:
    for number in ("4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00"):
        assert redact_text(f"paid with {number.replace(' ', unseen)}.", BUILT_IN) == f"paid with {PLACEHOLDER}."


@pytest.mark.parametrize(
    "text",
    [
        f"&lt;password&gt;{CANARY}&lt;/password&gt;",
        f"{{&quot;password&quot;: &quot;{CANARY}&quot;}}",
        f"{{&amp;#34;password&amp;#34;: &amp;#34;{CANARY}&amp;#34;}}",
        f"p&#97;ssword={CANARY}",
        f"\\u0070assword={CANARY}",
        f'half {{"\\\\u0070assword": "{CANARY}"',
        f"\\x70assword={CANARY}",
        f'password="a&quot;{CANARY}"',
    ],
)
def test_escaped_signs_hide_no_name(text: str) -> None:
    shown = redact_text(text, BUILT_IN)
    assert CANARY not in shown
    assert redact_text(shown, BUILT_IN) == shown


@pytest.mark.parametrize(
    "text",
    [
        "👩\u200d👩\u200d👧 at the keyboard",
        "Tom &amp; Jerry: 3 &lt; 4",
        "C:\\users\\u0041",
        "soft\u00adware",
        "a&para=1&copy=2",
    ],
)
def test_what_is_no_secret_stays_as_it_was_spelled(text: str) -> None:
    assert redact_text(text, BUILT_IN) == text
