"""Cases that contradict themselves, and what they are judged by instead. Each is named with its reason in the report."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tests.conformance.loader import Case


@dataclass(frozen=True, slots=True)
class Correction:
    """What is wrong with a case, and what is put in its place."""

    reason: str
    path: tuple[str | int, ...]
    """Where in the case's data a value is set."""
    value: Any


CORRECTIONS: dict[str, tuple[Correction, ...]] = {
    "try-return-inside-catch": (
        Correction(
            "expect.vars claims to be complete but leaves out vars.note, which the case's own catch branch assigns",
            ("expect", "vars", "note"),
            "error=x",
        ),
    ),
    "transform-object-actions": (
        Correction(
            "pick_fields is expected to find b = 2 although the case maps no source to it",
            ("definition", "steps", 1, "config", "inputMapping", "source"),
            {"a": 1, "b": 2},
        ),
        Correction(
            "rename_fields is expected to rename a = 1 although the case maps no source to it",
            ("definition", "steps", 2, "config", "inputMapping", "source"),
            {"a": 1},
        ),
    ),
}


def corrected(case: Case) -> tuple[dict[str, Any], list[str]]:
    """The case's data with its corrections made, and the reasons; a case that has been mended needs and gets none."""
    data, reasons = deepcopy(case.data), []
    for correction in CORRECTIONS.get(case.id, ()):
        place: Any = data
        for part in correction.path[:-1]:
            place = place[part]
        if correction.path[-1] not in place:
            place[correction.path[-1]] = correction.value
            reasons.append(correction.reason)
    return data, reasons
