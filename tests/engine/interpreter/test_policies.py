"""Back-off delays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.definition.models import RetryPolicy
from engine.errors import RunError
from engine.interpreter.policies import MAX_DELAY_MS, backoff_ms, default_policy, may_repeat


def policy(**fields: Any) -> RetryPolicy:
    return RetryPolicy.model_validate({"maxAttempts": 3, "backoffMs": 100} | fields)


@pytest.mark.parametrize(
    ("fields", "attempt", "random", "delay"),
    [
        ({"jitter": False}, 1, 0.0, 100),
        ({"jitter": False}, 3, 0.0, 400),
        ({}, 1, 1.0, 120),
        ({}, 1, 0.0, 80),
        ({}, 1, 0.5, 100),
        ({"jitter": False, "backoffMultiplier": 10, "maxDelayMs": 150}, 3, 0.5, 150),
        ({"maxDelayMs": 100}, 1, 1.0, 100),
        ({"backoffMs": 0}, 9, 1.0, 0),
        ({"backoffMultiplier": 0.5, "jitter": False}, 2, 0.0, 50),
    ],
)
def test_delays(fields: dict[str, Any], attempt: int, random: float, delay: float) -> None:
    assert backoff_ms(policy(**fields), attempt, random) == pytest.approx(delay, abs=1e-6)


@given(
    st.integers(0, 10**9),
    st.floats(0.001, 1e300),
    st.integers(1, 10_000),
    st.floats(0, 1, exclude_max=True),
    st.none() | st.integers(1, 10**12),
)
def test_a_delay_is_never_negative_above_its_cap_or_without_end(
    backoff: int, multiplier: float, attempt: int, random: float, cap: int | None
) -> None:
    fields = {"backoffMs": backoff, "backoffMultiplier": multiplier, "maxDelayMs": cap}
    assert 0 <= backoff_ms(policy(**fields), attempt, random) <= min(cap or MAX_DELAY_MS, MAX_DELAY_MS)


def test_no_policy_means_no_other_try() -> None:
    assert not may_repeat(None, 1, RunError("A", "x"))


def test_the_last_attempt_is_the_last() -> None:
    assert [may_repeat(policy(), attempt, RunError("A", "x")) for attempt in (1, 2, 3)] == [True, True, False]


def test_a_declared_policy_is_read_in_the_languages_shape() -> None:
    assert default_policy(None) is None
    assert default_policy({"maxAttempts": 2, "backoffMs": 5}) == RetryPolicy.model_validate(
        {"maxAttempts": 2, "backoffMs": 5}
    )
    with pytest.raises(ValueError, match="not a retry policy"):
        default_policy({"attempts": 2})
