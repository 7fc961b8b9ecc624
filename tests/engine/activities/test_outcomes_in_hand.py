"""Outcomes that a worker keeps until a row tells them."""

from __future__ import annotations

import asyncio

import pytest
from psycopg import Error
from psycopg.errors import lookup
from sqlalchemy.exc import DBAPIError
from temporalio.testing import ActivityEnvironment

from engine.activities.outcomes_in_hand import OutcomesInHand
from engine.activities.persistence import persistently
from engine.definition.step_ref import StepRef
from engine.errors import StepFailure
from engine.settings import DEFAULT_TENANT
from engine.store.trace.new_attempt import NewAttempt
from engine.store.trace.payloads import Sized, sized

OUTPUT = sized({"n": 1})


def attempt(run_id: str = "r", *, path: str = "root.steps[0]", number: int = 1, key: str = "k") -> NewAttempt:
    step = StepRef(path, "", 1, "s", "action.call")
    at = "2026-01-01T00:00:00.000Z"
    return NewAttempt(run_id, DEFAULT_TENANT, step, number, "test.quick", 1, key, "one", sized({}), at)


def given_up(in_hand: OutcomesInHand, which: NewAttempt, outcome: Sized | StepFailure) -> None:
    with pytest.raises(asyncio.CancelledError), in_hand.until_written(which, outcome):
        raise asyncio.CancelledError


def test_what_was_written_or_refused_is_not_kept() -> None:
    in_hand = OutcomesInHand()
    with in_hand.until_written(attempt(), OUTPUT):
        assert in_hand.of(attempt()) is OUTPUT
    assert in_hand.of(attempt()) is None
    with pytest.raises(ValueError, match="a bug"), in_hand.until_written(attempt(), OUTPUT):
        raise ValueError("a bug")
    assert in_hand.of(attempt()) is None


def told(sqlstate: str) -> DBAPIError:
    """What SQLAlchemy raises for a SQLSTATE."""
    error = DBAPIError.instance("SELECT", {}, lookup(sqlstate)("no"), Error, hide_parameters=True)
    assert isinstance(error, DBAPIError)
    return error


@pytest.mark.parametrize(
    ("sqlstate", "kept"),
    [
        ("57P01", True), ("25006", True), ("42501", True), ("53300", True), ("0A000", True), ("26000", True), ("57000", True),
        ("53000", True), ("58P01", True), ("XX001", True), ("42703", True), ("40003", True), ("28P01", True), ("3D000", True),
        ("22003", False), ("54000", False), ("22P05", False), ("23505", False), ("23514", False),
    ],
)  # fmt: skip
async def test_an_outcome_is_kept_and_tried_again_unless_it_is_what_postgres_refuses(sqlstate: str, kept: bool) -> None:
    in_hand, tries = OutcomesInHand(), list[str]()

    async def write() -> str:
        tries.append(sqlstate)
        if len(tries) == 1:
            raise told(sqlstate)
        return "written"

    with pytest.raises(DBAPIError), in_hand.until_written(attempt(), OUTPUT):
        raise told(sqlstate)
    assert (in_hand.of(attempt()) is OUTPUT) is kept
    if kept:
        assert await ActivityEnvironment().run(persistently, write) == "written"
    else:
        with pytest.raises(DBAPIError):
            await ActivityEnvironment().run(persistently, write)


def test_it_is_the_outcome_of_this_attempt_alone() -> None:
    in_hand = OutcomesInHand()
    given_up(in_hand, attempt(), OUTPUT)
    assert in_hand.of(attempt()) is OUTPUT
    for other in (attempt("q"), attempt(path="root.steps[1]"), attempt(number=2), attempt(key="l")):
        assert in_hand.of(other) is None


def test_the_oldest_are_dropped_when_they_are_too_much() -> None:
    in_hand, failure = OutcomesInHand(most_bytes=5_000), StepFailure("ActionError", "no")
    for run_id in ("a", "b", "c", "a"):
        given_up(in_hand, attempt(run_id), failure)
    given_up(in_hand, attempt("d"), sized("x" * 1_900))
    assert {run_id for run_id in "abcd" if in_hand.of(attempt(run_id))} == {"c", "a", "d"}
    given_up(in_hand, attempt("e"), sized("x" * 10_000))
    assert {run_id for run_id in "abcde" if in_hand.of(attempt(run_id))} == set()
