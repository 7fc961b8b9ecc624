"""The page docs/benchmarks.md, made of a result as JSON; and one measurement for a terminal."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from tests.bench import newest
from tests.bench.measuring import Measurement

PACKAGES = ("runstudio", "temporalio", "sqlalchemy", "psycopg", "pydantic", "textual", "dbos")
DIRECTORY = Path(__file__).parents[2]
PAGE = DIRECTORY / "docs" / "benchmarks.md"
RESULT = DIRECTORY / "build" / "benchmarks.json"

_BEGINNING = """\
# Benchmarks

Written by `make bench`; do not edit. Everything here was measured in one run on one machine, contenders in turns. Compare
figures of this page with each other, not with those of another machine: ratios travel, absolute figures do not.

What is compared, all with the same no-op action and the same settings of the worker:

- **ours**, as a whole worker process runs it, with a row in Postgres for every run, step and try of an action. *Quick* steps
  that follow each other are one local activity with a commit for each, *transactional* ones do their work in that commit,
  *ordinary* ones are ordinary activities.
- **a hand-written Temporal workflow**, an ordinary activity per step, which leaves nothing outside of Temporal's history.
- **the three-activities shape**, which writes a step's start and its end by activities of their own, as interpreters on
  Temporal often do. It exists only in the benchmark.
- **DBOS** on the same Postgres, at the pinned release and at its newest if that is another, with its default settings and its
  workflow function awaited directly, its fastest way. It has no server beside Postgres, keeps one row per step, and writes it
  when the step is over.
"""


def as_text(result: Measurement) -> str:
    """A measurement for a terminal."""
    table = [result.header, *result.rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(result.header))]
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    lines = [f"\n{result.title} ({result.seconds:.0f} s; load {load})"]
    lines += ["  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in table]
    lines += [
        f"  {'met   ' if v.met else 'MISSED'}  {v.what}: {v.measured}, budget {v.budget}" for v in result.verdicts
    ]
    return "\n".join(lines)


def as_summary(results: Sequence[Measurement]) -> str:
    """All verdicts of a run in one place, and what was not measured."""
    verdicts = [verdict for result in results for verdict in result.verdicts]
    lines = [f"\n{sum(verdict.met for verdict in verdicts)} of {len(verdicts)} budgets are met."]
    lines += [f"  MISSED  {v.what}: {v.measured}, budget {v.budget}" for v in verdicts if not v.met]
    lines += [f"  FAILED  {result.name}: {result.failed}" for result in results if result.failed]
    return "\n".join(lines)


def as_json(results: Iterable[Measurement], settings: Mapping[str, str]) -> dict[str, Any]:
    """Everything the page is made of."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": {
            "Processor": f"{_processor()}, {os.cpu_count()} cores",
            "Memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
            "System": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
            "Load at the end (1, 5, 15 minutes)": load,
        },
        "versions": {**{name: version(name) for name in PACKAGES}, "dbos, newest release": newest.told()},
        "settings": dict(settings),
        "measurements": [asdict(result) for result in results],
    }


def as_markdown(result: Mapping[str, Any]) -> str:
    """The page."""
    measurements: list[dict[str, Any]] = result["measurements"]
    verdicts = [verdict for measurement in measurements for verdict in measurement["verdicts"]]
    missed = sum(1 for verdict in verdicts if not verdict["met"])
    failed = [(m["name"], "", m["failed"], "**not measured**") for m in measurements if m["failed"]]
    parts = [
        _BEGINNING,
        "## Budgets\n",
        f"{len(verdicts) - missed} of {len(verdicts)} are met.\n",
        _table(("what", "budget", "measured", ""), [*(_verdict_row(verdict) for verdict in verdicts), *failed]),
    ]
    for measurement in measurements:
        parts += [f"## {measurement['title']}\n", f"{measurement['how']}\n", _measured(measurement)]
    parts += [
        "## Machine, versions, settings\n",
        f"{result['date']}; the measurements took {sum(m['seconds'] for m in measurements) / 60:.0f} minutes.\n",
        _table(("", ""), [*result["machine"].items(), *result["versions"].items(), *result["settings"].items()]),
    ]
    return "\n".join(parts)


def _verdict_row(verdict: Mapping[str, Any]) -> tuple[str, ...]:
    return (verdict["what"], verdict["budget"], verdict["measured"], "met" if verdict["met"] else "**missed**")


def _measured(measurement: Mapping[str, Any]) -> str:
    return _table(measurement["header"], measurement["rows"])


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_line(header), _line(["---"] * len(header)), *(_line(row) for row in rows)]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
