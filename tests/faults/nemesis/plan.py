"""What a round does: its definitions, what programs and people do with them, and what fails meanwhile. All of it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from tests.faults.nemesis.definitions import EVENTS, LARGEST_N, Definition, draw_definitions

Launching = Literal["plain", "twice", "in a transaction", "by an event"]
Sending = Literal["plain", "thrice at once", "with other content", "committed late"]
Canceling = Literal["at once", "later", "again and again", "while it is blocked"]
LARGE = 400_000
"""Characters of a large event."""


@dataclass(frozen=True)
class Sent:
    """An event of an order."""

    name: str
    n: int
    characters: int
    """Of what it carries along and nobody looks at."""
    how: Sending
    pause: float
    """Seconds before it."""


@dataclass(frozen=True)
class Order:
    """One run by hand or by an event, and what is done to it."""

    number: int
    workflow_id: str
    n: int
    deadline: float
    """Seconds after the launch; the definition may look at it."""
    how: Launching
    pause: float
    """Seconds before the launch."""
    events: tuple[Sent, ...]
    cancel: Canceling | None
    replayed: bool


@dataclass(frozen=True)
class Fault:
    """Something that fails."""

    name: str
    seconds: float
    """For how long, for those that last."""
    which: int
    """0 or 1, where there are two."""


@dataclass(frozen=True)
class Size:
    """How much is in a round."""

    definitions: int
    orders: int
    worker_faults: int
    server_faults: int
    durations: tuple[float, ...]
    """Seconds of faults that last."""
    away: tuple[float, ...]
    """Seconds for which a server is killed."""
    pauses: int = 3
    """How often a workflow is paused."""
    seconds: float = 2.0
    """Over which the launches are spread."""


SHORT = Size(8, 24, 4, 6, (2.0, 5.0), (0.0, 2.0), pauses=2)
LONG = Size(40, 100, 10, 10, (1.0, 5.0, 8.0, 15.0, 30.0, 60.0), (0.0, 2.0, 10.0), seconds=60.0)

WORKER_FAULTS = ("kill_worker", "stop_worker", "kill_worker", "end_worker")
SERVER_FAULTS = ("kill_backends", "stall_postgres", "read_only", "kill_temporal", "stall_temporal", "kill_postgres")
LASTING_OUTAGE = "kill_temporal_for_long"
"""Longer than anything that is tried a limited number of times; in every second round of the long form."""
RESTORES = ("restore_postgres", "restore_temporal")
"""Each in every third round of the long form."""


@dataclass(frozen=True)
class Plan:
    """Everything that a seed decides."""

    seed: int
    definitions: list[Definition]
    orders: list[Order]
    paused: list[str]
    """Workflows that are paused and go on, one after the other."""
    worker_faults: list[Fault]
    server_faults: list[Fault]

    def lines(self) -> list[str]:
        """As it is printed beside a violation."""
        return [
            *(f"definition {known.workflow_id}: {known.steps}" for known in self.definitions),
            *map(str, self.orders),
            f"paused: {self.paused}",
            *(f"worker lane: {fault}" for fault in self.worker_faults),
            *(f"server lane: {fault}" for fault in self.server_faults),
        ]


def draw_plan(seed: int, size: Size, also: Sequence[str] = ()) -> Plan:
    """The plan of a round. ``also``: names of faults that come once more than they would."""
    # One generator each: more orders do not make other definitions.
    chances = {name: Random(f"{seed} {name}") for name in ("definitions", "orders", "workers", "servers")}
    definitions = draw_definitions(chances["definitions"], size.definitions)
    mains = [known.workflow_id for known in definitions if known.trigger is None][2:]
    orders = [_order(chances["orders"], number, mains, size) for number in range(size.orders)]
    paused = [chances["orders"].choice([*mains, "wf.child", "wf.fired"]) for _ in range(size.pauses)]
    servers = _faults(chances["servers"], SERVER_FAULTS, size.server_faults, size)
    for name in also:
        place = chances["servers"].randint(0, len(servers))
        servers.insert(place, Fault(name, chances["servers"].choice(size.durations), 0))
    return Plan(
        seed, definitions, orders, paused, _faults(chances["workers"], WORKER_FAULTS, size.worker_faults, size), servers
    )


def _faults(chance: Random, names: Sequence[str], number: int, size: Size) -> list[Fault]:
    """All of them as often as possible, in a random order."""
    chosen = [names[index % len(names)] for index in range(number)]
    chance.shuffle(chosen)
    return [_fault(chance, name, size) for name in chosen]


def _fault(chance: Random, name: str, size: Size) -> Fault:
    seconds = size.away if name in ("kill_temporal", "kill_postgres") else size.durations
    return Fault(name, chance.choice(seconds), chance.randrange(2))


def _order(chance: Random, number: int, mains: Sequence[str], size: Size) -> Order:
    how: Launching = chance.choices(("plain", "twice", "in a transaction", "by an event"), (5, 2, 2, 2))[0]
    cancel: Canceling | None = chance.choices(
        (None, "at once", "later", "again and again", "while it is blocked"), (12, 1, 2, 1, 1)
    )[0]
    return Order(
        number=number,
        workflow_id="wf.fired" if how == "by an event" else chance.choice(mains),
        n=chance.randint(0, LARGEST_N),
        deadline=chance.choice((0.0, 1.0, 5.0, 30.0)),
        how=how,
        pause=chance.uniform(0, size.seconds),
        events=tuple(_event(chance) for _ in range(chance.randint(0, 6))),
        cancel=cancel,
        replayed=chance.random() < 0.1,
    )


def _event(chance: Random) -> Sent:
    how: Sending = chance.choices(("plain", "thrice at once", "with other content", "committed late"), (6, 2, 1, 2))[0]
    return Sent(
        name=chance.choice(EVENTS),
        n=chance.randint(0, LARGEST_N),
        characters=LARGE if chance.random() < 0.08 else 10,
        how=how,
        pause=chance.choice((0.0, 0.0, chance.uniform(0, 1.5))),
    )
