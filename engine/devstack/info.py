"""Where everything of a stack that is up can be found."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from engine.devstack.state import Part
from engine.settings import DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class StackInfo:
    """A stack that is up."""

    data_dir: Path
    database_url: str
    temporal_address: str
    owns_temporal: bool
    ui_url: str | None = None
    """Temporal's web interface; None when the server is not ours."""
    started: tuple[Part, ...] = ()
    """What this call had to start; the rest was running."""
    actions: tuple[str, ...] = ()
    """Modules with actions that the worker has."""

    def environment(self) -> dict[str, str]:
        """Variables that make a program use this stack; an empty value unsets what the user's own Temporal client needs."""
        variables = {"DATABASE_URL": self.database_url, "TEMPORAL_ADDRESS": self.temporal_address}
        if self.owns_temporal:
            variables = {name: "" for name in os.environ if name.startswith("TEMPORAL_")} | variables
            variables |= {"TEMPORAL_NAMESPACE": DEFAULT_NAMESPACE, "TEMPORAL_CONFIG_FILE": os.devnull}
        return variables
