"""Jobs of the workers: submitting one for everything that matches, and ending those that are under way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from engine.ids import new_id
from engine.records import Count, Job, JobKind, JobSubmitted, RunFilter
from runstudio_tui.domain.present import count_text
from runstudio_tui.ports import Backend
from runstudio_tui.store.targets import FrozenTargets, Outcome, Result, TargetOf

OF_RUNS: Final = (JobKind.CANCEL, JobKind.REPLAY, JobKind.EXPORT, JobKind.DELETE)
_LOOKED_THROUGH: Final = 200


@dataclass(frozen=True, slots=True)
class Everything:
    """What a filter means from now on: its times are instants."""

    kinds: Sequence[JobKind]
    """What can be done to it, the usual one first."""
    wanted: RunFilter | str
    """Of runs; of deliveries ``dead``, ``failed`` or ``skipped``."""
    filter_text: str
    """As it was typed; empty: all."""
    count: Count
    """How many matched when it was last looked."""
    noun: str
    """Of one of them: ``run``."""
    nouns: str
    key: str = field(default_factory=new_id)
    """Makes each job once, however often it is sent."""

    def named(self, count: Count) -> str:
        """A number of them: ``1 run``, ``10,000+ runs``."""
        return f"{count_text(count)} {self.noun if count.value == 1 and not count.capped else self.nouns}"


async def submit(backend: Backend, everything: Everything, kind: JobKind, reason: str) -> JobSubmitted:
    """Have it done by the workers; sending it again changes nothing. Raises EngineError."""
    return await backend.jobs.submit(
        kind,
        everything.wanted,
        reason,
        filter_text=everything.filter_text,
        idempotency_key=f"{everything.key}:{kind.value}",
    )


class EndFlow(FrozenTargets[Job]):
    """Ends frozen jobs."""

    WORDS: ClassVar[dict[Outcome, str]] = {
        Outcome.DONE: "ended",
        Outcome.SKIPPED: "left alone",
        Outcome.FAILED: "failed",
        Outcome.PENDING: "not sent",
    }

    def why_not(self, row: Job) -> str:
        """See FrozenTargets."""
        return f"it is {row.state.value} by now" if row.state.ended else ""

    def key_of(self, row: Job) -> str:
        """See FrozenTargets."""
        return row.job_id

    async def read_again(self, keys: Sequence[str]) -> list[Job]:
        """See FrozenTargets."""
        wanted = set(keys)
        known = await self._studio.backend.jobs.list(limit=_LOOKED_THROUGH)
        return [job for job in known if job.job_id in wanted]

    async def act(self, target: TargetOf[Job], reason: str) -> Result:
        """See FrozenTargets."""
        ended = await self._studio.backend.jobs.cancel(target.row.job_id)
        return Result(Outcome.DONE, f"ended; {ended.left:,} left undone" if ended.left else "ended")
