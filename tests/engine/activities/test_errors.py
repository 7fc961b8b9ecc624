"""Errors as rows and histories hold them: bounded, and never cut in the middle of a character."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from engine.activities.errors import MAX_ERROR_BYTES, error_of
from engine.errors import StepFailure
from engine.values.json_policy import storable_text

AT = "2026-01-01T00:00:00.000Z"


def test_a_small_error_is_kept_whole() -> None:
    error = error_of(StepFailure("ActionError", "no", code="E1", details={"a": 1}), "root.steps[0]", AT)
    assert error == {
        "category": "ActionError",
        "message": "no",
        "code": "E1",
        "details": {"a": 1},
        "nodePath": "root.steps[0]",
        "at": AT,
    }


def test_large_details_go_first() -> None:
    error = error_of(StepFailure("ActionError", "no", details={"a": "x" * 50_000}), "p", AT)
    assert error["message"] == "no"
    assert error["details"]["truncated"] is True
    assert error["details"]["size"] > 50_000


@given(
    st.text(st.characters(), min_size=1, max_size=40).map(lambda text: text * 3000),
    st.integers(0, 12),
)
def test_any_message_is_cut_to_fit(message: str, shift: int) -> None:
    said = storable_text("." * shift + message)
    error = error_of(StepFailure("ActionError", "." * shift + message, details=[1] * 9000), "p", AT)
    text = json.dumps(error)
    assert len(text) <= MAX_ERROR_BYTES
    if error["message"] != said:
        kept = error["message"].removesuffix("...[truncated]")
        assert said.startswith(kept)
        assert not kept or not "\ud800" <= kept[-1] <= "\udbff"
        assert len(text) > MAX_ERROR_BYTES - 100
