"""What no filter and no rule can be is refused by name, before anybody is asked."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import Invalid
from engine.operations.context import OperationContext
from engine.operations.events.correlation_paths import set_correlation_paths
from engine.records.filters import EventFilter, LogQuery, RunFilter, RunOrder, TaskFilter
from engine.values.redaction.policy import redaction_issues


@pytest.mark.parametrize("value", [5, None, b"x", "a\0", [1]])
@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (RunFilter, "order"), (RunFilter, "statuses"), (RunFilter, "waiting_on"), (RunFilter, "workflow"), (RunFilter, "text"),
        (RunFilter, "run_id_prefix"), (TaskFilter, "statuses"), (LogQuery, "minimum"), (LogQuery, "text"),
    ],
)  # fmt: skip
def test_what_no_condition_can_be(kind: Any, field: str, value: Any) -> None:
    # A set of statuses is called a status, as it is where filters are written.
    with pytest.raises(Invalid, match=f"FILTER_INVALID: The filter {field[:6]}"):
        kind(**{field: value})


@pytest.mark.parametrize("value", [5, b"x", "a\0", [1]])
@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (RunFilter, "trigger"),
        (RunFilter, "launch"),
        (RunFilter, "error_code"),
        (EventFilter, "status"),
        (EventFilter, "key"),
    ],
)
def test_what_no_optional_condition_can_be(kind: Any, field: str, value: Any) -> None:
    assert getattr(kind(**{field: None}), field) is None
    with pytest.raises(Invalid, match=f"FILTER_INVALID: The filter {field} "):
        kind(**{field: value})


def test_words_of_a_filter_may_be_written_as_texts() -> None:
    wanted: Any = {"order": "updated:asc", "statuses": {"FAILED"}}
    assert RunFilter(**wanted).order is RunOrder.UPDATED_ASC


@pytest.mark.parametrize("name", ["", " ", "x" * 201, 5])
async def test_keys_are_looked_for_in_no_event_that_cannot_be(context: OperationContext, name: Any) -> None:
    with pytest.raises(Invalid, match="CORRELATION_PATH_INVALID"):
        await set_correlation_paths(context, {name: ["order"]})


def test_what_is_wrong_with_a_pattern_is_said_in_words() -> None:
    [issue] = redaction_issues([], ["(?=a)"])
    assert issue == "The key pattern '(?=a)' is no regular expression: invalid perl operator: (?=."
