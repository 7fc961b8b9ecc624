"""The front door as it is: its groups and what they answer. No test keeps a list of its own beside it."""

from __future__ import annotations

from engine import Engine, SyncEngine


def methods_of(door: Engine | SyncEngine) -> dict[str, list[str]]:
    """The names of the methods of each group."""
    groups = {name: group for name, group in vars(door).items() if not name.startswith("_")}
    return {
        name: [method for method in dir(group) if not method.startswith("_") and callable(getattr(group, method))]
        for name, group in groups.items()
    }


def unopened() -> Engine:
    """An engine of servers that are nowhere."""
    return Engine(database_url="postgresql://nobody@nowhere/nothing", temporal_address="127.0.0.1:1")
