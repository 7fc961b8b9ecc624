"""What is printed of rounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.faults.nemesis.faults import FAULTS
from tests.faults.nemesis.one_round import Outcome

LINES_SHOWN = 20_000
VIOLATIONS_SHOWN = 50


def as_text(outcome: Outcome) -> str:
    """One line of a round that held; of another one, its violations, plan and journal too."""
    figures = outcome.figures
    line = (
        f"seed {outcome.plan.seed}: {figures['runs']} runs, {figures['steps']} steps, {figures['events']} events,"
        f" {sum(outcome.journal.counts[name] for name in FAULTS)} faults, {len(outcome.violations)} violations"
    )
    if not outcome.violations:
        return line
    shown = [f"VIOLATION {violation}" for violation in outcome.violations[:VIOLATIONS_SHOWN]]
    return "\n".join([line, *shown, *outcome.plan.lines(), *outcome.journal.lines[-LINES_SHOWN:]])


def summary(outcomes: Sequence[Outcome]) -> str:
    """All rounds together, a figure in each line."""
    figures: Counter[str] = Counter()
    for outcome in outcomes:
        figures.update(outcome.figures)
        figures.update(outcome.journal.counts)
    figures["rounds"] = len(outcomes)
    ordered = ["rounds", *sorted(figures.keys() - {*FAULTS, "rounds"}), *(name for name in FAULTS if figures[name])]
    lines = [f"{figures[name]:>8}  {name}" for name in ordered]
    lines.append(f"{sum(len(outcome.violations) for outcome in outcomes):>8}  violations")
    return "\n".join(lines)
