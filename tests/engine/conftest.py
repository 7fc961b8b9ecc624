"""What tests of the engine share."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.activities import run_chain
from engine.workflow import calls


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chains end by what comes in them alone, however long this machine takes."""
    monkeypatch.setattr(run_chain, "MAX_SECONDS", 600.0)
    monkeypatch.setattr(calls, "_CHAIN_TIMEOUT", timedelta(seconds=600))
