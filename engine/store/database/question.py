"""Questions that are put together once and answered in one round trip, however many of them are asked together.

The beginning of the snapshot, its clock and policy, the questions and its end are sent at once, where SQLAlchemy would wait for
the answer to each. Lists are polled, so what they ask is compiled once and goes to the driver directly. A page that shows texts
of runs and events asks in the same round trip whether what is hidden in those is known (``Telling``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.errors import QueryCanceled
from psycopg.rows import namedtuple_row
from psycopg.types.string import TextLoader
from sqlalchemy import Select, TextClause
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.store.database.engine import as_unavailable
from engine.store.database.following import document_limits, follow, memory_of
from engine.store.database.hidden_documents import CONTENTS, DIGESTED, LISTED, digested
from engine.store.database.reader import START, Reader, Reading, open_reader, reading_of
from engine.store.database.refusals import as_refusal
from engine.values.redaction.policy import EVERYTHING

ANY_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""In a question that is kept, in place of a time that is given when it is asked."""
QUESTIONS: Final = 128
"""How many questions of a list are kept."""
_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_COMMIT: Final = "COMMIT"
_DIALECT: Final = PGDialect_psycopg()  # type: ignore[no-untyped-call]
_ADAPTERS: Final = AdaptersMap(psycopg.adapters)
# Ids are texts everywhere in the engine.
_ADAPTERS.register_loader("uuid", TextLoader)


@dataclass(frozen=True, slots=True)
class Question:
    """A query as the driver takes it."""

    query: Select[Any] | TextClause | None
    """None: the statement alone."""
    statement: bytes
    values: Mapping[str, Any]
    open: frozenset[str]
    """Parameters that have no value until it is asked."""

    def given(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the values that are for its parameters. Raises ``KeyError`` when one that is open is not given."""
        mine = {name: value for name, value in given.items() if name in self.values}
        return {**mine, **{name: given[name] for name in self.open}}


def question(query: Select[Any] | TextClause) -> Question:
    """``query``, compiled. Keep it where it is asked again: this costs about as much as asking."""
    compiled = query.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    values: Mapping[str, Any] = compiled.params
    return Question(query, compiled.string.encode(), values, frozenset(name for name in values if values[name] is None))


async def ask(
    engine: AsyncEngine, tenant: str, *questions: Question, parameters: Mapping[str, Any] | None = None
) -> tuple[Reading, list[list[Any]]]:
    """The rows of each question in one read-only snapshot, in one round trip. Rows have their columns as attributes.

    ``parameters``: values of parameters by their names, instead of those they have. Policy, timeout and errors are those of
    ``open_reader``.
    """
    given = parameters or {}
    try:
        return await _ask_together(engine, tenant, questions, given)
    except (QueryCanceled, DBAPIError, PoolTimeout, OSError, UnicodeEncodeError) as error:
        raise as_unavailable(error, question=True) or as_refusal(error) or error from error
    except psycopg.Error:
        # A policy that may not be read, or a connection that was lost: asked one after the other, it is known which.
        async with open_reader(engine, tenant) as reader:
            return reader, [await _ask_alone(reader, asked, given) for asked in questions]


@dataclass(frozen=True, slots=True)
class Telling:
    """A page whose rows show texts of runs and events. Make one with ``telling``."""

    page: Question
    digests: Question
    run: str | None
    event: str | None
    texts: tuple[str, ...]


def tells(row: Any, texts: Iterable[str]) -> bool:
    """Whether a row has a text in one of these columns, which is then shown by ``Reading.of`` its run and its event."""
    return any(getattr(row, name) is not None for name in texts)


def telling(page: Question, texts: tuple[str, ...], *, run: str | None = None, event: str | None = None) -> Telling:
    """``page``, whose rows show texts of the run and the event in these columns wherever one of the columns ``texts`` is not
    null. Keep it as the question.
    """
    of_page = digested(page.statement.decode(), _DIGESTED.statement.decode(), run, event, texts)
    digests = Question(None, of_page.encode(), {**page.values, **_DIGESTED.values}, page.open | _DIGESTED.open)
    return Telling(page, digests, run, event, texts)


async def ask_telling(
    engine: AsyncEngine, tenant: str, asked: Telling, *others: Question, parameters: Mapping[str, Any] | None = None
) -> tuple[Reading, list[list[Any]]]:
    """The rows of the page, and of each other question, as ``ask`` gives them. The reading knows what is hidden in the runs and
    events of rows that tell something.

    One round trip, and more for documents that were never looked at. Raises ``Unavailable``.
    """
    given = {**(parameters or {}), **document_limits(tenant)}
    reading, [digests, rows, *more] = await ask(engine, tenant, asked.digests, asked.page, *others, parameters=given)

    async def look_up(statement: TextClause, wanted: Mapping[str, Any]) -> list[Any]:
        _, [found] = await ask(engine, tenant, _FOLLOWING[statement.text], parameters=wanted)
        return found

    told = [row for row in rows if tells(row, asked.texts)]
    runs, events = (_named(told, column) for column in (asked.run, asked.event))
    try:
        found = await follow(look_up, memory_of(engine, tenant), reading.policy, runs, events, digests=digests)
    except (RecursionError, ValueError, LookupError, TypeError):
        return replace(reading, policy=EVERYTHING), [rows, *more]
    return replace(reading, followed=reading.followed.beside(found)), [rows, *more]


def _named(rows: Iterable[Any], column: str | None) -> list[str]:
    return [] if column is None else [str(one) for row in rows if (one := getattr(row, column)) is not None]


async def _ask_together(
    engine: AsyncEngine, tenant: str, questions: tuple[Question, ...], given: Mapping[str, Any]
) -> tuple[Reading, list[list[Any]]]:
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        driver: Any = (await connection.get_raw_connection()).driver_connection
        cursors = [_Cursor(driver) for _ in questions]
        try:
            async with driver.pipeline():
                await driver.execute(_BEGIN)
                start = await _Cursor(driver).execute(_START.statement, {**_START.values, "of_tenant": tenant})
                for cursor, asked in zip(cursors, questions, strict=True):
                    await cursor.execute(asked.statement, {**asked.values, **asked.given(given)})
                # A rollback would make the driver forget what it has prepared.
                await driver.execute(_COMMIT)
            row = await start.fetchone()
            return reading_of(tenant, row), [await cursor.fetchall() for cursor in cursors]
        except BaseException:
            await connection.invalidate()
            raise


async def _ask_alone(reader: Reader, asked: Question, given: Mapping[str, Any]) -> list[Any]:
    if asked.query is not None:
        return await reader.rows(asked.query, asked.given(given))
    values = {**asked.values, **asked.given(given)}
    return list((await reader.connection.exec_driver_sql(asked.statement.decode(), values)).all())


class _Cursor(psycopg.AsyncCursor[Any]):
    """Gives rows with named columns, and ids as texts."""

    __slots__ = ()

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        super().__init__(connection, row_factory=namedtuple_row)

    @property
    def adapters(self) -> AdaptersMap:
        return _ADAPTERS


_START: Final = question(START)
_DIGESTED: Final = question(DIGESTED)
_FOLLOWING: Final = {statement.text: question(statement) for statement in (LISTED, CONTENTS)}
