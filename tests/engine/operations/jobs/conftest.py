"""The worker that does the jobs of these tests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.operations.actor import Actor
from engine.operations.context import OperationContext


@pytest.fixture
def worker(context: OperationContext) -> OperationContext:
    return replace(context, actor=Actor("17@host", None, "reconciler", "service"))
