"""Several targets of one command: each is settled on its own, and what became of each is told (docs/cli.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from engine.errors import EngineError
from engine.ids import once_each
from runstudio_tui.commands.output import print_json, print_table
from runstudio_tui.commands.progress import ProgressBar, progress_bar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settled(Generic[T]):
    """What was done to a target."""

    target: str
    value: T


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing was done to a target."""

    target: str
    error: EngineError

    def to_json(self) -> dict[str, Any]:
        """``{result: "refused", code, message, hint, details}``."""
        error = self.error
        return {
            "result": "refused",
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
            "details": error.details,
        }


Outcomes = list[Settled[T] | Refused]


async def settle_each(
    targets: Sequence[str], work: Callable[[str], Awaitable[T]], *, doing: str, as_json: bool
) -> Outcomes[T]:
    """Do ``work`` for each distinct target, in their order; one that is refused keeps no other from being done.

    ``doing`` names the work for the progress of several. Raises ``EngineError`` when all are refused for the same reason: it is
    not about one of them, or there is only one.
    """
    distinct = once_each(targets)
    if len(distinct) == 1:
        return [Settled(distinct[0], await work(distinct[0]))]
    with progress_bar(doing, as_json=as_json) as bar:
        outcomes = await _one_by_one(distinct, work, bar)
    raise_the_same([outcome.error if isinstance(outcome, Refused) else None for outcome in outcomes])
    return outcomes


def raise_the_same(errors: Sequence[EngineError | None]) -> None:
    """Raises the refusal with which every target was refused, when it is one and the same; None is a target that was not."""
    first = errors[0] if errors else None
    if first is not None and all(error == first for error in errors):
        raise first


async def _one_by_one(targets: Sequence[str], work: Callable[[str], Awaitable[T]], bar: ProgressBar) -> Outcomes[T]:
    outcomes: Outcomes[T] = []
    bar(0, len(targets))
    for target in targets:
        try:
            outcomes.append(Settled(target, await work(target)))
        except EngineError as error:
            outcomes.append(Refused(target, error))
        bar(len(outcomes), len(targets))
    return outcomes


def any_refused(outcomes: Outcomes[T]) -> bool:
    """Whether something was not done."""
    return any(isinstance(outcome, Refused) for outcome in outcomes)


def print_outcomes(kind: str, outcomes: Outcomes[T], word: Callable[[T], str] = str, *, as_json: bool) -> None:
    """What became of each: ``{results: [{kind: target, result: word or "refused", ...}]}``, or the same as a table."""
    if as_json:
        print_json({"results": [{kind: outcome.target, **_told(outcome, word)} for outcome in outcomes]})
    else:
        print_table(
            (kind.upper(), "RESULT"), [(outcome.target, _result(outcome, word)) for outcome in outcomes], none=None
        )


def _told(outcome: Settled[T] | Refused, word: Callable[[T], str]) -> dict[str, Any]:
    return outcome.to_json() if isinstance(outcome, Refused) else {"result": word(outcome.value)}


def _result(outcome: Settled[T] | Refused, word: Callable[[T], str]) -> str:
    return str(outcome.error) if isinstance(outcome, Refused) else word(outcome.value)
