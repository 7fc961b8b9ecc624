"""The page docs/benchmarks.md, and the same for a terminal."""

from __future__ import annotations

from tests.bench.measuring import Measurement


def as_text(result: Measurement) -> str:
    """A measurement for a terminal."""
    table = [result.header, *result.rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(result.header))]
    lines = [f"\n{result.title} ({result.seconds:.0f} s)"]
    lines += ["  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in table]
    lines += [
        f"  {'met   ' if v.met else 'MISSED'}  {v.what}: {v.measured}, budget {v.budget}" for v in result.verdicts
    ]
    return "\n".join(lines)
