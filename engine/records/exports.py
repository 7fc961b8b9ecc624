"""Exports of runs: formats, and the pieces a file is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.records.runs import Count


class ExportFormat(StrEnum):
    """What an export is written as."""

    JSON = "json"
    """One run, with everything that is recorded of it."""
    CSV = "csv"
    """A list of runs, one line each, for a spreadsheet."""
    NDJSON = "ndjson"
    """A list of runs, one JSON object a line."""


@dataclass(frozen=True, slots=True)
class ExportPart:
    """The next piece of a file."""

    text: str
    """The pieces one after the other are the file; in UTF-8."""
    done: int
    """Records in the file with this piece: runs of a list; steps, attempts, waits, ... of one run."""
    total: Count
    """How many there will be, as they were counted at the beginning."""
