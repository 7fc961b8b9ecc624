"""Every case of kind run and event-ingest on the in-memory host, as it is and hopping between machines."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance.disputed import corrected
from tests.conformance.expectations import differences, overruled
from tests.conformance.in_memory import InMemoryHost
from tests.conformance.loader import Case, load_cases

CASES = load_cases("run", "event-ingest")
Record = Callable[[str, object], None]


def test_there_are_cases() -> None:
    assert len(CASES) > 0


@pytest.mark.parametrize("hop", [False, True], ids=["straight", "hopping"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_case(case: Case, hop: bool, record_property: Record) -> None:
    """``hop``: every effect is a continue-as-new, which must be invisible."""
    data, reasons = corrected(case)
    record_property("conformance", ("in memory, hopping" if hop else "in memory", case.id))

    observed = await InMemoryHost(data, hop=hop).play()

    if reasons := [*reasons, *overruled(data["expect"], observed)]:
        record_property("corrected", "; ".join(reasons))
    found = differences(data["expect"], observed)
    assert not found, "\n".join([case.title, *found])
