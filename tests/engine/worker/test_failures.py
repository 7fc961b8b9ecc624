"""What Temporal is told of an activity that failed: one short sentence, and whether to repeat it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from engine.activities.errors import run_closed
from engine.errors import Unavailable
from engine.worker.failures import LONGEST, ShortFailures

STATEMENT = "INSERT INTO secret_table VALUES (:value)"


def wrapped(error: psycopg.Error) -> DBAPIError:
    """As SQLAlchemy raises it: with the statement and its values."""
    return DBAPIError(STATEMENT, {"value": "canary-4711" * 10_000}, error)


class Raising(ActivityInboundInterceptor):
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        raise self._error


async def told(error: Exception) -> Exception:
    call: Any = None
    with pytest.raises(type(error) if isinstance(error, LookupError) else ApplicationError) as failed:
        await ShortFailures().intercept_activity(Raising(error)).execute_activity(call)
    return failed.value


@pytest.mark.parametrize(
    ("error", "code", "for_good"),
    [
        (wrapped(psycopg.errors.ProgramLimitExceeded("index row size")), "DATABASE_VALUE_TOO_LARGE", True),
        (psycopg.errors.NumericValueOutOfRange("x" * 100_000), "DATABASE_VALUE_OUT_OF_RANGE", True),
        (wrapped(psycopg.errors.ReadOnlySqlTransaction("cannot execute")), "POSTGRES_READ_ONLY", False),
        (wrapped(psycopg.errors.AdminShutdown("terminating")), "POSTGRES_UNREACHABLE", False),
        (wrapped(psycopg.errors.TooManyConnections("too many")), "POSTGRES_UNREACHABLE", False),
        (wrapped(psycopg.errors.DiskFull("no space left")), "POSTGRES_FAILING", False),
        (wrapped(psycopg.errors.SerializationFailure("could not serialize access")), "POSTGRES_LOCKED", False),
        (wrapped(psycopg.errors.InsufficientPrivilege("permission denied for table t")), "POSTGRES_DENIED", False),
        (wrapped(psycopg.DataError("PostgreSQL text fields cannot contain NUL")), "DATABASE_TEXT_REFUSED", True),
        (Unavailable("POSTGRES_BUSY", "x" * 100_000, ""), "POSTGRES_BUSY", False),
        (wrapped(psycopg.errors.UndefinedColumn('column "seq" does not exist')), "POSTGRES_REFUSED", False),
        (psycopg.errors.IndexCorrupted("x" * 100_000), "POSTGRES_REFUSED", False),
    ],
)
async def test_f3_a_failure_is_one_short_sentence(error: Exception, code: str, for_good: bool) -> None:
    failure = await told(error)
    assert isinstance(failure, ApplicationError)
    assert (failure.type, failure.non_retryable) == (code, for_good)
    assert 0 < len(failure.message) <= LONGEST
    assert "canary" not in failure.message
    assert "secret_table" not in failure.message
    assert failure.__cause__ is None


async def test_what_none_of_our_words_is_for_is_told_in_those_of_postgres() -> None:
    """A worker that is newer than the schema: nobody was told anything but that the failure is too large."""
    failure = await told(wrapped(psycopg.errors.UndefinedColumn('column "seq" does not exist\nLINE 1: SELECT seq')))
    assert str(failure).endswith('column "seq" does not exist (UndefinedColumn, SQLSTATE 42703).')


async def test_what_is_not_of_the_database_is_told_as_it_is() -> None:
    for error in (LookupError("gone"), run_closed()):
        assert await told(error) is error
