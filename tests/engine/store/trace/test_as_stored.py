"""What a run goes on with is what a reader of its rows sees: in the order of jsonb, with its numbers."""

from __future__ import annotations

import json
import random
import struct
from typing import Any

import psycopg

from engine.values.jsonb_order import as_stored, text_in_order

NUMBERS = [
    0, -0.0, 1.0, 0.1, 1e-7, 5e-324, 9007199254740992.0, 9007199254740993, 9999999999999998.0, 1e16, -1.5e16, 1e21, 1e22,
    1.2345678901234568e20, -1.7976931348623157e308, 123456789012345.67, 10**40,
]  # fmt: skip


def exact(value: Any) -> str:
    """Of numbers, also whether they are integers."""
    return repr(value)


def test_values_are_as_postgres_gives_them_back(database_url: str) -> None:
    chance = random.Random(7)
    doubles = [struct.unpack("d", chance.randbytes(8))[0] for _ in range(2000)]
    given = {
        "zeta": [*NUMBERS, *(double for double in doubles if double - double == 0)],
        "b": {"yy": 1e22, "x": [None, True]},
    }
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        [stored] = connection.execute("SELECT CAST(%s AS jsonb)", [json.dumps(given)]).fetchone() or [None]
    assert exact(as_stored(given)) == exact(stored)


def test_a_payload_that_keeps_its_order_has_the_same_numbers() -> None:
    assert text_in_order({"b": 1, "a": [1e22, -0.0]}) == '{"b":1,"a":[10000000000000000000000,0.0]}'


def test_earlier_semantics_keep_their_numbers() -> None:
    assert exact(as_stored({"b": 1e22, "a": -0.0}, numbers=False)) == "{'a': -0.0, 'b': 1e+22}"
