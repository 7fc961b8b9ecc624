"""Every case of kind run and event-ingest on the in-memory host, as it is and hopping between machines."""

from __future__ import annotations

import pytest

from tests.conformance.expectations import differences
from tests.conformance.in_memory import World
from tests.conformance.loader import Case, load_cases

CASES = load_cases("run", "event-ingest")


def test_there_are_cases() -> None:
    assert len(CASES) > 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_case(case: Case) -> None:
    observed = await World(case.data).play()

    found = differences(case.data["expect"], observed)

    assert not found, "\n".join([case.title, *found])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_case_when_every_effect_is_a_continue_as_new(case: Case) -> None:
    observed = await World(case.data, hop=True).play()

    found = differences(case.data["expect"], observed)

    assert not found, "\n".join([case.title, *found])
