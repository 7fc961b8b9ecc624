"""Keyset paging: a page begins after a row, not after a number of rows, so its cost does not depend on its depth."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    TableValuedAlias,
    Text,
    Tuple,
    UnaryExpression,
    bindparam,
    func,
    literal,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY

from engine.errors import Invalid
from engine.records import Page

T = TypeVar("T")
MAX_CURSOR_CHARACTERS: Final = 2000
_POSITION: Final = ("beyond_first", "beyond_second", "beyond_third")


@dataclass(frozen=True, slots=True)
class Keyset:
    """The columns that order a list, the last of which makes the order total."""

    columns: tuple[ColumnElement[Any], ...]
    descending: bool = True

    def on(self, source: FromClause) -> Keyset:
        """The same order on the columns of a selection."""
        return Keyset(tuple(source.c[str(column.key)] for column in self.columns), self.descending)

    def order(self) -> list[UnaryExpression[Any]]:
        """ORDER BY of the list."""
        return [column.desc() if self.descending else column.asc() for column in self.columns]

    def beyond(self, position: Sequence[Any]) -> ColumnElement[bool]:
        """The rows after ``position``: one row comparison, which an index range answers."""
        return self._beyond(tuple_(*position, types=[column.type for column in self.columns]))

    def beyond_parameters(self) -> ColumnElement[bool]:
        """As ``beyond``, in a statement that is made once: the position is given with ``parameters`` when it is executed."""
        named = [
            bindparam(name, type_=column.type, required=False)
            for name, column in zip(_POSITION, self.columns, strict=False)
        ]
        return self._beyond(tuple_(*named))

    def parameters(self, position: Sequence[Any]) -> dict[str, Any]:
        """``position`` for ``beyond_parameters``; nothing for an empty one."""
        return dict(zip(_POSITION, position, strict=False))

    def _beyond(self, there: Tuple) -> ColumnElement[bool]:
        row = tuple_(*self.columns)
        return row < there if self.descending else row > there


@dataclass(frozen=True, slots=True)
class Stretch:
    """The part of a list to be read: so many rows in its order."""

    keyset: Keyset
    limit: int

    def of(self, query: Select[Any], source: FromClause | None = None) -> Select[Any]:
        """``query``, cut; ``source`` has its columns, if not the table itself."""
        keyset = self.keyset if source is None else self.keyset.on(source)
        # A literal: for a limit it does not know, Postgres would plan each time anew.
        limit = bindparam(None, self.limit, Integer, literal_execute=True)
        return query.order_by(*keyset.order()).limit(limit)


def value_table(name: str, values: Sequence[str]) -> TableValuedAlias:
    """A table with one column ``value``, to be joined laterally with what is read for each of ``values``."""
    return func.unnest(literal(list(values), ARRAY(Text))).table_valued("value", name=f"each_{name}").render_derived()


def fingerprint(*parts: object) -> str:
    """What a cursor belongs to: equal for equal queries, in every process."""
    return hashlib.sha256(repr(_ordered(parts)).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _ordered(value: object) -> object:
    """``value`` with the members of its sets sorted: their own order differs from process to process."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return tuple(_ordered(getattr(value, field.name)) for field in dataclasses.fields(value))
    if isinstance(value, frozenset):
        return sorted(str(member) for member in value)
    if isinstance(value, tuple | list):
        return [_ordered(item) for item in value]
    return value


def page_of(
    found: Sequence[T],
    limit: int,
    query: str,
    position_of: Callable[[T], Sequence[Any]],
    now: datetime,
) -> Page[T]:
    """A page from what was read for it: up to ``limit`` + 1 rows, of which the last one says that more follow."""
    rows = tuple(found[:limit])
    return Page(rows, encode_cursor(query, position_of(rows[-1])) if len(found) > limit else None, now)


def encode_cursor(query: str, position: Sequence[Any]) -> str:
    """Opaque text for a position (texts, integers, datetimes) in the query with this fingerprint."""
    values = [value.isoformat() if isinstance(value, datetime) else value for value in position]
    return base64.urlsafe_b64encode(json.dumps([query, *values]).encode()).decode().rstrip("=")


def decode_cursor(query: str, cursor: str | None, kinds: Sequence[type]) -> tuple[Any, ...]:
    """The position of a cursor, its values of ``kinds`` (str, int, datetime, or UUID for its text); empty for none.

    Raises ``Invalid`` (CURSOR_INVALID) when it was not made by us, or for another query.
    """
    if cursor is None:
        return ()
    try:
        if len(cursor) > MAX_CURSOR_CHARACTERS:
            raise ValueError("too long")
        owner, *values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if owner != query or len(values) != len(kinds):
            raise ValueError("of another query")
        return tuple(_read(value, kind) for value, kind in zip(values, kinds, strict=True))
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise Invalid(
            "CURSOR_INVALID", "The cursor does not belong to this query.", "Start again from the first page."
        ) from None


def _read(value: Any, kind: type) -> Any:
    if kind is datetime:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("without zone")
        return moment
    if kind is UUID:
        return str(UUID(value))
    if type(value) is not kind:
        raise TypeError("of another type")
    if isinstance(value, str) and "\0" in value:
        raise ValueError("with NUL")
    return value
