"""Refusals are exceptions like others: they can be told, caught by their kind, and sent to another process."""

from __future__ import annotations

import copy
import pickle

import pytest

from engine import errors
from engine.errors import EngineError, TimedOut

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EngineError)]


@pytest.mark.parametrize("kind", KINDS)
def test_it_survives_a_copy_and_a_pickle(kind: type[EngineError]) -> None:
    refusal = kind("CODE", message="What happened.", hint="What to do.", details={"id": 1})
    for other in (copy.copy(refusal), pickle.loads(pickle.dumps(refusal))):  # noqa: S301 # our own
        assert type(other) is kind
        assert (other.code, other.message, other.hint, other.details) == (
            "CODE",
            "What happened.",
            "What to do.",
            {"id": 1},
        )
    assert str(refusal) == "CODE: What happened. What to do."


def test_what_timed_out_is_a_timeout_for_python_too() -> None:
    with pytest.raises(TimeoutError, match="WAIT_TIMED_OUT"):
        raise TimedOut("WAIT_TIMED_OUT", "Too late.")
