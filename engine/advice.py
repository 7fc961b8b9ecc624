"""What an operator can do about something, as messages advise it: always with its key in the studio and its command, where it
has them. The studio and the command line show the same sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PROGRAM: Final = "runstudio"


@dataclass(frozen=True, slots=True)
class Way:
    """How something is done."""

    command: str = ""
    """Without the program's name; what stands in braces is filled in. Empty: there is none."""
    key: str = ""
    """In the studio; empty: there is none."""
    screen: str = ""
    """The main screen where the key works, with its own key; empty: wherever the thing is shown."""

    def to(self, does: str, **names: str) -> str:
        """A sentence: ``does`` says what, in the imperative and without an end; ``names`` fill the command."""
        command = f"`{PROGRAM} {self.command.format(**names)}`" if self.command else ""
        key = f"key {self.key}{f' in {self.screen}' if self.screen else ''}" if self.key else ""
        return f"{does}: {', or '.join(part for part in (key, command) if part)}."


REPLAY: Final = Way("runs replay {run} --reason TEXT", "r")
REPLAY_WITH_INPUT: Final = Way("runs replay {run} --payload FILE --reason TEXT")
CANCEL: Final = Way("runs cancel {run} --reason TEXT", "c")
WHY: Final = Way("runs why {run}", "w")
SNAPSHOTS: Final = Way(key="s")
START: Final = Way("start {workflow} --payload FILE", "n", "Runs (1)")
PUBLISH: Final = Way("publish FILE", "N", "Workflows (4)")
IMPORT_OVER: Final = Way("bundle import FILE --force")
UNPAUSE: Final = Way("workflows unpause {workflow}", "u", "Workflows (4)")
LIMIT: Final = Way("workflows limit {workflow} RUNS", "l", "Workflows (4)")
QUOTA: Final = Way("quota set LIMIT --reason TEXT")
GO_ON: Final = Way("quota resume {run}", "e", "System (6)")
ANSWER: Final = Way("tasks complete TASK --response FILE", "a", "Tasks (3)")
CLAIM: Final = Way("tasks claim {task}", "t", "Tasks (3)")
RELEASE: Final = Way("tasks claim {task} --release", "u", "Tasks (3)")
SUBMIT: Final = Way("events submit NAME --key KEY --payload FILE", "n", "Events (2)")
EVENTS: Final = Way("events list", "2")
DEAD: Final = Way("events dead", "D", "Events (2)")
REDELIVER: Final = Way("events redeliver DELIVERY --reason TEXT")
SCHEDULES: Final = Way("schedules list", "4")
JOBS: Final = Way("jobs list", "6")
MESSAGES: Final = Way("alerts messages")
WORKER: Final = Way("worker")
PARTS: Final = Way("doctor", "6")
"""To see how the parts of the system are."""
