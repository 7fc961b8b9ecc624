"""Which expressions find none, one or many, so that one alone is no array."""

from __future__ import annotations

import pytest

from engine.expression import Reads, compile_expression


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("payload.orders[status='open']", True),
        ("payload.orders[status='open'].lines", True),
        ("(payload.orders)[status='open']", True),
        ("(payload.n; payload.orders[paid])", True),
        ("payload.all ? payload.orders : payload.orders[paid]", True),
        ("coalesce(payload.orders[paid], [])", True),
        ("$coalesce(payload.orders[paid], [])", True),
        ("payload.orders.*", True),
        ("payload.**", True),
        ("payload.orders^(id)", True),
        ("$open := payload.orders[paid]", True),
        ("($open := payload.orders[paid]; $open)", True),
        ("($a := payload.orders[paid]; $b := payload.orders; $b)", False),
        ("($a := payload.orders[paid]; $a := [1]; $a)", False),
        ("($a := payload.orders[paid]; [$a])", False),
        ("[payload.orders[status='open']]", False),
        ("payload.orders[status='open'][]", False),
        ("append([], payload.orders[paid])", False),
        ("coalesce(payload.orders, [])", False),
        ("payload.orders[0].lines", False),
        ("payload.orders[-1]", False),
        ("payload.orders", False),
        ("payload.orders[paid]{id: total}", False),
        ("[1..3]", False),
    ],
)
def test_f21_what_selects(source: str, expected: bool) -> None:
    assert compile_expression(source).selects(lambda _reads: False) is expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("payload.orders.id", True),
        ("(payload.n; payload.orders.id)", True),
        ("coalesce(payload.orders.id, [])", True),
        ("payload.n ? payload.orders.id : []", True),
        ("payload.orders[0].id", False),
        ("payload.orders", False),
        ("[payload.orders.id]", False),
        ("payload.orders.id[]", False),
        ("append(payload.orders.id, [])", False),
    ],
)
def test_f21_a_path_selects_that_takes_a_field_of_each_item(source: str, expected: bool) -> None:
    def maps(reads: Reads) -> bool:
        return [name for name, index in reads[1:-1] if index is None] == ["orders"]

    assert compile_expression(source).selects(maps) is expected
