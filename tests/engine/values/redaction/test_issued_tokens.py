"""Tokens of services, known by how they begin, and hashes of passwords."""

from __future__ import annotations

import pytest

from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.policy import BUILT_IN
from engine.values.redaction.redact import redact, redact_text

_HEX = "0123456789abcdef"
_MIXED = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xYz4cB6nM8"

TOKENS = [
    f"dckr_pat_{_MIXED}", f"shpat_{_HEX * 2}", f"sq0csp-{_MIXED}", f"xapp-1-A0123-{_HEX * 2}", f"key-{_HEX * 2}",
    f"lin_api_{_MIXED}", f"secret_{_MIXED}abc", f"ntn_{_MIXED}", f"figd_{_MIXED}", f"ATATT3xFfGF0{_MIXED * 2}",
    f"hvs.CAESI{_MIXED}", f"doo_v1_{_HEX * 4}", f"sbp_{_HEX * 2}01234567", f"gsk_{_MIXED}", f"r8_{_MIXED}",
    f"nvapi-{_MIXED}", f"GOCSPX-{_MIXED}", f"1//0e{_MIXED}", f"NRAK-{'A1B2C3D4E' * 3}", f"glsa_{_MIXED[:32]}_01234567",
    f"sntrys_{_MIXED}", f"dapi{_HEX * 2}", f"rubygems_{_HEX * 3}", f"123456789:AA{_MIXED}", f"SK{_HEX * 2}",
    f"AGE-SECRET-KEY-1{'QYQSZQGP' * 7}QQ", f"abcdefghijklmn.atlasv1.{_MIXED}", f"PMAK-{_HEX}01234567-{_HEX * 2}ab",
    f"pul-{_HEX * 2}01234567", f"dp.pt.{_MIXED}", f"pscale_pw_{_MIXED}", f"xkeysib-{_HEX * 4}-{_MIXED}", f"{_HEX * 2}-us12",
    f"patAbCdEfGhIjKlMn.{_HEX * 4}", "pat-na1-01234567-89ab-cdef-0123-456789abcdef", f"abc8Q~{_MIXED}",
]  # fmt: skip
HASHES = [
    "$2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234",
    f"$6$saltsalt${_MIXED * 2}",
    f"$6$rounds=5000$saltsalt${_MIXED * 2}",
    f"$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ${_MIXED}",
    f"$y$j9T$saltsalt${_MIXED}",
]


@pytest.mark.parametrize("token", TOKENS + HASHES)
def test_what_services_and_systems_issue_is_hidden_wherever_it_stands(token: str) -> None:
    assert redact_text(f"used {token} today", BUILT_IN) == f"used {PLACEHOLDER} today"
    assert redact([token], BUILT_IN)[0] == [PLACEHOLDER]


@pytest.mark.parametrize(
    "text",
    [
        "a key-value store", "key-1234", "secret_santa", "hvs. hvb.", "1//0 is no number", "ATATTACK", "SKU-4711", "dapi0 r8_x",
        "pat-a-cake", "$2 or $6 or $1$2$3", "from $1$ to $5$", "dp.pt.", f"{_HEX}-us1", "12345678:AB", "sk-1", "pulse-12",
        f"commit {_HEX * 2}01234567", f"sha256:{_HEX * 4}", f"/srv/{_HEX * 2}/us-east-1",
    ],
)  # fmt: skip
def test_what_only_begins_so_is_shown(text: str) -> None:
    assert redact_text(text, BUILT_IN) == text
