"""Numbers of bank accounts in free text: known by country, shape and check digits, and nothing else taken for one."""

from __future__ import annotations

import base64
import random
import uuid

import pytest

from engine.values.redaction.ibans import ibans
from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.policy import BUILT_IN
from engine.values.redaction.redact import redact, redact_text

IBANS = [
    "DE89370400440532013000", "GB29NWBK60161331926819", "FR1420041010050500013M02606", "NO9386011117947",
    "MT84MALT011000012345MTLCAST001S", "CH9300762011623852957", "AT611904300234573201", "NL91ABNA0417164300",
    "IT60X0542811101000000123456", "ES9121000418450200051332", "BE68539007547034", "PL61109010140000071219812874",
    "SE4550000000058398257466", "LC55HEMM000100010012001200023015", "BR1800360305000010009795493C1", "TR330006100519786457841326",
]  # fmt: skip


@pytest.mark.parametrize("iban", IBANS)
def test_an_account_is_hidden_however_it_is_grouped(iban: str) -> None:
    groups = [iban[at : at + 4] for at in range(0, len(iban), 4)]
    for written in (iban, " ".join(groups), "\u00a0".join(groups), "-".join(groups), iban.lower()):
        assert redact_text(f"paid from {written}, today", BUILT_IN) == f"paid from {PLACEHOLDER}, today"
        assert redact({"note": written}, BUILT_IN)[0] == {"note": PLACEHOLDER}
    assert redact({"note": groups}, BUILT_IN)[0] == {"note": PLACEHOLDER}


@pytest.mark.parametrize(
    "text",
    [
        "DE88370400440532013000",  # the check digits of another one
        "DE8937040044053201300",
        "DE893704004405320130001",
        "XX89370400440532013000",
        "ADE89370400440532013000",
        "GB2912346016133192681 9",
        "DE89 3704 0044 0532 0130 and 00",
        "order DE12 345, 6 boxes",
    ],
)
def test_what_is_nearly_an_account_is_shown(text: str) -> None:
    assert redact_text(text, BUILT_IN) == text


def test_ids_are_shown() -> None:
    """What may begin as an account does, and has its letters and digits, is one by chance once in 97 times. Ids do not."""
    known = random.Random(8)
    for _ in range(20_000):
        raw = known.randbytes(32)
        number = known.randrange(10**16)
        for name in (
            *(raw[:size].hex() for size in (8, 9, 10, 11, 12, 14, 16, 20, 32)),
            str(uuid.UUID(bytes=raw[:16])),
            base64.urlsafe_b64encode(raw[:16]).decode().rstrip("="),
            *(f"{kind}{number}" for kind in ("ORD-", "INV", "RE-2026-", "order ", "PO#", "v1.")),
        ):
            assert not list(ibans(name)), name
            assert not list(ibans(f"{name} of {number % 1000}")), name
