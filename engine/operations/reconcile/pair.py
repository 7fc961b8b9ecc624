"""A run that waits, as its row and as its execution have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.operations.reconcile.asking import LastEvent
from engine.operations.reconcile.looks import Seen
from engine.store.runs.agreeing import RowState
from engine.workflow.encoding import decode_step
from engine.workflow.wire import Whereabouts


@dataclass(frozen=True, slots=True)
class Pair:
    """A run that waits, as its row and as its execution have it."""

    row: RowState
    last: LastEvent
    there: Whereabouts

    @property
    def standing(self) -> tuple[Any, ...]:
        """Everything by which it would be seen that one side has moved."""
        return (*seen(self.row, self.last), self.there["seq"])

    @property
    def asked(self) -> int:
        """The record at which the execution waits."""
        waiting = self.there["waiting"]
        return self.there["seq"] if waiting is None else int(waiting["request"]["seq"])

    @property
    def apart(self) -> bool:
        """Whether it waits at another record than its row tells."""
        return self.there["waiting"] is not None and self.asked != self.row.seq

    @property
    def facts(self) -> dict[str, Any]:
        """For log and audit."""
        waiting = self.there["waiting"]
        place = None if waiting is None else decode_step(waiting["request"]["step"]).path
        return {
            "rows": {"record": self.row.seq, "step": self.row.node_path, "waitingOn": self.row.waiting_on},
            "execution": {"record": self.asked, "step": place, "event": self.last.number},
        }

    @property
    def found(self) -> str:
        """What is the case, to be continued."""
        there = self.facts["execution"]
        return f"its rows are at {self.row.place}, its execution at record {there['record']} at {there['step']}"


def seen(row: RowState, last: LastEvent) -> Seen:
    """What a run looked like."""
    return last.number, row.seq, row.updated_at
